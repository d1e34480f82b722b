// The statements of a PostgreSQL store. Each method of the store is one of them, and so one round trip and one
// transaction, which a pooler in transaction mode keeps together: what changes a row also writes its history and tells
// those who listen. https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING
import { columns, historyColumns, rowColumns, tokenColumns } from './postgres-rows.ts'
import { compile, type Statement } from './postgres-statement.ts'
import { historyLimit, longestLeaseMs, type RowFilter } from './store.ts'

/** What a store runs, by method. */
export type Statements = ReturnType<typeof statementsFor>

/** Entries of a history are trimmed once in so many. */
const trimEvery = 16
const dayMs = 86_400_000
/** How long what was just told of a connection outlives it, for those who have heard of it and still have to read it. */
const lingerMs = 60_000
/** The same where a user is to be forgotten at once, in seconds, if anything has just been told. */
const pauseSeconds = 0.3

const clock = `clock AS MATERIALIZED (SELECT coalesce(:now::bigint,
  floor(extract(epoch FROM clock_timestamp())::numeric * 1000::numeric)::bigint) AS now)`
const now = '(SELECT now FROM clock)'
/** Written means durable, whatever the role or the database was set to; ends with the transaction. */
const durable = `set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'local'
  ELSE current_setting('synchronous_commit') END, true)`
const changed = (from: string) => `SELECT (SELECT count(*) FROM ${from}), ${now}, ${durable}`

const free = 'lease_owner = NULL, lease_until = NULL, intent_at = NULL, intent_hash = NULL'
const fresh = `status = 'active', reason = NULL, failures = 0, retry_at = NULL`
const grant = `scopes = :scopes, expires_at = :expiresAt, received_at = :receivedAt, refresh_due_at = :refreshDueAt,
  due_at = :dueAt, key_id = :keyId, sealed = :sealed`
const due = `status = 'active' AND due_at IS NOT NULL`
/** No scheduler is at work on the row, as far as is known. Asked row by row: joined, the index's order would be lost. */
const unclaimed = `coalesce((SELECT until FROM $.claim WHERE connection_id = id AND until <= ${now} + ${longestLeaseMs}), 0) <= ${now}`
/** A row whose due time is set anew is not claimed any more. */
const unclaim = (from: string) =>
  `freed AS (DELETE FROM $.claim WHERE connection_id IN (SELECT id FROM ${from}))`
const ownLease = 'lease_owner = :owner AND generation = :generation'
const live = `(ends_at IS NULL OR type = 'revoked' AND ends_at > ${now})`

/** Makes the statements of a store whose tables are in `schema`, and whose changes are told on `channel`. */
export function statementsFor(schema: string, channel: string) {
  const writing: Writing = {
    write: (sql) => compile(sql, schema, false),
    read: (sql) => compile(sql, schema, true),
    tell: (payload = 'seq::text', from = 'noted') =>
      `(SELECT count(pg_notify('${channel}', ${payload})) FROM ${from})`,
  }
  return {
    ...reading(writing),
    ...grants(writing),
    ...dueTimes(writing),
    ...leases(writing),
    ...refreshes(writing),
    ...endings(writing),
    ...watching(writing),
    ...pendingAuthorizations(writing),
    ...namedValues(writing),
    ...keys(writing),
    ...auditLog(writing),
  }
}

/** What statements are put together with. */
interface Writing {
  read: (sql: string) => Statement
  write: (sql: string) => Statement
  /** Tells those who listen: by default of the entry that {@link note} wrote. */
  tell: (payload?: string, from?: string) => string
}

/** Writes an entry about each row of `from` that `where` picks, and drops old ones. */
function note(from: string, type: string, reason = 'NULL', told = ':note', where = 'true'): string {
  const endsAt = type === 'revoked' ? `now + ${dayMs}` : 'NULL'
  return `
    noted AS (INSERT INTO $.history (connection_id, tenant, user_id, provider, account, type, generation, reason, at,
        last_at, count, note, ends_at)
      SELECT id, tenant, user_id, provider, account, '${type}', generation, ${reason}, now, now, 1, ${told}, ${endsAt}
      FROM ${from}, clock WHERE ${where} RETURNING seq, connection_id),
    long AS (SELECT connection_id FROM noted WHERE seq % ${trimEvery}::bigint = 0::bigint),
    trimmed AS (DELETE FROM $.history WHERE connection_id = (SELECT connection_id FROM long)
      AND seq <= (SELECT seq FROM $.history WHERE connection_id = (SELECT connection_id FROM long)
        ORDER BY seq DESC LIMIT 1 OFFSET ${historyLimit - 1}))`
}

