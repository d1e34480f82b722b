// Asking a provider whether a token still works.
// RFC 7662.
import { ConfigurationError, InvalidResponseError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import { parseBody } from './answer-body.ts'
import type { Client } from './client.ts'
import { resolveEndpoints } from './endpoints.ts'
import type { RequestOptions } from './request-options.ts'
import { throwIfNotSuccess } from './response-reader.ts'
import { sendThroughLibrary } from './token-endpoint.ts'

/** Options of `introspectToken`. */
export interface IntrospectionOptions extends RequestOptions {
  /** RFC 7662 section 2.1. Default: not sent. */
  tokenTypeHint?: 'access_token' | 'refresh_token' | undefined
}

/** Behind `introspectToken` of probes.ts, which documents it. */
export async function introspectionRequest(
  provider: Provider,
  client: Client,
  token: string,
  options: IntrospectionOptions,
): Promise<boolean> {
  const resolved = await resolveEndpoints(provider, client, options)
  if (resolved.introspectionUrl === undefined)
    throw new ConfigurationError('provider_invalid', `${provider.id} has no introspection endpoint.`)
  const hint = options.tokenTypeHint === undefined ? {} : { token_type_hint: options.tokenTypeHint }
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
