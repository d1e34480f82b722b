// What to say when no client id is set: which keys are missing, every place where each may be set, and where to
// register (row P100).
import type { Provider } from '../providers/index.ts'
import { clientVariableNames } from './environment.ts'

/** A key that is not set, and every place that is looked at for it, the one that wins first. */
export interface MissingKey {
  key: 'client_id' | 'client_secret'
  /** `false` for the secret of a provider that accepts public clients, or may. */
  required: boolean
  /** Environment variables. */
  variables: readonly string[]
  /** Absolute file paths. */
  files: readonly string[]
  /** The table in these files, such as `auth.slack`. */
  section: string
}

/** What {@link missingClientMessage} needs to know. */
export interface MissingClient {
  provider: Provider
  keys: readonly MissingKey[]
  /** What to register. */
  redirectUri: string
  /** `false`: it has to be set, too, or the callback is waited for on another port. */
  redirectUriDecided: boolean
  /** Absolute path of the configuration file, whether it exists or not. */
  file: string
  /** Name of an `[auth.*]` table that was probably meant for this provider. */
  misnamed: string | undefined
  /** Whether the configuration file exists. */
  fileExists: boolean
  /** Files that were passed over, each with the reason. */
  ignored: readonly string[]
}

/** Which of client id and secret are missing, and where they may be set. */
export function missingKeys(
  provider: Provider,
  has: { clientId: boolean; clientSecret: boolean },
  files: { file: string; secretsFile: string },
): readonly MissingKey[] {
  const section = `auth.${tomlKey(provider.id)}`
  const key = (name: MissingKey['key'], required: boolean, places: readonly string[]): MissingKey => ({
    key: name,
    required,
    variables: clientVariableNames(provider.id, name),
    files: places,
    section,
  })
  const keys: MissingKey[] = []
  if (!has.clientId) keys.push(key('client_id', true, [files.secretsFile, files.file]))
  if (!has.clientSecret && provider.tokenEndpointAuthMethod !== 'none')
    keys.push(key('client_secret', false, [files.secretsFile, files.file]))
  return keys
}

/** The whole message: several lines, no secret. */
export function missingClientMessage(missing: MissingClient): string {
  const { provider, ignored, misnamed } = missing
  return [
    `No client id is set for ${provider.id}.`,
    ...(misnamed ? [`There is an [auth.${misnamed}]: should it be [auth.${provider.id}]?`] : []),
    registration(missing),
    ...missing.keys.flatMap((key) => places(key, missing.fileExists)),
    ...(missing.redirectUriDecided ? [] : placesOfRedirectUri(missing)),
    ...ignored,
  ].join('\n')
}

/** A TOML key: bare when it may be, else quoted. */
export function tomlKey(name: string): string {
  return /^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name)
}

function registration({ provider, redirectUri, redirectUriDecided }: MissingClient): string {
  const where = provider.registerUrl ?? provider.docsUrl ?? provider.name ?? provider.id
  const otherwise = redirectUriDecided ? '' : '\n(where only https is accepted: https://localhost:41539/)'
  return `Register an application at ${where} with the redirect URI ${redirectUri}${otherwise}, then set`
}

function placesOfRedirectUri({ provider, file }: MissingClient): string[] {
  return [
    '  redirect_uri (exactly as registered)',
    `    in the environment: ${clientVariableNames(provider.id, 'redirect_uri').join(' or ')}`,
    `    or in ${file}: [auth.${tomlKey(provider.id)}] redirect_uri`,
  ]
}

function places(missing: MissingKey, fileExists: boolean): string[] {
  const [own = '', ...common] = missing.variables
  const [secretsFile = '', file = ''] = missing.files
  const note = missing.required ? '' : ' (if the provider issued one)'
  const create = fileExists ? '' : ' (toolgrant init creates it)'
  return [
    `  ${missing.key}${note}`,
    `    in the environment: ${[own, ...common].join(' or ')}`,
    `    or in ${secretsFile}: [${missing.section}] ${missing.key}`,
    `    or in ${file}: [${missing.section}] ${missing.key}${create}`,
  ]
}
