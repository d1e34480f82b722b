// The mutation of the durability check: the vault asks SQLite for less than its own `synchronous = FULL`.
import { DatabaseSync } from 'node:sqlite'

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
