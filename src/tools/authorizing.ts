// The three ways to consent that are not a paused call: up front, waiting, and blocking.
import { AuthorizationRequiredError, argumentError, RefreshFailedError } from '../errors.ts'
import { addressFor } from './binding.ts'
import { askFor, type CallPath, type Requirement, requirementsOf, withVault } from './call-path.ts'
import { consentsAt, defaultWaitMs } from './consent.ts'
import type { PendingConsent, WaitOptions } from './consent-request.ts'
import type { Tool } from './tool.ts'
import type { ToolAuth } from './tool-auth.ts'
import type { ToolConnection } from './tool-vault.ts'

/** Options of {@link UserToolbox.authorize}. */
export interface AuthorizeOptions {
  /** Scopes to ask for besides those of the tools, by provider. */
  scopes?: Readonly<Record<string, readonly string[]>> | undefined
  /** Names of the tools to get ready for. Default: all. */
  tools?: readonly string[] | undefined
  /** Stops asking; links that were made stay usable. */
  signal?: AbortSignal | undefined
}

/** Options of {@link UserToolbox.connect}. */
export interface ConnectOptions extends WaitOptions {
  /** Default: the union of what the tools need at that provider. */
  scopes?: readonly string[] | undefined
  /** Account label. Default: what the toolbox is bound to. */
  account?: string | undefined
  /** Called with the link as soon as there is one, to show it to the person. */
  onConsent?: ((consent: PendingConsent) => void) | undefined
  /** `true`: ask even when everything is connected. Default `false`. */
  force?: boolean | undefined
}

/** Consents of one user outside of calls. */
export class Authorizing {
  readonly #path: CallPath
  readonly #tools: () => readonly Tool[]

  constructor(path: CallPath, tools: () => readonly Tool[]) {
    this.#path = path
    this.#tools = tools
  }

