// Every error that toolgrant throws on purpose: one class for each thing a caller does differently,
// one code for each diagnosis. The hierarchy ends here: no other file declares an error class.
// Over 400 lines because the whole hierarchy is to be read in one place.
//
// No message ever contains a token, code, secret, header or raw body. Text that a remote party chose
// is passed through `quote`, which JSON-encodes and shortens it.

/** What went wrong, in one documented word. `docs/errors.md` explains each and names the next step. */
export type ErrorCode =
  // ConfigurationError: the developer or operator changes something, then tries again.
  | 'invalid_argument'
  | 'provider_unknown'
  | 'provider_invalid'
  | 'client_missing'
  | 'config_invalid'
  | 'insecure_url'
  | 'discovery_failed'
  | 'runtime_unsupported'
  | 'redirect_uri_not_loopback'
  | 'certificate_missing'
  | 'account_ambiguous'
  // AuthorizationRequiredError: a person has to consent.
  | 'not_connected'
  | 'missing_scope'
  | 'needs_reconnect'
  | 'insufficient_scope'
  // AuthorizationDeniedError: a person, or the provider on their behalf, said no.
  | 'access_denied'
  | 'authorization_failed'
  // CallbackError: this callback is not to be trusted; the right one may still come.
  | 'state_mismatch'
  | 'state_missing'
  | 'issuer_mismatch'
  | 'duplicate_parameter'
  | 'code_missing'
  | 'callback_invalid'
  | 'authorization_expired'
  | 'response_mode_mismatch'
  // TokenEndpointError: the provider understood the request and refused it.
  | 'token_request_refused'
  // InvalidResponseError: the provider's answer cannot be used.
  | 'response_too_large'
  | 'response_not_oauth'
  | 'response_truncated'
  | 'token_invalid'
  | 'id_token_invalid'
  | 'jwt_invalid'
  | 'redirect_refused'
  // NetworkError and TimeoutError: nothing was decided; try again later.
  | 'network'
  | 'timeout'
  // TokenExpiredError, RefreshFailedError, UnauthorizedError
  | 'token_expired'
  | 'refresh_failed'
  | 'refresh_unsupported'
  | 'unauthorized'
  // ScopeMismatchError: the grant is not what was asked for (strict scopes only); the tokens are in it.
  | 'scope_mismatch'
  // RequestRefusedError: our own fence stopped the request before anything was sent.
  | 'host_not_allowed'
  | 'cross_origin_redirect'
  // StoreError
  | 'store_unavailable'
  | 'store_read_only'
  | 'store_full'
  | 'store_corrupt'
  | 'store_busy'
  | 'store_newer'
  | 'store_permission'
  | 'connection_changed'
  | 'closed'
  // KeyError
  | 'key_missing'
  | 'key_wrong'
  | 'key_invalid'
  | 'key_unavailable'
  | 'key_retired'
  | 'key_in_use'
  | 'sealed_data_invalid'
  // ImportError: what was to be imported cannot be read; nothing was changed.
  | 'bundle_invalid'
  | 'passphrase_wrong'
  // ListenError
  | 'EADDRINUSE'
  | 'EACCES'
  | 'EADDRNOTAVAIL'
  | 'listen_failed'
  // Tools
  | 'tool_unknown'
  | 'tool_input_invalid'
  | 'tool_failed'
  | 'tool_timeout'
  | 'schema_unsupported'

/** Options that every error takes. */
export interface ToolgrantErrorOptions {
  /** What was caught, if anything. */
  cause?: unknown
}

