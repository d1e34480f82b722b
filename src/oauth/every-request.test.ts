// What holds for every request at which the client says who it is, whatever it is for: further parameters and headers,
// formats, stopping, redirects, the endpoints for TLS clients. Rows R4, R5, R6, R7.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ScriptedServer, startScriptedServer } from '../../test/servers/scripted-http.ts'
import { InvalidResponseError, TimeoutError } from '../errors.ts'
import { defineProvider, type Provider, type ProviderFacts } from '../providers/index.ts'
import {
  authorizationCodeGrant,
  backchannelAuthentication,
  backchannelGrant,
  type Client,
  clientCredentialsGrant,
  deviceAuthorization,
  deviceCodeGrant,
  type EndpointOptions,
  introspectToken,
  jwtBearerGrant,
  passwordGrant,
  pendingAuthorization,
  refreshTokenGrant,
  revokeToken,
  TokenSet,
  tokenExchangeGrant,
} from './index.ts'

let server: ScriptedServer
const client: Client = { clientId: 'client-1', clientSecret: 'secret' }
const old = new TokenSet({ accessToken: 'old', refreshToken: 'refresh' })

beforeEach(async () => {
  server = await startScriptedServer(({ url }) => ({ body: answerTo(url) }))
})
afterEach(() => server.close())

function answerTo(url: string): object {
  if (url.includes('device'))
    return { device_code: 'd', user_code: 'U', verification_uri: `${server.origin}/v`, expires_in: 60 }
  if (url.includes('ciba')) return { auth_req_id: 'r', expires_in: 60 }
  return { access_token: 'fresh', refresh_token: 'next', expires_in: 60, active: true }
}

function providerWith(facts: Partial<ProviderFacts> = {}, prefix = ''): Provider {
  const at = (path: string) => `${server.origin}/${prefix}${path}`
  return defineProvider({
    ...{ id: 'acme', authorizationUrl: at('a'), tokenUrl: at('token'), revocationUrl: at('revoke') },
    ...{ introspectionUrl: at('introspect'), deviceAuthorizationUrl: at('device') },
    ...{ backchannelAuthenticationUrl: at('ciba'), ...facts },
  })
}

type Send = (provider: Provider, client: Client, options: EndpointOptions) => Promise<unknown>

const now = Date.now()
const pending = pendingAuthorization({
  ...{ version: 1, provider: 'acme', clientId: 'client-1', state: 's', redirectUri: 'http://127.0.0.1/' },
  ...{ scopes: [], createdAt: 0, expiresAt: Number.MAX_SAFE_INTEGER },
})
const waiting = {
  provider: 'acme',
  expiresAt: now + 60_000,
  lifetimeSeconds: 60,
  intervalSeconds: 0,
  scopes: [],
}
const device = { ...waiting, deviceCode: 'd', userCode: 'U', verificationUri: 'https://acme.example/device' }

const requests: [name: string, endpoint: string, send: Send][] = [
  ['code', 'token', (...to) => authorizationCodeGrant(to[0], to[1], pending, '?code=c&state=s', to[2])],
  ['refresh', 'token', (provider, us, options) => refreshTokenGrant(provider, us, old, options)],
  ['client credentials', 'token', clientCredentialsGrant],
  [
    'password',
    'token',
    (...to) => passwordGrant(to[0], to[1], { username: 'ada', password: 'canary' }, to[2]),
  ],
  ['JWT bearer', 'token', (...to) => jwtBearerGrant(to[0], to[1], { assertion: 'a.b.c' }, to[2])],
  ['token exchange', 'token', (...to) => tokenExchangeGrant(to[0], to[1], { subjectToken: 'them' }, to[2])],
  ['device code', 'token', (...to) => deviceCodeGrant(to[0], to[1], device, to[2])],
  ['CIBA', 'token', (...to) => backchannelGrant(to[0], to[1], { ...waiting, authReqId: 'r' }, to[2])],
  ['device authorization', 'device', deviceAuthorization],
  [
    'backchannel authentication',
    'ciba',
    (...to) => backchannelAuthentication(to[0], to[1], { loginHint: 'ada' }, to[2]),
  ],
  ['revocation', 'revoke', (provider, us, options) => revokeToken(provider, us, 'token', options)],
  ['introspection', 'introspect', (provider, us, options) => introspectToken(provider, us, 'token', options)],
]

