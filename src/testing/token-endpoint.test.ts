// Refresh, the API, revocation and introspection of the simulated server against the RFC text, asked by raw fetch.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AuthorizationServer, startAuthorizationServer } from './index.ts'

let server: AuthorizationServer
let now: number

beforeEach(async () => {
  now = Date.UTC(2026, 0, 1)
  server = await startAuthorizationServer({ now: () => now })
})
afterEach(() => server.close())

function connect({ user = 'ada', scopes = ['read', 'write'] }: { user?: string; scopes?: string[] } = {}) {
  const { accessToken, refreshToken } = server.grant({ user, scopes })
  return { access_token: accessToken, refresh_token: refreshToken ?? '' }
}

function basic(client = server.client()): Record<string, string> {
  return { authorization: `Basic ${btoa(`${client.clientId}:${client.clientSecret}`)}` }
}

async function post(path: string, params: Record<string, string>, headers: Record<string, string> = basic()) {
  const response = await fetch(server.url + path, {
    method: 'POST',
    headers,
    body: new URLSearchParams(params),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}

const refresh = (token: string, changes: Record<string, string> = {}) =>
  post('/token', { grant_type: 'refresh_token', refresh_token: token, ...changes })

async function call(token: string, path = '/api/things'): Promise<Response> {
  return fetch(server.url + path, { headers: { authorization: `Bearer ${token}` } })
}

describe('refresh', () => {
  it('rotates, and a second use of a refresh token kills the family', async () => {
    const first = connect()
    const second = (await refresh(first.refresh_token)).body
    expect(second).toMatchObject({
      access_token: expect.any(String),
      refresh_token: expect.any(String),
      scope: 'read write',
    })
    expect(second.refresh_token).not.toBe(first.refresh_token)
    expect((await call(second.access_token)).status).toBe(200)
    expect(await refresh(first.refresh_token)).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    })
    expect((await call(second.access_token)).status).toBe(401)
    expect((await refresh(second.refresh_token)).body).toMatchObject({ error: 'invalid_grant' })
    expect(server.counts).toMatchObject({
      refreshes: 1,
      reuseViolations: 1,
      requests: { token: 3, refresh: 3 },
    })
    expect(server.consents()).toMatchObject([{ revoked: 'reuse' }])
  })

  it('lets the old one through in the grace window, to the same successor', async () => {
    server.configure({ rotationGraceSeconds: 30 })
    const { refresh_token: old } = connect()
    const [one, other] = [(await refresh(old)).body, (await refresh(old)).body]
    expect(one.refresh_token).toBe(other.refresh_token)
    expect(one.access_token).not.toBe(other.access_token)
    now += 30_000
    expect((await refresh(old)).body).toMatchObject({ error: 'invalid_grant' })
    expect(server.counts).toMatchObject({ refreshes: 2, reuseViolations: 1 })
  })

  it('only counts reuse where the grant survives it', async () => {
    server.configure({ reuseRevokesGrant: false })
    const { refresh_token: old } = connect()
    const next = (await refresh(old)).body
    await refresh(old)
    expect(server.counts.reuseViolations).toBe(1)
    expect((await refresh(next.refresh_token)).status).toBe(200)
  })

  it('keeps the refresh token without rotation, and says so or not', async () => {
    server.configure({ rotation: false })
    const { refresh_token: kept } = connect()
    expect((await refresh(kept)).body).not.toHaveProperty('refresh_token')
    server.configure({ omitRefreshToken: false })
    expect((await refresh(kept)).body).toMatchObject({ refresh_token: kept })
    expect(server.counts.reuseViolations).toBe(0)
  })

  it('gives fewer scopes on request, never more', async () => {
    const { refresh_token } = connect()
    expect((await refresh(refresh_token, { scope: 'read admin' })).body).toMatchObject({
      error: 'invalid_scope',
    })
    expect((await refresh(refresh_token, { scope: 'read' })).body).toMatchObject({ scope: 'read' })
  })

  it('issues refresh tokens as it is told', async () => {
    server.configure({ refreshTokens: 'never' })
    expect(connect().refresh_token).toBe('')
    server.configure({ refreshTokens: 'offline_access' })
    expect(connect().refresh_token).toBe('')
    expect(connect({ scopes: ['offline_access'] }).refresh_token).not.toBe('')
  })

  it('ends refresh tokens after their life, and from the outside', async () => {
    server.configure({ refreshTokenSeconds: 100 })
    const one = connect()
    now += 100_000
    expect((await refresh(one.refresh_token)).body).toMatchObject({
      error_description: 'the refresh token has expired',
    })
    const two = connect()
    server.expireRefreshTokens()
    expect((await refresh(two.refresh_token)).status).toBe(400)
    expect((await call(two.access_token)).status).toBe(200)
  })
})

