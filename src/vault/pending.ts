// Pending authorizations in the store: sealed, found by the fingerprint of their state, taken once.
import type { PendingAuthorization } from '../oauth/index.ts'
import { fingerprint, type Keyring } from '../seal.ts'
import type { Store } from './store.ts'

/** Keeps what must survive between sending a person away and their return, for whichever process they return to. */
export class PendingAuthorizations {
  readonly #store: Store
  readonly #keyring: Keyring
  readonly #tenant: string

  constructor(store: Store, keyring: Keyring, tenant: string) {
    this.#store = store
    this.#keyring = keyring
    this.#tenant = tenant
  }

  /** Keeps one until its `expiresAt`. */
  async put(pending: PendingAuthorization): Promise<void> {
    const key = this.#keyOf(pending.state)
    const sealed = this.#keyring.seal(JSON.stringify(pending), this.#associatedData(key))
    await this.#store.putPending(key, sealed, Math.floor(pending.expiresAt), this.#keyring.primary.id)
  }

  /** Takes one: the first caller gets it, once, before its end. */
  async take(state: string): Promise<PendingAuthorization | undefined> {
    const key = this.#keyOf(state)
    const sealed = await this.#store.takePending(key)
    return sealed === undefined
      ? undefined
      : JSON.parse(this.#keyring.open(sealed, this.#associatedData(key)))
  }

  #keyOf(state: string): string {
    return fingerprint(JSON.stringify([this.#tenant, state]))
  }

  #associatedData(key: string): string {
    return JSON.stringify(['pending', this.#tenant, key])
  }
}
