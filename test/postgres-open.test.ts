// Opening a PostgreSQL vault: many processes at once, versions side by side, roles and their rights, what cannot keep one.
import { type ChildProcess, execFile, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { inspect, promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConfigurationError, StoreError } from '../src/errors.ts'
import { migrations } from '../src/vault/postgres-schema.ts'
import { openPostgresStore } from '../src/vault/postgres-store.ts'
import { grant, key, thrown } from '../src/vault/store-fixture.contract.ts'
import { type TestDatabase, testDatabase } from './setup/postgres.ts'

const run = promisify(execFile)
const program = fileURLToPath(new URL('./vault/postgres-process.ts', import.meta.url))
let database: TestDatabase
let schemas = 0
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.drop())

/** A schema of its own. */
function place(): { url: string; schema: string } {
  schemas += 1
  return { url: `${database.url}?schema=opened_${schemas}`, schema: `opened_${schemas}` }
}

/** The URL with something else in it. */
function changed(
  url: string,
  parts: { [name in 'username' | 'password' | 'pathname' | 'host']?: string },
): string {
  return Object.assign(new URL(url), parts).href
}

/** What a process says next. */
function said(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', (code) => reject(new Error(`A process ended with ${code}.`)))
  })
}

describe('many processes that open a new vault at the same moment', () => {
  it('agree: one sets it up, the others find it', async () => {
    const { url, schema } = place()
    const eight = Array.from({ length: 8 }, () => fork(program, ['open-when-told', url], { execArgv: [] }))
    await Promise.all(eight.map(said))
    const printed = eight.map(said)
    for (const each of eight) each.send('go')
    expect(await Promise.all(printed)).toEqual(Array(8).fill('0 keys'))
    expect(await database.sql(`SELECT steps, oldest FROM ${schema}.version`)).toEqual([
      { steps: migrations.length, oldest: 1 },
    ])
  })

  it('of one process agree, too', async () => {
    const { url } = place()
    const stores = await Promise.all(Array.from({ length: 8 }, () => openPostgresStore(url)))
    const added = await Promise.all(stores.map((store) => store.addKey(key())))
    expect(added.filter(Boolean)).toHaveLength(1)
    await Promise.all(stores.map((store) => store.close()))
  })
})

describe('two versions of toolgrant', () => {
  const known = migrations.length
  const addition = { oldest: 1, sql: 'ALTER TABLE $.connection ADD COLUMN colour text' }
  const upheaval = { oldest: known + 2, sql: 'ALTER TABLE $.connection RENAME COLUMN sealed TO locked' }

  it('share a vault as long as the newer one only adds to it', async () => {
    const { url, schema } = place()
    const before = await openPostgresStore(url)
    await before.addKey(key())
    const newer = await openPostgresStore(url, { migrations: [...migrations, addition] })
    const after = await openPostgresStore(url)
    expect(await before.putGrant(grant())).toBe(true)
    expect(await after.acquireLease('id-1', 1, 'one', 1000)).toMatchObject({ leaseOwner: 'one' })
    expect(await newer.saveTokens('id-1', 'one', 1, grant())).toBe(true)
    expect(await before.find('t', 'ada', 'slack')).toMatchObject([{ generation: 2 }])
    expect(await database.sql(`SELECT steps, oldest FROM ${schema}.version`)).toEqual([
      { steps: known + 1, oldest: 1 },
    ])
    await Promise.all([before, newer, after].map((store) => store.close()))
  })

  it('do not share one that the older cannot work with: it says so when it is opened, or as soon as it notices', async () => {
    const { url } = place()
    const before = await openPostgresStore(url)
    await before.addKey(key())
    await before.putGrant(grant())
    expect(await before.get('id-1')).toBeDefined()
    const newer = await openPostgresStore(url, { migrations: [...migrations, addition, upheaval] })
    for (const error of [
      await thrown(() => openPostgresStore(url)),
      await thrown(() => before.get('id-1')),
      await thrown(() => before.saveTokens('id-1', 'one', 1, grant())),
    ]) {
      expect(error).toBeInstanceOf(StoreError)
      expect(error).toMatchObject({
        code: 'store_newer',
        message: expect.stringContaining('Update toolgrant'),
      })
    }
    expect((await newer.keys()).map(({ id }) => id)).toEqual(['key-1'])
    await Promise.all([before.close(), newer.close()])
  })

  it('undo a step that fails, all of it', async () => {
    const { url, schema } = place()
    const broken = { oldest: 1, sql: 'CREATE TABLE $.half (id text); SELECT * FROM $.nowhere' }
    const error = await thrown(() => openPostgresStore(url, { migrations: [...migrations, broken] }))
    expect(error).toBeInstanceOf(StoreError)
    expect(await database.sql('SELECT nspname FROM pg_namespace WHERE nspname = $1', [schema])).toEqual([])
    await (await openPostgresStore(url)).close()
  })
})