function listing(filter: RowFilter, after: boolean, limit: boolean): string {
  const names = (['tenant', 'user', 'provider', 'account'] as const).filter(
    (name) => filter[name] !== undefined,
  )
  const conditions = names.map((name) => `${name === 'user' ? 'user_id' : name} = :${name}`)
  if (after) conditions.push('(user_id, provider, account) > (:afterUser, :afterProvider, :afterAccount)')
  return `SELECT ${rowColumns} FROM $.connection WHERE ${conditions.join(' AND ')}
    ORDER BY user_id, provider, account ${limit ? 'LIMIT :limit' : ''}`
}

/** Reading rows and their history; asking for the time. */
function reading({ read }: Writing) {
  return {
    list: remembered((filter, after, limit) => read(listing(filter, after, limit))),
    find: read(`SELECT ${tokenColumns} FROM $.connection
      WHERE tenant = :tenant AND user_id = :user AND provider = :provider ORDER BY account`),
    findAccount: read(`SELECT ${tokenColumns} FROM $.connection
      WHERE tenant = :tenant AND user_id = :user AND provider = :provider AND account = :account`),
    get: read(`SELECT ${rowColumns} FROM $.connection WHERE id = :id`),
    history: read(`WITH ${clock} SELECT ${historyColumns} FROM $.history WHERE connection_id = :id AND ${live}
      ORDER BY seq DESC LIMIT ${historyLimit}`),
    clock: read(`WITH ${clock} SELECT 0, now FROM clock`),
  }
}

/** Consents, and keys that change. */
function grants({ write, read, tell }: Writing) {
  return {
    insert: write(`WITH ${clock},
      saved AS (INSERT INTO $.connection (${columns})
        SELECT :id, :tenant, :user, :provider, :account, 1, 'active', NULL, :scopes, :expiresAt::bigint,
          :receivedAt::bigint, :refreshDueAt::bigint, :dueAt::bigint, NULL, NULL, NULL, NULL, 0, NULL,
          now, now, now, now, :keyId, :sealed::bytea FROM clock
        ON CONFLICT DO NOTHING RETURNING *),
      ${note('saved', 'connected')}
      ${changed('saved')}, ${tell()}`),
    replace: write(`WITH ${clock},
      saved AS (UPDATE $.connection SET ${grant}, ${fresh}, ${free}, generation = :generation, granted_at = ${now},
          used_at = ${now}, updated_at = ${now} WHERE id = :id AND generation = :generation - 1 RETURNING *),
      ${unclaim('saved')},
      ${note('saved', 'connected')}
      ${changed('saved')}, ${tell()}`),
    // In the order of the index: the planner's figures are old while keys rotate, and would have it walk over the table.
    sealedOtherwise:
      read(`(SELECT ${rowColumns} FROM $.connection WHERE key_id < :keyId ORDER BY key_id LIMIT :limit)
      UNION ALL (SELECT ${rowColumns} FROM $.connection WHERE key_id > :keyId ORDER BY key_id LIMIT :limit)
      LIMIT :limit`),
    reseal: write(`WITH ${clock},
      resealed AS (UPDATE $.connection SET sealed = :sealed, key_id = :keyId
        WHERE id = :id AND sealed = :before RETURNING id)
      ${changed('resealed')}`),
  }
}

