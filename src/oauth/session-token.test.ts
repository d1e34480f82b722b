// Session tokens (P56) as Bluesky's: what is sent, where the ends come from, how they are renewed. And sources that repeat.
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { defineProvider } from '../providers/index.ts'
import {
  isGrantDead,
  refreshingTokens,
  renewTokens,
  repeatingTokens,
  sessionTokenGrant,
  TokenSet,
} from './index.ts'

const provider = defineProvider({
  id: 'bluesky',
  tokenUrl: 'https://pds.example/xrpc/com.atproto.server.createSession',
  refreshUrl: 'https://pds.example/xrpc/com.atproto.server.refreshSession',
  refresh: 'session',
  sessionToken: { username: 'identifier', password: 'password' },
  tokenRequestFormat: 'json',
  tokenResponseAliases: { access_token: 'accessJwt', refresh_token: 'refreshJwt' },
  tokenFields: ['did'],
})
const client = { clientId: 'none' }
const person = { username: 'ada.example', password: 'app-password-1' }

function jwt(name: string, end: number): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${encode({ alg: 'ES256K' })}.${encode({ sub: name, exp: end })}.c2ln`
}

/** A server of sessions that live so long from `now`. */
function sessions(now: () => number, seconds = 7200) {
  const seen: { url: string; headers: Headers; body: unknown }[] = []
  let count = 0
  let isDead = false
  const answer = async (url: unknown, init: RequestInit = {}): Promise<Response> => {
    seen.push({ url: String(url), headers: new Headers(init.headers), body: init.body })
    if (isDead && String(url).includes('refresh'))
      return Response.json({ error: 'ExpiredToken', message: 'Token has expired' }, { status: 400 })
    count += 1
    const end = Math.floor(now() / 1000) + seconds
    return Response.json({
      accessJwt: jwt(`access${count}`, end),
      refreshJwt: jwt(`refresh${count}`, end * 2),
      did: 'did:plc:ada',
      handle: 'ada.example',
    })
  }
  const options = { fetch: answer as typeof fetch, now }
  return { options, seen, die: () => (isDead = true) }
}

describe('session tokens (P56)', () => {
  it('sends name and app password as JSON, and nothing of OAuth', async () => {
    const { options, seen } = sessions(Date.now)
    const tokens = await sessionTokenGrant(provider, client, person, options)
    expect(JSON.parse(String(seen[0]?.body))).toEqual({
      identifier: 'ada.example',
      password: 'app-password-1',
    })
    expect(seen[0]?.headers.get('content-type')).toBe('application/json')
    expect(seen[0]?.headers.get('authorization')).toBeNull()
    expect([tokens.extra, tokens.renewal]).toEqual([{ did: 'did:plc:ada' }, undefined])
  })

  it('reads the end off the token, and refreshes 300 s before it with the refresh token alone (P56)', async () => {
    let now = Date.UTC(2026, 0, 1)
    const { options, seen } = sessions(() => now)
    const tokens = await sessionTokenGrant(provider, client, person, options)
    expect(tokens.expiresAt?.getTime()).toBe(now + 7_200_000)
    const source = refreshingTokens(provider, client, tokens, { ...options, leewaySeconds: 300 })
    now += 6_900_000 - 1
    expect((await source.token()).accessToken).toBe(tokens.accessToken)
    now += 1
    const fresh = await source.token()
    expect(fresh.accessToken).not.toBe(tokens.accessToken)
    const [, refresh] = seen
    expect(refresh).toMatchObject({ url: provider.refreshUrl, body: undefined })
    expect(refresh?.headers.get('authorization')).toBe(`Bearer ${tokens.refreshToken}`)
    expect(refresh?.headers.get('content-type')).toBeNull()
    expect(fresh.extra).toEqual({ did: 'did:plc:ada' })
  })

  it('begins again with a kept app password when the refresh token has ended, and is dead without one', async () => {
    const { options, seen, die } = sessions(Date.now)
    const kept = await sessionTokenGrant(provider, client, person, { ...options, repeat: true })
    expect(inspect(kept) + JSON.stringify(kept)).not.toContain('app-password-1')
    const forgotten = await sessionTokenGrant(provider, client, person, options)
    die()
    const fresh = await renewTokens(provider, client, TokenSet.parse(kept.serialize()), options)
    expect(fresh.accessToken).not.toBe(kept.accessToken)
    expect(seen.slice(2).map(({ url }) => url)).toEqual([provider.refreshUrl, provider.tokenUrl])
    const dead = await renewTokens(provider, client, forgotten, options).catch((error: unknown) => error)
    expect([isGrantDead(dead), dead]).toMatchObject([true, { error: 'ExpiredToken' }])
  })

  it('is not for other providers', async () => {
    const other = defineProvider({ id: 'acme', issuer: 'https://acme.example' })
    const attempt = sessionTokenGrant(other, client, person)
    await expect(attempt).rejects.toMatchObject({ code: 'provider_invalid' })
  })
})

describe('a source that repeats a grant (R14, R15)', () => {
  function grants(lifetimeMs = 1000_000) {
    let now = Date.UTC(2026, 0, 1)
    let count = 0
    let failure: Error | undefined
    const grant = async () => {
      await Promise.resolve()
      if (failure !== undefined) throw failure
      count += 1
      const receivedAt = new Date(now)
      return new TokenSet({ accessToken: `t${count}`, receivedAt, expiresAt: new Date(now + lifetimeMs) })
    }
    return {
      grant,
      options: { now: () => now },
      advance: (ms: number) => (now += ms),
      fail: (error?: Error) => (failure = error),
      count: () => count,
    }
  }

  it('makes the first grant when a token is needed, and one for twenty callers', async () => {
    const { grant, options, advance, count } = grants()
    const source = repeatingTokens(grant, options)
    expect(count()).toBe(0)
    const all = async () =>
      new Set(
        (await Promise.all(Array.from({ length: 20 }, () => source.token()))).map((set) => set.accessToken),
      )
    expect([...(await all())]).toEqual(['t1'])
    advance(1000_000)
    expect([...(await all())]).toEqual(['t2'])
    expect(count()).toBe(2)
  })

  it('repeats it a fifth of the life, at most 300 s, before the end', async () => {
    const { grant, options, advance, count } = grants(10_000_000)
    const source = repeatingTokens(grant, options)
    await source.token()
    advance(9_699_999)
    await source.token()
    expect(count()).toBe(1)
    advance(1)
    await source.token()
    expect(count()).toBe(2)
  })

  it('keeps tokens that are still valid while the grant fails, and says why when they are not', async () => {
    const { grant, options, advance, fail } = grants()
    const source = repeatingTokens(grant, options)
    await source.token()
    fail(new Error('down'))
    advance(900_000)
    expect((await source.token()).accessToken).toBe('t1')
    advance(100_000)
    await expect(source.token()).rejects.toThrow('down')
    fail()
    expect((await source.token()).accessToken).toBe('t2')
  })

  it('does not hand out a token that an API refused', async () => {
    const { grant, options } = grants()
    const source = repeatingTokens(grant, options)
    const { accessToken } = await source.token()
    expect((await source.token({ rejected: accessToken })).accessToken).toBe('t2')
  })
})
