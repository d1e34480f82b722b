// A real, certified authorization server (oidc-provider) on loopback, for tests and for the demo:
// PKCE demanded, refresh tokens rotated and their reuse punished, revocation (RFC 7009) and introspection (RFC 7662) on.
// Every other feature that the package has is in oidc-features.ts and off until a test asks for it.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type BackchannelRequest, Provider } from 'oidc-provider'
import { createMemoryAdapter } from 'oidc-provider/lib/adapters/memory_adapter.js'
import { type ConsentOptions, type ConsentResult, HeadlessBrowser } from './headless-browser.ts'
import { Backchannel } from './oidc-backchannel.ts'
import { makeCertificates, type TestCertificates } from './oidc-certificates.ts'
import {
  type AuthMethod,
  commonMetadata,
  loopbackRedirects,
  type ReadyClient,
  type RegisteredClient,
  readyClients,
} from './oidc-clients.ts'
import {
  type ConfigurationParts,
  oidcConfiguration,
  type SigningAlg,
  signingKey,
} from './oidc-configuration.ts'
import {
  aliasesOf,
  endpointsOf,
  type FeatureEndpoints,
  featureEndpointsOf,
  type MtlsEndpoints,
  mtlsEndpointsOf,
  type OidcEndpoints,
} from './oidc-endpoints.ts'
import type { OidcFeatures } from './oidc-features.ts'
import { interactionPages } from './oidc-interactions.ts'
import { OidcRecord } from './oidc-record.ts'

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
  /** What the server can do besides. Default: nothing. */
  features?: OidcFeatures
  /** Algorithms that the server has a key for; the first signs unless a client says otherwise. Default: `RS256`. */
  signingAlgs?: readonly SigningAlg[]
  /** `false`: a refresh token stays good. Default: `true`. */
  rotateRefreshToken?: boolean
  /** Lifetimes in seconds by oidc-provider's names (`DeviceCode`, `AuthorizationCode`, `IdToken`, …). */
  ttl?: Readonly<Record<string, number>>
  /** Facts added to the registration of a ready-made client; `*`: of each. */
  clientMetadata?: Readonly<Partial<Record<AuthMethod | '*', Readonly<Record<string, unknown>>>>>
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
  /** Empty for a client's own token. */
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
  readonly endpoints: OidcEndpoints
  /** Where the features are; those that are off answer 404. */
  readonly featureEndpoints: FeatureEndpoints
  /** The second listener, and what clients need for it. `undefined` without `features.mtls`. */
  readonly mtls: { origin: string; certificates: TestCertificates; endpoints: MtlsEndpoints } | undefined
  readonly counters: OidcCounters
  /** Every request and event so far. */
  readonly record: OidcRecord
  /** The person's device in CIBA. */
  readonly backchannel: Backchannel
  /** Whether DPoP proofs need a nonce of the server's from now on. */
  dpopNonceRequired: boolean
  /** See {@link OidcServerOptions.tokenDelayMs}. */
  tokenDelayMs: number
  /** The ready-made client that authenticates in a certain way. @throws when the features do not have it. */
  client(method: AuthMethod): ReadyClient
  /** What an API on this server's tokens asks: whose token is it? `undefined` when it is unknown, expired or revoked. */
  accessToken(value: string): Promise<OidcAccessToken | undefined>
  /** Logs in, consents (or denies), follows the redirect to the client and returns its URL: code and state are in it. */
  consent(authorizationUrl: string, options?: ConsentOptions): Promise<string>
  /** The same, and what the client's redirect URI answered. */
  visit(authorizationUrl: string, options?: ConsentOptions): Promise<ConsentResult>
  /** A browser that keeps its session from one visit to the next: for the device flow and for logout. */
  browser(): HeadlessBrowser
  /** Signs with new keys from now on. The old ones stay published unless `forget`. */
  rotateKeys(options?: { forget?: boolean; algs?: readonly SigningAlg[] }): Promise<void>
  /** Takes no DPoP nonce that was named so far. */
  rotateDpopNonces(): void
  close(): Promise<void>
}

