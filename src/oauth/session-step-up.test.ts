import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ScriptedServer, startScriptedServer } from '../../test/servers/scripted-http.ts'
import { AuthorizationRequiredError } from '../errors.ts'
import { defineProvider } from '../providers/index.ts'
import type { ApiCall } from './hooks.ts'
import { Session, type SessionOptions } from './session.ts'
import { TokenSet } from './token-set.ts'
import type { TokenRequest, TokenSource } from './token-source.ts'

let api: ScriptedServer

beforeEach(async () => {
  api = await startScriptedServer()
})

afterEach(() => api.close())

const tokens = new TokenSet({ accessToken: 'canary-0', scopes: ['read', 'list'] })

function sessionOf(options: SessionOptions = {}, source: TokenSource | TokenSet = tokens): Session {
  const endpoints = { authorizationUrl: `${api.origin}/a`, tokenUrl: `${api.origin}/t` }
  const provider = defineProvider({ id: 'acme', ...endpoints, apiBaseUrl: api.origin })
  return new Session(source, { provider, ...options })
}

const refuse = (status: number, challenge?: string) => {
  api.answer = () => ({
    status,
    headers: challenge === undefined ? {} : { 'www-authenticate': challenge },
    body: 'refused',
  })
}

async function failure(session: Session): Promise<AuthorizationRequiredError> {
  const thrown = await session.fetch('/x').catch((error: unknown) => error)
  expect(thrown).toBeInstanceOf(AuthorizationRequiredError)
  return thrown as AuthorizationRequiredError
}

describe('an API that wants further scopes (RFC 6750 section 3.1)', () => {
  it.each([401, 403])(
    'with HTTP %i: the error has all scopes, and names the missing ones',
    async (status) => {
      refuse(status, 'Bearer realm="x", error="insufficient_scope", scope="read admin audit"')
      const seen: (TokenRequest | undefined)[] = []
      const source: TokenSource = {
        token: (request) => {
          seen.push(request)
          return tokens
        },
      }
      const error = await failure(sessionOf({}, source))
      expect(error).toMatchObject({
        code: 'insufficient_scope',
        provider: 'acme',
        scopes: ['read', 'list', 'admin', 'audit'],
        challenge: { missing: ['admin', 'audit'] },
        message: expect.stringContaining('"admin audit"'),
      })
      expect(seen).toEqual([undefined]) // nothing was renewed
      expect(api.requests).toHaveLength(1)
    },
  )

  it('without naming any that is not granted says so', async () => {
    refuse(403, 'Bearer error="insufficient_scope"')
    const error = await failure(sessionOf())
    expect(error).toMatchObject({ scopes: ['read', 'list'], challenge: { missing: [] } })
    expect(error.message).toMatch(/names none that was not granted/)
  })

  it('after the token was renewed', async () => {
    api.answer = ({ headers }) =>
      headers.authorization === 'Bearer canary-0'
        ? { status: 401 }
        : { status: 403, headers: { 'www-authenticate': 'Bearer error="insufficient_scope", scope="admin"' } }
    const source: TokenSource = {
      token: (request) =>
        request?.rejected === undefined ? tokens : tokens.with({ accessToken: 'canary-1' }),
    }
    expect(await failure(sessionOf({}, source))).toMatchObject({ challenge: { missing: ['admin'] } })
  })

  it('of a session without a provider names the host', async () => {
    refuse(403, 'Bearer error="insufficient_scope", scope="admin"')
    const error = await failure(new Session(tokens, { apiBaseUrl: api.origin }))
    expect(error.provider).toBe(new URL(api.origin).host)
  })

  it('and says where it describes itself (RFC 9728)', async () => {
    const metadata = 'https://api.example/.well-known/oauth-protected-resource'
    refuse(401, `Bearer error="insufficient_scope", scope="a", resource_metadata="${metadata}"`)
    expect((await failure(sessionOf())).challenge).toMatchObject({ resourceMetadata: metadata })
  })

  it('is returned to who wants responses', async () => {
    refuse(403, 'Bearer error="insufficient_scope", scope="admin"')
    const response = await sessionOf({ unauthorized: 'return' }).fetch('/x')
    expect([response.status, await response.text()]).toEqual([403, 'refused'])
  })

  it('counts at its own origin only', async () => {
    const challenge = 'Bearer error="insufficient_scope", scope="everything"'
    await using stranger = await startScriptedServer(() => ({
      status: 403,
      headers: { 'www-authenticate': challenge },
    }))
    api.answer = () => ({ status: 302, headers: { location: `${stranger.origin}/y` } })
    expect((await sessionOf().fetch('/x')).status).toBe(403)
  })
})

describe('an API that wants another sign-in (RFC 9470)', () => {
  it('says how: acr_values and max_age', async () => {
    refuse(401, 'Bearer error="insufficient_user_authentication", acr_values="gold", max_age="300"')
    expect(await failure(sessionOf())).toMatchObject({
      code: 'insufficient_scope',
      scopes: ['read', 'list'],
      challenge: { missing: [], acrValues: ['gold'], maxAgeSeconds: 300 },
      message: expect.stringMatching(/sign in again.*acr_values "gold", max_age 300/),
    })
  })
})

it.each([undefined, 'Bearer', 'Bearer error="access_denied"', 'garbage, "'])(
  'any other 403 is the caller’s: %s',
  async (challenge) => {
    refuse(403, challenge)
    const response = await sessionOf().fetch('/x')
    expect([response.status, await response.text()]).toEqual([403, 'refused'])
  },
)

describe('R17 the client of a session', () => {
  it('has a hook that sees each request with its token, and may change it', async () => {
    const seen: string[] = []
    const hooks = {
      apiRequest: [
        async ({ url, init }: ApiCall) => {
          seen.push(`${url} ${new Headers(init.headers).get('authorization')}`)
          return { url: `${url}?signed=1`, init }
        },
        ({ init }: ApiCall) => {
          init.headers = { ...Object.fromEntries(new Headers(init.headers)), 'x-signature': 's' }
        },
      ],
    }
    const session = sessionOf({ client: { hooks } })
    await session.fetch('/x')
    await session.fetch(
      new Request(`${api.origin}/y`, { method: 'POST', body: 'b', headers: { 'x-a': 'b' } }),
    )
    expect(seen).toEqual([`${api.origin}/x Bearer canary-0`, `${api.origin}/y Bearer canary-0`])
    expect(api.requests.map(({ url, body }) => [url, body])).toEqual([
      ['/x?signed=1', ''],
      ['/y?signed=1', 'b'],
    ])
    expect(api.requests[1]?.headers).toMatchObject({ 'x-signature': 's', 'x-a': 'b' })
  })

  it('stops a call by throwing, with its own error', async () => {
    const reason = new Error('not today')
    const hooks = { apiRequest: () => Promise.reject(reason) }
    await expect(sessionOf({ client: { hooks } }).fetch('/x')).rejects.toBe(reason)
    expect(api.requests).toHaveLength(0)
  })

  it('sends with its fetch, for certificates, unless the session has one', async () => {
    const by =
      (name: string): typeof fetch =>
      async () =>
        new Response(name)
    const client = { fetch: by('client') }
    expect(await (await sessionOf({ client }).fetch('/x')).text()).toBe('client')
    expect(await (await sessionOf({ client, fetch: by('session') }).fetch('/x')).text()).toBe('session')
  })
})
