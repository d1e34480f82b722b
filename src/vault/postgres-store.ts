// A store in a PostgreSQL database: for any number of processes on any number of machines, also behind a pooler in
// transaction mode. `pg` is loaded when one is opened.
import type { Environment } from '../config/index.ts'
import type { StoreError } from '../errors.ts'
import { type ConnectionPlan, loadPg, type PgModule } from './postgres-client.ts'
import { DatabaseClock } from './postgres-clock.ts'
import { PostgresConnections } from './postgres-connections.ts'
import { PostgresDatabase } from './postgres-database.ts'
import { failureOf, isDuplicate, isForeignKey, isForeignSchema, storeError } from './postgres-errors.ts'
import { connect, reach, whyForeign } from './postgres-open.ts'
import { toAuditLine, toBytes, toHistoryEntry, toStoredKey, type Values } from './postgres-rows.ts'
import { type Migration, migrations } from './postgres-schema.ts'
import { type Statements, statementsFor } from './postgres-statements.ts'
import { type PostgresPlace, parsePostgresUrl, placeName } from './postgres-url.ts'
import { type WatchParts, watchHistory } from './postgres-watch.ts'
import type { AuditLine, HistoryEntry, KeyUse, Store, StoredKey } from './store.ts'
import { closedError } from './store-errors.ts'

/** Options of {@link openPostgresStore}. */
export interface PostgresStoreOptions {
  /** The store's clock, in milliseconds since 1970, for tests and simulations. Default: the database's own. */
  now?: (() => number) | undefined
  /** How long one statement may take, in milliseconds. Default 10 000. */
  statementTimeoutMs?: number | undefined
  /** How often a watch asks its connection for a sign of life, in milliseconds. Default 20 000. */
  heartbeatMs?: number | undefined
  /** Where libpq's variables (`PGHOST`, `PGPASSWORD` …) are. Default: none are read. */
  env?: Environment | undefined
  /** The steps of the schema, for tests of a roll-out. Default: those of this version. */
  migrations?: readonly Migration[] | undefined
}

/**
 * Opens the vault in a PostgreSQL database and brings its schema up to date.
 *
 * @param url `postgres://user:password@host:port/database`, with libpq's parameters, and `schema`, `pool`, `prepare` and
 *   `listen`: see "PostgreSQL" in docs/vault.md.
 * @throws {ConfigurationError} `config_invalid` for the URL, or a server that cannot keep a vault.
 * @throws {StoreError} `store_unavailable`, `store_permission`, `store_read_only`, `store_newer`, `store_busy`, `store_full`;
 *   nothing stored was changed, and the password is in no message.
 */
export async function openPostgresStore(url: string, options: PostgresStoreOptions = {}): Promise<Store> {
  const place = parsePostgresUrl(url, options.env)
  const steps = options.migrations ?? migrations
  const pg = await loadPg()
  const clock = new DatabaseClock(options.now)
  const wanted = {
    place,
    statementTimeoutMs: options.statementTimeoutMs ?? 10_000,
    limitAtServer: true,
    plain: false,
  }
  const { plan, origin } = await reach(pg, wanted, clock, steps)
  let newer: StoreError | undefined // Once it is so, it stays so.
  const explain = async (error: unknown) => {
    if (!isForeignSchema(failureOf(error))) return error
    newer ??= await whyForeign(pg, plan, steps)
    return newer ?? error
  }
  const channel = `${place.schema}_history`
  const statements = statementsFor(place.schema, channel)
  return new PostgresStore(new PostgresDatabase(pg, plan, clock, explain), statements, clock, {
    ...{ pg, plan, channel, origin, heartbeatMs: options.heartbeatMs ?? 20_000 },
  })
}

/** What a store knows besides its connections. */
interface Setting {
  pg: PgModule
  plan: ConnectionPlan
  channel: string
  origin: string | undefined
  heartbeatMs: number
}

class PostgresStore extends PostgresConnections implements Store {
  declare readonly origin?: string
  readonly #setting: Setting
  /** What ends each watch. */
  readonly #watches = new Set<() => Promise<void>>()
  #closed = false

  constructor(database: PostgresDatabase, statements: Statements, clock: DatabaseClock, setting: Setting) {
    super(database, statements, clock)
    this.#setting = setting
    if (setting.origin !== undefined) this.origin = setting.origin
  }

  async putPending(
    key: string,
    sealed: Uint8Array,
    expiresAt: number,
    keyId: string,
    person: string | null = null,
  ): Promise<void> {
    await this.seal(this.statements.putPending, keyId, { key, sealed, expiresAt, keyId, person })
  }

  async takePending(key: string): Promise<Uint8Array | undefined> {
    return bytes(await this.database.run(this.statements.takePending, { key }))
  }

