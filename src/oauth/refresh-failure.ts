// What a failed refresh means: the grant is dead, we are wrong, or it may work later.
// RFC 6749 section 5.2 names the errors; nothing is given up on a maybe.
import {
  AuthorizationRequiredError,
  InvalidResponseError,
  NetworkError,
  RefreshFailedError,
  ScopeMismatchError,
  TimeoutError,
  TokenEndpointError,
} from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import { TokenSet } from './token-set.ts'

/** `invalid_grant` in the words of RFC 6749, OpenID Connect, GitHub, Slack, HubSpot and others, without joints. */
const deadGrant = new Set([
  ...['invalidgrant', 'badrefreshtoken', 'invalidrefreshtoken', 'refreshtokenexpired', 'expiredrefreshtoken'],
  ...['refreshtokenrevoked', 'tokenrevoked', 'tokenexpired', 'expiredtoken', 'invalidcode', 'badauthcode'],
  ...['badverificationcode', 'badauthorizationcode', 'codealreadyused', 'codeexpired', 'expiredcode'],
])

/** Errors that pass, whatever the HTTP status beside them. */
const passing = new Set([
  ...['temporarilyunavailable', 'servererror', 'slowdown', 'authorizationpending', 'ratelimited'],
  ...['ratelimitexceeded', 'toomanyrequests', 'throttled', 'throttling', 'internalfailure'],
  ...['internalerror', 'internalservererror', 'serviceunavailable', 'backenderror', 'requesttimeout'],
  ...['timeout', 'unknownerror', 'unavailable', 'resourceexhausted'],
])

/** Whether a provider said that the grant itself is dead, so that only a person's consent helps. */
export function isGrantDead(error: unknown): error is TokenEndpointError {
  if (!(error instanceof TokenEndpointError) || isTransient(error)) return false
  return error.outlook === 'dead' || deadGrant.has(plainWord(error.error))
}

/** `com.amazonaws.sso.oidc#InvalidGrantException` is `invalid_grant` as well. */
function plainWord(code: string): string {
  return code.replace(/^.*#|[_\s.-]|Exception$/g, '').toLowerCase()
}

/**
 * What a failed refresh means for the caller: consent again ({@link AuthorizationRequiredError} when the grant is
 * dead), try later, or mend the configuration ({@link RefreshFailedError}). Other errors are returned as they are.
 */
export function refreshFailure(error: unknown, provider: Provider, tokens: TokenSet): unknown {
  if (isGrantDead(error))
    return new AuthorizationRequiredError(
      'needs_reconnect',
      `The grant at ${provider.id} is used up, expired or revoked. The person has to consent again.`,
      { provider: provider.id, scopes: tokens.scopes },
      { cause: error },
    )
  const known =
    error instanceof TokenEndpointError ||
    error instanceof InvalidResponseError ||
    error instanceof NetworkError ||
    error instanceof TimeoutError
  if (!known) return error
  const retryable = isTransient(error)
  const advice = retryable
    ? 'The grant is kept; try again later.'
    : 'The grant is kept; mend the cause, then try again.'
  return new RefreshFailedError(
    `The access token for ${provider.id} could not be refreshed. ${advice} ${error.message}`,
    {
      cause: error,
      retryable,
      retryAfterSeconds: 'retryAfterSeconds' in error ? error.retryAfterSeconds : undefined,
    },
  )
}

/**
 * Whether a failed token request may succeed later as it is: no answer, 5xx, 429, `temporarily_unavailable`,
 * or an answer that did not come from the authorization server at all (a proxy's page).
 */
export function isTransient(error: unknown): boolean {
  if (error instanceof NetworkError || error instanceof TimeoutError) return true
  if (error instanceof TokenEndpointError)
    return (
      error.status >= 500 ||
      [408, 425, 429].includes(error.status) ||
      error.outlook === 'passing' ||
      passing.has(plainWord(error.error))
    )
  return (
    error instanceof InvalidResponseError &&
    ['response_not_oauth', 'response_truncated', 'response_too_large'].includes(error.code)
  )
}

/**
 * The tokens of a strict mismatch (R9), for who renews by itself: the refresh token that was sent is spent, so what came
 * for it is kept, and the difference is data (`missingScopes`, `addedScopes`). Throws any other error.
 */
export function mismatchedTokens(error: unknown): TokenSet {
  if (error instanceof ScopeMismatchError && error.tokens instanceof TokenSet) return error.tokens
  throw error
}
