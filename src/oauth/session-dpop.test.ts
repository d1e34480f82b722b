import { EmbeddedJWK, jwtVerify } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ScriptedServer, startScriptedServer } from '../../test/servers/scripted-http.ts'
import { UnauthorizedError } from '../errors.ts'
import { defineProvider } from '../providers/index.ts'
import { generateDpopKey } from './dpop-key.ts'
import { Session, type SessionOptions, type SessionRequestInit } from './session.ts'
import { TokenSet } from './token-set.ts'
import type { TokenSource } from './token-source.ts'

// Two real servers. The API takes a bound token with a proof that fits the request, and nothing else.
let api: ScriptedServer
let other: ScriptedServer
/** What the API wants in proofs; absent: nothing. */
let nonce: string | undefined
/** Path -> where it redirects to, with 307. */
let redirects: Record<string, string>
const proofsSeen = new Set<string>()

const dpopKey = await generateDpopKey()
const tokens = new TokenSet({ accessToken: 'canary-0', tokenType: 'DPoP', dpopKey })

beforeEach(async () => {
  nonce = undefined
  redirects = {}
  api = await startScriptedServer(async (request) => {
    const problem = await problemWith(request)
    const fresh: Record<string, string> = nonce === undefined ? {} : { 'dpop-nonce': nonce }
    if (problem !== undefined)
      return { status: 401, headers: { 'www-authenticate': `DPoP error="${problem}"`, ...fresh } }
    const location = redirects[request.url.split('?')[0] ?? '']
    if (location !== undefined) return { status: 307, headers: { location } }
    return { headers: fresh, body: { method: request.method, url: request.url, body: request.body } }
  })
  other = await startScriptedServer(() => ({ body: 'other' }))
})

afterEach(async () => {
  await api.close()
  await other.close()
})

async function problemWith(request: { method: string; url: string; headers: Record<string, unknown> }) {
  const { authorization = '', dpop = '' } = request.headers as Record<string, string>
  const token = /^DPoP (.+)$/.exec(authorization)?.[1]
  if (token !== 'canary-0' && token !== 'canary-1') return 'invalid_token'
  const verified = await jwtVerify(dpop, EmbeddedJWK, { typ: 'dpop+jwt' }).catch(() => undefined)
  if (verified === undefined || verified.protectedHeader.jwk?.x !== dpopKey.x) return 'invalid_dpop_proof'
  const { htm, htu, jti = '', nonce: sent } = verified.payload
  const path = request.url.split('?')[0]
  if (htm !== request.method || htu !== api.origin + path || proofsSeen.has(jti)) return 'invalid_dpop_proof'
  proofsSeen.add(jti)
  return nonce !== undefined && sent !== nonce ? 'use_dpop_nonce' : undefined
}

function sessionOf(source: TokenSource | TokenSet = tokens, options: SessionOptions = {}): Session {
  return new Session(source, { apiBaseUrl: `${api.origin}/v1`, ...options })
}

const statuses = async (session: Session, paths: string[]) =>
  Promise.all(paths.map(async (path) => (await session.fetch(path)).status))

describe('a token that is bound to a key', () => {
  it.each<[string, SessionRequestInit, string]>([
    ['GET', {}, ''],
    ['post', { method: 'post', body: 'text' }, 'text'],
    ['PATCH', { method: 'PATCH', body: new Blob(['blob']) }, 'blob'],
    [
      'POST',
      { method: 'POST', body: new Blob(['a', 'b']).stream(), duplex: 'half' } as SessionRequestInit,
      'ab',
    ],
  ])('travels with a proof for this very request: %s', async (method, init, body) => {
    const response = await sessionOf().fetch('/items/../x?a=b#c', init)
    expect(await response.json()).toEqual({ method: method.toUpperCase(), url: '/v1/x?a=b', body })
    expect(api.requests).toHaveLength(1)
  })

  it('in a Request too, whatever the provider row says of bearer tokens', async () => {
    const provider = defineProvider({
      id: 'acme',
      authorizationUrl: `${api.origin}/a`,
      tokenUrl: `${api.origin}/t`,
      apiBaseUrl: api.origin,
      accessTokenQueryParam: 'access_token',
      apiHeaders: { 'x-row': '1' },
    })
    const request = new Request(`${api.origin}/y`, { method: 'PUT', body: 'there', headers: { 'x-a': 'b' } })
    const nothing = { method: undefined, headers: undefined } as unknown as SessionRequestInit
    const response = await sessionOf(tokens, { provider, apiBaseUrl: api.origin }).fetch(request, nothing)
    expect(await response.json()).toEqual({ method: 'PUT', url: '/y', body: 'there' })
    expect(api.requests[0]?.headers).toMatchObject({ 'x-a': 'b', 'x-row': '1' })
  })

  it('is dated by the clock that was handed in', async () => {
    await sessionOf(tokens, { now: () => Date.now() + 5_000_000 }).fetch('/x')
    const { payload } = await jwtVerify(String(api.requests[0]?.headers['dpop']), EmbeddedJWK)
    expect((payload.iat ?? 0) * 1000 - Date.now()).toBeGreaterThan(4_900_000)
  })

  it('and has lost its key is a mistake that names what to do; nothing is sent', async () => {
    const lost = sessionOf(new TokenSet({ accessToken: 'canary-0', tokenType: 'dpop' }))
    await expect(lost.fetch('/x')).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/dpopKey.*serialize/),
    })
    expect(api.requests).toHaveLength(0)
  })

  it('is a bearer token where the server did not bind it, key or not', async () => {
    await sessionOf(new TokenSet({ accessToken: 'canary-0', dpopKey }))
      .fetch('/x')
      .catch(() => {})
    expect(api.requests[0]?.headers).toMatchObject({ authorization: 'Bearer canary-0' })
    expect(api.requests[0]?.headers['dpop']).toBeUndefined()
  })
})

