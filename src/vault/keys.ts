// Where a vault's keys come from: the places that keep them, and the order in which they are looked at.
import { ConfigurationError, KeyError, quote } from '../errors.ts'
import { generateKey, SealingKey } from '../seal.ts'
import { commandKms } from './key-command.ts'
import { keyFile } from './key-file.ts'
import { keychain } from './key-keychain.ts'
import { wrappedKey } from './key-wrapped.ts'

/** What a {@link KeyProvider} is told about the vault that asks. */
export interface KeyRequest {
  /** The key that is needed; absent for a new vault. */
  keyId?: string | undefined
  /** What {@link KeyProvider.keep} returned for that key: the store has kept it. */
  wrapped?: Uint8Array | undefined
  /** The vault's own id, the same for its backups. Absent where a vault of an older version has none yet. */
  vaultId?: string | undefined
  /** Ends the request early. */
  signal?: AbortSignal | undefined
}

/**
 * A place where keys are kept: the environment, the system's keychain, a file, a key management service.
 * A provider that cannot reach its place throws {@link KeyError} `key_unavailable`; a key it cannot use is `key_invalid`.
 */
export interface KeyProvider {
  /** The place in words, for messages: `TOOLGRANT_KEY`. No secret. */
  readonly place: string
  /** Not every machine has such a place: a new vault takes the next one where this cannot be reached. */
  readonly optional?: boolean | undefined
  /**
   * The keys there: the one that is asked for, and others if that costs nothing. For a new vault the one that is to seal
   * it first. Empty when there is none. Makes nothing. Called again while a vault is open, when a key turns up that was
   * not there before.
   */
  load(request: KeyRequest): Promise<readonly SealingKey[]>
  /**
   * Makes a key for a new vault and keeps it durably before returning it. Where a key is there by then, returns that.
   * Absent where {@link KeyProvider.keep} does as well, and for places that somebody else fills.
   */
  create?(): Promise<SealingKey>
  /** Takes back a key that {@link KeyProvider.create} made and nothing was sealed with. */
  discard?(key: SealingKey): Promise<void>
  /**
   * Keeps a key durably. Absent for places that somebody else fills.
   *
   * @param text the key: 43 characters of base64url. **Secret.**
   * @returns what the store is to keep with the key's id and to hand to {@link KeyProvider.load}: the key, wrapped.
   *   Nothing, when the place keeps it itself.
   */
  keep?(text: string, request: KeyRequest): Promise<Uint8Array | undefined>
  /** Deletes a key for good, wherever it came from. `false`: it was not there. */
  remove?(keyId: string): Promise<boolean>
}

/**
 * A key given in code or configuration: 32 bytes, or their text in base64, base64url or hexadecimal. Several texts
 * separated by commas: the first seals a new vault, all of them open.
 *
 * @throws {KeyError} `key_invalid`, on loading; the text is not quoted.
 */
export function givenKey(key: string | Uint8Array, place = 'the option key'): KeyProvider {
  return {
    place,
    async load() {
      if (typeof key !== 'string') return [new SealingKey(key)]
      return key.split(',').map((text) => SealingKey.parse(text, place))
    },
  }
}

/** Keys that live and die with this process, for a store in memory. */
export function passingKey(): KeyProvider {
  const keys = [SealingKey.parse(generateKey())]
  return {
    place: 'the memory of this process',
    load: async () => [...keys],
    async keep(text) {
      keys.push(SealingKey.parse(text))
      return undefined
    },
    async remove(keyId) {
      const at = keys.findIndex(({ id }) => id === keyId)
      return at >= 0 && keys.splice(at, 1).length === 1
    },
  }
}

/** What {@link keyProviders} takes. */
export interface KeyPlaces {
  /** The option `key` of the vault. */
  key?: KeyProvider | readonly KeyProvider[] | string | Uint8Array | undefined
  /** The value of `TOOLGRANT_KEY`. */
  variable?: string | undefined
  /** `[vault] key` of the configuration, which names a place. */
  setting?: string | undefined
  /** Folder of the key file. */
  dataFolder: () => string
}

/**
 * Where a vault looks for its keys: what the option names alone; else `TOOLGRANT_KEY` alone, when it is set; else the
 * place that the configuration names; else the system's keychain and, where there is none, a key file of mode 0600 in
 * the data folder. A text is a key, or names a place: `command:/path/of/program`, `file:/path`, `keychain`. Behind a
 * command, keychain and key file are looked at as well, for keys from before.
 */
export function keyProviders({ key, variable, setting, dataFolder }: KeyPlaces): readonly KeyProvider[] {
  const usual = () => [keychain(), keyFile(`${dataFolder()}/vault.key`)]
  const from = (text: string, where?: string) => named(text, usual) ?? [givenKey(text, where)]
  if (typeof key === 'string') return from(key)
  if (key instanceof Uint8Array) return [givenKey(key)]
  if (key !== undefined) return [key].flat().map(checkedProvider)
  if (variable !== undefined && variable.trim() !== '') return from(variable, 'TOOLGRANT_KEY')
  return setting === undefined ? usual() : from(setting, '[vault] key')
}

/** The place that a text names; `undefined` when it names none. */
function named(text: string, usual: () => readonly KeyProvider[]): readonly KeyProvider[] | undefined {
  const [, kind, rest = ''] = /^\s*(command:|file:|keychain$)(.*)$/.exec(text.trimEnd()) ?? []
  if (kind === 'keychain') return [keychain()]
  if (kind === 'file:') return [keyFile(absolutePath(rest.trim()))]
  if (kind !== 'command:') return undefined
  const place = `the command ${quote(rest.trim().split(/\s+/)[0] ?? '')}`
  return [wrappedKey({ kms: commandKms(rest), place }), ...usual()]
}

function absolutePath(path: string): string {
  const { join, resolve } = process.getBuiltinModule('node:path')
  const { homedir } = process.getBuiltinModule('node:os')
  return path.startsWith('~/') ? join(homedir(), path.slice(2)) : resolve(path)
}

function checkedProvider(provider: KeyProvider): KeyProvider {
  if (typeof provider?.load === 'function') return provider
  throw new ConfigurationError(
    'config_invalid',
    'The option key is 32 bytes, their text, a key provider such as keyFile(path), or a list of providers.',
  )
}

/** Whether an error of a place only says that it cannot be reached. */
export function isUnavailable(error: unknown): error is KeyError {
  return error instanceof KeyError && error.code === 'key_unavailable'
}
