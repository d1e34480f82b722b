// Telling a provider that a token is to be dead.
// RFC 7009.
import { ConfigurationError, TokenEndpointError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import type { Client } from './client.ts'
import { resolveEndpoints } from './endpoints.ts'
import type { RequestOptions } from './request-options.ts'

/** Options of {@link revokeToken}. */
export interface RevocationOptions extends RequestOptions {
  /** RFC 7009 section 2.1. Default: not sent. */
  tokenTypeHint?: 'access_token' | 'refresh_token' | undefined
  /** Further body parameters. Not sent where the provider takes no body (`revocationFormat: 'bearer'`). */
  extraParams?: Readonly<Record<string, string>> | undefined
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
  const resolved = await resolveEndpoints(provider, client, options)
  const { revocationUrl } = resolved
  if (revocationUrl === undefined)
    throw new ConfigurationError(
      'provider_invalid',
      `${provider.id} has no revocation endpoint: delete the token, and end the grant on the provider's own page.`,
    )
  try {
    if (resolved.revocationFormat === 'bearer') await revokeByBearer(resolved, revocationUrl, token, options)
    else await revokeByForm(resolved, client, token, options)
  } catch (error) {
    if (!(error instanceof TokenEndpointError && isDeadAlready(error, resolved.revocationFormat))) throw error
  }
}

async function revokeByForm(provider: Provider, client: Client, token: string, options: RevocationOptions) {
  const hint = options.tokenTypeHint === undefined ? {} : { token_type_hint: options.tokenTypeHint }
  const { sendThroughLibrary } = await import('./token-endpoint.ts')
  const { throwIfNotSuccess } = await import('./response-reader.ts')
  return sendThroughLibrary(
    { provider, client },
    {
      name: 'revocation',
      secrets: [token],
      format: provider.revocationFormat === 'json' ? 'json' : 'form',
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

/** An empty POST that the token itself authorises (Slack, Dropbox). */
async function revokeByBearer(provider: Provider, url: string, token: string, options: RevocationOptions) {
  const headers = { ...provider.tokenRequestHeaders, authorization: `Bearer ${token}` }
  const request = { who: provider.id, what: 'revocation', url, method: 'POST', headers } as const
  const { throwIfNotSuccess } = await import('./response-reader.ts')
  const { exchange } = await import('./transport.ts')
  const answer = await exchange(request, options)
  throwIfNotSuccess(answer, {
    provider,
    request: 'revocation',
    secrets: [token],
    now: (options.now ?? Date.now)(),
  })
}

/**
 * Google answers `invalid_token` for what is dead already; the purpose is met. Where the token itself authorises
 * the request, only `token_revoked` says so: an expired token proves nothing about the grant.
 */
function isDeadAlready({ error }: TokenEndpointError, format: Provider['revocationFormat']): boolean {
  return error === (format === 'bearer' ? 'token_revoked' : 'invalid_token')
}
