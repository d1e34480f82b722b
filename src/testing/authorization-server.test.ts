// The simulated server against the RFC text, asked by raw fetch: nothing of the client under test is used here.
import { createHash, createPublicKey, type JsonWebKey, randomBytes, verify } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defineProvider } from '../providers/index.ts'
import { type AuthorizationServer, type ConsentDecision, startAuthorizationServer } from './index.ts'

let server: AuthorizationServer
let now: number

const redirectUri = 'http://127.0.0.1:7/callback'
const verifier = randomBytes(32).toString('base64url')
const challenge = createHash('sha256').update(verifier).digest('base64url')

beforeEach(async () => {
  now = Date.UTC(2026, 0, 1)
  server = await startAuthorizationServer({ now: () => now })
})
afterEach(() => server.close())

function authorizationUrl(changes: Record<string, string | undefined> = {}): string {
  const url = new URL(`${server.url}/authorize`)
  const params = {
    response_type: 'code',
    client_id: server.client().clientId,
    redirect_uri: redirectUri,
    scope: 'read write',
    state: 'a-state',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    ...changes,
  }
  for (const [name, value] of Object.entries(params))
    if (value !== undefined) url.searchParams.set(name, value)
  return url.href
}

async function callback(changes?: Record<string, string | undefined>, decision?: ConsentDecision) {
  return Object.fromEntries(new URL(await server.consent(authorizationUrl(changes), decision)).searchParams)
}

function basic(client = server.client()): Record<string, string> {
  const half = (text: string) => new URLSearchParams({ '': text }).toString().slice(1)
  return { authorization: `Basic ${btoa(`${half(client.clientId)}:${half(client.clientSecret ?? '')}`)}` }
}

