// A caller's own code around requests, in the order in which it was given, and what becomes of its failures.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ScriptedServer, startScriptedServer } from '../../test/servers/scripted-http.ts'
import { TimeoutError, TokenEndpointError } from '../errors.ts'
import { defineProvider, type ProviderFacts } from '../providers/index.ts'
import {
  authorizationCodeGrant,
  type EndpointAnswer,
  type EndpointCall,
  type Hooks,
  introspectToken,
  pendingAuthorization,
  type RequestOptions,
  refreshTokenGrant,
  revokeToken,
  TokenSet,
} from './index.ts'

let server: ScriptedServer
const old = new TokenSet({ accessToken: 'old', refreshToken: 'refresh', extra: { hub: 7 } })

beforeEach(async () => {
  server = await startScriptedServer(() => ({
    body: { access_token: 'fresh', refresh_token: 'next', active: true },
  }))
})
afterEach(() => server.close())

function provider() {
  const at = (path: string) => `${server.origin}/${path}`
  return defineProvider({
    ...{ id: 'acme', authorizationUrl: at('a'), tokenUrl: at('t'), revocationUrl: at('r') },
    introspectionUrl: at('i'),
  })
}

const clientWith = (hooks: Hooks) => ({ clientId: 'client-1', clientSecret: 'canary-secret', hooks })

function exchangeCode(hooks: Hooks, options: RequestOptions = {}) {
  const pending = pendingAuthorization({
    ...{ version: 1, provider: 'acme', clientId: 'client-1', state: 's', redirectUri: 'http://127.0.0.1/' },
    ...{ scopes: [], createdAt: 0, expiresAt: Number.MAX_SAFE_INTEGER },
  })
  const callback = new URLSearchParams({ code: 'the-code', state: 's' })
  return authorizationCodeGrant(provider(), clientWith(hooks), pending, callback, options)
}

const refresh = (hooks: Hooks, options: RequestOptions = {}) =>
  refreshTokenGrant(provider(), clientWith(hooks), old, options)

type Send = (hooks: Hooks) => Promise<unknown>
const kinds: [request: keyof Hooks, response: keyof Hooks, name: string, send: Send][] = [
  ['tokenRequest', 'tokenResponse', 'authorization_code', exchangeCode],
  ['refreshRequest', 'refreshResponse', 'refresh_token', refresh],
  [
    'revocationRequest',
    'revocationResponse',
    'revocation',
    (hooks) => revokeToken(provider(), clientWith(hooks), 't'),
  ],
  [
    'introspectionRequest',
    'introspectionResponse',
    'introspection',
    (hooks) => introspectToken(provider(), clientWith(hooks), 't'),
  ],
]

describe.each(kinds)('R17 %s and %s', (request, response, name, send) => {
  it('see the whole of it, in order, and no other kind', async () => {
    const heard: string[] = []
    const note = (what: string) => async (value: EndpointCall | EndpointAnswer) => {
      await Promise.resolve()
      heard.push(`${what} ${value.name}`)
    }
    const others = Object.fromEntries(
      kinds.flatMap(([one, two]) =>
        one === request
          ? []
          : [
              [one, note('other')],
              [two, note('other')],
            ],
      ),
    )
    const hooks = {
      ...others,
      [request]: [note('first'), note('second')],
      [response]: [note('third'), note('fourth')],
    }
    await send(hooks)
    expect(heard).toEqual(['first', 'second', 'third', 'fourth'].map((what) => `${what} ${name}`))
  })

  it('change the request in place or by returning another', async () => {
    await send({
      [request]: [
        (call: EndpointCall) => {
          call.parameters.append('one', '1')
          call.headers.set('x-one', '1')
        },
        (call: EndpointCall) => ({ ...call, url: `${call.url}?two=${call.parameters.get('one')}` }),
      ],
    })
    const [sent] = server.requests
    expect(sent?.url).toMatch(/\?two=1$/)
    expect(sent?.body).toContain('one=1')
    expect(sent?.headers).toMatchObject({ 'x-one': '1', authorization: expect.stringMatching(/^Basic /) })
  })

  it('what the one before throws ends it, and nothing is sent', async () => {
    const reason = new Error('not today')
    const hooks = {
      [request]: () => {
        throw reason
      },
    }
    await expect(send(hooks)).rejects.toBe(reason)
    expect(server.requests).toEqual([])
  })

  it('what the one after returns is what is understood', async () => {
    const hooks = {
      [response]: (answer: EndpointAnswer) => ({ ...answer, status: 400, text: '{"error":"no_such_thing"}' }),
    }
    await expect(send(hooks)).rejects.toMatchObject({ error: 'no_such_thing', status: 400, request: name })
  })
})

