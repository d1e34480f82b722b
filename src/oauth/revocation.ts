// Telling a provider that a token is to be dead.
// RFC 7009.
import { ConfigurationError, TokenEndpointError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import type { Client } from './client.ts'
import { resolveEndpoints } from './endpoints.ts'
import { type EndpointOptions, parametersOf } from './request-options.ts'
import type { EndpointRequest, LibraryCall } from './token-endpoint.ts'

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
  const resolved = await resolveEndpoints(provider, client, options, ['revocationUrl'])
  const { revocationFormat, revocationUrl } = resolved
  if (revocationUrl === undefined)
    throw new ConfigurationError(
      'provider_invalid',
      `${provider.id} has no revocation endpoint: delete the token, and end the grant on the provider's own page.`,
    )
  const { sendThroughLibrary } = await import('./token-endpoint.ts')
  const { throwIfNotSuccess } = await import('./response-reader.ts')
  const request = revocationFormat === 'bearer' ? bearerRequest(token) : formRequest(resolved, token, options)
  try {
    await sendThroughLibrary({ provider: resolved, client }, request, options, throwIfNotSuccess)
  } catch (error) {
    if (!(error instanceof TokenEndpointError && isDeadAlready(error, revocationFormat))) throw error
  }
}

function formRequest(provider: Provider, token: string, options: RevocationOptions): EndpointRequest {
  const hint = options.tokenTypeHint === undefined ? {} : { token_type_hint: options.tokenTypeHint }
  const additionalParameters = parametersOf(hint, options.extraParams)
  return {
    name: 'revocation',
    endpoint: 'revocationUrl',
    secrets: [token],
    format: provider.revocationFormat === 'json' ? 'json' : 'form',
    build: ({ library, server, client, authentication, options: callOptions }) =>
      library.revocationRequest(server, client, authentication, token, {
        ...callOptions,
        additionalParameters,
      }),
  }
}

/** An empty POST that the token itself authorises (Slack, Dropbox). */
function bearerRequest(token: string): EndpointRequest {
  return {
    name: 'revocation',
    endpoint: 'revocationUrl',
    secrets: [token],
    format: 'query',
    authenticated: false,
    build: ({ server, send }: LibraryCall) =>
      send(String(server.revocation_endpoint), { headers: { authorization: `Bearer ${token}` } }),
  }
}

/**
 * Google answers `invalid_token` for what is dead already; the purpose is met. Where the token itself authorises
 * the request, only `token_revoked` says so: an expired token proves nothing about the grant.
 */
function isDeadAlready({ error }: TokenEndpointError, format: Provider['revocationFormat']): boolean {
  return error === (format === 'bearer' ? 'token_revoked' : 'invalid_token')
}