describe('a nonce that the API wants', () => {
  it('is sent in a second request, which is no renewal, and in the first from then on', async () => {
    nonce = 'n-1'
    const seen: unknown[] = []
    const session = sessionOf({
      token: (request) => {
        seen.push(request?.rejected)
        return tokens
      },
    })
    const answer = await session.fetch('/x', { method: 'POST', body: 'again' })
    expect(await answer.json()).toMatchObject({ body: 'again' })
    expect(api.requests).toHaveLength(2)
    await session.fetch('/y')
    expect(api.requests).toHaveLength(3)
    expect(seen).toEqual([undefined, undefined])
  })

  it('is taken from a success as well', async () => {
    nonce = 'n-1'
    const session = sessionOf()
    await session.fetch('/x')
    api.requests.length = 0
    const check = api.answer
    api.answer = async (request) => {
      const answer = await check(request)
      nonce = 'n-2'
      return { ...answer, headers: { 'dpop-nonce': 'n-2' } } as typeof answer
    }
    await session.fetch('/x')
    api.answer = check
    expect(await statuses(session, ['/y', '/z'])).toEqual([200, 200])
    expect(api.requests).toHaveLength(3)
  })

  it('is asked for once a request: an API that is never content is a 401', async () => {
    let count = 0
    api.answer = () => {
      count += 1
      const headers = { 'www-authenticate': 'DPoP error="use_dpop_nonce"', 'dpop-nonce': `n-${count}` }
      return { status: 401, headers }
    }
    const source: TokenSource = { token: () => tokens }
    await expect(sessionOf(source).fetch('/x')).rejects.toThrow(/asks for its nonce again/)
    expect(api.requests).toHaveLength(2)
    expect((await sessionOf(source, { unauthorized: 'return' }).fetch('/x')).status).toBe(401)
  })

  it('cannot be added to a streamed body; the next call has it', async () => {
    nonce = `n-${Math.random()}`
    const session = sessionOf({
      token: (request) => (request?.rejected === undefined ? tokens : expect.unreachable('renewed')),
    })
    const init = () =>
      ({ method: 'POST', body: new Blob(['once']).stream(), duplex: 'half' }) as SessionRequestInit
    await expect(session.fetch('/x', init())).rejects.toThrow(/nonce.*streamed body cannot be sent twice/)
    expect((await session.fetch('/x', init())).status).toBe(200)
    expect(api.requests).toHaveLength(2)
  })
})

describe('a redirect of a call with a proof', () => {
  it('gets another proof within the origin, with the nonce it needs', async () => {
    redirects = { '/v1/x': '/v1/y?a=b', '/v1/y': `${api.origin}/z` }
    nonce = 'n-redirect'
    const response = await sessionOf().fetch('/x', { method: 'POST', body: 'along' })
    expect(await response.json()).toEqual({ method: 'POST', url: '/z', body: 'along' })
  })

  it('to another origin carries neither token nor proof', async () => {
    redirects = { '/v1/x': `${other.origin}/y` }
    expect(await (await sessionOf().fetch('/x', { headers: { 'x-a': 'b' } })).text()).toBe('other')
    expect(other.requests[0]?.headers).toMatchObject({ 'x-a': 'b' })
    expect(JSON.stringify(other.requests)).not.toMatch(/canary|dpop/i)
  })

  it('is returned to who wants to see it', async () => {
    redirects = { '/v1/x': '/v1/y' }
    expect((await sessionOf().fetch('/x', { redirect: 'manual' })).status).toBe(307)
  })
})

describe('P46 R13 a 401 of a bound token', () => {
  const renewing: TokenSource = {
    token: ({ rejected } = {}) =>
      rejected === undefined
        ? new TokenSet({ accessToken: 'canary-old', tokenType: 'DPoP', dpopKey })
        : tokens.with({ accessToken: 'canary-1' }),
  }

  it('renews once and repeats once, with a proof for the new token', async () => {
    expect((await sessionOf(renewing).fetch('/x', { method: 'POST', body: 'again' })).status).toBe(200)
    expect(api.requests.map(({ headers }) => headers.authorization)).toEqual([
      'DPoP canary-old',
      'DPoP canary-1',
    ])
  })

  it('of another key surfaces: who has the token alone has nothing', async () => {
    const stolen = tokens.with({ dpopKey: await generateDpopKey() })
    await expect(sessionOf(stolen).fetch('/x')).rejects.toBeInstanceOf(UnauthorizedError)
  })
})
