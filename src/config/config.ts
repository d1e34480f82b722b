// toolgrant.toml, .secrets.toml and the environment, as one read-only object that finds our registrations.
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { ConfigurationError, quote } from '../errors.ts'
import type { Registration, RegistrationSource } from '../oauth/index.ts'
import {
  provider as catalogueProvider,
  providers as catalogueProviders,
  nearestNames,
  type Provider,
} from '../providers/index.ts'
import { clientText, readClient, redirectUriFrom, unreadClientKeys } from './client.ts'
import {
  configFileName,
  type FoundConfig,
  findConfigFile,
  type Layer,
  readableByOthers,
  readLayer,
  secretsFileName,
  trust,
} from './config-file.ts'
import { type Environment, readVariable, settingVariables } from './environment.ts'
import { type MissingKey, missingClientMessage, missingKeys } from './missing-client.ts'
import { providerFromRow } from './provider-row.ts'
import { redirectUriToRegister } from './redirect-uri.ts'
import { absoluteVaultUrl, flagFrom, invalid, Settings } from './settings.ts'

/** Options of {@link loadConfig}. */
export interface ConfigOptions {
  /** Where the search for `toolgrant.toml` begins, and what relative paths in the environment start at. Default: the working directory. */
  cwd?: string
  /** Default: `process.env`. Only names that belong to a setting are ever read. */
  env?: Environment
  /** A configuration file, instead of the search and of `TOOLGRANT_CONFIG`. */
  file?: string
  /** Whether a file that is named and is not there counts as none: it is about to be made. Default `false`. */
  optional?: boolean
  /** Hears of everything odd that is no error: unknown keys, a secrets file that others may read, a file passed over. */
  onWarning?: (message: string) => void
}

/** Where the loopback flow listens: `[callback]`. */
export interface CallbackSettings {
  /** TCP port. Default: the flow's own. */
  port?: number
  /** Default: the flow's own. */
  https?: boolean
}

interface ConfigParts {
  settings: Settings
  env: Environment
  cwd: string
  found: FoundConfig
  /** Whether the file was named, not found. */
  named: boolean
  secretsFile: string | undefined
  warn: (message: string) => void
  warnings: string[]
}

/**
 * Reads the configuration: `toolgrant.toml` (looked for in `cwd` and upwards), laid under the `.secrets.toml`
 * beside it, laid under environment variables. Having no file at all is fine. Creates nothing.
 *
 * @throws {ConfigurationError} `config_invalid` when a file cannot be read, is no TOML or holds a wrong value.
 */
export async function loadConfig(options: ConfigOptions = {}): Promise<Config> {
  const { cwd = process.cwd(), env = process.env } = options
  const warnings: string[] = []
  const warn = (message: string) => {
    if (warnings.includes(message)) return
    warnings.push(message)
    options.onWarning?.(message)
  }
  const name = options.file ?? readVariable(env, [settingVariables.config])
  const named = name !== undefined && name !== ''
  const found = named ? await namedFile(resolve(cwd, name), options) : await findConfigFile(cwd, homedir())
  for (const message of found.ignored) warn(message)
  const secretsFile = found.file && (await findSecretsFile(found.file, named, warn))
  const layers: Layer[] = []
  if (secretsFile) layers.push(await readLayer(secretsFile))
  if (found.file) layers.push(await readLayer(found.file))
  return new Config({
    settings: new Settings(layers, warn),
    env,
    cwd,
    found,
    named,
    secretsFile,
    warn,
    warnings,
  })
}

async function namedFile(file: string, { optional }: ConfigOptions): Promise<FoundConfig> {
  const absent = optional === true && (await trust(file)) === 'absent'
  return { file: absent ? undefined : file, ignored: [] }
}

async function findSecretsFile(
  file: string,
  named: boolean,
  warn: (message: string) => void,
): Promise<string | undefined> {
  const secretsFile = join(dirname(file), secretsFileName)
  const verdict = await trust(secretsFile)
  if (verdict === 'absent') return undefined
  if (verdict !== 'trusted' && !named) {
    warn(`${secretsFile} ${verdict.why}.`)
    return undefined
  }
  if (await readableByOthers(secretsFile))
    warn(`${secretsFile} can be read by other users of this machine. Run: chmod 600 ${secretsFile}`)
  return secretsFile
}

/** What {@link loadConfig} found. Holds no secret that `inspect` or `JSON.stringify` would show. */
export class Config implements RegistrationSource {
  readonly #parts: ConfigParts
  readonly #providers: ReadonlyMap<string, Provider>

