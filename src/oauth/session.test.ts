import { Readable } from 'node:stream'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ScriptedServer, startScriptedServer } from '../../test/servers/scripted-http.ts'
import {
  AuthorizationRequiredError,
  RefreshFailedError,
  RequestRefusedError,
  TokenExpiredError,
  UnauthorizedError,
} from '../errors.ts'
import { defineProvider } from '../providers/index.ts'
import { refreshingTokens } from './refreshing-tokens.ts'
import { Session, type SessionOptions, type SessionRequestInit } from './session.ts'
import { TokenSet } from './token-set.ts'
import type { TokenRequest, TokenSource } from './token-source.ts'

let api: ScriptedServer
/** Access tokens that the API takes. */
let good: Set<string>

beforeEach(async () => {
  good = new Set(['canary-0', 'canary-1'])
  api = await startScriptedServer(({ headers, body, method }) => {
    const token = headers.authorization?.replace(/^\w+ /, '')
    if (token !== undefined && !good.has(token))
      return { status: 401, headers: { 'www-authenticate': 'Bearer error="invalid_token"' }, body: 'stale' }
    return { body: { method, body } }
  })
})

afterEach(() => api.close())

const tokens = new TokenSet({ accessToken: 'canary-0', refreshToken: 'canary-refresh' })

function sessionOf(source: TokenSource | TokenSet = tokens, options: SessionOptions = {}): Session {
  return new Session(source, { apiBaseUrl: `${api.origin}/v1`, ...options })
}

/** A source that counts its renewals: `canary-0`, `canary-1`, … */
function renewing(seen: (TokenRequest | undefined)[] = []): TokenSource {
  let number = 0
  return {
    token(request) {
      seen.push(request)
      if (request?.rejected === `canary-${number}`) number += 1
      return new TokenSet({ accessToken: `canary-${number}` })
    },
  }
}

const authorizations = () => api.requests.map(({ headers }) => headers.authorization)

