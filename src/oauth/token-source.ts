// The one joint everything hangs on: whoever can produce a usable token set is a TokenSource.
// No RFC: it is our seam between who needs a token and who keeps it.
import type { TokenSet } from './token-set.ts'

/** What the caller of {@link TokenSource.token} needs. */
export interface TokenRequest {
  /** Seconds that the token must still be valid. Default: the source's own leeway. */
  validForSeconds?: number
  /** An access token that an API has just refused with 401: never return it again; renew it, unless that has happened meanwhile. */
  rejected?: string
  /** Stops waiting. A refresh that others wait for too goes on. */
  signal?: AbortSignal
}

/**
 * Produces usable token sets. A plain token set, a refreshing client and a vault connection are three of them;
 * nothing else in the house asks for tokens in another way.
 */
export interface TokenSource {
  /**
   * A token set that is usable now. Answers without a promise when nothing has to be awaited, so that a
   * hot path costs no extra turn of the event loop; `await` works on both.
   *
   * @throws {TokenExpiredError} when it is expired and this source cannot renew.
   * @throws {AuthorizationRequiredError} when a person has to consent (again).
   * @throws {RefreshFailedError} when renewing failed for another reason.
   */
  token(request?: TokenRequest): TokenSet | Promise<TokenSet>
}