/** What the scheduler asks, and what moves its times. */
function dueTimes({ write, read }: Writing) {
  return {
    // Locked in the order of their ids: two that touch the same rows do not wait for each other.
    touch: write(`WITH ${clock},
      seen AS (SELECT id FROM $.connection WHERE id = ANY (:ids::text[]) ORDER BY id FOR UPDATE),
      touched AS (UPDATE $.connection c SET used_at = greatest(used_at, now),
        due_at = CASE WHEN ${due} AND refresh_due_at IS NOT NULL
          THEN least(due_at, greatest(refresh_due_at, retry_at)) ELSE due_at END
        FROM clock, seen WHERE c.id = seen.id RETURNING c.id)
      ${changed('touched')}`),
    // From one provider to the next by way of the index, whatever lies between.
    nextDue: read(`WITH RECURSIVE ${clock},
      next AS (
        (SELECT provider, due_at FROM $.connection WHERE tenant = :tenant AND ${due} AND ${unclaimed}
          ORDER BY provider, due_at LIMIT 1)
        UNION ALL
        SELECT later.provider, later.due_at FROM next, LATERAL (
          SELECT provider, due_at FROM $.connection
          WHERE tenant = :tenant AND ${due} AND provider > next.provider AND ${unclaimed}
          ORDER BY provider, due_at LIMIT 1) later)
      SELECT provider, min(due_at) FROM (
        SELECT provider, due_at FROM next
        UNION ALL SELECT row.provider, until FROM $.claim, LATERAL (SELECT provider FROM $.connection
          WHERE id = connection_id AND tenant = :tenant AND ${due} LIMIT 1) row WHERE until > ${now} AND until <= ${now} + ${longestLeaseMs}
      ) AS known GROUP BY provider`),
    // Of two that saw the same row before either had claimed it, the key of the claim lets one through.
    claimDue: write(`WITH ${clock},
      overdue AS (SELECT * FROM $.connection
        WHERE tenant = :tenant AND provider = :provider AND ${due} AND due_at <= ${now} AND ${unclaimed}
        ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED),
      claimed AS (INSERT INTO $.claim AS c (connection_id, until) SELECT id, now + :claimMs FROM overdue, clock
        ON CONFLICT (connection_id) DO UPDATE SET until = excluded.until
          WHERE c.until <= ${now} OR c.until > ${now} + ${longestLeaseMs}
        RETURNING connection_id, until)
      SELECT ${columns.replace('due_at, lease_owner', 'until, lease_owner')}, ${now}, ${durable}
      FROM overdue JOIN claimed ON connection_id = id ORDER BY due_at`),
  }
}

/** Who may refresh. */
function leases({ write, tell }: Writing) {
  return {
    acquireLease: write(`WITH ${clock},
      before AS (SELECT id AS before_id, lease_owner AS before_owner FROM $.connection
        WHERE id = :id AND generation = :generation AND status = 'active'
          AND (lease_owner IS NULL OR lease_until <= ${now} OR lease_until > ${now} + ${longestLeaseMs}) FOR UPDATE),
      taken AS (UPDATE $.connection c SET lease_owner = :owner, lease_until = now + :leaseMs, updated_at = now
        FROM before, clock WHERE c.id = before_id RETURNING c.*, before_owner),
      ${note('taken', 'lease_taken_over', 'NULL', `format('{"intent":%s}', (intent_at IS NOT NULL)::text)`, 'before_owner <> :owner')}
      SELECT ${rowColumns}, ${now}, ${durable}, ${tell()} FROM taken`),
    extendLease: write(`WITH ${clock},
      extended AS (UPDATE $.connection SET lease_until = ${now} + :leaseMs
        WHERE id = :id AND lease_owner = :owner RETURNING id)
      ${changed('extended')}`),
    releaseLease: write(`WITH ${clock},
      released AS (UPDATE $.connection SET lease_owner = NULL, lease_until = NULL
        WHERE id = :id AND lease_owner = :owner RETURNING id)
      ${changed('released')}`),
    writeIntent: write(`WITH ${clock},
      intended AS (UPDATE $.connection SET intent_at = ${now}, intent_hash = :intentHash,
          lease_until = ${now} + :leaseMs, updated_at = ${now},
          due_at = CASE WHEN due_at > ${now} + :leaseMs THEN ${now} + :leaseMs ELSE due_at END
        WHERE id = :id AND ${ownLease} AND status = 'active' RETURNING id)
      ${changed('intended')}`),
  }
}

/** How a refresh ended. */
function refreshes({ write, tell }: Writing) {
  return {
    saveTokens: write(`WITH ${clock},
      saved AS (UPDATE $.connection SET ${grant}, ${fresh}, generation = generation + 1, updated_at = ${now},
          lease_owner = nullif(lease_owner, :owner),
          lease_until = CASE WHEN lease_owner = :owner THEN NULL ELSE lease_until END,
          intent_at = CASE WHEN lease_owner = :owner THEN NULL ELSE intent_at END,
          intent_hash = CASE WHEN lease_owner = :owner THEN NULL ELSE intent_hash END
        WHERE id = :id AND generation = :generation AND status <> 'revoked' RETURNING *),
      ${unclaim('saved')},
      ${note('saved', 'refreshed')}
      ${changed('saved')}, ${tell()}`),
    recordFailure: write(`WITH ${clock},
      failed AS (UPDATE $.connection SET lease_owner = NULL, lease_until = NULL, failures = failures + 1,
          intent_at = CASE WHEN :uncertain::boolean THEN intent_at END,
          intent_hash = CASE WHEN :uncertain::boolean THEN intent_hash END,
          retry_at = ${now} + :retryInMs, due_at = ${now} + :retryInMs, reason = :reason, updated_at = ${now}
        WHERE id = :id AND ${ownLease} RETURNING *),
      ${unclaim('failed')},
      again AS (UPDATE $.history h SET last_at = ${now}, count = count + 1, note = :note
        FROM failed WHERE h.seq = (SELECT max(seq) FROM $.history WHERE connection_id = :id)
          AND h.type = 'refresh_failed' AND h.reason = :reason RETURNING h.seq, h.count),
      ${note('failed', 'refresh_failed', ':reason', ':note', 'NOT EXISTS (SELECT FROM again)')}
      ${changed('failed')}, ${tell()},
        ${tell(`seq::text || ' '::text || count::text`, 'again')}`),
    markNeedsReconnect: write(`WITH ${clock},
      dead AS (UPDATE $.connection SET status = 'needs_reconnect', reason = :reason, ${free}, updated_at = ${now}
        WHERE id = :id AND ${ownLease} AND status = 'active' RETURNING *),
      ${unclaim('dead')},
      ${note('dead', 'needs_reconnect', ':reason')}
      ${changed('dead')}, ${tell()}`),
  }
}

