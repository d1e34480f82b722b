// What every store throws alike, whatever it is made of.
// Each message says what to do; none holds anything secret.
import { KeyError, StoreError } from '../errors.ts'

/** The store was closed: {@link StoreError} `closed`. */
export function closedError(): StoreError {
  return new StoreError('closed', 'The vault is closed. Open it again with Vault.open().')
}

/** Something was to be written that a key sealed which the store does not know (any more): `key_retired`. */
export function keyRetiredError(store: string, keyId: string): KeyError {
  return new KeyError(
    'key_retired',
    `The vault at ${store} does not take what the key ${keyId} sealed: that key was retired, or never added. Open the vault again with its present keys. Nothing was changed.`,
  )
}
