// The schema of a SQLite vault: bringing an older file to it, and that no question of the store walks through all rows.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, it } from 'vitest'
import type { StoreError } from '../errors.ts'
import { migrate, migrations } from './sqlite-schema.ts'
import { openSqliteStore } from './sqlite-store.ts'
import { answer, bytes, grant, key, outage, start, thrown } from './store-fixture.contract.ts'

const folder = mkdtempSync(join(tmpdir(), 'toolgrant-schema-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
const newPath = () => join(folder, `${++files}`, 'vault.db')

async function openStore(path: string) {
  const store = await openSqliteStore(path)
  await store.addKey(key())
  return store
}

describe('migrations', () => {
  const further = [
    ...migrations,
    'ALTER TABLE connection ADD COLUMN note TEXT',
    'CREATE TABLE more (a TEXT) STRICT',
  ]
  const version = (path: string) => {
    const database = new DatabaseSync(path)
    const found = database.prepare('PRAGMA user_version').get()?.['user_version']
    database.close()
    return found
  }

  it('of a newer version keep what is stored, and the older version then refuses the file', async () => {
    const path = newPath()
    const store = await openStore(path)
    await store.putGrant(grant())
    await store.close()
    const database = new DatabaseSync(path)
    migrate(database, path, further)
    migrate(database, path, further)
    database.close()
    expect(version(path)).toBe(further.length)
    const error = (await thrown(() => openSqliteStore(path))) as StoreError
    expect(error).toMatchObject({ name: 'StoreError', code: 'store_newer' })
    expect(error.message).toContain('Update toolgrant')
    expect(version(path)).toBe(further.length)
    const kept = new DatabaseSync(path)
    expect(kept.prepare('SELECT id, note FROM connection').all()).toEqual([{ id: 'id-1', note: null }])
    kept.close()
  })

  it('that fail leave the file as it was', async () => {
    const path = newPath()
    await (await openStore(path)).close()
    const database = new DatabaseSync(path)
    const broken = [...migrations, 'CREATE TABLE more (a TEXT)', 'this is not SQL']
    expect(() => migrate(database, path, broken)).toThrow()
    expect(database.isTransaction).toBe(false)
    database.close()
    expect(version(path)).toBe(migrations.length)
    await (await openStore(path)).close()
  })

  it('run once when several open a new file at the same time', async () => {
    const path = newPath()
    const stores = await Promise.all(Array.from({ length: 8 }, () => openStore(path)))
    expect(await stores[0]?.putGrant(grant())).toBe(true)
    expect(await stores[7]?.get('id-1')).toBeDefined()
    for (const store of stores) await store.close()
  })

  it('leave the database of another program alone', async () => {
    const path = newPath()
    mkdirSync(join(path, '..'))
    const other = new DatabaseSync(path)
    other.exec('CREATE TABLE theirs (a TEXT)')
    other.close()
    expect(await thrown(() => openSqliteStore(path))).toMatchObject({ code: 'store_corrupt' })
    const after = new DatabaseSync(path)
    expect(after.prepare('SELECT name FROM sqlite_schema').all()).toEqual([{ name: 'theirs' }])
    after.close()
  })

  it('bring a file of the first version over, with the keys that sealed it', async () => {
    const path = newPath()
    const [older, primary] = ['00112233445566ff', 'aabbccddeeff0011']
    const envelope = (keyId: string, ...rest: number[]) =>
      Uint8Array.of(1, ...Buffer.from(keyId, 'hex'), ...rest)
    const database = firstVersion(path)
    const insert = database.prepare(
      `INSERT INTO connection VALUES (?, 't', ?, 'slack', 'default', 3, ?, ?, '["a"]', 9, 1, ?, ?, NULL, NULL, NULL,
        NULL, 2, 7, 4, 5, 6)`,
    )
    insert.run('id-1', 'ada', 'active', 'outage', 8, envelope(primary, 1))
    insert.run('id-2', 'bob', 'needs_reconnect', 'refused', null, envelope(older, 2))
    database.prepare('INSERT INTO meta VALUES (?, ?)').run('key_check', envelope(primary, 3))
    database.prepare('INSERT INTO meta VALUES (?, ?)').run('other', bytes(4))
    database.prepare('INSERT INTO pending VALUES (?, ?, ?)').run('state', envelope(older, 5), start)
    database.close()

    const store = await openSqliteStore(path, { now: () => start - 1 })
    expect(await store.keys()).toMatchObject([
      { id: primary, primary: true, check: envelope(primary, 3), wrapped: null },
      { id: older, primary: false, check: bytes(), wrapped: null },
    ])
    expect(await store.get('id-1')).toEqual({
      ...{ id: 'id-1', tenant: 't', user: 'ada', provider: 'slack', account: 'default', generation: 3 },
      ...{
        status: 'active',
        reason: 'outage',
        scopes: '["a"]',
        expiresAt: 9,
        receivedAt: 1,
        refreshDueAt: 8,
      },
      ...{ dueAt: 8, leaseOwner: null, leaseUntil: null, intentAt: null, intentHash: null, failures: 2 },
      ...{ retryAt: 7, grantedAt: 4, usedAt: 6, createdAt: 5, updatedAt: 6, keyId: primary },
      sealed: envelope(primary, 1),
    })
    expect(await store.get('id-2')).toMatchObject({ keyId: older, dueAt: null, status: 'needs_reconnect' })
    expect(await store.keyUse()).toEqual([
      { keyId: primary, connections: 1, others: 0 },
      { keyId: older, connections: 1, others: 1 },
    ])
    expect(await store.getMeta('key_check')).toBeUndefined()
    expect(await store.getMeta('other')).toEqual(bytes(4))
    expect(await store.takePending('state')).toEqual(envelope(older, 5))
    expect(await store.nextDue('t')).toEqual([{ provider: 'slack', dueAt: 8 }])
    await store.close()
  })

  it('make of an empty file of the first version what a new one is', async () => {
    const [old, fresh] = [newPath(), newPath()]
    firstVersion(old).close()
    const schemas = []
    for (const path of [old, fresh]) {
      await (await openSqliteStore(path)).close()
      const database = new DatabaseSync(path)
      schemas.push(database.prepare('SELECT type, name, sql FROM sqlite_schema ORDER BY name').all())
      database.close()
    }
    expect(schemas[0]).toEqual(schemas[1])
  })
})

function firstVersion(path: string): DatabaseSync {
  mkdirSync(dirname(path))
  const database = new DatabaseSync(path)
  migrate(database, path, migrations.slice(0, 1))
  return database
}

describe('no question of the store', () => {
  it('walks through all rows of a table that grows', async () => {
    const texts = await statementsOf(newPath())
    expect(texts.length).toBeGreaterThan(35)
    const database = new DatabaseSync(newFile())
    const grown = texts.filter((text) => !text.includes('FROM sealing_key'))
    const walks = grown.flatMap((text) =>
      database
        .prepare(`EXPLAIN QUERY PLAN ${text}`)
        .all()
        .map(({ detail }) => String(detail))
        .filter((detail) => /^SCAN (connection|history|pending|audit)\b|TEMP B-TREE/.test(detail))
        .map((detail) => `${detail}: ${text}`),
    )
    database.close()
    expect(walks).toEqual([])
  })
})

function newFile(): string {
  const path = newPath()
  mkdirSync(dirname(path))
  const database = new DatabaseSync(path)
  migrate(database, path)
  database.close()
  return path
}

/** The texts that a store prepares while every method is called. */
async function statementsOf(path: string): Promise<string[]> {
  const texts = new Set<string>()
  const { prepare } = DatabaseSync.prototype
  DatabaseSync.prototype.prepare = function (this: DatabaseSync, text: string) {
    if (/^(SELECT|INSERT|UPDATE|DELETE|WITH)/.test(text)) texts.add(text)
    return prepare.call(this, text)
  }
  try {
    const store = await openStore(path)
    await everything(store)
    await store.close()
  } finally {
    DatabaseSync.prototype.prepare = prepare
  }
  return [...texts]
}

async function everything(store: Awaited<ReturnType<typeof openStore>>): Promise<void> {
  await store.putGrant(grant({ dueAt: 1 }))
  await store.putGrant(grant({ generation: 2, dueAt: 1 }))
  await store.find('t', 'ada', 'slack')
  await store.find('t', 'ada', 'slack', 'default')
  for (const filter of [{}, { user: 'ada' }, { user: 'ada', provider: 'slack', account: 'default' }]) {
    await store.list({ tenant: 't', ...filter }, { limit: 1 })
    await store.list({ tenant: 't', ...filter }, { limit: 1, after: grant() })
  }
  await store.history('id-1')
  await store.touch(['id-1'])
  await store.nextDue('t')
  await store.claimDue('t', 'slack', 1, 1)
  for (const change of [
    () => store.writeIntent('id-1', 'one', 2, 'hash', 1),
    () => store.extendLease('id-1', 'one', 1),
    () => store.recordFailure('id-1', 'one', 2, outage),
    () => store.releaseLease('id-1', 'one'),
    () => store.saveTokens('id-1', 'one', 2, answer),
    () => store.markNeedsReconnect('id-1', 'one', 3, 'refused'),
  ]) {
    await store.acquireLease('id-1', 2, 'one', 1)
    await change()
  }
  await store.putPending('key', bytes(1), start, 'key-1', 'person')
  await store.takePending('key')
  await store.forgetUser('t', 'ada', 'person')
  await store.putMetaIfAbsent('name', bytes(1))
  await store.replaceMeta('name', bytes(1), bytes(2))
  await store.getMeta('name')
  await store.makePrimary('key-1')
  await store.removeKey('key-1')
  await store.keyUse()
  await store.sealedOtherwise('key-1', 1)
  await store.reseal('id-1', bytes(1), bytes(2), 'key-1')
  await store.appendAudit('t', [{ seq: 1, at: 1, entry: '{}', hash: bytes(1) }])
  await store.auditLines('t', 0, 1)
  await store.markRevoked('id-1')
  await store.deleteRevoked('id-1')
}
