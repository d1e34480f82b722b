// The protocol against a real, certified authorization server: what each request does there, and what the server says
// afterwards. RFC 6749, 7009, 7636, 8414, 9207, OpenID Connect Core.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  authorizationCodeGrant,
  authorizationUrl,
  type Client,
  canRevoke,
  discover,
  isGrantDead,
  type PendingAuthorization,
  readCallback,
  refreshingTokens,
  refreshTokenGrant,
  revokeToken,
  Session,
  TokenSet,
} from '../src/oauth/index.ts'
import { defineProvider, type Provider } from '../src/providers/index.ts'
import { type OidcServer, startOidcServer } from './servers/oidc.ts'

const redirectUri = 'http://127.0.0.1:4711/callback'
let oidc: OidcServer
let provider: Provider
let client: Client

beforeAll(async () => {
  oidc = await startOidcServer({ accessTokenSeconds: 3600 })
  provider = defineProvider({ id: 'oidc', issuer: oidc.issuer })
  client = oidc.confidentialClient
})

afterAll(() => oidc.close())

beforeEach(() => {
  oidc.tokenDelayMs = 0
})

const offline = ['openid', 'offline_access', 'notes.read']

async function begin(us: Client = client, scopes: readonly string[] = offline) {
  const extraParams = { prompt: 'consent' } // oidc-provider gives offline access only when it is asked for anew
  const { url, pending } = await authorizationUrl(provider, us, { redirectUri, scopes, extraParams })
  return { url, pending, callback: () => oidc.consent(url, { follow: false }) }
}

async function connect(us: Client = client, scopes: readonly string[] = offline): Promise<TokenSet> {
  const { pending, callback } = await begin(us, scopes)
  return authorizationCodeGrant(provider, us, pending, await callback())
}

function tokenRequests(): number {
  const { authorization_code, refresh_token, other } = oidc.counters.tokenRequests
  return authorization_code + refresh_token + other
}

describe('discovery', () => {
  it('finds what the server says of itself', async () => {
    expect(await discover(oidc.issuer)).toMatchObject({
      issuer: oidc.issuer,
      ...oidc.endpoints,
      issParameterSupported: true,
    })
    expect(await canRevoke(provider)).toBe(true)
  })
})