describe('the API', () => {
  it('challenges by RFC 6750 section 3.1', async () => {
    const { access_token } = connect()
    const bare = await fetch(`${server.url}/api/things`)
    expect([bare.status, bare.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="simulator"'])
    const wrong = await call('wrong')
    expect([wrong.status, wrong.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringContaining('error="invalid_token"'),
    ])
    const scope = await call(access_token, '/api/scope/admin')
    expect([scope.status, scope.headers.get('www-authenticate')]).toEqual([
      403,
      expect.stringContaining('error="insufficient_scope", scope="admin"'),
    ])
    expect((await call(access_token, '/api/scope/read')).status).toBe(200)
  })

  it('knows the second in which a token ends', async () => {
    server.configure({ accessTokenSeconds: 10 })
    const { access_token, refresh_token } = connect()
    now += 9_999
    expect((await call(access_token)).status).toBe(200)
    now += 1
    expect((await call(access_token)).status).toBe(401)
    expect(server.isActive(access_token)).toBe(false)
    expect(server.isActive(refresh_token)).toBe(true)
  })

  it('echoes, or answers as a function says', async () => {
    const { access_token } = connect()
    expect(await (await call(access_token, '/api/things?limit=2')).json()).toEqual({
      method: 'GET',
      path: '/things',
      query: { limit: '2' },
      body: '',
      user: 'ada',
      scopes: ['read', 'write'],
    })
    server.configure({
      api: ({ user, path }) => ({ status: 201, headers: { 'x-user': user }, body: { path } }),
    })
    const answer = await call(access_token, '/api/a/b')
    expect([answer.status, answer.headers.get('x-user'), await answer.json()]).toEqual([
      201,
      'ada',
      { path: '/a/b' },
    ])
    expect(await (await call(access_token, '/userinfo')).json()).toMatchObject({ sub: 'ada' })
  })

  it('takes the token where it is told to', async () => {
    const { access_token: token } = connect()
    const status = async (path: string, headers: Record<string, string> = {}) =>
      (await fetch(server.url + path, { headers })).status
    server.configure({ tokenPlacement: { header: 'X-Token' } })
    expect(await status('/api', { 'x-token': token })).toBe(200)
    expect(server.provider()).toMatchObject({ accessTokenHeader: 'X-Token' })
    server.configure({ tokenPlacement: { scheme: 'token' } })
    expect(await status('/api', { authorization: `token ${token}` })).toBe(200)
    expect(await status('/api', { authorization: `Bearer ${token}` })).toBe(401)
    server.configure({ tokenPlacement: { query: 'access_token' } })
    expect(await status(`/api?access_token=${token}`)).toBe(200)
  })
})

describe('revocation and introspection', () => {
  it('takes the grant along with a refresh token, and an access token alone (RFC 7009)', async () => {
    const one = connect()
    expect(await post('/revoke', { token: one.access_token })).toMatchObject({ status: 200, body: undefined })
    expect((await call(one.access_token)).status).toBe(401)
    const two = (await refresh(one.refresh_token)).body
    expect(
      (await post('/revoke', { token: two.refresh_token, token_type_hint: 'refresh_token' })).status,
    ).toBe(200)
    expect((await call(two.access_token)).status).toBe(401)
    expect((await refresh(two.refresh_token)).status).toBe(400)
  })

  it('says yes to an unknown token and no to another client’s, to nobody and to nothing', async () => {
    const { access_token } = connect()
    expect((await post('/revoke', { token: 'unknown' })).status).toBe(200)
    expect((await post('/revoke', { token: access_token }, basic(server.register()))).body).toMatchObject({
      error: 'invalid_grant',
    })
    expect((await post('/revoke', { token: access_token }, {})).status).toBe(401)
    expect((await post('/revoke', {})).body).toMatchObject({ error: 'invalid_request' })
    expect((await call(access_token)).status).toBe(200)
  })

  it('introspects (RFC 7662)', async () => {
    const { access_token, refresh_token } = connect()
    expect((await post('/introspect', { token: access_token })).body).toEqual({
      active: true,
      client_id: server.client().clientId,
      sub: 'ada',
      scope: 'read write',
      iss: server.url,
      exp: now / 1000 + 3600,
    })
    expect((await post('/introspect', { token: refresh_token })).body).toMatchObject({ active: true })
    server.expireAccessTokens()
    expect((await post('/introspect', { token: access_token })).body).toEqual({ active: false })
  })

  it('ends grants from the outside', async () => {
    const [ada, bob] = [connect(), connect({ user: 'bob' })]
    expect(server.revokeGrants({ user: 'bob' })).toBe(1)
    expect([(await call(ada.access_token)).status, (await call(bob.access_token)).status]).toEqual([200, 401])
    expect((await refresh(bob.refresh_token)).body).toMatchObject({ error: 'invalid_grant' })
    expect(server.revokeGrants()).toBe(1)
  })

  it('takes JSON, or the token itself, where it is told so', async () => {
    const one = connect()
    server.configure({ revocationFormat: 'json' })
    const headers = { 'content-type': 'application/json', ...basic() }
    const body = JSON.stringify({ token: one.refresh_token })
    expect((await post('/revoke', { token: one.refresh_token })).status).toBe(400)
    expect((await fetch(`${server.url}/revoke`, { method: 'POST', headers, body })).status).toBe(200)
    expect(server.isActive(one.access_token)).toBe(false)
    const two = connect()
    server.configure({ revocationFormat: 'bearer' })
    const bearer = { authorization: `Bearer ${two.access_token}` }
    const revoke = async () =>
      (await fetch(`${server.url}/revoke`, { method: 'POST', headers: bearer })).status
    expect([await revoke(), await revoke()]).toEqual([200, 401])
    expect(server.isActive(two.refresh_token)).toBe(false)
  })
})
