// What every command gets: its streams, its signal, and the configuration and vault it asks for, opened once.
import { userInfo } from 'node:os'
import { resolve } from 'node:path'
import {
  type Config,
  type ConfigOptions,
  configFileName,
  loadConfig,
  settingVariables,
} from '../config/index.ts'
import { argumentError, StoreError } from '../errors.ts'
import type { ConnectionAddress, Vault } from '../vault/index.ts'
import { type Output, printable } from './output.ts'

/** Options that every command takes. */
export interface GlobalOptions {
  json?: boolean
  config?: string
  vault?: string
}

/** Options that choose a connection. */
export interface AddressOptions {
  user?: string
  account?: string
}

/** The surroundings of one run of a command. */
export class CommandContext {
  readonly output: Output
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal
  /** Ends the command as Ctrl-C does. For prompts, which take the key before it becomes a signal. */
  readonly interrupt: () => void
  readonly #options: GlobalOptions
  #config: Promise<Config> | undefined
  #vault: Promise<Vault> | undefined

  constructor(output: Output, options: GlobalOptions, signal: AbortSignal, interrupt: () => void) {
    this.output = output
    this.signal = signal
    this.interrupt = interrupt
    this.#options = options
  }

  /** Whether a person can be asked: both ends of the conversation are terminals. */
  get interactive(): boolean {
    return process.stdin.isTTY === true && this.output.isTerminal
  }

  /** The configuration file to write: `--config`, `TOOLGRANT_CONFIG`, else `toolgrant.toml` in the working directory. */
  get configFile(): string {
    const named = this.#options.config ?? process.env[settingVariables.config]?.trim()
    return resolve(named || configFileName)
  }

  /** The configuration. Its warnings go to stderr as they come. */
  config(): Promise<Config> {
    this.#config ??= this.#loadConfig({})
    return this.#config
  }

  /** The same for the command that makes {@link CommandContext.configFile}: it need not be there yet. */
  configSoFar(): Promise<Config> {
    this.#config ??= this.#loadConfig({ optional: true })
    return this.#config
  }

  /** The vault that `--vault`, the environment or the configuration names. Closed when the command ends. */
  vault(): Promise<Vault> {
    this.#vault ??= this.#openVault()
    return this.#vault
  }

  /** The same for a command that only reads: when there is none it says so, and makes none. */
  async vaultToRead(): Promise<Vault | undefined> {
    const place = await this.#placeOfNone()
    if (place === undefined) return this.vault()
    this.output.note(printable(noVaultText(place)))
    return undefined
  }

  /** The same for a command that needs connections: when there is none it says so, and goes on with an empty one in memory. */
  async vaultToUse(): Promise<Vault> {
    return (await this.vaultToRead()) ?? this.vaultToTry()
  }

  /**
   * The same for a command that is about what is in it.
   *
   * @throws {TypeError} `invalid_argument`: there is none.
   */
  async vaultToChange(): Promise<Vault> {
    const place = await this.#placeOfNone()
    if (place !== undefined) throw argumentError(noVaultText(place))
    return this.vault()
  }

  /** The vault if it is there already; else an empty one in memory: for what is only tried. */
  async vaultToTry(): Promise<Vault> {
    this.#vault ??= (await this.#placeOfNone()) === undefined ? this.#openVault() : this.#openVault('memory:')
    return this.#vault
  }

  /** Where the vault would be made, when there is none. */
  async #placeOfNone(): Promise<string | undefined> {
    const { lookAtVault } = await import('../vault/index.ts')
    try {
      const { exists, name } = await lookAtVault({ url: await this.vaultUrl() })
      return exists ? undefined : name
    } catch (error) {
      // It is there, and cannot be looked at, perhaps for this moment only: opening it waits, and tells why not.
      if (error instanceof StoreError && error.code === 'store_permission') return undefined
      throw error
    }
  }

  /** The URL of that vault; `undefined`: the file in the data folder. May hold a password. */
  async vaultUrl(): Promise<string | undefined> {
    return this.#options.vault ?? (await this.config()).vault.url
  }

  /** Whose connection, at which provider, which account. */
  async address(provider: string, options: AddressOptions): Promise<ConnectionAddress> {
    const user = await this.user(options.user)
    // A former id (`twitter`) and the id (`x`) are one connection.
    const { id } = await (await this.config()).provider(provider)
    return { user, provider: id, ...(options.account === undefined ? {} : { account: options.account }) }
  }

  /** `--user`, else the configuration's (`TOOLGRANT_USER`, `user`), else the operating system's user name. */
  async user(option: string | undefined): Promise<string> {
    return option ?? (await this.config()).user ?? systemUser()
  }

  /** Closes what was opened. Waits for a refresh that is under way, because its answer must be saved. */
  async close(): Promise<void> {
    const vault = await this.#vault?.catch(() => undefined)
    await vault?.close()
  }

  async #loadConfig(options: Pick<ConfigOptions, 'optional'>): Promise<Config> {
    const file = this.#options.config
    return loadConfig({
      ...options,
      ...(file === undefined ? {} : { file }),
      onWarning: (message) => this.output.warn(printable(message)),
    })
  }

  async #openVault(instead?: string): Promise<Vault> {
    const clients = await this.config()
    const { Vault } = await import('../vault/index.ts')
    if (instead !== undefined) return Vault.open({ clients, url: instead, actor: 'cli' })
    const url = await this.vaultUrl()
    const key = process.env['TOOLGRANT_KEY']?.trim() ? undefined : clients.vault.key
    return Vault.open({ clients, url, key, actor: 'cli' })
  }
}

function noVaultText(place: string): string {
  if (place.startsWith('memory:')) return 'A vault in memory is empty at the start of every command.'
  return `There is no vault yet at ${place}: the first toolgrant connect makes one.`
}

function systemUser(): string {
  try {
    return userInfo().username
  } catch {
    // A user id without a name, as containers have them.
    return `uid-${process.getuid?.() ?? 0}`
  }
}
