// What an operator does with the keys of an open vault. The order of the steps is what makes each safe to end anywhere:
// a key is kept before it is known, known before it seals, unused before it is forgotten, forgotten before it is deleted.
import { argumentError, KeyError } from '../errors.ts'
import { canonicalKey, generateKey, SealingKey } from '../seal.ts'
import { Reseal } from './key-reseal.ts'
import type { CurrentKeyring } from './key-ring.ts'
import { checkOf, KeySearch } from './key-search.ts'
import { knownVaultId, vaultIdOf } from './key-unlock.ts'
import type { KeyProvider, KeyRequest } from './keys.ts'
import type { KeyUse, Store, StoredKey } from './store.ts'
import type {
  AddedKey,
  AddKeyOptions,
  KeyInUse,
  ListKeysOptions,
  RetiredKey,
  RetireOptions,
  RotatedKeys,
  RotateOptions,
  VaultKey,
  VaultKeys,
} from './vault-keys.ts'

/** What the operations work with. */
export interface KeyParts {
  store: Store
  keys: CurrentKeyring
  /** Where keys are looked for and kept. */
  places: readonly KeyProvider[]
}

/** {@link VaultKeys} over a store and its places. */
export class KeyOperations implements VaultKeys {
  readonly #parts: KeyParts

  constructor(parts: KeyParts) {
    this.#parts = parts
  }

  async list({ signal }: ListKeysOptions = {}): Promise<VaultKey[]> {
    const { store } = this.#parts
    const search = await this.#search(signal)
    const use = await store.keyUse()
    const listed: VaultKey[] = []
    for (const key of await store.keys()) listed.push(await shown(key, search, use))
    return listed
  }

  async add({ key, keyId, signal }: AddKeyOptions = {}): Promise<AddedKey> {
    if (key !== undefined && keyId !== undefined)
      throw argumentError('vault.keys.add takes a key, or the id of one that is in its place already.')
    if (keyId !== undefined) return this.#addPresent(keyId, signal)
    const provider = await this.#placeForNew(signal)
    if (provider === undefined && key === undefined) return this.#addUnknown(signal)
    const text = key === undefined ? generateKey() : canonicalKey(key, 'The key')
    if (provider === undefined) return this.#addPresent(SealingKey.parse(text).id, signal)
    return this.#keepAndAdd(provider, text, signal)
  }

  async rotate(options: RotateOptions = {}): Promise<RotatedKeys> {
    const { keyId, rowsPerSecond, signal } = options
    if (rowsPerSecond !== undefined && !(rowsPerSecond > 0))
      throw argumentError('vault.keys.rotate: rowsPerSecond must be a number above 0.')
    const { store, keys } = this.#parts
    const table = await store.keys()
    const target = chosen(table, keyId)
    await this.#assertFound(target, signal)
    if (!(await store.makePrimary(target.id))) throw unknownKey(target.id, table)
    await keys.reload()
    if (!keys.current.has(target.id)) await this.#assertFound(target, signal)
    const reseal = new Reseal({ store, keys, keyId: target.id }, options)
    await reseal.run()
    const before = table.find(({ primary, id }) => primary && id !== target.id)?.id
    return {
      id: target.id,
      ...(before === undefined ? {} : { before }),
      resealed: reseal.resealed,
      older: (await store.keyUse()).filter((use) => use.keyId !== target.id).map(inUse),
      unopened: reseal.unopened,
    }
  }

  async retire(keyId: string, { deleteKey = false, signal }: RetireOptions = {}): Promise<RetiredKey> {
    signal?.throwIfAborted()
    const { store } = this.#parts
    const retired = await store.removeKey(keyId)
    const left = retired || deleteKey ? await this.#placesOf(keyId, signal) : []
    if (!retired) await this.#assertUnknown(keyId, left)
    const deletedFrom: string[] = []
    if (deleteKey)
      for (const provider of left) if (await provider.remove?.(keyId)) deletedFrom.push(provider.place)
    const leftIn = left.map(({ place }) => place).filter((place) => !deletedFrom.includes(place))
    return { id: keyId, retired, deletedFrom, leftIn }
  }

