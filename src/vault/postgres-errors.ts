// What PostgreSQL's and the network's error codes mean for whoever runs a vault.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
import { argumentError, type ErrorCode, quote, StoreError } from '../errors.ts'

/** SQLSTATEs, the longest prefix that fits first. */
const states: Readonly<Record<string, ErrorCode>> = {
  '08': 'store_unavailable', // connection exception
  '25006': 'store_read_only', // read only transaction
  '28': 'store_permission', // invalid authorization, wrong password
  '3D000': 'store_unavailable', // no such database
  '3F000': 'store_corrupt', // no such schema
  '40': 'store_busy', // serialization failure, deadlock: tried again before
  '42': 'store_corrupt', // no such table or column: somebody changed the schema
  '42501': 'store_permission', // insufficient privilege
  '53': 'store_unavailable', // insufficient resources
  '53100': 'store_full', // disk full
  '53300': 'store_busy', // too many connections
  '53400': 'store_busy', // configuration limit exceeded
  '54000': 'store_busy', // the queue of notifications is full
  '55P03': 'store_busy', // lock not available
  '57014': 'store_busy', // statement timeout, or cancelled
  '57P': 'store_unavailable', // shutting down, starting up, crashed
  '58': 'store_unavailable', // system error
  EACCES: 'store_permission', // of a Unix socket
  XX001: 'store_corrupt', // data corrupted
  XX002: 'store_corrupt', // index corrupted
}

/** What only the words of an error tell: those of `pg`, of Node's TLS, of poolers. */
const words: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [/no such database/, 'store_unavailable', 'Create that database, or name another one in the url.'],
  [
    /timeout exceeded when trying to connect/,
    'store_busy',
    'All connections of the pool are in use: raise "pool" in the url, or look for statements that hang.',
  ],
  [
    /channel_binding/,
    'store_unavailable',
    'Make sure that it is the server that you mean; a pooler in front of it cannot offer that.',
  ],
  [
    /does not support SSL/,
    'store_unavailable',
    'The server has no TLS: turn it on there, or change sslmode.',
  ],
  [
    /certificate|CERT_|altnames|self.signed|unable to (get|verify)/i,
    'store_unavailable',
    'Its certificate is not trusted: name the authority with sslrootcert, and check the host name.',
  ],
  [
    /password must be a (non-empty )?string|no password/i,
    'store_permission',
    'It asks for a password: put one in the url, or in PGPASSWORD.',
  ],
  [/SASL|SCRAM|authentication failed|no such user/i, 'store_permission', 'Check the user and the password.'],
  [
    /too many (clients|connections)|no more connections|query_wait_timeout/i,
    'store_busy',
    'It takes no more connections: lower "pool" in the url, or raise its limit.',
  ],
]

const nextSteps: Readonly<Record<string, string>> = {
  '28': 'Check the user and the password, and that pg_hba.conf lets this host in.',
  '3D000': 'Create that database, or name another one in the url.',
  '25006': 'This server only answers reads, as a standby does: name the primary in the url.',
  '42501': 'The role lacks a right: see "Roles and rights" in docs/vault.md.',
  '53100': 'Free some disk space on the server, then try again.',
  '53300': 'Raise max_connections on the server, put a pooler in front of it, or lower "pool" in the url.',
  '54000':
    'The queue of notifications is full: look in pg_stat_activity for a session that listens and has a transaction open for long.',
  '57P': 'The server is starting, stopping or ended the connection: try again.',
  '3F000': 'The schema of the vault is gone: restore a backup, or check "schema" in the url.',
  '42': 'The tables are not those of a vault: restore a backup, or check "schema" in the url.',
  ENOTFOUND: 'There is no such host: check the url.',
  ECONNREFUSED: 'Nothing listens there: start the server, or check host and port in the url.',
  ENOENT: 'There is no such socket: start the server, or check "host" in the url.',
  EACCES: 'This user may not open that socket.',
}
const codeSteps: Partial<Record<ErrorCode, string>> = {
  store_unavailable: 'Check that the server runs and can be reached from here, then try again.',
  store_busy: 'Statements wait for locks or for a busy server: look for one that hangs, then try again.',
  store_corrupt: 'Restore a backup.',
}

/** What an error of `pg` says, as far as it is known to. */
export interface DatabaseFailure {
  /** SQLSTATE, or the system's own word (`ECONNREFUSED`). */
  code?: string
  message: string
  /** Where in PostgreSQL's source it comes from; poolers name none. */
  routine?: string
  constraint?: string
}

