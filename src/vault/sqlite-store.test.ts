// The SQLite store keeps the contract of every store, and what is its own: modes, locks, migrations, diagnoses.
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, it } from 'vitest'
import type { StoreError } from '../errors.ts'
import { openSqliteStore, type SqliteStoreOptions } from './sqlite-store.ts'
import { storeContract } from './store.contract.ts'
import { historyLimit, type Store } from './store.ts'

const folder = mkdtempSync(join(tmpdir(), 'toolgrant-sqlite-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
const newPath = () => join(folder, `${++files}`, 'vault.db')

storeContract('the SQLite store', { open: ({ now }) => openSqliteStore(newPath(), { now }) })

const grant = {
  ...{ id: 'id-1', tenant: 't', user: 'ada', provider: 'slack', account: 'default', generation: 1 },
  ...{ scopes: '[]', expiresAt: null, receivedAt: 1, refreshDueAt: null, dueAt: null },
  ...{ keyId: 'key-1', sealed: Uint8Array.of(1) },
}

async function openStore(path: string, options: SqliteStoreOptions = {}): Promise<Store> {
  const store = await openSqliteStore(path, options)
  await store.addKey({ id: 'key-1', check: Uint8Array.of(1), wrapped: null })
  return store
}

async function failure(run: () => unknown): Promise<StoreError> {
  try {
    await run()
  } catch (error) {
    return error as StoreError
  }
  throw new Error('nothing was thrown')
}

describe('the file', () => {
  it('P48 is made with mode 0600 in a folder of mode 0700, side files included', async () => {
    const path = newPath()
    const store = await openStore(path)
    await store.putGrant(grant)
    for (const file of [path, `${path}-wal`, `${path}-shm`])
      expect(statSync(file).mode & 0o777, file).toBe(0o600)
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700)
    await store.close()
  })

  it('is kept over closing and opening', async () => {
    const path = newPath()
    const before = await openStore(path)
    await before.putGrant(grant)
    await before.close()
    const after = await openStore(path)
    expect(await after.get('id-1')).toMatchObject(grant)
    await after.close()
  })

  it('is shared by two stores of one process', async () => {
    const path = newPath()
    const one = await openStore(path)
    const two = await openStore(path)
    await one.putGrant(grant)
    expect(await two.acquireLease('id-1', 1, 'two', 1000)).toMatchObject({ leaseOwner: 'two' })
    expect(await one.acquireLease('id-1', 1, 'one', 1000)).toBeUndefined()
    await one.close()
    await two.close()
  })

  it.runIf(process.platform === 'linux')('keeps its locks when it is opened once more', async () => {
    const path = newPath()
    const one = await openStore(path)
    await one.putGrant(grant)
    const locks = () => {
      const mine = new RegExp(` ${process.pid} \\S*:${statSync(path).ino} `)
      return readFileSync('/proc/locks', 'utf8')
        .split('\n')
        .filter((line) => mine.test(line)).length
    }
    expect(locks()).toBe(1)
    const two = await openStore(path)
    // Without them another process takes itself for the last one, and deletes the -wal file under us.
    expect(locks()).toBe(1)
    await two.close()
    expect(locks()).toBe(1)
    await one.close()
  })

  it('that was removed or replaced takes no change, until it is back', async () => {
    const path = newPath()
    const store = await openStore(path)
    await store.putGrant(grant)
    const aside = `${path}.aside`
    renameSync(path, aside)
    const unavailable = { code: 'store_unavailable', message: expect.stringContaining('removed or replaced') }
    expect(await failure(() => store.acquireLease('id-1', 1, 'one', 1000))).toMatchObject(unavailable)
    writeFileSync(path, readFileSync(aside))
    expect(await failure(() => store.acquireLease('id-1', 1, 'one', 1000))).toMatchObject(unavailable)
    expect(await failure(() => store.putGrant({ ...grant, generation: 2 }))).toMatchObject(unavailable)
    expect(await failure(() => store.writeIntent('id-1', 'one', 1, 'hash', 1000))).toMatchObject(unavailable)
    renameSync(aside, path)
    renameSync(`${path}-wal`, aside)
    expect(await failure(() => store.putGrant({ ...grant, generation: 2 }))).toMatchObject(unavailable)
    renameSync(aside, `${path}-wal`)
    expect(await store.putGrant({ ...grant, generation: 2 })).toBe(true)
    await store.close()
  })

  it('is in WAL mode, and every write waits for the disk (synchronous = FULL)', async () => {
    const path = newPath()
    const { exec } = DatabaseSync.prototype
    let own: DatabaseSync | undefined
    DatabaseSync.prototype.exec = function (this: DatabaseSync, text: string) {
      own = this
      exec.call(this, text)
    }
    const store = await openStore(path)
    DatabaseSync.prototype.exec = exec
    expect(own?.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' })
    expect(own?.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 })
    await store.close()
  })
})

describe('history', () => {
  it('is dropped from the file when it is too long, or over', async () => {
    const path = newPath()
    let now = 1_000_000
    const store = await openStore(path, { now: () => now })
    const kept = () => {
      const database = new DatabaseSync(path)
      const types = database.prepare(
        'SELECT type, count(*) AS count FROM history GROUP BY type ORDER BY type',
      )
      const counts = types.all().map(({ type, count }) => `${count} ${type}`)
      database.close()
      return counts
    }
    for (let generation = 1; generation <= historyLimit + 5; generation += 1)
      await store.putGrant({ ...grant, generation })
    expect(kept()).toEqual([`${historyLimit} connected`])
    await store.markRevoked('id-1')
    await store.deleteRevoked('id-1')
    expect(kept()).toEqual(['1 revoked'])
    now += 86_399_999
    await store.putGrant({ ...grant, id: 'id-2' })
    expect(kept()).toEqual(['1 connected', '1 revoked'])
    now += 1
    await store.putGrant({ ...grant, id: 'id-3', user: 'bob' })
    expect(kept()).toEqual(['2 connected'])
    await store.close()
  })
})

describe('a locked file', () => {
  it('is waited for without blocking the event loop', async () => {
    const path = newPath()
    const store = await openStore(path)
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    let ticks = 0
    const ticker = setInterval(() => {
      ticks += 1
    }, 1)
    const started = performance.now()
    const saved = store.putGrant(grant)
    expect(performance.now() - started).toBeLessThan(100)
    expect(saved).toBeInstanceOf(Promise)
    await new Promise((resolve) => setTimeout(resolve, 150))
    other.exec('COMMIT')
    expect(await saved).toBe(true)
    clearInterval(ticker)
    expect(ticks).toBeGreaterThan(5)
    other.close()
    await store.close()
  })

  it('is asked for by one of many that wait, and all get it in their order', async () => {
    const path = newPath()
    const store = await openStore(path)
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    const order: number[] = []
    const began = performance.now()
    const saved = Array.from({ length: 50 }, async (_, index) => {
      await store.putGrant({ ...grant, id: `${index}`, user: `${index}` })
      order.push(index)
    })
    expect(performance.now() - began).toBeLessThan(100)
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(order).toEqual([])
    other.exec('COMMIT')
    await Promise.all(saved)
    expect(order).toEqual(order.toSorted((a, b) => a - b))
    expect(await store.list({ tenant: 't' })).toHaveLength(50)
    other.close()
    await store.close()
  })

  it('is not asked for by who would not get a lease, nor by readers', async () => {
    const path = newPath()
    const store = await openStore(path)
    await store.putGrant(grant)
    await store.acquireLease('id-1', 1, 'one', 1000)
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    expect(store.acquireLease('id-1', 1, 'two', 1000)).toBeUndefined()
    expect(store.find('t', 'ada', 'slack')).toHaveLength(1)
    other.close()
    await store.close()
  })

  it('that stays locked is store_busy after the limit', async () => {
    const path = newPath()
    const store = await openStore(path, { busyLimitMs: 60 })
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    expect(await failure(() => store.putGrant(grant))).toMatchObject({
      code: 'store_busy',
      name: 'StoreError',
    })
    other.exec('ROLLBACK')
    expect(await store.putGrant(grant)).toBe(true)
    other.close()
    await store.close()
  })

  it('is store_busy at the same time for all who asked together', async () => {
    const path = newPath()
    const store = await openStore(path, { busyLimitMs: 60 })
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    const began = performance.now()
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => failure(() => store.putGrant(grant))))
    expect(outcomes.map(({ code }) => code)).toEqual(outcomes.map(() => 'store_busy'))
    expect(performance.now() - began).toBeLessThan(500)
    other.close()
    await store.close()
  })

  it('does not hold up closing', async () => {
    const path = newPath()
    const store = await openStore(path)
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    const saved = [failure(() => store.putGrant(grant)), failure(() => store.markRevoked('id-1'))]
    await store.close()
    expect(await Promise.all(saved)).toMatchObject([{ code: 'closed' }, { code: 'closed' }])
    other.close()
  })
})

