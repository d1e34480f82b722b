import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ScriptedServer, startScriptedServer } from '../../test/servers/scripted-http.ts'
import { RequestRefusedError } from '../errors.ts'
import { defineProvider, type ProviderFacts } from '../providers/index.ts'
import { Session, type SessionRequestInit } from './session.ts'
import { TokenSet } from './token-set.ts'

// Two real servers: a redirect from the API to the other one must not carry the token, wherever it travels.
let api: ScriptedServer
let other: ScriptedServer
/** Path of the API -> what it redirects to. */
let redirects: Record<string, [status: number, location: string]>

beforeEach(async () => {
  redirects = {}
  api = await startScriptedServer(({ url, method, body }) => {
    const [status, location] = redirects[url.split('?')[0] ?? ''] ?? []
    if (status !== undefined && location !== undefined)
      return { status, headers: { location }, body: 'moved' }
    return { body: { arrived: url.split('?')[0], method, body } }
  })
  other = await startScriptedServer(({ method, body }) => ({ body: { other: true, method, body } }))
})

afterEach(async () => {
  await api.close()
  await other.close()
})

const placements: [name: string, facts: Partial<ProviderFacts>][] = [
  ['Authorization: Bearer', {}],
  ['Authorization: OAuth', { accessTokenHeader: 'Authorization: OAuth' }],
  ['a header of its own', { accessTokenHeader: 'x-access-token' }],
  ['the query', { accessTokenQueryParam: 'oauth_token' }],
]
const ownPlacements = placements.slice(2)

function sessionOf(facts: Partial<ProviderFacts>, send?: typeof fetch): Session {
  const endpoints = {
    authorizationUrl: `${api.origin}/a`,
    tokenUrl: `${api.origin}/t`,
    apiBaseUrl: api.origin,
  }
  const provider = defineProvider({ id: 'acme', ...facts, ...endpoints })
  return new Session(new TokenSet({ accessToken: 'canary-token' }), {
    provider,
    ...(send ? { fetch: send } : {}),
  })
}

const seen = (server: ScriptedServer) => JSON.stringify(server.requests)
const withToken = (server: ScriptedServer) =>
  server.requests.map((request) => JSON.stringify(request).includes('canary-token'))

