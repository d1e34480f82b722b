// Misbehaviour by script, latency, and answers in other shapes; seen by raw fetch.
import { createHash } from 'node:crypto'
import { connect as connectSocket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AuthorizationServer, type ServerBehaviour, startAuthorizationServer } from './index.ts'

let server: AuthorizationServer
const now = Date.UTC(2026, 0, 1)
const redirectUri = 'http://127.0.0.1:7/callback'
const verifier = 'v'.repeat(43)

beforeEach(async () => {
  server = await startAuthorizationServer({
    now: () => now,
    clients: [{ tokenEndpointAuthMethod: 'client_secret_post' }],
  })
})
afterEach(() => server.close())

function post(params: Record<string, string>, init: RequestInit = {}): Promise<Response> {
  const { clientId, clientSecret = '' } = server.client()
  const body = new URLSearchParams({ client_id: clientId, client_secret: clientSecret, ...params })
  return fetch(`${server.url}/token`, { method: 'POST', body, ...init })
}

async function exchange(): Promise<Response> {
  const url = new URL(`${server.url}/authorize`)
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: server.client().clientId,
    redirect_uri: redirectUri,
    scope: 'read write',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString()
  const code = new URL(await server.consent(url.href)).searchParams.get('code') ?? ''
  return post({ grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier })
}

async function refreshToken(): Promise<string> {
  return ((await (await exchange()).json()) as { refresh_token: string }).refresh_token
}

const refresh = (token: string, init?: RequestInit) =>
  post({ grant_type: 'refresh_token', refresh_token: token }, init)

