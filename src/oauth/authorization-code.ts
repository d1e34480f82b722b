// The last step of the authorization code grant: the code is exchanged for tokens. What does it is loaded when called.
// RFC 6749 sections 4.1.3 and 4.1.4, RFC 7636 section 4.5 (PKCE).
import type { Provider } from '../providers/index.ts'
import type { Callback } from './callback-parameters.ts'
import type { Client } from './client.ts'
import type { PendingAuthorization } from './pending-authorization.ts'
import type { EndpointOptions } from './request-options.ts'
import type { TokenSet } from './token-set.ts'

/** A bare code, from a caller who has checked the state in another way, and says so. */
export interface BareCode {
  code: string
  stateCheckedElsewhere: true
}

/** Options of {@link authorizationCodeGrant}. */
export interface AuthorizationCodeOptions extends EndpointOptions {
  /**
   * The resources that this access token is for, among those that were asked for (RFC 8707 section 2.2): many servers
   * issue a token for one at a time. Default: all that were asked for.
   */
  resources?: readonly string[] | undefined
  /** Called when the callback has passed every check, before anything is sent with what is in it. */
  onChecked?: (() => void) | undefined
}

/**
 * Finishes the flow: checks the callback and exchanges its code for tokens. Use each pending authorization once.
 *
 * @throws what `verifyCallback` throws, before the code is sent.
 * @throws {TokenEndpointError} the provider refused the code; {@link InvalidResponseError}, NetworkError, TimeoutError.
 */
export async function authorizationCodeGrant(
  provider: Provider,
  client: Client,
  pending: PendingAuthorization,
  callback: Callback | BareCode,
  options: AuthorizationCodeOptions = {},
): Promise<TokenSet> {
  const { exchangeCode } = await import('./code-exchange.ts')
  return exchangeCode(provider, client, pending, callback, options)
}
