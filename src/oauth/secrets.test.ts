import { generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type ScriptedAnswer,
  type ScriptedServer,
  startScriptedServer,
} from '../../test/servers/scripted-http.ts'
import { ToolgrantError } from '../errors.ts'
import { defineProvider, type ProviderFacts } from '../providers/index.ts'
import {
  authorizationCodeGrant,
  type Client,
  hideClientSecret,
  introspectToken,
  pendingAuthorization,
  refreshingTokens,
  refreshTokenGrant,
  revokeToken,
  Session,
  TokenSet,
} from './index.ts'

// Whatever goes wrong, in whatever request: what is thrown is searched for every secret, causes and hidden members too.
const secrets = ['client-secret', 'code', 'verifier', 'state', 'access', 'refresh', 'id', 'nonce'].map(
  (name) => `canary-${name}+/=&"ü`,
)
const [clientSecret = '', code = '', codeVerifier = '', state = '', , refreshToken = '', idToken = ''] =
  secrets
const accessToken = 'canary-access+/='
const searched = ['canary', encodeURIComponent('canary-c').slice(0, 8), btoa('client-1:canary').slice(0, 18)]

let server: ScriptedServer

beforeAll(async () => {
  server = await startScriptedServer()
})

afterAll(() => server.close())

const echo = (request: { url: string; body: string; headers: object }) =>
  `${request.url} ${decodeURIComponent(request.url)} ${request.body} ${decodeURIComponent(request.body.replaceAll('+', ' '))}`

const answers: [name: string, answer: ScriptedServer['answer']][] = [
  [
    'an error that quotes the request',
    (request) => ({ status: 400, body: { error: 'invalid_grant', error_description: echo(request) } }),
  ],
  ['an error code that quotes the request', (request) => ({ status: 400, body: { error: echo(request) } })],
  [
    'an error object that quotes the request',
    (request) => ({ status: 400, body: { error: { code: 1, message: echo(request) } } }),
  ],
  ['a page that quotes the request', (request) => ({ status: 500, body: `<h1>Oops</h1>${echo(request)}` })],
  ['text that quotes the request', (request) => ({ status: 403, body: `No: ${echo(request)}` })],
  [
    'a redirect that quotes the request',
    (request) => ({ status: 302, headers: { location: `/x?${encodeURIComponent(echo(request))}` } }),
  ],
  ['JSON that is cut off', () => ({ body: `{"access_token":"${accessToken}` })],
  ['a token that cannot be used', () => ({ body: { access_token: `${accessToken}\n` } })],
  ['no connection', () => (response) => response.socket?.destroy()],
  ['too much', () => (response) => response.end(accessToken.repeat(100_000))],
  ['silence', () => () => {}],
]

const formats: [name: string, facts: Partial<ProviderFacts>][] = [
  ['a form with Basic', {}],
  ['a form with the secret in it', { tokenEndpointAuthMethod: 'client_secret_post' }],
  ['JSON', { tokenRequestFormat: 'json', tokenEndpointAuthMethod: 'json_body', revocationFormat: 'json' }],
  [
    'GET',
    { tokenRequestFormat: 'get', tokenEndpointAuthMethod: 'client_secret_post', revocationFormat: 'bearer' },
  ],
]

// A key of Web Crypto cannot be read back; the JWK's private part is what must not show.
const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
  format: 'jwk',
}) as JsonWebKey

const proofs: [name: string, facts: Partial<ProviderFacts>, changes: Partial<Client>][] = [
  ['a signed assertion', { tokenEndpointAuthMethod: 'private_key_jwt' }, { privateKey: { key: jwk } }],
  ['an assertion by the secret', { tokenEndpointAuthMethod: 'client_secret_jwt' }, {}],
  ['the secret as an assertion', { tokenEndpointAuthMethod: 'client_assertion_secret' }, {}],
  ['a hash', { tokenEndpointAuthMethod: 'client_secret_hash' }, {}],
  [
    'a function of the caller’s own',
    { tokenEndpointAuthMethod: 'signed_request' },
    { authenticate: ({ parameters }) => parameters.set('signature', 'canary-signature') },
  ],
]