describe('script', () => {
  it('makes up answers, one step a request, then behaves again', async () => {
    const token = await refreshToken()
    server.script('token', [
      { status: 503 },
      { body: '<html>sorry</html>' },
      { retryAfter: 5 },
      { error: 'invalid_client', status: 401 },
      { body: { error: 'slow_down' }, status: 400 },
      { status: 302, headers: { location: 'https://evil.example/' } },
      'ok',
    ])
    const answers: unknown[] = []
    for (let request = 0; request < 7; request++) {
      const response = await refresh(token, { redirect: 'manual' })
      answers.push([
        response.status,
        response.headers.get('content-type'),
        (await response.text()).slice(0, 20),
      ])
    }
    expect(answers).toEqual([
      [503, 'application/json', ''],
      [200, 'text/html; charset=utf-8', '<html>sorry</html>'],
      [429, 'application/json', ''],
      [401, 'application/json', '{"error":"invalid_cl'],
      [400, 'application/json', '{"error":"slow_down"'],
      [302, 'application/json', ''],
      [200, 'application/json', '{"access_token":"can'],
    ])
    expect(server.counts).toMatchObject({ refreshes: 1, reuseViolations: 0, requests: { refresh: 7 } })
  })

  it('says when to come back', async () => {
    server.script('token', [{ retryAfter: 5, status: 503 }])
    const response = await post({})
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5'])
  })

  it('cuts the connection before or after doing what is asked', async () => {
    const token = await refreshToken()
    server.script('refresh', [{ drop: true }, { drop: 'answer' }])
    await expect(refresh(token)).rejects.toThrow()
    expect(server.counts.refreshes).toBe(0)
    await expect(refresh(token)).rejects.toThrow()
    expect(server.counts.refreshes).toBe(1)
    expect((await refresh(token)).status).toBe(400)
    expect(server.counts.reuseViolations).toBe(1)
  })

  it('never answers, until the caller gives up or the server closes', async () => {
    const token = await refreshToken()
    server.script('refresh', [{ hang: true }, { hang: 'answer' }])
    await expect(refresh(token, { signal: AbortSignal.timeout(50) })).rejects.toThrow(/timeout/)
    expect(server.counts.refreshes).toBe(0)
    const waiting = refresh(token).catch(() => 'cut off')
    while (server.counts.refreshes === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    await server.close()
    expect(await waiting).toBe('cut off')
  })

  it('cuts an answer in the middle', async () => {
    const token = await refreshToken()
    server.script('refresh', [{ truncate: true }])
    const response = await refresh(token)
    expect(response.status).toBe(200)
    await expect(response.text()).rejects.toThrow()
    expect(server.counts.refreshes).toBe(1)
  })

  it('sends more than anybody wants to read', async () => {
    server.script('token', [{ bytes: 10_000_000 }, { bytes: 10_000_000 }])
    const body = await (await post({})).arrayBuffer()
    expect(body.byteLength).toBe(10_000_000 + '{"padding":""}'.length)
    const reader = (await post({})).body?.getReader()
    await reader?.read()
    await reader?.cancel()
    expect((await post({})).status).toBe(400)
  })

  it('scripts an API and forgets what has not happened', async () => {
    server.script('api', [{ status: 500 }, { status: 500 }])
    expect((await fetch(`${server.url}/api`)).status).toBe(500)
    server.clearScript()
    expect((await fetch(`${server.url}/api`)).status).toBe(401)
  })
})

describe('latency', () => {
  it('acts first and answers later, by endpoint', async () => {
    const token = await refreshToken()
    server.configure({ latencyMs: { token: 5, refresh: 80 } })
    const started = performance.now()
    const waiting = refresh(token)
    while (server.counts.refreshes === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    const done = performance.now() - started
    await waiting
    expect(done).toBeLessThan(70)
    expect(performance.now() - started).toBeGreaterThanOrEqual(79)
  })

  it('counts the refreshes that are in the house together', async () => {
    server.configure({ latencyMs: 30, rotationGraceSeconds: 60 })
    const token = await refreshToken()
    await Promise.all([refresh(token), refresh(token), refresh(token)])
    await refresh(token)
    expect(server.counts).toMatchObject({ refreshes: 4, peakRefreshes: 3 })
  })
})

describe('token answers', () => {
  async function answer(tokenAnswer: NonNullable<ServerBehaviour['tokenAnswer']>) {
    server.configure({ tokenAnswer })
    const response = await exchange()
    return {
      status: response.status,
      type: response.headers.get('content-type'),
      text: await response.text(),
    }
  }
  const members = async (shape: NonNullable<ServerBehaviour['tokenAnswer']>) =>
    JSON.parse((await answer(shape)).text)

  it.each([
    ['number', 3600],
    ['string', '3600'],
    ['float', 3600.5],
    ['null', null],
    ['omit', undefined],
    ['zero', 0],
    ['milliseconds', 3_600_000],
    ['epoch-seconds', now / 1000 + 3600],
    ['iso8601', new Date(now + 3_600_000).toISOString()],
  ] as const)('writes expires_in as %s', async (expiresIn, value) => {
    expect((await members({ expiresIn })).expires_in).toBe(value)
  })

  it.each([
    ['space', 'read write'],
    ['comma', 'read,write'],
    ['array', ['read', 'write']],
    ['null', null],
    ['omit', undefined],
    ['changed', undefined],
  ] as const)('writes scope as %s', async (scope, value) => {
    expect((await members({ scope })).scope).toEqual(value)
  })

  it('leaves token_type out, adds members, nests and renames', async () => {
    const shaped = await members({
      tokenType: null,
      path: 'data.auth',
      aliases: { access_token: 'accessToken', expires_in: 'life.seconds' },
      extra: { team: { id: 'T1' } },
    })
    expect(shaped).toEqual({
      data: {
        auth: {
          accessToken: expect.any(String),
          life: { seconds: 3600 },
          refresh_token: expect.any(String),
          scope: 'read write',
          team: { id: 'T1' },
        },
      },
    })
    expect(server.provider()).toMatchObject({
      tokenResponsePath: 'data.auth',
      tokenResponseAliases: { access_token: 'accessToken', expires_in: 'life.seconds' },
    })
  })

  it('answers form-encoded text, or says it is something else', async () => {
    const form = await answer({ format: 'form' })
    expect(form.type).toBe('application/x-www-form-urlencoded')
    expect(new URLSearchParams(form.text).get('scope')).toBe('read write')
    expect(await answer({ contentType: 'text/plain', status: 201 })).toMatchObject({
      type: 'text/plain',
      status: 201,
    })
  })

  it('says nothing of an end where there is none', async () => {
    server.configure({ accessTokenSeconds: null })
    expect(await members({})).not.toHaveProperty('expires_in')
  })

  it.each([
    [undefined, 400, { error: 'invalid_grant', error_description: 'the refresh token is unknown' }],
    ['in-200', 200, { error: 'invalid_grant', error_description: 'the refresh token is unknown' }],
    ['ok-false', 200, { ok: false, error: 'invalid_grant' }],
  ] as const)('writes errors as %s', async (errors, status, body) => {
    server.configure({ tokenAnswer: errors === undefined ? {} : { errors } })
    const response = await refresh('unknown')
    expect([response.status, await response.json()]).toEqual([status, body])
  })

  it('takes JSON token requests where it is told so', async () => {
    server.configure({ tokenRequestFormat: 'json' })
    const { clientId, clientSecret } = server.client()
    const body = JSON.stringify({
      client_id: clientId,
      client_secret: clientSecret,
      grant_type: 'refresh_token',
      refresh_token: 'x',
    })
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${server.url}/token`, { method: 'POST', headers, body })
    expect(await response.json()).toMatchObject({ error: 'invalid_grant' })
    expect(server.counts.grants).toEqual({ refresh_token: 1 })
  })
})

describe('close', () => {
  it('frees the port at once, whoever is connected', async () => {
    const { port } = new URL(server.url)
    const socket = connectSocket(Number(port), '127.0.0.1')
    const closed = new Promise((resolve) => socket.on('close', resolve))
    await new Promise((resolve) => socket.on('connect', resolve))
    socket.write('POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf')
    socket.on('error', () => undefined)
    await server.close()
    await closed
    const again = await startAuthorizationServer({ port: Number(port) })
    expect(new URL(again.url).port).toBe(port)
    await again.close()
  })
})
