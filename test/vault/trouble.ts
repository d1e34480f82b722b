// Trouble for a vault's folder: a disk that is full, permissions that count.
import { execFileSync } from 'node:child_process'
import { DatabaseSync } from 'node:sqlite'

/**
 * Makes a folder a disk of 400 kB. Where this machine lets nobody mount one, SQLite itself is given a limit of pages:
 * its own SQLITE_FULL either way. Returns what makes room again.
 */
export function limitDisk(at: string): () => void {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=400k', 'tmpfs', at], { stdio: 'ignore' })
    return () => execFileSync('mount', ['-o', 'remount,size=4m', at], { stdio: 'ignore' })
  } catch {
    return limitPages()
  }
}

/** Takes the disk of {@link limitDisk} away again, with everything on it. */
export function unmount(at: string): void {
  try {
    execFileSync('umount', ['-l', at], { stdio: 'ignore' })
  } catch {
    // It was not mounted.
  }
}

function limitPages(): () => void {
  const { exec } = DatabaseSync.prototype
  const open = new Set<DatabaseSync>()
  DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string) {
    exec.call(this, sql)
    if (!sql.startsWith('PRAGMA busy_timeout')) return
    open.add(this)
    exec.call(this, 'PRAGMA max_page_count = 60')
  }
  return () => {
    DatabaseSync.prototype.exec = exec
    for (const database of open) if (database.isOpen) exec.call(database, 'PRAGMA max_page_count = 100000')
  }
}

/** Runs as a user without privileges, so that permissions count. */
export async function unprivileged<T>(run: () => Promise<T>): Promise<T> {
  const isRoot = process.geteuid?.() === 0
  if (isRoot) process.seteuid?.(65_534)
  try {
    return await run()
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
}