/** An error as far as it can be read. */
export function failureOf(error: unknown): DatabaseFailure {
  const first = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error
  const { code, message, routine, constraint } = (first ?? {}) as Record<string, unknown>
  const failure: DatabaseFailure = { message: typeof message === 'string' ? message : String(first) }
  if (typeof code === 'string') failure.code = code
  if (typeof routine === 'string') failure.routine = routine
  if (typeof constraint === 'string') failure.constraint = constraint
  return failure
}

/** Whether the server said it in answer to a statement, which then changed nothing; the connection is still good. */
export function isRefusal({ code = '' }: DatabaseFailure): boolean {
  return /^[0-9A-Z]{5}$/.test(code) && !/^(08|57P)/.test(code) && !/^E[A-Z]+$/.test(code)
}

/**
 * Whether a prepared statement was not there, or was there already, on the connection that a pooler chose: it was not
 * executed, since parsing and binding come first.
 */
export function isLostStatement({ code, routine }: DatabaseFailure): boolean {
  if (code === '0A000') return routine === 'RevalidateCachedQuery' // the table was altered since
  return code === '26000' || code === '42P05' || (code === '08P01' && routine === 'exec_bind_message')
}

/** Whether two statements were in each other's way, so that this one was undone and may be tried again. */
export function isConflict({ code }: DatabaseFailure): boolean {
  return code === '40001' || code === '40P01'
}

/** Whether a write referred to something that is not there: a sealing key. */
export function isForeignKey({ code }: DatabaseFailure): boolean {
  return code === '23503'
}

/** Whether a row was there already. */
export function isDuplicate({ code }: DatabaseFailure): boolean {
  return code === '23505'
}

/** Whether the tables are not as this version knows them. */
export function isForeignSchema({ code = '' }: DatabaseFailure): boolean {
  return code.startsWith('42') && code !== '42501'
}

/**
 * The {@link StoreError} for what went wrong at a place.
 *
 * @param password is taken out of whatever the error says; the error itself, which may hold more, is not passed on.
 */
export function storeError(error: unknown, place: string, password?: string): Error {
  if (error instanceof StoreError) return error
  const failure = failureOf(error)
  if (failure.routine === '_bt_check_third_page')
    return argumentError(
      "A connection's tenant, user, provider and account are too long together for PostgreSQL (2,600 bytes).",
    )
  // Class 22, data exception: such as a lone surrogate, a NUL, a number out of range. The server is well.
  if (isRefusal(failure) && failure.code?.startsWith('22'))
    return argumentError(
      `PostgreSQL cannot keep a value that it was given (${failure.code} ${quote(withoutPassword(failure.message, password))}). Nothing was changed.`,
    )
  const said = words.find(([pattern]) => pattern.test(`${failure.code} ${failure.message}`))
  // A pooler says "protocol violation" to everything: its words tell more.
  const known = failure.code === '08P01' && said !== undefined ? undefined : failure.code
  const code = lookUp(states, known) ?? said?.[1] ?? 'store_unavailable'
  const step = lookUp(nextSteps, known) ?? said?.[2] ?? codeSteps[code] ?? ''
  const told = withoutPassword(failure.message, password)
  const reason = failure.code === undefined ? quote(told) : `${failure.code} ${quote(told)}`
  return new StoreError(
    code,
    `The vault at ${place} cannot be used (${reason}). ${step} Nothing stored was lost.`,
    {
      cause: plainCause(told, failure.code),
    },
  )
}

/** An error of `pg` may hold the client, and that the password: only words and code are kept. */
function plainCause(message: string, code: string | undefined): Error {
  const cause = new Error(message)
  cause.name = 'DatabaseError'
  cause.stack = `${cause.name}: ${message}`
  return code === undefined ? cause : Object.assign(cause, { code })
}

function withoutPassword(text: string, password: string | undefined): string {
  if (password === undefined || password.length < 4) return text
  return text.replaceAll(password, '…').replaceAll(encodeURIComponent(password), '…')
}

function lookUp<T>(table: Readonly<Record<string, T>>, code = ''): T | undefined {
  for (let length = code.length; length >= 2; length -= 1) {
    const found = table[code.slice(0, length)]
    if (found !== undefined) return found
  }
  return undefined
}
