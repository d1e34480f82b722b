// What a tool's `run` gets besides its input: an authorised `fetch`, and on request the token itself.
import {
  type ApiChallenge,
  AuthorizationRequiredError,
  argumentError,
  ConfigurationError,
  ToolFailedError,
} from '../errors.ts'
import {
  type Client,
  Session,
  type SessionRequestInit,
  type TokenSet,
  type TokenSource,
} from '../oauth/index.ts'
import type { Provider } from '../providers/index.ts'
import { type EnvironmentNameOptions, tokenEnvironment } from './env-names.ts'
import type { Redactor } from './redactor.ts'
import type { ToolAuth } from './tool-auth.ts'
import type { UseTrace } from './tool-use.ts'

/** `fetch` with the token added; relative URLs start at the provider's API base. See {@link Session.fetch}. */
export type AuthorisedFetch = (input: string | URL | Request, init?: SessionRequestInit) => Promise<Response>

/** One provider's authorization, as a tool sees it. */
export interface ProviderAccess {
  /** Provider id. */
  readonly provider: string
  /** Sends requests with the token, to this provider's API hosts only. Stops with the call. */
  readonly fetch: AuthorisedFetch
  /**
   * The access token itself, fresh. Prefer `fetch`: a token that the tool holds can end up in what it returns. (If it
   * does, it is taken out before a model sees it.)
   */
  token(): Promise<string>
  /** The scopes that were granted. */
  scopes(): Promise<readonly string[]>
  /** Further facts of the token answer that the provider row keeps: workspace id, instance URL. */
  extra(): Promise<Readonly<Record<string, unknown>>>
}

type IsOne<T, Each = T> = [T] extends [never]
  ? false
  : T extends Each
    ? [Each] extends [T]
      ? true
      : false
    : never

/** What `run` gets as its second argument. `Providers` are the ids in the tool's `auth`. */
export interface ToolContext<Providers extends string = never> {
  /**
   * With one provider: its authorised `fetch`. Without `auth`: plain `fetch` that stops with the call.
   * With several providers it throws: use `auth.<provider>.fetch`.
   */
  readonly fetch: AuthorisedFetch
  /** Each provider by its id; with one provider its members are here too. */
  readonly auth: { readonly [Id in Providers]: ProviderAccess } & (IsOne<Providers> extends true
    ? ProviderAccess
    : object)
  /**
   * The tool's variables and the tokens, under the names that Hyperpocket's tools read (`GITHUB_TOKEN`,
   * `SLACK_BOT_TOKEN`, …), for handing to a child process. A variable never replaces a token. **Secret.**
   */
  env(options?: EnvironmentNameOptions): Promise<Record<string, string>>
  /** Fires on the tool's time limit and when the caller gives up. */
  readonly signal: AbortSignal
  /** The user, chosen by trusted code. `undefined` when the tool is called without a toolbox. */
  readonly user: string | undefined
  /** The conversation, when the toolbox was bound to one. */
  readonly thread: string | undefined
  /** The profile, when the toolbox was bound to one. */
  readonly profile: string | undefined
  /** The tool's own variables with their overrides. */
  readonly vars: Readonly<Record<string, string>>
}

/** One requirement of a tool, met: whose token, and where it may go. */
export interface Grant {
  auth: ToolAuth
  provider: Provider
  client: Client
  source: TokenSource
  /** Scopes that a person has already refused; asking again would go round in circles. */
  declined: ReadonlySet<string>
  /** Whether the person signed in just so a moment ago; again would not help. */
  hasJustSignedIn: (wanted: ApiChallenge) => boolean
}

/** What a context is made of. */
export interface ContextParts {
  tool: string
  grants: readonly Grant[]
  signal: AbortSignal
  user?: string | undefined
  thread?: string | undefined
  profile?: string | undefined
  vars: Readonly<Record<string, string>>
  fetch?: typeof fetch | undefined
  /** Learns every token that the call touches. */
  redactor: Redactor
  /** Notes what tokens are used for. */
  use?: UseTrace | undefined
  /** Learns that an API wants more than was granted, even when the tool swallows the error. */
  onAuthorizationRequired: (error: AuthorizationRequiredError) => void
}

