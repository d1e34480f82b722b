// The mutations of the durability check: the vault asks its database for less than it does.
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'

/** SQLite's setting of that name (https://www.sqlite.org/pragma.html#pragma_synchronous). */
export type Synchronous = 'OFF' | 'NORMAL'

/** From now on, every database that this process configures gets this in place of what it asks for. Returns what ends it. */
export function weaken(synchronous: Synchronous): () => void {
  const { exec } = DatabaseSync.prototype
  DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string) {
    exec.call(this, sql.replace(/synchronous\s*=\s*\w+/gi, `synchronous = ${synchronous}`))
  }
  return () => {
    DatabaseSync.prototype.exec = exec
  }
}

/** From now on a commit waits for the disk only if the server is set so. */
export function leaveItToTheServer(): void {
  const { query } = pg.Client.prototype
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const [first] = args as [{ text?: unknown } | undefined]
    if (typeof first?.text === 'string') first.text = first.text.replaceAll("THEN 'local'", "THEN 'off'")
    return Reflect.apply(query, this, args)
  } as typeof query
}