  /** Absolute path of `toolgrant.toml`; `undefined` when there is none. */
  readonly file: string | undefined
  /** Absolute path of the `.secrets.toml` beside it; `undefined` when there is none. */
  readonly secretsFile: string | undefined
  /** Absolute path of the module that holds the tools: `tools`, or `TOOLGRANT_TOOLS`. */
  readonly tools: string | undefined
  /** Default user: `TOOLGRANT_USER`, or `user`. */
  readonly user: string | undefined
  /** Where the loopback flow listens. */
  readonly callback: CallbackSettings

  /** Made by {@link loadConfig}. */
  constructor(parts: ConfigParts) {
    const { settings, env, cwd, found } = parts
    this.#parts = parts
    this.file = found.file
    this.secretsFile = parts.secretsFile
    const tools = readVariable(env, [settingVariables.tools])
    this.tools = tools === undefined ? settings.path('tools') : resolve(cwd, tools)
    this.user = readVariable(env, [settingVariables.user]) ?? settings.text('user')
    this.callback = callbackSettings(settings, env)
    this.#providers = customProviders(settings)
  }

  /**
   * Where the connections are kept: `TOOLGRANT_VAULT`, or `[vault] url`, which may hold a password, so it is not enumerable.
   * Where their keys are kept: `[vault] key`, unless `TOOLGRANT_KEY` is set.
   *
   * @throws {ConfigurationError} `config_invalid` when a file that was only found names a place for keys: it may name a
   *   program to run.
   */
  get vault(): { readonly url?: string; readonly key?: string } {
    const { settings, env, cwd } = this.#parts
    const variable = readVariable(env, [settingVariables.vaultUrl])
    const text = variable ?? settings.text('vault', 'url')
    const folder = variable ? cwd : dirname(settings.fileOf('vault', 'url') ?? cwd)
    const key = this.#keyPlace()
    return {
      ...(text === undefined ? {} : { url: absoluteVaultUrl(text, folder, homedir()) }),
      ...(key === undefined ? {} : { key }),
    }
  }