describe.each(requests)('%s', (_name, endpoint, send) => {
  it('R5 carries further parameters, repeated ones too, and headers; the client proves who it is', async () => {
    const extraParams = { audience: ['one', 'two'], tenant: '7' }
    await send(providerWith({ tokenRequestHeaders: { 'X-Row': '1', 'X-Both': 'row' } }), client, {
      extraParams,
      extraHeaders: { 'x-call': '2', 'x-both': 'call' },
    })
    const [request] = server.requests
    const form = new URLSearchParams(request?.body)
    expect(request?.url).toBe(`/${endpoint}`)
    expect([form.getAll('audience'), form.getAll('tenant')]).toEqual([['one', 'two'], ['7']])
    expect(request?.headers).toMatchObject({ 'x-row': '1', 'x-call': '2', 'x-both': 'call' })
    expect(request?.headers['authorization']).toBe(`Basic ${btoa('client-1:secret')}`)
  })

  it('R4 goes to the alias for clients with a certificate, and to no other for others', async () => {
    const mtlsEndpoints = {
      ...{ tokenUrl: `${server.origin}/mtls/token`, revocationUrl: `${server.origin}/mtls/revoke` },
      ...{
        introspectionUrl: `${server.origin}/mtls/introspect`,
        deviceAuthorizationUrl: `${server.origin}/mtls/device`,
      },
      backchannelAuthenticationUrl: `${server.origin}/mtls/ciba`,
    }
    const provider = providerWith({ mtlsEndpoints })
    await send(provider, { clientId: 'client-1', tokenEndpointAuthMethod: 'tls_client_auth' }, {})
    await send({ ...provider, certificateBoundTokens: true }, client, {})
    await send(provider, client, {})
    const urls = ['/mtls', '/mtls', ''].map((prefix) => `${prefix}/${endpoint}`)
    expect(server.requests.map(({ url }) => url)).toEqual(urls)
    expect(new URLSearchParams(server.requests[0]?.body).get('client_id')).toBe('client-1')
    expect(server.requests[0]?.headers).not.toHaveProperty('authorization')
  })

  it('R6 is sent with the call’s fetch, else with the client’s', async () => {
    const heard: string[] = []
    const through =
      (name: string): typeof fetch =>
      (input, init) => {
        heard.push(name)
        return fetch(input, init)
      }
    const proxied = { ...client, fetch: through('client') }
    await send(providerWith(), proxied, {})
    await send(providerWith(), proxied, { fetch: through('call') })
    expect(heard).toEqual(['client', 'call'])
  })

  it('R6 stops at a signal and at its time limit, and follows no redirect', async () => {
    const reason = new Error('stop')
    await expect(send(providerWith(), client, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(server.requests).toEqual([])
    server.answer = () => ({ status: 307, headers: { location: `${server.origin}/elsewhere` } })
    const moved = await send(providerWith(), client, {}).catch((error: unknown) => error)
    expect(moved).toBeInstanceOf(InvalidResponseError)
    expect(moved).toMatchObject({ code: 'redirect_refused', status: 307 })
    expect(server.requests).toHaveLength(1)
  })
})

describe('R5 a token request', () => {
  const extraParams = { audience: ['one', 'two'] }
  const refresh = (facts: Partial<ProviderFacts>) =>
    refreshTokenGrant(
      providerWith(facts),
      { ...client, tokenEndpointAuthMethod: 'client_secret_post' },
      old,
      { extraParams },
    )

  it.each(['query', 'get'] as const)(
    'as %s keeps the query that is there, and repeated parameters',
    async (format) => {
      await refresh({ tokenRequestFormat: format, refreshUrl: `${server.origin}/token?api=2` })
      const [request] = server.requests
      const query = new URL(request?.url ?? '', server.origin).searchParams
      expect(request).toMatchObject({ method: format === 'get' ? 'GET' : 'POST', body: '' })
      expect(request?.headers).not.toHaveProperty('content-type')
      expect([query.get('api'), query.getAll('audience'), query.get('refresh_token')]).toEqual([
        '2',
        ['one', 'two'],
        'refresh',
      ])
    },
  )

  it('as JSON has a list for a repeated parameter', async () => {
    await refresh({ tokenRequestFormat: 'json' })
    expect(JSON.parse(server.requests[0]?.body ?? '')).toEqual({
      ...{ grant_type: 'refresh_token', refresh_token: 'refresh', audience: ['one', 'two'] },
      ...{ client_id: 'client-1', client_secret: 'secret' },
    })
  })

  it('that is slow ends at timeoutMs, with the DPoP nonce’s second try in it', async () => {
    let asked = 0
    server.answer = async () => {
      asked += 1
      await new Promise((resolve) => setTimeout(resolve, 300))
      return { status: 400, headers: { 'dpop-nonce': `n${asked}` }, body: { error: 'use_dpop_nonce' } }
    }
    const begun = performance.now()
    const options = { timeoutMs: 450 }
    await expect(
      clientCredentialsGrant(providerWith(), { ...client, dpop: true }, options),
    ).rejects.toBeInstanceOf(TimeoutError)
    expect(performance.now() - begun).toBeLessThan(700)
    expect(asked).toBe(2)
  })
})
