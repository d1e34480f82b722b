// Reaching a PostgreSQL vault for the first time: encryption and limits that the place takes, a server that can keep a
// vault, and its schema brought up to date.
import type { Client } from 'pg'
import { ConfigurationError, quote, StoreError } from '../errors.ts'
import {
  type ConnectionPlan,
  clientConfig,
  hangUp,
  otherPlan,
  type PgModule,
  unboundError,
} from './postgres-client.ts'
import type { DatabaseClock } from './postgres-clock.ts'
import { failureOf, storeError } from './postgres-errors.ts'
import { type Migration, type MigrationSession, migrate, stepsDone } from './postgres-schema.ts'
import { type PostgresPlace, placeName } from './postgres-url.ts'

/** How long bringing the schema up to date may take, with the waiting for another process that does it, in milliseconds. */
const migrationLimitMs = 120_000
/** The oldest server that has all that the statements use. */
const oldestServer = 13

/** What opening found out. */
export interface Reached {
  /** What the place took. */
  plan: ConnectionPlan
  /** See {@link Store.origin}; `undefined` where the role may not know. */
  origin: string | undefined
}

/**
 * Connects, looks whether the server can keep a vault, and brings the schema up to date.
 *
 * @throws {StoreError}; {@link ConfigurationError} for a server that cannot keep one. Nothing stored was changed.
 */
export async function reach(
  pg: PgModule,
  wanted: ConnectionPlan,
  clock: DatabaseClock,
  steps: readonly Migration[],
): Promise<Reached> {
  const { place } = wanted
  try {
    const { client, plan } = await connect(pg, wanted)
    try {
      await inspect(client, place, clock)
      await migrate(session(client), place.schema, placeName(place), steps)
      return { plan, origin: await originOf(client, place.schema) }
    } finally {
      await hangUp(client)
    }
  } catch (error) {
    if (error instanceof ConfigurationError || error instanceof StoreError) throw error
    throw failureOf(error).code === '42501'
      ? missingRight(error, place)
      : storeError(error, placeName(place), place.password?.())
  }
}

/** Connects as planned, or as near to it as the place allows. What `pg` throws is passed on. */
export async function connect(
  pg: PgModule,
  wanted: ConnectionPlan,
): Promise<{ client: Client; plan: ConnectionPlan }> {
  for (let plan = wanted; ; ) {
    const client = new pg.Client(clientConfig(plan))
    client.on('error', () => {}) // Whoever uses the connection hears of it; without a listener the process would end.
    try {
      await client.connect()
      // One that let everybody in was so quick that the connection was made before it was refused.
      if (client.connection.stream.destroyed) throw unboundError()
      return { client, plan }
    } catch (error) {
      void hangUp(client)
      const other = otherPlan(plan, error)
      if (other === undefined) throw error
      plan = other
    }
  }
}

/**
 * Whether a newer version has changed the schema since this store was opened, so that it cannot go on.
 *
 * @returns the `store_newer` to throw; `undefined` when that is not it.
 */
export async function whyForeign(
  pg: PgModule,
  plan: ConnectionPlan,
  steps: readonly Migration[],
): Promise<StoreError | undefined> {
  const { schema } = plan.place
  try {
    const { client } = await connect(pg, plan)
    try {
      await stepsDone(session(client), schema, placeName(plan.place), steps)
    } finally {
      await hangUp(client)
    }
  } catch (error) {
    if (error instanceof StoreError) return error
  }
  return undefined
}

function session(client: Client): MigrationSession {
  return {
    async run(text, values) {
      const limit = { query_timeout: migrationLimitMs }
      const config = values === undefined ? { text, ...limit } : { text, values: [...values], ...limit }
      const { rows } = await client.query<unknown[]>({ ...config, rowMode: 'array' })
      return rows ?? []
    },
  }
}

async function inspect(client: Client, place: PostgresPlace, clock: DatabaseClock): Promise<void> {
  const askedAt = performance.now()
  const { rows } = await client.query<unknown[]>({
    text: `SELECT pg_catalog.floor(extract(epoch FROM pg_catalog.clock_timestamp())::numeric * 1000::numeric)::bigint,
      pg_catalog.current_setting('server_encoding'), pg_catalog.current_setting('server_version_num')::integer,
      pg_catalog.current_setting('transaction_read_only')`,
    rowMode: 'array',
  })
  const [now, encoding, version, readOnly] = rows[0] ?? []
  clock.learn(now, askedAt)
  const cannot = (why: string) =>
    new ConfigurationError(
      'config_invalid',
      `The database at ${placeName(place)} cannot keep a vault: ${why}`,
    )
  if (Number(version) < oldestServer * 10_000)
    throw cannot(`it is older than PostgreSQL ${oldestServer}. Update the server.`)
  if (encoding !== 'UTF8')
    throw cannot(
      `its text is ${quote(String(encoding), 20)}. Create it with ENCODING 'UTF8' TEMPLATE template0.`,
    )
  if (readOnly === 'on')
    throw new StoreError(
      'store_read_only',
      `The database at ${placeName(place)} takes no changes: it is a standby, or was made read-only. Name the primary in the url.`,
    )
}

function missingRight(error: unknown, { schema, user, ...place }: PostgresPlace): StoreError {
  const { message } = failureOf(error)
  return new StoreError(
    'store_permission',
    `The role ${quote(user, 60)} may not use, or not set up, the vault in the schema ${schema} of ${placeName({ schema, user, ...place })} (${quote(message)}). Open it once as a role that may create it, then grant this one its rights: see "Roles and rights" in docs/vault.md. Nothing was changed.`,
    { cause: Object.assign(new Error(message), { code: '42501' }) },
  )
}

/** Which cluster (and which line of its history), database and table it is: a copy of any of them has others. */
async function originOf(client: Client, schema: string): Promise<string | undefined> {
  try {
    const { rows } = await client.query<unknown[]>({
      text: `SELECT pg_catalog.concat_ws('-', (SELECT system_identifier FROM pg_catalog.pg_control_system()),
        (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()), d.oid, $1::pg_catalog.regclass::pg_catalog.oid)
        FROM pg_catalog.pg_database d WHERE datname = pg_catalog.current_database()`,
      values: [`${schema}.version`],
      rowMode: 'array',
    })
    return typeof rows[0]?.[0] === 'string' ? rows[0][0] : undefined
  } catch {
    return undefined // Some hosts let no role ask.
  }
}
