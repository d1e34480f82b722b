// Pending authorizations in the store: sealed, found by the fingerprint of their state, taken once.
import type { PendingAuthorization } from '../oauth/index.ts'
import { fingerprint } from '../seal.ts'
import { personKey } from './forgotten.ts'
import type { CurrentKeyring } from './key-ring.ts'
import type { Store } from './store.ts'

/** Keeps what must survive between sending a person away and their return, for whichever process they return to. */
export class PendingAuthorizations {
  readonly #store: Store
  readonly #keys: CurrentKeyring
  readonly #tenant: string

  constructor(store: Store, keys: CurrentKeyring, tenant: string) {
    this.#store = store
    this.#keys = keys
    this.#tenant = tenant
  }

  /** Keeps one until its `expiresAt`. */
  async put(pending: PendingAuthorization): Promise<void> {
    const key = this.#keyOf(pending.state)
    const end = Math.floor(pending.expiresAt)
    const person = pending.user === undefined ? null : personKey(this.#tenant, pending.user)
    await this.#keys.write((keyring) => {
      const sealed = keyring.seal(JSON.stringify(pending), this.#associatedData(key))
      return this.#store.putPending(key, sealed, end, keyring.primary.id, person)
    })
  }

  /** Takes one: the first caller gets it, once, before its end. */
  async take(state: string): Promise<PendingAuthorization | undefined> {
    const key = this.#keyOf(state)
    const sealed = await this.#store.takePending(key)
    if (sealed === undefined) return undefined
    return JSON.parse(await this.#keys.with((keyring) => keyring.open(sealed, this.#associatedData(key))))
  }

  #keyOf(state: string): string {
    return fingerprint(JSON.stringify([this.#tenant, state]))
  }

  #associatedData(key: string): string {
    return JSON.stringify(['pending', this.#tenant, key])
  }
}