describe('R21 a session is the fetch it wraps', () => {
  it.each<[string, SessionRequestInit | undefined, string]>([
    ['GET', undefined, ''],
    ['POST', { method: 'POST', body: 'text' }, 'text'],
    ['PUT', { method: 'PUT', body: new TextEncoder().encode('bytes') }, 'bytes'],
    ['PATCH', { method: 'PATCH', body: new Blob(['blob']) }, 'blob'],
    ['DELETE', { method: 'DELETE' }, ''],
    ['QUERY', { method: 'QUERY', body: 'q' }, 'q'],
    ['POST', { method: 'POST', body: new URLSearchParams({ a: 'b c' }) }, 'a=b+c'],
  ])('with %s %j', async (method, init, body) => {
    const response = await sessionOf().fetch('/items', init)
    expect(await response.json()).toEqual({ method, body })
    expect(api.requests[0]).toMatchObject({
      method,
      url: '/v1/items',
      headers: { authorization: 'Bearer canary-0' },
    })
  })

  it('with a streamed body', async () => {
    const stream = new Blob(['one', 'two']).stream()
    const init: SessionRequestInit = { method: 'POST', body: stream, duplex: 'half' } as SessionRequestInit
    expect(await (await sessionOf().fetch('/items', init)).json()).toEqual({ method: 'POST', body: 'onetwo' })
  })

  it('with a Request, its method, headers and body', async () => {
    const request = new Request(`${api.origin}/v1/x`, {
      method: 'POST',
      body: 'hello',
      headers: { 'x-a': 'b' },
    })
    expect(await (await sessionOf().fetch(request)).json()).toEqual({ method: 'POST', body: 'hello' })
    expect(api.requests[0]?.headers).toMatchObject({ 'x-a': 'b', authorization: 'Bearer canary-0' })
  })

  it('with a URL object, and bound', async () => {
    const { fetch } = sessionOf()
    expect((await fetch(new URL(`${api.origin}/v1/x`))).status).toBe(200)
  })

  it.each([
    ['an object', { 'X-A': 'b', Authorization: 'Basic evil' }],
    ['Headers', new Headers({ 'x-a': 'b', authorization: 'Basic evil' })],
    ['a list', [['x-a', 'b'] as [string, string], ['AUTHORIZATION', 'Basic evil'] as [string, string]]],
  ])('with headers as %s, which stay as they were; the token wins', async (_, headers) => {
    const before = inspect(headers)
    await sessionOf().fetch('/x', { headers })
    expect(api.requests[0]?.headers).toMatchObject({ 'x-a': 'b', authorization: 'Bearer canary-0' })
    expect(api.requests[0]?.rawHeaders.filter((name) => /^authorization$/i.test(name))).toHaveLength(1)
    expect(inspect(headers)).toBe(before)
  })

  it('with the headers that the API always wants, unless the caller sets them', async () => {
    const provider = defineProvider({
      id: 'acme',
      authorizationUrl: `${api.origin}/authorize`,
      tokenUrl: `${api.origin}/token`,
      apiHeaders: { 'notion-version': '2026-03-11', 'x-b': 'row' },
    })
    await sessionOf(tokens, { provider }).fetch('/x', { headers: { 'X-B': 'call' } })
    expect(api.requests[0]?.headers).toMatchObject({ 'notion-version': '2026-03-11', 'x-b': 'call' })
  })

  it('with base, hosts and name of the provider', async () => {
    const provider = defineProvider({
      id: 'acme',
      authorizationUrl: `${api.origin}/authorize`,
      tokenUrl: `${api.origin}/token`,
      apiBaseUrl: `${api.origin}/v9`,
      apiHosts: ['files.example.com'],
    })
    const session = new Session(tokens, { provider })
    await session.fetch('/x')
    expect(api.requests[0]?.url).toBe('/v9/x')
    await expect(session.fetch('https://evil.example')).rejects.toThrow(/hosts of acme/)
  })

  it('with another fetch', async () => {
    const sent: unknown[] = []
    const send: typeof fetch = async (url, init) => {
      sent.push([url, new Headers(init?.headers).get('authorization')])
      return new Response('injected')
    }
    expect(await (await sessionOf(tokens, { fetch: send }).fetch('/x')).text()).toBe('injected')
    expect(sent).toEqual([[`${api.origin}/v1/x`, 'Bearer canary-0']])
  })

  it('withholds the token from a call, the host rules hold all the same', async () => {
    await sessionOf().fetch('/public', { withholdToken: true, headers: { 'x-a': 'b' } })
    expect(authorizations()).toEqual([undefined])
    expect(api.requests[0]?.headers['x-a']).toBe('b')
    const away = sessionOf().fetch('https://evil.example', { withholdToken: true })
    await expect(away).rejects.toBeInstanceOf(RequestRefusedError)
  })

  it('hands over any response but 401', async () => {
    for (const status of [200, 204, 403, 404, 500, 503]) {
      api.answer = () => ({ status, body: '' })
      expect((await sessionOf().fetch('/x')).status).toBe(status)
    }
  })

  it('fails like fetch', async () => {
    await expect(sessionOf(tokens, { apiBaseUrl: 'http://127.0.0.1:1' }).fetch('/x')).rejects.toThrow(
      'fetch failed',
    )
  })

  it('shows no secret', () => {
    const shown = inspect(sessionOf(), { depth: null, showHidden: true }) + JSON.stringify(sessionOf())
    expect(shown).not.toContain('canary')
  })

  it.each([undefined, null, {}, { accessToken: 'a' }, 'token'])('refuses %j for a source', (source) => {
    expect(() => new Session(source as unknown as TokenSet)).toThrow(/needs a TokenSet/)
  })
})

describe('R11 a an expired token', () => {
  const expired = new TokenSet({
    accessToken: 'canary-0',
    expiresAt: new Date(1000),
    receivedAt: new Date(0),
  })

  it('throws before anything is sent', async () => {
    await expect(sessionOf(expired).fetch('/x')).rejects.toBeInstanceOf(TokenExpiredError)
    expect(api.requests).toHaveLength(0)
  })

  it('by the clock that was handed in, with a leeway', async () => {
    const at = (ms: number, leewaySeconds?: number) =>
      sessionOf(expired, { now: () => ms, ...(leewaySeconds === undefined ? {} : { leewaySeconds }) }).fetch(
        '/x',
      )
    expect((await at(999)).status).toBe(200)
    await expect(at(1000)).rejects.toBeInstanceOf(TokenExpiredError)
    await expect(at(500, 1)).rejects.toBeInstanceOf(TokenExpiredError)
  })

  it('is not looked at when it is withheld', async () => {
    expect((await sessionOf(expired).fetch('/x', { withholdToken: true })).status).toBe(200)
  })
})

