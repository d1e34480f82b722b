// The keys of an open vault as they are now: another process may bring a new one, or retire an old one, at any time.
import { KeyError } from '../errors.ts'
import type { Keyring } from '../seal.ts'
import type { Awaitable } from './store.ts'

/**
 * Finds the keys again: the store's table of keys, and their material from the providers.
 *
 * @returns the keys of now; `undefined` when there is nothing new, or it is too early to ask again.
 */
export type ReloadKeys = (current: Keyring) => Promise<Keyring | undefined>

/** Holds the keyring of a vault, and finds it anew when a key turns up that it lacks, or one was retired. */
export class CurrentKeyring {
  #current: Keyring
  readonly #reloadKeys: ReloadKeys
  #reloading: Promise<boolean> | undefined

  /** @param reload default: the keys never change. */
  constructor(keyring: Keyring, reload: ReloadKeys = async () => undefined) {
    this.#current = keyring
    this.#reloadKeys = reload
  }

  /** The keys of now. Ask anew for each use. */
  get current(): Keyring {
    return this.#current
  }

  /** Takes other keys from now on. */
  replace(keyring: Keyring): void {
    this.#current = keyring
  }

  /** Finds the keys again; all who ask at once share it. `false`: nothing new. */
  reload(): Promise<boolean> {
    this.#reloading ??= this.#reload().finally(() => {
      this.#reloading = undefined
    })
    return this.#reloading
  }

  /**
   * Does what needs the keys; once more with newly found keys when they were not the right ones.
   * Stays synchronous where the operation is and succeeds.
   */
  with<T>(operation: (keyring: Keyring) => Awaitable<T>): Awaitable<T> {
    const used = this.#current
    try {
      const result = operation(used)
      if (!(result instanceof Promise)) return result
      return result.catch((error: unknown) => this.#again(error, used, operation))
    } catch (error) {
      return this.#again(error, used, operation)
    }
  }

  /**
   * Seals and writes something: as {@link with}, but looks first whether another key seals by now, when it has not
   * looked for a minute. Seal within `operation`: it may be run a second time, with other keys.
   */
  async write<T>(operation: (keyring: Keyring) => Awaitable<T>): Promise<T> {
    return this.with(operation)
  }

  async #again<T>(error: unknown, used: Keyring, operation: (keyring: Keyring) => Awaitable<T>): Promise<T> {
    if (!isOutdated(error)) throw error
    // Somebody else may have found them meanwhile.
    if (this.#current === used && !(await this.reload())) throw error
    return operation(this.#current)
  }

  async #reload(): Promise<boolean> {
    const found = await this.#reloadKeys(this.#current)
    if (found === undefined) return false
    this.#current = found
    return true
  }
}

/** Whether other keys than those at hand would do. */
function isOutdated(error: unknown): boolean {
  return error instanceof KeyError && (error.code === 'key_wrong' || error.code === 'key_retired')
}