describe('the authorization code grant', () => {
  it.each([
    ['a confidential client', () => oidc.confidentialClient],
    ['P27 a public client', () => oidc.publicClient],
  ])('R3 P10 ends in tokens that the server knows, for %s', async (_, us) => {
    const tokens = await connect(us())
    expect(await oidc.accessToken(tokens.accessToken)).toMatchObject({ clientId: us().clientId })
    expect([tokens.tokenType, tokens.scopes.toSorted()]).toEqual(['Bearer', offline.toSorted()])
    expect(tokens.expiresAt?.getTime()).toBeCloseTo(Date.now() + 3_600_000, -4)
    expect(tokens.refreshToken).toBeTypeOf('string')
    expect(tokens.idToken?.split('.')).toHaveLength(3)
  })

  it('R2 may be finished by another process, from the record as JSON', async () => {
    const { pending, callback } = await begin()
    const travelled = JSON.parse(JSON.stringify(pending)) as PendingAuthorization
    const tokens = await authorizationCodeGrant(provider, client, travelled, await callback())
    expect(await oidc.accessToken(tokens.accessToken)).toBeDefined()
  })

  it("R2 checks a state of the caller's like any other", async () => {
    const options = { redirectUri, scopes: ['notes.read'], state: 'a state of my own & more' }
    const { url, pending } = await authorizationUrl(provider, client, options)
    const callback = await oidc.consent(url, { follow: false })
    expect(new URL(callback).searchParams.get('state')).toBe('a state of my own & more')
    expect((await authorizationCodeGrant(provider, client, pending, callback)).scopes).toEqual(['notes.read'])
  })

  it('P15 denied by the person is an error, and no token request', async () => {
    const before = tokenRequests()
    const { url, pending } = await begin()
    const callback = await oidc.consent(url, { deny: true, follow: false })
    await expect(authorizationCodeGrant(provider, client, pending, callback)).rejects.toMatchObject({
      name: 'AuthorizationDeniedError',
      code: 'access_denied',
    })
    expect(tokenRequests()).toBe(before)
  })

  it('P9 with the callback of another authorization sends nothing; with its own it still works', async () => {
    const [one, two] = [await begin(), await begin()]
    const before = tokenRequests()
    const foreign = await two.callback()
    await expect(authorizationCodeGrant(provider, client, one.pending, foreign)).rejects.toMatchObject({
      code: 'state_mismatch',
    })
    expect(tokenRequests()).toBe(before)
    await authorizationCodeGrant(provider, client, one.pending, await one.callback())
  })

  it('P30 insists on the issuer that the server promises', async () => {
    const { pending, callback } = await begin()
    const url = new URL(await callback())
    expect(url.searchParams.get('iss')).toBe(oidc.issuer)
    url.searchParams.delete('iss')
    await expect(authorizationCodeGrant(provider, client, pending, url)).rejects.toMatchObject({
      code: 'issuer_mismatch',
    })
    url.searchParams.set('iss', 'https://evil.example')
    const known = { ...provider, issParameterSupported: true }
    expect(() => readCallback(known, pending, url)).toThrow(
      expect.objectContaining({ code: 'issuer_mismatch' }),
    )
  })

  it('P10 fails with another verifier: PKCE is real', async () => {
    const { pending, callback } = await begin()
    const other = { ...pending, codeVerifier: 'x'.repeat(64) }
    await expect(authorizationCodeGrant(provider, client, other, await callback())).rejects.toMatchObject({
      name: 'TokenEndpointError',
      error: 'invalid_grant',
      status: 400,
    })
  })

  it('a code works once; a second use is refused', async () => {
    const { pending, callback } = await begin()
    const url = await callback()
    await authorizationCodeGrant(provider, client, pending, url)
    await expect(authorizationCodeGrant(provider, client, pending, url)).rejects.toMatchObject({
      error: 'invalid_grant',
    })
  })

  it('R22 a wrong client secret is invalid_client, and in no message', async () => {
    const { pending, callback } = await begin()
    const wrong = { ...client, clientSecret: 'canary-wrong-secret' }
    const failure = await authorizationCodeGrant(provider, wrong, pending, await callback()).catch(
      (error) => error,
    )
    expect(failure).toMatchObject({ name: 'TokenEndpointError', error: 'invalid_client', status: 401 })
    expect(inspect(failure, { depth: null, showHidden: true })).not.toContain('canary')
  })

  it('R8 asks for two scopes and is granted what the server grants', async () => {
    const tokens = await connect(client, ['notes.read', 'notes.write'])
    expect(tokens.scopes).toEqual(['notes.read', 'notes.write'])
    expect([tokens.refreshToken, tokens.idToken]).toEqual([expect.any(String), undefined])
  })
})

describe('a refresh', () => {
  it('P39 rotates: the new tokens work, and the old refresh token kills the grant', async () => {
    const first = await connect()
    const second = await refreshTokenGrant(provider, client, first)
    expect(second.refreshToken).not.toBe(first.refreshToken)
    expect(await oidc.accessToken(second.accessToken)).toBeDefined()
    const third = await refreshTokenGrant(provider, client, second)
    const reuse = await refreshTokenGrant(provider, client, first).catch((error: unknown) => error)
    expect(isGrantDead(reuse)).toBe(true)
    expect(await oidc.accessToken(third.accessToken)).toBeUndefined()
  })

  it('may ask for less', async () => {
    const tokens = await connect(client, ['openid', 'offline_access', 'notes.read', 'notes.write'])
    const less = await refreshTokenGrant(provider, client, tokens, { scopes: ['notes.read'] })
    expect(less.scopes).toEqual(['notes.read'])
  })

  it('R15 is one for a hundred callers, on a slow server', async () => {
    const tokens = await connect()
    const before = { ...oidc.counters.tokenRequests, revoked: oidc.counters.grantsRevoked }
    oidc.tokenDelayMs = 200
    const source = refreshingTokens(provider, client, tokens.with({ expiresAt: new Date() }))
    const all = await Promise.all(Array.from({ length: 100 }, () => source.token()))
    expect(new Set(all.map(({ accessToken }) => accessToken)).size).toBe(1)
    expect(oidc.counters.tokenRequests.refresh_token - before.refresh_token).toBe(1)
    expect(oidc.counters.grantsRevoked).toBe(before.revoked)
  })
})

