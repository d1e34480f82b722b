// OpenID Connect beyond the sign-in: who it was, what else is known about them, and how their session ends.
// OpenID Connect Core sections 2 and 5.3, RP-Initiated Logout. The way in to what is loaded when it is asked.
import type { Provider } from '../providers/index.ts'
import type { Client } from './client.ts'
import type { EndSessionOptions } from './end-session.ts'
import type { IdTokenClaims } from './id-token.ts'
import type { TokenSet } from './token-set.ts'
import type { TokenSource } from './token-source.ts'
import type { Userinfo, UserinfoOptions } from './userinfo.ts'

/**
 * Who signed in: the claims of the id_token in a token set that a grant returned. It was checked when it came; here
 * issuer and audience are compared once more, and nobody is asked. It may have ended since: it says who signed in
 * then, not that they are there now. `undefined`: there is no id_token (ask for the scope `openid`).
 *
 * @throws {ConfigurationError} `provider_invalid`: the provider has no `issuer`, so its id_tokens were not checked.
 * @throws {InvalidResponseError} `id_token_invalid`: it is another provider's, or for another client.
 */
export async function idTokenClaims(
  provider: Provider,
  client: Client,
  tokens: Pick<TokenSet, 'idToken'>,
): Promise<IdTokenClaims | undefined> {
  const { validatedClaims } = await import('./id-token.ts')
  return validatedClaims(provider, client, tokens.idToken)
}

/**
 * Asks the provider's userinfo endpoint about the person, with the access token (`Bearer`, or `DPoP` with a proof of
 * its key). The answer must be about the person of the id_token; a signed one must be by the issuer's keys.
 *
 * @param tokens a token set, or a source that renews it (a vault connection's, for instance).
 * @throws {ConfigurationError} `provider_invalid`: there is no userinfo endpoint, or no key for its signed answers.
 * @throws {InvalidResponseError} `response_not_oauth`: about nobody, or another person; `jwt_invalid`.
 * @throws {UnauthorizedError} {@link TokenExpiredError} as a session; TokenEndpointError, NetworkError, TimeoutError.
 */
export async function fetchUserinfo(
  provider: Provider,
  client: Client,
  tokens: TokenSet | TokenSource,
  options: UserinfoOptions = {},
): Promise<Userinfo> {
  const { userinfoRequest } = await import('./userinfo.ts')
  return userinfoRequest(provider, client, tokens, options)
}

/**
 * Where to send a person to end their session at the provider. End your own first. The URL holds the id_token: it is
 * for their browser and for nobody's log.
 *
 * @throws {ConfigurationError} `provider_invalid`: the provider has no such page.
 * @throws {TypeError} `invalid_argument`: a redirect URI that is no URL, or a state without one.
 */
export async function endSessionUrl(
  provider: Provider,
  client: Client,
  options: EndSessionOptions = {},
): Promise<string> {
  const { endSessionRequest } = await import('./end-session.ts')
  return endSessionRequest(provider, client, options)
}
