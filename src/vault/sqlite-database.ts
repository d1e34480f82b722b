// One open SQLite vault file: prepared statements, and changes that are one transaction each. [Node: node:sqlite]
// A transaction never waits for anything but its own statements (https://www.sqlite.org/lang_transaction.html).
import { statSync } from 'node:fs'
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite'
import { StoreError } from '../errors.ts'
import { isForeignKey } from './sqlite-errors.ts'
import type { BusyRetry } from './sqlite-lock.ts'
import type { Awaitable } from './store.ts'
import { keyRetiredError } from './store-errors.ts'

/** What a statement is run with: values by position, or by name. */
export type Parameters = SQLInputValue[] | [Record<string, SQLInputValue>]

/** Prepared statements over one file. */
export class SqliteDatabase {
  readonly path: string
  /** `Store.origin`: a restored copy is another file, made at another time. */
  readonly origin: string
  readonly #database: DatabaseSync
  readonly #busy: BusyRetry
  readonly #statements = new Map<string, StatementSync>()
  readonly #fileIds: string

  constructor(path: string, database: DatabaseSync, busy: BusyRetry) {
    this.path = path
    this.#database = database
    this.#busy = busy
    this.#fileIds = fileIds(path)
    this.origin = originOf(path)
  }

  /** Reads: never waits for a writer. */
  read<T>(operation: () => T): Awaitable<T> {
    return this.#busy.run(operation)
  }

  /** A change by one statement, unless it would go into a file that nobody will open again. */
  write<T>(operation: () => T): Awaitable<T> {
    return this.#busy.run(() => {
      if (fileIds(this.path) !== this.#fileIds) throw replacedError(this.path)
      return operation()
    })
  }

  /** A change by several statements, all of them or none. `operation` waits for nothing. */
  transaction<T>(operation: () => T): Awaitable<T> {
    return this.write(() => {
      this.#statement('BEGIN IMMEDIATE').run()
      try {
        const result = operation()
        this.#statement('COMMIT').run()
        return result
      } catch (error) {
        if (this.#database.isTransaction) this.#statement('ROLLBACK').run()
        throw error
      }
    })
  }

  /**
   * Runs a change; how many rows it changed.
   *
   * @throws {KeyError} `key_retired` when its parameter `keyId` is no key of this vault.
   */
  change(text: string, parameters: Record<string, SQLInputValue> = {}): number {
    try {
      return Number(this.#statement(text).run(parameters).changes)
    } catch (error) {
      const { keyId } = parameters
      throw isForeignKey(error) && keyId != null ? keyRetiredError(this.path, String(keyId)) : error
    }
  }

  /** Rows as arrays: decoding objects by column name costs a microsecond more. */
  rows(text: string, ...parameters: Parameters): SQLOutputValue[][] {
    const statement = this.#statement(text)
    // `all` and `get` of a statement with setReturnArrays give arrays; the types do not know.
    return statement.all(...(parameters as SQLInputValue[])) as unknown as SQLOutputValue[][]
  }

  /** Closes the file; what waits for the lock ends with `closed`. */
  close(): void {
    if (this.#busy.closed) return
    this.#busy.closed = true
    this.#statements.clear()
    this.#database.close()
  }

  #statement(text: string): StatementSync {
    let statement = this.#statements.get(text)
    if (statement === undefined) {
      statement = this.#database.prepare(text)
      statement.setReturnArrays(true)
      this.#statements.set(text, statement)
    }
    return statement
  }
}

/** What tells a vault's files, the log of what is not yet in the main one included, from others that take their place. */
function fileIds(path: string): string {
  const files = [path, `${path}-wal`].map((file) => statSync(file, { throwIfNoEntry: false }))
  return files.map((stats) => (stats ? `${stats.dev}:${stats.ino}` : '')).join(' ')
}

/** File systems that know no birth time report none, or the time of the last change, which tells nothing. */
function originOf(path: string): string {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false })
  if (stats === undefined) return ''
  const born = stats.birthtimeNs === stats.ctimeNs ? 0n : stats.birthtimeNs
  return `${stats.ino.toString(36)}.${born.toString(36)}`
}

function replacedError(path: string): StoreError {
  return new StoreError(
    'store_unavailable',
    `The vault at ${path} was removed or replaced while it was open: what is written now would be lost. Put it back, or close the vault and open it again.`,
  )
}
