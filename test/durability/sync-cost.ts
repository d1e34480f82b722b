// What it costs that a saved token is on the disk: the same saves with SQLite's `synchronous` FULL, NORMAL and OFF.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Grant, Store } from '../../src/vault/index.ts'
import { openSqliteStore } from '../../src/vault/sqlite-store.ts'
import { type Synchronous, weaken } from './weaken.ts'

/** Milliseconds of one save, in the middle. */
export interface SyncCost {
  saves: number
  fullMs: number
  normalMs: number
  offMs: number
  /** FULL less NORMAL: what the wait for the disk costs. */
  durableMs: number
}

/** Saves in turns, so that what else the machine does falls on all three. */
export async function measureSyncCost(saves: number): Promise<SyncCost> {
  const folder = mkdtempSync(join(tmpdir(), 'toolgrant-sync-'))
  const stores = {
    full: await opened(join(folder, 'full.db')),
    normal: await opened(join(folder, 'normal.db'), 'NORMAL'),
    off: await opened(join(folder, 'off.db'), 'OFF'),
  }
  const times: Record<keyof typeof stores, number[]> = { full: [], normal: [], off: [] }
  try {
    for (let generation = 1; generation <= saves; generation += 1)
      for (const [name, store] of Object.entries(stores) as [keyof typeof stores, Store][]) {
        const started = performance.now()
        const saved = await store.saveTokens('id', 'owner', generation, grant())
        if (!saved) throw new Error('A save was refused.')
        times[name].push(performance.now() - started)
      }
  } finally {
    for (const store of Object.values(stores)) await store.close()
    rmSync(folder, { recursive: true, force: true })
  }
  const [fullMs, normalMs, offMs] = [middle(times.full), middle(times.normal), middle(times.off)]
  return { saves, fullMs, normalMs, offMs, durableMs: round(fullMs - normalMs) }
}

async function opened(path: string, synchronous?: Synchronous): Promise<Store> {
  const restore = synchronous === undefined ? () => {} : weaken(synchronous)
  const store = await openSqliteStore(path)
  restore()
  await store.addKey({ id: 'key', check: new Uint8Array(40), wrapped: null })
  const place = { id: 'id', tenant: 'default', user: 'ada', provider: 'acme', account: 'default' }
  await store.putGrant({ ...place, generation: 1, ...grant() })
  return store
}

/** About as many bytes as a token set with a JWT in it has. */
function grant(): Grant {
  const now = Date.now()
  return {
    ...{ scopes: '["a"]', expiresAt: now + 3_600_000, receivedAt: now, refreshDueAt: now, dueAt: now },
    ...{ keyId: 'key', sealed: new Uint8Array(1500) },
  }
}

function middle(values: number[]): number {
  return round(values.sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN)
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