/** The base of every error that toolgrant throws on purpose. Catch a subclass to react, read `code` to explain. */
export class ToolgrantError extends Error {
  override name = 'ToolgrantError'
  /** The diagnosis. */
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ToolgrantErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Something in the set-up has to change before this can work. Retrying as it is will fail again. */
export class ConfigurationError extends ToolgrantError {
  override name = 'ConfigurationError'
}

/** What an {@link AuthorizationRequiredError} says. */
export interface AuthorizationRequired {
  /** Provider id. */
  provider: string
  /** Every scope that the consent has to cover, the ones already granted included. */
  scopes: readonly string[]
  /** Where to send the person. Absent when it is thrown below the toolbox, by the vault. */
  url?: string
  /** The account label, when one was asked for. */
  account?: string
  /** Until when `url` can be used. */
  expiresAt?: Date
}

/**
 * A person has to consent: nothing is connected (`not_connected`), the grant lacks scopes (`missing_scope`)
 * or the grant is dead (`needs_reconnect`). Send the person to `url`, then repeat the same call.
 */
export class AuthorizationRequiredError extends ToolgrantError {
  override name = 'AuthorizationRequiredError'
  readonly provider: string
  readonly scopes: readonly string[]
  readonly url: string | undefined
  readonly account: string | undefined
  readonly expiresAt: Date | undefined

  constructor(
    code: 'not_connected' | 'missing_scope' | 'needs_reconnect' | 'insufficient_scope',
    message: string,
    details: AuthorizationRequired,
    options?: ToolgrantErrorOptions,
  ) {
    super(code, message, options)
    this.provider = details.provider
    this.scopes = details.scopes
    this.url = details.url
    this.account = details.account
    this.expiresAt = details.expiresAt
  }
}

/** The person, or the provider, refused. Asking again at once is not polite; tell the person. RFC 6749 section 4.1.2.1. */
export class AuthorizationDeniedError extends ToolgrantError {
  override name = 'AuthorizationDeniedError'
  /** Provider id. */
  readonly provider: string
  /** The `error` of the callback, as the provider sent it. Untrusted text. */
  readonly error: string
  /** The `error_description` of the callback, if any. Untrusted text. */
  readonly errorDescription: string | undefined

  constructor(provider: string, error: string, errorDescription?: string, options?: ToolgrantErrorOptions) {
    const what = errorDescription === undefined ? quote(error) : `${quote(error)}: ${quote(errorDescription)}`
    const denied = error === 'access_denied'
    super(
      denied ? 'access_denied' : 'authorization_failed',
      denied
        ? `The authorization at ${provider} was denied (${what}). Start again when the person agrees.`
        : `${provider} refused the authorization request (${what}). Check the client's registration and the scopes.`,
      options,
    )
    this.provider = provider
    this.error = error
    this.errorDescription = errorDescription
  }
}

/** A callback that must not be used: wrong state, wrong issuer, doubled parameters. Nothing was sent to the provider. */
export class CallbackError extends ToolgrantError {
  override name = 'CallbackError'
}

/** What a {@link TokenEndpointError} says. */
export interface TokenEndpointFailure {
  /** Provider id. */
  provider: string
  /** HTTP status of the answer; 200 when the provider reports errors inside a success. */
  status: number
  /** The provider's error code (RFC 6749 section 5.2), or its own. Untrusted text. */
  error: string
  /** The provider's description. Untrusted text, secrets of the request already removed. */
  errorDescription?: string
  /** Which request was refused. */
  request: 'authorization_code' | 'refresh_token' | 'revocation' | 'introspection' | 'device_code' | string
  /** Seconds from `Retry-After`, when the provider sent one. */
  retryAfterSeconds?: number
}

/** The provider answered a token, refresh or revocation request with an error. RFC 6749 section 5.2. */
export class TokenEndpointError extends ToolgrantError {
  override name = 'TokenEndpointError'
  readonly provider: string
  readonly status: number
  readonly error: string
  readonly errorDescription: string | undefined
  readonly request: string
  readonly retryAfterSeconds: number | undefined