describe('P46 R13 a 401', () => {
  beforeEach(() => good.delete('canary-0'))

  it.each<[string, SessionRequestInit]>([
    ['nothing', {}],
    ['text', { method: 'POST', body: 'again' }],
    ['bytes', { method: 'POST', body: new TextEncoder().encode('again') }],
    ['a blob', { method: 'POST', body: new Blob(['again']) }],
    ['a form', { method: 'POST', body: new URLSearchParams('again') }],
  ])('renews once and repeats once, with %s for a body', async (_, init) => {
    const seen: TokenRequest[] = []
    const response = await sessionOf(renewing(seen)).fetch('/x', init)
    expect(response.status).toBe(200)
    expect(authorizations()).toEqual(['Bearer canary-0', 'Bearer canary-1'])
    expect(seen).toEqual([undefined, { rejected: 'canary-0' }])
    expect(api.requests[1]?.body).toBe(api.requests[0]?.body)
  })

  it('repeats a form with files', async () => {
    const form = new FormData()
    form.set('file', new Blob(['again']), 'a.txt')
    expect((await sessionOf(renewing()).fetch('/x', { method: 'POST', body: form })).status).toBe(200)
    expect(api.requests.map(({ body }) => body.includes('again'))).toEqual([true, true])
  })

  it('repeats a Request without a body', async () => {
    const request = new Request(`${api.origin}/v1/x`, { headers: { 'x-a': 'b' } })
    expect((await sessionOf(renewing()).fetch(request)).status).toBe(200)
    expect(api.requests.map(({ headers }) => headers['x-a'])).toEqual(['b', 'b'])
  })

  it('a second one surfaces, its response still to be read', async () => {
    good.clear()
    const failure = await sessionOf(renewing())
      .fetch('/x')
      .catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(UnauthorizedError)
    expect(failure).toMatchObject({
      code: 'unauthorized',
      message: expect.stringMatching(
        /^The API .*\(127\.0\.0\.1:\d+\) refuses a token that was renewed just now/,
      ),
    })
    expect(await (failure as UnauthorizedError).response.text()).toBe('stale')
    expect(authorizations()).toEqual(['Bearer canary-0', 'Bearer canary-1'])
    expect(inspect(failure)).not.toContain('canary')
  })

  it('of a token that cannot be renewed surfaces at once', async () => {
    const failure = await sessionOf()
      .fetch('/x')
      .catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(UnauthorizedError)
    expect((failure as Error).cause).toBeInstanceOf(TokenExpiredError)
    expect(await (failure as UnauthorizedError).response.text()).toBe('stale')
    expect(api.requests).toHaveLength(1)
  })

  it('is returned to who wants it so', async () => {
    const response = await sessionOf(tokens, { unauthorized: 'return' }).fetch('/x')
    expect([response.status, await response.text()]).toEqual([401, 'stale'])
    good.clear()
    expect((await sessionOf(renewing(), { unauthorized: 'return' }).fetch('/x')).status).toBe(401)
  })

  it.each(['Bearer error="insufficient_scope", scope="admin"', 'Bearer scope="a", error=insufficient_scope'])(
    'for want of a scope is not mended by a new token: %s',
    async (challenge) => {
      const seen: TokenRequest[] = []
      api.answer = () => ({ status: 401, headers: { 'www-authenticate': challenge } })
      await expect(sessionOf(renewing(seen)).fetch('/x')).rejects.toMatchObject({
        constructor: AuthorizationRequiredError,
        code: 'insufficient_scope',
      })
      expect(seen).toEqual([undefined])
    },
  )

  const streams: [string, () => SessionRequestInit['body']][] = [
    ['a stream', () => new Blob(['once']).stream()],
    ['a Node stream', () => Readable.from(['once']) as unknown as ReadableStream],
  ]
  it.each(streams)('renews, but does not repeat %s', async (_, body) => {
    const seen: TokenRequest[] = []
    const session = sessionOf(renewing(seen))
    const init = () => ({ method: 'POST', body: body(), duplex: 'half' }) as SessionRequestInit
    await expect(session.fetch('/x', init())).rejects.toThrow(
      /streamed body cannot be sent twice: repeat the call/,
    )
    expect(api.requests).toHaveLength(1)
    expect((await session.fetch('/x', init())).status).toBe(200)
  })

  it('does not repeat a Request with a body', async () => {
    const request = new Request(`${api.origin}/v1/x`, { method: 'POST', body: 'once' })
    await expect(sessionOf(renewing()).fetch(request)).rejects.toThrow(/streamed body/)
  })

  it.each([
    ['consent', new AuthorizationRequiredError('needs_reconnect', 'x', { provider: 'acme', scopes: [] })],
    ['a later try', new RefreshFailedError('x', { retryable: true })],
  ])('whose renewal needs %s says so', async (_, error) => {
    const source: TokenSource = {
      token: (request) => (request?.rejected === undefined ? tokens : Promise.reject(error)),
    }
    await expect(sessionOf(source).fetch('/x')).rejects.toBe(error)
  })

  it('of twenty calls at once: one refresh, no failure', async () => {
    await using as = await startScriptedServer(() => ({
      body: { access_token: 'canary-1', expires_in: 3600 },
    }))
    const provider = defineProvider({
      id: 'acme',
      authorizationUrl: `${as.origin}/a`,
      tokenUrl: `${as.origin}/t`,
    })
    const session = sessionOf(refreshingTokens(provider, { clientId: 'c' }, tokens))
    const responses = await Promise.all(
      Array.from({ length: 20 }, (_, index) => session.fetch(`/x/${index}`)),
    )
    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200]))
    expect(as.requests).toHaveLength(1)
  })
})

