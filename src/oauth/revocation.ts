// Telling a provider that a token is to be dead. What does it is loaded when it is asked for.
// RFC 7009.
import type { Provider } from '../providers/index.ts'
import type { Client } from './client.ts'
import type { EndpointOptions } from './request-options.ts'

/** Options of {@link revokeToken}. */
export interface RevocationOptions extends EndpointOptions {
  /** RFC 7009 section 2.1. Default: not sent. Nothing but the token is sent where the provider takes no body (`revocationFormat: 'bearer'`). */
  tokenTypeHint?: 'access_token' | 'refresh_token' | undefined
}

/**
 * Revokes a token, in the format that the provider row names. Any success counts, an empty body included; a token
 * the server does not know is a success too (RFC 7009 section 2.2), also where it says `invalid_token` instead.
 * Revoking a refresh token ends its access tokens at most providers.
 *
 * @throws {ConfigurationError} `provider_invalid` when the provider has no revocation endpoint; ask `canRevoke` first.
 * @throws {TokenEndpointError} refused, `unsupported_token_type` included; NetworkError, TimeoutError: try again.
 */
export async function revokeToken(
  provider: Provider,
  client: Client,
  token: string,
  options: RevocationOptions = {},
): Promise<void> {
  const { revocationRequest } = await import('./revocation-request.ts')
  return revocationRequest(provider, client, token, options)
}
