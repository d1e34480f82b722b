// A JSON file that several processes share. Written beside and renamed, so that nobody reads half of it.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Reads and writes one JSON value. */
export class TokenFile<T> {
  readonly path: string

  constructor(folder: string) {
    this.path = join(folder, 'tokens.json')
  }

  /** As it is now: no copy is kept. */
  read(): T | undefined {
    return existsSync(this.path) ? JSON.parse(readFileSync(this.path, 'utf8')) : undefined
  }

  write(value: T): void {
    const beside = `${this.path}.${process.pid}`
    writeFileSync(beside, JSON.stringify(value), { mode: 0o600 })
    renameSync(beside, this.path)
  }

  remove(): void {
    rmSync(this.path, { force: true })
  }
}

/** Several callers of one process share what is under way. */
export function shared<T>(run: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined
  return () => {
    running ??= run().finally(() => {
      running = undefined
    })
    return running
  }
}