describe('R12 the refresh behind a call', () => {
  it('has nothing of the call in it', async () => {
    await using as = await startScriptedServer(() => ({ body: { access_token: 'canary-1' } }))
    const provider = defineProvider({
      id: 'acme',
      authorizationUrl: `${as.origin}/a`,
      tokenUrl: `${as.origin}/t`,
      apiBaseUrl: `${api.origin}/v1`,
      apiHeaders: { 'x-api-row': 'CALL' },
    })
    const expired = tokens.with({ expiresAt: new Date(0) })
    const session = new Session(refreshingTokens(provider, { clientId: 'c' }, expired), { provider })
    const init = { method: 'POST', body: 'CALL-body', headers: { 'x-call': 'CALL', cookie: 'CALL=1' } }
    await session.fetch('/x?call=CALL', init)
    good.delete('canary-1')
    await session.fetch('/x?call=CALL', init).catch(() => {})
    expect(as.requests).toHaveLength(2)
    for (const request of as.requests) {
      expect(JSON.stringify(request)).not.toContain('CALL')
      expect(request.headers.authorization).toBeUndefined()
      expect(new URLSearchParams(request.body).get('grant_type')).toBe('refresh_token')
    }
  })
})

describe('a signal', () => {
  const reason = new Error('enough')

  it('stops the call with its own reason', async () => {
    const controller = new AbortController()
    api.answer = () => {
      controller.abort(reason)
      return () => {}
    }
    await expect(sessionOf().fetch('/x', { signal: controller.signal })).rejects.toBe(reason)
  })

  it('of a Request counts, too', async () => {
    const request = new Request(`${api.origin}/v1/x`, { signal: AbortSignal.abort(reason) })
    await expect(sessionOf().fetch(request)).rejects.toBe(reason)
    expect(api.requests).toHaveLength(0)
  })

  it('reaches the source, with the leeway that was asked for', async () => {
    const seen: (TokenRequest | undefined)[] = []
    const { signal } = new AbortController()
    good.delete('canary-0')
    await sessionOf(renewing(seen), { leewaySeconds: 5 }).fetch('/x', { signal })
    expect(seen).toEqual([
      { signal, validForSeconds: 5 },
      { signal, validForSeconds: 5, rejected: 'canary-0' },
    ])
  })
})
