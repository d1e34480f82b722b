// Every error that toolgrant throws on purpose: one class for each thing a caller does differently,
// one code for each diagnosis. The hierarchy ends here: no other file declares an error class.
// Over 400 lines because the whole hierarchy is to be read in one place.
//
// No message ever contains a token, code, secret, header or raw body. Text that a remote party chose
// is passed through `quote`, which JSON-encodes and shortens it.

/**
 * What went wrong, in one documented word. Each code says what it means and, after "Next:", what to do; the line above
 * a group names the class that carries its codes. `node scripts/errors-page.ts` makes docs/errors.md of this.
 */
export type ErrorCode =
  // TypeError: the call is wrong. A plain TypeError with a code; not one of the classes below.
  /** A call was made with a missing or unusable argument. Next: correct the call; the message names the argument. */
  | 'invalid_argument'
  // ConfigurationError: the developer or operator changes something, then tries again.
  /**
   * No provider of that id is in the catalogue or the configuration.
   * Next: use one of the ids that the message offers, or define it.
   */
  | 'provider_unknown'
  /**
   * A provider row lacks something, or has something it must not have.
   * Next: correct the member that the message names.
   */
  | 'provider_invalid'
  /**
   * Our client id, secret or key at a provider is not set.
   * Next: set it in one of the places that the message lists.
   */
  | 'client_missing'
  /**
   * `toolgrant.toml`, `.secrets.toml`, or a private key or certificate of a client cannot be used.
   * Next: correct the file at the line, or the key, that the message names.
   */
  | 'config_invalid'
  /**
   * A URL would carry secrets over plain HTTP.
   * Next: use https; http is accepted on loopback only, and in a test network with `allowInsecureRequests`.
   */
  | 'insecure_url'
  /**
   * An issuer's metadata could not be read, or points somewhere it must not.
   * Next: check the issuer, or give the endpoints.
   */
  | 'discovery_failed'
  /** This runtime lacks something (`node:sqlite`, `node:crypto`). Next: use Node ≥ 22.18. */
  | 'runtime_unsupported'
  /**
   * A flow that listens was given a redirect URI of another machine.
   * Next: register a loopback URI, or mount the callback and call `vault.finish`.
   */
  | 'redirect_uri_not_loopback'
  /**
   * The certificate files for https are not there.
   * Next: run one of the commands in the message, or use the managed certificate.
   */
  | 'certificate_missing'
  /** A person has several accounts at this provider. Next: say which: `account`. */
  | 'account_ambiguous'
  /**
   * A tool's input cannot be expressed as JSON Schema, or in a vendor's dialect.
   * Next: change the schema at the path in the message.
   */
  | 'schema_unsupported'
  // AuthorizationRequiredError: a person has to consent.
  /** The person has not connected this provider yet. Next: send them to `url`, then repeat the call. */
  | 'not_connected'
  /**
   * The grant does not cover a scope that is needed.
   * Next: send the person to `url`, then repeat the call; the old scopes keep working meanwhile.
   */
  | 'missing_scope'
  /**
   * The grant is dead: revoked, expired, or its refresh was interrupted.
   * Next: send the person to `url`, then repeat the call.
   */
  | 'needs_reconnect'
  /**
   * The API refuses the call until the grant covers more (RFC 6750), or the person signs in again (RFC 9470).
   * Next: ask for consent to `scopes`: those that were granted and those that the API names. Once: a second refusal
   * means that consent does not help.
   */
  | 'insufficient_scope'
  // AuthorizationDeniedError: a person, or the provider on their behalf, said no.
  /** The person said no. Next: tell them what will not work; start again when they agree. */
  | 'access_denied'
  /**
   * The provider refused the authorization request; see `error` and `errorDescription`.
   * Next: as the message says: usually the client's registration or the scopes.
   */
  | 'authorization_failed'
  // CallbackError: this callback is not to be trusted; the right one may still come.
  /** A callback carries another state. Next: nothing: it was not used, and the right one may still come. */
  | 'state_mismatch'
  /** A callback carries no state. Next: nothing: it was not used, and the right one may still come. */
  | 'state_missing'
  /**
   * A callback comes from another issuer, or lacks the promised `iss` (RFC 9207).
   * Next: nothing: it was not used. If it keeps happening, check the provider's `issuer`.
   */
  | 'issuer_mismatch'
  /** A callback repeats a parameter. Next: nothing: it was not used, and the right one may still come. */
  | 'duplicate_parameter'
  /** A callback has neither code nor error. Next: give the whole redirected URL. */
  | 'code_missing'
  /** The text is not a redirected URL. Next: give the whole address, from http to the end. */
  | 'callback_invalid'
  /** The person came back too late. Next: start again. */
  | 'authorization_expired'
  /**
   * A callback did not come in the response mode that was asked for, such as an unsigned one where a signed one was
   * promised (JARM).
   * Next: nothing: it was not used. If it keeps happening, check the provider's `responseMode`.
   */
  | 'response_mode_mismatch'
  // TokenEndpointError: the provider understood the request and refused it.
  /**
   * The provider refused a request for tokens, or about them; see `request`, `error`, `errorDescription`, `status`.
   * Next: as the message says; `invalid_client` is ours to mend, `invalid_grant` the person's.
   */
  | 'token_request_refused'
  // InvalidResponseError: the provider's answer cannot be used.
  /** An answer has more than 1 MiB. Next: check the URL in the provider row. */
  | 'response_too_large'
  /** An answer is not OAuth: a proxy's page, cut JSON, no token. Next: try later (5xx, 429), or check the URLs. */
  | 'response_not_oauth'
  /** The connection broke inside the answer. Next: try later; the outcome is unknown. */
  | 'response_truncated'
  /** The token in the answer cannot be used. Next: check `tokenResponsePath` and `tokenResponseAliases`. */
  | 'token_invalid'
  /**
   * The id_token is for another client, issuer, time or nonce, or its signature does not fit.
   * Next: start again; check the clock and the `issuer`.
   */
  | 'id_token_invalid'
  /**
   * A signed answer of the server (introspection, userinfo, logout) is not to be believed: signature, issuer, audience
   * or time. Of a signed callback (JARM) it is a `CallbackError`.
   * Next: check the clock, the `issuer` and the `jwksUrl`; nothing of it was used.
   */
  | 'jwt_invalid'
  /** An endpoint answered with a redirect. Next: correct the endpoint's URL; secrets do not follow redirects. */
  | 'redirect_refused'
  // NetworkError: nothing was decided.
  /** No answer came: DNS, connection, TLS, reset. Next: try later. */
  | 'network'
  // TimeoutError: nothing was decided within our limit.
  /** A time limit passed; the message says which. Next: try later, or raise the limit. */
  | 'timeout'
  // TokenExpiredError: nothing was sent.
  /**
   * The access token is over and nothing here can renew it.
   * Next: refresh it, or give the session a source that does.
   */
  | 'token_expired'
  // RefreshFailedError: the grant is kept.
  /**
   * A refresh failed although the grant may be alive; `retryable` says whether waiting helps.
   * Next: try later, or mend the cause.
   */
  | 'refresh_failed'
  /**
   * There is no refresh token, and nothing to repeat the grant with.
   * Next: ask for offline access, and for consent again.
   */
  | 'refresh_unsupported'
  // UnauthorizedError: the API refuses a fresh token.
  /**
   * The API still says 401 with a renewed token.
   * Next: check the scopes and the connected account; `response` is the answer.
   */
  | 'unauthorized'
  // ScopeMismatchError: the grant is not what was asked for (`scopes: 'strict'`); the tokens are in it.
  /**
   * The provider granted other scopes than were asked for, and the client demands exactly those.
   * Next: keep `tokens`, revoke them, or ask again; `missing` and `added` name the difference.
   */
  | 'scope_mismatch'
  // RequestRefusedError: our own fence stopped the request before anything was sent.
  /** The token must not go to that host. Nothing was sent. Next: add the host to `apiHosts` if it is the provider's. */
  | 'host_not_allowed'
  /**
   * An API redirects elsewhere, and the token does not go along.
   * Next: call that URL itself if it is the provider's.
   */
  | 'cross_origin_redirect'
  // StoreError: the store cannot do what was asked.
  /**
   * The vault file cannot be opened, or the database not be reached.
   * Next: check the path, or the server and the network; then repeat.
   */
  | 'store_unavailable'
  /**
   * The vault file or its folder is read-only; the database is a standby.
   * Next: give write permission; name the primary.
   */
  | 'store_read_only'
  /** The disk is full. Nothing stored was lost. Next: free space, then repeat. */
  | 'store_full'
  /** The file is damaged, or is not a vault. Next: restore a backup; see docs/vault.md. */
  | 'store_corrupt'
  /**
   * Other processes held the store for too long, or no connection to it is free.
   * Next: repeat; the message names the limit to raise.
   */
  | 'store_busy'
  /** A newer toolgrant wrote this store. Next: upgrade this one. */
  | 'store_newer'
  /**
   * The file or folder may not be used by this user; the database refuses the role, its password, or what it wants
   * to do.
   * Next: correct owner and mode; user, password and [rights](vault.md#roles-and-rights).
   */
  | 'store_permission'
  /** The vault, toolbox or store was closed. Next: open it again. */
  | 'closed'
  // KeyError: nothing stored was changed.
  /** The store is sealed, and its key is nowhere. Next: put the key back where the message looked. */
  | 'key_missing'
  /**
   * The key at hand is not the one that sealed the store, or this row; the message names both, `keyId` the one that
   * is needed.
   * Next: give the right key; nothing was changed.
   */
  | 'key_wrong'
  /** A key is not 32 bytes in base64 or hex. Next: give such a key. */
  | 'key_invalid'
  /**
   * The keychain, the key file or the key management service cannot be reached.
   * Next: unlock or correct it, try later, or set `TOOLGRANT_KEY`.
   */
  | 'key_unavailable'
  /**
   * Something was to be written with a key that the vault does not use any more, and the present one was not found.
   * Next: give the process the present key; nothing was changed.
   */
  | 'key_retired'
  /**
   * A key that was to be retired is the primary, or something is sealed with it.
   * Next: as the message says: `toolgrant keys rotate`, then again.
   */
  | 'key_in_use'
  /**
   * A sealed value was altered, or moved from another row.
   * Next: restore a backup; find out who writes to the store.
   */
  | 'sealed_data_invalid'
  // ImportError: what was to be imported cannot be read; nothing was changed.
  /**
   * What was to be imported is damaged, cut off, of a newer version, or nothing that can be imported.
   * Next: copy or export it again; nothing was changed.
   */
  | 'bundle_invalid'
  /** The bundle was made with another passphrase. Next: give that one; nothing was changed. */
  | 'passphrase_wrong'
  // ListenError: a local port cannot be listened on.
  /** The port is taken. Next: use another (`port`), or stop who holds it. */
  | 'EADDRINUSE'
  /** This user may not listen on that port. Next: use a port above 1023. */
  | 'EACCES'
  /** The address does not exist on this machine. Next: use 127.0.0.1. */
  | 'EADDRNOTAVAIL'
  /** Listening failed in another way. Next: see `cause`. */
  | 'listen_failed'
  // ToolUnknownError: safe to show to the model.
  /** The model called a tool that does not exist. Next: show the message to the model. */
  | 'tool_unknown'
  // ToolInputError: safe, and useful, to show to the model.
  /** The model's arguments do not fit the schema; `issues` says where. Next: show the message to the model. */
  | 'tool_input_invalid'
  // ToolFailedError: the tool ran and did not succeed.
  /**
   * The tool itself threw; see `cause`. It is a `RefreshFailedError` when the token could not be renewed while the
   * tool ran.
   * Next: mend the tool.
   */
  | 'tool_failed'
  /** The tool ran too long, and was told to stop. Next: raise `timeoutMs`, or make it faster. */
  | 'tool_timeout'

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
  /** What the API asked for (`insufficient_scope` only). */
  challenge?: ApiChallenge
}

