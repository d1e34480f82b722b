// A careless server quotes what it was sent, headers and all, in whatever it answers. No error shows a secret of it:
// not of any grant, of a registration, of a signed request, nor a proof that was made for it.
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ToolgrantError, UnauthorizedError } from '../errors.ts'
import { defineProvider } from '../providers/index.ts'
import * as oauth from './index.ts'

const canary = (name: string) => `canary-${name}+/=&`
const visible = (name: string) => `canary-${name}+/=~`

const at = (path: string) => `https://as.example/${path}`
const acme = defineProvider({
  id: 'acme',
  authorizationUrl: at('authorize'),
  tokenUrl: at('token'),
  revocationUrl: at('revoke'),
  introspectionUrl: at('introspect'),
  userinfoUrl: at('userinfo'),
  deviceAuthorizationUrl: at('device'),
  backchannelAuthenticationUrl: at('ciba'),
  registrationEndpointUrl: at('register'),
  refreshUrl: at('refresh'),
})
const pushing = { ...acme, issuer: 'https://as.example', pushedAuthorizationUrl: at('par') }
const bluesky = { ...acme, sessionToken: { username: 'identifier', password: 'password' } }

const { privateKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign'])
const key = await crypto.subtle.exportKey('jwk', privateKey)
const us: oauth.Client = {
  clientId: 'client-1',
  clientSecret: canary('client-secret'),
  redirectUri: 'https://app.example/callback',
}
const { clientSecret: _, ...keyed }: oauth.Client = {
  ...us,
  privateKey: { key },
  tokenEndpointAuthMethod: 'private_key_jwt',
}
const posting: oauth.Client = { ...us, tokenEndpointAuthMethod: 'client_secret_post' }
const tokens = new oauth.TokenSet({
  accessToken: visible('access'),
  refreshToken: canary('refresh'),
  idToken: 'canary.id.token',
  dpopKey: key,
  tokenType: 'DPoP',
})
const waiting = {
  ...{ provider: 'acme', scopes: ['openid'], expiresAt: 60_000 },
  ...{ lifetimeSeconds: 60, intervalSeconds: 5 },
}
const ada = { username: 'ada', password: canary('password') }
const registration: oauth.ClientRegistration = {
  version: 1,
  provider: 'acme',
  clientId: 'client-1',
  clientSecret: canary('registered-secret'),
  managementUrl: at('register/1'),
  managementToken: visible('management'),
  changed: [],
  metadata: {},
}

type Options = {
  fetch: typeof fetch
  timeoutMs: number
  now: () => number
  sleep: (ms: number) => Promise<void>
}
type Call = (options: Options) => Promise<unknown>

const calls: [name: string, call: Call][] = [
  ['client credentials', (options) => oauth.clientCredentialsGrant(acme, us, options)],
  ['client credentials, posted', (options) => oauth.clientCredentialsGrant(acme, posting, options)],
  ['client credentials, signed', (options) => oauth.clientCredentialsGrant(acme, keyed, options)],
  [
    'client credentials, signed with the secret',
    (options) =>
      oauth.clientCredentialsGrant(acme, { ...us, tokenEndpointAuthMethod: 'client_secret_jwt' }, options),
  ],
  [
    'client credentials in JSON',
    (options) => oauth.clientCredentialsGrant({ ...acme, tokenRequestFormat: 'json' }, posting, options),
  ],
  [
    'client credentials in the query',
    (options) => oauth.clientCredentialsGrant({ ...acme, tokenRequestFormat: 'get' }, posting, options),
  ],
  ['a password', (options) => oauth.passwordGrant(acme, us, ada, options)],
  ['a JWT bearer', (options) => oauth.jwtBearerGrant(acme, { ...us, privateKey: { key } }, {}, options)],
  [
    'a token exchange',
    (options) =>
      oauth.tokenExchangeGrant(
        acme,
        us,
        { subjectToken: canary('subject'), actorToken: canary('actor') },
        options,
      ),
  ],
  ['a device', (options) => oauth.deviceAuthorization(acme, us, options)],
  [
    'a device code',
    (options) =>
      oauth.deviceCodeGrant(
        acme,
        us,
        { ...waiting, deviceCode: canary('device'), userCode: 'A', verificationUri: at('d') },
        options,
      ),
  ],
  [
    'CIBA',
    (options) =>
      oauth.backchannelAuthentication(
        acme,
        us,
        { loginHintToken: canary('hint') },
        { ...options, userCode: canary('user-code') },
      ),
  ],
  [
    'CIBA, waiting',
    (options) => oauth.backchannelGrant(acme, us, { ...waiting, authReqId: canary('request') }, options),
  ],
  ['a session token', (options) => oauth.sessionTokenGrant(bluesky, us, ada, options)],
  ['a refresh with a proof', (options) => oauth.refreshTokenGrant(acme, us, tokens, options)],
  ['a renewal', (options) => oauth.renewTokens(acme, keyed, tokens, options)],
  ['introspection', (options) => oauth.introspectToken(acme, us, canary('token'), options)],
  ['revocation', (options) => oauth.revokeToken(acme, us, canary('token'), options)],
  ['userinfo', (options) => oauth.fetchUserinfo(acme, us, tokens, options)],
  [
    'a pushed request, signed',
    (options) =>
      oauth.authorizationUrl(
        pushing,
        { ...us, privateKey: { key }, requestObject: true },
        { state: canary('state'), scopes: ['openid'], ...options },
      ),
  ],
  [
    'a registration',
    (options) =>
      oauth.registerClient(
        acme,
        { redirectUris: ['https://app.example/callback'] },
        { ...options, initialAccessToken: visible('initial') },
      ),
  ],
  ['reading a registration', (options) => oauth.readRegistration(acme, registration, options)],
  ['changing a registration', (options) => oauth.updateRegistration(acme, registration, {}, options)],
  ['ending a registration', (options) => oauth.deleteRegistration(acme, registration, options)],
]

const refused = (body: unknown, status = 400) => Response.json(body, { status })
const answers: [name: string, answer: (quoted: string) => Response][] = [
  ['a description', (quoted) => refused({ error: 'invalid_request', error_description: quoted })],
  ['an error word', (quoted) => refused({ error: quoted })],
  ['a page', (quoted) => new Response(`<h1>Oops</h1><pre>${quoted}</pre>`, { status: 500 })],
  ['a JSON text in a description', (quoted) => refused({ message: JSON.stringify({ quoted }) }, 401)],
  ['a success that is none', (quoted) => Response.json({ ok: false, error: quoted })],
  ['a challenge', (quoted) => challenged(quoted)],
]

function challenged(quoted: string): Response {
  const said = quoted.replace(/[^\x20-\x7e]|"/g, '')
  const headers = { 'www-authenticate': `Bearer error="invalid_request", error_description="${said}"` }
  return new Response(quoted, { status: 401, headers })
}

describe.each(calls)('R22 P59 %s shows no secret', (_name, call) => {
  it.each(answers)('when the server quotes the request in %s', async (_, answer) => {
    const sent: string[] = []
    const send: typeof fetch = async (input, init) => {
      const request = new Request(input, init)
      const body = await request.text()
      const parts = [request.url, body, ...[...request.headers.values()]]
      sent.push(...parts)
      return answer(parts.flatMap((part) => [part, decoded(part)]).join(' '))
    }
    let now = 0 // polling ends by its own clock
    const sleep = async (ms: number) => {
      now += ms
    }
    const error = await call({ fetch: send, timeoutMs: 2000, now: () => now, sleep }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(ToolgrantError)
    expect(sent.length).toBeGreaterThan(0)
    // The answer of an API is for the caller to read.
    const shown = [
      inspect(error, { depth: null, showHidden: !(error instanceof UnauthorizedError) }),
      JSON.stringify(error),
    ].join('\n')
    for (const secret of ['canary', btoa('client-1:canary').slice(0, 18), ...signaturesIn(sent)])
      expect(shown).not.toContain(secret)
  })
})

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}

/** Of every JWT that went out: assertions, request objects and proofs are secrets for as long as they are good. */
function signaturesIn(sent: readonly string[]): string[] {
  return sent.flatMap((text) =>
    [...text.matchAll(/eyJ[\w-]+\.[\w-]+\.([\w-]{20,})/g)].map(([, signature = '']) => signature),
  )
}

describe('R22 P59 what is kept shows no secret when it is logged', () => {
  const answering = (body: unknown): { fetch: typeof fetch } => ({
    fetch: async () => Response.json(body, { status: 200 }),
  })
  const device = { device_code: canary('device'), user_code: 'AB', verification_uri: at('d'), expires_in: 60 }
  const registered = {
    client_id: 'c',
    client_secret: canary('issued'),
    registration_client_uri: at('register/2'),
    registration_access_token: visible('management'),
  }
  const kept: [name: string, make: () => unknown][] = [
    ['a client', () => oauth.hideClientSecret({ ...us, privateKey: { key: { ...key, d: canary('d') } } })],
    [
      'tokens with a key and a password to repeat',
      () =>
        new oauth.TokenSet({
          accessToken: visible('access'),
          dpopKey: { ...key, d: canary('d') },
          renewal: { grant: 'password', parameters: { ...ada } },
        }),
    ],
    [
      'an authorization under way',
      () =>
        oauth.pendingAuthorization({
          version: 1,
          ...{
            provider: 'acme',
            clientId: 'c',
            redirectUri: at('cb'),
            scopes: [],
            createdAt: 0,
            expiresAt: 1,
          },
          ...{ state: canary('state'), codeVerifier: canary('verifier'), nonce: canary('nonce') },
          dpopKey: { ...key, d: canary('d') },
        }),
    ],
    ['a device authorization', () => oauth.deviceAuthorization(acme, us, answering(device))],
    [
      'a CIBA request',
      () =>
        oauth.backchannelAuthentication(
          acme,
          us,
          { loginHint: 'ada' },
          answering({ auth_req_id: visible('request'), expires_in: 60 }),
        ),
    ],
    [
      'a registration',
      () =>
        oauth.registerClient(acme, { redirectUris: ['https://app.example/callback'] }, answering(registered)),
    ],
  ]

  it.each(kept)('%s', async (_, make) => {
    const value = await make()
    expect(value).toBeTypeOf('object')
    for (const shown of [inspect(value), inspect({ value }, { depth: null }), inspect([value], { depth: 9 })])
      expect(shown).not.toContain('canary')
  })
})
