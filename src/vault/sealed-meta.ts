// Named values of a store that are secret: sealed, bound to their name, and known by it to whoever changes the key.
import type { Keyring } from '../seal.ts'
import type { CurrentKeyring } from './key-ring.ts'
import type { Store } from './store.ts'

/** Where a named value belongs: every sealed one is bound to this, so that a change of keys can seal it anew. */
export function metaPlace(name: string): string {
  return JSON.stringify(['meta', name])
}

/**
 * The sealed value of that name; `undefined` when there is none.
 *
 * @throws {KeyError} `sealed_data_invalid` when it was altered, or copied from another name; `key_wrong`.
 */
export async function openMeta(
  store: Store,
  keyring: CurrentKeyring,
  name: string,
): Promise<string | undefined> {
  return keyring.with(async (keys: Keyring) => {
    const sealed = await store.getMeta(name)
    return sealed === undefined ? undefined : keys.open(sealed, metaPlace(name))
  })
}

/**
 * Seals and writes a named value unless there is one.
 *
 * @returns `false`: there is one already, and {@link openMeta} reads it.
 */
export async function sealMeta(
  store: Store,
  keyring: CurrentKeyring,
  name: string,
  value: string,
): Promise<boolean> {
  return keyring.write((keys: Keyring) =>
    store.putMetaIfAbsent(name, keys.seal(value, metaPlace(name)), keys.primary.id),
  )
}