  constructor(failure: TokenEndpointFailure, options?: ToolgrantErrorOptions) {
    const { provider, status, error, errorDescription, request } = failure
    const what = errorDescription === undefined ? quote(error) : `${quote(error)}: ${quote(errorDescription)}`
    super(
      'token_request_refused',
      `${provider} refused the ${request} request with HTTP ${status} (${what}).${adviceFor(error)}`,
      options,
    )
    this.provider = provider
    this.status = status
    this.error = error
    this.errorDescription = errorDescription
    this.request = request
    this.retryAfterSeconds = failure.retryAfterSeconds
  }
}

function adviceFor(error: string): string {
  if (error === 'invalid_client' || error === 'unauthorized_client')
    return ' Check the client id, the client secret and how the client is registered.'
  if (error === 'invalid_grant')
    return ' The grant is used up, expired or revoked: the person has to consent again.'
  if (error === 'invalid_scope')
    return ' Check the spelling of the scopes and that the client may ask for them.'
  if (error === 'redirect_uri_mismatch') return ' Register exactly the redirect URI that was sent.'
  return ''
}

/** The provider's answer cannot be used: too large, not OAuth, cut off, or not a token. */
export class InvalidResponseError extends ToolgrantError {
  override name = 'InvalidResponseError'
  /** HTTP status of the answer, if one arrived. */
  readonly status: number | undefined
  /** Seconds from `Retry-After`, when the answer had one. */
  readonly retryAfterSeconds: number | undefined
  /**
   * A few words of a page or plain text that came instead of an OAuth answer, secrets taken out, at most 200
   * characters. Untrusted text, and not enumerable, so that logs do not pick it up. Never of JSON or a form.
   */
  declare readonly excerpt: string | undefined

  constructor(
    code:
      | 'response_too_large'
      | 'response_not_oauth'
      | 'response_truncated'
      | 'token_invalid'
      | 'id_token_invalid'
      | 'jwt_invalid'
      | 'redirect_refused',
    message: string,
    options?: ToolgrantErrorOptions & {
      status?: number
      retryAfterSeconds?: number
      excerpt?: string | undefined
    },
  ) {
    super(code, message, options)
    this.status = options?.status
    this.retryAfterSeconds = options?.retryAfterSeconds
    Object.defineProperty(this, 'excerpt', { value: options?.excerpt, enumerable: false })
  }
}

/** No answer came: DNS, connection, TLS, reset. Nothing is known about the outcome; trying later is right. */
export class NetworkError extends ToolgrantError {
  override name = 'NetworkError'

  constructor(message: string, options?: ToolgrantErrorOptions) {
    super('network', message, options)
  }
}

/** A time limit of ours passed. The message says which and how to change it. */
export class TimeoutError extends ToolgrantError {
  override name = 'TimeoutError'
  /** The limit that passed, in milliseconds. */
  readonly timeoutMs: number

  constructor(message: string, timeoutMs: number, options?: ToolgrantErrorOptions) {
    super('timeout', message, options)
    this.timeoutMs = timeoutMs
  }
}

/** A grant that is not what was asked for, where the client demands exactly that (`scopes: 'strict'`). Nothing is lost. */
export class ScopeMismatchError extends ToolgrantError {
  override name = 'ScopeMismatchError'
  /** Asked for and not granted. */
  readonly missing: readonly string[]
  /** Granted and not asked for. */
  readonly added: readonly string[]
  /** The tokens all the same, a `TokenSet`: keep them, revoke them, or ask again. */
  declare readonly tokens: unknown

  constructor(
    message: string,
    details: { missing: readonly string[]; added: readonly string[]; tokens: unknown },
    options?: ToolgrantErrorOptions,
  ) {
    super('scope_mismatch', message, options)
    this.missing = details.missing
    this.added = details.added
    Object.defineProperty(this, 'tokens', { value: details.tokens, enumerable: false })
  }
}

/** The access token has expired and nothing here can renew it: refresh it yourself, or ask for consent. */
export class TokenExpiredError extends ToolgrantError {
  override name = 'TokenExpiredError'
  /** When it expired. */
  readonly expiredAt: Date

  constructor(message: string, expiredAt: Date, options?: ToolgrantErrorOptions) {
    super('token_expired', message, options)
    this.expiredAt = expiredAt
  }
}

/** A refresh did not succeed although the grant may well be alive. The connection is kept. */
export class RefreshFailedError extends ToolgrantError {
  override name = 'RefreshFailedError'
  /** `true`: the same call may succeed later. `false`: an operator has to mend something first. */
  readonly retryable: boolean
  /** How long the provider asked us to wait, in seconds, when it said so. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    message: string,
    options: ToolgrantErrorOptions & {
      retryable: boolean
      retryAfterSeconds?: number | undefined
      code?: 'refresh_failed' | 'refresh_unsupported'
    },
  ) {
    super(options.code ?? 'refresh_failed', message, options)
    this.retryable = options.retryable
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

/** The API still answers 401 after the token was refreshed, or could not be. `response` is that answer, unread. */
export class UnauthorizedError extends ToolgrantError {
  override name = 'UnauthorizedError'
  declare readonly response: Response

