// Consents under way, for all users of one toolbox: one flow for one need, saved once, whoever waits or does not.
import { CallbackError, StoreError, TimeoutError, ToolgrantError } from '../errors.ts'
import { type Flow, loopback, type StartedFlow } from '../flows/index.ts'
import { type TokenSet, waitFor } from '../oauth/index.ts'
import { type ConsentDesk, type ConsentsOptions, flowNamed } from './consent-desk.ts'
import {
  ConsentMemory,
  isSamePlace,
  isWithin,
  keyOf,
  signInKey,
  type WantedSignIn,
} from './consent-memory.ts'
import {
  type ConsentRequest,
  consentMessage,
  type PendingConsent,
  type WaitOptions,
} from './consent-request.ts'
import { type ConsentEvent, emitSafely } from './tool-events.ts'
import type { ToolAddress, ToolConnection } from './tool-vault.ts'

/** How long {@link PendingConsent.wait} waits when nothing is said, in milliseconds. */
export const defaultWaitMs = 300_000

/** One need for consent. */
export interface ConsentNeed {
  address: ToolAddress
  code: ConsentRequest['code']
  /** Everything it has to cover. */
  scopes: readonly string[]
  /** Asked for as well, but not insisted on. */
  recommended?: readonly string[]
  /** Name in `flows`. */
  flow?: string | undefined
  /** The person's time, in milliseconds, when it is not the usual. */
  timeoutMs?: number | undefined
  /** How the person has to sign in for it, when the API wants that. */
  signIn?: WantedSignIn | undefined
}

/** One flow under way. */
interface Entry {
  readonly need: ConsentNeed
  /** What the provider is asked for. */
  readonly scopes: readonly string[]
  readonly started: Promise<{ flow: StartedFlow; providerName: string }>
  /** The saved connection. Never an unhandled rejection. */
  readonly done: PromiseWithResolvers<ToolConnection>
  expiresAt: number
  /** Resolves when nothing more happens by itself. */
  followed?: Promise<void>
  /** A grant that is not in the vault yet. */
  tokens?: TokenSet
  /** The same grant, once the vault has it. */
  kept?: ToolConnection
  /** On its way into the vault. */
  keeping?: Promise<ToolConnection> | undefined
  /** Saving and all that follows from it, while it is under way. */
  saving?: Promise<ToolConnection> | undefined
  /** A wider consent was saved: this one must not replace it. */
  superseded?: true
}

/** Most links that wait for one person and account: an API that wants other scopes each time must not take every port. */
const MAX_OPEN_LINKS = 10

/** Beyond this, timers fire at once. */
const LONGEST_TIMER = 2_147_483_647

/** The consents under way. */
export class Consents {
  readonly #options: ConsentsOptions
  readonly #entries = new Set<Entry>()
  readonly #byConsent = new WeakMap<PendingConsent, Entry>()
  /** What became of those that are over. */
  readonly memory = new ConsentMemory()
  #defaultFlow: Flow | undefined
  #closed = false

  constructor(options: ConsentsOptions) {
    this.#options = options
  }

