// The scheduler: what is due is refreshed, idle grants as rarely as they need, by as many processes as there are, and
// nothing is asked in vain. On a virtual clock, against a provider in this process.
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { failure } from '../../test/vault/fixture.ts'
import { settle, VirtualTime, withFailing } from '../../test/vault/virtual-world.ts'
import { StoreError } from '../errors.ts'
import { TokenSet } from '../oauth/index.ts'
import { defineProvider, type ProviderDefinition } from '../providers/index.ts'
import { fingerprint, generateKey } from '../seal.ts'
import type { RefreshedDue, SkippedProvider } from './freshness.ts'
import { memoryStore } from './memory-store.ts'
import type { VaultOptions } from './options.ts'
import type { Store } from './store.ts'
import { Vault } from './vault.ts'

const hour = 3_600_000
const day = 24 * hour
const key = generateKey()

/** A provider that answers every refresh at once, unless it is told otherwise; and vaults on one store. */
class Schedule {
  readonly time = new VirtualTime()
  readonly store = memoryStore({ now: this.time.now })
  readonly asked: { user: string; at: number }[] = []
  readonly vaults: Vault[] = []
  answer: (refreshToken: string) => Response | Promise<Response> = (refreshToken) =>
    Response.json({
      ...{ access_token: `${refreshToken}-access-${this.asked.length}`, token_type: 'Bearer' },
      ...{ expires_in: 3600, refresh_token: refreshToken },
    })

  readonly fetch: typeof fetch = async (_url, init) => {
    const refreshToken = new URLSearchParams(String(init?.body)).get('refresh_token') ?? ''
    this.asked.push({ user: refreshToken, at: this.time.ms })
    return this.answer(refreshToken)
  }

  async open(facts: Partial<ProviderDefinition> = {}, options: VaultOptions = {}): Promise<Vault> {
    const provider = defineProvider({
      ...{ id: 'acme', authorizationUrl: 'https://acme.test/a', tokenUrl: 'https://acme.test/t' },
      ...facts,
    })
    const vault = await Vault.open({
      ...{ store: closable(this.store), key, audit: 'off', fetch: this.fetch, random: () => 0.5 },
      ...{ sleep: this.time.sleep, clients: { acme: { clientId: 'us', provider } } },
      ...options,
    })
    this.vaults.push(vault)
    return vault
  }

  save(vault: Vault, user: string, lifetimeMs = hour, provider = 'acme') {
    const receivedAt = new Date(this.time.ms)
    const expiresAt = new Date(this.time.ms + lifetimeMs)
    const tokens = new TokenSet({ accessToken: `${user}-first`, refreshToken: user, receivedAt, expiresAt })
    return vault.save({ user, provider }, tokens)
  }

  /** When it was asked, in minutes after the start. */
  minutes(begun: number): number[] {
    return this.asked.map(({ at }) => Math.round((at - begun) / 60_000))
  }
}