describe('diagnoses', () => {
  it('a file that is no database is store_corrupt, and stays as it is', async () => {
    const path = newPath()
    mkdirSync(join(path, '..'))
    writeFileSync(path, 'my shopping list, which is quite long'.repeat(100))
    const error = await failure(() => openSqliteStore(path))
    expect(error).toMatchObject({ name: 'StoreError', code: 'store_corrupt' })
    expect(error.message).toContain(path)
    expect(readFileSync(path, 'utf8')).toMatch(/^my shopping list/)
  })

  it('damaged pages are store_corrupt at the first read', async () => {
    const path = newPath()
    const store = await openStore(path)
    for (let index = 0; index < 50; index++)
      await store.putGrant({ ...grant, id: `${index}`, user: `${index}`, sealed: new Uint8Array(3000) })
    await store.close()
    const content = readFileSync(path)
    content.fill(0x5a, 4096 * 2)
    writeFileSync(path, content)
    const error = await failure(async () => {
      const damaged = await openStore(path)
      try {
        await damaged.list({ tenant: 't' })
      } finally {
        await damaged.close()
      }
    })
    expect(error).toMatchObject({ name: 'StoreError', code: 'store_corrupt' })
  })

  it('a number that no toolgrant writes is store_corrupt, wherever it is read', async () => {
    const path = newPath()
    const store = await openStore(path)
    await store.putGrant(grant)
    await store.appendAudit('t', [{ seq: 1, at: 1, entry: '{}', hash: Uint8Array.of(1) }])
    const other = new DatabaseSync(path)
    other.exec('UPDATE audit SET seq = 9007199254740993; UPDATE connection SET expires_at = 9007199254740993')
    other.close()
    const reads = [() => store.auditLines('t', 0, 10), () => store.auditHead('t'), () => store.get('id-1')]
    for (const read of reads) {
      const error = await failure(async () => read())
      expect(error).toMatchObject({ name: 'StoreError', code: 'store_corrupt' })
      expect(error.message).toContain(path)
      expect(error.message).toContain('somebody altered it')
    }
    store.close()
  })

  it('what is no file is store_unavailable, and named', async () => {
    const path = newPath()
    mkdirSync(path, { recursive: true })
    const pipe = `${path}.pipe`
    execFileSync('mkfifo', [pipe])
    for (const [place, kind] of [
      [path, 'a folder'],
      [pipe, 'a named pipe'],
      ['/dev/null', 'a device'],
    ] as const) {
      const error = await failure(() => openSqliteStore(place))
      expect(error).toMatchObject({ name: 'StoreError', code: 'store_unavailable' })
      expect(error.message).toContain(`${place} is ${kind}`)
    }
  })

  it('a file in place of the folder is store_unavailable', async () => {
    const path = newPath()
    writeFileSync(join(path, '..'), '')
    expect(await failure(() => openSqliteStore(path))).toMatchObject({ code: 'store_unavailable' })
    expect(existsSync(path)).toBe(false)
  })
})