describe('R6 R17 code of the caller’s that never ends', () => {
  const never = () => new Promise<undefined>(() => {})

  it.each<[string, Hooks]>([
    ['before', { refreshRequest: never }],
    ['after', { refreshResponse: never }],
  ])('ends with the request’s time, or at its signal: a hook %s', async (_, hooks) => {
    await expect(refresh(hooks, { timeoutMs: 60 })).rejects.toBeInstanceOf(TimeoutError)
    const reason = new Error('enough')
    const stop = new AbortController()
    setTimeout(() => stop.abort(reason), 30)
    await expect(refresh(hooks, { signal: stop.signal })).rejects.toBe(reason)
  })

  it('ends with the request’s time: authenticate', async () => {
    const client = { clientId: 'client-1', authenticate: never }
    const sent = refreshTokenGrant(provider(), client, old, { timeoutMs: 60 })
    await expect(sent).rejects.toThrow('The function authenticate of the client was not done within 60 ms')
    expect(server.requests).toEqual([])
  })
})

describe('R17 a request hook', () => {
  it('may make a GET of it: the parameters go into the URL', async () => {
    await refresh({ refreshRequest: (call) => ({ ...call, method: 'GET' }) })
    expect(server.requests[0]).toMatchObject({
      method: 'GET',
      body: '',
      url: expect.stringContaining('refresh_token=refresh'),
    })
  })

  it('cannot lead it to where no secret may go', async () => {
    const hooks: Hooks = { refreshRequest: (call) => ({ ...call, url: 'http://elsewhere.example/t' }) }
    await expect(refresh(hooks)).rejects.toMatchObject({ code: 'insecure_url' })
  })

  it('R22 what it adds as client authentication does not come back in an error', async () => {
    server.answer = ({ headers }) => ({
      status: 400,
      body: { error: 'x', error_description: String(headers.authorization) },
    })
    const hooks: Hooks = {
      refreshRequest: ({ headers }) => headers.set('authorization', 'Custom canary-of-the-hook'),
    }
    const error = await refresh(hooks).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(TokenEndpointError)
    expect(error).toMatchObject({ errorDescription: 'Custom [redacted]' })
  })
})