describe('revocation', () => {
  it.each([
    ['the access token', 'access_token', (tokens: TokenSet) => tokens.accessToken],
    ['the refresh token', 'refresh_token', (tokens: TokenSet) => tokens.refreshToken ?? ''],
  ] as const)('R16 of %s is believed by the server', async (_, tokenTypeHint, token) => {
    const tokens = await connect()
    await revokeToken(provider, client, token(tokens), { tokenTypeHint })
    const alive = await oidc.accessToken(tokens.accessToken)
    expect(alive).toBeUndefined()
    if (tokenTypeHint === 'refresh_token')
      expect(isGrantDead(await refreshTokenGrant(provider, client, tokens).catch((error) => error))).toBe(
        true,
      )
  })

  it('R16 of a token that nobody knows is a success (RFC 7009 section 2.2)', async () => {
    await expect(revokeToken(provider, client, 'unknown')).resolves.toBeUndefined()
  })

  it('by a client that cannot prove itself is refused', async () => {
    const tokens = await connect()
    const wrong = { ...client, clientSecret: 'wrong' }
    await expect(revokeToken(provider, wrong, tokens.accessToken)).rejects.toMatchObject({
      error: 'invalid_client',
    })
    expect(await oidc.accessToken(tokens.accessToken)).toBeDefined()
  })
})

describe('a session on an API that asks the server whose token it is', () => {
  let api: Server
  let apiBaseUrl: string
  let calls: number
  /** Access tokens that the API has stopped taking, before their time. */
  const blocked = new Set<string>()

  beforeAll(async () => {
    api = createServer(async (request, response) => {
      calls += 1
      const given = request.headers.authorization?.replace('Bearer ', '') ?? ''
      const token = blocked.has(given) ? undefined : await oidc.accessToken(given)
      if (token === undefined) response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' })
      response.end(JSON.stringify(token ?? {}))
    })
    await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve))
    apiBaseUrl = `http://127.0.0.1:${(api.address() as AddressInfo).port}`
  })

  afterAll(() => new Promise((resolve) => api.close(resolve)))

  beforeEach(() => {
    calls = 0
  })

  it('R13 R11 goes on behind an expired token, and behind a refused one, and saves both', async () => {
    const tokens = await connect()
    const saved: TokenSet[] = []
    const onRefresh = (fresh: TokenSet) => void saved.push(fresh)
    const source = refreshingTokens(provider, client, tokens.with({ expiresAt: new Date() }), { onRefresh })
    const session = new Session(source, { apiBaseUrl })
    expect(await (await session.fetch('/me')).json()).toMatchObject({
      scopes: expect.arrayContaining(['notes.read']),
    })
    expect([calls, saved.length]).toEqual([1, 1])
    blocked.add(saved[0]?.accessToken ?? '')
    const response = await session.fetch('/me')
    expect([response.status, calls, saved.length]).toEqual([200, 3, 2])
    expect(TokenSet.parse(saved[1]?.serialize() ?? '').refreshToken).toBe(saved[1]?.refreshToken)
  })

  it('P42 asks for consent when the grant is dead', async () => {
    const tokens = await connect()
    await revokeToken(provider, client, tokens.refreshToken ?? '')
    const session = new Session(refreshingTokens(provider, client, tokens), { apiBaseUrl })
    await expect(session.fetch('/me')).rejects.toMatchObject({
      name: 'AuthorizationRequiredError',
      code: 'needs_reconnect',
    })
  })
})