  /** The consent for a need: the one under way that covers it, or a new one. */
  async require(need: ConsentNeed): Promise<PendingConsent> {
    if (this.#closed) throw closedError()
    const entry = this.#covering(need) ?? this.#begin(need)
    return this.#describe(need, entry)
  }

  /**
   * Saves grants that could not be saved before. Resolves to what went wrong again; the grants are kept. Whoever still
   * has a usable token is not disturbed by that.
   */
  async saveUnsaved(address: ToolAddress): Promise<unknown> {
    if (this.#entries.size === 0) return undefined
    try {
      for (const entry of this.#entries)
        if (entry.tokens !== undefined && isSamePlace(entry.need.address, address))
          await this.#save(entry, entry.tokens)
      return undefined
    } catch (error) {
      return error
    }
  }

  /** A usable token was seen: consents for no more than it are needless, and their ports are freed. */
  connected(address: ToolAddress, granted: readonly string[]): void {
    if (this.#entries.size === 0) return
    const connection = { provider: address.provider, account: address.account ?? 'default', scopes: granted }
    for (const entry of this.#at(address)) if (isNeedless(entry, granted)) this.#end(entry, { connection })
  }

  /** Ends a consent that was made for one waiter ({@link ConsentNeed.timeoutMs}), as if it had never begun. */
  cancel(consent: PendingConsent, reason: unknown): void {
    const entry = this.#byConsent.get(consent)
    // A link that a paused call has given to somebody stays usable.
    if (entry?.need.timeoutMs === undefined || entry.tokens !== undefined) return
    this.#end(entry, { error: reason })
  }

  /** Ends all; their ports are free when this resolves. A grant that could not be saved is tried once more. */
  async close(): Promise<void> {
    this.#closed = true
    const open = [...this.#entries]
    const saving = open.map((entry) =>
      entry.tokens === undefined ? undefined : this.#save(entry, entry.tokens),
    )
    for (const entry of open) if (entry.tokens === undefined) this.#end(entry, { error: closedError() })
    await Promise.allSettled([...saving, ...open.map(({ followed }) => followed)])
  }

  #at(address: ToolAddress): Entry[] {
    const key = keyOf(address)
    return [...this.#entries].filter((entry) => keyOf(entry.need.address) === key)
  }

  #covering(need: ConsentNeed): Entry | undefined {
    const isUsable = (entry: Entry) =>
      entry.tokens === undefined &&
      entry.need.flow === need.flow &&
      signInKey(entry.need.signIn) === signInKey(need.signIn) &&
      entry.expiresAt > Date.now() &&
      isWithin(need.scopes, entry.scopes)
    return [...this.#entries].find(
      (entry) => keyOf(entry.need.address) === keyOf(need.address) && isUsable(entry),
    )
  }

  /** Registers before anything is awaited, so that two calls at once make one flow. */
  #begin(need: ConsentNeed): Entry {
    this.#makeRoom(need.address)
    const scopes = [...new Set([...need.scopes, ...(need.recommended ?? [])])]
    const done = Promise.withResolvers<ToolConnection>()
    done.promise.catch(() => {})
    const entry: Entry = {
      need,
      scopes,
      done,
      // Kept before the person is told that it worked.
      started: this.#start(need, scopes, async (tokens) => {
        if (entry.superseded !== true) await this.#keep(entry, tokens)
      }),
      expiresAt: Number.POSITIVE_INFINITY,
    }
    this.#entries.add(entry)
    entry.followed = this.#follow(entry)
    return entry
  }

  /** Ends the oldest link at an address that has too many. */
  #makeRoom(address: ToolAddress): void {
    const open = this.#at(address).filter(
      ({ tokens, need }) => tokens === undefined && need.timeoutMs === undefined,
    )
    const [oldest] = open
    if (oldest !== undefined && open.length >= MAX_OPEN_LINKS) this.#end(oldest, { error: madeRoom() })
  }

