// An OAuth 2.0 authorization server on loopback that is strict by default and misbehaves on request. For tests only:
// it keeps everything in memory and shows every secret to whoever holds it. It shares no code with the client.
import type { ProviderDefinition } from '../providers/index.ts'
import type {
  AuthorizationServerOptions,
  ConsentDecision,
  EndpointName,
  RegisteredClient,
  ScriptStep,
  ServerBehaviour,
} from './behaviour.ts'
import { type BrowserPage, consentAt, follow } from './browser.ts'
import { Clients } from './clients.ts'
import { Devices } from './device-grant.ts'
import { type Grant, Grants } from './grants.ts'
import { HttpListener } from './http-listener.ts'
import { KeyProofs } from './key-proof.ts'
import { describeProvider, type ProviderOverrides } from './provider-description.ts'
import { type RecordedRequest, RequestLog, type ServerCounts } from './request-log.ts'
import { Script } from './script.ts'
import { Secrets } from './secrets.ts'
import type { ServerState } from './token-endpoint.ts'

/** What {@link AuthorizationServer.grant} grants. */
export interface GrantRequest {
  /** Default: the server's `user`. */
  user?: string
  /** Default: none. */
  scopes?: readonly string[]
  /** Default: the first client. */
  clientId?: string
}

/** Tokens from {@link AuthorizationServer.grant}. */
export interface GrantedTokens {
  accessToken: string
  /** Absent where the server issues none. */
  refreshToken: string | undefined
  /** `null`: the access token does not end. */
  expiresInSeconds: number | null
  scopes: readonly string[]
}

/** A running simulated server. */
export class AuthorizationServer {
  readonly #state: ServerState
  readonly #http: HttpListener
  readonly #log = new RequestLog()
  readonly #script = new Script()
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
    this.#http = new HttpListener(this.#state, this.#log, this.#script)
  }

  #newState(seed: string | undefined): ServerState {
    const clock = () => this.clock()
    const behaviour = () => this.#behaviour
    const issuer = () => this.url
    const secrets = new Secrets(seed)
    const clients = new Clients(secrets)
    const grants = new Grants(secrets, clock, behaviour)
    const devices = new Devices()
    const usedAssertions = new Set<string>()
    const proofs = new KeyProofs(secrets, clock, behaviour)
    return { issuer, secrets, clients, grants, devices, proofs, usedAssertions, behaviour, clock }
  }

  /** Called by {@link startAuthorizationServer}; 0 takes any free port. */
  async open(port: number): Promise<void> {
    await this.#http.open(port)
  }

  /** `http://127.0.0.1:<port>`: the issuer, and where every endpoint is. */
  get url(): string {
    return `http://127.0.0.1:${this.#http.port}`
  }

  /** Stops at once: open requests are cut off, the port is free when the promise resolves. */
  async close(): Promise<void> {
    await this.#http.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  // What the client under test is given.

  /**
   * This server as data for `defineProvider`. Its `issuer` is set, so `iss` and id_tokens are checked; an override of
   * `undefined` takes a member away.
   */
  provider(overrides: ProviderOverrides = {}): ProviderDefinition {
    const method = this.#registered[0]?.tokenEndpointAuthMethod
    return describeProvider(this.url, this.#behaviour, method, overrides)
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

  /**
   * Types the code of a device authorization, or is the person whom a backchannel request names, and decides. Default:
   * approves.
   *
   * @throws {Error} when no device waits with that code.
   */
  decideDevice(userCode: string, decision: ConsentDecision = {}): void {
    if (this.#state.devices.decide(userCode, decision)) return
    throw new Error(`No device waits for a decision with the code ${userCode}.`)
  }

  /** The codes of the device authorizations that wait for a person, and the people who are asked on the backchannel. */
  waitingDevices(): string[] {
    return this.#state.devices.waiting(this.clock())
  }

  /**
   * A grant and its first tokens without any flow: what the person would have got with consent. For tests that begin
   * with a connection.
   */
  grant(request: GrantRequest = {}): GrantedTokens {
    const { user = this.#behaviour.user ?? 'ada', scopes = [], clientId = this.client().clientId } = request
    const { accessToken, refreshToken, lifetimeSeconds } = this.#state.grants.issueTokens(
      clientId,
      user,
      scopes,
    )
    return { accessToken, refreshToken, expiresInSeconds: lifetimeSeconds, scopes }
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

  /** Makes every nonce for proofs stale (`dpopNonces`). */
  rotateDpopNonce(): void {
    this.#state.proofs.rotateNonce()
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

  /** The server's clock: milliseconds since 1970. */
  clock(): number {
    return this.#now() + (this.#behaviour.clockSkewSeconds ?? 0) * 1000 + this.#advancedMs
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
  await server.open(options.port ?? 0)
  return server
}
