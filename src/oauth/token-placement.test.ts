import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ScriptedServer, startScriptedServer } from '../../test/servers/scripted-http.ts'
import { defineProvider, type ProviderFacts } from '../providers/index.ts'
import { Session } from './session.ts'
import { TokenSet } from './token-set.ts'
import type { TokenSource } from './token-source.ts'

let api: ScriptedServer
const tokens = new TokenSet({ accessToken: 'canary-0' })

beforeEach(async () => {
  api = await startScriptedServer()
})

afterEach(() => api.close())

/** Gives `canary-1` for a refused `canary-0`. */
const renewing: TokenSource = {
  token: (request) => (request?.rejected === 'canary-0' ? tokens.with({ accessToken: 'canary-1' }) : tokens),
}

describe('R19 the token travels as the provider wants it', () => {
  function placed(facts: Partial<ProviderFacts>, source: TokenSource | TokenSet = tokens) {
    const endpoints = {
      authorizationUrl: `${api.origin}/a`,
      tokenUrl: `${api.origin}/t`,
      apiBaseUrl: `${api.origin}/v1`,
    }
    return new Session(source, { provider: defineProvider({ id: 'acme', ...facts, ...endpoints }) })
  }

  it.each([
    ['Authorization: OAuth', 'authorization', 'OAuth canary-0'],
    ['Authorization: Bearer', 'authorization', 'Bearer canary-0'],
    ['X-Shopify-Access-Token', 'x-shopify-access-token', 'canary-0'],
    ['X-Token: Token', 'x-token', 'Token canary-0'],
  ])('as the header %s', async (accessTokenHeader, name, value) => {
    await placed({ accessTokenHeader }).fetch('/x?a=b', { headers: { 'x-a': 'b', [name]: 'evil' } })
    const [request] = api.requests
    expect(request?.headers).toMatchObject({ [name]: value, 'x-a': 'b' })
    expect(request?.url).toBe('/v1/x?a=b')
    if (name !== 'authorization') expect(request?.headers.authorization).toBeUndefined()
  })

  it('in the query, over one that the caller put there', async () => {
    const session = placed({ accessTokenQueryParam: 'oauth_token' })
    await session.fetch('/x?a=b%20c&oauth_token=evil#top', { method: 'POST', body: 'hello' })
    await session.fetch(
      new Request(`${api.origin}/v1/y`, { method: 'POST', body: 'there', headers: { 'x-a': 'b' } }),
    )
    expect(api.requests.map(({ url, body }) => [url, body])).toEqual([
      ['/v1/x?a=b+c&oauth_token=canary-0', 'hello'],
      ['/v1/y?oauth_token=canary-0', 'there'],
    ])
    expect(api.requests[1]?.headers['x-a']).toBe('b')
    expect(api.requests.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined])
  })

  it('in the query, and not in what the runtime says of a request that failed (Bun names the URL)', async () => {
    const provider = defineProvider({
      ...{ id: 'acme', accessTokenQueryParam: 'oauth_token', apiBaseUrl: api.origin },
      ...{ authorizationUrl: `${api.origin}/a`, tokenUrl: `${api.origin}/t` },
    })
    const refuse: typeof fetch = async (url) =>
      Promise.reject(Object.assign(new TypeError('No.'), { code: 'ECONNREFUSED', path: String(url) }))
    const error = await new Session(tokens, { provider, fetch: refuse }).fetch('/x').catch((it) => it)
    expect(error).toMatchObject({ name: 'TypeError', code: 'ECONNREFUSED' })
    expect(inspect(error, { showHidden: true })).not.toContain('canary')
    const stopped = new Error('Enough.')
    const stop: typeof fetch = async () => Promise.reject(stopped)
    await expect(new Session(tokens, { provider, fetch: stop }).fetch('/x')).rejects.toBe(stopped)
  })

  it('in a form body, over one that the caller put there (RFC 6750 section 2.2)', async () => {
    const session = placed({ accessTokenFormParam: 'access_token' })
    const form = new URLSearchParams({ a: 'b c', access_token: 'evil' })
    const type = { 'content-type': 'Application/x-www-form-urlencoded; charset=utf-8' }
    await session.fetch('/x', { method: 'POST', body: form })
    await session.fetch('/x', { method: 'PUT', body: 'a=1&b=%C3%BC', headers: type })
    await session.fetch('/x', { method: 'POST' })
    await session.fetch(new Request(`${api.origin}/v1/y`, { method: 'POST', body: form }))
    expect(api.requests.map(({ body }) => [...new URLSearchParams(body)].flat())).toEqual([
      ['a', 'b c', 'access_token', 'canary-0'],
      ['a', '1', 'b', 'ü', 'access_token', 'canary-0'],
      ['access_token', 'canary-0'],
      ['a', 'b c', 'access_token', 'canary-0'],
    ])
    for (const { headers } of api.requests) {
      expect(headers['content-type']).toMatch(/^application\/x-www-form-urlencoded/)
      expect(headers.authorization).toBeUndefined()
    }
    expect(form.get('access_token')).toBe('evil')
  })

  it.each<[string, RequestInit, string]>([
    ['a GET', {}, ''],
    ['JSON', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }, '{}'],
    ['a plain text', { method: 'POST', body: 'a=b' }, 'a=b'],
  ])('and in the header where there is no form: %s', async (_, init, body) => {
    await placed({ accessTokenFormParam: 'access_token', accessTokenHeader: 'x-token' }).fetch('/x', init)
    expect(api.requests[0]).toMatchObject({ body, headers: { 'x-token': 'canary-0' } })
  })

  it('a form leaves the token behind when it is redirected to another origin', async () => {
    await using other = await startScriptedServer()
    api.answer = () => ({ status: 307, headers: { location: `${other.origin}/y` } })
    const session = placed({ accessTokenFormParam: 'access_token' })
    await session.fetch('/x', { method: 'POST', body: new URLSearchParams({ a: 'b' }) })
    expect(other.requests.map(({ body }) => body)).toEqual(['a=b'])
    expect(JSON.stringify(other.requests)).not.toContain('canary')
  })

  it.each<Partial<ProviderFacts>>([{ accessTokenHeader: 'x-token' }, { accessTokenQueryParam: 'token' }])(
    'and is withheld, renewed and repeated all the same: %j',
    async (facts) => {
      const shown = ({ url, headers }: { url: string; headers: Record<string, unknown> }) =>
        headers['x-token'] ?? new URL(url, api.origin).searchParams.get('token')
      api.answer = (request) => (shown(request) === 'canary-0' ? { status: 401 } : {})
      const session = placed(facts, renewing)
      expect((await session.fetch('/x', { method: 'POST', body: 'again' })).status).toBe(200)
      await session.fetch('/x', { withholdToken: true })
      expect(api.requests.map(shown)).toEqual(['canary-0', 'canary-1', null])
      expect(api.requests.map(({ body }) => body)).toEqual(['again', 'again', ''])
    },
  )
})
