// Which connection an audited use was of. A toolbox knows user, provider and perhaps an account: the id is looked up when
// the line is written, so that it costs the call nothing.
import type { AuditEntry } from './audit.ts'
import type { Store, TokenRow } from './store.ts'

/** Fills in ids and account labels. */
export class ConnectionIds {
  readonly #store: Store
  readonly #tenant: string

  constructor(store: Store, tenant: string) {
    this.#store = store
    this.#tenant = tenant
  }

  /** The same entries, with the ids of their connections as they are now. Asks the store once for each address. */
  async inEntries(entries: readonly AuditEntry[]): Promise<AuditEntry[]> {
    const found = new Map<string, Promise<TokenRow | undefined>>()
    return Promise.all(
      entries.map(async (entry) => {
        const { user, connections } = entry
        if (
          user === undefined ||
          connections === undefined ||
          connections.every(({ id }) => id !== undefined)
        )
          return entry
        const filled = connections.map(async (connection) => {
          if (connection.id !== undefined) return connection
          const { provider, account } = connection
          const key = JSON.stringify([user, provider, account])
          const row = found.get(key) ?? this.#find(user, provider, account)
          found.set(key, row)
          const { id, account: label = account } = (await row) ?? {}
          return { id, provider, account: label }
        })
        return { ...entry, connections: await Promise.all(filled) }
      }),
    )
  }

  /** The one that the vault would take: the only one, or the one labelled `default`. */
  async #find(user: string, provider: string, account: string | undefined): Promise<TokenRow | undefined> {
    const rows = await this.#store.find(this.#tenant, user, provider, account)
    const usable = rows.filter(({ status }) => status !== 'revoked')
    return usable.length === 1 ? usable[0] : usable.find((row) => row.account === 'default')
  }
}
