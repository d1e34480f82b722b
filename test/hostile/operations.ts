// Every operation of toolgrant/oauth that reads what somebody else wrote, each ready to be run against an answer of a
// test's choosing. Every secret that goes out is a canary.
import type { JsonWebKeyInput } from 'node:crypto'
import * as oauth from '../../src/oauth/index.ts'
import { defineProvider, type Provider } from '../../src/providers/index.ts'

/** One operation, and what it needs to succeed. */
export interface Operation {
  name: string
  /** Runs it once. */
  run: (options: HostileOptions) => Promise<unknown>
  /** A body that it accepts, where it accepts any. */
  accepted?: Readonly<Record<string, unknown>>
  /** Its answer is read by what reads the answer of another operation here: a few answers are enough. */
  alike?: true
}

/** The issuer of every test here. */
export const issuer = 'https://as.example'

/** A row with every endpoint, so that nothing is discovered. */
export const provider: Provider = defineProvider({
  id: 'acme',
  issuer,
  authorizationUrl: `${issuer}/authorize`,
  tokenUrl: `${issuer}/token`,
  revocationUrl: `${issuer}/revoke`,
  introspectionUrl: `${issuer}/introspect`,
  userinfoUrl: `${issuer}/userinfo`,
  jwksUrl: `${issuer}/jwks`,
  deviceAuthorizationUrl: `${issuer}/device`,
  pushedAuthorizationUrl: `${issuer}/par`,
  backchannelAuthenticationUrl: `${issuer}/ciba`,
  registrationEndpointUrl: `${issuer}/register`,
  endSessionUrl: `${issuer}/logout`,
  tokenFields: ['team.id', 'constructor', '__proto__.x'],
})

/** A row that knows its issuer alone. */
export const discovered: Provider = defineProvider({ id: 'acme', issuer })

/** Us. */
export const client: oauth.Client = {
  clientId: 'client-1',
  clientSecret: 'canary-client-secret',
  redirectUri: 'https://app.example/callback',
}

/** An authorization under way; every secret in it is a canary. */
export function pending(more: Partial<oauth.PendingAuthorization> = {}): oauth.PendingAuthorization {
  return oauth.pendingAuthorization({
    version: 1,
    provider: 'acme',
    clientId: 'client-1',
    state: 'canary-state-0123456789',
    codeVerifier: 'canary-verifier-0123456789-0123456789-0123456789',
    nonce: 'canary-nonce-0123456789',
    redirectUri: 'https://app.example/callback',
    scopes: ['openid', 'notes.read'],
    issuer,
    createdAt: Date.now(),
    expiresAt: Date.now() + 600_000,
    ...more,
  })
}

/** Tokens, canaries all of them. */
export const tokens = new oauth.TokenSet({
  accessToken: 'canary-access-token',
  refreshToken: 'canary-refresh-token',
  scopes: ['openid', 'notes.read'],
})

const tokenAnswer = { access_token: 'canary-answer-token', token_type: 'Bearer', expires_in: 3600 }

/** A private key for DPoP and assertions, made once. */
const key = {
  ...(await crypto.subtle.exportKey(
    'jwk',
    (
      await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign'])
    ).privateKey,
  )),
} as JsonWebKeyInput['key'] & JsonWebKey

/** A callback that fits {@link pending}. */
export const callback = `https://app.example/callback?${new URLSearchParams({
  code: 'canary-code',
  state: 'canary-state-0123456789',
  iss: issuer,
})}`

/** What every operation is run with. */
export type HostileOptions = ReturnType<typeof hostileOptions>

/** Everything that is fetched is answered by `fetch`; waiting between requests takes no time. */
export function hostileOptions(fetch: typeof globalThis.fetch, timeoutMs = 5000) {
  let now = Date.now()
  return {
    fetch,
    timeoutMs,
    now: () => now,
    sleep: async (ms: number) => {
      now += ms
    },
  }
}

const registration: oauth.ClientRegistration = {
  version: 1,
  provider: 'acme',
  clientId: 'client-1',
  clientSecret: 'canary-client-secret',
  managementUrl: `${issuer}/register/client-1`,
  managementToken: 'canary-management-token',
  changed: [],
  metadata: {},
}

