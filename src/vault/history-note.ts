// What the entries of a connection's history say besides their type: JSON, for people and for `explain`. No secret in it.
import type { Deviation, TokenSet } from '../oauth/index.ts'
import type { FailureKind } from './refresh-failure.ts'
import type { HistoryEntry } from './store.ts'

/** Where an entry was written. */
export interface WrittenAt {
  /** `Store.origin` at that time. */
  origin?: string | undefined
}

/** How the answer that brought the tokens differed from the RFCs; left out when it did not. */
export interface AnsweredNote {
  deviations?: readonly Deviation[]
}

/** A person consented, or our client asked for itself. */
export interface ConnectedNote extends WrittenAt, AnsweredNote {
  /** The scopes granted. */
  scopes: readonly string[]
  /** No person was asked: the grant is our client's own. */
  byClient?: true
  /** Nobody consented just now: the grant was brought from there. */
  importedFrom?: string
  /** Of an import: when the person consented, and when the connection was made, where it was before. */
  grantedAt?: number
  createdAt?: number
}

/** A refresh was saved. */
export interface RefreshedNote extends WrittenAt, AnsweredNote {
  /** How long the provider took to answer, in milliseconds. */
  ms: number
  /** Whether the answer held another refresh token than the one that was spent. */
  rotated: boolean
  /** The scopes granted from now on, when they are others than before. */
  scopes?: readonly string[]
  /** When the request left, by the store's clock, in milliseconds since 1970. */
  sentAt?: number
  /** It was saved after its lease had run out: another process may have spent the same refresh token, and ended the grant by that. */
  late?: boolean
  /** When it was answered by the provider's own clock (its `Date`, to the second), in milliseconds since 1970. */
  answeredAt?: number
}

/** What went wrong, in the words of whoever said it. Filled by failure-words.ts. */
export interface FailureWords {
  /** HTTP status of the answer, when there was one. */
  status?: number
  /** The provider's word for it as JSON text of at most 100 characters; or ours, bare (`timeout`, `network`). */
  error?: string
  /** The provider's own sentence, as JSON text of at most 200 characters. Untrusted. */
  description?: string
  /** The system's word for a connection that failed (`ECONNREFUSED`, `ENOTFOUND`). */
  cause?: string
}

/** A refresh did not work out; the grant is kept. */
export interface RefreshFailedNote extends FailureWords {
  /** See {@link FailureKind}. */
  kind: FailureKind
  /** For how long the provider is left alone, in milliseconds. */
  retryInMs: number
  /** What the provider asked for in `Retry-After`, in seconds. */
  retryAfterSeconds?: number
  /** As in {@link RefreshedNote}, when there was an answer. */
  answeredAt?: number
}

/** The provider refused the grant. */
export interface NeedsReconnectNote extends FailureWords, WrittenAt {
  /** The provider's word for it, as JSON text of at most 100 characters. */
  error: string
  /** The refresh token had been sent before, and nobody knows with what outcome. */
  interrupted: boolean
}

/** A lease had run out, and another process took it. Written by the store itself. */
export interface LeaseTakenOverNote {
  /** Whether its last owner had a refresh under way. */
  intent: boolean
}

/** The connection was disconnected and deleted. */
export interface RevokedNote {
  /** What was called: `vault.disconnect` or `vault.forget`. */
  by: 'disconnect' | 'forget'
  /** Whether the provider confirmed that the grant is over. */
  revoked: boolean
}

/** The note of each type of entry; types that are missing have none. */
export interface HistoryNotes {
  connected: ConnectedNote
  refreshed: RefreshedNote
  refresh_failed: RefreshFailedNote
  needs_reconnect: NeedsReconnectNote
  lease_taken_over: LeaseTakenOverNote
  revoked: RevokedNote
}

/** Of one answer so many are kept: every kind has room, and a hostile answer no more. */
const mostDeviations = 12

/** What a note says of the answer that brought these tokens. */
export function answeredNote({ deviations }: Pick<TokenSet, 'deviations'>): AnsweredNote {
  return deviations.length === 0 ? {} : { deviations: deviations.slice(0, mostDeviations) }
}

/** A note as the store keeps it. */
export function historyNote<Type extends keyof HistoryNotes>(_type: Type, note: HistoryNotes[Type]): string {
  return JSON.stringify(note)
}

/** The note of an entry of that type; `undefined` when it has none, or one that another version wrote unreadably. */
export function readHistoryNote<Type extends keyof HistoryNotes>(
  entry: Pick<HistoryEntry, 'type' | 'note'>,
  type: Type,
): Partial<HistoryNotes[Type]> | undefined {
  if (entry.type !== type || entry.note === null) return undefined
  try {
    const note: unknown = JSON.parse(entry.note)
    return typeof note === 'object' && note !== null ? note : undefined
  } catch {
    return undefined
  }
}
