// An OAuth 2.0 authorization server on loopback that is strict by default and misbehaves on request. For tests only:
// it keeps everything in memory and shows every secret to whoever holds it. It shares no code with the client.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ProviderDefinition, ProviderFacts } from '../providers/index.ts'
import { AuthorizationEndpoint } from './authorization-endpoint.ts'
import {
  type AuthorizationServerOptions,
  type ConsentDecision,
  type EndpointName,
  latencyOf,
  type RegisteredClient,
  type ScriptedAnswer,
  type ScriptStep,
  type ServerBehaviour,
} from './behaviour.ts'
import { type BrowserPage, consentAt, follow } from './browser.ts'
import { Clients } from './clients.ts'
import { type Exchange, json, type Reply } from './exchange.ts'
import { type Grant, Grants } from './grants.ts'
import { jwksEndpoint, metadataEndpoint, PATHS } from './metadata.ts'
import { type RecordedRequest, RequestLog, type ServerCounts } from './request-log.ts'
import { apiEndpoint, userinfoEndpoint } from './resource-endpoints.ts'
import { deliver, isCarriedOut, madeUpReply, Script } from './script.ts'
import { Secrets } from './secrets.ts'
import {
  introspectionEndpoint,
  revocationEndpoint,
  type ServerState,
  tokenEndpoint,
} from './token-endpoint.ts'

const MAX_BODY_BYTES = 1_048_576

/** A running simulated server. */
export class AuthorizationServer {
  readonly #state: ServerState
  readonly #http: Server
  readonly #log = new RequestLog()
  readonly #script = new Script()
  readonly #authorization: AuthorizationEndpoint
  readonly #now: () => number
  readonly #registered: RegisteredClient[]
  #behaviour: ServerBehaviour
  #advancedMs = 0

  /** Use {@link startAuthorizationServer}. */
  constructor(options: AuthorizationServerOptions) {
    const { port: _port, clients = [{}], seed, now = Date.now, ...behaviour } = options
    this.#behaviour = behaviour
    this.#now = now
    this.#state = this.#newState(seed)
    this.#registered = clients.map((client) => this.#state.clients.register(client))
    this.#authorization = new AuthorizationEndpoint(this.#state)
    this.#http = createServer((request, response) => void this.#serve(request, response))
    this.#http.keepAliveTimeout = 60_000
  }