describe.each(placements)('a token in %s', (_, facts) => {
  it.each([301, 302, 303, 307, 308])(
    'does not follow a %i to another origin; the call does',
    async (status) => {
      redirects['/x'] = [status, `${other.origin}/y`]
      const response = await sessionOf(facts).fetch('/x', { headers: { 'x-a': 'b', cookie: 'c=1' } })
      expect(await response.json()).toMatchObject({ other: true })
      expect(withToken(api)).toEqual([true])
      expect(seen(other)).not.toContain('canary')
      expect(other.requests).toMatchObject([{ url: '/y', headers: { 'x-a': 'b' } }])
      expect(other.requests[0]?.headers.cookie).toBeUndefined()
    },
  )

  it('goes along within one origin', async () => {
    redirects['/x'] = [302, '/y']
    redirects['/y'] = [307, `${api.origin}/z`]
    expect(await (await sessionOf(facts).fetch('/x?a=b')).json()).toMatchObject({ arrived: '/z' })
    expect(withToken(api)).toEqual([true, true, true])
  })

  it('stays behind for good once it was left behind', async () => {
    redirects['/x'] = [302, `${other.origin}/y`]
    other.answer = () => ({ status: 302, headers: { location: `${api.origin}/z` } })
    await sessionOf(facts).fetch('/x')
    expect(withToken(api)).toEqual([true, false])
    expect(seen(other)).not.toContain('canary')
  })

  it.each([
    [307, 'POST', 'body'],
    [308, 'PUT', 'body'],
    [303, 'GET', ''],
    [302, 'GET', ''],
    [301, 'GET', ''],
  ])('%i after a request with a body makes it %s', async (status, method, body) => {
    redirects['/x'] = [status, '/y']
    const init = {
      method: status === 308 ? 'PUT' : 'POST',
      body: 'body',
      headers: { 'content-type': 'text/plain' },
    }
    expect(await (await sessionOf(facts).fetch('/x', init)).json()).toEqual({ arrived: '/y', method, body })
    expect(withToken(api)).toEqual([true, true])
    if (body === '') expect(api.requests[1]?.headers['content-type']).toBeUndefined()
  })

  it('does not follow when the caller wants to see the redirect, or to fail', async () => {
    redirects['/x'] = [302, `${other.origin}/y`]
    const session = sessionOf(facts)
    const response = await session.fetch('/x', { redirect: 'manual' })
    expect([response.status, response.headers.get('location')]).toEqual([302, `${other.origin}/y`])
    expect((await session.fetch(new Request(`${api.origin}/x`, { redirect: 'manual' }))).status).toBe(302)
    await expect(session.fetch('/x', { redirect: 'error' })).rejects.toBeInstanceOf(TypeError)
    expect(other.requests).toHaveLength(0)
  })

  it('gives up after twenty redirects', async () => {
    redirects['/x'] = [302, '/x']
    await expect(sessionOf(facts).fetch('/x')).rejects.toBeInstanceOf(TypeError)
    expect(api.requests).toHaveLength(21)
  })

  it.each(['ftp://x.example/', 'data:,x', 'http://['])('does not follow to %s', async (location) => {
    redirects['/x'] = [302, location]
    await expect(sessionOf(facts).fetch('/x')).rejects.toThrow()
    expect(api.requests).toHaveLength(1)
  })

  it('keeps method, headers and signal of a Request', async () => {
    redirects['/x'] = [307, '/y']
    const request = new Request(`${api.origin}/x`, { method: 'DELETE', headers: { 'x-a': 'b' } })
    expect(await (await sessionOf(facts).fetch(request)).json()).toMatchObject({
      arrived: '/y',
      method: 'DELETE',
    })
    expect(api.requests[1]?.headers['x-a']).toBe('b')
    const reason = new Error('enough')
    const controller = new AbortController()
    api.answer = ({ url }) => {
      if (url.startsWith('/y')) controller.abort(reason)
      return url.startsWith('/y') ? () => {} : { status: 307, headers: { location: '/y' } }
    }
    const stopped = sessionOf(facts).fetch(new Request(`${api.origin}/x`, { signal: controller.signal }))
    await expect(stopped).rejects.toBe(reason)
  })

  it('a 401 of the other origin, which saw no token, is no reason to renew one', async () => {
    redirects['/x'] = [302, `${other.origin}/y`]
    other.answer = () => ({ status: 401, body: 'who are you?' })
    const response = await sessionOf(facts).fetch('/x')
    expect([response.status, await response.text()]).toEqual([401, 'who are you?'])
  })

  it('cannot send a stream twice', async () => {
    redirects['/x'] = [307, '/y']
    const init = { method: 'POST', body: new Blob(['once']).stream(), duplex: 'half' } as SessionRequestInit
    await expect(sessionOf(facts).fetch('/x', init)).rejects.toBeInstanceOf(TypeError)
    expect(api.requests).toHaveLength(1)
  })
})

describe.each(ownPlacements)('a redirect under a token in %s', (_, facts) => {
  it.each([
    ['as it is', 'canary-token'],
    ['percent-encoded', '%63anary%2Dtoken'],
  ])('that shows the token to the other origin is refused: %s', async (_name, token) => {
    redirects['/x'] = [302, `${other.origin}/y?oauth_token=${token}&bad=%zz%ff`]
    await expect(sessionOf(facts).fetch('/x')).rejects.toMatchObject({
      constructor: RequestRefusedError,
      code: 'cross_origin_redirect',
      message: expect.not.stringContaining('canary'),
    })
    expect(other.requests).toHaveLength(0)
  })

  it('that the runtime hides is refused', async () => {
    const opaque = Object.defineProperty(new Response(null), 'type', { value: 'opaqueredirect' })
    const call = sessionOf(facts, async () => opaque).fetch('/x')
    await expect(call).rejects.toMatchObject({ code: 'cross_origin_redirect' })
  })
})
