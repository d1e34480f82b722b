// Where the vault's key comes from, and the rule that a second key is never made behind the first one's back.
import { ConfigurationError, KeyError } from '../errors.ts'
import { generateKey, Keyring, SealingKey, sealedKeyId } from '../seal.ts'
import { keyFile } from './key-file.ts'
import { keychain } from './key-keychain.ts'
import type { Store } from './store.ts'

/** What a {@link KeyProvider} is told about the vault that asks. */
export interface KeyRequest {
  /** The key that the vault's data is sealed with; absent for a new vault. */
  keyId?: string | undefined
}

/**
 * A place where keys are kept: the environment, the system's keychain, a file, a key management service.
 * A provider that cannot reach its place throws {@link KeyError} `key_unavailable`; a key it cannot use is `key_invalid`.
 */
export interface KeyProvider {
  /** The place in words, for messages: `TOOLGRANT_KEY`. No secret. */
  readonly place: string
  /** The keys there, the one that seals first; empty when there is none. Makes nothing. */
  load(request: KeyRequest): Promise<readonly SealingKey[]>
  /**
   * Makes a key for a new vault and keeps it durably before returning it. Where a key is there by then, returns that.
   * Absent for places that somebody else fills.
   */
  create?(): Promise<SealingKey>
  /** Takes back a key that {@link KeyProvider.create} made and nothing was sealed with. */
  discard?(key: SealingKey): Promise<void>
}

/**
 * A key given in code or configuration: 32 bytes, or their text in base64, base64url or hexadecimal. Several texts
 * separated by commas: the first seals, all of them open.
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

/** A key that lives and dies with this process, for a store in memory. */
export function passingKey(): KeyProvider {
  const key = SealingKey.parse(generateKey())
  return { place: 'the memory of this process', load: async () => [key] }
}

const checkText = 'toolgrant vault'
const checkPlace = JSON.stringify(['key check'])

/**
 * The keys of a vault. An existing one demands the key that it was sealed with and never gets another; a new one takes
 * the first key there is, or else makes one in the first place that can keep it.
 *
 * @param providers in the order in which a new vault tries them.
 * @throws {KeyError} `key_missing`, `key_wrong`, `key_unavailable`, `key_invalid`: naming the key, every place that was
 *   looked at and the next step. Nothing was changed.
 */
export async function unlock(store: Store, providers: readonly KeyProvider[]): Promise<Keyring> {
  const [known] = await store.keys()
  if (known !== undefined) return unlockExisting(store, known.check, providers)
  const { ring, discard } = await keysForNew(providers)
  const { id } = ring.primary
  await store.addKey({ id, check: ring.seal(checkText, checkPlace), wrapped: null })
  const [first] = await store.keys()
  if (first?.id === id) return ring
  await store.removeKey(id)
  await discard()
  return unlock(store, providers)
}

async function unlockExisting(
  store: Store,
  check: Uint8Array,
  providers: readonly KeyProvider[],
): Promise<Keyring> {
  const keyId = sealedKeyId(check)
  const notes: string[] = []
  const failures: KeyError[] = []
  let others = 0
  // Backwards: the last place, a file, costs least to look at, and the id says which key is right.
  for (const provider of providers.toReversed()) {
    try {
      const [primary, ...older] = await provider.load({ keyId })
      const ring = primary && new Keyring(primary, older)
      if (ring?.has(keyId) && ring.open(check, checkPlace) === checkText) {
        const { id } = ring.primary
        if (id !== keyId) await store.addKey({ id, check: ring.seal(checkText, checkPlace), wrapped: null })
        return ring
      }
      others += ring === undefined ? 0 : 1
      notes.push(`${provider.place}: ${ring === undefined ? 'no key' : `the key ${ring.ids.join(', ')}`}`)
    } catch (error) {
      if (!(error instanceof KeyError)) throw error
      failures.push(error)
      notes.push(`${provider.place}: ${error.message.replace(/\.$/, '')}`)
    }
  }
  throw notFound(store, keyId, { notes, failures, others })
}

interface Search {
  notes: string[]
  failures: KeyError[]
  others: number
}

function notFound(store: Store, keyId: string, { notes, failures, others }: Search): KeyError {
  const code = failures[0]?.code ?? (others > 0 ? 'key_wrong' : 'key_missing')
  return new KeyError(
    code,
    [
      `The vault at ${store.name} is sealed with the key ${keyId}, which was not found.`,
      `Looked in ${notes.join('; ')}.`,
      'Bring that key back (set TOOLGRANT_KEY to it, restore the key file, unlock the keychain). If it is lost for good, move the vault away and connect again. Nothing was changed.',
    ].join(' '),
    { cause: failures[0] },
  )
}

interface NewKeys {
  ring: Keyring
  discard: () => Promise<void>
}

async function keysForNew(providers: readonly KeyProvider[]): Promise<NewKeys> {
  const notes: string[] = []
  let cause: unknown
  for (const provider of providers) {
    try {
      const keys = await keysFrom(provider)
      if (keys !== undefined) return keys
      notes.push(`${provider.place}: no key`)
    } catch (error) {
      if (!(error instanceof KeyError) || error.code !== 'key_unavailable') throw error
      cause = error
      notes.push(`${provider.place}: ${error.message.replace(/\.$/, '')}`)
    }
  }
  throw new KeyError(
    cause === undefined ? 'key_missing' : 'key_unavailable',
    `There is no key to seal a new vault with. Looked in ${notes.join('; ')}. Set TOOLGRANT_KEY: openssl rand -base64 32`,
    { cause },
  )
}

async function keysFrom(provider: KeyProvider): Promise<NewKeys | undefined> {
  const [primary, ...older] = await provider.load({})
  if (primary !== undefined) return { ring: new Keyring(primary, older), discard: async () => {} }
  const key = await provider.create?.()
  if (key === undefined) return undefined
  return { ring: new Keyring(key), discard: async () => provider.discard?.(key) }
}

/** What {@link keyProviders} takes. */
export interface KeyPlaces {
  /** The option `key` of the vault. */
  key?: KeyProvider | string | Uint8Array | undefined
  /** The value of `TOOLGRANT_KEY`. */
  variable?: string | undefined
  /** Folder of the key file. */
  dataFolder: () => string
}

/**
 * Where a vault looks for its key: what the option names alone; else `TOOLGRANT_KEY` alone, when it is set; else the
 * system's keychain and, where there is none, a key file of mode 0600 in the data folder.
 */
export function keyProviders({ key, variable, dataFolder }: KeyPlaces): readonly KeyProvider[] {
  if (typeof key === 'string' || key instanceof Uint8Array) return [givenKey(key)]
  if (key !== undefined) return [checkedProvider(key)]
  if (variable !== undefined && variable.trim() !== '') return [givenKey(variable, 'TOOLGRANT_KEY')]
  return [keychain(), keyFile(`${dataFolder()}/vault.key`)]
}

function checkedProvider(provider: KeyProvider): KeyProvider {
  if (typeof provider?.load === 'function') return provider
  throw new ConfigurationError(
    'config_invalid',
    'The option key is 32 bytes, their text, or a key provider such as keyFile(path).',
  )
}
