// Telling a provider that a token is to be dead. RFC 7009.
import { ConfigurationError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import type { Client } from './client.ts'
import { resolveEndpoints } from './discovery.ts'
import type { RequestOptions } from './request-options.ts'
import { throwIfNotSuccess } from './response-reader.ts'
import { sendThroughLibrary } from './token-endpoint.ts'

/** Options of {@link revokeToken}. */
export interface RevocationOptions extends RequestOptions {
  /** RFC 7009 section 2.1. Default: not sent. */
  tokenTypeHint?: 'access_token' | 'refresh_token' | undefined
  /** Further body parameters. */
  extraParams?: Readonly<Record<string, string>> | undefined
}

/**
 * Revokes a token. Any success counts, an empty body included; a token the server does not know is a success too
 * (RFC 7009 section 2.2). Revoking a refresh token ends its access tokens at most providers.
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
  const resolved = await resolveEndpoints(provider, client, options)
  if (resolved.revocationUrl === undefined)
    throw new ConfigurationError(
      'provider_invalid',
      `${provider.id} has no revocation endpoint: delete the token, and end the grant on the provider's own page.`,
    )
  const hint = options.tokenTypeHint === undefined ? {} : { token_type_hint: options.tokenTypeHint }
  await sendThroughLibrary(
    { provider: { ...resolved, tokenRequestFormat: 'form' }, client },
    {
      name: 'revocation',
      secrets: [token],
      build: ({ library, server, client: us, authentication, options: callOptions }) =>
        library.revocationRequest(server, us, authentication, token, {
          ...callOptions,
          additionalParameters: { ...hint, ...options.extraParams },
        }),
    },
    options,
    throwIfNotSuccess,
  )
}