/** What an API wants before it serves a request (RFC 6750 section 3.1, RFC 9470 section 3). */
export interface ApiChallenge {
  /** Scopes that it named and the grant lacks. Empty: it named none, or wants another sign-in. */
  missing: readonly string[]
  /** It wants a stronger sign-in: `acr_values` of the authorization request. */
  acrValues?: readonly string[]
  /** It wants a newer sign-in: `max_age` of the authorization request. */
  maxAgeSeconds?: number
  /** Where the API describes itself (RFC 9728). Chosen by the API: fetch it as any URL of a stranger. */
  resourceMetadata?: string
}

/**
 * A person has to consent: nothing is connected (`not_connected`), the grant lacks scopes (`missing_scope`,
 * `insufficient_scope`) or the grant is dead (`needs_reconnect`). Send the person to `url`, then repeat the same call.
 */
export class AuthorizationRequiredError extends ToolgrantError {
  override name = 'AuthorizationRequiredError'
  readonly provider: string
  readonly scopes: readonly string[]
  readonly url: string | undefined
  readonly account: string | undefined
  readonly expiresAt: Date | undefined
  readonly challenge: ApiChallenge | undefined

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
    this.challenge = details.challenge
  }
}

/** A person's no: RFC 6749 section 4.1.2.1, and what LinkedIn, Apple and others call it. */
const saysNo = /^(?:access_denied|user_denied|consent_declined|user_cancell?ed(?:_login|_authorize)?)$/

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
    const denied = saysNo.test(error)
    super(
      denied ? 'access_denied' : 'authorization_failed',
      denied
        ? `The authorization at ${provider} was denied (${what}). Start again when the person agrees.`
        : `${provider} refused the authorization request (${what}). ${adviceFor({ error, errorDescription }, "Check the client's registration and the scopes.")}`,
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
  /**
   * Which request was refused: the grant type of a token request, or `revocation`, `introspection`, `userinfo`,
   * `device_authorization`, `backchannel_authentication`, `pushed_authorization`, `registration`, `session_token`.
   */
  request: string
  /** Seconds from `Retry-After`, when the provider sent one. */
  retryAfterSeconds?: number
  /** What the provider's sentence says where its code does not: the grant is `dead`, or the trouble is `passing`. */
  outlook?: 'dead' | 'passing'
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
  /** As in {@link TokenEndpointFailure}; `undefined`: it says no more than the code and the status. */
  readonly outlook: 'dead' | 'passing' | undefined

  constructor(failure: TokenEndpointFailure, options?: ToolgrantErrorOptions) {
    const { provider, status, error, errorDescription, request } = failure
    const what = errorDescription === undefined ? quote(error) : `${quote(error)}: ${quote(errorDescription)}`
    super(
      'token_request_refused',
      `${provider} refused the ${request} request with HTTP ${status} (${what}). ${adviceFor(failure)}`,
      options,
    )
    this.provider = provider
    this.status = status
    this.error = error
    this.errorDescription = errorDescription
    this.request = request
    this.retryAfterSeconds = failure.retryAfterSeconds
    this.outlook = failure.outlook
  }
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
 * What to do about error words, a line each: the words of RFC 6749, 7009, 7591, 8628, 8707, 9101, 9126, 9396, 9449 and
 * 9470, of OpenID Connect and CIBA, then those of vendors. One text, so that loading it costs next to nothing.
 */
const advice = `
invalid_client bad_client_id bad_client_secret invalid_client_id invalid_client_secret invalid_client_credentials incorrect_client_credentials: Check the client id, the client secret or key, and how the client is registered; then the provider's tokenEndpointAuthMethod.
unauthorized_client: Check the client id, and allow this grant or response type where the client is registered.
invalid_request: Compare what is sent with the provider's documentation: authorizationParams, tokenParams, tokenRequestFormat and extraParams can change it.
invalid_grant bad_refresh_token invalid_refresh_token AADSTS70000 AADSTS70008 AADSTS700082 AADSTS700084 AADSTS50173: The grant is used up, expired or revoked: the person has to consent again.
bad_verification_code invalid_code code_already_used AADSTS54005: The code is used up, too old, or another client's: start the authorization again.
invalid_scope unauthorized_scope_error AADSTS70011 AADSTS650053: Check the spelling of the scopes, their separator, and that the client may ask for them.
redirect_uri_mismatch bad_redirect_uri invalid_redirect_uri AADSTS50011 AADSTS500113: Register exactly the redirect URI that was sent: scheme, host, port, path, and the slash at its end.
unsupported_grant_type: The provider does not offer this grant there: check tokenUrl, and which grant types the client is registered for.
unsupported_response_type: The provider does not answer so: ask for the response type "code", or allow the other one where the client is registered.
unsupported_response_mode: Leave responseMode out, or choose one that the provider documents.
access_denied AADSTS65004: The person said no: start again when they agree.
server_error temporarily_unavailable: The provider is in trouble: try again later.
invalid_token: The token is expired, revoked or of another provider: renew it, or ask for consent again.
insufficient_scope: Ask for consent to the scopes that this needs.
insufficient_user_authentication unmet_authentication_requirements: The person has to sign in again, more strongly or more recently: see acr_values and max_age.
unsupported_token_type: The provider does not take this kind of token here: give it the other one, refresh or access token.
authorization_pending: The person has not answered yet: go on polling.
slow_down rate_limited ratelimited: Ask less often, and wait as long as the provider says.
expired_token incorrect_device_code: The code ended before the person answered: start again.
device_flow_disabled: Switch the device flow on where the client is registered.
interaction_required login_required account_selection_required consent_required AADSTS50058: The person has to see the provider's page: start again without prompt "none".
invalid_request_uri: The pushed request is used up, expired, or another client's: start the authorization again.
request_uri_not_supported: The provider takes no request by its URI: take pushedAuthorizationUrl out of the provider.
invalid_request_object: The signed request is not accepted: register the public key of privateKey with its kid and alg, and check this machine's clock.
request_not_supported: The provider takes no signed requests: set requestObject to false in the client.
registration_not_supported: Leave the parameter registration out of the authorization request.
invalid_client_metadata: Change the member of the client metadata that the server names.
invalid_software_statement unapproved_software_statement: Give a software statement that this server trusts, or register without one.
invalid_target: Check the resources and the audience: the provider does not know one of them, or does not serve them with one token.
invalid_authorization_details: Check type and members of authorizationDetails against the provider's documentation.
invalid_dpop_proof: The DPoP proof is not accepted: check this machine's clock, that the key is the one the tokens are bound to, and that no proxy changes the URL.
use_dpop_nonce: The provider wants another DPoP nonce than it gave: try again, and check that nothing removes the header DPoP-Nonce.
unknown_user_id expired_login_hint_token: Check the login hint: it must name, now, a person whom the provider knows.
missing_user_code invalid_user_code: Ask the person for the code that they chose at the provider (user_code).
invalid_binding_message: Send a shorter bindingMessage of plain letters and digits.
transaction_failed: The provider could not ask the person: try again.
application_suspended deleted_client disabled_client: The provider has closed this client: see where it is registered, and the provider's mail.
unverified_user_email: The person has to verify their e-mail address at the provider.
org_internal: The client serves one organization only: make its audience external where it is registered, or use an account of that organization.
admin_policy_enforced AADSTS65001 AADSTS90094: An administrator has to allow this client and its scopes, or the person to consent to them: connect again.
disallowed_useragent: Open the page in the person's own browser, not in one embedded in an application.
inactive_user inactive_org: The account is locked or closed at the provider.
AADSTS7000215: Set the client secret's value, not its id.
AADSTS7000222: The client secret has expired: make a new one where the client is registered.
AADSTS7000218: The client is registered as confidential: set its client secret or key, or allow public client flows there.
AADSTS700025: The client is registered as public: take the client secret out.
AADSTS700016 AADSTS90002: Check the client id and the tenant: variables: { tenant: … }.
AADSTS50194: The client is registered for one tenant: set it, variables: { tenant: … }.
AADSTS50020 AADSTS50105: This account may not use the client: choose another account, or have an administrator add it.
AADSTS50074 AADSTS50076 AADSTS50079 AADSTS53000 AADSTS53003: The person has to sign in again by the rules of their organization (a second factor, a managed device).
AADSTS9002326 AADSTS9002327: The redirect URI is registered for a single-page application: register it as Web, or for mobile and desktop.
AADSTS700027: The client assertion is not accepted: register the certificate or public key of privateKey, and check this machine's clock.
`

/** Grants in which `invalid_grant` is about something else than a refresh token. */
const grantAdvice: Readonly<Record<string, string>> = {
  authorization_code:
    'The code is used up, too old, or for another client, redirect URI or PKCE verifier: start the authorization again.',
  password: 'The user name or the password is wrong, or this account has to sign in in another way.',
  session_token: 'The user name or the app password is wrong, or the app password was revoked.',
  'urn:ietf:params:oauth:grant-type:jwt-bearer':
    "The assertion is not accepted: check its iss, sub, aud and exp, the registered public key, and this machine's clock.",
  'urn:ietf:params:oauth:grant-type:token-exchange':
    'The subject or actor token is expired, revoked, or not accepted here.',
  'urn:ietf:params:oauth:grant-type:device_code': 'The device code is used up or expired: start again.',
}

/** What descriptions are about when the word beside them says little, and the word whose advice fits. */
const adviceByDescription: readonly (readonly [RegExp, string])[] = [
  [/redirect[ _-]?ur[il]/i, 'redirect_uri_mismatch'],
  [/code[ _]?(?:verifier|challenge)|\bpkce\b/i, 'bad_verification_code'],
  [/client[ _]?(?:secret|id|authentication)/i, 'invalid_client'],
  [/response[ _]?mode/i, 'unsupported_response_mode'],
  [/\bscopes?\b/i, 'invalid_scope'],
]

/** The next step for a refusal: by Microsoft's number in the description, by the word, by what the description names. */
function adviceFor(
  failure: Pick<TokenEndpointFailure, 'error'> & {
    errorDescription?: string | undefined
    request?: string
    status?: number
    outlook?: TokenEndpointFailure['outlook']
  },
  otherwise = 'What that word asks for stands in the documentation of the provider.',
): string {
  const { error, errorDescription = '', request = '', status = 400 } = failure
  const byNumber = lineFor(/\bAADSTS\d+/.exec(errorDescription)?.[0])
  if (byNumber !== undefined) return byNumber
  const passes = failure.outlook === 'passing' && error !== 'slow_down'
  const word = passes ? 'server_error' : error.toLowerCase()
  const isDead = failure.outlook === 'dead'
  if ((isDead || word === 'invalid_grant') && Object.hasOwn(grantAdvice, request))
    return grantAdvice[request] ?? otherwise
  const known = lineFor(isDead ? 'invalid_grant' : word)
  if (known !== undefined && (isDead || word !== 'invalid_request')) return known
  const about = adviceByDescription.find(([pattern]) => pattern.test(errorDescription))?.[1]
  return lineFor(about) ?? known ?? (status >= 500 || status === 429 ? 'Try again later.' : otherwise)
}

function lineFor(word: string | undefined): string | undefined {
  if (word === undefined || !/^\w{1,64}$/.test(word)) return undefined
  return new RegExp(`^(?:\\w+ )*${word}(?: \\w+)*: (.+)$`, 'm').exec(advice)?.[1]
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