  /** A key that is in its place already. */
  async #addPresent(keyId: string, signal: AbortSignal | undefined): Promise<AddedKey> {
    const search = await this.#search(signal)
    const wanted = { id: keyId, wrapped: null, check: new Uint8Array() }
    const key = await search.find(wanted)
    if (key === undefined) throw notInPlace(keyId, search)
    return this.#makeKnown(key, null, search.providerOf(keyId)?.place ?? '')
  }

  /** Whatever key the places have that the vault does not know, when it is one. */
  async #addUnknown(signal: AbortSignal | undefined): Promise<AddedKey> {
    const table = await this.#parts.store.keys()
    const search = await this.#search(signal)
    for (const key of table) await search.find(key)
    const unknown = [...search.keys.keys()].filter((id) => !table.some((known) => known.id === id))
    const [only] = unknown
    if (only !== undefined && unknown.length === 1) return this.#addPresent(only, signal)
    throw new KeyError(
      'key_missing',
      unknown.length > 1
        ? `${search.account}. The vault does not know ${unknown.join(', ')}: name the one to add.`
        : `A key cannot be kept here (${search.account}): whoever fills that place has to add it. Make one (toolgrant keys add --print, or: openssl rand -base64 32), put it behind the present one, separated by a comma (in a key file: on a line of its own), restart every process with both, then add it again. Nothing was changed.`,
    )
  }

  async #keepAndAdd(provider: KeyProvider, text: string, signal: AbortSignal | undefined): Promise<AddedKey> {
    const key = SealingKey.parse(text)
    const request: KeyRequest = { keyId: key.id, vaultId: await vaultIdOf(this.#parts.store), signal }
    const known = (await this.#parts.store.keys()).find(({ id }) => id === key.id)
    const search = await this.#search(signal)
    // One that the vault knows and has lost is put back into its place.
    if (known !== undefined && (await search.find(known)) !== undefined)
      return { id: key.id, place: search.providerOf(key.id)?.place ?? provider.place, added: false }
    const wrapped = (await provider.keep?.(text, request)) ?? null
    const found = await provider.load({ ...request, wrapped: wrapped ?? undefined })
    if (!found.some(({ id }) => id === key.id))
      throw new KeyError(
        'key_unavailable',
        `${provider.place} did not keep the key ${key.id}. Nothing was changed.`,
      )
    return this.#makeKnown(key, wrapped, provider.place)
  }

  async #makeKnown(key: SealingKey, wrapped: Uint8Array | null, place: string): Promise<AddedKey> {
    const added = await this.#parts.store.addKey({ id: key.id, check: checkOf(key), wrapped })
    return { id: key.id, place, added }
  }

  /** The place that keeps a new key: the first that can, but an optional one only if the present key is there. */
  async #placeForNew(signal: AbortSignal | undefined): Promise<KeyProvider | undefined> {
    const { places, store } = this.#parts
    const keeping = places.filter(({ keep }) => keep !== undefined)
    const [primary] = await store.keys()
    for (const provider of keeping) {
      if (provider.optional !== true || primary === undefined) return provider
      if ((await new KeySearch([provider], { signal }).find(primary)) !== undefined) return provider
    }
    return keeping[0]
  }

  async #assertFound(key: StoredKey, signal: AbortSignal | undefined): Promise<void> {
    const search = await this.#search(signal)
    if ((await search.find(key)) !== undefined) return
    const { code, cause } = search.failure
    throw new KeyError(
      code,
      `The key ${key.id} was not found, so nothing can be sealed with it. Looked in ${search.account}. Put it there, or name another key. Nothing was changed.`,
      { cause },
    )
  }

  /** @throws {KeyError} why a key cannot be retired; {@link TypeError} that there is none such; nothing when it was retired before and is still in a place. */
  async #assertUnknown(keyId: string, left: readonly KeyProvider[]): Promise<void> {
    const table = await this.#parts.store.keys()
    const known = table.find(({ id }) => id === keyId)
    if (known === undefined && left.length === 0) throw unknownKey(keyId, table)
    if (known === undefined) return
    const use = (await this.#parts.store.keyUse()).find((found) => found.keyId === keyId)
    throw keyInUse(known, use)
  }

  /** Where the material of a key is that the store does not keep. */
  async #placesOf(keyId: string, signal: AbortSignal | undefined): Promise<readonly KeyProvider[]> {
    const found: KeyProvider[] = []
    for (const provider of this.#parts.places) {
      const search = new KeySearch([provider], { signal })
      const key = await search.find({ id: keyId, wrapped: null, check: new Uint8Array() })
      if (key !== undefined) found.push(provider)
    }
    return found
  }

  async #search(signal: AbortSignal | undefined): Promise<KeySearch> {
    signal?.throwIfAborted()
    return new KeySearch(this.#parts.places, { vaultId: await knownVaultId(this.#parts.store), signal })
  }
}

