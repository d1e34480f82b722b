// The tables of a PostgreSQL vault, as numbered steps that a newer version runs on an older schema, and the rule by which
// two versions of toolgrant share one: the table `version` says how many steps were done, and how many a version must
// know at least to work with that.
import { StoreError } from '../errors.ts'

/** One step, done once in the life of a schema. A step that was released is never edited: a change is a further step. */
export interface Migration {
  /** The statements; `$.` stands for the schema. */
  sql: string
  /**
   * The fewest steps that a version must know to work with a schema after this step: its own number when older versions
   * cannot, 1 when every version can.
   */
  oldest: number
}

const text = 'text COLLATE "C" NOT NULL'

/** The steps, oldest first. */
export const migrations: readonly Migration[] = [
  {
    oldest: 1,
    sql: `
      CREATE TABLE $.sealing_key (
        id ${text} PRIMARY KEY,
        check_text bytea NOT NULL,
        wrapped bytea,
        created_at bigint NOT NULL
      );
      CREATE TABLE $.primary_key (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        key_id ${text} REFERENCES $.sealing_key (id)
      );
      CREATE TABLE $.connection (
        id ${text} PRIMARY KEY,
        tenant ${text},
        user_id ${text},
        provider ${text},
        account ${text},
        generation integer NOT NULL,
        status ${text} CHECK (status IN ('active', 'needs_reconnect', 'revoked')),
        reason text COLLATE "C",
        scopes ${text},
        expires_at bigint,
        received_at bigint NOT NULL,
        refresh_due_at bigint,
        due_at bigint,
        lease_owner text COLLATE "C",
        lease_until bigint,
        intent_at bigint,
        intent_hash text COLLATE "C",
        failures integer NOT NULL,
        retry_at bigint,
        granted_at bigint NOT NULL,
        used_at bigint NOT NULL,
        created_at bigint NOT NULL,
        updated_at bigint NOT NULL,
        key_id ${text} REFERENCES $.sealing_key (id),
        sealed bytea NOT NULL,
        UNIQUE (tenant, user_id, provider, account)
      ) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05);
      ALTER TABLE $.connection ALTER COLUMN sealed SET STORAGE EXTERNAL;
      CREATE INDEX connection_due ON $.connection (tenant, provider, due_at)
        WHERE status = 'active' AND due_at IS NOT NULL;
      CREATE INDEX connection_key ON $.connection (key_id);
      CREATE TABLE $.claim (
        connection_id ${text} PRIMARY KEY,
        until bigint NOT NULL
      ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
      CREATE TABLE $.pending (
        key ${text} PRIMARY KEY,
        sealed bytea NOT NULL,
        expires_at bigint NOT NULL,
        key_id ${text} REFERENCES $.sealing_key (id),
        person text COLLATE "C"
      );
      CREATE INDEX pending_end ON $.pending (expires_at);
      CREATE INDEX pending_key ON $.pending (key_id);
      CREATE INDEX pending_person ON $.pending (person) WHERE person IS NOT NULL;
      CREATE TABLE $.meta (
        name ${text} PRIMARY KEY,
        value bytea NOT NULL,
        key_id text COLLATE "C" REFERENCES $.sealing_key (id)
      );
      CREATE TABLE $.history (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        connection_id ${text},
        tenant ${text},
        user_id ${text},
        provider ${text},
        account ${text},
        type ${text},
        generation integer NOT NULL,
        reason text COLLATE "C",
        at bigint NOT NULL,
        last_at bigint NOT NULL,
        count integer NOT NULL,
        note text COLLATE "C",
        ends_at bigint
      );
      CREATE INDEX history_connection ON $.history (connection_id, seq);
      CREATE INDEX history_end ON $.history (ends_at) WHERE ends_at IS NOT NULL;
      CREATE TABLE $.audit (
        tenant ${text},
        seq bigint NOT NULL,
        at bigint NOT NULL,
        entry ${text},
        hash bytea NOT NULL,
        PRIMARY KEY (tenant, seq)
      );`,
  },
]

/** What bringing a schema up to date needs of a connection: one transaction of plain statements. */
export interface MigrationSession {
  /** Runs a statement, or several without parameters. */
  run(sql: string, values?: readonly unknown[]): Promise<readonly (readonly unknown[])[]>
}

/**
 * Brings a schema to the newest step in one transaction, under a lock that lasts as long as the transaction: of several
 * processes one does the work and the others find it done.
 *
 * @throws {StoreError} `store_newer` for a schema that only newer versions can work with. What the database throws is
 *   passed on; nothing was changed then.
 */
export async function migrate(
  session: MigrationSession,
  schema: string,
  place: string,
  steps: readonly Migration[] = migrations,
): Promise<void> {
  if ((await stepsDone(session, schema, place, steps)) >= steps.length) return
  // Read committed: what another process did while this one waited for the lock has to be seen.
  await session.run('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE')
  try {
    await session.run(`SELECT pg_catalog.set_config('statement_timeout', '0', true)`)
    await session.run(
      `SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('toolgrant'), pg_catalog.hashtext($1))`,
      [schema],
    )
    const done = await stepsDone(session, schema, place, steps)
    if (done < steps.length) await session.run(script(schema, done, steps))
    await session.run('COMMIT')
  } catch (error) {
    await session.run('ROLLBACK').catch(() => {}) // The connection's own trouble is what is told.
    throw error
  }
}

/**
 * How many steps were done in a schema; 0 where there is no vault.
 *
 * @throws {StoreError} `store_newer` when this version knows too few of them.
 */
export async function stepsDone(
  session: MigrationSession,
  schema: string,
  place: string,
  steps: readonly Migration[],
): Promise<number> {
  // Not to_regclass: that may answer from what this session knew before it waited for the lock.
  const sql = `SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = $1 AND tablename = 'version'`
  if ((await session.run(sql, [schema])).length === 0) return 0
  const [version] = await session.run(`SELECT steps, oldest FROM ${schema}.version`)
  const [done, oldest] = (version ?? [0, 0]) as [number, number]
  if (oldest > steps.length)
    throw new StoreError(
      'store_newer',
      `The vault at ${place} is used by a newer version of toolgrant (schema ${done}, which takes ${oldest}; this one knows ${steps.length}). Update toolgrant; nothing was changed.`,
    )
  return done
}

function script(schema: string, done: number, steps: readonly Migration[]): string {
  const first = `
    DO $do$ BEGIN
      IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = '${schema}') THEN CREATE SCHEMA ${schema}; END IF;
    END $do$;
    CREATE TABLE ${schema}.version (
      one boolean PRIMARY KEY DEFAULT true CHECK (one), steps integer NOT NULL, oldest integer NOT NULL
    );
    INSERT INTO ${schema}.version (steps, oldest) VALUES (0, 0);`
  const missing = steps.slice(done)
  const oldest = Math.max(...missing.map((step) => step.oldest))
  return [
    ...(done === 0 ? [first] : []),
    ...missing.map(({ sql }) => sql.replaceAll('$.', `${schema}.`)),
    `UPDATE ${schema}.version SET steps = ${steps.length}, oldest = greatest(oldest, ${oldest})`,
  ].join(';\n')
}