/** The same store, which outlives the vaults on it. */
function closable(store: Store): Store {
  return new Proxy(store, {
    get(target, name) {
      if (name === 'close') return () => {}
      const member: unknown = Reflect.get(target, name, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

/** What a first refresh loads takes real time, which virtual time does not wait for. */
beforeAll(async () => {
  const warm = new Schedule()
  const vault = await warm.open({}, { sleep: undefined })
  await warm.save(vault, 'ada', 0)
  await vault.token({ user: 'ada', provider: 'acme' })
  await vault.close()
})

let schedule = new Schedule()
afterEach(async () => {
  await Promise.all(schedule.vaults.map((vault) => vault.close()))
  schedule = new Schedule()
})

describe('keepFresh', () => {
  it('refreshes a connection in use before its token ends, without anybody asking', async () => {
    const vault = await schedule.open()
    await schedule.save(vault, 'ada')
    const begun = schedule.time.ms
    vault.keepFresh()
    await schedule.time.advance(3 * hour)
    const minutes = schedule.minutes(begun)
    expect(minutes).toHaveLength(3)
    expect(minutes[0]).toBeGreaterThanOrEqual(55)
    expect(minutes[0]).toBeLessThanOrEqual(58)
    const { accessToken } = await vault.token({ user: 'ada', provider: 'acme' })
    expect(accessToken).toBe('ada-access-3')
  })

  it('lets a grant rest that nobody uses for a day, and keeps it alive as rarely as it needs', async () => {
    const vault = await schedule.open({ refreshTokenIdleSeconds: (9 * day) / 1000 })
    await schedule.save(vault, 'ada')
    vault.keepFresh({ pollSeconds: 60 })
    await schedule.time.advance(26 * hour)
    const inUse = schedule.asked.length
    expect(inUse).toBeGreaterThanOrEqual(25)
    await schedule.time.advance(5 * day)
    expect(schedule.asked).toHaveLength(inUse)
    await schedule.time.advance(day)
    expect(schedule.asked).toHaveLength(inUse + 1)
  })

  it('takes up an idle grant again once somebody uses it', async () => {
    const vault = await schedule.open(
      { refreshTokenIdleSeconds: (90 * day) / 1000 },
      { usedWithinSeconds: 3600 },
    )
    await schedule.save(vault, 'ada')
    vault.keepFresh()
    await schedule.time.advance(5 * hour)
    const rested = schedule.asked.length
    await schedule.time.advance(5 * hour)
    expect(schedule.asked.length).toBe(rested)
    await vault.token({ user: 'ada', provider: 'acme' })
    await schedule.time.advance(70 * 60_000)
    expect(schedule.asked.length).toBe(rested + 2)
  })

  it('shares the work with other processes: each connection once', async () => {
    const vaults = [await schedule.open(), await schedule.open(), await schedule.open()]
    const [first] = vaults
    if (first === undefined) throw new Error('no vault')
    for (let user = 0; user < 60; user += 1) await schedule.save(first, `u${user}`)
    const passes: RefreshedDue[] = []
    for (const vault of vaults) vault.keepFresh({ onPass: (pass) => void passes.push(pass) })
    await schedule.time.advance(hour)
    expect(new Set(schedule.asked.map(({ user }) => user)).size).toBe(60)
    expect(schedule.asked).toHaveLength(60)
    expect(passes.reduce((sum, { due }) => sum + due, 0)).toBe(60)
    expect(passes.reduce((sum, { refreshed }) => sum + refreshed, 0)).toBe(60)
  })

  it('takes up what a process that died was refreshing as soon as its lease ends', async () => {
    const vault = await schedule.open()
    await schedule.save(vault, 'ada', 0)
    const [row] = await schedule.store.list({ tenant: 'default' })
    const begun = schedule.time.ms
    await schedule.store.acquireLease(row?.id ?? '', 1, 'dead', 15_000)
    await schedule.store.writeIntent(row?.id ?? '', 'dead', 1, fingerprint('ada'), 15_000)
    vault.keepFresh()
    await schedule.time.advance(20_000)
    expect(schedule.asked).toHaveLength(1)
    expect((schedule.asked[0]?.at ?? 0) - begun).toBeLessThan(16_500)
  })

  it('keeps to so many at once at each provider', async () => {
    let underWay = 0
    let most = 0
    const vault = await schedule.open()
    for (let user = 0; user < 30; user += 1) await schedule.save(vault, `u${user}`, 0)
    const { answer } = schedule
    schedule.answer = async (refreshToken) => {
      underWay += 1
      most = Math.max(most, underWay)
      await schedule.time.sleep(100, new AbortController().signal)
      underWay -= 1
      return answer(refreshToken)
    }
    const pass = vault.refreshDue({ concurrency: 4 })
    await schedule.time.advance(2000)
    expect(await pass).toEqual({ due: 30, refreshed: 30, failed: 0, skipped: 0, skippedProviders: [] })
    expect(most).toBe(4)
  })

  it('does not let a slow provider with many due connections hold up another', async () => {
    const [slow, acme] = ['slow', 'acme'].map((id) => {
      const urls = { authorizationUrl: `https://${id}.test/a`, tokenUrl: `https://${id}.test/t` }
      return { clientId: 'us', provider: defineProvider({ id, ...urls }) }
    })
    if (slow === undefined || acme === undefined) throw new Error('no clients')
    const both = await schedule.open({}, { clients: { slow, acme } })
    for (let user = 0; user < 40; user += 1) await schedule.save(both, `slow${user}`, 0, 'slow')
    await schedule.save(both, 'ada', 60_000)
    const begun = schedule.time.ms
    const { answer } = schedule
    schedule.answer = async (refreshToken) => {
      if (refreshToken.startsWith('slow')) await schedule.time.sleep(30_000, new AbortController().signal)
      return answer(refreshToken)
    }
    const passes: RefreshedDue[] = []
    const keeper = both.keepFresh({ onPass: (pass) => void passes.push(pass) })
    await schedule.time.advance(60_000)
    const adas = schedule.asked.filter(({ user }) => user === 'ada')
    expect(adas).toHaveLength(1)
    expect(adas[0]?.at).toBeLessThanOrEqual(begun + 60_000)
    expect(schedule.asked.length).toBeLessThanOrEqual(1 + 3 * 8)
    void keeper.stop()
    await schedule.time.advance(60_000)
    await keeper.stop()
    const told = passes.reduce((sum, { refreshed }) => sum + refreshed, 0)
    expect(told).toBe(schedule.asked.length)
  })

  it('names a provider that we are not registered at once, and looks at it no oftener than at others', async () => {
    const vault = await schedule.open()
    await schedule.save(vault, 'ada', hour, 'unknown')
    const skipped: SkippedProvider[] = []
    let looks = 0
    const counting = new Proxy(schedule.store, {
      get(target, name) {
        if (name === 'nextDue') looks += 1
        const member: unknown = Reflect.get(target, name, target)
        return typeof member === 'function' ? member.bind(target) : member
      },
    })
    const other = await schedule.open({}, { store: closable(counting) })
    other.keepFresh({ onSkipped: (one) => void skipped.push(one) })
    await schedule.time.advance(3 * hour)
    expect(skipped).toMatchObject([{ provider: 'unknown', why: 'client_missing' }])
    expect(skipped[0]?.error).toMatchObject({ code: 'client_missing' })
    expect(looks).toBeLessThan(3000)
    expect(await other.connection({ user: 'ada', provider: 'unknown' })).toMatchObject({ status: 'active' })
  })

  it('leaves a provider alone that is down, and is back soon after it', async () => {
    const vault = await schedule.open()
    for (let user = 0; user < 40; user += 1) await schedule.save(vault, `u${user}`)
    const { answer } = schedule
    schedule.answer = () => new Response('<h1>down</h1>', { status: 503 })
    const skipped: SkippedProvider[] = []
    vault.keepFresh({ onSkipped: (one) => void skipped.push(one) })
    await schedule.time.advance(5 * hour)
    const inOutage = schedule.asked.length
    expect(inOutage).toBeLessThan(700)
    expect(skipped[0]).toMatchObject({ provider: 'acme', why: 'provider_down' })
    schedule.answer = answer
    await schedule.time.advance(10 * 60_000)
    const connections = await vault.connections()
    expect(connections.filter(({ status }) => status === 'active')).toHaveLength(40)
    expect(connections.every(({ expiresAt }) => (expiresAt?.getTime() ?? 0) > schedule.time.ms)).toBe(true)
  })

  it('does not ask for every connection when the provider does not know us any more', async () => {
    const vault = await schedule.open()
    for (let user = 0; user < 40; user += 1) await schedule.save(vault, `u${user}`)
    schedule.answer = () => Response.json({ error: 'invalid_client' }, { status: 401 })
    vault.keepFresh()
    await schedule.time.advance(2 * hour)
    expect(schedule.asked.length).toBeLessThan(250)
    const ada = { user: 'u1', provider: 'acme' }
    const error = await failure(() => vault.token(ada))
    expect(error).toMatchObject({ name: 'RefreshFailedError', retryable: false })
    expect(error.message).toContain('client secret')
  })

  it('asks once about a grant that was revoked, however many processes there are', async () => {
    const events: string[] = []
    const onEvent = ({ type }: { type: string }) => void events.push(type)
    const vaults = [await schedule.open({}, { onEvent }), await schedule.open({}, { onEvent })]
    const [first] = vaults
    if (first === undefined) throw new Error('no vault')
    await schedule.save(first, 'ada')
    schedule.answer = () => Response.json({ error: 'invalid_grant' }, { status: 400 })
    for (const vault of vaults) vault.keepFresh({ pollSeconds: 60 })
    await schedule.time.advance(day)
    for (const vault of vaults)
      expect(await failure(() => vault.token({ user: 'ada', provider: 'acme' }))).toMatchObject({
        code: 'needs_reconnect',
      })
    expect(schedule.asked).toHaveLength(1)
    expect(events).toEqual(['connected', 'needs_reconnect'])
  })

  it('asks for nothing in vain: not once the grant has reached its end', async () => {
    const vault = await schedule.open({ refreshTokenLifetimeSeconds: (3 * hour) / 1000 })
    await schedule.save(vault, 'ada')
    vault.keepFresh()
    await schedule.time.advance(6 * hour)
    expect(schedule.asked).toHaveLength(3)
  })

  it('survives a store that is out, says so once, and goes on', async () => {
    let isOut = false
    const down = () => (isOut ? new StoreError('store_unavailable', 'down') : undefined)
    const store = closable(withFailing(schedule.store, 'nextDue', down))
    const vault = await schedule.open({}, { store })
    await schedule.save(vault, 'ada')
    const errors: unknown[] = []
    vault.keepFresh({ onError: (error) => void errors.push(error) })
    await settle()
    isOut = true
    await schedule.time.advance(50 * 60_000)
    expect(errors).toHaveLength(1)
    isOut = false
    await schedule.time.advance(10 * 60_000)
    expect(schedule.asked).toHaveLength(1)
  })

  it.each(['stop()', 'its signal', 'closing the vault'])(
    'is ended by %s, and waits for what is under way',
    async (way) => {
      const vault = await schedule.open()
      await schedule.save(vault, 'ada', 0)
      await schedule.save(vault, 'bob')
      let answered = () => {}
      const { answer } = schedule
      schedule.answer = async (refreshToken) => {
        await new Promise<void>((resolve) => (answered = resolve))
        return answer(refreshToken)
      }
      const stop = new AbortController()
      const keeper = vault.keepFresh({ signal: stop.signal })
      const { done } = keeper
      const end = () => {
        if (way === 'stop()') void keeper.stop()
        else if (way === 'its signal') stop.abort()
        else void vault.close()
      }
      let isDone = false
      void done.then(() => {
        isDone = true
      })
      await schedule.time.advance(1000)
      expect(schedule.asked).toHaveLength(1)
      end()
      await schedule.time.advance(1000)
      expect(isDone).toBe(false)
      answered()
      await schedule.time.advance(1000)
      await done
      const row = await schedule.store.list({ tenant: 'default', user: 'ada' })
      expect(row).toMatchObject([{ generation: 2 }])
      await schedule.time.advance(2 * hour)
      expect(schedule.asked).toHaveLength(1)
    },
  )

  it('refuses options that make no sense', async () => {
    const vault = await schedule.open()
    const wrong = { code: 'invalid_argument' }
    expect(await failure(() => vault.keepFresh({ pollSeconds: 0 }))).toMatchObject(wrong)
    expect(await failure(() => vault.keepFresh({ concurrency: 0.5 }))).toMatchObject(wrong)
    expect(await failure(() => vault.refreshDue({ providers: 'acme' as never }))).toMatchObject(wrong)
  })
})

describe('refresh', () => {
  const ada = { user: 'ada', provider: 'acme' }

  it('asks for nothing while the token is fresh, unless it is forced', async () => {
    const vault = await schedule.open()
    await schedule.save(vault, 'ada')
    expect(await vault.refresh(ada)).toMatchObject({ refreshed: false, connection: { generation: 1 } })
    expect(await vault.refresh(ada, { force: true })).toMatchObject({
      ...{ refreshed: true, connection: { generation: 2 } },
    })
    expect(schedule.asked).toHaveLength(1)
  })

  it('keeps a pause after failures, unless it is forced', async () => {
    const vault = await schedule.open()
    await schedule.save(vault, 'ada', 0)
    const { answer } = schedule
    schedule.answer = () => new Response('', { status: 503, headers: { 'retry-after': '600' } })
    expect(await failure(() => vault.refresh(ada))).toMatchObject({
      name: 'RefreshFailedError',
      retryable: true,
    })
    expect(await failure(() => vault.refresh(ada))).toMatchObject({ name: 'RefreshFailedError' })
    expect(schedule.asked).toHaveLength(1)
    schedule.answer = answer
    expect(await vault.refresh(ada, { force: true })).toMatchObject({ refreshed: true })
  })

  it('says so where there is no refresh token, or no connection', async () => {
    const vault = await schedule.open()
    const expiresAt = new Date(schedule.time.ms + hour)
    await vault.save(
      ada,
      new TokenSet({ accessToken: 'a', expiresAt, receivedAt: new Date(schedule.time.ms) }),
    )
    expect(await failure(() => vault.refresh(ada, { force: true }))).toMatchObject({
      code: 'refresh_unsupported',
    })
    schedule.time.ms += hour
    expect(await failure(() => vault.refresh(ada))).toMatchObject({ code: 'needs_reconnect' })
    expect(await failure(() => vault.refresh({ ...ada, user: 'eve' }))).toMatchObject({
      code: 'not_connected',
    })
    expect(schedule.asked).toEqual([])
  })
})

it('eachConnection walks through all of them, page by page', async () => {
  const vault = await schedule.open()
  for (let user = 0; user < 450; user += 1) await schedule.save(vault, `u${user}`)
  const users: string[] = []
  for await (const { user } of vault.eachConnection({ provider: 'acme' })) users.push(user)
  expect(new Set(users).size).toBe(450)
  expect(users).toEqual((await vault.connections()).map(({ user }) => user))
})
