// What a process holds in memory after it has served very many different connections once each: what it held before,
// and its caches, which have limits.
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fillVault } from './filled-vault.ts'

/** What the serving process is told. */
export interface MemoryOrder {
  path: string
  key: string
  connections: number
}

/** Megabytes, each after a garbage collection. */
export interface MemoryUse {
  rssMb: number
  heapMb: number
}

/** Before any was served, after a tenth of them, and after all. */
export interface ServedMemory {
  baseline: 'the same process after a tenth of the connections'
  connections: number
  cacheLimit: number
  before: MemoryUse
  afterTenth: MemoryUse
  afterAll: MemoryUse
  /** The most that it held at any time, garbage included. */
  peakRssMb: number
  /** What the other nine tenths added to the heap. */
  grownHeapMb: number
}

/** Serves each connection twice, through `vault.token()` and through a source. */
export async function measureMemory(connections = 100_000): Promise<ServedMemory> {
  const folder = mkdtempSync(join(tmpdir(), 'toolgrant-bench-'))
  try {
    const path = join(folder, 'vault.db')
    const key = randomBytes(32)
    // Nobody has asked for them for two hours, so that each use is written down too.
    await fillVault(path, { rows: connections, key, usedAgoMs: 7_200_000 })
    return await served({ path, key: key.toString('base64url'), connections })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function served(order: MemoryOrder): Promise<ServedMemory> {
  const child = fork(fileURLToPath(new URL('./memory-process.ts', import.meta.url)), {
    execArgv: ['--expose-gc'],
  })
  return new Promise((resolve, reject) => {
    child.once('message', (found) => resolve(found as ServedMemory))
    child.once('exit', (code) => reject(new Error(`The serving process ended (${code}).`)))
    child.send(order)
  })
}
