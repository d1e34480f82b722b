// The audit log over real stores: what is written, in which order, what happens when the store cannot take it, and
// that every way of tampering with the file is named.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StoreError } from '../errors.ts'
import { generateKey, Keyring, SealingKey } from '../seal.ts'
import type { AuditEntry, AuditLevel } from './audit.ts'
import { StoredAuditLog } from './audit-log.ts'
import { bufferLimit } from './audit-writer.ts'
import { CurrentKeyring } from './key-ring.ts'
import { memoryStore } from './memory-store.ts'
import { openSqliteStore } from './sqlite-store.ts'
import type { Store } from './store.ts'

const folder = mkdtempSync(join(tmpdir(), 'toolgrant-audit-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

type Sleep = (ms: number, signal: AbortSignal) => Promise<void>

const key = SealingKey.parse(generateKey())
const start = Date.UTC(2026, 0, 1)
let now = start
let files = 0
let path = ''
let store: Store
const logs: StoredAuditLog[] = []

beforeEach(async () => {
  now = start
  path = join(folder, `${++files}`, 'vault.db')
  store = await openSqliteStore(path, { now: () => now })
  await store.addKey({ id: key.id, check: Uint8Array.of(1), wrapped: null })
})
afterEach(async () => {
  for (const log of logs.splice(0)) await log.close()
  await store.close()
})

function openLog(
  changes: { level?: AuditLevel; store?: Store; tenant?: string; keyring?: Keyring; sleep?: Sleep } = {},
): StoredAuditLog {
  const { keyring = new Keyring(key), ...others } = changes
  const log = new StoredAuditLog({
    ...{ store, tenant: 'default', actor: 'test', level: 'all', random: Math.random, ...others },
    keyring: new CurrentKeyring(keyring),
  })
  logs.push(log)
  return log
}

const use = (tool: string, user = 'ada'): AuditEntry => ({ action: 'tool', outcome: 'ok', user, tool })

async function written(count: number): Promise<StoredAuditLog> {
  const log = openLog()
  for (let index = 1; index <= count; index += 1) {
    now += 1000
    log.record(use(`tool_${index}`))
  }
  await log.flush()
  return log
}

/** Runs SQL on the file, as somebody who found it would. */
function tamper(sql: string, ...values: SQLInputValue[]): void {
  const database = new DatabaseSync(path)
  database.prepare(sql).run(...values)
  database.close()
}

describe('what is written', () => {
  it('P94 has every member, numbered and in order', async () => {
    const log = openLog()
    log.record({
      ...{ action: 'tool', outcome: 'tool_failed', user: 'ada', tool: 'send', thread: 't-1', ms: 12.6 },
      connections: [{ id: 'id-1', provider: 'slack', account: 'work' }],
      requests: [{ host: 'slack.com', method: 'POST', status: 200, count: 2, ms: 11.4 }],
      ...{ tokenGiven: true, detail: { note: 1 } },
    })
    now += 5
    log.record({ action: 'consent', outcome: 'ok', actor: 'cli' })
    const [first, second] = await log.recent()
    expect(first).toEqual({
      ...{ seq: 1, at: new Date(start), action: 'tool', outcome: 'tool_failed', actor: 'test', user: 'ada' },
      ...{ tool: 'send', thread: 't-1', ms: 13, tokenGiven: true, detail: { note: 1 } },
      connections: [{ id: 'id-1', provider: 'slack', account: 'work' }],
      requests: [{ host: 'slack.com', method: 'POST', status: 200, count: 2, ms: 11 }],
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(second).toMatchObject({ seq: 2, at: new Date(start + 5), actor: 'cli' })
    expect(await log.verify()).toMatchObject({ intact: true, lines: 2, head: { seq: 2 } })
  })

  it('names the connection that a use was of, as the store has it', async () => {
    const grant = {
      ...{ tenant: 'default', user: 'ada', generation: 1, scopes: '[]', expiresAt: null, receivedAt: 1 },
      ...{ refreshDueAt: null, dueAt: null, keyId: key.id, sealed: Uint8Array.of(1) },
    }
    await store.putGrant({ ...grant, id: 'only', provider: 'slack', account: 'work' })
    await store.putGrant({ ...grant, id: 'one', provider: 'google', account: 'default' })
    await store.putGrant({ ...grant, id: 'two', provider: 'google', account: 'home' })
    const log = openLog()
    const connections = [
      ...[{ provider: 'slack' }, { provider: 'google' }, { provider: 'google', account: 'home' }],
      { provider: 'github' },
    ]
    log.record({ action: 'tool', outcome: 'ok', user: 'ada', connections })
    const [line] = await log.recent()
    expect(line?.connections).toEqual([
      { id: 'only', provider: 'slack', account: 'work' },
      { id: 'one', provider: 'google', account: 'default' },
      { id: 'two', provider: 'google', account: 'home' },
      { provider: 'github' },
    ])
  })

  it('leaves uses out at level changes, and everything at level off', async () => {
    for (const level of ['changes', 'off'] as const) {
      const log = openLog({ level, tenant: level })
      for (const action of ['tool', 'fetch', 'token', 'consent', 'key_rotate'] as const)
        log.record({ action, outcome: 'ok' })
      expect((await log.recent()).map(({ action }) => action)).toEqual(
        level === 'off' ? [] : ['consent', 'key_rotate'],
      )
    }
  })

  it('is found by user, provider, tool, time and number, across pages', async () => {
    const log = openLog()
    for (let index = 0; index < 2500; index += 1) {
      now = start + index * 1000
      const provider = index % 2 === 0 ? 'slack' : 'github'
      const connections = [{ id: '1', provider }]
      log.record({ ...use(`tool_${index % 5}`, index % 500 === 7 ? 'eve' : 'ada'), connections })
      if (index % 400 === 0) await log.flush()
    }
    expect((await log.recent({ limit: 3 })).map(({ seq }) => seq)).toEqual([2498, 2499, 2500])
    expect((await log.recent({ user: 'eve' })).map(({ seq }) => seq)).toEqual([8, 508, 1008, 1508, 2008])
    expect((await log.recent({ user: 'eve', limit: 2 })).map(({ seq }) => seq)).toEqual([1508, 2008])
    const since = new Date(start + 2_490_000)
    expect(await log.recent({ since, provider: 'github', tool: 'tool_1' })).toHaveLength(1)
    const all = []
    for await (const { seq } of log.lines({ tool: 'tool_3' })) all.push(seq)
    expect(all).toHaveLength(500)
    expect(all.slice(0, 2)).toEqual([4, 9])
  })
})

describe('when it is written', () => {
  it('within a second, without anybody asking', async () => {
    const asked: number[] = []
    const sleep = async (ms: number) => {
      asked.push(ms)
      await new Promise((resolve) => setTimeout(resolve, ms / 20))
    }
    const log = openLog({ sleep })
    log.record(use('one'))
    log.record(use('two'))
    expect(await store.auditHead('default')).toBeUndefined()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(await store.auditHead('default')).toMatchObject({ seq: 2 })
    expect(asked).toEqual([1000])
  })

  it('at once when 200 lines wait', async () => {
    const log = openLog()
    for (let index = 0; index < 200; index += 1) log.record(use('one'))
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(await store.auditHead('default')).toMatchObject({ seq: 200 })
  })

  it('by several writers at once: one chain, no gaps, nothing lost', async () => {
    const writers = Array.from({ length: 8 }, () => openLog())
    await Promise.all(
      writers.map(async (log, writer) => {
        for (let index = 0; index < 50; index += 1) {
          log.record(use(`w${writer}_${index}`))
          if (index % 7 === writer % 7) await log.flush()
        }
        await log.flush()
      }),
    )
    const log = openLog()
    expect(await log.verify()).toMatchObject({ intact: true, lines: 400, head: { seq: 400 } })
    const tools = (await log.recent({ limit: 400 })).map(({ tool }) => tool)
    expect(new Set(tools).size).toBe(400)
    for (let writer = 0; writer < 8; writer += 1) {
      const own = tools.filter((tool) => tool?.startsWith(`w${writer}_`))
      expect(own).toEqual(Array.from({ length: 50 }, (_, index) => `w${writer}_${index}`))
    }
  })

  it('keeps tenants apart, each with a chain of its own', async () => {
    const [one, other] = [openLog({ tenant: 'one' }), openLog({ tenant: 'other' })]
    one.record(use('a'))
    other.record(use('b'))
    for (const log of [one, other]) expect(await log.verify()).toMatchObject({ intact: true, lines: 1 })
    tamper("UPDATE audit SET tenant = 'stolen' WHERE tenant = 'one'")
    tamper("UPDATE audit SET tenant = 'one' WHERE tenant = 'other'")
    expect(await one.verify()).toMatchObject({ problems: [{ seq: 1, problem: 'altered' }] })
  })

  it('goes on with the chain after a change of keys', async () => {
    const log = await written(3)
    const second = SealingKey.parse(generateKey())
    await store.addKey({ id: second.id, check: Uint8Array.of(1), wrapped: null })
    const both = new Keyring(second, [key])
    const [name] = await store.metaSealedOtherwise(second.id)
    expect(name).toBe('audit_key')
    const before = (await store.getMeta('audit_key')) ?? new Uint8Array()
    const place = JSON.stringify(['meta', 'audit_key'])
    const after = both.seal(both.open(before, place), place)
    expect(await store.replaceMeta('audit_key', before, after, second.id)).toBe(true)
    log.record(use('old process'))
    await log.flush()
    const later = openLog({ keyring: new Keyring(second) })
    later.record(use('new process'))
    expect(await later.verify()).toMatchObject({ intact: true, lines: 5 })
  })
})

describe('a store that cannot take it', () => {
  /** The same store, which appends nothing while it is down; `after`: it does, and then says that it did not. */
  function faulty(state: { down: boolean; after?: boolean }): Store {
    return new Proxy(store, {
      get(target, property) {
        const value: unknown = Reflect.get(target, property, target)
        if (property !== 'appendAudit') return typeof value === 'function' ? value.bind(target) : value
        return async (...values: Parameters<Store['appendAudit']>) => {
          const down = () => {
            throw new StoreError('store_unavailable', 'The store is down.')
          }
          if (!state.down) return target.appendAudit(...values)
          if (state.after !== true) return down()
          await target.appendAudit(...values)
          return down()
        }
      },
    })
  }

  it('loses nothing up to the bound, and says how many beyond it', async () => {
    const warnings: string[] = []
    const onWarning = (warning: Error) => void warnings.push(warning.message)
    process.on('warning', onWarning)
    const state = { down: true }
    const log = openLog({ store: faulty(state) })
    for (let index = 0; index < bufferLimit + 25; index += 1) log.record(use('one'))
    await log.flush()
    now += 60_000
    state.down = false
    log.record(use('after'))
    await log.flush()
    log.record(use('again'))
    const verdict = await log.verify()
    expect(verdict).toMatchObject({ intact: true, lines: bufferLimit + 2 })
    const [lost, again] = await log.recent({ limit: 2 })
    const detail = { lost: 26, from: new Date(start).toISOString() }
    expect(lost).toMatchObject({ action: 'audit', outcome: 'lines_lost', detail })
    expect(again).toMatchObject({ tool: 'again' })
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', onWarning)
    expect(warnings.filter((text) => text.includes('audit log'))).toEqual([
      'The audit log cannot be written now: The store is down. Its lines are kept in memory, at most 10000.',
    ])
  })

  it('writes no line twice when it is not known whether the first time worked', async () => {
    const state = { down: true, after: true }
    const log = openLog({ store: faulty(state) })
    log.record(use('one'))
    log.record(use('two'))
    await log.flush()
    state.down = false
    log.record(use('three'))
    const tools = (await log.recent()).map(({ tool }) => tool)
    expect(tools).toEqual(['one', 'two', 'three'])
    expect(await log.verify()).toMatchObject({ intact: true })
  })

  it('records nothing after it was closed, and throws nothing', async () => {
    const log = await written(1)
    await log.close()
    log.record(use('late'))
    await log.flush()
    expect(await store.auditHead('default')).toMatchObject({ seq: 1 })
  })
})

describe('tampering with the file', () => {
  const problemsOf = async (log = openLog()) => (await log.verify()).problems

  it('an altered entry, time or hash is named', async () => {
    await written(5)
    tamper("UPDATE audit SET entry = replace(entry, 'tool_3', 'tool_9') WHERE seq = 3")
    expect(await problemsOf()).toEqual([{ seq: 3, problem: 'altered' }])
    tamper("UPDATE audit SET entry = replace(entry, 'tool_9', 'tool_3') WHERE seq = 3")
    expect(await problemsOf()).toEqual([])
    tamper('UPDATE audit SET at = at + 1 WHERE seq = 5')
    expect(await problemsOf()).toEqual([{ seq: 5, problem: 'altered' }])
    tamper('UPDATE audit SET at = at - 1, hash = zeroblob(32) WHERE seq = 5')
    expect(await problemsOf()).toEqual([{ seq: 5, problem: 'altered' }])
  })

  it.each([
    '{"action":"tool","outcome":"ok","actor":"x","connections":"x"}',
    '{"action":"tool","outcome":"ok","actor":"x","connections":[null]}',
    '{"action":5,"requests":{}}',
    '{"action":"tool","outcome":"ok","actor":"x","requests":[1]}',
    '[]',
  ])('an entry of another shape is listed as unreadable: %s', async (entry) => {
    const log = await written(2)
    tamper('UPDATE audit SET entry = ? WHERE seq = 1', entry)
    expect(await log.recent()).toMatchObject([
      { seq: 1, outcome: 'unreadable' },
      { seq: 2, outcome: 'ok' },
    ])
    expect(await log.recent({ provider: 'acme' })).toEqual([])
  })

  it('a number of many digits keeps nobody waiting', async () => {
    const log = await written(5)
    tamper('UPDATE audit SET seq = ? WHERE seq = 5', Number.MAX_SAFE_INTEGER)
    expect((await log.recent({ limit: 3 })).map(({ seq }) => seq)).toEqual([3, 4, Number.MAX_SAFE_INTEGER])
    expect((await log.recent({ user: 'ada' })).length).toBe(5)
  })

  it('an unreadable entry is listed as such', async () => {
    const log = await written(2)
    tamper("UPDATE audit SET entry = 'gone' WHERE seq = 1")
    expect(await log.recent()).toMatchObject([{ seq: 1, outcome: 'unreadable' }, { seq: 2 }])
  })

  it('dropped lines are named, at the start and in the middle', async () => {
    await written(6)
    tamper('DELETE FROM audit WHERE seq IN (1, 3, 4)')
    expect(await problemsOf()).toEqual([
      { seq: 1, problem: 'missing' },
      { seq: 3, problem: 'missing', to: 4 },
    ])
  })

  it('a dropped line whose number the others have closed up is named', async () => {
    await written(4)
    tamper('DELETE FROM audit WHERE seq = 2')
    tamper('UPDATE audit SET seq = 2 WHERE seq = 3')
    tamper('UPDATE audit SET seq = 3 WHERE seq = 4')
    expect(await problemsOf()).toEqual([
      { seq: 2, problem: 'altered' },
      { seq: 3, problem: 'altered' },
    ])
  })

  it('exchanged lines are named', async () => {
    await written(4)
    tamper('UPDATE audit SET seq = 99 WHERE seq = 2')
    tamper('UPDATE audit SET seq = 2 WHERE seq = 3')
    tamper('UPDATE audit SET seq = 3 WHERE seq = 99')
    const seqs = (await problemsOf()).map(({ seq }) => seq)
    expect(seqs).toContain(2)
    expect(seqs).toContain(3)
  })

  it('an inserted line is named', async () => {
    await written(2)
    tamper(
      "INSERT INTO audit SELECT tenant, 3, at, replace(entry, 'ada', 'eve'), hash FROM audit WHERE seq = 2",
    )
    expect(await problemsOf()).toEqual([{ seq: 3, problem: 'altered' }])
  })

  it('a cut tail is found against a head that was noted, and only so', async () => {
    const log = await written(5)
    const noted = await log.head()
    expect(noted).toMatchObject({ seq: 5, hash: expect.stringMatching(/^[0-9a-f]{64}$/) })
    tamper('DELETE FROM audit WHERE seq > 3')
    const other = openLog()
    expect(await other.verify()).toMatchObject({ intact: true, lines: 3 })
    expect(await other.verify({ expect: noted })).toMatchObject({
      intact: false,
      problems: [{ seq: 4, problem: 'cut_off', to: 5 }],
    })
    other.record(use('x'))
    other.record(use('y'))
    other.record(use('z'))
    expect(await other.verify({ expect: noted })).toMatchObject({
      intact: false,
      problems: [{ seq: 5, problem: 'replaced' }],
    })
  })

  it('a tail that is cut while the process runs is written down', async () => {
    const log = await written(5)
    tamper('DELETE FROM audit WHERE seq > 3')
    log.record(use('next'))
    await log.flush()
    expect((await log.recent()).at(-1)).toMatchObject({
      ...{ action: 'audit', outcome: 'cut_off', detail: { ended: 3, wrote: 5 } },
    })
    expect(await log.verify()).toMatchObject({ intact: true, lines: 5 })
  })

  it('a chain whose key was taken away does not pass', async () => {
    await written(3)
    tamper("DELETE FROM meta WHERE name = 'audit_key'")
    expect(await openLog().verify()).toMatchObject({ intact: false, problemCount: 3 })
  })

  it('of many problems the first hundred are named, and all are counted', async () => {
    await written(150)
    tamper("UPDATE audit SET entry = '{}'")
    const verdict = await openLog().verify()
    expect(verdict).toMatchObject({ problemCount: 150, lines: 150 })
    expect(verdict.problems).toHaveLength(100)
  })

  it('an empty log is whole', async () => {
    const log = openLog({ store: memoryStore({ now: () => now }) })
    expect(await log.verify()).toEqual({
      ...{ intact: true, lines: 0, head: { seq: 0, hash: '' }, problems: [], problemCount: 0 },
    })
  })
})