/** The context of one call. */
export function toolContext(parts: ContextParts): ToolContext<string> {
  const accesses = parts.grants.map((grant) => new Access(parts, grant))
  const [first] = accesses
  const byId = Object.fromEntries(
    accesses.map((access) => [access.provider, Object.freeze(membersOf(access))]),
  )
  const auth = accesses.length === 1 && first !== undefined ? { ...membersOf(first), ...byId } : byId
  return {
    fetch:
      accesses.length === 0
        ? plainFetch(parts)
        : first !== undefined && accesses.length === 1
          ? first.fetch
          : severalProviders(accesses),
    auth: Object.freeze(auth) as unknown as ToolContext<string>['auth'],
    env: (options) => environment(parts, accesses, options),
    signal: parts.signal,
    user: parts.user,
    thread: parts.thread,
    profile: parts.profile,
    vars: parts.vars,
  }
}

/** What of an {@link Access} the tool sees: not the refresh token. */
function membersOf(access: Access): ProviderAccess {
  return {
    provider: access.provider,
    fetch: access.fetch,
    token: () => access.token(),
    scopes: () => access.scopes(),
    extra: () => access.extra(),
  }
}

async function environment(
  parts: ContextParts,
  accesses: readonly Access[],
  options?: EnvironmentNameOptions,
): Promise<Record<string, string>> {
  if (accesses.length > 0) parts.use?.give()
  const secrets = await Promise.all(
    accesses.map(async (access) => tokenEnvironment(access.provider, await access.tokens(), options)),
  )
  // Some are no part of the token set proper (an API secret beside the token).
  for (const secret of secrets.flatMap((variables) => Object.values(variables)))
    parts.redactor.addSecret(secret)
  // P77: a variable can never replace a credential.
  return Object.assign({ ...parts.vars }, ...secrets)
}

function plainFetch(parts: ContextParts): AuthorisedFetch {
  return (input, init) => (parts.fetch ?? globalThis.fetch)(input, withSignal(parts.signal, input, init))
}

function severalProviders(accesses: readonly Access[]): AuthorisedFetch {
  return async () => {
    const ways = accesses
      .map(({ provider }) => `context.auth[${JSON.stringify(provider)}].fetch`)
      .join(' or ')
    throw argumentError(`This tool has several providers, so it must say which one: ${ways}.`)
  }
}

function withSignal<T extends RequestInit>(signal: AbortSignal, input: unknown, init: T | undefined): T {
  const own = init?.signal ?? (input instanceof Request ? input.signal : undefined)
  return { ...init, signal: own ? AbortSignal.any([own, signal]) : signal } as T
}

/** One provider within one call: a session whose tokens are remembered, and whose refusals are understood. */
class Access implements ProviderAccess {
  readonly provider: string
  readonly #parts: ContextParts
  readonly #grant: Grant
  readonly #source: TokenSource
  #session: Session | undefined

  constructor(parts: ContextParts, grant: Grant) {
    this.provider = grant.auth.provider
    this.#parts = parts
    this.#grant = grant
    this.#source = remembering(grant.source, parts.redactor)
  }