async function post(path: string, params: Record<string, string>, headers: Record<string, string> = basic()) {
  const response = await fetch(server.url + path, {
    method: 'POST',
    headers,
    body: new URLSearchParams(params),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? undefined : JSON.parse(text),
  }
}

function exchange(code: string | undefined, changes: Record<string, string> = {}) {
  const params = { code: code ?? '', redirect_uri: redirectUri, code_verifier: verifier, ...changes }
  return post('/token', { grant_type: 'authorization_code', ...params })
}

async function connect(changes?: Record<string, string | undefined>) {
  return (await exchange((await callback(changes)).code)).body
}

const refresh = (token: string, changes: Record<string, string> = {}) =>
  post('/token', { grant_type: 'refresh_token', refresh_token: token, ...changes })

async function call(token: string, path = '/api/things'): Promise<Response> {
  return fetch(server.url + path, { headers: { authorization: `Bearer ${token}` } })
}

describe('the authorization endpoint', () => {
  it('redirects with code, state and iss', async () => {
    expect(await callback()).toEqual({
      code: expect.stringMatching(/^canary_code_/),
      state: 'a-state',
      iss: server.url,
    })
  })

  it('redirects with the refusal of a person', async () => {
    server.configure({ consent: 'deny' })
    expect(await callback()).toMatchObject({ error: 'access_denied', state: 'a-state', iss: server.url })
    expect(await callback({}, { error: 'temporarily_unavailable' })).toMatchObject({
      error: 'temporarily_unavailable',
    })
  })

  it.each([
    [{ response_type: undefined }, 'invalid_request'],
    [{ response_type: 'magic' }, 'unsupported_response_type'],
    [{ code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request'],
    [{ code_challenge: undefined }, 'invalid_request'],
    [{ code_challenge: 'short' }, 'invalid_request'],
    [{ code_challenge_method: 'plain' }, 'invalid_request'],
    [{ code_challenge_method: undefined }, 'invalid_request'],
    [{ scope: 'read unknown' }, 'invalid_scope'],
    [{ scope: 'read "x"' }, 'invalid_scope'],
  ])('sends %j back as %s', async (changes, error) => {
    server.configure({ scopes: ['read', 'write'] })
    expect(await callback(changes)).toMatchObject({ error, state: 'a-state' })
  })

  it('sends a doubled parameter back, and never redirects to a stranger', async () => {
    expect(new URL(await server.consent(`${authorizationUrl()}&scope=more`)).searchParams.get('error')).toBe(
      'invalid_request',
    )
    for (const url of [
      authorizationUrl({ client_id: 'nobody' }),
      authorizationUrl({ redirect_uri: undefined }),
      authorizationUrl({ redirect_uri: `${redirectUri}#x` }),
      `${authorizationUrl()}&redirect_uri=http://evil.example/`,
      `${authorizationUrl()}&client_id=nobody`,
    ]) {
      const response = await fetch(url, { redirect: 'manual' })
      expect(response.status, url).toBe(400)
      expect(response.headers.get('location')).toBeNull()
      await expect(server.consent(url)).rejects.toThrow(/did not redirect: HTTP 400 .*cannot be answered/)
    }
  })

  it('compares a registered redirect URI exactly, but for the port of a loopback address', async () => {
    const client = server.register({ redirectUris: ['http://127.0.0.1/cb', 'https://app.example/cb'] })
    const status = async (uri: string) =>
      (
        await fetch(authorizationUrl({ client_id: client.clientId, redirect_uri: uri }), {
          redirect: 'manual',
        })
      ).status
    expect(await status('http://127.0.0.1:4711/cb')).toBe(303)
    expect(await status('https://app.example/cb')).toBe(303)
    expect(await status('http://127.0.0.1:4711/other')).toBe(400)
    expect(await status('https://app.example:444/cb')).toBe(400)
    expect(await status('http://localhost:4711/cb')).toBe(400)
  })

  it('shows a page whose buttons work once', async () => {
    server.configure({ consent: 'page' })
    const shown = await (await fetch(authorizationUrl({ scope: 'read <b>' }))).text()
    expect(shown).toContain('id="allow"')
    expect(shown).toContain('<li>&#60;b&#62;</li>')
    expect(await callback()).toHaveProperty('code')
    expect(await callback({}, { approve: false })).toMatchObject({ error: 'access_denied' })
    const ticket = /name="ticket" value="([^"]+)"/.exec(shown)?.[1] ?? ''
    const press = () =>
      fetch(`${server.url}/consent`, {
        method: 'POST',
        redirect: 'manual',
        body: new URLSearchParams({ ticket, decision: 'allow' }),
      })
    expect([(await press()).status, (await press()).status]).toEqual([303, 400])
  })

  it('asks a function, and grants what the person leaves ticked', async () => {
    server.configure({
      consent: ({ scopes }) => ({ user: 'grace', scopes: scopes.slice(0, 1), params: { realmId: '7' } }),
    })
    const { code, realmId } = await callback()
    expect(realmId).toBe('7')
    expect((await exchange(code)).body).toMatchObject({ scope: 'read' })
    expect(server.consents()).toEqual([
      { id: 1, clientId: server.client().clientId, user: 'grace', scopes: ['read'] },
    ])
  })

  it('signs in whom the request hints at', async () => {
    await connect({ login_hint: 'bob' })
    await connect()
    expect(server.consents().map(({ user }) => user)).toEqual(['bob', 'ada'])
  })
})

describe('the token endpoint', () => {
  it('exchanges a code by RFC 6749 section 5.1', async () => {
    const { status, headers, body } = await exchange((await callback()).code)
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('pragma')).toBe('no-cache')
    expect(body).toEqual({
      access_token: expect.stringMatching(/^canary_access_/),
      token_type: 'Bearer',
      expires_in: 3600,
      refresh_token: expect.stringMatching(/^canary_refresh_/),
      scope: 'read write',
    })
  })

  it('takes a code once, and a second time kills what it gave', async () => {
    const { code } = await callback()
    const { access_token, refresh_token } = (await exchange(code)).body
    expect(await exchange(code)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect((await call(access_token)).status).toBe(401)
    expect(await refresh(refresh_token)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect(server.counts).toMatchObject({ codesReplayed: 1, reuseViolations: 0, refreshes: 0 })
  })

  it.each([
    ['another verifier', { code_verifier: 'x'.repeat(43) }],
    ['no verifier', { code_verifier: '' }],
    ['a short verifier', { code_verifier: 'short' }],
    ['another redirect URI', { redirect_uri: 'http://127.0.0.1:8/callback' }],
    ['an unknown code', { code: 'unknown' }],
  ])('refuses a code with %s', async (_, changes) => {
    const { code } = await callback()
    expect(await exchange(code, changes)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect((await exchange(code)).status).toBe(200)
  })

  it('refuses a code after its minute, and another client’s code', async () => {
    const { code } = await callback()
    const other = server.register()
    const params = {
      grant_type: 'authorization_code',
      code: code ?? '',
      redirect_uri: redirectUri,
      code_verifier: verifier,
    }
    expect((await post('/token', params, basic(other))).body).toMatchObject({ error: 'invalid_grant' })
    now += 60_000
    expect((await exchange(code)).body).toMatchObject({
      error: 'invalid_grant',
      error_description: 'the code has expired',
    })
  })

  it.each([
    [{}, 'invalid_request'],
    [{ grant_type: 'authorization_code' }, 'invalid_request'],
    [{ grant_type: 'refresh_token' }, 'invalid_request'],
    [{ grant_type: 'password', username: 'a', password: 'b' }, 'unsupported_grant_type'],
  ])('answers %j with 400 %s', async (params, error) => {
    const answer = await post('/token', params as Record<string, string>)
    expect(answer).toMatchObject({ status: 400, body: { error } })
    expect(answer.headers.get('cache-control')).toBe('no-store')
  })

  it('refuses GET, JSON, doubled parameters and parameters in the URL', async () => {
    const refused = async (init: RequestInit, path = '/token') => {
      const response = await fetch(server.url + path, { method: 'POST', ...init })
      return [response.status, ((await response.json()) as { error: string }).error]
    }
    const form = { 'content-type': 'application/x-www-form-urlencoded', ...basic() }
    expect(await refused({ method: 'GET' })).toEqual([405, 'invalid_request'])
    expect(await refused({ body: '{}', headers: { ...form, 'content-type': 'application/json' } })).toEqual([
      400,
      'invalid_request',
    ])
    expect(await refused({ body: 'grant_type=refresh_token&grant_type=a', headers: form })).toEqual([
      400,
      'invalid_request',
    ])
    expect(
      await refused({ body: 'grant_type=refresh_token', headers: form }, '/token?refresh_token=x'),
    ).toEqual([400, 'invalid_request'])
    expect(await refused({ body: 'x'.repeat(1_048_577), headers: form })).toEqual([413, 'request_too_large'])
  })

  it('takes each client in the one way it is registered for', async () => {
    const special = server.register({ clientSecret: 'a:b+c d%é' })
    const posting = server.register({ tokenEndpointAuthMethod: 'client_secret_post' })
    const open = server.register({ tokenEndpointAuthMethod: 'none' })
    expect(open).not.toHaveProperty('clientSecret')
    const inBody = ({ clientId, clientSecret = '' }: { clientId: string; clientSecret?: string }) => ({
      client_id: clientId,
      ...(clientSecret === '' ? {} : { client_secret: clientSecret }),
    })
    const outcome = async (headers: Record<string, string>, params: Record<string, string> = {}) => {
      const {
        status,
        body,
        headers: answered,
      } = await post('/token', { grant_type: 'none', ...params }, headers)
      return `${status} ${body.error}${answered.has('www-authenticate') ? ' challenged' : ''}`
    }
    const known = '400 unsupported_grant_type'
    const unknown = '401 invalid_client challenged'
    expect(await outcome(basic())).toBe(known)
    expect(await outcome(basic(special))).toBe(known)
    expect(await outcome({}, inBody(posting))).toBe(known)
    expect(await outcome({}, inBody(open))).toBe(known)
    expect(await outcome(basic(posting))).toBe(unknown)
    expect(await outcome({}, inBody(server.client()))).toBe(unknown)
    expect(await outcome({}, { client_id: posting.clientId })).toBe(unknown)
    expect(await outcome({}, { ...inBody(posting), client_secret: 'wrong' })).toBe(unknown)
    expect(await outcome(basic({ ...server.client(), clientSecret: 'wrong' }))).toBe(unknown)
    expect(await outcome(basic({ ...server.client(), clientId: 'nobody' }))).toBe(unknown)
    expect(await outcome({ authorization: 'Bearer x' })).toBe(unknown)
    expect(await outcome({})).toBe(unknown)
    expect(await outcome(basic(), { client_id: 'nobody' })).toBe(unknown)
    expect(await outcome(basic(), { client_secret: 'x' })).toBe('400 invalid_request')
    server.unregister(posting.clientId)
    expect(await outcome({}, inBody(posting))).toBe(unknown)
  })
})

describe('metadata and OpenID Connect', () => {
  it('publishes RFC 8414 metadata, changed as it is told', async () => {
    server.configure({ metadata: { token_endpoint: 'https://elsewhere.example/token' } })
    const metadata = await (await fetch(`${server.url}/.well-known/oauth-authorization-server`)).json()
    expect(metadata).toMatchObject({
      issuer: server.url,
      authorization_endpoint: `${server.url}/authorize`,
      token_endpoint: 'https://elsewhere.example/token',
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
    })
    expect((await fetch(`${server.url}/.well-known/openid-configuration`)).status).toBe(404)
  })

  it('signs id_tokens that its JWKS verifies', async () => {
    server.configure({ openid: true })
    const configuration = await (await fetch(`${server.url}/.well-known/openid-configuration`)).json()
    const { keys } = (await (await fetch((configuration as { jwks_uri: string }).jwks_uri)).json()) as {
      keys: JsonWebKey[]
    }
    const { id_token } = await connect({ scope: 'openid', nonce: 'n-1' })
    const [header, claims, signature] = (id_token as string).split('.')
    const key = createPublicKey({ key: keys[0] ?? {}, format: 'jwk' })
    expect(
      verify('sha256', Buffer.from(`${header}.${claims}`), key, Buffer.from(signature ?? '', 'base64url')),
    ).toBe(true)
    expect(JSON.parse(Buffer.from(claims ?? '', 'base64url').toString())).toMatchObject({
      iss: server.url,
      sub: 'ada',
      aud: server.client().clientId,
      nonce: 'n-1',
      exp: now / 1000 + 300,
    })
    server.configure({ idToken: { signature: 'wrong-key' } })
    const forged = ((await connect({ scope: 'openid' })).id_token as string).split('.')
    expect(
      verify(
        'sha256',
        Buffer.from(`${forged[0]}.${forged[1]}`),
        key,
        Buffer.from(forged[2] ?? '', 'base64url'),
      ),
    ).toBe(false)
    expect(await connect({ scope: 'read' })).not.toHaveProperty('id_token')
  })
})

describe('what tests hold it by', () => {
  it('describes itself as a provider definition', () => {
    expect(defineProvider(server.provider({ id: 'acme' }))).toMatchObject({
      id: 'acme',
      tokenUrl: `${server.url}/token`,
      apiBaseUrl: `${server.url}/api`,
      tokenEndpointAuthMethod: 'client_secret_basic',
      pkce: 'required',
    })
    expect(server.provider({ issuer: undefined })).not.toHaveProperty('issuer')
  })

  it('remembers every request and every secret', async () => {
    const { access_token, refresh_token } = await connect()
    const [token] = server.requests('token')
    expect(token).toMatchObject({
      endpoint: 'token',
      method: 'POST',
      url: '/token',
      params: { grant_type: 'authorization_code', code_verifier: verifier },
      headers: basic(),
      at: now,
    })
    expect(server.issuedSecrets()).toEqual([
      server.client().clientSecret,
      token?.params['code'],
      refresh_token,
      access_token,
    ])
    server.clearCounts()
    expect(server.requests()).toEqual([])
    expect(server.counts).toMatchObject({ requests: { token: 0 }, refreshes: 0 })
  })

  it('makes the same secrets from the same seed', async () => {
    const secrets = async () => {
      const seeded = await startAuthorizationServer({ seed: 'one' })
      await seeded.close()
      return [seeded.client().clientId, ...seeded.issuedSecrets()]
    }
    expect(await secrets()).toEqual(await secrets())
    expect(server.client().clientId).not.toBe((await secrets())[0])
  })

  it('has a clock of its own', async () => {
    server.configure({ clockSkewSeconds: -90 })
    const response = await fetch(`${server.url}/.well-known/oauth-authorization-server`)
    expect(Date.parse(response.headers.get('date') ?? '')).toBe(now - 90_000)
    server.advance(100)
    expect(server.clock()).toBe(now + 10_000)
  })

  it('opens the callback for the person, and follows on', async () => {
    const app = await startAuthorizationServer({ now: () => now })
    const target = `${app.url}/.well-known/oauth-authorization-server`
    const page = await server.browse(authorizationUrl({ redirect_uri: target }))
    expect(page).toMatchObject({ status: 200, url: expect.stringContaining('?code=canary_code_') })
    await app.close()
  })
})