/** Every one of them. */
export const operations: readonly Operation[] = [
  {
    name: 'authorizationCodeGrant',
    run: (options) => oauth.authorizationCodeGrant(provider, client, pending(), callback, options),
    accepted: tokenAnswer,
  },
  {
    name: 'authorizationCodeGrant with DPoP',
    alike: true,
    run: (options) =>
      oauth.authorizationCodeGrant(provider, client, pending({ dpopKey: key }), callback, options),
    accepted: { ...tokenAnswer, token_type: 'DPoP' },
  },
  {
    name: 'authorizationUrl with a pushed request',
    run: (options) => oauth.authorizationUrl(provider, client, { scopes: ['openid'], ...options }),
    accepted: { request_uri: 'urn:ietf:params:oauth:request_uri:1', expires_in: 60 },
  },
  {
    name: 'refreshTokenGrant',
    run: (options) => oauth.refreshTokenGrant(provider, client, tokens, options),
    accepted: tokenAnswer,
  },
  {
    name: 'renewTokens',
    alike: true,
    run: (options) => oauth.renewTokens(provider, client, tokens, options),
    accepted: tokenAnswer,
  },
  {
    name: 'clientCredentialsGrant',
    alike: true,
    run: (options) => oauth.clientCredentialsGrant(provider, client, options),
    accepted: tokenAnswer,
  },
  {
    name: 'passwordGrant',
    alike: true,
    run: (options) =>
      oauth.passwordGrant(provider, client, { username: 'ada', password: 'canary-password' }, options),
    accepted: tokenAnswer,
  },
  {
    name: 'jwtBearerGrant',
    alike: true,
    run: (options) => oauth.jwtBearerGrant(provider, { ...client, privateKey: { key } }, {}, options),
    accepted: tokenAnswer,
  },
  {
    name: 'tokenExchangeGrant',
    alike: true,
    run: (options) =>
      oauth.tokenExchangeGrant(provider, client, { subjectToken: 'canary-subject-token' }, options),
    accepted: { ...tokenAnswer, issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
  },
  {
    name: 'sessionTokenGrant',
    alike: true,
    run: (options) =>
      oauth.sessionTokenGrant(
        { ...provider, sessionToken: { username: 'identifier', password: 'password' } },
        client,
        { username: 'ada', password: 'canary-password' },
        options,
      ),
    accepted: tokenAnswer,
  },
  {
    name: 'deviceAuthorization',
    run: (options) => oauth.deviceAuthorization(provider, client, options),
    accepted: {
      device_code: 'canary-answer-device-code',
      user_code: 'AB-CD',
      verification_uri: 'https://as.example/device',
      expires_in: 60,
    },
  },
  {
    name: 'deviceCodeGrant',
    run: (options) =>
      oauth.deviceCodeGrant(
        provider,
        client,
        { ...waiting(), deviceCode: 'canary-device-code', userCode: 'AB-CD', verificationUri: issuer },
        options,
      ),
    accepted: tokenAnswer,
  },
  {
    name: 'backchannelAuthentication',
    run: (options) =>
      oauth.backchannelAuthentication(provider, client, { loginHintToken: 'canary-hint-token' }, options),
    accepted: { auth_req_id: 'canary-answer-request', expires_in: 60 },
  },
  {
    name: 'backchannelGrant',
    alike: true,
    run: (options) =>
      oauth.backchannelGrant(provider, client, { ...waiting(), authReqId: 'canary-request-id' }, options),
  },
  {
    name: 'revokeToken',
    run: (options) => oauth.revokeToken(provider, client, 'canary-token', options),
    accepted: {},
  },
  {
    name: 'introspectToken',
    run: (options) => oauth.introspectToken(provider, client, 'canary-token', options),
    accepted: { active: false },
  },
  {
    name: 'probeAccessToken',
    run: (options) => oauth.probeAccessToken(provider, tokens, options),
    accepted: { sub: 'ada' },
  },
  {
    name: 'probeProvider',
    run: (options) => oauth.probeProvider({ provider, client }, options),
  },
  {
    name: 'discover',
    run: (options) => oauth.discover(issuer, options),
    accepted: {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
    },
  },
  {
    name: 'discoverProtectedResource',
    run: (options) => oauth.discoverProtectedResource('https://api.example/notes', options),
    accepted: { resource: 'https://api.example/notes', authorization_servers: [issuer] },
  },
  {
    name: 'fetchUserinfo',
    run: (options) => oauth.fetchUserinfo(provider, client, tokens, options),
    accepted: { sub: 'ada' },
  },
  {
    name: 'fetchClientMetadata',
    run: (options) => oauth.fetchClientMetadata('https://app.example/client.json', options),
    accepted: {
      client_id: 'https://app.example/client.json',
      redirect_uris: ['https://app.example/callback'],
      token_endpoint_auth_method: 'none',
    },
  },
  {
    name: 'registerClient',
    run: (options) =>
      oauth.registerClient(
        provider,
        { redirectUris: ['https://app.example/callback'] },
        { ...options, initialAccessToken: 'canary-initial-token' },
      ),
    accepted: { client_id: 'client-2', client_secret: 'canary-answer-secret', client_secret_expires_at: 0 },
  },
  {
    name: 'readRegistration',
    run: (options) => oauth.readRegistration(provider, registration, options),
    accepted: { client_id: 'client-1' },
  },
  {
    name: 'updateRegistration',
    alike: true,
    run: (options) => oauth.updateRegistration(provider, registration, { clientName: 'Notes' }, options),
    accepted: { client_id: 'client-1', client_name: 'Notes' },
  },
  {
    name: 'deleteRegistration',
    run: (options) => oauth.deleteRegistration(provider, registration, options),
    accepted: {},
  },
  {
    name: 'verifyCallback of a signed answer',
    run: (options) =>
      oauth.verifyCallback(
        provider,
        client,
        pending({ responseMode: 'jwt' }),
        `?response=${jarm()}`,
        options,
      ),
  },
]

function waiting() {
  return {
    provider: 'acme',
    expiresAt: Date.now() + 60_000,
    lifetimeSeconds: 60,
    intervalSeconds: 5,
    scopes: ['openid'],
  }
}

/** A signed answer with the right claims, and a signature that no key made. */
function jarm(): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { iss: issuer, aud: 'client-1', exp: Math.floor(Date.now() / 1000) + 60 }
  const answer = { ...claims, state: 'canary-state-0123456789', code: 'canary-code' }
  return `${part({ alg: 'ES256', kid: 'k' })}.${part(answer)}.${'A'.repeat(86)}`
}
