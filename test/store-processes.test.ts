// Two processes on one SQLite file: what every store that processes share promises.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { storeProcesses } from './vault/store-processes.ts'

const folder = mkdtempSync(join(tmpdir(), 'toolgrant-processes-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

storeProcesses('one SQLite file', () => ({
  module: new URL('../src/vault/sqlite-store.ts', import.meta.url).href,
  open: 'openSqliteStore',
  place: join(folder, 'vault.db'),
}))
