// Our client at one provider, put together from the environment and the files (RFC 6749 section 2).
import { type Client, hideClientSecret } from '../oauth/index.ts'
import {
  type Provider,
  type ResponseMode,
  type TokenEndpointAuthMethod,
  tokenEndpointAuthMethods,
} from '../providers/index.ts'
import { type MaterialSource, readMaterial } from './client-material.ts'
import { clientVariableNames, type Environment, readVariable } from './environment.ts'
import { redirectUriProblem } from './redirect-uri.ts'
import { clientKeys, flagFrom, invalid, type Settings, unknownKey } from './settings.ts'

const authMethods: readonly TokenEndpointAuthMethod[] = tokenEndpointAuthMethods

const responseModes = [
  'query',
  'fragment',
  'form_post',
  'query.jwt',
  'fragment.jwt',
  'form_post.jwt',
  'jwt',
] as const satisfies readonly ResponseMode[]

/** Reads one key of `[auth.<provider>]`: the environment first, then the files. */
export function clientText(
  settings: Settings,
  env: Environment,
  providerId: string,
  key: string,
): string | undefined {
  return readVariable(env, clientVariableNames(providerId, key)) ?? settings.text('auth', providerId, key)
}

/** What a client is read from. */
export type ClientSource = Omit<MaterialSource, 'providerId'>

/**
 * The client, or `undefined` when no client id is set anywhere. `inspect` and `JSON.stringify` do not show its secret or
 * its private key.
 *
 * @throws {ConfigurationError} `config_invalid` for a value of the wrong type, a redirect URI that is none, an unknown
 *   authentication method, a key or a certificate that cannot be used.
 */
export async function readClient(source: ClientSource, provider: Provider): Promise<Client | undefined> {
  const { settings, env } = source
  const text = (key: string) => clientText(settings, env, provider.id, key)
  const clientId = text('client_id')
  if (clientId === undefined) return undefined
  const members: { [Key in keyof Client]?: Client[Key] | undefined } = {
    clientSecret: text('client_secret'),
    redirectUri: redirectUriFrom(settings, env, provider.id),
    tokenEndpointAuthMethod: oneOf(settings, provider.id, 'token_endpoint_auth_method', authMethods, text),
    responseMode: oneOf(settings, provider.id, 'response_mode', responseModes, text),
    dpop: flag(source, provider.id, 'dpop'),
    requestObject: flag(source, provider.id, 'request_object'),
    scopes: flag(source, provider.id, 'strict_scopes') === true ? 'strict' : undefined,
    ...(await readMaterial({ ...source, providerId: provider.id })),
  }
  const variables = readUrlVariables(settings, env, provider)
  const given = Object.entries(members).filter(([, value]) => value !== undefined)
  const named = Object.keys(variables).length === 0 ? {} : { variables }
  return hideClientSecret({ clientId, ...Object.fromEntries(given), ...named })
}

function flag({ settings, env }: ClientSource, providerId: string, key: string): boolean | undefined {
  const [variable = ''] = clientVariableNames(providerId, key)
  return flagFrom(env, variable) ?? settings.flag('auth', providerId, key)
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

function oneOf<Value extends string>(
  settings: Settings,
  providerId: string,
  key: string,
  values: readonly Value[],
  text: (key: string) => string | undefined,
): Value | undefined {
  const found = text(key)
  const value = values.find((one) => one === found)
  if (found === undefined || value !== undefined) return value
  const file = settings.fileOf('auth', providerId, key) ?? 'environment'
  throw invalid(file, `[auth.${providerId}] ${key} must be one of ${values.join(', ')}`)
}
