// The keys of an open vault as `vault.keys`: waited for when it closes, and written down in the audit log.
import type { StoredAuditLog } from './audit-log.ts'
import type { KeyOperations } from './key-operations.ts'
import { closedError } from './store-errors.ts'
import type { VaultKeys } from './vault-keys.ts'

/** What {@link OpenKeys} works with. */
export interface OpenKeysParts {
  keyOperations: KeyOperations
  audit: StoredAuditLog
}

/** Runs an operation that closing waits for. @throws {StoreError} `closed`. */
export type BeforeClosing = <T>(run: (parts: OpenKeysParts) => Promise<T>) => Promise<T>

/** {@link VaultKeys} of an open vault. */
export class OpenKeys implements VaultKeys {
  readonly #run: BeforeClosing
  readonly #closing = new AbortController()

  constructor(run: BeforeClosing) {
    this.#run = run
  }

  list: VaultKeys['list'] = (options) => this.#run(({ keyOperations }) => keyOperations.list(options))

  add: VaultKeys['add'] = (options) =>
    this.#run(({ keyOperations, audit }) =>
      audit.change(
        { action: 'key_add' },
        () => keyOperations.add(options),
        ({ id, added }) => ({ detail: { key: id, added } }),
      ),
    )

  rotate: VaultKeys['rotate'] = (options = {}) =>
    this.#run(({ keyOperations, audit }) => {
      const { signal } = options
      const either =
        signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal])
      return audit.change(
        { action: 'key_rotate' },
        () => keyOperations.rotate({ ...options, signal: either }),
        ({ id, before = id, resealed, unopened }) => ({
          detail: { key: id, before, resealed, unopened: unopened.length },
        }),
      )
    })

  retire: VaultKeys['retire'] = (keyId, options) =>
    this.#run(({ keyOperations, audit }) =>
      audit.change(
        { action: 'key_retire', detail: { key: keyId } },
        () => keyOperations.retire(keyId, options),
        ({ deletedFrom }) => ({ detail: { key: keyId, deleted: deletedFrom.length > 0 } }),
      ),
    )

  /** Ends a rotation after the row that is under way: it may have hours to go, and can be gone on with. */
  close(): void {
    this.#closing.abort(closedError())
  }
}
