// One open SQLite vault file: prepared statements, and changes that are one transaction each. [Node: node:sqlite]
// A transaction never waits for anything but its own statements (https://www.sqlite.org/lang_transaction.html).
import { statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite'
import { StoreError } from '../errors.ts'
import { isForeignKey } from './sqlite-errors.ts'
import type { LockQueue } from './sqlite-lock.ts'
import type { Awaitable } from './store.ts'
import { keyRetiredError } from './store-errors.ts'

/** What a statement is run with: values by position, or by name. */
export type Parameters = SQLInputValue[] | [Record<string, SQLInputValue>]

/** What saving a token set may need at most, several times over: the pages of a row, its indexes and its history. */
const roomBytes = 256 * 1024

/** Prepared statements over one file. */
export class SqliteDatabase {
  readonly path: string
  /** `Store.origin`: a restored copy is another file, made at another time. */
  readonly origin: string
  readonly #database: DatabaseSync
  readonly #lock: LockQueue
  readonly #statements = new Map<string, StatementSync>()
  readonly #fileIds: string

  constructor(path: string, database: DatabaseSync, lock: LockQueue) {
    this.path = path
    this.#database = database
    this.#lock = lock
    this.#fileIds = fileIds(path)
    this.origin = originOf(path)
  }

  /** Reads: never waits for a writer. */
  read<T>(operation: () => T): Awaitable<T> {
    return this.#lock.run(operation)
  }

  /** A change, unless it would go into a file that nobody will open again. */
  write<T>(operation: () => T): Awaitable<T> {
    return this.#lock.runInTurn(() => {
      if (fileIds(this.path) !== this.#fileIds) throw replacedError(this.path)
      return operation()
    })
  }

  /** A change by several statements, all of them or none. */
  transaction<T>(operation: () => T): Awaitable<T> {
    return this.write(() => this.atomically(operation))
  }

  /** Runs several statements of one {@link SqliteDatabase.write} as one transaction. */
  atomically<T>(operation: () => T): T {
    this.#statement('BEGIN IMMEDIATE').run()
    try {
      const result = operation()
      this.#statement('COMMIT').run()
      return result
    } catch (error) {
      if (this.#database.isTransaction) this.#statement('ROLLBACK').run()
      throw error
    }
  }

  /**
   * Says whether what the provider is about to answer can be kept: asked before a refresh token is spent.
   *
   * @throws {StoreError} `store_full`.
   */
  assertRoom(): void {
    const { blocks, bavail, bsize } = statfsSync(dirname(this.path))
    // A file system that does not know its size says 0.
    if (blocks > 0 && bavail * bsize < roomBytes) throw fullError(this.path)
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
    if (this.#lock.closed) return
    this.#lock.closed = true
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

function fullError(path: string): StoreError {
  return new StoreError(
    'store_full',
    `The disk of the vault at ${path} has less than ${roomBytes / 1024} KiB left: a refreshed token might not find room. Free some disk space, then try again. Nothing was changed.`,
  )
}

function replacedError(path: string): StoreError {
  return new StoreError(
    'store_unavailable',
    `The vault at ${path} was removed or replaced while it was open: what is written now would be lost. Put it back, or close the vault and open it again.`,
  )
}