  async #start(
    need: ConsentNeed,
    scopes: readonly string[],
    save: (tokens: TokenSet) => Promise<unknown>,
  ): Promise<{ flow: StartedFlow; providerName: string }> {
    const { user, provider, account } = need.address
    const [flow, registration] = await Promise.all([
      this.#flow(need.flow),
      this.#options.vault.registration(provider),
    ])
    const timeoutMs = need.timeoutMs ?? this.#options.timeoutMs
    const started = await flow.start({
      registration,
      scopes,
      user,
      account,
      timeoutMs,
      fetch: this.#options.fetch,
      pushed: 'when-required', // a link in a conversation is opened later than a pushed request lives
      save,
      ...signInRequest(need.signIn),
    })
    return { flow: started, providerName: registration.provider.name ?? provider }
  }

  #flow(name: string | undefined): Flow | Promise<Flow> {
    if (name !== undefined) return flowNamed(this.#options.flows, name)
    if (this.#options.flow !== undefined) return this.#options.flow
    this.#defaultFlow ??= loopback()
    return this.#defaultFlow
  }

  /** Sees one flow through to the vault, whoever waits. Never rejects. */
  async #follow(entry: Entry): Promise<void> {
    let begun = false
    try {
      const { flow } = await entry.started
      begun = true
      entry.expiresAt = (flow.urlExpiresAt ?? flow.expiresAt).getTime()
      this.#report('consent.started', entry, entry.scopes)
      const tokens = await flow.result()
      if (entry.superseded !== true) await this.#save(entry, tokens)
    } catch (error) {
      // A flow that never began has told its caller. A grant that could not be saved stays until it can.
      if (entry.tokens !== undefined) this.#unsaved(entry, error)
      else if (this.#entries.has(entry)) this.#failed(entry, error, begun)
    }
  }

  /** Saves a grant exactly once. It must not be lost because a disk was full for a moment: the next call tries again. */
  #save(entry: Entry, tokens: TokenSet): Promise<ToolConnection> {
    this.#entries.add(entry)
    entry.saving ??= this.#saveOnce(entry, tokens).finally(() => {
      entry.saving = undefined
    })
    return entry.saving
  }

  async #saveOnce(entry: Entry, tokens: TokenSet): Promise<ToolConnection> {
    const connection = entry.kept ?? (await this.#keep(entry, tokens))
    const missing = entry.need.scopes.filter((scope) => !connection.scopes.includes(scope))
    this.memory.granted(entry.need.address, missing)
    if (entry.need.signIn !== undefined) this.memory.signedIn(entry.need.address, entry.need.signIn)
    this.#report('consent.finished', entry, connection.scopes)
    this.#end(entry, { connection })
    this.#endNarrower(entry, connection)
    return connection
  }

  /** Into the vault, once, whoever asks meanwhile. */
  #keep(entry: Entry, tokens: TokenSet): Promise<ToolConnection> {
    entry.tokens = tokens
    entry.keeping ??= this.#options.vault
      .save(entry.need.address, tokens)
      .then((connection) => {
        delete entry.tokens
        entry.kept = connection
        return connection
      })
      .finally(() => {
        entry.keeping = undefined
      })
    return entry.keeping
  }

  #unsaved(entry: Entry, error: unknown): void {
    entry.done.reject(error)
    this.#report('consent.failed', entry, entry.scopes, codeOf(error))
  }

  #end(entry: Entry, outcome: { connection: ToolConnection } | { error: unknown }): void {
    this.#entries.delete(entry)
    if ('connection' in outcome) entry.done.resolve(outcome.connection)
    else entry.done.reject(outcome.error)
    entry.started.then(({ flow }) => flow.cancel()).catch(() => {})
  }

  // A narrower consent that finished later would replace this grant with less.
  #endNarrower(entry: Entry, connection: ToolConnection): void {
    for (const other of this.#at(entry.need.address)) {
      if (other.tokens !== undefined || !isWithin(other.scopes, entry.scopes)) continue
      if (other.need.signIn !== undefined && signInKey(other.need.signIn) !== signInKey(entry.need.signIn))
        continue
      other.superseded = true
      this.#end(other, { connection })
    }
  }

  #failed(entry: Entry, error: unknown, begun: boolean): void {
    this.#end(entry, { error })
    // That nobody came in time is nobody's decision: the next call simply makes a new link.
    if (!begun || error instanceof TimeoutError) return
    const code = codeOf(error)
    if (code !== undefined) this.memory.failed(entry.need.address, entry.need.scopes, error)
    this.#report('consent.failed', entry, entry.scopes, code)
  }

  async #describe(need: ConsentNeed, entry: Entry): Promise<PendingConsent> {
    const { flow, providerName } = await entry.started
    const { provider, account } = need.address
    const connection =
      need.code === 'missing_scope' ? await this.#options.vault.connection(need.address) : undefined
    const missing = need.scopes.filter((scope) => connection?.scopes.includes(scope) !== true)
    const consent: PendingConsent = Object.freeze({
      provider,
      account,
      code: need.code,
      url: flow.url,
      scopes: Object.freeze([...entry.scopes]),
      missing: Object.freeze(missing),
      message: consentMessage(providerName, account, need.code, missing, need.signIn !== undefined),
      expiresAt: flow.urlExpiresAt ?? flow.expiresAt,
      wait: (options?: WaitOptions) => this.#wait(entry, options),
    })
    this.#byConsent.set(consent, entry)
    return consent
  }

  async #wait(
    entry: Entry,
    { timeoutMs = defaultWaitMs, signal }: WaitOptions = {},
  ): Promise<ToolConnection> {
    const limit = Promise.withResolvers<never>()
    limit.promise.catch(() => {})
    const passed = () => limit.reject(notInTime(entry.need.address.provider, timeoutMs))
    const timer = timeoutMs <= LONGEST_TIMER ? setTimeout(passed, timeoutMs) : undefined
    try {
      return await waitFor(Promise.race([entry.done.promise, limit.promise]), signal)
    } catch (error) {
      // Whoever waited has heard of it.
      this.memory.heard(error)
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  #report(type: ConsentEvent['type'], entry: Entry, scopes: readonly string[], code?: string): void {
    const { user, provider, account } = entry.need.address
    emitSafely(this.#options.onEvent, { type, at: new Date(), user, provider, account, scopes, code })
  }
}

/** Whether a usable token with these scopes is all that a consent is for. */
function isNeedless({ tokens, need, scopes }: Entry, granted: readonly string[]): boolean {
  if (tokens !== undefined || need.signIn !== undefined) return false
  return granted.length === 0 || isWithin(scopes, granted)
}

/** OpenID Connect Core section 3.1.2.1, as RFC 9470 section 4 uses it. */
function signInRequest({ acrValues, maxAgeSeconds }: WantedSignIn = {}) {
  return {
    ...(maxAgeSeconds === undefined ? {} : { maxAge: maxAgeSeconds }),
    ...(acrValues === undefined ? {} : { extraParams: { acr_values: acrValues.join(' ') } }),
  }
}

/** The consents of a toolbox, made when the first is thought of. */
export function consentsAt(desk: ConsentDesk): Consents {
  desk.consents ??= new Consents(desk.options)
  return desk.consents
}

function codeOf(error: unknown): string | undefined {
  return error instanceof ToolgrantError ? error.code : undefined
}

function notInTime(provider: string, timeoutMs: number): TimeoutError {
  return new TimeoutError(
    `Nobody finished the authorization at ${provider} within ${timeoutMs} ms. The link stays usable until it expires; wait again, or pass a longer timeoutMs.`,
    timeoutMs,
  )
}

function madeRoom(): CallbackError {
  return new CallbackError(
    'authorization_expired',
    'This link made room for newer ones to the same account. Repeat the call for a new link.',
  )
}

function closedError(): StoreError {
  return new StoreError('closed', 'The toolbox is closed. Make a new one.')
}
