// The resource owner password credentials grant, for servers that have nothing else.
// RFC 6749 section 4.3; RFC 9700 section 2.4 says not to use it.
import { argumentError } from '../errors.ts'
import { joinScopes, type Provider } from '../providers/index.ts'
import type { Client } from './client.ts'
import { definedMembers } from './client-credentials.ts'
import { resolveEndpoints } from './endpoints.ts'
import { grantTokens } from './grant.ts'
import { type EndpointOptions, parametersOf } from './request-options.ts'
import { withResources } from './resource-indicators.ts'
import type { LibraryCall } from './token-endpoint.ts'
import type { Renewal, TokenSet } from './token-set.ts'

/** A person's name and password at the provider. */
export interface UserPassword {
  username: string
  /** Secret. */
  password: string
}

/** Options of `passwordGrant`. */
export interface PasswordOptions extends EndpointOptions {
  /** Default: the provider's `defaultScopes`. */
  scopes?: readonly string[] | undefined
  /** Which APIs the token is for (RFC 8707). Default: the provider's `resources`. */
  resources?: readonly string[] | undefined
  /**
   * Keeps name and password with the tokens (sealed, in a vault), so that the grant can be repeated when there is no
   * refresh token, or it has ended. Default `false`.
   */
  repeat?: boolean | undefined
}

/** Behind `passwordGrant` of grants.ts, which documents it. */
export async function requestByPassword(
  provider: Provider,
  client: Client,
  person: UserPassword,
  options: PasswordOptions,
): Promise<TokenSet> {
  assertPerson(person, 'passwordGrant')
  const resolved = await resolveEndpoints(provider, client, options)
  const { username, password } = person
  const { defaultScopes = [] } = resolved
  const { scopes = defaultScopes, resources = resolved.resources ?? [] } = options
  const parameters = parametersOf(resolved.tokenParams, options.extraParams)
  if (scopes.length > 0) parameters.set(resolved.scopeParam ?? 'scope', joinScopes(resolved, scopes))
  withResources(parameters, resources)
  parameters.set('username', username)
  parameters.set('password', password)
  return grantTokens(
    resolved,
    client,
    {
      name: 'password',
      secrets: [password],
      scopes,
      renewal: options.repeat === true ? renewalOf(person, options) : undefined,
      build: ({ library, server, client: us, authentication, options: call }: LibraryCall) =>
        library.genericTokenEndpointRequest(server, us, authentication, 'password', parameters, call),
    },
    options,
  )
}

function renewalOf(person: UserPassword, { scopes, resources, extraParams }: PasswordOptions): Renewal {
  const { username, password } = person
  const parameters = definedMembers({ username, password, scopes, resources, extraParams })
  return { grant: 'password', parameters }
}

/** @throws {TypeError} `invalid_argument`; nothing is quoted. */
export function assertPerson(person: UserPassword, what: string): void {
  const given: Partial<Record<keyof UserPassword, unknown>> = person ?? {}
  for (const name of ['username', 'password'] as const)
    if (typeof given[name] !== 'string' || given[name] === '')
      throw argumentError(`${what} needs a ${name}, a non-empty text.`)
}
