// A database that others may create things in: what they name like PostgreSQL's own is not run by a vault, and what they
// announce is not believed. https://wiki.postgresql.org/wiki/A_Guide_to_CVE-2018-1058
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openPostgresStore } from '../src/vault/postgres-store.ts'
import type { HistoryEntry } from '../src/vault/store.ts'
import { answer, grant, key } from '../src/vault/store-fixture.contract.ts'
import { type TestDatabase, testDatabase } from './setup/postgres.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.drop())

/** Functions that fit the statements' arguments better than PostgreSQL's own, or as well. */
const functions = [
  ['format', 'text, text', 'text', `'{}'`],
  ['format', 'text, boolean', 'text', `'{}'`],
  ['concat_ws', 'text, bigint, integer, oid, oid', 'text', `'origin'`],
  ['pg_notify', 'varchar, text', 'void', 'NULL'],
  ['set_config', 'varchar, text, boolean', 'text', `''`],
  ['current_setting', 'varchar', 'text', `'on'`],
  ['floor', 'double precision', 'bigint', '1'],
  ['pg_sleep', 'numeric', 'void', 'NULL'],
  ['hashtext', 'varchar', 'integer', '1'],
] as const

/** Operators likewise: name, left, right, result, what they answer. */
const operators = [
  ['%', 'bigint', 'integer', 'bigint', '0'],
  ['*', 'numeric', 'integer', 'numeric', '1'],
  ['*', 'double precision', 'integer', 'double precision', '1'],
  ['||', 'bigint', 'text', 'text', `'x'`],
  ['||', 'text', 'integer', 'text', `'x'`],
  ['||', 'text', 'bigint', 'text', `'x'`],
  ['+', 'bigint', 'numeric', 'bigint', '1'],
  ['+', 'numeric', 'bigint', 'bigint', '1'],
  ['=', 'text', 'varchar', 'boolean', 'true'],
  ['<=', 'bigint', 'numeric', 'boolean', 'true'],
] as const

/** A body that tells on itself. */
const body = (name: string, result: string) =>
  `LANGUAGE plpgsql AS $body$ BEGIN INSERT INTO public.loot VALUES ('${name}'); RETURN ${result}; END $body$`

async function plant(): Promise<void> {
  await database.sql('CREATE TABLE public.loot (name text); GRANT ALL ON public.loot TO PUBLIC')
  for (const [name, values, type, result] of functions) {
    const returned = type === 'void' ? '' : result
    await database.sql(`CREATE FUNCTION public.${name}(${values}) RETURNS ${type} ${body(name, returned)}`)
  }
  for (const [at, [name, left, right, type, result]] of operators.entries()) {
    await database.sql(
      `CREATE FUNCTION public.rival_${at}(${left}, ${right}) RETURNS ${type} ${body(`${left} ${name} ${right}`, result)};
       CREATE OPERATOR public.${name} (LEFTARG = ${left}, RIGHTARG = ${right}, FUNCTION = public.rival_${at})`,
    )
  }
  for (const table of [
    'connection',
    'history',
    'version',
    'audit',
    'meta',
    'pending',
    'sealing_key',
    'primary_key',
  ])
    await database.sql(`CREATE TABLE public.${table} (x integer)`)
}

/** Runs each statement of a store at least once. */
async function runEverything(): Promise<void> {
  const store = await openPostgresStore(database.url)
  const sealed = Uint8Array.of(1)
  try {
    await store.addKey(key())
    await store.putGrant(grant())
    for (let generation = 1; generation < 40; generation += 1) {
      await store.acquireLease('id-1', generation, 'one', 60_000)
      await store.writeIntent('id-1', 'one', generation, 'hash', 1000)
      await store.extendLease('id-1', 'one', 1000)
      await store.saveTokens('id-1', 'one', generation, { ...answer, dueAt: 1 }, '{}')
    }
    for (let failed = 0; failed < 3; failed += 1) {
      await store.acquireLease('id-1', 40, 'one', 60_000)
      const failure = { reason: 'x', retryInMs: 1, uncertain: true }
      await store.recordFailure('id-1', 'one', 40, failure, '{}')
    }
    await store.acquireLease('id-1', 40, 'one', 1)
    await new Promise((resolve) => setTimeout(resolve, 20))
    await store.acquireLease('id-1', 40, 'two', 1000)
    await store.releaseLease('id-1', 'two')
    await store.touch(['id-1'])
    await store.nextDue('t')
    await store.claimDue('t', 'slack', 5, 1000)
    await store.list({ tenant: 't' })
    await store.find('t', 'ada', 'slack')
    await store.history('id-1')
    await store.appendAudit('t', [{ seq: 1, at: 1, entry: '{}', hash: sealed }])
    await store.auditHead('t')
    await store.auditLines('t', 0, 3)
    await store.keyUse()
    await store.keys()
    await store.sealedOtherwise('other', 3)
    await store.metaSealedOtherwise('other')
    await store.makePrimary(key().id)
    await store.removeKey('other')
    await store.putPending('state', sealed, Date.now() + 1000, key().id, 'person')
    await store.takePending('state')
    await store.putMetaIfAbsent('name', sealed)
    await store.replaceMeta('name', sealed, sealed)
    await store.getMeta('name')
    const stop = await store.watch?.(
      () => {},
      () => {},
    )
    await store.markRevoked('id-1')
    await store.deleteRevoked('id-1', '{}')
    await store.forgetUser('t', 'ada', 'person')
    await stop?.()
  } finally {
    await store.close()
  }
}

it('runs nothing that another role has put into the search path', async () => {
  await plant()
  await runEverything()
  expect(await database.sql('SELECT name, count(*)::integer FROM public.loot GROUP BY name')).toEqual([])
  await database.sql(`SELECT 2::bigint % 1::integer`)
  expect(await database.sql('SELECT name FROM public.loot')).toEqual([{ name: 'bigint % integer' }])
})

it('tells an event once, whatever anybody announces', async () => {
  const other = await testDatabase()
  const store = await openPostgresStore(other.url)
  try {
    await store.addKey(key())
    await store.putGrant(grant())
    const heard: HistoryEntry[] = []
    let gaps = 0
    const stop = await store.watch?.(
      (entry) => heard.push(entry),
      () => {
        gaps += 1
      },
    )
    const [entry] = await store.history('id-1')
    for (const forged of [`${entry?.seq} 7`, `${entry?.seq} 999999999`, '999999999', '0', 'x', '1.5'])
      await other.sql(`SELECT pg_notify('toolgrant_history', $1)`, [forged])
    await store.acquireLease('id-1', 1, 'one', 1000)
    await store.saveTokens('id-1', 'one', 1, answer)
    for (const end = Date.now() + 5000; heard.length === 0 && Date.now() < end; )
      await new Promise((resolve) => setTimeout(resolve, 10))
    expect(heard.map(({ type, count }) => [type, count])).toEqual([['refreshed', 1]])
    expect(gaps).toBe(0)
    await stop?.()
  } finally {
    await store.close()
    await other.drop()
  }
})
