// The request that ends a token, in the form that the provider takes, and what its answer means.
// RFC 7009 sections 2.1 and 2.2.
import { ConfigurationError, TokenEndpointError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import type { Client } from './client.ts'
import { resolveEndpoints } from './endpoints.ts'
import { parametersOf } from './request-options.ts'
import { throwIfNotSuccess } from './response-reader.ts'
import type { RevocationOptions } from './revocation.ts'
import { type EndpointRequest, type LibraryCall, sendThroughLibrary } from './token-endpoint.ts'

/** Behind `revokeToken` of revocation.ts, which documents it. */
export async function revocationRequest(
  provider: Provider,
  client: Client,
  token: string,
  options: RevocationOptions,
): Promise<void> {
  const resolved = await resolveEndpoints(provider, client, options, ['revocationUrl'])
  const { revocationFormat, revocationUrl } = resolved
  if (revocationUrl === undefined)
    throw new ConfigurationError(
      'provider_invalid',
      `${provider.id} has no revocation endpoint: delete the token, and end the grant on the provider's own page.`,
    )
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
  return error.toLowerCase() === (format === 'bearer' ? 'token_revoked' : 'invalid_token')
}