describe('a role', () => {
  const role = { username: `app_${process.pid}`, password: 'role-canary-5521' }
  beforeAll(() => database.sql(`CREATE ROLE ${role.username} LOGIN PASSWORD '${role.password}'`))
  afterAll(async () => {
    await database.sql(`DROP OWNED BY ${role.username}`)
    await database.sql(`DROP ROLE ${role.username}`)
  })

  it('that may not create anything is told what it needs', async () => {
    const { url } = place()
    const error = await thrown(() => openPostgresStore(changed(url, role)))
    expect(error).toMatchObject({ name: 'StoreError', code: 'store_permission' })
    expect(String(error)).toContain(role.username)
    expect(String(error)).toContain('Roles and rights')
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(role.password)
  })

  it('with the rights that the documentation names does everything but set it up', async () => {
    const { url, schema } = place()
    await (await openPostgresStore(url)).close()
    const refused = await thrown(() => openPostgresStore(changed(url, role)))
    expect(refused).toMatchObject({ code: 'store_permission' })
    await database.sql(`GRANT USAGE ON SCHEMA ${schema} TO ${role.username}`)
    await database.sql(
      `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${role.username}`,
    )
    const store = await openPostgresStore(changed(url, role))
    await store.addKey(key())
    expect(await store.putGrant(grant())).toBe(true)
    expect(await store.acquireLease('id-1', 1, 'one', 1000)).toBeDefined()
    expect(await store.recordFailure('id-1', 'one', 1, { reason: 'x', retryInMs: 1, uncertain: false })).toBe(
      true,
    )
    await store.markRevoked('id-1')
    expect(await store.deleteRevoked('id-1')).toBe(true)
    expect(await store.removeKey('key-1')).toBe(false)
    const stop = await store.watch?.(
      () => {},
      () => {},
    )
    expect(stop).toBeDefined()
    await store.close()
  })

  it('that lost a right while it was at work says so', async () => {
    const { url, schema } = place()
    await (await openPostgresStore(url)).close()
    await database.sql(`GRANT USAGE ON SCHEMA ${schema} TO ${role.username}`)
    await database.sql(`GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO ${role.username}`)
    const store = await openPostgresStore(changed(url, role))
    expect(await store.keys()).toEqual([])
    expect(await thrown(() => store.addKey(key()))).toMatchObject({ code: 'store_permission' })
    await store.close()
  })
})

