// The keys of an open vault as they are now: another process may bring a new one, or retire an old one, at any time.
// Reading with a key that is at hand costs nothing more; everything else looks at the table and the places anew.
import { KeyError } from '../errors.ts'
import type { Keyring } from '../seal.ts'
import type { Awaitable } from './store.ts'

/** The keys of a vault as they were just found. */
export interface FoundKeys {
  /** Id of the key that is to seal. */
  primary: string
  /** The keys at hand; seals with an older one when the primary was not found. */
  keyring: Keyring
  /** Why the others that the store knows are not at hand, by id. */
  missing: ReadonlyMap<string, KeyError>
}

/**
 * Finds the keys again: the store's table of keys, and the places for what is not at hand yet; of that only the primary,
 * unless `all` are wanted.
 *
 * @throws {KeyError} none was found.
 */
export type ReloadKeys = (all: boolean) => Promise<FoundKeys>

/** After so long writers look whether another key seals by now, in milliseconds. */
const staleMs = 60_000
/** A key that was not found is looked for again after so long, in milliseconds. */
const retryMs = 5000
/** So many keys that were not found are remembered. */
const rememberedLimit = 100

/** Holds the keyring of a vault, and finds it anew when a key turns up that it lacks, or one was retired. */
export class CurrentKeyring {
  #current: Keyring
  readonly #find: ReloadKeys | undefined
  readonly #now: () => number
  /** When the table was last read. */
  #readAt: number
  #missing: ReadonlyMap<string, KeyError> = new Map()
  /** Keys that were not found, and when that was. */
  readonly #soughtAt = new Map<string, number>()
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined
  #nextIsForAll = false

  /** @param find default: the keys never change. @param now milliseconds. */
  constructor(keyring: Keyring, find?: ReloadKeys, now: () => number = () => performance.now()) {
    this.#current = keyring
    this.#find = find
    this.#now = now
    this.#readAt = now()
  }

  /** The keys of now. Ask anew for each use. */
  get current(): Keyring {
    return this.#current
  }

  /**
   * Finds the keys again. The look begins after this call; all who ask meanwhile share the next one.
   *
   * @param all also the older ones that are not at hand.
   */
  reload(all = true): Promise<void> {
    if (this.#running === undefined) return this.#start(all)
    this.#nextIsForAll ||= all
    this.#next ??= this.#running.catch(() => {}).then(() => this.#start(this.#nextIsForAll))
    return this.#next
  }

  /**
   * Does what needs the keys; once more with newly found keys when they were not the right ones. What it opens is to be
   * read within it: it may have been resealed meanwhile. Stays synchronous where the operation is and succeeds.
   */
  with<T>(operation: (keyring: Keyring) => Awaitable<T>): Awaitable<T> {
    try {
      const result = operation(this.#current)
      if (!(result instanceof Promise)) return result
      return result.catch((error: unknown) => this.#again(error, operation))
    } catch (error) {
      return this.#again(error, operation)
    }
  }

  /**
   * Seals and writes something: as {@link with}, but looks first whether another key seals by now, when nobody has
   * looked for a minute. Seal within `operation`: it may be run a second time, with other keys.
   */
  async write<T>(operation: (keyring: Keyring) => Awaitable<T>): Promise<T> {
    // A store or a place in trouble must not stop a write that it may well take.
    if (Math.abs(this.#now() - this.#readAt) > staleMs) await this.reload(false).catch(() => {})
    return this.with(operation)
  }

  async #again<T>(error: unknown, operation: (keyring: Keyring) => Awaitable<T>): Promise<T> {
    if (explainedErrors.has(error as object)) throw error
    const keyId = unknownKey(error)
    if (keyId !== undefined) await this.#seek(keyId, error)
    else if (isRetired(error)) await this.#replacePrimary(error)
    else throw error
    return operation(this.#current)
  }

  /** Looks for a key that something was sealed with. @throws the same error, saying where was looked. */
  async #seek(keyId: string, error: unknown): Promise<void> {
    if (this.#current.has(keyId)) return
    const soughtAt = this.#soughtAt.get(keyId)
    if (soughtAt === undefined || Math.abs(this.#now() - soughtAt) >= retryMs) {
      await this.reload()
      this.#soughtAt.delete(keyId)
      if (this.#current.has(keyId)) return
      if (this.#soughtAt.size >= rememberedLimit) this.#soughtAt.clear()
      this.#soughtAt.set(keyId, this.#now())
    }
    throw explained(error, this.#missing.get(keyId))
  }

  /** The key that sealed is not known to the store any more. @throws the same error, when no other can seal. */
  async #replacePrimary(error: unknown): Promise<void> {
    const before = this.#current.primary.id
    await this.reload()
    if (this.#current.primary.id === before) throw explained(error, [...this.#missing.values()][0])
  }

  #start(all: boolean): Promise<void> {
    this.#next = undefined
    this.#nextIsForAll = false
    const run = this.#reload(all).finally(() => {
      if (this.#running === run) this.#running = undefined
    })
    this.#running = run
    return run
  }

  async #reload(all: boolean): Promise<void> {
    if (this.#find === undefined) return
    const readAt = this.#now()
    const { keyring, missing } = await this.#find(all)
    this.#readAt = readAt
    if (all) this.#missing = missing
    this.#current = keyring
  }
}

/** The id of the key that an error says is not at hand. */
function unknownKey(error: unknown): string | undefined {
  if (!(error instanceof KeyError) || error.code !== 'key_wrong') return undefined
  return error.keyId ?? unknownKey(error.cause)
}

function isRetired(error: unknown): boolean {
  return error instanceof KeyError && error.code === 'key_retired'
}

/** An error about a key, with what was found out about that key since. */
function explained(error: unknown, found: KeyError | undefined): unknown {
  if (!(error instanceof KeyError) || found === undefined) return error
  const told = new KeyError(found.code, `${error.message} ${found.message}`, { cause: error })
  explainedErrors.add(told)
  return told
}

/** They went through an inner {@link CurrentKeyring.with}: an outer one has nothing to add. */
const explainedErrors = new WeakSet<object>()