  forgetUser(tenant: string, user: string, person: string): Promise<number> {
    return this.database.change(this.statements.forgetUser, { tenant, user, person })
  }

  async getMeta(name: string): Promise<Uint8Array | undefined> {
    return bytes(await this.database.run(this.statements.getMeta, { name }))
  }

  putMetaIfAbsent(name: string, value: Uint8Array, keyId: string | null = null): Promise<boolean> {
    return this.seal(this.statements.putMeta, keyId, { name, value, keyId })
  }

  replaceMeta(
    name: string,
    before: Uint8Array,
    value: Uint8Array,
    keyId: string | null = null,
  ): Promise<boolean> {
    return this.seal(this.statements.replaceMeta, keyId, { name, before, value, keyId })
  }

  async metaSealedOtherwise(keyId: string): Promise<readonly string[]> {
    const found = await this.database.run(this.statements.metaSealedOtherwise, { keyId })
    return found.map(([name]) => name as string)
  }

  async keys(): Promise<readonly StoredKey[]> {
    return (await this.database.run(this.statements.keys, {})).map(toStoredKey)
  }

  addKey({ id, check, wrapped }: Pick<StoredKey, 'id' | 'check' | 'wrapped'>): Promise<boolean> {
    return this.change(this.statements.addKey, { id, check, wrapped })
  }

  makePrimary(keyId: string): Promise<boolean> {
    return this.change(this.statements.makePrimary, { keyId })
  }

  async removeKey(keyId: string): Promise<boolean> {
    try {
      return await this.change(this.statements.removeKey, { keyId })
    } catch (error) {
      if (isForeignKey(failureOf(error))) return false
      throw error
    }
  }

  async keyUse(): Promise<readonly KeyUse[]> {
    const found = await this.database.run(this.statements.keyUse, {})
    return found.map(([keyId, connections, others]) => ({
      keyId: keyId as string,
      connections: Number(connections),
      others: Number(others),
    }))
  }

  async auditHead(tenant: string): Promise<AuditLine | undefined> {
    return (await this.database.run(this.statements.auditHead, { tenant })).map(toAuditLine)[0]
  }

  async appendAudit(tenant: string, lines: readonly AuditLine[]): Promise<boolean> {
    try {
      return await this.change(this.statements.appendAudit, {
        ...{ tenant, first: lines[0]?.seq ?? 0, seqs: lines.map(({ seq }) => seq) },
        ...{ ats: lines.map(({ at }) => at), entries: lines.map(({ entry }) => entry) },
        hashes: lines.map(({ hash }) => hash),
      })
    } catch (error) {
      if (isDuplicate(failureOf(error))) return false
      throw error
    }
  }

  async auditLines(tenant: string, afterSeq: number, limit: number): Promise<readonly AuditLine[]> {
    return (await this.database.run(this.statements.auditLines, { tenant, afterSeq, limit })).map(toAuditLine)
  }

  async watch(
    listener: (entry: HistoryEntry) => void,
    onGap: () => void,
  ): Promise<(() => Promise<void>) | undefined> {
    const place = this.#setting.plan.place.listen ?? this.#setting.plan.place
    if (place === 'none') return undefined
    const end = await watchHistory(this.#watchParts(place, listener, onGap)).catch((error: unknown) => {
      throw storeError(error, placeName(place), place.password?.())
    })
    if (end === undefined) return undefined
    if (this.#closed) await end()
    this.#watches.add(end)
    return async () => {
      this.#watches.delete(end)
      await end()
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([this.database.close(), ...[...this.#watches].map((end) => end())])
    this.#watches.clear()
  }

  #watchParts(
    place: PostgresPlace,
    listener: WatchParts['listener'],
    onGap: WatchParts['onGap'],
  ): WatchParts {
    const { pg, plan, channel, heartbeatMs } = this.#setting
    const { tell, entries, lastEntry, entriesSince } = this.statements
    const toListen = place === plan.place ? plan : { ...plan, place, limitAtServer: true, plain: false }
    return {
      ...{ channel, heartbeatMs, listener, onGap },
      connect: async () => {
        if (this.#closed) throw closedError()
        return (await connect(pg, toListen)).client
      },
      tell: async (payload) => void (await this.database.change(tell, { payload })),
      entries: async (seqs) => (await this.database.run(entries, { seqs })).map(toHistoryEntry),
      lastEntry: async () => Number((await this.database.run(lastEntry, {}))[0]?.[0]),
      entriesSince: async (seq, limit) =>
        (await this.database.run(entriesSince, { seq, limit })).map(toHistoryEntry),
    }
  }
}

function bytes([row]: readonly Values[]): Uint8Array | undefined {
  return row === undefined ? undefined : toBytes(row[0])
}
