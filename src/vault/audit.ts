// The audit log as the outside sees it: who used which connection for what, and how it went. No token, argument, path
// or result is ever in it. What it can prove, and what not: docs/audit.md.

/**
 * What is written down. `all`: every use by a tool or a command, and every change. `changes`: no uses. `off`: nothing;
 * what was written before can still be read.
 */
export type AuditLevel = 'all' | 'changes' | 'off'

/** What happened. The first three are uses, all others changes. */
export type AuditAction =
  | 'tool'
  | 'fetch'
  | 'token'
  | 'consent'
  | 'refresh'
  | 'disconnect'
  | 'forget'
  | 'export'
  | 'import'
  | 'key_add'
  | 'key_rotate'
  | 'key_retire'
  | 'audit'

/** A connection that something was done with. */
export interface AuditedConnection {
  /** Its id. Left out: looked up when the line is written; absent when there is no such connection then. */
  id?: string | undefined
  provider: string
  /** Label of the account, as far as it is known. */
  account?: string | undefined
}

/** Requests to one host that went alike. */
export interface AuditedRequest {
  /** `api.example.com`, with its port when that is not the usual one. Never a path or a query. */
  host: string
  method: string
  /** HTTP status of the answer. */
  status?: number | undefined
  /** Why there was none: an error's code. */
  error?: string | undefined
  /** Where redirects led, when that is another host. It did not get the token. */
  redirectedTo?: string | undefined
  /** How many. */
  count: number
  /** How long they took together, in milliseconds. */
  ms: number
}

/** What happened, to be written down. Nothing in it may be secret. */
export interface AuditEntry {
  action: AuditAction
  /** `ok`, or the code of the error that it ended with. */
  outcome: string
  /** Whose connection; absent for what concerns the whole vault. */
  user?: string | undefined
  /** Which trusted code did it. Default: the option `actor` of the vault. */
  actor?: string | undefined
  /** Name of the tool. */
  tool?: string | undefined
  /** The conversation that the tool was called in, as the toolbox was told. */
  thread?: string | undefined
  connections?: readonly AuditedConnection[] | undefined
  requests?: readonly AuditedRequest[] | undefined
  /** The tool took the token itself (`auth.token()`, `env()`): where it went is not known. */
  tokenGiven?: boolean | undefined
  /** How long it took, in milliseconds. */
  ms?: number | undefined
  /** What else there is to say: counts, key ids. */
  detail?: Readonly<Record<string, string | number | boolean>> | undefined
}

/** One line of the log. */
export interface AuditRecord extends AuditEntry {
  /** 1, 2, 3, … within the tenant. */
  seq: number
  /** When it happened, by the store's clock. */
  at: Date
  actor: string
  /** The line's hash, in hexadecimal. */
  hash: string
}

/** Where the log ends. Note it somewhere else, and {@link AuditLog.verify} finds a log that was cut off later. */
export interface AuditHead {
  /** Of the last line; 0 for an empty log. */
  seq: number
  /** In hexadecimal; empty for an empty log. */
  hash: string
}

/** Narrows a listing. */
export interface AuditFilter {
  user?: string | undefined
  provider?: string | undefined
  tool?: string | undefined
  /** Not before. */
  since?: Date | undefined
}

/** Options of {@link AuditLog.recent}. */
export interface RecentOptions extends AuditFilter {
  /** At most so many lines. Default 100. */
  limit?: number | undefined
}

/**
 * What is wrong with a line.
 *
 * - `altered`: it is not what was written at this place: changed, exchanged with another, or inserted.
 * - `missing`: it is not there; `to` names the last of several.
 * - `cut_off`: the log ended at or behind this line when its head was noted, and does not reach it any more.
 * - `replaced`: another line than the noted one is there.
 */
export interface AuditProblem {
  seq: number
  problem: 'altered' | 'missing' | 'cut_off' | 'replaced'
  to?: number
}

/** What {@link AuditLog.verify} found. */
export interface AuditVerdict {
  /** Whether the log is whole: as it was written, as far as that can be known. */
  intact: boolean
  /** How many lines there are. */
  lines: number
  head: AuditHead
  /** What is wrong, by line; at most the first hundred. */
  problems: readonly AuditProblem[]
  /** How many problems there are. */
  problemCount: number
}

/** Options of {@link AuditLog.verify}. */
export interface VerifyOptions {
  /** A head that was noted earlier. Without one, a log whose end was cut off looks whole. */
  expect?: AuditHead | undefined
  signal?: AbortSignal | undefined
}

/** The audit log of a vault's tenant: lines that are chained by keyed hashes. */
export interface AuditLog {
  /** What is written down here. */
  readonly level: AuditLevel
  /**
   * Writes down what happened. Costs next to nothing and never throws: lines are kept in memory for up to a second and
   * then written together. While the store cannot be reached up to 10 000 lines wait; of those beyond, only the number
   * is written down later.
   */
  record(entry: AuditEntry): void
  /** Writes what is waiting. Resolves also when the store cannot take it now: it is tried again. */
  flush(): Promise<void>
  /** The newest lines that match, the newest last. */
  recent(options?: RecentOptions): Promise<AuditRecord[]>
  /** All lines that match, from the first on. */
  lines(filter?: AuditFilter): AsyncIterable<AuditRecord>
  /** Where the log ends now. */
  head(): Promise<AuditHead>
  /**
   * Checks every line.
   *
   * @throws {KeyError} when the key of the chain cannot be opened; {@link StoreError}.
   */
  verify(options?: VerifyOptions): Promise<AuditVerdict>
}

const uses: ReadonlySet<AuditAction> = new Set<AuditAction>(['tool', 'fetch', 'token'])

/** Whether a log of this level wants such an entry. */
export function isWanted(level: AuditLevel, action: AuditAction): boolean {
  return level === 'all' || (level === 'changes' && !uses.has(action))
}