describe.each(proofs)('R22 no error shows how the client proves who it is: %s', (_proof, facts, changes) => {
  it.each(answers)('answered with %s', async (_, answer) => {
    server.answer = answer as (request: unknown) => ScriptedAnswer
    const at = (path: string) => `${server.origin}/${path}`
    const row = {
      authorizationUrl: at('a'),
      tokenUrl: at('t'),
      revocationUrl: at('r'),
      introspectionUrl: at('i'),
    }
    const provider = defineProvider({ id: 'acme', ...facts, ...row })
    const asClient = hideClientSecret({ clientId: 'client-1', clientSecret, ...changes })
    const tokens = new TokenSet({ accessToken, refreshToken })
    const options = { timeoutMs: 50 }
    const before = server.requests.length
    const thrown = await Promise.allSettled([
      refreshTokenGrant(provider, asClient, tokens, options),
      introspectToken(provider, asClient, accessToken, options),
      revokeToken(provider, asClient, refreshToken, options),
    ])
    const sent = server.requests.slice(before).map(({ body }) => new URLSearchParams(body))
    const proof = ['client_assertion', 'hash', 'signature'].flatMap((name) =>
      sent.flatMap((one) => one.getAll(name)),
    )
    const shown = [
      asClient,
      ...thrown.map((outcome) => (outcome.status === 'rejected' ? outcome.reason : '')),
    ]
      .map((one) => `${inspect(one, { depth: null, showHidden: true })} ${JSON.stringify(one)} ${one?.stack}`)
      .join('\n')
    expect(proof).toHaveLength(sent.length)
    for (const part of [...searched, ...proof, String(jwk.d)]) expect(shown).not.toContain(part)
    expect(thrown[0]?.status).toBe('rejected')
  })
})

describe.each(formats)('R22 P59 no error shows a secret: requests as %s', (_format, facts) => {
  it.each(answers)('answered with %s', async (_, answer) => {
    server.answer = answer as (request: unknown) => ScriptedAnswer
    const endpoints = {
      authorizationUrl: `${server.origin}/a`,
      tokenUrl: `${server.origin}/t`,
      apiBaseUrl: server.origin,
    }
    const provider = defineProvider({
      id: 'acme',
      ...facts,
      ...endpoints,
      revocationUrl: `${server.origin}/r`,
    })
    const client = { clientId: 'client-1', clientSecret }
    const tokens = new TokenSet({ accessToken, refreshToken, idToken, expiresAt: new Date(0) })
    const pending = pendingAuthorization({
      version: 1,
      provider: 'acme',
      clientId: 'client-1',
      state,
      codeVerifier,
      redirectUri: 'http://127.0.0.1/',
      scopes: [],
      createdAt: 0,
      expiresAt: Number.MAX_SAFE_INTEGER,
    })
    const callback = new URLSearchParams({ code, state })
    const options = { timeoutMs: 50 }
    const session = new Session(refreshingTokens(provider, client, tokens, options), { provider })
    const thrown = await Promise.allSettled([
      authorizationCodeGrant(provider, client, pending, callback, options),
      refreshTokenGrant(provider, client, tokens, options),
      revokeToken(provider, client, refreshToken, options),
      revokeToken(provider, client, accessToken, options),
      session.fetch('/x'),
    ])
    for (const outcome of thrown) {
      if (outcome.status === 'fulfilled') continue
      expect(outcome.reason).toBeInstanceOf(ToolgrantError)
      const shown = [
        inspect(outcome.reason, { depth: null, showHidden: true }),
        JSON.stringify(outcome.reason),
        String(outcome.reason.stack),
      ].join('\n')
      for (const part of searched) expect(shown).not.toContain(part)
    }
    expect(thrown.slice(0, 2).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  })
})