/** The key that was named; else the newest, which is the primary when several are as new. */
function chosen(table: readonly StoredKey[], keyId: string | undefined): StoredKey {
  const named = table.find(({ id }) => id === keyId)
  if (keyId !== undefined && named === undefined) throw unknownKey(keyId, table)
  const newest = named ?? table.reduce((one, other) => (other.createdAt > one.createdAt ? other : one))
  const rivals = table.filter(({ createdAt }) => createdAt === newest.createdAt)
  if (named === undefined && rivals.length > 1)
    throw argumentError(
      `vault.keys.rotate: name the key that is to seal; ${rivals.map(({ id }) => id).join(' and ')} are equally new.`,
    )
  return newest
}

async function shown(key: StoredKey, search: KeySearch, use: readonly KeyUse[]): Promise<VaultKey> {
  const { id, primary, createdAt } = key
  const { connections = 0, others = 0 } = use.find(({ keyId }) => keyId === id) ?? {}
  const found = await search.find(key)
  const place = search.providerOf(id)?.place
  return {
    ...{ id, primary, createdAt: new Date(createdAt), connections, others },
    ...(found === undefined || place === undefined ? { why: search.account } : { place }),
  }
}

function inUse({ keyId, connections, others }: KeyUse): KeyInUse {
  return { id: keyId, connections, others }
}

function unknownKey(keyId: string, table: readonly StoredKey[]): TypeError {
  return argumentError(
    `The vault has no key ${keyId}; its keys: ${table.map(({ id }) => id).join(', ')}. Nothing was changed.`,
  )
}

function notInPlace(keyId: string, search: KeySearch): KeyError {
  const { code, cause } = search.failure
  return new KeyError(
    code,
    `The key ${keyId} is in none of the vault's places. Looked in ${search.account}. Put it there first. Nothing was changed.`,
    { cause },
  )
}

function keyInUse({ id, primary }: StoredKey, use: KeyUse | undefined): KeyError {
  if (primary)
    return new KeyError(
      'key_in_use',
      `The key ${id} is the primary: it seals what is written now. Add another (toolgrant keys add), let it seal (toolgrant keys rotate), then retire this one. Nothing was changed.`,
    )
  const { connections = 0, others = 0 } = use ?? {}
  const next =
    connections > 0
      ? 'Run toolgrant keys rotate (again): it seals the rest anew, also what other processes wrote with this key within a minute of the first run.'
      : 'Pending authorizations end by themselves within minutes, and toolgrant keys rotate seals named values anew: try again then.'
  return new KeyError(
    'key_in_use',
    `The key ${id} still seals ${connections} connections and ${others} pending authorizations or named values. ${next} Nothing was changed.`,
  )
}