  #newState(seed: string | undefined): ServerState {
    const clock = () => this.clock()
    const behaviour = () => this.#behaviour
    const issuer = () => this.issuer
    const secrets = new Secrets(seed)
    const clients = new Clients(secrets)
    const grants = new Grants(secrets, clock, behaviour)
    return { issuer, secrets, clients, grants, behaviour, clock }
  }

  /** Use {@link startAuthorizationServer}. */
  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#http.once('error', reject).listen(port, '127.0.0.1', resolve)
    })
  }

  /** `http://127.0.0.1:<port>`: the issuer, and where every endpoint is. */
  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`
  }

  /** The same as `url`. */
  get issuer(): string {
    return this.url
  }

  /** Stops at once: open requests are cut off, the port is free when the promise resolves. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#http.close(() => resolve())
      this.#http.closeAllConnections()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  // What the client under test is given.

  /** This server as data for `defineProvider`. `issuer` is set, so `iss` and id_tokens are checked. */
  provider(overrides: Partial<ProviderFacts> = {}): ProviderDefinition {
    const shape = this.#behaviour.tokenAnswer ?? {}
    const unit = shape.expiresIn
    const counted = unit === 'milliseconds' || unit === 'epoch-seconds' || unit === 'iso8601'
    return {
      id: 'simulated',
      name: 'Simulated provider',
      issuer: this.issuer,
      authorizationUrl: this.url + PATHS.authorization,
      tokenUrl: this.url + PATHS.token,
      revocationUrl: this.url + PATHS.revocation,
      introspectionUrl: this.url + PATHS.introspection,
      userinfoUrl: this.url + PATHS.userinfo,
      jwksUrl: this.url + PATHS.jwks,
      apiBaseUrl: this.url + PATHS.api,
      issParameterSupported: this.#behaviour.issParameter ?? true,
      pkce: (this.#behaviour.requirePkce ?? true) ? 'required' : 'supported',
      refreshTokenRotation: this.#behaviour.rotation ?? true,
      ...(this.#registered[0] === undefined
        ? {}
        : { tokenEndpointAuthMethod: this.#registered[0].tokenEndpointAuthMethod }),
      ...(this.#behaviour.scopeSeparator === undefined
        ? {}
        : { scopeSeparator: this.#behaviour.scopeSeparator }),
      ...(this.#behaviour.tokenRequestFormat === undefined
        ? {}
        : { tokenRequestFormat: this.#behaviour.tokenRequestFormat }),
      ...placementFacts(this.#behaviour.tokenPlacement),
      ...(shape.path === undefined ? {} : { tokenResponsePath: shape.path }),
      ...(shape.aliases === undefined ? {} : { tokenResponseAliases: shape.aliases }),
      ...(counted ? { expiresInUnit: unit } : {}),
      ...overrides,
    }
  }

  /** A registered client: the first, or the one at `index`. */
  client(index = 0): RegisteredClient {
    const client = this.#registered[index]
    if (client === undefined) throw new RangeError(`The simulated server has no client number ${index}.`)
    return client
  }

  /** Registers another client. Missing members are made up. */
  register(client: Partial<RegisteredClient> = {}): RegisteredClient {
    const registered = this.#state.clients.register(client)
    this.#registered.push(registered)
    return registered
  }

  /** Forgets a client, as providers prune registrations. Its grants stay. */
  unregister(clientId: string): boolean {
    return this.#state.clients.unregister(clientId)
  }

  // The person.

  /**
   * Acts as the person's browser: follows an authorization URL, consents (or does as `decision` says), and returns
   * the callback URL, without asking for it.
   *
   * @throws {Error} when the server shows an error page instead of redirecting.
   */
  consent(authorizationUrl: string, decision?: ConsentDecision): Promise<string> {
    return consentAt(this.url, authorizationUrl, decision)
  }

  /** As {@link AuthorizationServer.consent}, then opens the callback and returns the page that it ends on. */
  async browse(authorizationUrl: string, decision?: ConsentDecision): Promise<BrowserPage> {
    return follow(await this.consent(authorizationUrl, decision))
  }

  // Control.

  /** Changes the behaviour from now on. `undefined` brings a default back. */
  configure(
    changes: { readonly [Member in keyof ServerBehaviour]: ServerBehaviour[Member] | undefined },
  ): void {
    this.#behaviour = { ...this.#behaviour, ...changes } as ServerBehaviour
  }

  /** Sets what happens to the next requests to an endpoint, one step each, after the steps already set. */
  script(endpoint: EndpointName, steps: readonly ScriptStep[]): void {
    this.#script.add(endpoint, steps)
  }

  /** Forgets steps that have not happened. */
  clearScript(): void {
    this.#script.clear()
  }

  /** Moves the server's clock ahead. The client's clock stays. */
  advance(seconds: number): void {
    this.#advancedMs += seconds * 1000
  }

  /** Ends every access token that exists now. Refresh tokens live on. */
  expireAccessTokens(): void {
    this.#state.grants.expireAll('access')
  }

  /** Ends every refresh token that exists now. Access tokens live on. */
  expireRefreshTokens(): void {
    this.#state.grants.expireAll('refresh')
  }

  /** Ends the grants of one user, or all, as a person does on an account page. Returns how many were alive. */
  revokeGrants(filter: { user?: string; clientId?: string } = {}): number {
    return this.#state.grants.revokeWhere(
      ({ user, clientId }) =>
        (filter.user === undefined || filter.user === user) &&
        (filter.clientId === undefined || filter.clientId === clientId),
    )
  }

  /** Whether an access or refresh token works now. */
  isActive(token: string): boolean {
    return (
      (this.#state.grants.liveAccessToken(token) ?? this.#state.grants.liveRefreshToken(token)) !== undefined
    )
  }

  // What happened.

  /** The numbers so far. */
  get counts(): ServerCounts {
    return this.#log.counts(this.#state.grants.tally)
  }

  /** Every request so far, oldest first; of one endpoint, if named. */
  requests(endpoint?: EndpointName): readonly RecordedRequest[] {
    const all = this.#log.requests()
    if (endpoint === undefined) return all
    if (endpoint !== 'refresh') return all.filter((request) => request.endpoint === endpoint)
    return all.filter(({ params }) => params['grant_type'] === 'refresh_token')
  }

  /** Forgets requests and sets the counters to zero. Grants and clients stay. */
  clearCounts(): void {
    this.#log.clear()
    this.#state.grants.tally = { refreshes: 0, reuseViolations: 0, codesReplayed: 0 }
  }

  /** Every consent that was given, dead ones too. No secret in it. */
  consents(): readonly Readonly<Grant>[] {
    return this.#state.grants.list()
  }

  /** Every code, token, id_token and client secret so far: search the output of what you test for them. */
  issuedSecrets(): string[] {
    return this.#state.secrets.issued()
  }

  // Below: how requests are served.

  /** The server's clock: milliseconds since 1970. */
  clock(): number {
    return this.#now() + (this.#behaviour.clockSkewSeconds ?? 0) * 1000 + this.#advancedMs
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined)
    response.sendDate = false
    const url = new URL(request.url ?? '/', this.url)
    const endpoint = endpointAt(url.pathname)
    const body = await readAll(request)
    if (body === undefined || endpoint === undefined)
      return deliver(response, json({ error: 'not_found' }, body === undefined ? 413 : 404), {})
    const exchange = { endpoint, method: request.method ?? 'GET', url, headers: request.headers, body }
    const { params } = this.#log.record(exchange, this.clock())
    const refresh = endpoint === 'token' && params['grant_type'] === 'refresh_token'
    const answer = () => this.#answer(exchange, refresh ? ['refresh', 'token'] : [endpoint], response)
    await (refresh ? this.#log.refreshing(answer) : answer())
  }

  async #answer(exchange: Exchange, names: readonly EndpointName[], response: ServerResponse): Promise<void> {
    const step = this.#script.next(names)
    const reply = await this.#reply(exchange, step)
    await pause(latencyOf(this.#behaviour, names[0] ?? exchange.endpoint) + (step.delayMs ?? 0))
    await deliver(response, { ...reply, headers: { date: this.#date(), ...reply.headers } }, step)
  }

  async #reply(exchange: Exchange, step: ScriptedAnswer): Promise<Reply> {
    if (!isCarriedOut(step)) return madeUpReply(step) ?? { status: 200, headers: {}, body: '' }
    const allowed = methodsOf(exchange.endpoint)
    if (allowed !== undefined && !allowed.includes(exchange.method))
      return json({ error: 'invalid_request' }, 405, { allow: allowed.join(', ') })
    try {
      return await this.#route(exchange)
    } catch (error) {
      return json({ error: 'server_error', error_description: String(error) }, 500)
    }
  }

  #route(exchange: Exchange): Reply | Promise<Reply> {
    switch (exchange.endpoint) {
      case 'authorization':
        return this.#authorization.answer(exchange)
      case 'consent':
        return this.#authorization.decide(exchange)
      case 'revocation':
        return revocationEndpoint(this.#state, exchange)
      case 'introspection':
        return introspectionEndpoint(this.#state, exchange)
      case 'metadata':
        return metadataEndpoint(this.#state, exchange.url.pathname)
      case 'jwks':
        return jwksEndpoint()
      case 'userinfo':
        return userinfoEndpoint(this.#state, exchange)
      case 'api':
        return apiEndpoint(this.#state, exchange)
      default:
        return tokenEndpoint(this.#state, exchange)
    }
  }

  #date(): string {
    return new Date(this.clock()).toUTCString()
  }
}

/**
 * Starts a simulated authorization server on 127.0.0.1. Stop it with `close()`, or hold it with `await using`.
 *
 * ```ts
 * await using server = await startAuthorizationServer({ accessTokenSeconds: 60 })
 * const provider = defineProvider(server.provider())
 * const callback = await server.consent(url)
 * ```
 */
export async function startAuthorizationServer(
  options: AuthorizationServerOptions = {},
): Promise<AuthorizationServer> {
  const server = new AuthorizationServer(options)
  await server.listen(options.port ?? 0)
  return server
}

function placementFacts(placement: ServerBehaviour['tokenPlacement'] = {}): Partial<ProviderFacts> {
  const { header, scheme, query } = placement
  if (query !== undefined) return { accessTokenQueryParam: query }
  if (scheme !== undefined) return { accessTokenHeader: `${header ?? 'Authorization'}: ${scheme}` }
  return header === undefined ? {} : { accessTokenHeader: header }
}

function endpointAt(path: string): EndpointName | undefined {
  if (path === PATHS.api || path.startsWith(`${PATHS.api}/`)) return 'api'
  if (path === '/.well-known/oauth-authorization-server' || path === '/.well-known/openid-configuration')
    return 'metadata'
  for (const [endpoint, at] of Object.entries(PATHS)) if (at === path) return endpoint as EndpointName
  return undefined
}

function methodsOf(endpoint: EndpointName): readonly string[] | undefined {
  if (endpoint === 'api') return undefined
  if (endpoint === 'authorization' || endpoint === 'userinfo') return ['GET', 'POST']
  return endpoint === 'metadata' || endpoint === 'jwks' ? ['GET', 'HEAD'] : ['POST']
}

/** The body, or nothing when it is too long. */
async function readAll(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of request) {
      length += chunk.length
      if (length > MAX_BODY_BYTES) return undefined
      chunks.push(chunk)
    }
  } catch {
    return undefined
  }
  return Buffer.concat(chunks).toString('utf8')
}

function pause(milliseconds: number): Promise<void> | undefined {
  if (milliseconds <= 0) return undefined
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref()
  })
}