/** Starts the server on 127.0.0.1. Nothing is printed. */
export async function startOidcServer(options: OidcServerOptions = {}): Promise<OidcServer> {
  const { features = {}, signingAlgs = ['RS256'] } = options
  const server = await listen(createServer(), options.port ?? 0)
  const issuer = `http://127.0.0.1:${portOf(server)}`
  const tls = features.mtls ? await startTls() : undefined
  const alg = signingAlgs[0] ?? 'RS256'
  const ready = await readyClients(commonMetadata(features, alg), features, tls?.certificates)
  const clients = namedClients()
  const engine = await startEngine(issuer, alg, signingAlgs, {
    adapter: createMemoryAdapter(),
    cookieKey: randomBytes(24).toString('base64url'),
    clients: clientMetadata(options, clients, ready, alg),
    scopes: options.scopes ?? ['notes.read', 'notes.write'],
    accessTokenSeconds: options.accessTokenSeconds ?? 3600,
    ttl: options.ttl ?? {},
    rotateRefreshToken: options.rotateRefreshToken ?? true,
    features,
    mtlsAliases: tls === undefined ? undefined : aliasesOf(features, tls.mtls.origin),
  })
  const oidc: OidcServer = {
    issuer,
    ...clients,
    client: (method) => readyClient(ready, method),
    endpoints: endpointsOf(issuer),
    featureEndpoints: featureEndpointsOf(issuer),
    mtls: tls?.mtls,
    counters: engine.counters,
    record: engine.record,
    backchannel: engine.backchannel,
    get dpopNonceRequired() {
      return engine.dpopNonceRequired
    },
    set dpopNonceRequired(required: boolean) {
      engine.dpopNonceRequired = required
    },
    tokenDelayMs: options.tokenDelayMs ?? 0,
    accessToken: (value) => findAccessToken(engine.provider(), value),
    consent: async (url, consentOptions) => (await oidc.visit(url, consentOptions)).redirectedUrl,
    visit: (url, consentOptions) => new HeadlessBrowser(issuer).consent(url, consentOptions),
    browser: () => new HeadlessBrowser(issuer),
    rotateKeys: engine.rotateKeys,
    rotateDpopNonces: engine.rotateDpopNonces,
    close: async () => {
      await Promise.all([closeServer(server), tls && closeServer(tls.server)])
    },
  }
  for (const one of [server, tls?.server]) if (one !== undefined) serve(one, engine.provider, oidc)
  return oidc
}

/** The listener with TLS. Any certificate may be presented: what it is good for is decided by oidc-provider. */
async function startTls() {
  const certificates = await makeCertificates()
  const { ca, server: own } = certificates
  const options = { ...own, ca, requestCert: true, rejectUnauthorized: false }
  const server = await listen(createTlsServer(options), 0)
  const origin = `https://127.0.0.1:${portOf(server)}`
  return { server, certificates, mtls: { origin, certificates, endpoints: mtlsEndpointsOf(origin) } }
}

/** oidc-provider itself. It takes keys at construction alone, so new keys are a new one over the same storage. */
async function startEngine(
  issuer: string,
  alg: SigningAlg,
  signingAlgs: readonly SigningAlg[],
  parts: Omit<ConfigurationParts, 'signingKeys' | 'switches'>,
) {
  const { dpop } = parts.features
  let keys = await signingKeys(signingAlgs)
  let nonceSecret = randomBytes(32)
  let provider: Provider
  const switches = {
    alg,
    dpopNonceRequired: () => engine.dpopNonceRequired,
    nonceSecret: () => nonceSecret,
    onBackchannelRequest: (request: BackchannelRequest) => engine.backchannel.arrive(request),
  }
  const renew = () => {
    provider = new Provider(issuer, oidcConfiguration({ ...parts, signingKeys: keys, switches }))
    countEvents(provider, engine.counters)
    engine.record.listen(provider)
  }
  const engine = {
    dpopNonceRequired: typeof dpop === 'object' && dpop.nonces === 'required',
    counters: emptyCounters(),
    record: new OidcRecord(),
    backchannel: new Backchannel(() => provider),
    provider: () => provider,
    rotateKeys: async (options: { forget?: boolean; algs?: readonly SigningAlg[] } = {}) => {
      const made = await signingKeys(options.algs ?? signingAlgs)
      keys = options.forget ? made : [...made, ...keys]
      renew()
    },
    rotateDpopNonces: () => {
      nonceSecret = randomBytes(32)
      renew()
    },
  }
  renew()
  return engine
}