  constructor(message: string, response: Response, options?: ToolgrantErrorOptions) {
    super('unauthorized', message, options)
    Object.defineProperty(this, 'response', { value: response, enumerable: false })
  }
}

/** Our own fence stopped a request: the token must not go there. Nothing was sent. */
export class RequestRefusedError extends ToolgrantError {
  override name = 'RequestRefusedError'
}

/** The store cannot do what was asked: unreachable, read-only, full, corrupt, or written by a newer version. */
export class StoreError extends ToolgrantError {
  override name = 'StoreError'
}

/** The key that opens the vault is missing, wrong, or cannot be reached. Nothing stored was changed. */
export class KeyError extends ToolgrantError {
  override name = 'KeyError'
  /** The key that is needed and not at hand, where a sealed value named it. */
  readonly keyId: string | undefined

  constructor(code: ErrorCode, message: string, options?: ToolgrantErrorOptions & { keyId?: string }) {
    super(code, message, options)
    this.keyId = options?.keyId
  }
}

/** What was to be imported cannot be read: damaged, of another kind, or locked with another passphrase. Nothing was changed. */
export class ImportError extends ToolgrantError {
  override name = 'ImportError'
}

/** A local port cannot be listened on. `code` is the system's own (`EADDRINUSE`, `EACCES`). */
export class ListenError extends ToolgrantError {
  override name = 'ListenError'
  /** The port that was asked for. */
  readonly port: number

  constructor(
    code: 'EADDRINUSE' | 'EACCES' | 'EADDRNOTAVAIL' | 'listen_failed',
    message: string,
    port: number,
    options?: ToolgrantErrorOptions,
  ) {
    super(code, message, options)
    this.port = port
  }
}

/** No tool of that name. Safe to show to the model. */
export class ToolUnknownError extends ToolgrantError {
  override name = 'ToolUnknownError'

  constructor(message: string, options?: ToolgrantErrorOptions) {
    super('tool_unknown', message, options)
  }
}

/** One thing that is wrong with a tool's input. */
export interface InputIssue {
  /** Where, as a list of keys from the root; empty for the input as a whole. */
  path: readonly (string | number)[]
  /** What is wrong there. */
  message: string
}

/** The model's arguments do not fit the tool's schema. Safe, and useful, to show to the model. */
export class ToolInputError extends ToolgrantError {
  override name = 'ToolInputError'
  readonly issues: readonly InputIssue[]

  constructor(message: string, issues: readonly InputIssue[], options?: ToolgrantErrorOptions) {
    super('tool_input_invalid', message, options)
    this.issues = issues
  }
}

/** The tool itself threw (`tool_failed`) or ran too long (`tool_timeout`). `cause` is for the developer, not for the model. */
export class ToolFailedError extends ToolgrantError {
  override name = 'ToolFailedError'
  /** Name of the tool. */
  readonly tool: string

  constructor(
    code: 'tool_failed' | 'tool_timeout',
    message: string,
    tool: string,
    options?: ToolgrantErrorOptions,
  ) {
    super(code, message, options)
    this.tool = tool
  }
}

/**
 * Makes text that a remote party chose safe to put in a message: JSON-encoded (so no control or
 * escape characters survive) and at most `limit` characters long (default 200).
 */
export function quote(text: string, limit = 200): string {
  const short = text.length > limit ? `${text.slice(0, limit)}…` : text
  return JSON.stringify(short).replace(/[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, escapeCharacter)
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** A caller's mistake: a `TypeError` with `code: 'invalid_argument'` and a message that names the argument. */
export function argumentError(message: string): TypeError & { code: 'invalid_argument' } {
  return Object.assign(new TypeError(message), { code: 'invalid_argument' as const })
}
