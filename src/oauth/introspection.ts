// Asking a provider whether a token still works.
// RFC 7662.
import { ConfigurationError, InvalidResponseError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import { parseBody } from './answer-body.ts'
import type { Client } from './client.ts'
import { resolveEndpoints } from './endpoints.ts'
import type { RequestOptions } from './request-options.ts'

/** Options of {@link introspectToken}. */
export interface IntrospectionOptions extends RequestOptions {
  /** RFC 7662 section 2.1. Default: not sent. */
  tokenTypeHint?: 'access_token' | 'refresh_token' | undefined
}

/**
 * Whether the provider says that a token is active (RFC 7662 section 2.2). A token that it does not know, or that is
 * another client's, is not. Changes nothing.
 *
 * @throws {ConfigurationError} `provider_invalid` when the provider has no introspection endpoint.
 * @throws {TokenEndpointError} refused, as where a client may not introspect; NetworkError, TimeoutError.
 * @throws {InvalidResponseError} `response_not_oauth`: the answer does not say.
 */
export async function introspectToken(
  provider: Provider,
  client: Client,
  token: string,
  options: IntrospectionOptions = {},
): Promise<boolean> {
  const resolved = await resolveEndpoints(provider, client, options)
  if (resolved.introspectionUrl === undefined)
    throw new ConfigurationError('provider_invalid', `${provider.id} has no introspection endpoint.`)
  const hint = options.tokenTypeHint === undefined ? {} : { token_type_hint: options.tokenTypeHint }
  const { sendThroughLibrary } = await import('./token-endpoint.ts')
  const { throwIfNotSuccess } = await import('./response-reader.ts')
  let active: unknown
  await sendThroughLibrary(
    { provider: resolved, client },
    {
      name: 'introspection',
      secrets: [token],
      // Servers that take JSON at one of the two endpoints take it at the other (Notion).
      format: resolved.revocationFormat === 'json' ? 'json' : 'form',
      build: ({ library, server, client: us, authentication, options: callOptions }) =>
        library.introspectionRequest(server, us, authentication, token, {
          ...callOptions,
          additionalParameters: hint,
        }),
    },
    options,
    (answer, context) => {
      throwIfNotSuccess(answer, context)
      active = parseBody(answer.text)?.['active']
    },
  )
  if (typeof active === 'boolean') return active
  throw new InvalidResponseError(
    'response_not_oauth',
    `${provider.id} answered the introspection request without saying whether the token is active.`,
  )
}