  readonly fetch: AuthorisedFetch = async (input, init) => {
    const { use } = this.#parts
    const begun = performance.now()
    const method = init?.method ?? (input instanceof Request ? input.method : undefined)
    try {
      const response = await this.#fetch(input, init)
      use?.answered(this.#target(input), method, response, performance.now() - begun)
      return response
    } catch (error) {
      use?.failed(this.#target(input), method, error, performance.now() - begun)
      throw error
    }
  }

  readonly #fetch: AuthorisedFetch = async (input, init) => {
    this.#session ??= this.#openSession()
    try {
      return await this.#session.fetch(input, withSignal(this.#parts.signal, input, init))
    } catch (error) {
      if (!(error instanceof AuthorizationRequiredError)) throw error
      const required = error.code === 'insufficient_scope' ? this.#stepUp(error) : error
      this.#parts.onAuthorizationRequired(required)
      throw required
    }
  }

  async token(): Promise<string> {
    this.#parts.use?.give()
    return (await this.tokens()).accessToken
  }

  async scopes(): Promise<readonly string[]> {
    return (await this.tokens()).scopes
  }

  async extra(): Promise<Readonly<Record<string, unknown>>> {
    return (await this.tokens()).extra
  }

  /** A usable token set. */
  async tokens(): Promise<TokenSet> {
    return this.#source.token({ signal: this.#parts.signal })
  }

  /** The URL that was asked for, or some text when it was none. */
  #target(input: string | URL | Request): string {
    const { auth, provider } = this.#grant
    const asked = typeof input === 'object' && 'url' in input ? input.url : String(input)
    const base = auth.apiBaseUrl ?? provider.apiBaseUrl
    return URL.canParse(asked, base) ? new URL(asked, base).href : asked
  }

  #openSession(): Session {
    const { auth, provider, client } = this.#grant
    const apiBaseUrl = auth.apiBaseUrl ?? provider.apiBaseUrl
    const apiHosts = auth.apiHosts ?? (auth.apiBaseUrl === undefined ? provider.apiHosts : undefined)
    // A session without hosts would let the token go anywhere, and here a model may have chosen the URL.
    if (apiBaseUrl === undefined && (apiHosts ?? []).length === 0)
      throw new ConfigurationError(
        'provider_invalid',
        `${provider.id} has no apiBaseUrl, so it is unknown where its token may go. Set apiBaseUrl on the provider or in the tool's auth.`,
      )
    return new Session(this.#source, {
      provider,
      apiBaseUrl,
      // An empty list, not `undefined`: a tool that names its own base does not get the provider's hosts as well.
      apiHosts: apiHosts ?? [],
      client,
      fetch: this.#parts.fetch,
    })
  }

  /**
   * What to ask the person for, so that the API is content (RFC 6750 section 3.1, RFC 9470 section 3).
   *
   * @throws {ToolFailedError} they have been asked for it already.
   */
  #stepUp(error: AuthorizationRequiredError): AuthorizationRequiredError {
    const { auth, provider, declined, hasJustSignedIn } = this.#grant
    const { challenge = { missing: [] } } = error
    const scopes = [...new Set([...error.scopes, ...auth.scopes])]
    if (challenge.acrValues !== undefined || challenge.maxAgeSeconds !== undefined) {
      if (hasJustSignedIn(challenge)) throw this.#hopeless('wants the person to sign in, which they just did')
    } else {
      const granted = error.scopes.filter((scope) => !challenge.missing.includes(scope))
      const missing = scopes.filter((scope) => !granted.includes(scope))
      if (missing.length === 0)
        throw this.#hopeless('answered that the token lacks a scope, although all of them were granted')
      if (missing.every((scope) => declined.has(scope)))
        throw this.#hopeless(
          `answered that the token lacks a scope, and ${missing.join(' ')} was asked for and not granted`,
        )
    }
    const details = { provider: provider.id, scopes, challenge }
    return new AuthorizationRequiredError('insufficient_scope', error.message, details)
  }

  #hopeless(why: string): ToolFailedError {
    return new ToolFailedError(
      'tool_failed',
      `"${this.#parts.tool}" failed: ${this.provider} ${why}. Consent again would not help.`,
      this.#parts.tool,
    )
  }
}

/** The same source; the redactor sees each token first. */
function remembering(source: TokenSource, redactor: Redactor): TokenSource {
  const remember = (tokens: TokenSet) => {
    redactor.add(tokens)
    return tokens
  }
  return {
    token: (request) => {
      const tokens = source.token(request)
      return tokens instanceof Promise ? tokens.then(remember) : remember(tokens)
    },
  }
}