describe('what cannot keep a vault', () => {
  const canary = 'canary-7c01e'

  it.each([
    ['a wrong password', { password: canary }, 'store_permission', 'password'],
    ['an unknown user', { username: 'nobody_at_all', password: canary }, 'store_permission', 'password'],
    ['an unknown database', { pathname: '/nowhere' }, 'store_unavailable', 'Create that database'],
    ['a closed port', { host: '127.0.0.1:1', password: canary }, 'store_unavailable', 'Nothing listens'],
    ['an unknown host', { host: 'db.invalid:5432', password: canary }, 'store_unavailable', 'host'],
  ])('%s is told with place and next step, without the password', async (_name, parts, code, step) => {
    const url = changed(database.url, parts)
    const started = performance.now()
    const error = await thrown(() => openPostgresStore(url))
    expect(performance.now() - started).toBeLessThan(6000)
    expect(error).toBeInstanceOf(StoreError)
    expect(error).toMatchObject({ code })
    const { host, pathname, password } = new URL(url)
    for (const part of [host, pathname, step]) expect(String(error)).toContain(part)
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(password)
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(canary)
  })

  it('a database whose text is not UTF-8', async () => {
    const name = `ascii_${process.pid}`
    await database.sql(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'`)
    const error = await thrown(() => openPostgresStore(changed(database.url, { pathname: `/${name}` })))
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(String(error)).toContain('UTF8')
    await database.sql(`DROP DATABASE ${name} WITH (FORCE)`)
  })

  it('one that takes no changes', async () => {
    const readOnly = await testDatabase()
    await readOnly.sql(
      `ALTER DATABASE ${new URL(readOnly.url).pathname.slice(1)} SET default_transaction_read_only = on`,
    )
    expect(await thrown(() => openPostgresStore(readOnly.url))).toMatchObject({
      ...{ code: 'store_read_only', message: expect.stringContaining('primary') },
    })
    await readOnly.drop()
  })
})

describe('an open vault', () => {
  it('is seen by the server as what it is', async () => {
    const { url } = place()
    const store = await openPostgresStore(`${url}&application_name=mine`)
    const plain = await openPostgresStore(url)
    await Promise.all([store.keys(), plain.keys()])
    const names = await database.sql(
      `SELECT DISTINCT application_name AS name FROM pg_stat_activity WHERE datname = current_database() ORDER BY name`,
    )
    expect(names.map(({ name }) => name)).toEqual(expect.arrayContaining(['mine', 'toolgrant']))
    await Promise.all([store.close(), plain.close()])
  })

  it('knows a copy of itself for another place', async () => {
    const original = await testDatabase()
    const copyName = `copy_${process.pid}`
    const store = await openPostgresStore(original.url)
    await store.close()
    await database.sql(`CREATE DATABASE ${copyName} TEMPLATE ${new URL(original.url).pathname.slice(1)}`)
    const again = await openPostgresStore(original.url)
    const copy = await openPostgresStore(changed(original.url, { pathname: `/${copyName}` }))
    expect(store.origin).toMatch(/\d/)
    expect(again.origin).toBe(store.origin)
    expect(copy.origin).not.toBe(store.origin)
    await Promise.all([again.close(), copy.close()])
    await database.sql(`DROP DATABASE ${copyName} WITH (FORCE)`)
    await original.drop()
  })

  it.each(['close', 'forget-to-close'])('lets its process end: %s', async (task) => {
    const started = performance.now()
    const { stdout } = await run(process.execPath, [program, task, place().url], { timeout: 15_000 })
    expect(stdout.trim()).toBe(task)
    expect(performance.now() - started).toBeLessThan(5000)
  })

  it('works where transactions are serializable: what is in each other’s way is tried again', async () => {
    const strict = await testDatabase()
    await strict.sql(
      `ALTER DATABASE ${new URL(strict.url).pathname.slice(1)} SET default_transaction_isolation = 'serializable'`,
    )
    const [one, two] = await Promise.all([openPostgresStore(strict.url), openPostgresStore(strict.url)])
    await one.addKey(key())
    await one.putGrant(grant())
    for (let round = 0; round < 20; round += 1) {
      const taken = await Promise.all(
        Array.from({ length: 8 }, (_, index) =>
          (index % 2 ? one : two).acquireLease('id-1', 1, `owner-${index}`, 60_000),
        ),
      )
      const owners = taken.filter((row) => row !== undefined)
      expect(owners).toHaveLength(1)
      expect(await one.releaseLease('id-1', owners[0]?.leaseOwner ?? '')).toBe(true)
    }
    await Promise.all([one.close(), two.close()])
    await strict.drop()
  })
})
