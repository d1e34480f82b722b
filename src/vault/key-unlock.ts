// Finding the keys of a vault when it is opened, and again while it is open; and the rule that no second key is ever
// made behind the first one's back. Which keys there are, and which one seals, is what the store's table says.
import { KeyError } from '../errors.ts'
import { generateKey, Keyring, SealingKey } from '../seal.ts'
import { CurrentKeyring, type FoundKeys } from './key-ring.ts'
import { checkOf, KeySearch } from './key-search.ts'
import { isUnavailable, type KeyProvider } from './keys.ts'
import type { Store, StoredKey } from './store.ts'

/**
 * The keys of a vault. An existing one demands the key that seals it and never gets another; a new one takes the first
 * key there is, or else makes one in the first place that can keep it.
 *
 * @param providers in the order in which a new vault tries them.
 * @throws {KeyError} `key_missing`, `key_wrong`, `key_unavailable`, `key_invalid`: naming the key, every place that was
 *   looked at and the next step. Nothing was changed.
 */
export async function unlock(store: Store, providers: readonly KeyProvider[]): Promise<CurrentKeyring> {
  const table = await store.keys()
  if (table.length === 0) {
    const first = await firstKey(store, providers)
    if (first === undefined) return unlock(store, providers)
    return openRing(store, providers, new Map([[first.id, first]]))
  }
  return openRing(store, providers, new Map())
}

/** The vault's own id: names it to a key management service. It is made once and is no secret. */
export async function vaultIdOf(store: Store): Promise<string> {
  for (;;) {
    const id = await knownVaultId(store)
    if (id !== undefined) return id
    await store.putMetaIfAbsent(vaultIdName, new TextEncoder().encode(globalThis.crypto.randomUUID()))
  }
}

const vaultIdName = 'vault_id'

/** The same where there is one already: looking changes nothing. */
export async function knownVaultId(store: Store): Promise<string | undefined> {
  const bytes = await store.getMeta(vaultIdName)
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes)
}

/** @param material keys that are at hand already. It grows with each look at the places. */
async function openRing(
  store: Store,
  providers: readonly KeyProvider[],
  material: Map<string, SealingKey>,
): Promise<CurrentKeyring> {
  const look = (all = true) => findKeys(store, providers, material, all)
  const { primary, keyring, missing } = await look()
  const absent = missing.get(primary)
  if (absent !== undefined) throw absent
  return new CurrentKeyring(keyring, look, () => store.now())
}

/**
 * The keys that the store knows, as far as their material is found. A key that was found once stays at hand until the
 * process ends: a row that was read before its key was retired still opens.
 *
 * @throws {KeyError} when none of them is found.
 */
async function findKeys(
  store: Store,
  providers: readonly KeyProvider[],
  material: Map<string, SealingKey>,
  all: boolean,
): Promise<FoundKeys> {
  const table = await store.keys()
  const search = new KeySearch(providers, { vaultId: await knownVaultId(store) })
  const missing = new Map<string, KeyError>()
  for (const stored of table) {
    const isWanted = all || stored.primary
    const key = material.get(stored.id) ?? (isWanted ? await search.find(stored) : undefined)
    if (key === undefined) missing.set(stored.id, notFound(store, stored, search))
    else material.set(key.id, key)
  }
  // The primary stands first. A process that cannot find it goes on with the newest that is still taken.
  const [primary, ...older] = table.map(({ id }) => material.get(id))
  const sealing = primary ?? older.findLast((key) => key !== undefined)
  const primaryId = table[0]?.id ?? ''
  if (sealing === undefined) throw missing.get(primaryId) ?? gone(store)
  return { primary: primaryId, keyring: new Keyring(sealing, [...material.values()]), missing }
}

function gone(store: Store): KeyError {
  return new KeyError('key_missing', `The vault at ${store.name} has no keys any more: it was emptied.`)
}

function notFound(store: Store, { id, primary }: StoredKey, search: KeySearch): KeyError {
  const { code, cause } = search.failure
  const role = primary ? 'is sealed with the key' : 'has rows or values under the older key'
  return new KeyError(
    code,
    [
      `The vault at ${store.name} ${role} ${id}, which was not found.`,
      `Looked in ${search.account}.`,
      'Bring that key back (set TOOLGRANT_KEY to it, restore the key file, unlock the keychain). A vault restored from a backup needs the keys of its time: docs/vault.md, "Backup and restore". If it is lost for good, move the vault away and connect again. Nothing was changed.',
    ].join(' '),
    { cause },
  )
}

/** The first key of a new vault; `undefined` when another process was faster. */
async function firstKey(store: Store, providers: readonly KeyProvider[]): Promise<SealingKey | undefined> {
  const vaultId = await vaultIdOf(store)
  const { key, wrapped, discard } = await newKey(providers, vaultId)
  await store.addKey({ id: key.id, check: checkOf(key), wrapped })
  const [first] = await store.keys()
  if (first?.id === key.id) return key
  await store.removeKey(key.id)
  await discard()
  return undefined
}

interface NewKey {
  key: SealingKey
  wrapped: Uint8Array | null
  /** Takes it back, when it was made for nothing. */
  discard: () => Promise<void>
}

async function newKey(providers: readonly KeyProvider[], vaultId: string): Promise<NewKey> {
  const notes: string[] = []
  let cause: unknown
  for (const provider of providers) {
    try {
      const key = await keyFrom(provider, vaultId)
      if (key !== undefined) return key
      notes.push(`${provider.place}: no key`)
    } catch (error) {
      if (!isUnavailable(error) || provider.optional !== true) throw error
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

async function keyFrom(provider: KeyProvider, vaultId: string): Promise<NewKey | undefined> {
  const [present] = await provider.load({ vaultId })
  if (present !== undefined) return { key: present, wrapped: null, discard: async () => {} }
  if (provider.create !== undefined) {
    const key = await provider.create()
    return { key, wrapped: null, discard: async () => provider.discard?.(key) }
  }
  if (provider.keep === undefined) return undefined
  const text = generateKey()
  const key = SealingKey.parse(text)
  const wrapped = (await provider.keep(text, { keyId: key.id, vaultId })) ?? null
  return { key, wrapped, discard: async () => void (await provider.remove?.(key.id)) }
}
