// Running a store's statements on a pool of connections: prepared by name where that works, repeated only when they were
// not executed (or change nothing), every wait bounded.
import type { Pool } from 'pg'
import { type ConnectionPlan, clientConfig, type PgModule } from './postgres-client.ts'
import type { DatabaseClock } from './postgres-clock.ts'
import {
  type DatabaseFailure,
  failureOf,
  isConflict,
  isDuplicate,
  isForeignKey,
  isLostStatement,
  isRefusal,
  storeError,
} from './postgres-errors.ts'
import { PostgresQuery } from './postgres-query.ts'
import type { Values } from './postgres-rows.ts'
import type { Statement } from './postgres-statement.ts'
import { placeName } from './postgres-url.ts'
import { closedError } from './store-errors.ts'

/** A connection that nobody used for so long is closed, in milliseconds. */
const idleMs = 60_000
/** A connection is made anew after so long, in seconds: a server that was replaced is found, and memory given back. */
const lifetimeSeconds = 1800
/** How often a statement that others were in the way of is tried in all. */
const conflictTries = 6

/** The connections of one store. */
export class PostgresDatabase {
  /** The place in messages. */
  readonly name: string
  readonly #pg: PgModule
  readonly #plan: ConnectionPlan
  readonly #clock: DatabaseClock
  /** Explains an error about tables that are not as this version knows them: another version may have changed them. */
  readonly #explain: (error: unknown) => Promise<unknown>
  #pool: Pool
  /** Pools that were replaced and still have something to do. */
  readonly #retired = new Set<Pool>()
  /** Statements are prepared by name until a pooler turns out not to keep them. */
  #prepares: boolean
  #measuring = false
  #closed: Promise<void> | undefined

  constructor(
    pg: PgModule,
    plan: ConnectionPlan,
    clock: DatabaseClock,
    explain: (error: unknown) => Promise<unknown>,
  ) {
    this.name = placeName(plan.place)
    this.#pg = pg
    this.#plan = plan
    this.#clock = clock
    this.#explain = explain
    this.#prepares = plan.place.prepare
    this.#pool = this.#newPool()
  }

  /** Whether statements are prepared by name: not (any more) behind a pooler that does not keep them. */
  get prepares(): boolean {
    return this.#prepares
  }

  /**
   * Runs a statement: one round trip.
   *
   * @throws {StoreError}; what PostgreSQL throws for a foreign or a duplicate key is passed on.
   */
  async run(statement: Statement, parameters: Record<string, unknown>): Promise<readonly Values[]> {
    const values = statement.parameters.map((name) =>
      name === 'now' ? this.#clock.parameter : parameters[name],
    )
    for (let tries = 1; ; tries += 1) {
      if (this.#closed !== undefined) throw closedError()
      const pool = this.#pool
      try {
        return await query(pool, this.#prepares ? statement.name : '', statement.text, values)
      } catch (error) {
        const failure = failureOf(error instanceof BrokenError ? error.cause : error)
        if (this.#closed !== undefined) throw closedError()
        if (!(await this.#mayRepeat(statement, failure, error, tries, pool)))
          throw await this.#explained(error, failure)
      }
    }
  }

  /** Runs a change: how many rows it changed. Learns the database's time from the answer. */
  async change(statement: Statement, parameters: Record<string, unknown>): Promise<number> {
    const askedAt = performance.now()
    const [row] = await this.run(statement, parameters)
    this.#clock.learn(row?.[1], askedAt)
    return Number(row?.[0] ?? 0)
  }

  /** Asks for the database's time behind the caller's back, when the last answer is old. */
  keepTime(statement: Statement): void {
    if (this.#measuring || !this.#clock.isOld) return
    this.#measuring = true
    this.change(statement, {})
      .catch(() => {}) // Whoever needs the database hears of its trouble.
      .finally(() => {
        this.#measuring = false
      })
  }

  /** Closes all connections; what is under way ends first, or in its time limit. */
  close(): Promise<void> {
    this.#closed ??= Promise.all([this.#pool, ...this.#retired].map(endPool)).then(() => {})
    return this.#closed
  }

  #newPool(): Pool {
    const { place } = this.#plan
    const pool = new this.#pg.Pool({
      ...clientConfig(this.#plan),
      ...{ max: place.poolSize, idleTimeoutMillis: idleMs, maxLifetimeSeconds: lifetimeSeconds },
      allowExitOnIdle: true,
    })
    // An idle connection that breaks leaves the pool. Without listeners its error would end the process.
    pool.on('error', () => {})
    pool.on('connect', (client) => client.on('error', () => {}))
    return pool
  }

  async #mayRepeat(
    { reads }: Statement,
    failure: DatabaseFailure,
    error: unknown,
    tries: number,
    pool: Pool,
  ): Promise<boolean> {
    if (isLostStatement(failure) && this.#plan.place.prepare) {
      this.#prepares = false
      return tries <= conflictTries
    }
    if (isConflict(failure)) {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 20 * tries))
      return tries < conflictTries
    }
    if (!(error instanceof BrokenError)) return false
    this.#replace(pool)
    return tries === 1 && (error.unsent || (reads && !error.timedOut))
  }

  /** After a connection broke, the other idle ones are not trusted either: a restarted server ended them all. */
  #replace(broken: Pool): void {
    if (this.#pool !== broken || this.#closed !== undefined) return
    this.#pool = this.#newPool()
    this.#retired.add(broken)
    // Whoever waits for one of its connections still gets one: a pool that ends serves nobody.
    const endWhenIdle = () => {
      if (broken.waitingCount > 0) return
      void endPool(broken).then(() => this.#retired.delete(broken))
    }
    broken.on('release', endWhenIdle)
    endWhenIdle()
  }

  async #explained(error: unknown, failure: DatabaseFailure): Promise<unknown> {
    if (isForeignKey(failure) || isDuplicate(failure)) return error
    const told = error instanceof BrokenError ? error.cause : error
    return storeError(await this.#explain(told), this.name, this.#plan.place.password?.())
  }
}

/** A connection that was taken from the pool broke, or gave no answer in time. */
class BrokenError extends Error {
  /** Whether the statement cannot have reached the server. */
  readonly unsent: boolean
  readonly timedOut: boolean

  constructor(cause: Error) {
    super(cause.message, { cause })
    this.unsent = /not queryable/.test(cause.message)
    this.timedOut = /Query read timeout/.test(cause.message)
  }
}

async function endPool(pool: Pool): Promise<void> {
  if (!pool.ending) await pool.end()
}

function query(pool: Pool, name: string, text: string, values: readonly unknown[]): Promise<Values[]> {
  return new Promise((resolve, reject) => {
    pool.connect((error, client, release) => {
      if (client === undefined) return reject(error)
      client.query(
        new PostgresQuery(name, text, values, (failed, rows) => {
          const broken = failed !== null && !isRefusal(failureOf(failed))
          release(broken)
          if (failed === null) resolve(rows)
          else reject(broken ? new BrokenError(failed) : failed)
        }),
      )
    })
  })
}
