// Places where a caller's own code runs around a request: for what no provider row can say.
// requests-oauthlib's compliance hooks (R17), typed, asynchronous, and in the order in which they were given.

/** A request to one of the provider's endpoints, before it is sent. A hook changes it in place or returns another. */
export interface EndpointCall {
  /** `authorization_code`, `refresh_token`, `client_credentials`, `revocation`, `introspection`, … */
  readonly name: string
  url: string
  method: 'GET' | 'POST'
  headers: Headers
  /** The parameters, client authentication included. Secret. Sent in the provider's `tokenRequestFormat`. */
  parameters: URLSearchParams
}

/** An answer of one of the provider's endpoints, before it is understood. A hook changes it in place or returns another. */
export interface EndpointAnswer {
  /** As in {@link EndpointCall}. */
  readonly name: string
  status: number
  headers: Headers
  /** The whole body. Secret. */
  text: string
}

/** An API request of a session, the token already in it. A hook returns another, or nothing to leave it as it is. */
export interface ApiCall {
  readonly url: string
  readonly init: RequestInit
}

/** One hook, or several that run one after the other, each on what the one before it left. */
export type Hook<Value> = HookFunction<Value> | readonly HookFunction<Value>[]

/** Runs before or after something. What it throws is thrown to the caller, and nothing further is sent. */
export type HookFunction<Value> = (
  value: Value,
) => Value | undefined | void | Promise<Value | undefined> | Promise<void>

/** A token answer that was understood; what a hook returns is merged into `extra` (P35). */
export interface UnderstoodTokens {
  /** The answer as the provider sent it. Secret. */
  readonly raw: Readonly<Record<string, unknown>>
  /** The access token, for follow-up calls. Secret. */
  readonly accessToken: string
  /** What the provider row asks to keep. */
  readonly extra: Readonly<Record<string, unknown>>
  /** Stops follow-up calls with the request's own time limit (`timeoutMs`), counted from the answer on. */
  readonly signal: AbortSignal
  /** What follow-up calls are sent with. */
  readonly fetch: typeof fetch
}

/** Finds out more about tokens, by calls of its own. Returns the facts to keep, or nothing. */
export type TokensHook = (
  tokens: UnderstoodTokens,
) => Facts | undefined | void | Promise<Facts | undefined> | Promise<void>

/** Facts by name, as they are kept under `extra`. */
type Facts = Readonly<Record<string, unknown>>

/** A caller's own code around requests. Every member is optional; each runs for that kind of request only. */
export interface Hooks {
  /** Token requests of every grant but a refresh. */
  tokenRequest?: Hook<EndpointCall> | undefined
  tokenResponse?: Hook<EndpointAnswer> | undefined
  refreshRequest?: Hook<EndpointCall> | undefined
  refreshResponse?: Hook<EndpointAnswer> | undefined
  revocationRequest?: Hook<EndpointCall> | undefined
  revocationResponse?: Hook<EndpointAnswer> | undefined
  introspectionRequest?: Hook<EndpointCall> | undefined
  introspectionResponse?: Hook<EndpointAnswer> | undefined
  /**
   * Follow-up facts after a token or refresh answer: what is returned is kept under `extra` (P35), over what was there,
   * and never takes the place of a token. What it throws ends the grant, except where tokens were renewed: by then the
   * old ones may be used up, so the new ones are kept with the facts of before, and `tokensFailed` hears of it.
   */
  tokens?: TokensHook | readonly TokensHook[] | undefined
  /** Hears what a `tokens` hook threw while tokens were renewed. Default: nobody does. */
  tokensFailed?: ((error: unknown) => void) | undefined
  /** API requests of a session, each time one is sent. */
  apiRequest?: Hook<ApiCall> | undefined
}

/** Runs a hook, or several in their order. Returns what the last one left. */
export async function runHook<Value>(hook: Hook<Value> | undefined, value: Value): Promise<Value> {
  let current = value
  for (const one of hook === undefined ? [] : typeof hook === 'function' ? [hook] : hook)
    current = (await one(current)) ?? current
  return current
}
