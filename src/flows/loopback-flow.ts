// One authorization that waits on a loopback listener: from the URL for the person to the token set, once.
// RFC 6749 sections 4.1 and 4.2, RFC 8252 section 7.3.
import { CallbackError, NetworkError, TimeoutError, ToolgrantError } from '../errors.ts'
import {
  answersInFragment,
  type Callback,
  callbackGrant,
  type PendingAuthorization,
  type Registration,
  type TokenSet,
  waitFor,
} from '../oauth/index.ts'
import { alreadyReceivedPage, failureOf } from './failure.ts'
import type { FlowEvent, FlowListener, FlowRequest, StartedFlow } from './flow.ts'
import type { CallbackRoute, Respond } from './loopback-listener.ts'
import { pastedUrl } from './loopback-paste.ts'
import type { CallbackSite } from './loopback-site.ts'
import { type FlowPages, failurePage, missingScopes, successPage } from './page.ts'

/** What a flow is made of, once it listens. */
export interface LoopbackFlowParts {
  /** With every endpoint known. */
  registration: Registration
  pending: PendingAuthorization
  url: string
  expiresAt: Date
  urlExpiresAt: Date | undefined
  site: CallbackSite
  lifetime: Lifetime
  emit: (event: FlowEventBody) => void
  pages: FlowPages | undefined
  fetch: typeof fetch | undefined
  /** See {@link FlowRequest.save}. */
  save: FlowRequest['save']
}

type WithoutProvider<T> = T extends FlowEvent ? Omit<T, 'provider'> : never
/** A {@link FlowEvent} before the provider is filled in. */
export type FlowEventBody = WithoutProvider<FlowEvent>

/** A listener that cannot harm the flow: what it throws becomes a process warning. */
export function emitterFor(provider: string, listener: FlowListener): (event: FlowEventBody) => void {
  return (event) => {
    try {
      listener({ ...event, provider } as FlowEvent)
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error))
    }
  }
}

/** Ends by time, by the caller's signal or by `cancel`, whichever comes first; and forgets all three at the end. */
export class Lifetime {
  readonly #controller = new AbortController()
  readonly #caller: AbortSignal | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(timeoutMs: number, caller: AbortSignal | undefined) {
    this.#caller = caller
    caller?.addEventListener('abort', this.#onCallerAbort, { once: true })
    if (caller?.aborted) this.#onCallerAbort()
    // Beyond what a timer can count (24.8 days), as for Infinity, nothing ends the wait.
    if (timeoutMs < 2 ** 31) this.#timer = setTimeout(() => this.end(tooLate(timeoutMs)), timeoutMs)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  end(reason: unknown): void {
    this.#controller.abort(reason)
  }

  /** The person is back: from here on the token request's own limit counts. */
  stopClock(): void {
    clearTimeout(this.#timer)
  }

  dispose(): void {
    this.stopClock()
    this.#caller?.removeEventListener('abort', this.#onCallerAbort)
  }

  readonly #onCallerAbort = () => this.end(this.#caller?.reason)
}

function tooLate(timeoutMs: number): TimeoutError {
  return new TimeoutError(
    `Nobody came back within ${timeoutMs} ms (timeoutMs). No token was requested. Start again, or allow more time.`,
    timeoutMs,
  )
}

/** A flow that waits on loopback. */
export class LoopbackFlow implements StartedFlow, CallbackRoute {
  readonly #parts: LoopbackFlowParts
  readonly #outcome = Promise.withResolvers<TokenSet>()
  #state: 'waiting' | 'exchanging' | 'ended' = 'waiting'
  #atEnd: (() => void) | undefined

