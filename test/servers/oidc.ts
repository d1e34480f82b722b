// A real, certified authorization server (oidc-provider) on loopback, for tests and for the demo:
// PKCE demanded, refresh tokens rotated and their reuse punished, revocation (RFC 7009) and introspection (RFC 7662) on.
import { generateKeyPair, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { Provider } from 'oidc-provider'
import { createMemoryAdapter } from 'oidc-provider/lib/adapters/memory_adapter.js'
import { type ConsentOptions, type ConsentResult, HeadlessBrowser } from './headless-browser.ts'
import { interactionPages } from './oidc-interactions.ts'

/** How {@link startOidcServer} sets up the server. */
export interface OidcServerOptions {
  /** Default: any free port. */
  port?: number
  /** Lifetime of access tokens in seconds. Default: 3600. */
  accessTokenSeconds?: number
  /** Scopes besides `openid`, `offline_access`, `profile`, `email`. Default: `notes.read`, `notes.write`. */
  scopes?: readonly string[]
  /** Redirect URIs of the web client, compared exactly. Default: `https://localhost:41539/`. */
  redirectUris?: readonly string[]
  /** Milliseconds that the token endpoint waits before it answers. Default: 0. May be changed later. */
  tokenDelayMs?: number
}

/** What the server has seen so far. */
export interface OidcCounters {
  /** Requests at the token endpoint, by `grant_type`, whatever came of them. */
  tokenRequests: { authorization_code: number; refresh_token: number; other: number }
  /** Refresh tokens that were used up by rotation. */
  rotations: number
  /** Grants revoked because a used refresh token came again, or a code did. */
  grantsRevoked: number
  /** Refused token requests, by OAuth error code. */
  refusals: Record<string, number>
}

/** A client as registered at the server. */
export interface OidcClient {
  clientId: string
  clientSecret: string
}

/** An access token as the server knows it. */
export interface OidcAccessToken {
  user: string
  clientId: string
  scopes: readonly string[]
}

/** The server, listening. */
export interface OidcServer {
  /** Also the base URL, without a trailing slash. */
  readonly issuer: string
  /** A native public client: any port of `http://127.0.0.1` and `http://localhost`, path `/`, `/callback`, `/oauth/callback`. */
  readonly publicClient: { clientId: string }
  /** The same with a secret (`client_secret_basic`). */
  readonly confidentialClient: OidcClient
  /** A web client with a secret and exactly the `redirectUris` of the options. */
  readonly webClient: OidcClient
  readonly endpoints: {
    authorizationUrl: string
    tokenUrl: string
    revocationUrl: string
    introspectionUrl: string
    userinfoUrl: string
    jwksUrl: string
  }
  readonly counters: OidcCounters
  /** See {@link OidcServerOptions.tokenDelayMs}. */
  tokenDelayMs: number
  /** What an API on this server's tokens asks: whose token is it? `undefined` when it is unknown, expired or revoked. */
  accessToken(value: string): Promise<OidcAccessToken | undefined>
  /** Logs in, consents (or denies), follows the redirect to the client and returns its URL: code and state are in it. */
  consent(authorizationUrl: string, options?: ConsentOptions): Promise<string>
  /** The same, and what the client's redirect URI answered. */
  visit(authorizationUrl: string, options?: ConsentOptions): Promise<ConsentResult>
  close(): Promise<void>
}

const LOOPBACK_REDIRECTS = ['', 'callback', 'oauth/callback'].flatMap((path) => [
  `http://127.0.0.1/${path}`,
  `http://localhost/${path}`,
  `http://[::1]/${path}`,
])

/** Starts the server on 127.0.0.1. Nothing is printed: every default that oidc-provider warns of is replaced by a choice. */
export async function startOidcServer(options: OidcServerOptions = {}): Promise<OidcServer> {
  const server = createServer()
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const clients = registeredClients()
  const provider = new Provider(issuer, await configuration(options, clients))
  const counters = countEvents(provider)
  const oidc: OidcServer = {
    issuer,
    publicClient: clients.publicClient,
    confidentialClient: clients.confidentialClient,
    webClient: clients.webClient,
    endpoints: endpointsOf(issuer),
    counters,
    tokenDelayMs: options.tokenDelayMs ?? 0,
    accessToken: (value) => findAccessToken(provider, value),
    consent: async (url, consentOptions) => (await oidc.visit(url, consentOptions)).redirectedUrl,
    visit: (url, consentOptions) => new HeadlessBrowser(issuer).consent(url, consentOptions),
    close: () => closeServer(server),
  }
  serve(server, provider, oidc)
  return oidc
}

function endpointsOf(issuer: string): OidcServer['endpoints'] {
  return {
    authorizationUrl: `${issuer}/auth`,
    tokenUrl: `${issuer}/token`,
    revocationUrl: `${issuer}/token/revocation`,
    introspectionUrl: `${issuer}/token/introspection`,
    userinfoUrl: `${issuer}/me`,
    jwksUrl: `${issuer}/jwks`,
  }
}

function registeredClients() {
  const secret = () => randomBytes(24).toString('base64url')
  return {
    publicClient: { clientId: 'toolgrant-public' },
    confidentialClient: { clientId: 'toolgrant-confidential', clientSecret: secret() },
    webClient: { clientId: 'toolgrant-web', clientSecret: secret() },
  }
}

async function configuration(options: OidcServerOptions, clients: ReturnType<typeof registeredClients>) {
  const accessTokenSeconds = options.accessTokenSeconds ?? 3600
  return {
    adapter: createMemoryAdapter(),
    jwks: { keys: [await signingKey()] },
    cookies: { keys: [randomBytes(24).toString('base64url')] },
    clients: clientMetadata(options, clients),
    scopes: [
      'openid',
      'offline_access',
      'profile',
      'email',
      ...(options.scopes ?? ['notes.read', 'notes.write']),
    ],
    claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
    clockTolerance: 0,
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: async (_ctx: unknown, client: { grantTypeAllowed(type: string): boolean }) =>
      client.grantTypeAllowed('refresh_token'),
    clientBasedCORS: () => false,
    findAccount: (_ctx: unknown, sub: string) => ({ accountId: sub, claims: () => claimsOf(sub) }),
    renderError: renderErrorText,
    interactions: { url: (_ctx: unknown, interaction: { uid: string }) => `/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      revocation: { enabled: true, allowedPolicy: ownTokensOnly },
      introspection: { enabled: true, allowedPolicy: ownTokensOnly },
      userinfo: { enabled: true },
    },
    ttl: {
      AccessToken: accessTokenSeconds,
      AuthorizationCode: 60,
      IdToken: 3600,
      RefreshToken: 14 * 24 * 3600,
      Interaction: 3600,
      Session: 14 * 24 * 3600,
      Grant: 14 * 24 * 3600,
    },
  }
}

function clientMetadata(options: OidcServerOptions, clients: ReturnType<typeof registeredClients>) {
  const grants = { grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] }
  const native = { ...grants, application_type: 'native', redirect_uris: LOOPBACK_REDIRECTS }
  return [
    { ...native, client_id: clients.publicClient.clientId, token_endpoint_auth_method: 'none' },
    {
      ...native,
      client_id: clients.confidentialClient.clientId,
      client_secret: clients.confidentialClient.clientSecret,
    },
    {
      ...grants,
      client_id: clients.webClient.clientId,
      client_secret: clients.webClient.clientSecret,
      redirect_uris: options.redirectUris ?? ['https://localhost:41539/'],
    },
  ]
}

function ownTokensOnly(_ctx: unknown, client: { clientId: string }, token: { clientId: string }): boolean {
  return token.clientId === client.clientId
}

function claimsOf(sub: string) {
  return { sub, name: sub, email: `${sub}@example.com`, email_verified: true }
}

function renderErrorText(ctx: { type: string; body: string }, out: Record<string, unknown>): void {
  ctx.type = 'text/plain'
  ctx.body = `The authorization server refuses: ${JSON.stringify(out)}\n`
}

async function signingKey(): Promise<object> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: 'oidc-test' }
}

function countEvents(provider: Provider): OidcCounters {
  const counters: OidcCounters = {
    tokenRequests: { authorization_code: 0, refresh_token: 0, other: 0 },
    rotations: 0,
    grantsRevoked: 0,
    refusals: {},
  }
  const count = (ctx: unknown) => {
    const grantType = (ctx as { oidc?: { params?: { grant_type?: string } } }).oidc?.params?.grant_type
    const known = grantType === 'authorization_code' || grantType === 'refresh_token'
    counters.tokenRequests[known ? grantType : 'other'] += 1
  }
  provider.on('grant.success', count)
  provider.on('grant.error', (ctx, error) => {
    count(ctx)
    const code = (error as { error?: string }).error ?? 'server_error'
    counters.refusals[code] = (counters.refusals[code] ?? 0) + 1
  })
  provider.on('refresh_token.consumed', () => {
    counters.rotations += 1
  })
  provider.on('grant.revoked', () => {
    counters.grantsRevoked += 1
  })
  return counters
}

async function findAccessToken(provider: Provider, value: string): Promise<OidcAccessToken | undefined> {
  const token = await provider.AccessToken.find(value)
  if (!token?.isValid || token.accountId === undefined || token.clientId === undefined) return undefined
  return { user: token.accountId, clientId: token.clientId, scopes: token.scope?.split(' ') ?? [] }
}

function serve(server: Server, provider: Provider, oidc: OidcServer): void {
  const callback = provider.callback()
  const pages = interactionPages(provider)
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.url?.startsWith('/interaction/')) return pages(request, response)
    if (request.url === '/token' && oidc.tokenDelayMs > 0) await sleep(oidc.tokenDelayMs)
    return callback(request, response)
  }
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    handle(request, response).catch((error: unknown) => {
      response.statusCode = 500
      response.end(`The authorization server failed: ${error instanceof Error ? error.message : 'unknown'}\n`)
    })
  })
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}
