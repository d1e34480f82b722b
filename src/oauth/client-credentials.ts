// The client credentials grant: tokens for the client itself.
// RFC 6749 section 4.4; RFC 8707 section 2.2 (resources).
import { ConfigurationError } from '../errors.ts'
import { joinScopes, type Provider } from '../providers/index.ts'
import type { Client } from './client.ts'
import { clientAuthenticationMethod } from './client-authentication.ts'
import { resolveEndpoints } from './endpoints.ts'
import { grantTokens } from './grant.ts'
import { type EndpointOptions, parametersOf } from './request-options.ts'
import { withResources } from './resource-indicators.ts'
import type { LibraryCall } from './token-endpoint.ts'
import type { Renewal, TokenSet } from './token-set.ts'

/** Options of `clientCredentialsGrant`. */
export interface ClientCredentialsOptions extends EndpointOptions {
  /** Default: the provider's `defaultScopes`. */
  scopes?: readonly string[] | undefined
  /** Which APIs the token is for (RFC 8707). Default: the provider's `resources`. */
  resources?: readonly string[] | undefined
}

/** Behind `clientCredentialsGrant` of grants.ts, which documents it. */
export async function requestByClientCredentials(
  provider: Provider,
  client: Client,
  options: ClientCredentialsOptions,
): Promise<TokenSet> {
  const resolved = await resolveEndpoints(provider, client, options)
  assertConfidential(resolved, client)
  const { defaultScopes = [] } = resolved
  const { scopes = defaultScopes } = options
  const parameters = parametersOf(resolved.tokenParams, options.extraParams)
  if (scopes.length > 0) parameters.set(resolved.scopeParam ?? 'scope', joinScopes(resolved, scopes))
  withResources(parameters, options.resources ?? resolved.resources ?? [])
  return grantTokens(
    resolved,
    client,
    {
      name: 'client_credentials',
      secrets: [],
      scopes,
      renewal: renewalOf(options),
      build: ({ library, server, client: us, authentication, options: call }: LibraryCall) =>
        library.clientCredentialsGrantRequest(server, us, authentication, parameters, call),
    },
    options,
  )
}

/** RFC 6749 section 4.4: confidential clients only. */
function assertConfidential(provider: Provider, client: Client): void {
  if (client.authenticate !== undefined || clientAuthenticationMethod({ provider, client }) !== 'none') return
  throw new ConfigurationError(
    'client_missing',
    `The client for ${provider.id} has neither clientSecret nor privateKey, and the client credentials grant is for clients that prove who they are. Set one.`,
  )
}

/** What was asked for, so that the same can be asked for again. */
function renewalOf({ scopes, resources, extraParams }: ClientCredentialsOptions): Renewal {
  return { grant: 'client_credentials', parameters: definedMembers({ scopes, resources, extraParams }) }
}

/** The members that have a value: what is kept as JSON. */
export function definedMembers(members: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}