  #keyPlace(): string | undefined {
    const { settings, named, env } = this.#parts
    const key = settings.text('vault', 'key')
    if (key === undefined || readVariable(env, [settingVariables.vaultKey]) !== undefined) return undefined
    const file = settings.fileOf('vault', 'key') ?? this.#file()
    if (!named)
      throw invalid(
        file,
        '[vault] key names where keys are, and may name a program to run. A file that was found may not do that: name the file with TOOLGRANT_CONFIG (or --config), or set TOOLGRANT_KEY instead',
      )
    if (!/^(command:\s*\S|file:\s*\S|keychain$)/.test(key))
      throw invalid(
        file,
        '[vault] key must name a place: "command:/path/of/program", "file:/path" or "keychain". A key itself belongs into TOOLGRANT_KEY',
      )
    const path = /^file:\s*(?!~\/)(.*)$/.exec(key)?.[1]
    return path === undefined ? key : `file:${resolve(dirname(file), path)}`
  }

  /** Providers defined in `[providers.*]`. In a file that was named they win over the catalogue's of the same id. */
  get providers(): readonly Provider[] {
    return [...this.#providers.values()]
  }

  /** Everything odd noticed so far that is no error. */
  get warnings(): readonly string[] {
    return this.#parts.warnings
  }

  /** Every provider that can be named: the configured ones and the catalogue's, by id. */
  async allProviders(): Promise<readonly Provider[]> {
    const all = new Map((await catalogueProviders()).map((provider) => [provider.id, provider]))
    for (const provider of this.providers) all.set(provider.id, provider)
    return [...all.values()].sort((one, other) => (one.id < other.id ? -1 : 1))
  }

  /**
   * A provider by id: from `[providers.*]`, else from the catalogue.
   *
   * @throws {ConfigurationError} `provider_unknown`; `config_invalid` when a file that was only found, as in a folder
   *   that somebody else filled, would send what belongs to a provider of the catalogue elsewhere.
   */
  async provider(providerId: string): Promise<Provider> {
    const own = this.#providers.get(providerId)
    if (own === undefined) return catalogueProvider(providerId)
    if (!this.#parts.named && (await isInCatalogue(providerId)))
      throw invalid(
        this.#parts.settings.fileOf('providers', providerId) ?? this.#file(),
        `[providers.${providerId}] would replace the provider of the catalogue, and get its tokens and our client secret. A file that was found may not do that: choose another id, or name the file with TOOLGRANT_CONFIG (or --config)`,
      )
    return own
  }

  /** Scopes that `[auth.<provider>] scopes` asks for by default. */
  scopes(providerId: string): readonly string[] | undefined {
    return this.#parts.settings.words('auth', providerId, 'scopes')
  }

  /** Whether a client id is set for a provider. */
  hasClient(providerId: string): boolean {
    return clientText(this.#parts.settings, this.#parts.env, providerId, 'client_id') !== undefined
  }

  /**
   * Which keys of a provider's client are not set, and every place where each may be. A missing secret is no fault
   * when the provider accepts public clients.
   *
   * @throws {ConfigurationError} `provider_unknown`.
   */
  async missing(providerId: string): Promise<readonly MissingKey[]> {
    const { settings, env } = this.#parts
    const provider = await this.provider(providerId)
    const text = (key: string) => clientText(settings, env, provider.id, key)
    const has = (key: string) => text(key) !== undefined
    // A key, or a certificate, in place of the secret.
    const proves = has('private_key') || /tls_client_auth$/.test(text('token_endpoint_auth_method') ?? '')
    return missingKeys(
      provider,
      { clientId: has('client_id'), clientSecret: has('client_secret') || proves },
      { file: this.#file(), secretsFile: join(dirname(this.#file()), secretsFileName) },
    )
  }

  /**
   * Our registration at a provider. The environment is read now, by the provider's names only.
   *
   * @throws {ConfigurationError} `client_missing`, listing the missing keys, every place where each may be set, and
   *   where to register; `provider_unknown`; `config_invalid`.
   */
  async registration(providerId: string): Promise<Registration> {
    const { settings, env, warn } = this.#parts
    const provider = await this.provider(providerId)
    for (const message of unreadClientKeys(settings, provider)) warn(message)
    const { cwd, named } = this.#parts
    const client = await readClient({ settings, env, cwd, named, warn }, provider)
    if (client) return { provider, client }
    const message = missingClientMessage({
      provider,
      keys: await this.missing(provider.id),
      redirectUri: this.redirectUri(provider.id),
      redirectUriDecided: this.redirectUriDecided(provider.id),
      file: this.#file(),
      misnamed: await this.#misnamedSection(provider),
      fileExists: this.file !== undefined,
      ignored: this.#parts.found.ignored,
    })
    throw new ConfigurationError('client_missing', message)
  }

  /**
   * The redirect URI to register at a provider: the one that is set, else the one that `[callback]` leads to, else
   * `http://127.0.0.1:41539/`, which is then to be set, too.
   *
   * @throws {ConfigurationError} `config_invalid` when the one that is set can be none.
   */
  redirectUri(providerId: string): string {
    const { settings, env } = this.#parts
    return redirectUriFrom(settings, env, providerId) ?? redirectUriToRegister(this.callback)
  }

  /**
   * Whether the callback is waited for at {@link redirectUri} as things are set; else at any free port of this machine.
   *
   * @throws {ConfigurationError} `config_invalid` when the one that is set can be none.
   */
  redirectUriDecided(providerId: string): boolean {
    const { settings, env } = this.#parts
    const { port, https } = this.callback
    const listensThere = port === undefined ? https === true : port !== 0
    return listensThere || redirectUriFrom(settings, env, providerId) !== undefined
  }

  /** An `[auth.*]` table that was probably meant for `provider`: its name is a former id, or nearly the id. */
  async #misnamedSection(provider: Provider): Promise<string | undefined> {
    const sections = this.#parts.settings.names('auth').filter((name) => name !== provider.id)
    for (const name of sections) {
      const named = await this.provider(name).catch(() => undefined)
      if (named?.id === provider.id) return name
    }
    return nearestNames(provider.id, sections)[0]
  }

  #file(): string {
    return this.file ?? join(this.#parts.cwd, configFileName)
  }
}

async function isInCatalogue(providerId: string): Promise<boolean> {
  return (await catalogueProviders()).some(({ id }) => id === providerId)
}

function callbackSettings(settings: Settings, env: Environment): CallbackSettings {
  const port = portFrom(env, settingVariables.callbackPort) ?? settings.port('callback', 'port')
  const https = flagFrom(env, settingVariables.callbackHttps) ?? settings.flag('callback', 'https')
  return { ...(port === undefined ? {} : { port }), ...(https === undefined ? {} : { https }) }
}

function portFrom(env: Environment, name: string): number | undefined {
  const text = readVariable(env, [name])
  if (text === undefined) return undefined
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text)
  throw invalid(`environment variable ${name}`, `${quote(text, 20)} is no port number from 0 to 65535`)
}

function customProviders(settings: Settings): ReadonlyMap<string, Provider> {
  const providers = new Map<string, Provider>()
  for (const id of settings.names('providers'))
    providers.set(
      id,
      providerFromRow(id, settings.table('providers', id), settings.fileOf('providers', id) ?? ''),
    )
  return providers
}
