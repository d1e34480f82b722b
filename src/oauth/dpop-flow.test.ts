// DPoP through whole grants against the strict simulator, in-process. The real server: test/dpop.test.ts.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defineProvider, type Provider } from '../providers/index.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../testing/index.ts'
import { authorizationUrl } from './authorization.ts'
import { authorizationCodeGrant } from './authorization-code.ts'
import type { Client } from './client.ts'
import { fetchUserinfo } from './openid.ts'
import { probeAccessToken } from './probes.ts'
import { refreshTokenGrant } from './refresh.ts'
import { Session } from './session.ts'
import type { TokenSet } from './token-set.ts'

let server: AuthorizationServer
let provider: Provider
let client: Client

beforeEach(async () => {
  server = await startAuthorizationServer({
    dpop: 'required',
    dpopNonces: true,
    clients: [{ tokenEndpointAuthMethod: 'none' }],
  })
  provider = defineProvider(server.provider())
  client = { ...server.client(), redirectUri: 'http://127.0.0.1/callback' }
})

afterEach(() => server.close())

async function granted(now?: () => number): Promise<TokenSet> {
  const { url, pending } = await authorizationUrl(provider, client, { scopes: ['read'] })
  return authorizationCodeGrant(provider, client, pending, await server.consent(url), now ? { now } : {})
}

describe('a provider whose row says that tokens are bound', () => {
  it('binds them without another word: code, token, refresh, API', async () => {
    const tokens = await granted()
    expect([tokens.tokenType, tokens.deviations]).toEqual(['DPoP', []])
    expect(server.requests('token').map(({ headers }) => 'dpop' in headers)).toEqual([true, true])
    const session = new Session(tokens, { provider })
    expect(await (await session.fetch('/me')).json()).toMatchObject({ user: 'ada', scopes: ['read'] })
    const fresh = await refreshTokenGrant(provider, client, tokens)
    expect((await new Session(fresh, { provider }).fetch('/me')).status).toBe(200)
    server.rotateDpopNonce()
    expect((await session.fetch('/me')).status).toBe(200)
  })

  it('says who the token is for, and whether it works', async () => {
    const tokens = await granted()
    expect(await (await fetchUserinfo(provider, client, tokens)).sub).toBe('ada')
    expect(await probeAccessToken(provider, tokens)).toBe('works')
    expect(await probeAccessToken(provider, tokens.with({ tokenType: 'Bearer' }))).toBe('refused')
  })

  it('refuses what was stolen: token, refresh token', async () => {
    const [tokens, thief] = [await granted(), await granted()]
    const stolen = tokens.with({ dpopKey: thief.dpopKey })
    const session = new Session(stolen, { provider, unauthorized: 'return' })
    expect((await session.fetch('/me')).status).toBe(401)
    await expect(refreshTokenGrant(provider, client, stolen)).rejects.toMatchObject({
      error: 'invalid_grant',
    })
    expect((await refreshTokenGrant(provider, client, tokens)).tokenType).toBe('DPoP')
  })

  it('is told the time of the clock that was handed in; another day is refused', async () => {
    await expect(granted(() => Date.now() - 500_000)).rejects.toMatchObject({ error: 'invalid_dpop_proof' })
  })

  it('is asked once more for a nonce and no oftener', async () => {
    server.script('token', [{ error: 'use_dpop_nonce', headers: { 'dpop-nonce': 'n-1' } }])
    server.script('token', [{ error: 'use_dpop_nonce', headers: { 'dpop-nonce': 'n-2' } }])
    await expect(granted()).rejects.toMatchObject({ error: 'use_dpop_nonce' })
    expect(server.requests('token')).toHaveLength(2)
  })

  it('without a nonce to send there is nothing to repeat', async () => {
    server.script('token', [{ error: 'use_dpop_nonce' }])
    await expect(granted()).rejects.toMatchObject({ error: 'use_dpop_nonce' })
    expect(server.requests('token')).toHaveLength(1)
  })
})

it('a client that asks for no binding where the server demands it is refused by the server', async () => {
  const { url, pending } = await authorizationUrl(provider, { ...client, dpop: false }, { scopes: ['read'] })
  expect(pending.dpopKey).toBeUndefined()
  await expect(
    authorizationCodeGrant(provider, { ...client, dpop: false }, pending, await server.consent(url)),
  ).rejects.toMatchObject({ error: 'invalid_dpop_proof' })
})

it('an answer that names no type is bound as the row says, or as the tokens before were', async () => {
  server.configure({ tokenAnswer: { tokenType: null } })
  const tokens = await granted()
  expect(tokens.tokenType).toBe('DPoP')
  const fresh = await refreshTokenGrant(
    defineProvider({ ...server.provider(), dpop: 'supported' }),
    client,
    tokens,
  )
  expect(fresh.tokenType).toBe('DPoP')
  expect((await new Session(fresh, { provider }).fetch('/me')).status).toBe(200)
})

it('a token of type DPoP that nobody asked for cannot be presented', async () => {
  server.configure({ dpop: undefined, tokenAnswer: { tokenType: 'DPoP' } })
  const bearer = { ...client, dpop: false }
  const { url, pending } = await authorizationUrl(provider, bearer, { scopes: ['read'] })
  await expect(
    authorizationCodeGrant(provider, bearer, pending, await server.consent(url)),
  ).rejects.toMatchObject({
    code: 'token_invalid',
    message: expect.stringContaining('dpop: true'),
  })
})