describe('P35 a tokens hook', () => {
  it('keeps what follow-up calls found, each hook on the facts of those before it', async () => {
    server.answer = ({ url }) => ({
      body: url === '/t' ? { access_token: 'fresh', team: 'T1' } : { dc: 'us7' },
    })
    const tokens = await exchangeCode({
      tokens: [
        ({ raw }) => ({ team: raw['team'] }),
        async ({ accessToken, extra, fetch: send, signal }) => {
          const headers = { authorization: `OAuth ${accessToken}` }
          const answer = await send(`${server.origin}/metadata?${extra['team']}`, { headers, signal })
          const { dc } = (await answer.json()) as { dc: string }
          return { dc }
        },
        () => {},
      ],
    })
    expect(tokens.extra).toEqual({ team: 'T1', dc: 'us7' })
    expect(server.requests[1]).toMatchObject({
      url: '/metadata?T1',
      headers: { authorization: 'OAuth fresh' },
    })
  })

  it('P29 never takes the place of a token', async () => {
    const tokens = await refresh({ tokens: () => ({ access_token: 'evil', refresh_token: 'evil', hub: 8 }) })
    expect(tokens).toMatchObject({ accessToken: 'fresh', refreshToken: 'next', expiresAt: null })
    expect(tokens.extra['hub']).toBe(8)
  })

  it('sends with the call’s own fetch, and within its time limit', async () => {
    const calls: string[] = []
    const send: typeof fetch = (input, init) => {
      calls.push(String(input))
      return fetch(input, init)
    }
    const options = { fetch: send, timeoutMs: 150 }
    await exchangeCode({ tokens: async ({ fetch: own }) => void (await own(`${server.origin}/x`)) }, options)
    expect(calls).toEqual([`${server.origin}/t`, `${server.origin}/x`])
    const slow = exchangeCode({ tokens: () => new Promise<undefined>(() => {}) }, options)
    await expect(slow).rejects.toBeInstanceOf(TimeoutError)
  })

  it('that throws ends a consent: the facts may be what the caller cannot do without', async () => {
    const reason = new Error('no metadata')
    const hooks = { tokens: () => Promise.reject(reason) }
    await expect(exchangeCode(hooks)).rejects.toBe(reason)
  })

  it.each<[string, Hooks['tokens'], RequestOptions]>([
    ['throws', () => Promise.reject<undefined>(new Error('no metadata')), {}],
    ['is not done in time', () => new Promise<undefined>(() => {}), { timeoutMs: 100 }],
    ['returns something else', () => 'text' as never, {}],
  ])('that %s does not cost the tokens of a refresh', async (_, hook, options) => {
    const failures: unknown[] = []
    const first = () => ({ team: 'T1' })
    const hooks = {
      tokens: [first, hook].flat() as Hooks['tokens'],
      tokensFailed: (error: unknown) => failures.push(error),
    }
    const tokens = await refresh(hooks, options)
    expect(tokens).toMatchObject({
      accessToken: 'fresh',
      refreshToken: 'next',
      extra: { hub: 7, team: 'T1' },
    })
    expect(failures).toHaveLength(1)
  })

  it('that throws once more, in tokensFailed, does not cost them either', async () => {
    const fail = () => {
      throw new Error('again')
    }
    expect((await refresh({ tokens: fail, tokensFailed: fail })).refreshToken).toBe('next')
  })

  it('does not wait for one that the caller gave up on, once tokens were renewed', async () => {
    const stop = new AbortController()
    const hooks: Hooks = {
      tokens: () => {
        stop.abort(new Error('enough'))
        return new Promise<undefined>(() => {})
      },
    }
    expect((await refresh(hooks, { signal: stop.signal })).refreshToken).toBe('next')
  })
})

describe('P45 what builds a refresh request is typed', () => {
  it('a wrong parameter list, parameter or result does not compile', async () => {
    const wrong: Hooks[] = [
      // @ts-expect-error there is no second parameter
      { refreshRequest: (_call: EndpointCall, _secret: string) => {} },
      // @ts-expect-error it is told of a request, not of a client
      { refreshRequest: (_call: { clientId: string }) => {} },
      // @ts-expect-error a request is no text
      { refreshRequest: () => 'grant_type=refresh_token' },
      // @ts-expect-error an answer is no request
      { refreshRequest: (call) => ({ name: call.name, status: 200, headers: call.headers, text: '' }) },
      // @ts-expect-error a member by this name there is not
      { refreshRequests: () => {} },
    ]
    expect(wrong).toHaveLength(5)
    // @ts-expect-error parameters are texts
    const refreshParams: NonNullable<ProviderFacts['refreshParams']> = { n: 1 }
    const endpoints = { authorizationUrl: 'https://a.example/', tokenUrl: 'https://a.example/' }
    expect(() => defineProvider({ id: 'a', ...endpoints, refreshParams })).toThrow('refreshParams')
  })
})
