// Sealing everything anew with another key while the vault serves: row by row, each compared and set, in batches that
// can be ended at any point and gone on with. What was resealed is told apart by the key id that each row carries.
import { KeyError } from '../errors.ts'
import { sealedKeyId } from '../seal.ts'
import type { CurrentKeyring } from './key-ring.ts'
import { pause } from './pause.ts'
import { metaPlace } from './sealed-meta.ts'
import { tokenPlace } from './sealed-tokens.ts'
import type { ConnectionRow, Store } from './store.ts'
import type { RotateOptions, UnopenedConnection } from './vault-keys.ts'

/** What resealing works with. */
export interface ResealParts {
  store: Store
  keys: CurrentKeyring
  /** The key to seal with: the primary by now. */
  keyId: string
}

const batchSize = 200
/** Rows under way at once, where the store takes several. */
const atOnce = 8
/** The event loop gets a turn at least so often, in milliseconds. */
const turnMs = 8
/** Rows that cannot be opened do not stop the others; so many do. */
const unopenedLimit = 1000

/** One walk over everything that another key sealed. */
export class Reseal {
  readonly #parts: ResealParts
  readonly #options: Omit<RotateOptions, 'keyId'>
  readonly #unopened = new Map<string, UnopenedConnection>()
  #resealed = 0
  #total = 0
  #lastTurn = performance.now()

  constructor(parts: ResealParts, options: Omit<RotateOptions, 'keyId'>) {
    this.#parts = parts
    this.#options = options
  }

  /** Rows sealed anew so far. */
  get resealed(): number {
    return this.#resealed
  }

  /** Rows that could not be opened. */
  get unopened(): readonly UnopenedConnection[] {
    return [...this.#unopened.values()]
  }

  /** Runs until nothing is left but what cannot be opened. */
  async run(): Promise<void> {
    const { store, keyId } = this.#parts
    const use = await store.keyUse()
    this.#total = use.reduce((sum, key) => sum + (key.keyId === keyId ? 0 : key.connections), 0)
    for (;;) {
      const begun = performance.now()
      const before = this.#resealed
      const rows = await this.#nextRows()
      if (rows.length === 0) return this.#values()
      await this.#rows(rows)
      this.#options.onProgress?.({
        resealed: this.#resealed,
        total: Math.max(this.#total, this.#resealed),
      })
      await this.#pace(this.#resealed - before, begun)
    }
  }

  async #nextRows(): Promise<readonly ConnectionRow[]> {
    this.#options.signal?.throwIfAborted()
    await this.#assertPrimary()
    const { rowsPerSecond = Number.POSITIVE_INFINITY } = this.#options
    const size = Math.max(1, Math.min(batchSize, Math.floor(rowsPerSecond / 4)))
    const rows = await this.#parts.store.sealedOtherwise(this.#parts.keyId, size + this.#unopened.size)
    return this.#unopened.size >= unopenedLimit ? [] : rows.filter(({ id }) => !this.#unopened.has(id))
  }

  async #rows(rows: readonly ConnectionRow[]): Promise<void> {
    const left = [...rows]
    const take = async () => {
      for (let row = left.pop(); row !== undefined; row = left.pop()) {
        this.#options.signal?.throwIfAborted()
        await this.#row(row).catch((error: unknown) => {
          left.length = 0
          throw error
        })
        if (performance.now() - this.#lastTurn > turnMs) await this.#turn()
      }
    }
    const ended = await Promise.allSettled(Array.from({ length: atOnce }, take))
    for (const end of ended) if (end.status === 'rejected') throw end.reason
  }

  /** One that was changed meanwhile is left alone: it comes up again, or holds the new key already. */
  async #row(row: ConnectionRow): Promise<void> {
    const { store, keyId } = this.#parts
    let sealed: Uint8Array
    try {
      sealed = await this.#anew(row.sealed, tokenPlace(row))
    } catch (error) {
      if (!(error instanceof KeyError) || error.code === 'key_retired') throw error
      this.#leave(row, error)
      return
    }
    if (await store.reseal(row.id, row.sealed, sealed, keyId)) this.#resealed += 1
  }

  #leave({ id, tenant, provider, keyId }: ConnectionRow, { code }: KeyError): void {
    this.#unopened.set(id, { id, tenant, provider, keyId, code })
  }

  /** Named values: the key of the audit log, and whatever else is sealed by its name. */
  async #values(): Promise<void> {
    const { store, keyId } = this.#parts
    for (const name of await store.metaSealedOtherwise(keyId)) {
      const before = await store.getMeta(name)
      if (before === undefined || sealedKeyId(before) === keyId) continue
      await store.replaceMeta(name, before, await this.#anew(before, metaPlace(name)), keyId)
    }
  }

  async #anew(sealed: Uint8Array, place: string): Promise<Uint8Array> {
    const { keys, keyId } = this.#parts
    const text = await keys.with((keyring) => keyring.open(sealed, place))
    if (keys.current.primary.id !== keyId) throw superseded(keyId, keys.current.primary.id)
    return keys.current.seal(text, place)
  }

  /** Two rotations to different keys would undo each other for ever. */
  async #assertPrimary(): Promise<void> {
    const { store, keyId } = this.#parts
    const [primary] = await store.keys()
    if (primary?.id !== keyId) throw superseded(keyId, primary?.id ?? 'none')
  }

  async #pace(rows: number, begun: number): Promise<void> {
    const { rowsPerSecond, signal } = this.#options
    if (rowsPerSecond === undefined) return
    const waitMs = (rows / rowsPerSecond) * 1000 - (performance.now() - begun)
    if (waitMs > 0) await pause(waitMs, signal ?? new AbortController().signal)
  }

  /** A store in this process would otherwise keep the event loop for itself. */
  async #turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.#lastTurn = performance.now()
  }
}

function superseded(keyId: string, primary: string): KeyError {
  return new KeyError(
    'key_retired',
    `Another process has made ${primary} the primary key meanwhile, instead of ${keyId}: this rotation ends here. What it resealed is sound.`,
  )
}
