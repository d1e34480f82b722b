// The implicit grant (legacy) against a real server and a strict one: a token out of the fragment, checked like any other.
// RFC 6749 section 4.2, OpenID Connect Core section 3.2.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Callback, implicitGrant, implicitUrl, type PendingAuthorization } from '../src/oauth/index.ts'
import { defineProvider, type Provider } from '../src/providers/index.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../src/testing/index.ts'
import { type OidcServer, startOidcServer } from './servers/oidc.ts'
import { readJwt } from './servers/oidc-record.ts'

const redirectUri = 'http://127.0.0.1:4711/callback'
let oidc: OidcServer
let provider: Provider

beforeAll(async () => {
  const responseTypes = ['code', 'id_token token'] as const
  oidc = await startOidcServer({ signingAlgs: ['ES256'], features: { responseTypes } })
  provider = defineProvider({ id: 'practice', issuer: oidc.issuer })
})
afterAll(() => oidc.close())
afterEach(() => oidc.record.clear())

describe('R1 the implicit grant (legacy)', () => {
  const scopes = ['openid', 'notes.read']
  let server: AuthorizationServer
  let simulated: Provider

  beforeAll(async () => {
    const grantTypes = ['authorization_code', 'refresh_token', 'implicit'] as const
    server = await startAuthorizationServer({ grantTypes, requirePkce: false, accessTokenSeconds: 60 })
    simulated = defineProvider(server.provider())
  })
  afterAll(() => server.close())

  async function arriveImplicit(options: { nonce?: string; state?: string } = {}) {
    const { url, pending } = await implicitUrl(provider, oidc.publicClient, {
      redirectUri,
      scopes,
      ...options,
    })
    return { url, pending, callback: await oidc.consent(url, { follow: false }) }
  }

  function read(pending: PendingAuthorization, callback: Callback) {
    return implicitGrant(provider, oidc.publicClient, pending, callback)
  }

  it('takes token and id_token out of the fragment, checks both, and asks for nothing', async () => {
    const { url, pending, callback } = await arriveImplicit()
    const asked = new URL(url).searchParams
    expect(asked.get('response_type')).toBe('id_token token')
    expect([asked.has('code_challenge'), asked.get('nonce')]).toEqual([false, pending.nonce])
    const tokens = await read(JSON.parse(JSON.stringify(pending)), callback)
    expect(await oidc.accessToken(tokens.accessToken)).toMatchObject({ user: 'ada' })
    expect(tokens).toMatchObject({ tokenType: 'Bearer', refreshToken: undefined, deviations: [] })
    expect(tokens.expiresAt?.getTime()).toBeCloseTo(Date.now() + 3_600_000, -4)
    expect(readJwt(tokens.idToken ?? '')?.payload).toMatchObject({ nonce: pending.nonce, sub: 'ada' })
    expect(oidc.record.to('token')).toEqual([])
  })

  it('takes a plain token, with the lifetime and scopes that the answer names', async () => {
    const client = server.client()
    const { url, pending } = await implicitUrl(simulated, client, { redirectUri, scopes: ['read', 'write'] })
    expect(pending).toMatchObject({ responseType: 'token', scopes: ['read', 'write'] })
    const callback = await server.consent(url, { scopes: ['read'] })
    const tokens = await implicitGrant(simulated, client, pending, callback)
    expect(server.isActive(tokens.accessToken)).toBe(true)
    expect([tokens.scopes, tokens.missingScopes]).toEqual([['read'], ['write']])
    expect(Number(tokens.expiresAt) - Date.now()).toBeLessThanOrEqual(60_000)
    const planted = `${callback}&refresh_token=planted&id_token=planted`
    const again = await implicitGrant(simulated, client, pending, planted)
    expect([again.refreshToken, again.idToken]).toEqual([undefined, undefined])
    expect(server.counts.requests.token).toBe(0)
  })

  it.each<[string, string, (url: string) => string]>([
    ['P9 with another state', 'state_mismatch', (url) => url.replace(/state=[^&]*/, 'state=somebody-elses')],
    ['P9 without a state', 'state_missing', (url) => url.replace(/state=[^&]*/, 'x=1')],
    ['P30 of another issuer', 'issuer_mismatch', (url) => `${url}&iss=https://evil.example`],
    ['with two tokens', 'duplicate_parameter', (url) => `${url}&access_token=another`],
    ['in the query', 'response_mode_mismatch', (url) => url.replace('#', '?')],
    ['without a token', 'code_missing', (url) => url.replace('access_token=', 'token=')],
    [
      'with another token than the id_token is for',
      'id_token_invalid',
      (url) => url.replace(/access_token=[^&]*/, 'access_token=stolen'),
    ],
    [
      'P30 without the id_token that names the issuer',
      'issuer_mismatch',
      (url) => url.replace(/id_token=[^&]*/, 'x=1'),
    ],
    [
      'without the id_token',
      'id_token_invalid',
      (url) => url.replace(/id_token=[^&]*/, `iss=${oidc.issuer}`),
    ],
    [
      'with an id_token that was changed',
      'id_token_invalid',
      (url) =>
        url.replace(/id_token=([^&]*)/, (_, jwt: string) => `id_token=${withClaims(jwt, { sub: 'eve' })}`),
    ],
    [
      'with a token type that nobody can present',
      'token_invalid',
      (url) => url.replace(/token_type=[^&]*/, 'token_type=mac'),
    ],
  ])('%s is refused', async (_, code, change) => {
    const { pending, callback } = await arriveImplicit()
    expect(change(callback)).not.toBe(callback)
    await expect(read(pending, change(callback))).rejects.toMatchObject({ code })
  })

  it('with the id_token of another sign-in is refused', async () => {
    const { pending } = await arriveImplicit()
    const { callback } = await arriveImplicit({ state: pending.state, nonce: 'another-nonce' })
    await expect(read(pending, callback)).rejects.toMatchObject({ code: 'id_token_invalid' })
  })

  it('never asks for a token in a query', async () => {
    const asked = implicitUrl(provider, oidc.publicClient, { redirectUri, scopes, responseMode: 'query' })
    await expect(asked).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it("asks for the fragment where the provider's row wants a query for codes (Microsoft)", async () => {
    const row = { ...provider, authorizationParams: { response_mode: 'query' } }
    const { url, pending } = await implicitUrl(row, oidc.publicClient, { redirectUri, scopes })
    expect(new URL(url).searchParams.getAll('response_mode')).toEqual(['fragment'])
    const tokens = await read(pending, await oidc.consent(url, { follow: false }))
    expect(tokens.idToken).toBeTypeOf('string')
  })

  it('denied is an error as everywhere', async () => {
    const { url, pending } = await arriveImplicit()
    const callback = await oidc.consent(url, { follow: false, deny: true })
    await expect(read(pending, callback)).rejects.toMatchObject({ code: 'access_denied' })
  })
})

function withClaims(jwt: string, claims: object): string {
  const [header, , signature] = jwt.split('.')
  const changed = Buffer.from(JSON.stringify({ ...readJwt(jwt)?.payload, ...claims })).toString('base64url')
  return `${header}.${changed}.${signature}`
}
