// Each cause is brought about at a real server over HTTP, and then explained. The clock alone is given.
import { copyFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { ada, failure, vaultFixture } from '../../test/vault/fixture.ts'
import { refreshTokenGrant } from '../oauth/index.ts'
import { defineProvider } from '../providers/index.ts'
import { generateKey, SealingKey } from '../seal.ts'
import type { ProviderOverrides, RegisteredClient, ScriptStep } from '../testing/index.ts'
import type { CauseCode, ExplainOptions, Explanation, Vault, VaultOptions } from './index.ts'
import { checkOf } from './key-search.ts'
import { memoryStore } from './memory-store.ts'

const world = vaultFixture()
const daySeconds = 86_400
const explained: Explanation[] = []

afterEach(() => {
  const text = JSON.stringify(explained.splice(0))
  for (const secret of world.server.issuedSecrets()) expect(text).not.toContain(secret)
})

async function explain(vault: Vault, options?: ExplainOptions): Promise<Explanation> {
  const explanation = await vault.explain(ada, options)
  explained.push(explanation)
  return explanation
}

/** A vault whose provider has these facts. */
function open(
  facts: ProviderOverrides = {},
  options: VaultOptions = {},
  client: Partial<RegisteredClient> = world.server.client(),
): Promise<Vault> {
  const provider = defineProvider(world.server.provider({ issuer: undefined, ...facts }))
  const registered = { ...world.server.client(), ...client }
  return world.open({ clients: { simulated: { ...registered, provider } }, ...options })
}

async function connected(facts: ProviderOverrides = {}): Promise<Vault> {
  const vault = await open(facts)
  await vault.save(ada, world.granted())
  return vault
}

/** Asks for a token when the one at hand has ended, and lets it fail. */
async function fail(vault: Vault, seconds = 3601): Promise<void> {
  world.pass(seconds)
  await failure(() => vault.token(ada))
}

async function renew(vault: Vault, seconds: number): Promise<void> {
  world.pass(seconds)
  await vault.token(ada)
}

const codes = ({ causes }: Explanation) => causes.map(({ code }) => code)

describe('a connection in order', () => {
  it('is explained by what will happen, and there is nothing to do', async () => {
    const vault = await connected({ refreshTokenIdleSeconds: 30 * daySeconds })
    const explanation = await explain(vault)
    const { id } = await vault.save({ ...ada, account: 'other' }, world.granted())
    expect(explanation).toMatchObject({
      ...{ version: 1, tenant: 'default', ...ada, account: 'default', status: 'active', usable: true },
      ...{ causes: [], next: [], summary: 'In order: the access token is good until 2026-01-01 01:00 UTC.' },
      connection: { status: 'active', scopes: ['a', 'b'] },
      clocks: { storeMs: 0 },
    })
    expect(explanation.timeline).toEqual([
      {
        ...{ type: 'connected', at: new Date(world.now), lastAt: new Date(world.now), count: 1 },
        ...{ generation: 1, text: 'A person consented. Granted: a b.' },
      },
    ])
    const ahead = explanation.upcoming.map(({ type, at }) => [type, (at.getTime() - world.now) / 1000])
    expect(ahead).toEqual(
      expect.arrayContaining([
        ['refresh_due', 3300],
        ['access_token_ends', 3600],
        ['idle_end', 30 * daySeconds],
      ]),
    )
    expect(await vault.explain(id)).toMatchObject({ id, account: 'other' })
  })

  it('is due in its last minutes, and refreshes in a row are one line', async () => {
    const vault = await connected()
    for (const _ of [1, 2, 3]) await renew(vault, 3601)
    world.pass(3500)
    const { status, usable, timeline } = await explain(vault)
    expect({ status, usable }).toEqual({ status: 'due', usable: true })
    expect(timeline).toMatchObject([
      { type: 'connected' },
      { type: 'refreshed', count: 3, generation: 4, text: 'The access token was renewed 3 times.' },
    ])
  })

  it('is being refreshed; and when whoever did that died, another takes over', async () => {
    const store = memoryStore({ now: () => world.now })
    const vault = await open({}, { store, key: generateKey() })
    const { id } = await vault.save(ada, world.granted())
    world.pass(3601)
    await store.acquireLease(id, 1, 'a process that dies', 15_000)
    await store.writeIntent(id, 'a process that dies', 1, 'hash', 15_000)
    const { status, upcoming } = await explain(vault)
    expect([status, upcoming[0]?.type]).toEqual(['refreshing', 'lease_ends'])
    await renew(vault, 16)
    expect((await explain(vault)).timeline).toMatchObject([
      { type: 'connected' },
      { type: 'lease_taken_over', text: expect.stringContaining('stopped before the end') },
      { type: 'refreshed' },
    ])
  })

  it('changes nothing and asks nobody', async () => {
    const store = memoryStore({ now: () => world.now })
    const vault = await open({}, { store, key: generateKey() })
    await vault.save(ada, world.granted())
    world.pass(3601)
    const before = JSON.stringify([store.list({ tenant: 'default' }), store.getMeta('x')])
    await explain(vault)
    expect(JSON.stringify([store.list({ tenant: 'default' }), store.getMeta('x')])).toBe(before)
    expect(world.server.requests()).toEqual([])
  })
})

describe('a dead grant', () => {
  const cases: [CauseCode, string, () => Promise<Vault>][] = [
    [
      'revoked_by_user',
      'likely',
      async () => {
        const vault = await connected()
        world.server.revokeGrants()
        await fail(vault)
        return vault
      },
    ],
    [
      'idle_too_long',
      'likely',
      async () => {
        world.server.configure({ refreshTokenSeconds: 30 * daySeconds })
        const vault = await connected({ refreshTokenIdleSeconds: 30 * daySeconds })
        await fail(vault, 31 * daySeconds)
        return vault
      },
    ],
    [
      'lifetime_over',
      'certain',
      async () => {
        const extra = { refresh_token_expires_in: daySeconds }
        world.server.configure({ refreshTokenSeconds: daySeconds, tokenAnswer: { extra } })
        const vault = await connected()
        await renew(vault, 3601)
        expect((await explain(vault)).upcoming.at(-1)).toMatchObject({ type: 'refresh_token_ends' })
        await fail(vault, daySeconds + 1)
        return vault
      },
    ],
    [
      'lifetime_over',
      'likely',
      async () => {
        const vault = await connected({ refreshTokenLifetimeSeconds: 10 * daySeconds })
        await renew(vault, 9 * daySeconds)
        world.server.expireRefreshTokens()
        await fail(vault, daySeconds)
        return vault
      },
    ],
    [
      'app_in_testing',
      'likely',
      async () => {
        const vault = await connected({ refreshTokenTestingSeconds: 7 * daySeconds })
        for (let day = 1; day < 7; day += 1) await renew(vault, daySeconds)
        world.server.expireRefreshTokens()
        await fail(vault, daySeconds + 5)
        return vault
      },
    ],
    [
      'interrupted_refresh',
      'likely',
      async () => {
        const vault = await connected()
        world.server.script('refresh', [{ drop: 'answer' }])
        await fail(vault)
        await fail(vault)
        return vault
      },
    ],
    [
      'reused_elsewhere',
      'likely',
      async () => {
        const vault = await open()
        const tokens = world.granted()
        await vault.save(ada, tokens)
        await refreshTokenGrant(world.provider(), world.server.client(), tokens, { now: () => world.now })
        await fail(vault)
        return vault
      },
    ],
    [
      'reused_elsewhere',
      'likely',
      async () => {
        const vault = await open()
        const { accessToken: access_token, refreshToken: refresh_token } = world.granted()
        const found = { ...ada, scope: 'a b', access_token, refresh_token, expires_at: world.now + 3_600_000 }
        const { imported } = await vault.import(new TextEncoder().encode(JSON.stringify([found])))
        expect(imported).toBe(1)
        world.server.script('refresh', [{ error: 'invalid_grant' }])
        await fail(vault)
        return vault
      },
    ],
    ['restored_backup', 'likely', restoredBackup],
  ]

  it.each(cases)('because of %s (%s)', async (code, certainty, arrange) => {
    const explanation = await explain(await arrange())
    expect(explanation).toMatchObject({ status: 'needs_reconnect', usable: false, upcoming: [] })
    expect(explanation.causes[0]).toMatchObject({ code, certainty })
    expect(explanation.timeline.at(-1)).toMatchObject({ type: 'needs_reconnect' })
    expect(explanation.next.at(-1)).toMatchObject({
      who: 'person',
      command: "toolgrant connect simulated --user ada --scopes 'a b'",
    })
  })

  /** A copy of the file from before a refresh, put back after it. */
  async function restoredBackup(): Promise<Vault> {
    const [url, key] = [world.newUrl(), generateKey()]
    const file = url.replace('sqlite:', '')
    const first = await open({}, { url, key })
    await first.save(ada, world.granted())
    await first.close()
    copyFileSync(file, `${file}.backup`)
    const second = await open({}, { url, key })
    await renew(second, 3601)
    await second.close()
    const place = `${file}.restored`
    copyFileSync(`${file}.backup`, place)
    const third = await open({}, { url: `sqlite:${place}`, key })
    await fail(third)
    return third
  }

  it.each([
    ['Token has been expired or revoked.', { refreshTokenTestingSeconds: 7 * daySeconds }, 'app_in_testing'],
    ['Token has been expired or revoked.', {}, 'revoked_by_user'],
    ['AADSTS700082: The refresh token has expired due to inactivity.', {}, 'idle_too_long'],
    ['The refresh token expired.', {}, 'lifetime_over'],
    ['The refresh token is invalid or expired.', {}, 'revoked_by_user'],
    ['The user revoked access.', { refreshTokenTestingSeconds: 7 * daySeconds }, 'revoked_by_user'],
    ['Refresh token has already been used.', {}, 'reused_elsewhere'],
  ] as const)('takes a provider at its word, as far as it goes: %s %j', async (said, facts, code) => {
    const vault = await connected(facts)
    await renew(vault, 6 * daySeconds)
    const body = { error: 'invalid_grant', error_description: said }
    world.server.script('refresh', [{ status: 400, body }])
    await fail(vault, daySeconds + 5)
    const explanation = await explain(vault)
    expect(explanation.causes[0]?.code).toBe(code)
  })

  it('of an app in testing is told by its own end, for certain', async () => {
    const extra = { refresh_token_expires_in: 6 * daySeconds }
    const vault = await connected({ refreshTokenTestingSeconds: 7 * daySeconds })
    world.server.configure({ tokenAnswer: { extra } })
    await renew(vault, daySeconds)
    world.server.expireRefreshTokens()
    await fail(vault, 10 * daySeconds)
    const explanation = await explain(vault)
    expect(explanation.causes[0]).toMatchObject({ code: 'app_in_testing', certainty: 'certain' })
    expect(explanation.next[0]).toMatchObject({ who: 'operator' })
  })

  it('asks for no more than a person, and does not say twice what it is', async () => {
    const vault = await connected()
    world.server.revokeGrants()
    await fail(vault)
    const { causes } = await explain(vault)
    expect(new Set(codes(await explain(vault))).size).toBe(causes.length)
  })
})

describe('a connection without a refresh token', () => {
  it.each([
    ['no_refresh_token', {}, 'most providers want a scope'],
    ['no_refresh_token', { authorizationParams: { access_type: 'offline' } }, 'access_type=offline'],
    ['no_refresh_token', { defaultScopes: ['a', 'offline_access'] }, 'the scope offline_access'],
    ['no_refresh_token', { quirks: ['refresh-optional'] }, 'a setting of the app'],
  ] as const)('is told before it ends: %s %j', async (code, facts, how) => {
    world.server.configure({ refreshTokens: 'never' })
    const vault = await connected(facts)
    expect(await explain(vault)).toMatchObject({ status: 'active', causes: [{ code, certainty: 'certain' }] })
    await fail(vault)
    const explanation = await explain(vault)
    expect(explanation).toMatchObject({ status: 'needs_reconnect', usable: false, causes: [{ code }] })
    expect(explanation.next).toMatchObject([{ who: 'person', text: expect.stringContaining(how) }])
  })

  it('asks for the scope that makes the provider issue one', async () => {
    world.server.configure({ refreshTokens: 'never' })
    const { next } = await explain(await connected({ quirks: ['offline-access-scope'] }))
    expect(next[0]?.command).toBe("toolgrant connect simulated --user ada --scopes 'a b offline_access'")
  })

  it('cannot have one where the provider renews nothing', async () => {
    world.server.configure({ refreshTokens: 'never' })
    const vault = await connected({ refresh: 'none' })
    expect(codes(await explain(vault))).toEqual(['not_renewable'])
  })

  it('needs none when its token has no end', async () => {
    world.server.configure({ refreshTokens: 'never', accessTokenSeconds: null })
    expect(await explain(await connected())).toMatchObject({ status: 'active', usable: true, causes: [] })
  })
})

describe('refreshes that fail', () => {
  /** Each refresh is answered so: a hiccup is sat out. */
  async function refused(step: ScriptStep): Promise<Vault> {
    const vault = await connected()
    world.server.script('refresh', Array(5).fill(step))
    await fail(vault)
    world.server.clearScript()
    return vault
  }
  const fromTheFuture = {
    error: 'invalid_client',
    error_description: 'the client assertion has an iat ahead',
  }
  const cases: [CauseCode, string, () => Promise<Vault>][] = [
    ['client_secret_wrong', 'certain', () => failing({ clientSecret: 'canary-wrong' })],
    [
      'client_unknown',
      'certain',
      async () => {
        world.server.unregister(world.server.client().clientId)
        return failing()
      },
    ],
    ['redirect_uri_unregistered', 'likely', () => refused({ error: 'redirect_uri_mismatch' })],
    ['misconfigured', 'likely', () => refused({ error: 'unsupported_grant_type' })],
    ['rate_limited', 'certain', () => refused({ retryAfter: 60 })],
    ['provider_down', 'likely', () => refused({ status: 503, body: '<h1>Down' })],
    ['provider_down', 'likely', () => refused({ drop: true })],
    ['clock_off', 'possible', () => refused({ status: 401, body: fromTheFuture })],
  ]

  async function failing(client: Partial<RegisteredClient> = {}): Promise<Vault> {
    const vault = await open({}, {}, client)
    await vault.save(ada, world.granted())
    await fail(vault)
    return vault
  }

  it.each(cases)('because of %s (%s)', async (code, certainty, arrange) => {
    const explanation = await explain(await arrange())
    expect(explanation).toMatchObject({ status: 'failing', usable: false })
    expect(explanation.causes.find((cause) => cause.code === code)).toMatchObject({ certainty })
    if (certainty !== 'possible') expect(explanation.causes[0]?.code).toBe(code)
    expect(explanation.timeline.at(-1)).toMatchObject({ type: 'refresh_failed' })
  })

  it('are told since when, how often, and when the next attempt is', async () => {
    const vault = await connected()
    const since = world.now + 3_601_000
    world.server.script('refresh', Array(20).fill({ status: 503 }))
    await fail(vault)
    while (world.server.counts.requests.refresh < 4) await fail(vault, 400)
    const { summary, causes, timeline, upcoming } = await explain(vault)
    expect(summary).toBe(
      `The last ${world.server.counts.requests.refresh} refreshes failed, and there is no valid token.`,
    )
    expect(causes[0]).toMatchObject({ code: 'provider_down', since: new Date(since) })
    // Quotes are for what the provider said: this word is ours.
    expect(causes[0]?.text).toContain('(HTTP 503, response_not_oauth)')
    const count = world.server.counts.requests.refresh
    expect(timeline.at(-1)).toMatchObject({ type: 'refresh_failed', count, at: new Date(since) })
    expect(upcoming.map(({ type }) => type)).not.toContain('refresh_due')
  })

  it('that are limited are told until when', async () => {
    const vault = await refused({ retryAfter: 60 })
    const until = new Date(world.now + 60_000)
    const { causes, upcoming } = await explain(vault)
    expect(causes[0]).toMatchObject({ code: 'rate_limited', until })
    expect(upcoming).toMatchObject([{ type: 'next_attempt', at: until }])
  })

  it('never show what a provider says but quoted', async () => {
    const body = { error: 'temporarily_unavailable', error_description: 'line\n\u001b[31mred' }
    const vault = await refused({ status: 503, body })
    const text = JSON.stringify(await explain(vault))
    expect(text).not.toMatch(/\\u001b\[31m(?<!\\\\u001b\[31m)/)
    expect(text).toContain('\\\\u001b[31mred')
  })

  it('ask whether the provider is back, when told to probe', async () => {
    const vault = await refused({ status: 503 })
    const { causes } = await explain(vault, { probe: true })
    expect(causes[0]?.text).toContain('answers again')
    world.server.script('token', [{ status: 502 }])
    expect((await explain(vault, { probe: true })).causes[0]?.text).toContain('still so')
  })
})

describe('what is wrong here', () => {
  it('client_missing: our registration is gone', async () => {
    const store = memoryStore({ now: () => world.now })
    const key = generateKey()
    await (await open({}, { store, key })).save(ada, world.granted())
    const vault = await world.open({ store, key, clients: {} })
    const explanation = await explain(vault)
    expect(explanation).toMatchObject({ status: 'active', causes: [{ code: 'client_missing' }] })
    expect(explanation.next[0]?.command).toBe('toolgrant init --provider simulated')
  })

  it('clock_off: asked of the provider', async () => {
    const vault = await connected()
    world.server.advance(7200)
    expect(codes(await explain(vault))).toEqual([])
    const { causes, clocks } = await explain(vault, { probe: true })
    expect(causes).toMatchObject([{ code: 'clock_off', text: expect.stringContaining('2 hours behind') }])
    expect(Math.abs((clocks.providerMs ?? 0) - 7_200_000)).toBeLessThan(2000)
  })

  it('clock_off: certain when the provider says so and its clock shows it', async () => {
    const vault = await connected()
    const body = { error: 'invalid_client', error_description: 'the client assertion has an iat ahead' }
    world.server.script('refresh', [{ status: 401, body }])
    await fail(vault)
    world.server.advance(-600)
    const { causes } = await explain(vault, { probe: true })
    expect(causes[0]).toMatchObject({ code: 'clock_off', certainty: 'certain' })
  })

  it('clock_off: this machine and the store', async () => {
    const store = memoryStore({ now: () => world.now + 180_000 })
    const vault = await open({}, { store, key: generateKey() })
    await vault.save(ada, world.granted())
    const { causes, clocks } = await explain(vault)
    expect(clocks.storeMs).toBe(180_000)
    expect(causes).toMatchObject([{ code: 'clock_off', text: expect.stringContaining('3 minutes behind') }])
  })

  it('sealed_data_invalid: the row was altered', async () => {
    const store = memoryStore({ now: () => world.now })
    const vault = await open({}, { store, key: generateKey() })
    const { id } = await vault.save(ada, world.granted())
    const row = await store.get(id)
    if (row === undefined) throw new Error('no row')
    const altered = Uint8Array.from(row.sealed)
    altered[40] = (altered[40] ?? 0) ^ 1
    await store.reseal(id, row.sealed, altered, row.keyId)
    expect(await explain(vault)).toMatchObject({
      ...{ status: 'unreadable', usable: false },
      causes: [{ code: 'sealed_data_invalid', certainty: 'certain' }],
    })
  })

  it('key_missing: an older key was not brought along', async () => {
    const store = memoryStore({ now: () => world.now })
    const [older, newer] = [generateKey(), generateKey()]
    const first = await open({}, { store, key: older })
    const { id } = await first.save(ada, world.granted())
    const keyId = (await store.get(id))?.keyId ?? ''
    const added = SealingKey.parse(newer)
    await store.addKey({ id: added.id, check: checkOf(added), wrapped: null })
    await store.makePrimary(added.id)
    const explanation = await explain(await open({}, { store, key: newer }))
    expect(explanation).toMatchObject({ status: 'unreadable', causes: [{ code: 'key_missing' }] })
    expect(explanation.next[0]?.text).toContain(keyId)
  })

  it('scopes_reduced: a refresh brought less', async () => {
    const vault = await connected()
    world.server.configure({ tokenAnswer: { extra: { scope: 'a' } } })
    await renew(vault, 3601)
    const explanation = await explain(vault)
    expect(explanation).toMatchObject({
      ...{ status: 'active', causes: [{ code: 'scopes_reduced', text: expect.stringContaining('b went') }] },
      timeline: [{}, { type: 'refreshed', text: expect.stringContaining('other scopes than before: a.') }],
      next: [{ command: "toolgrant connect simulated --user ada --scopes 'a b'" }],
    })
    world.server.revokeGrants()
    await fail(vault)
    expect(codes(await explain(vault))[0]).toBe('revoked_by_user')
  })

  it('app_in_testing: foreseen from the answer', async () => {
    const extra = { refresh_token_expires_in: 7 * daySeconds - 3602 }
    world.server.configure({ tokenAnswer: { extra } })
    const vault = await connected({ refreshTokenTestingSeconds: 7 * daySeconds })
    await renew(vault, 3601)
    expect(await explain(vault)).toMatchObject({ status: 'active', causes: [{ code: 'app_in_testing' }] })
  })
})

describe('a connection on its way out', () => {
  it('is being disconnected, then gone, then forgotten after a day', async () => {
    const store = memoryStore({ now: () => world.now })
    const vault = await open({}, { store, key: generateKey() })
    const { id } = await vault.save(ada, world.granted())
    await store.markRevoked(id)
    expect(await explain(vault)).toMatchObject({
      ...{ status: 'disconnecting', usable: false, causes: [] },
      next: [{ command: 'toolgrant disconnect simulated --user ada --account default' }],
    })
    await vault.disconnect(ada)
    expect(await vault.explain(id)).toMatchObject({ id, ...ada, status: 'disconnected', timeline: [{}] })
    world.pass(daySeconds + 1)
    expect(await failure(() => vault.explain(id))).toMatchObject({ code: 'invalid_argument' })
    expect(await failure(() => vault.explain(ada))).toMatchObject({ code: 'not_connected' })
  })

  it('of another tenant is nobody’s business', async () => {
    const store = memoryStore({ now: () => world.now })
    const key = generateKey()
    const { id } = await (await open({}, { store, key, tenant: 'one' })).save(ada, world.granted())
    const other = await open({}, { store, key, tenant: 'two' })
    expect(await failure(() => other.explain(id))).toMatchObject({ code: 'invalid_argument' })
    expect(await failure(() => other.explain(ada))).toMatchObject({ code: 'not_connected' })
    await (await open({}, { store, key, tenant: 'one' })).disconnect(ada)
    expect(await failure(() => other.explain(id))).toMatchObject({ code: 'invalid_argument' })
  })
})

it('quotes what goes into a command line', async () => {
  const vault = await open()
  const user = "o'brien; rm -rf /"
  world.server.configure({ refreshTokens: 'never' })
  await vault.save({ ...ada, user, account: 'my work' }, world.granted())
  const { next } = await vault.explain({ ...ada, user })
  expect(next[0]?.command).toBe(
    String.raw`toolgrant connect simulated --user 'o'\''brien; rm -rf /' --account 'my work' --scopes 'a b'`,
  )
})
