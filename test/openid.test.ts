// OpenID Connect against a real, certified server: signatures, rotation of keys, userinfo, logout.
// OpenID Connect Core sections 3.1.3.7, 5.3 and 10.1.1, RP-Initiated Logout.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { certificateFetch } from '../src/config/index.ts'
import { UnauthorizedError } from '../src/errors.ts'
import {
  authorizationCodeGrant,
  authorizationUrl,
  type Client,
  endSessionUrl,
  fetchUserinfo,
  idTokenClaims,
  type RequestOptions,
  refreshTokenGrant,
  revokeToken,
  type TokenSet,
} from '../src/oauth/index.ts'
import { defineProvider, type Provider } from '../src/providers/index.ts'
import { type IdTokenShape, startAuthorizationServer } from '../src/testing/index.ts'
import { type OidcServer, startOidcServer } from './servers/oidc.ts'
import { certificateThumbprint } from './servers/oidc-certificates.ts'

const redirectUri = 'http://127.0.0.1:4711/callback'
const scopes = ['openid', 'profile', 'email', 'offline_access']
let oidc: OidcServer
let provider: Provider
let client: Client

beforeAll(async () => {
  oidc = await startOidcServer({ signingAlgs: ['ES256'], features: { logout: true, dpop: true } })
  provider = defineProvider({ id: 'oidc', issuer: oidc.issuer })
  client = oidc.confidentialClient
})

afterAll(() => oidc.close())
beforeEach(() => oidc.record.clear())

interface SignIn extends RequestOptions {
  at?: Provider
  us?: Client
  user?: string
  maxAge?: number
  /** Changes the record between sending the person away and their return. */
  nonce?: string
}

async function signIn({ at = provider, us = client, user = 'ada', maxAge, nonce, ...options }: SignIn = {}) {
  const extraParams = { prompt: 'consent' }
  const begun = await authorizationUrl(at, us, {
    redirectUri,
    scopes,
    extraParams,
    maxAge,
    fetch: options.fetch,
  })
  const pending = { ...begun.pending, ...(nonce === undefined ? {} : { nonce }) }
  const home = [oidc, ...more].find(({ issuer }) => begun.url.startsWith(issuer)) ?? oidc
  const callback = await home.consent(begun.url, { follow: false, user })
  return authorizationCodeGrant(at, us, pending, callback, options)
}

/** Further servers that people sign in at. */
const more: OidcServer[] = []

/** A `fetch` of its own, and so keys of its own; what is asked of the JWKS goes to `keys` when there is one. */
function ownFetch(keys?: () => Promise<Response>): typeof fetch {
  return (input, init) =>
    keys !== undefined && String(input).endsWith('/jwks') ? keys() : fetch(input, init)
}

const jwksRequests = () => oidc.record.to('jwks').length

