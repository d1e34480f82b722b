// Asking a provider something without wanting a token of it: the way in to what is loaded when it is asked.
// RFC 7662; RFC 6750 section 3.1. Nothing here renews, replaces or ends anything.
import type { Provider } from '../providers/index.ts'
import type { StepUp } from './challenge.ts'
import type { Client, Registration } from './client.ts'
import type { Introspection, IntrospectionOptions } from './introspection.ts'
import type { ProbeOptions, ProviderProbe } from './provider-probe.ts'
import type { RequestOptions } from './request-options.ts'
import type { AccessTokenProbe } from './token-probe.ts'
import type { TokenSet } from './token-set.ts'

/**
 * What the provider says of a token: whether it is active, and whose it is (RFC 7662 section 2.2). A token that it does
 * not know, or that is another client's, is not active. Changes nothing.
 *
 * @param options with `signed`, the answer has to be a JWT of the issuer for us (RFC 9701).
 * @throws {ConfigurationError} `provider_invalid` when the provider has no introspection endpoint.
 * @throws {TokenEndpointError} refused, as where a client may not introspect; NetworkError, TimeoutError.
 * @throws {InvalidResponseError} `response_not_oauth`: the answer does not say; `jwt_invalid`: a JWT that is not to be
 *   believed, or none where one was demanded.
 */
export async function introspectToken(
  provider: Provider,
  client: Client,
  token: string,
  options: IntrospectionOptions = {},
): Promise<Introspection> {
  const { introspectionRequest } = await import('./introspection.ts')
  return introspectionRequest(provider, client, token, options)
}

/**
 * Asks whether a provider answers. Sends no secret, and changes nothing. A provider that does not answer is a result,
 * not an error.
 *
 * @throws the signal's reason.
 */
export async function probeProvider(
  registration: Registration,
  options: ProbeOptions = {},
): Promise<ProviderProbe> {
  const { askProvider } = await import('./provider-probe.ts')
  return askProvider(registration, options)
}

/**
 * Asks the provider's `userinfoUrl` with an access token, by GET. Renews nothing: a token that has ended is `unknown`.
 *
 * @throws the signal's reason.
 */
export async function probeAccessToken(
  provider: Provider,
  tokens: TokenSet,
  options: RequestOptions = {},
): Promise<AccessTokenProbe> {
  const { askWhoAmI } = await import('./token-probe.ts')
  return askWhoAmI(provider, tokens, options)
}

/**
 * What an API's refusal asks for that no other token mends, for a session with `unauthorized: 'return'`: further scopes,
 * or another sign-in. `undefined`: nothing of that kind. Does not touch the body. The words are the API's: untrusted text.
 * RFC 6750 section 3.1, RFC 9470 section 3.
 *
 * @param provider whose separator splits the scopes. Default: spaces.
 */
export async function readStepUp(response: Response, provider?: Provider): Promise<StepUp | undefined> {
  if (response.status !== 401 && response.status !== 403) return undefined
  const { stepUpIn } = await import('./challenge.ts')
  return stepUpIn(response.headers.get('www-authenticate'), provider)
}
