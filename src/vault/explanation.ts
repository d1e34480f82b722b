// Why a connection is as it is: what `vault.explain` answers. Data for machines, each with a sentence for people.
// Every code is explained in docs/doctor.md. No secret in it; a provider's own text is JSON-quoted and shortened.
import type { Connection } from './connection.ts'
import type { HistoryType } from './store.ts'

/**
 * How a connection stands.
 *
 * - `active`: in order. `due`: in order, and renewed as soon as somebody uses it. `refreshing`: somebody renews it now.
 * - `failing`: the last refresh failed; the grant is kept.
 * - `needs_reconnect`: dead until a person consents again.
 * - `disconnecting`: being ended; a second `disconnect` finishes that. `disconnected`: gone.
 * - `unreadable`: its tokens cannot be opened with the keys at hand.
 */
export type ExplainedStatus =
  | 'active'
  | 'due'
  | 'refreshing'
  | 'failing'
  | 'needs_reconnect'
  | 'disconnecting'
  | 'disconnected'
  | 'unreadable'

/** What brought it about; docs/doctor.md has a line for each. */
export type CauseCode =
  // The grant is dead.
  | 'revoked_by_user'
  | 'idle_too_long'
  | 'lifetime_over'
  | 'app_in_testing'
  | 'interrupted_refresh'
  | 'reused_elsewhere'
  | 'restored_backup'
  | 'no_refresh_token'
  | 'not_renewable'
  // We are wrong.
  | 'client_missing'
  | 'client_unknown'
  | 'client_secret_wrong'
  | 'redirect_uri_unregistered'
  | 'misconfigured'
  | 'clock_off'
  | 'key_missing'
  | 'sealed_data_invalid'
  // It may pass.
  | 'provider_down'
  | 'rate_limited'
  | 'network_here'
  // Worth knowing.
  | 'scopes_reduced'

/** A cause, and how sure that is. */
export interface Cause {
  code: CauseCode
  /** `certain`: it follows from what is stored or was answered. `likely`: it fits best. `possible`: it cannot be ruled out. */
  certainty: 'certain' | 'likely' | 'possible'
  /** One or two sentences. */
  text: string
  /** Since when, of an outage. */
  since?: Date
  /** Until when we wait, of a limit. */
  until?: Date
}

/** One thing that happened; the same thing over and over is one entry with a count. */
export interface TimelineEntry {
  type: HistoryType
  /** When; of several, the first. By the store's clock. */
  at: Date
  /** Of several, the last; else as `at`. */
  lastAt: Date
  count: number
  /** The generation of the tokens after it. */
  generation: number
  /** One word, of a failure. */
  reason?: string
  text: string
}

/** Something to do. */
export interface NextStep {
  /** Who can do it. */
  who: 'person' | 'operator'
  text: string
  /** A command line, ready to be run. */
  command?: string
  /** A page to open. */
  url?: string
}

/**
 * What will happen, and when.
 *
 * - `access_token_ends`. `refresh_due`: from then on it is renewed when somebody uses it. `scheduled_refresh`: the
 *   scheduler (`vault.keepFresh`, `toolgrant refresh --watch`) renews it, used or not.
 * - `next_attempt`: the pause after a failure is over. `lease_ends`: whoever refreshes now has to be done.
 * - `idle_end`: the provider ends a grant that was not refreshed for so long. `refresh_token_ends`: its own end.
 */
export interface Forecast {
  type:
    | 'access_token_ends'
    | 'refresh_due'
    | 'scheduled_refresh'
    | 'next_attempt'
    | 'lease_ends'
    | 'idle_end'
    | 'refresh_token_ends'
  at: Date
  text: string
}

/** The clocks that were compared, in milliseconds; positive: that clock is ahead of this process's. */
export interface ClockOffsets {
  storeMs: number
  /** Absent unless the provider was asked. */
  providerMs?: number
}

/** What {@link Vault.explain} answers. */
export interface Explanation {
  /** The version of this form. Members may be added without a new one. */
  version: 1
  id: string
  tenant: string
  user: string
  provider: string
  account: string
  /** When it was judged, by the vault's clock. */
  at: Date
  status: ExplainedStatus
  /** Whether a token would be handed out at once, without a refresh. */
  usable: boolean
  /** How it stands, in one sentence. */
  summary: string
  /** The connection, without its tokens; absent when it is `disconnected`. */
  connection?: Connection
  /** What explains it, the likeliest first. Empty when there is nothing to explain. */
  causes: readonly Cause[]
  /** What happened, oldest first. */
  timeline: readonly TimelineEntry[]
  /** What to do, in order. Empty: nothing. */
  next: readonly NextStep[]
  /** What will happen, soonest first. */
  upcoming: readonly Forecast[]
  clocks: ClockOffsets
}

/** Options of {@link Vault.explain}. */
export interface ExplainOptions {
  /** Also ask the provider's endpoints whether they answer, and what its clock shows. No secret is sent. Default `false`. */
  probe?: boolean | undefined
  /** Stops the probe. */
  signal?: AbortSignal | undefined
  /** Time limit of each request of the probe, in milliseconds. Default 5000. */
  timeoutMs?: number | undefined
}