  constructor(parts: LoopbackFlowParts) {
    this.#parts = parts
    this.#outcome.promise.catch(() => {}) // whoever asks later still gets the rejection
    parts.site.add(this)
    parts.lifetime.signal.addEventListener('abort', this.#onAbort, { once: true })
    if (parts.lifetime.signal.aborted) this.#onAbort()
  }

  get url(): string {
    return this.#parts.url
  }

  get redirectUri(): string {
    return this.#parts.pending.redirectUri
  }

  get scopes(): readonly string[] {
    return this.#parts.pending.scopes
  }

  get expiresAt(): Date {
    return this.#parts.expiresAt
  }

  get urlExpiresAt(): Date | undefined {
    return this.#parts.urlExpiresAt
  }

  get pending(): PendingAuthorization {
    return this.#parts.pending
  }

  get state(): string {
    return this.#parts.pending.state
  }

  get path(): string {
    return new URL(this.redirectUri).pathname
  }

  get answersBy(): CallbackRoute['answersBy'] {
    if (answersInFragment(this.pending)) return 'fragment'
    return this.pending.responseMode?.startsWith('form_post') === true ? 'post' : 'query'
  }

  get ended(): boolean {
    return this.#state === 'ended'
  }

  result(): Promise<TokenSet> {
    return this.#outcome.promise
  }

  cancel(reason: unknown = new DOMException('The flow was cancelled.', 'AbortError')): void {
    if (this.#state !== 'ended') this.#parts.lifetime.end(reason)
  }

  async submit(redirectedUrl: string): Promise<void> {
    const url = pastedUrl(redirectedUrl)
    this.#assertOurs(url)
    await this.#take(url, async () => {})
  }

  async receive(callback: Callback, respond: Respond): Promise<void> {
    try {
      await this.#take(callback, respond)
    } catch (error) {
      if (error instanceof CallbackError) this.refused(error) // of all else `result` tells
    }
  }

  refused(error: CallbackError): void {
    this.#parts.emit({ type: 'callback-refused', code: error.code, message: error.message })
  }

  /** Called once when the flow ends, however it ends. */
  onEnd(callback: () => void): void {
    if (this.#state === 'ended') callback()
    else this.#atEnd = callback
  }

  #assertOurs(url: string): void {
    const expected = new URL(this.redirectUri)
    const given = URL.canParse(url) ? new URL(url) : undefined
    if (given?.origin === expected.origin && given.pathname === expected.pathname) return
    throw new CallbackError(
      'callback_invalid',
      `This is not the address the browser was sent to at the end. That one begins with ${this.redirectUri} and has a code and a state in it.`,
    )
  }

  /** The one way in for callbacks and pasted addresses. Throws what went wrong, after answering the browser. */
  async #take(callback: Callback, respond: Respond): Promise<void> {
    let ours = false
    try {
      const tokens = await this.#exchange(callback, () => {
        ours = true
      })
      await this.#keep(tokens)
      await respond(await this.#successPage(tokens))
      await this.#end(() => this.#outcome.resolve(tokens))
    } catch (error) {
      if (ours) return this.#fail(ownError(error), respond)
      return this.#refuse(error, respond)
    }
  }

  /** Only a callback that is not to be trusted leaves the flow waiting: the right one may still come. */
  async #refuse(error: unknown, respond: Respond): Promise<never> {
    if (this.#state !== 'waiting') {
      await respond(await failurePage(alreadyReceivedPage))
      throw error instanceof CallbackError ? error : alreadyReceived()
    }
    if (!(error instanceof CallbackError)) return this.#fail(ownError(error), respond)
    await respond(await this.#failurePage(error))
    throw error
  }

  /** @param taken called when the callback is the right one, before anything is sent with what is in it. */
  async #exchange(callback: Callback, taken: () => void): Promise<TokenSet> {
    const { registration, lifetime, emit, fetch } = this.#parts
    const { provider, client } = registration
    const { signal } = lifetime
    if (this.#state !== 'waiting') throw alreadyReceived()
    const onChecked = () => {
      if (this.#state !== 'waiting') throw alreadyReceived() // by another that was checked meanwhile
      this.#state = 'exchanging'
      taken()
      lifetime.stopClock()
      emit({ type: 'code-received' })
    }
    // `waitFor`, because a `fetch` of the caller's may not listen to the signal.
    return waitFor(
      callbackGrant(provider, client, this.pending, callback, { signal, fetch, onChecked }),
      signal,
    )
  }

  async #keep(tokens: TokenSet): Promise<void> {
    this.#parts.emit({ type: 'token-received' })
    await this.#parts.save?.(tokens)
  }

  /** Answers the browser, ends the flow with `error`, and throws it. */
  async #fail(error: unknown, respond: Respond): Promise<never> {
    this.#state = 'exchanging'
    await respond(await this.#failurePage(error))
    await this.#end(() => this.#outcome.reject(error))
    throw error
  }

  /** Frees the port before anybody hears of the outcome: whoever does may bind it again. */
  async #end(settle: () => void): Promise<void> {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#parts.lifetime.dispose()
    this.#atEnd?.()
    await this.#parts.site.close()
    this.#parts.emit({ type: 'stopped' })
    settle()
  }

  /** While the code is being exchanged, the exchange hears the signal itself and ends the flow. */
  readonly #onAbort = () => {
    const { reason } = this.#parts.lifetime.signal
    if (this.#state === 'waiting') void this.#end(() => this.#outcome.reject(reason))
  }

  #successPage(tokens: TokenSet) {
    const { pages } = this.#parts
    const page = {
      provider: this.#name,
      scopes: tokens.scopes,
      missingScopes: missingScopes(this.scopes, tokens.scopes),
      ...(this.pending.account === undefined ? {} : { account: this.pending.account }),
    }
    return successPage(page, pages)
  }

  #failurePage(error: unknown) {
    return failurePage(failureOf(error, this.#name), this.#parts.pages)
  }

  get #name(): string {
    const { provider } = this.#parts.registration
    return provider.name ?? provider.id
  }
}

function alreadyReceived(): CallbackError {
  return new CallbackError(
    'callback_invalid',
    'This flow is over, or has its answer already. Nothing was used twice.',
  )
}

/** An error of ours that a caller's `fetch` threw comes back wrapped as a network error; it says more by itself. */
function ownError(error: unknown): unknown {
  return error instanceof NetworkError && error.cause instanceof ToolgrantError ? error.cause : error
}
