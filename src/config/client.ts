// Our client at one provider, put together from the environment and the files (RFC 6749 section 2).
import { type Client, hideClientSecret } from '../oauth/index.ts'
import { type Provider, type TokenEndpointAuthMethod, tokenEndpointAuthMethods } from '../providers/index.ts'
import { clientVariableNames, type Environment, readVariable } from './environment.ts'
import { redirectUriProblem } from './redirect-uri.ts'
import { clientKeys, invalid, type Settings, unknownKey } from './settings.ts'

const authMethods: readonly string[] = tokenEndpointAuthMethods

/** Reads one key of `[auth.<provider>]`: the environment first, then the files. */
export function clientText(
  settings: Settings,
  env: Environment,
  providerId: string,
  key: string,
): string | undefined {
  return readVariable(env, clientVariableNames(providerId, key)) ?? settings.text('auth', providerId, key)
}

/**
 * The client, or `undefined` when no client id is set anywhere. `inspect` and `JSON.stringify` do not show its secret.
 *
 * @throws {ConfigurationError} `config_invalid` for a value of the wrong type, a redirect URI that is none or an unknown
 *   authentication method.
 */
export function readClient(settings: Settings, env: Environment, provider: Provider): Client | undefined {
  const text = (key: string) => clientText(settings, env, provider.id, key)
  const clientId = text('client_id')
  if (clientId === undefined) return undefined
  const clientSecret = text('client_secret')
  const redirectUri = redirectUriFrom(settings, env, provider.id)
  const method = text('token_endpoint_auth_method')
  const variables = readUrlVariables(settings, env, provider)
  return hideClientSecret({
    clientId,
    ...(clientSecret === undefined ? {} : { clientSecret }),
    ...(redirectUri === undefined ? {} : { redirectUri }),
    ...(method === undefined ? {} : { tokenEndpointAuthMethod: authMethod(settings, provider.id, method) }),
    ...(Object.keys(variables).length === 0 ? {} : { variables }),
  })
}

/**
 * The redirect URI that is set.
 *
 * @throws {ConfigurationError} `config_invalid`, naming the place, when it cannot be one.
 */
export function redirectUriFrom(
  settings: Settings,
  env: Environment,
  providerId: string,
): string | undefined {
  const text = clientText(settings, env, providerId, 'redirect_uri')
  const problem = text === undefined ? undefined : redirectUriProblem(text)
  if (problem === undefined) return text
  const [variable = ''] = clientVariableNames(providerId, 'redirect_uri')
  if (readVariable(env, [variable]) !== undefined)
    throw invalid(`environment variable ${variable}`, `it ${problem}`)
  const file = settings.fileOf('auth', providerId, 'redirect_uri') ?? ''
  throw invalid(file, `[auth.${providerId}] redirect_uri ${problem}`)
}

/** Keys of `[auth.<provider>]` that are neither ours nor one of the provider's URL variables, as sentences. */
export function unreadClientKeys(settings: Settings, provider: Provider): readonly string[] {
  const names = (provider.urlVariables ?? []).flatMap(({ name }) => spellings(name))
  const known = [...clientKeys, ...names]
  return Object.keys(settings.table('auth', provider.id))
    .filter((key) => !known.includes(key))
    .map((key) =>
      unknownKey(settings.fileOf('auth', provider.id, key) ?? '', key, known, ['auth', provider.id]),
    )
}

function readUrlVariables(settings: Settings, env: Environment, provider: Provider): Record<string, string> {
  const values: Record<string, string> = {}
  for (const { name } of provider.urlVariables ?? []) {
    for (const spelling of spellings(name))
      values[name] ??= clientText(settings, env, provider.id, spelling) ?? ''
    if (!values[name]) delete values[name]
  }
  return values
}

/** `accountId` may be written `accountId` or, as everything else in the file, `account_id`. */
function spellings(name: string): readonly string[] {
  const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  return snake === name ? [name] : [name, snake]
}

function authMethod(settings: Settings, providerId: string, method: string): TokenEndpointAuthMethod {
  if (authMethods.includes(method)) return method as TokenEndpointAuthMethod
  const file = settings.fileOf('auth', providerId, 'token_endpoint_auth_method') ?? 'environment'
  throw invalid(
    file,
    `[auth.${providerId}] token_endpoint_auth_method must be one of ${authMethods.join(', ')}`,
  )
}