/** Disconnecting. */
function endings({ write, tell }: Writing) {
  return {
    markRevoked: write(`WITH ${clock},
      marked AS (UPDATE $.connection SET status = 'revoked', reason = 'disconnecting', updated_at = ${now}
        WHERE id = :id RETURNING *),
      ${unclaim('marked')}
      SELECT ${rowColumns}, ${now}, ${durable} FROM marked`),
    deleteRevoked: write(`WITH ${clock},
      gone AS (DELETE FROM $.connection WHERE id = :id AND status = 'revoked' RETURNING *),
      ${unclaim('gone')},
      old AS (DELETE FROM $.history WHERE connection_id IN (SELECT id FROM gone) AND last_at <= ${now} - ${lingerMs}),
      young AS (UPDATE $.history SET ends_at = ${now} + ${lingerMs}
        WHERE connection_id IN (SELECT id FROM gone) AND last_at > ${now} - ${lingerMs}),
      ended AS (DELETE FROM $.history WHERE ends_at <= ${now} AND connection_id <> :id),
      ${note('gone', 'revoked')}
      ${changed('gone')}, ${tell()}`),
  }
}

/** Hearing of history. */
function watching({ write, read, tell }: Writing) {
  return {
    entries: read(`SELECT ${historyColumns} FROM $.history WHERE seq = ANY (:seqs::bigint[])`),
    lastEntry: read('SELECT coalesce(max(seq), 0) FROM $.history'),
    entriesSince: read(`SELECT ${historyColumns} FROM $.history WHERE seq > :seq ORDER BY seq LIMIT :limit`),
    tell: write(
      `WITH ${clock}, told AS (SELECT :payload::text AS payload) SELECT 1, ${now}, ${tell('payload', 'told')}`,
    ),
  }
}

/** Authorizations under way, and what is left of a user. */
function pendingAuthorizations({ write }: Writing) {
  return {
    putPending: write(`WITH ${clock},
      over AS (DELETE FROM $.pending WHERE key IN (SELECT key FROM $.pending
        WHERE expires_at <= ${now} AND key <> :key ORDER BY expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED)),
      kept AS (INSERT INTO $.pending (key, sealed, expires_at, key_id, person)
        VALUES (:key, :sealed, :expiresAt, :keyId, :person)
        ON CONFLICT (key) DO UPDATE SET sealed = excluded.sealed, expires_at = excluded.expires_at,
          key_id = excluded.key_id, person = excluded.person RETURNING key)
      ${changed('kept')}`),
    takePending: write(`WITH ${clock},
      taken AS (DELETE FROM $.pending WHERE key = :key RETURNING sealed, expires_at)
      SELECT sealed, ${now}, ${durable} FROM taken WHERE expires_at > ${now}`),
    forgetUser: write(`WITH ${clock},
      pause AS MATERIALIZED (SELECT pg_sleep(${pauseSeconds}) WHERE EXISTS (SELECT FROM $.history
        WHERE ends_at IS NOT NULL AND tenant = :tenant AND user_id = :user AND last_at > ${now} - 1000)),
      ended AS (DELETE FROM $.history WHERE ends_at IS NOT NULL AND tenant = :tenant AND user_id = :user
        AND (SELECT count(*) FROM pause) >= 0),
      dropped AS (DELETE FROM $.pending WHERE person = :person RETURNING expires_at)
      ${changed(`dropped WHERE expires_at > ${now}`)}`),
  }
}

