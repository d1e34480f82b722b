// The connections of a PostgreSQL store: reading, grants, leases, refreshes, due times, history.
// Each method is one statement; `Store` documents each.
import type { DatabaseClock } from './postgres-clock.ts'
import type { PostgresDatabase } from './postgres-database.ts'
import { failureOf, isForeignKey } from './postgres-errors.ts'
import { columns, grantParameters, toHistoryEntry, toRow, toTokenRow, type Values } from './postgres-rows.ts'
import type { Statement } from './postgres-statement.ts'
import type { Statements } from './postgres-statements.ts'
import {
  type ConnectionRow,
  type Grant,
  type HistoryEntry,
  longestLeaseMs,
  type NewGrant,
  type Page,
  type ProviderDue,
  type RefreshFailure,
  type RowFilter,
  type TokenRow,
} from './store.ts'
import { keyRetiredError } from './store-errors.ts'

/** Where the time stands in an answer that is rows of connections. */
const timeColumn = columns.split(', ').length

/** The part of a store that is about connections. */
export class PostgresConnections {
  protected readonly database: PostgresDatabase
  protected readonly statements: Statements
  protected readonly clock: DatabaseClock

  constructor(database: PostgresDatabase, statements: Statements, clock: DatabaseClock) {
    this.database = database
    this.statements = statements
    this.clock = clock
  }

  get name(): string {
    return this.database.name
  }

  now(): number {
    this.database.keepTime(this.statements.clock)
    return this.clock.now()
  }

  async get(id: string): Promise<ConnectionRow | undefined> {
    return (await this.rows(this.statements.get, { id }))[0]
  }

  async find(tenant: string, user: string, provider: string, account?: string): Promise<readonly TokenRow[]> {
    const { find, findAccount } = this.statements
    const found = await this.database.run(account === undefined ? find : findAccount, {
      ...{ tenant, user, provider, account },
    })
    return found.map((values) => toTokenRow(tenant, user, provider, values))
  }

  list(filter: RowFilter, page?: Page): Promise<readonly ConnectionRow[]> {
    const { after, limit = Number.POSITIVE_INFINITY } = page ?? {}
    const limited = Number.isFinite(limit)
    const { tenant, user, provider, account } = filter
    return this.rows(this.statements.list(filter, after !== undefined, limited), {
      ...{ tenant, user, provider, account, limit },
      ...{ afterUser: after?.user, afterProvider: after?.provider, afterAccount: after?.account },
    })
  }

  async history(id: string): Promise<readonly HistoryEntry[]> {
    const entries = await this.database.run(this.statements.history, { id })
    return entries.map(toHistoryEntry).reverse()
  }

  async touch(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.database.change(this.statements.touch, { ids })
  }

  putGrant(grant: NewGrant, note: string | null = null): Promise<boolean> {
    const { id, tenant, user, provider, account, generation } = grant
    const { insert, replace } = this.statements
    const parameters = { id, tenant, user, provider, account, generation, note, ...grantParameters(grant) }
    return this.seal(generation === 1 ? insert : replace, grant.keyId, parameters)
  }

  async nextDue(tenant: string): Promise<readonly ProviderDue[]> {
    const found = await this.database.run(this.statements.nextDue, { tenant })
    return found.map(([provider, dueAt]) => ({ provider: provider as string, dueAt: Number(dueAt) }))
  }

  claimDue(
    tenant: string,
    provider: string,
    limit: number,
    claimMs: number,
  ): Promise<readonly ConnectionRow[]> {
    const parameters = { tenant, provider, limit, claimMs: Math.min(Math.ceil(claimMs), longestLeaseMs) }
    return this.rows(this.statements.claimDue, parameters)
  }

  async acquireLease(
    id: string,
    generation: number,
    owner: string,
    leaseMs: number,
  ): Promise<ConnectionRow | undefined> {
    return (await this.rows(this.statements.acquireLease, { id, generation, owner, leaseMs }))[0]
  }

  extendLease(id: string, owner: string, leaseMs: number): Promise<boolean> {
    return this.change(this.statements.extendLease, { id, owner, leaseMs })
  }

  releaseLease(id: string, owner: string): Promise<boolean> {
    return this.change(this.statements.releaseLease, { id, owner })
  }

  writeIntent(
    id: string,
    owner: string,
    generation: number,
    intentHash: string,
    leaseMs: number,
  ): Promise<boolean> {
    return this.change(this.statements.writeIntent, { id, owner, generation, intentHash, leaseMs })
  }

  saveTokens(
    id: string,
    owner: string,
    generation: number,
    grant: Grant,
    note: string | null = null,
  ): Promise<boolean> {
    const parameters = { id, owner, generation, note, ...grantParameters(grant) }
    return this.seal(this.statements.saveTokens, grant.keyId, parameters)
  }

  recordFailure(
    id: string,
    owner: string,
    generation: number,
    { reason, retryInMs, uncertain }: RefreshFailure,
    note: string | null = null,
  ): Promise<boolean> {
    const failure = { reason, retryInMs: Math.ceil(retryInMs), uncertain }
    return this.change(this.statements.recordFailure, { id, owner, generation, note, ...failure })
  }

  markNeedsReconnect(
    id: string,
    owner: string,
    generation: number,
    reason: string,
    note: string | null = null,
  ): Promise<boolean> {
    return this.change(this.statements.markNeedsReconnect, { id, owner, generation, reason, note })
  }

  async markRevoked(id: string): Promise<ConnectionRow | undefined> {
    return (await this.rows(this.statements.markRevoked, { id }))[0]
  }

  deleteRevoked(id: string, note: string | null = null): Promise<boolean> {
    return this.change(this.statements.deleteRevoked, { id, note })
  }

  sealedOtherwise(keyId: string, limit: number): Promise<readonly ConnectionRow[]> {
    return this.rows(this.statements.sealedOtherwise, { keyId, limit })
  }

  reseal(id: string, before: Uint8Array, sealed: Uint8Array, keyId: string): Promise<boolean> {
    return this.seal(this.statements.reseal, keyId, { id, before, sealed, keyId })
  }

  /** Changes a row, or does not. */
  protected async change(statement: Statement, parameters: Record<string, unknown>): Promise<boolean> {
    return (await this.database.change(statement, parameters)) > 0
  }

  /** Writes what a key sealed. @throws {KeyError} `key_retired` when the store does not know it (any more). */
  protected async seal(
    statement: Statement,
    keyId: string | null,
    parameters: Record<string, unknown>,
  ): Promise<boolean> {
    try {
      return await this.change(statement, parameters)
    } catch (error) {
      if (keyId !== null && isForeignKey(failureOf(error))) throw keyRetiredError(this.name, keyId)
      throw error
    }
  }

  protected async rows(statement: Statement, parameters: Record<string, unknown>): Promise<ConnectionRow[]> {
    const askedAt = performance.now()
    const found: readonly Values[] = await this.database.run(statement, parameters)
    this.clock.learn(found[0]?.[timeColumn], askedAt)
    return found.map(toRow)
  }
}
