// What every way of asking a person for consent has in common: a request, a started flow, and its events.
// The authorization code grant of RFC 6749 section 4.1 seen from the program that waits for it.
import type { AuthorizationUrlOptions, PendingAuthorization, Registration, TokenSet } from '../oauth/index.ts'

/** Whom to ask for what. */
export interface FlowRequest
  extends Pick<
    AuthorizationUrlOptions,
    'resources' | 'authorizationDetails' | 'responseMode' | 'maxAge' | 'pushed'
  > {
  /** The provider, and us at it. */
  registration: Registration
  /** A list, or one text joined by spaces, commas or the provider's separator. Default: the provider's `defaultScopes`. */
  scopes?: string | readonly string[] | undefined
  /** Slack's second list, and others with a `userScopeParam`. Default: none. */
  userScopes?: readonly string[] | undefined
  /**
   * `token` and `id_token token`: the implicit grant, deprecated (RFC 9700 section 2.1.2), for a provider that has
   * nothing else. `code id_token` as in {@link AuthorizationUrlOptions}. Default: `code`.
   */
  responseType?: 'code' | 'code id_token' | 'token' | 'id_token token' | undefined
  /** Who this is for; recorded in the pending authorization, never sent. */
  user?: string | undefined
  /** Account label that the connection will have. */
  account?: string | undefined
  /**
   * How long the person has, in milliseconds, counted from `start`. Default 300 000 (five minutes); `Infinity` waits
   * for ever. The token request that follows a callback has a limit of its own (30 s) and is not cut off by this one.
   */
  timeoutMs?: number | undefined
  /** Cancels at any step: the port is freed, and the flow rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Further parameters of the authorization URL, such as `prompt` or `login_hint`. */
  extraParams?: Readonly<Record<string, string>> | undefined
  /** Replaces the global `fetch` for discovery and the token request. */
  fetch?: typeof fetch | undefined
  /**
   * Awaited with the tokens before the person is told that it worked: keep them here, and the page tells the truth.
   * What it throws is the outcome of the flow, and the person sees that it failed.
   */
  save?: ((tokens: TokenSet) => unknown) | undefined
}

/** A way to get a person's consent. */
export interface Flow {
  /**
   * Gets ready for the person's return and builds the URL to send them to.
   *
   * @throws {ConfigurationError} the client's redirect URI or the certificate does not fit; discovery failed.
   * @throws {ListenError} the port cannot be used.
   * @throws {TokenEndpointError} the provider refused the pushed authorization request (RFC 9126).
   * @throws {TypeError} `invalid_argument` for an option that cannot be.
   * @throws {TimeoutError} getting ready took longer than `timeoutMs`; or the reason of an aborted `signal`.
   */
  start(request: FlowRequest): Promise<StartedFlow>
}

/** A flow that waits for a person. */
export interface StartedFlow {
  /** Send the person here. It carries the state of this flow: show it to this person only. */
  readonly url: string
  /** Exactly what was sent, real port included. Empty where nothing comes back here (device flow). */
  readonly redirectUri: string
  /** The scopes asked for. */
  readonly scopes: readonly string[]
  /** Until when the provider takes `url`, where the request was pushed (RFC 9126): often a minute. */
  readonly urlExpiresAt?: Date | undefined
  /** When waiting ends; the largest possible date when `timeoutMs` is `Infinity`. */
  readonly expiresAt: Date
  /** State, verifier and the rest. Secret: seal it, or leave it alone. */
  readonly pending: PendingAuthorization
  /**
   * The outcome, the same promise at each call. Nobody has to wait for it: a rejection that is never looked at
   * is not an unhandled one.
   *
   * @throws {AuthorizationDeniedError} the person or the provider refused.
   * @throws {TimeoutError} nobody came back in time; no token request was made.
   * @throws {TokenEndpointError} {@link InvalidResponseError}, {@link NetworkError}: the code could not be exchanged.
   * @throws the reason of `cancel` or of the aborted signal.
   */
  result(): Promise<TokenSet>
  /**
   * Finishes the flow with the address the browser was sent to, copied from its address bar: for a browser on another
   * machine. Checked like a real callback; the promise resolves once the code is exchanged.
   *
   * @throws {CallbackError} this address is not the right one; the flow keeps waiting for the right one.
   * @throws what {@link StartedFlow.result} throws, when the address ended the flow.
   */
  submit(redirectedUrl: string): Promise<void>
  /** Ends the flow; `result` rejects with `reason` (default: an `AbortError`). Nothing happens when it has ended already. */
  cancel(reason?: unknown): void
}

/**
 * What happens in a flow, in this order: `start`, `listening`, `register-hint`, `authorize-url`, `waiting`,
 * `code-received`, `token-received`, `stopped`. A flow that fails skips to `stopped`. The others come between, when
 * there is a reason. No event holds a code, verifier or token; `authorize-url` holds the URL for the person, with its state.
 */
export type FlowEvent =
  | { type: 'start'; provider: string }
  /** The origin listened on. `certificate`: which one, for https. */
  | { type: 'listening'; provider: string; url: string; certificate?: 'managed' | 'mkcert' | 'files' }
  /** What has to be registered at the provider, character by character. */
  | { type: 'register-hint'; provider: string; redirectUri: string; registerUrl?: string }
  /** `expiresAt`: until when the provider takes the URL, where the request was pushed. */
  | { type: 'authorize-url'; provider: string; url: string; expiresAt?: Date }
  /** A device flow: what the person types where; `completeUrl` has the code in it. */
  | { type: 'device-code'; provider: string; userCode: string; url: string; completeUrl?: string }
  | { type: 'browser-failed'; provider: string; message: string }
  | { type: 'waiting'; provider: string; timeoutMs: number }
  /** A callback that must not be used arrived; the flow keeps waiting. */
  | { type: 'callback-refused'; provider: string; code: string; message: string }
  /** The same for a pasted line. */
  | { type: 'paste-refused'; provider: string; message: string }
  | { type: 'code-received'; provider: string }
  | { type: 'token-received'; provider: string }
  /** The port is free again, unless another flow waits on it. */
  | { type: 'stopped'; provider: string }

/** Hears {@link FlowEvent}s. What it throws becomes a process warning; the flow goes on. */
export type FlowListener = (event: FlowEvent) => void