/** Values about the whole store. */
function namedValues({ write, read }: Writing) {
  return {
    getMeta: read('SELECT value FROM $.meta WHERE name = :name'),
    putMeta: write(`WITH ${clock},
      put AS (INSERT INTO $.meta (name, value, key_id) VALUES (:name, :value, :keyId)
        ON CONFLICT DO NOTHING RETURNING name)
      ${changed('put')}`),
    replaceMeta: write(`WITH ${clock},
      replaced AS (UPDATE $.meta SET value = :value, key_id = :keyId
        WHERE name = :name AND value = :before RETURNING name)
      ${changed('replaced')}`),
    metaSealedOtherwise: read('SELECT name FROM $.meta WHERE key_id <> :keyId ORDER BY name'),
  }
}

/** The keys that may seal. */
function keys({ write, read }: Writing) {
  return {
    keys: read(`SELECT id, p.key_id IS NOT NULL, check_text, wrapped, created_at
      FROM $.sealing_key LEFT JOIN $.primary_key p ON p.key_id = id
      ORDER BY p.key_id IS NULL, created_at, id`),
    addKey: write(`WITH ${clock},
      added AS (INSERT INTO $.sealing_key AS k (id, check_text, wrapped, created_at)
        SELECT :id, :check::bytea, :wrapped::bytea, now FROM clock
        ON CONFLICT (id) DO UPDATE SET check_text = excluded.check_text WHERE length(k.check_text) = 0 RETURNING id),
      first AS (INSERT INTO $.primary_key (key_id) SELECT id FROM added ON CONFLICT DO NOTHING)
      ${changed('added')}`),
    makePrimary: write(`WITH ${clock},
      known AS (SELECT id FROM $.sealing_key WHERE id = :keyId FOR KEY SHARE),
      made AS (INSERT INTO $.primary_key (key_id) SELECT id FROM known
        ON CONFLICT (one) DO UPDATE SET key_id = excluded.key_id RETURNING key_id)
      ${changed('made')}`),
    // Connections, pending authorizations, named values and the primary refer to a key: the constraint is the proof.
    removeKey: write(`WITH ${clock},
      over AS (DELETE FROM $.pending WHERE key_id = :keyId AND expires_at <= ${now}),
      removed AS (DELETE FROM $.sealing_key WHERE id = :keyId RETURNING id)
      ${changed('removed')}`),
    keyUse: read(`WITH ${clock}
      SELECT k.id, (SELECT count(*) FROM $.connection WHERE key_id = k.id),
        (SELECT count(*) FROM $.pending WHERE key_id = k.id AND expires_at > ${now})
          + (SELECT count(*) FROM $.meta WHERE key_id = k.id)
      FROM $.sealing_key k LEFT JOIN $.primary_key p ON p.key_id = k.id
      ORDER BY p.key_id IS NULL, k.created_at, k.id`),
  }
}

/** The chains of lines. */
function auditLog({ write, read }: Writing) {
  return {
    auditHead: read(
      'SELECT seq, at, entry, hash FROM $.audit WHERE tenant = :tenant ORDER BY seq DESC LIMIT 1',
    ),
    auditLines: read(
      'SELECT seq, at, entry, hash FROM $.audit WHERE tenant = :tenant AND seq > :afterSeq ORDER BY seq LIMIT :limit',
    ),
    // Of two that append at the same time the primary key undoes one, with all its lines.
    appendAudit: write(`WITH ${clock},
      head AS (SELECT coalesce(max(seq), 0) AS seq FROM $.audit WHERE tenant = :tenant),
      appended AS (INSERT INTO $.audit (tenant, seq, at, entry, hash)
        SELECT :tenant, line.seq, line.at, line.entry, line.hash
        FROM head, unnest(:seqs::bigint[], :ats::bigint[], :entries::text[], :hashes::bytea[])
          AS line (seq, at, entry, hash)
        WHERE :first::bigint = head.seq + 1 RETURNING seq)
      ${changed('appended')}`),
  }
}

/** Listings differ in what they are narrowed by: each kind is made once. */
function remembered(make: (filter: RowFilter, after: boolean, limit: boolean) => Statement): typeof make {
  const made = new Map<string, Statement>()
  return (filter, after, limit) => {
    const { user, provider, account } = filter
    const kind = [user, provider, account]
      .map((part) => part !== undefined)
      .concat(after, limit)
      .join()
    const statement = made.get(kind) ?? make(filter, after, limit)
    made.set(kind, statement)
    return statement
  }
}