  /** See {@link UserToolbox.authorize}. */
  async authorize(options: AuthorizeOptions): Promise<PendingConsent[]> {
    withVault(this.#path).consents.memory.forget(this.#path.binding.user)
    return this.#ask(options)
  }

  /** See {@link UserToolbox.wait}. */
  async wait(options: WaitOptions): Promise<ToolConnection[]> {
    withVault(this.#path).consents.memory.throwFailure(this.#path.binding.user)
    const pending = await this.#ask({ signal: options.signal })
    return waitForAll(pending, options)
  }

  /**
   * Before several calls at once: the person is asked once for all that they need. Says nothing of failures: each call
   * finds out for itself.
   */
  async askOnce(names: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    const { binding, desk } = this.#path
    const needy = this.#tools().filter(({ name, auth }) => auth.length > 0 && names.includes(name))
    // A model that chooses accounts says only in the call which one it means.
    if (needy.length < 2 || binding.modelAccounts !== undefined || desk === undefined) return
    if (consentsAt(desk).memory.hasFailure(binding.user)) return
    try {
      await this.#ask({ tools: needy.map(({ name }) => name), signal })
    } catch {
      signal?.throwIfAborted()
    }
  }

  /** See {@link UserToolbox.connect}. */
  async connect(provider: string, options: ConnectOptions): Promise<ToolConnection> {
    const { vault, consents } = withVault(this.#path)
    if (typeof provider !== 'string' || provider === '') throw argumentError('connect needs a provider id.')
    consents.memory.forget(this.#path.binding.user, provider)
    const requirement = this.#requirementFor(provider, options)
    const lacking = options.force === true ? undefined : await this.#lacking(requirement, options.signal)
    if (lacking === undefined && options.force !== true) {
      const connection = await vault.connection(requirement.address)
      if (connection !== undefined) return connection
    }
    return this.#askAndWait(requirement, lacking ?? unconditional(requirement), options)
  }

  async #askAndWait(
    requirement: Requirement,
    why: AuthorizationRequiredError,
    options: ConnectOptions,
  ): Promise<ToolConnection> {
    const { timeoutMs = defaultWaitMs, signal, onConsent } = options
    const consent = await askFor(this.#path, requirement, why, timeoutMs)
    try {
      onConsent?.(consent)
      return await consent.wait({ timeoutMs, signal })
    } catch (error) {
      withVault(this.#path).consents.cancel(consent, error)
      throw error
    }
  }

  #requirementFor(provider: string, { scopes, account }: ConnectOptions): Requirement {
    const uses = this.#requirements({}).filter(({ auth }) => auth.provider === provider)
    const flow = uses.find((use) => use.auth.flow !== undefined)?.auth.flow
    const auth: ToolAuth = {
      provider,
      scopes: scopes ?? [...new Set(uses.flatMap((use) => use.auth.scopes))],
      ...(flow === undefined ? {} : { flow }),
      ...(account === undefined ? {} : { account }),
    }
    return { auth, address: addressFor(this.#path.binding, auth, {}) }
  }

  async #ask(options: AuthorizeOptions): Promise<PendingConsent[]> {
    const pending: PendingConsent[] = []
    for (const requirement of joined(this.#requirements(options))) {
      options.signal?.throwIfAborted()
      const lacking = await this.#lacking(requirement, options.signal)
      if (lacking !== undefined) pending.push(await askFor(this.#path, requirement, lacking))
    }
    return pending
  }

  #requirements({ tools: names, scopes = {} }: AuthorizeOptions): Requirement[] {
    const { binding } = this.#path
    const tools = this.#tools().filter(({ name }) => names === undefined || names.includes(name))
    const unknown = names?.find((name) => tools.every((tool) => tool.name !== name))
    if (unknown !== undefined) throw argumentError(`There is no tool called ${JSON.stringify(unknown)}.`)
    const needed = tools.flatMap((tool) => requirementsOf(binding, tool.auth, {}))
    const further = Object.entries(scopes).map(([provider, list]) => ({ provider, scopes: list }))
    return [...needed, ...requirementsOf(binding, further, {})]
  }

  /** Why a requirement is not met, or `undefined` when it is. */
  async #lacking(
    { auth, address }: Requirement,
    signal: AbortSignal | undefined,
  ): Promise<AuthorizationRequiredError | undefined> {
    const { vault, consents } = withVault(this.#path)
    const unsaved = await consents.saveUnsaved(address)
    try {
      const source = vault.source(address, { scopes: auth.scopes })
      const tokens = await source.token(signal === undefined ? {} : { signal })
      consents.connected(address, tokens.scopes)
      return undefined
    } catch (error) {
      if (error instanceof AuthorizationRequiredError && unsaved !== undefined) throw unsaved
      if (error instanceof AuthorizationRequiredError) return error
      // The connection is there; the provider is not, at the moment. Consent would change nothing.
      if (error instanceof RefreshFailedError && error.retryable) return undefined
      throw error
    }
  }
}

/** Requirements at one address in one: their scopes united. */
function joined(requirements: readonly Requirement[]): Requirement[] {
  const byAddress = new Map<string, Requirement>()
  for (const { auth, address } of requirements) {
    const key = JSON.stringify([address.provider, address.account ?? null, auth.flow ?? null])
    const scopes = [...new Set([...(byAddress.get(key)?.auth.scopes ?? []), ...auth.scopes])]
    byAddress.set(key, { address, auth: { ...auth, scopes } })
  }
  return [...byAddress.values()]
}

function unconditional({ auth }: Requirement): AuthorizationRequiredError {
  const { provider, scopes } = auth
  return new AuthorizationRequiredError('not_connected', `${provider} is to be connected.`, {
    provider,
    scopes,
  })
}

/** One refusal ends all waiting; the other links stay usable. */
async function waitForAll(
  pending: readonly PendingConsent[],
  { timeoutMs, signal }: WaitOptions,
): Promise<ToolConnection[]> {
  const stop = new AbortController()
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
  try {
    return await Promise.all(pending.map((consent) => consent.wait({ timeoutMs, signal: either })))
  } finally {
    stop.abort()
  }
}