describe('an id_token', () => {
  it('is held against the keys of the issuer, which are asked for once', async () => {
    const options = { fetch: ownFetch() }
    const tokens = await signIn(options)
    await signIn(options)
    expect(jwksRequests()).toBe(1)
    expect(tokens.deviations.filter(({ member }) => member === 'id_token')).toEqual([])
    expect(await idTokenClaims({ ...provider, issuer: oidc.issuer }, client, tokens)).toMatchObject({
      iss: oidc.issuer,
      aud: client.clientId,
      sub: 'ada',
    })
  })

  it('by a key that is new is taken: keys rotate, old ones are forgotten', async () => {
    const options = { fetch: ownFetch() }
    const before = await signIn(options)
    await oidc.rotateKeys({ forget: true, algs: ['ES256'] })
    const after = await signIn(options)
    expect(jwksRequests()).toBe(2)
    expect(after.deviations).toEqual(before.deviations)
    // A refresh asks for no keys: nothing may come between an answer and its tokens being saved.
    const fresh = await refreshTokenGrant(provider, client, before, options)
    expect((await idTokenClaims(provider, client, fresh))?.sub).toBe('ada')
    expect(jwksRequests()).toBe(2)
  })

  it('that nobody at the issuer signed is refused, and with it the tokens', async () => {
    const other = await startOidcServer({ signingAlgs: ['ES256'] })
    const theirKeys = await (await fetch(other.endpoints.jwksUrl)).json()
    await other.close()
    const forged = signIn({ fetch: ownFetch(async () => Response.json(theirKeys)) })
    await expect(forged).rejects.toMatchObject({
      code: 'id_token_invalid',
      message: expect.stringMatching(/none of the issuer's keys/),
    })
    expect(oidc.record.last('token')?.status).toBe(200)
  })

  it('does not cost the tokens while the keys cannot be had', async () => {
    const tokens = await signIn({ fetch: ownFetch(async () => new Response('', { status: 503 })) })
    expect(tokens.deviations).toContainEqual({ code: 'signature', member: 'id_token', found: 'no keys' })
    expect((await oidc.accessToken(tokens.accessToken))?.user).toBe('ada')
  })

  it('of another sign-in is refused (nonce)', async () => {
    await expect(signIn({ nonce: 'another' })).rejects.toMatchObject({ code: 'id_token_invalid' })
  })

  it('must say that the person signed in just now, where that was asked for (max_age)', async () => {
    const tokens = await signIn({ maxAge: 60 })
    expect(oidc.record.to('authorization')[0]?.parameters.get('max_age')).toBe('60')
    expect((await idTokenClaims(provider, client, tokens))?.['auth_time']).toBeTypeOf('number')
    const later = signIn({ maxAge: 60, now: () => Date.now() + 120_000 })
    await expect(later).rejects.toMatchObject({
      code: 'id_token_invalid',
      message: expect.stringMatching(/max_age/),
    })
  })
})

describe('an id_token that a server gets wrong', () => {
  it.each<[string, IdTokenShape]>([
    ['is not signed', { signature: 'none' }],
    ['is signed with another key', { signature: 'wrong-key' }],
    ['is beside another access token (at_hash)', { claims: { at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' } }],
    ['is beside another code (c_hash)', { claims: { c_hash: 'AAAAAAAAAAAAAAAAAAAAAA' } }],
    ['is of another request (s_hash)', { claims: { s_hash: 'AAAAAAAAAAAAAAAAAAAAAA' } }],
    ['is from another issuer', { claims: { iss: 'https://evil.example' } }],
    ['is for another client', { claims: { aud: 'another' } }],
    ['is for several, another one authorised', { claims: { aud: ['another', 'x'], azp: 'another' } }],
    ['has ended', { claims: { exp: 1 } }],
    ['names nobody', { claims: { sub: '' } }],
  ])('%s: nothing is kept', async (_, idToken) => {
    const server = await startAuthorizationServer({ openid: true, idToken })
    const at = defineProvider({ id: 'wrong', issuer: server.url })
    const us = { ...server.client(), redirectUri }
    const begun = await authorizationUrl(at, us, { scopes: ['openid'] })
    const callback = await server.consent(begun.url)
    await expect(authorizationCodeGrant(at, us, begun.pending, callback)).rejects.toMatchObject({
      code: 'id_token_invalid',
      message: expect.stringMatching(/Nothing was kept; start again/),
    })
    expect(server.counts.requests.token).toBe(1)
    await server.close()
  })
})

describe('userinfo', () => {
  it('is asked for with the access token', async () => {
    const tokens = await signIn()
    expect(await fetchUserinfo(provider, client, tokens)).toEqual({
      sub: 'ada',
      name: 'ada',
      email: 'ada@example.com',
      email_verified: true,
    })
    expect(oidc.record.last('userinfo')).toMatchObject({ method: 'GET', status: 200 })
    expect(authorizationOf(oidc)).toBe(`Bearer ${tokens.accessToken}`)
  })

  it('with a proof of the key that the token is bound to', async () => {
    const us = { ...oidc.client('none'), dpop: true }
    const tokens = await signIn({ us })
    expect(await fetchUserinfo(provider, us, tokens)).toMatchObject({ sub: 'ada' })
    expect(authorizationOf(oidc)).toBe(`DPoP ${tokens.accessToken}`)
    expect(oidc.record.last('userinfo')?.dpop?.payload).toMatchObject({
      htm: 'GET',
      htu: oidc.endpoints.userinfoUrl,
    })
  })

  it('with the certificate that the token is bound to, at the address for such clients', async () => {
    const server = await startOidcServer({ signingAlgs: ['ES256'], features: { mtls: true } })
    more.push(server)
    const { ca, client: ours, stranger } = server.mtls?.certificates ?? {}
    if (ca === undefined || ours === undefined || stranger === undefined) throw new Error('no certificates')
    const at = defineProvider({ id: 'mtls', issuer: server.issuer })
    const us = { ...server.client('tls_client_auth'), fetch: certificateFetch({ ...ours, ca }) }
    const tokens = await signIn({ at, us })
    expect(await fetchUserinfo(at, us, tokens)).toMatchObject({ sub: 'ada' })
    expect(server.record.last('userinfo')).toMatchObject({
      tls: true,
      certificate: certificateThumbprint(ours.cert),
    })
    const thief = { ...us, fetch: certificateFetch({ ...stranger, ca }) }
    await expect(fetchUserinfo(at, thief, tokens)).rejects.toBeInstanceOf(UnauthorizedError)
    await server.close()
  })

  it('about somebody else is not used, and a token that is revoked gets none', async () => {
    const [ada, eve] = [await signIn(), await signIn({ user: 'eve' })]
    const mixed = eve.with({ idToken: ada.idToken })
    await expect(fetchUserinfo(provider, client, mixed)).rejects.toMatchObject({
      code: 'response_not_oauth',
      message: expect.stringMatching(/another person/),
    })
    expect(await fetchUserinfo(provider, client, eve)).toMatchObject({ sub: 'eve' })
    await revokeToken(provider, client, eve.accessToken)
    await expect(fetchUserinfo(provider, client, eve)).rejects.toBeInstanceOf(UnauthorizedError)
    expect(oidc.record.last('userinfo')?.status).toBe(401)
  })

  it('that is signed is held against the keys of the issuer', async () => {
    const server = await startOidcServer({ signingAlgs: ['ES256'], features: { jwtUserinfo: true } })
    more.push(server)
    const at = defineProvider({ id: 'signed', issuer: server.issuer })
    const us = server.confidentialClient
    const tokens: TokenSet = await signIn({ at, us })
    expect(await fetchUserinfo(at, us, tokens)).toMatchObject({
      sub: 'ada',
      iss: server.issuer,
      aud: us.clientId,
    })
    expect(server.record.last('userinfo')?.answerHeaders['content-type']).toMatch(/^application\/jwt/)
    const theirs = ownFetch(async () => Response.json({ keys: [] }))
    await expect(fetchUserinfo(at, us, tokens, { fetch: theirs })).rejects.toMatchObject({
      code: 'jwt_invalid',
    })
    await server.close()
  })
})

describe('logout', () => {
  const bye = 'http://127.0.0.1/callback'

  it('ends the session at the provider and brings the person back', async () => {
    const browser = oidc.browser()
    const begun = await authorizationUrl(provider, client, { redirectUri, scopes: ['openid'] })
    const { redirectedUrl } = await browser.consent(begun.url, { follow: false })
    const tokens = await authorizationCodeGrant(provider, client, begun.pending, redirectedUrl)
    const url = await endSessionUrl(provider, client, { tokens, postLogoutRedirectUri: bye, state: 's-1' })
    expect(await browser.logout(url)).toBe(`${bye}?state=s-1`)
    const seen = oidc.record.to('end_session')[0]?.parameters
    expect(seen?.get('id_token_hint')).toBe(tokens.idToken)
    expect(seen?.get('client_id')).toBe(client.clientId)
    expect(oidc.record.events.map(({ name }) => name)).toContain('end_session.success')
  })

  it('brings nobody to where the client is not at home', async () => {
    const url = await endSessionUrl(provider, client, { postLogoutRedirectUri: 'https://evil.example/' })
    await oidc.browser().logout(url)
    expect(oidc.record.last('end_session')).toMatchObject({ status: 400, error: 'invalid_request' })
  })
})

function authorizationOf(server: OidcServer): string | undefined {
  return server.record.last('userinfo')?.headers['authorization']?.toString()
}
