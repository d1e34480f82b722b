// One statement on a connection of `pg`, in the extended protocol without what a store does not need: the types of its
// columns are known, so nothing has to be described, which is a third of the work of a small read.
// https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
import type { Connection, Submittable } from 'pg'
import type { Values } from './postgres-rows.ts'

/** Called once: with an error, or with the rows. */
export type Done = (error: Error | null, rows: Values[]) => void

/** What `pg` keeps of a connection besides its types: the statements that were prepared on it, by name. */
type Prepared = Connection & {
  parsedStatements: Record<string, string | undefined>
  submittedNamedStatements: Record<string, string | undefined>
}

/** A statement to hand to `client.query`, as `pg-cursor` does with its own. */
export class PostgresQuery implements Submittable {
  /** Empty: not prepared by name. `pg` keeps the books by it. */
  readonly name: string
  readonly text: string
  /** Set and wrapped by `pg`, for its time limit. */
  callback: Done
  readonly #values: readonly unknown[]
  readonly #rows: Values[] = []

  constructor(name: string, text: string, values: readonly unknown[], callback: Done) {
    this.name = name
    this.text = text
    this.#values = values
    this.callback = callback
  }

  /** Sends it, all in one packet. */
  submit(connection: Connection): void {
    const { name, text } = this
    const { parsedStatements, submittedNamedStatements, stream } = connection as Prepared
    stream.cork()
    try {
      if (name === '' || (parsedStatements[name] ?? submittedNamedStatements[name]) === undefined) {
        connection.parse({ name, text, types: [] }, true)
        if (name !== '') submittedNamedStatements[name] = text
      }
      connection.bind({ statement: name, values: this.#values.map(toParameter) }, true)
      connection.execute(null, true)
      connection.sync()
    } finally {
      stream.uncork()
    }
  }

  /** One row: an array of its own for each. */
  handleDataRow({ fields }: { fields: Values }): void {
    this.#rows.push(fields)
  }

  /** The transaction of the statement is over, and what it did is committed. */
  handleReadyForQuery(): void {
    this.callback(null, this.#rows)
  }

  handleError(error: Error): void {
    this.callback(error, [])
  }

  handleRowDescription(): void {}
  handleCommandComplete(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
}

/** Bytes are sent as they are, everything else as text. */
function toParameter(value: unknown): string | Buffer | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return value
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  return Array.isArray(value) ? `{${value.map(toElement).join()}}` : String(value)
}

/** https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO */
function toElement(value: unknown): string {
  if (value instanceof Uint8Array) return `"\\\\x${Buffer.from(value).toString('hex')}"`
  return typeof value === 'string' ? `"${value.replace(/["\\]/g, '\\$&')}"` : String(value)
}