async function listen<Listener extends Server | ReturnType<typeof createTlsServer>>(
  server: Listener,
  port: number,
): Promise<Listener> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

function portOf(server: { address(): unknown }): number {
  return (server.address() as AddressInfo).port
}

let keysMade = 0

/** No two keys of a process share a name. */
async function signingKeys(algs: readonly SigningAlg[]): Promise<object[]> {
  return Promise.all(
    algs.map((alg) => {
      keysMade += 1
      return signingKey(alg, `oidc-test-${keysMade}`)
    }),
  )
}

function namedClients() {
  const secret = () => randomBytes(24).toString('base64url')
  return {
    publicClient: { clientId: 'toolgrant-public' },
    confidentialClient: { clientId: 'toolgrant-confidential', clientSecret: secret() },
    webClient: { clientId: 'toolgrant-web', clientSecret: secret() },
  }
}

function clientMetadata(
  options: OidcServerOptions,
  clients: ReturnType<typeof namedClients>,
  ready: ReadonlyMap<AuthMethod, RegisteredClient>,
  alg: string,
) {
  const common = commonMetadata(options.features ?? {}, alg)
  const native = { ...common, application_type: 'native', redirect_uris: loopbackRedirects }
  const { publicClient, confidentialClient, webClient } = clients
  const added = options.clientMetadata ?? {}
  return [
    {
      ...native,
      grant_types: (common.grant_types as string[]).filter((type) => type !== 'client_credentials'),
      client_id: publicClient.clientId,
      token_endpoint_auth_method: 'none',
    },
    { ...native, client_id: confidentialClient.clientId, client_secret: confidentialClient.clientSecret },
    {
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      client_id: webClient.clientId,
      client_secret: webClient.clientSecret,
      redirect_uris: options.redirectUris ?? ['https://localhost:41539/'],
    },
    ...[...ready].map(([method, { metadata }]) => ({ ...metadata, ...added['*'], ...added[method] })),
  ]
}

function readyClient(ready: ReadonlyMap<AuthMethod, RegisteredClient>, method: AuthMethod): ReadyClient {
  const found = ready.get(method)
  if (found === undefined) throw new Error(`Start the server with features.mtls for a ${method} client.`)
  return found.client
}

function emptyCounters(): OidcCounters {
  return {
    tokenRequests: { authorization_code: 0, refresh_token: 0, other: 0 },
    rotations: 0,
    grantsRevoked: 0,
    refusals: {},
  }
}

function countEvents(provider: Provider, counters: OidcCounters): void {
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
}

async function findAccessToken(provider: Provider, value: string): Promise<OidcAccessToken | undefined> {
  const token = (await provider.AccessToken.find(value)) ?? (await provider.ClientCredentials.find(value))
  if (!token?.isValid || token.clientId === undefined) return undefined
  return { user: token.accountId ?? '', clientId: token.clientId, scopes: token.scope?.split(' ') ?? [] }
}

function serve(server: Pick<Server, 'on'>, provider: () => Provider, oidc: OidcServer): void {
  const pages = interactionPages(provider)
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.url?.startsWith('/interaction/')) return pages(request, response)
    if (request.url === '/token' && oidc.tokenDelayMs > 0) await sleep(oidc.tokenDelayMs)
    return provider().callback()(request, response)
  }
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    oidc.record.note(request, response)
    handle(request, response).catch((error: unknown) => {
      response.statusCode = 500
      response.end(`The authorization server failed: ${error instanceof Error ? error.message : 'unknown'}\n`)
    })
  })
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function closeServer(server: Pick<Server, 'close' | 'closeAllConnections' | 'once'>): Promise<void> {
  const closed = new Promise<void>((resolve) => server.once('close', resolve))
  server.close()
  server.closeAllConnections()
  await closed
}
