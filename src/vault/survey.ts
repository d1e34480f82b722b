// How all connections of a tenant stand: what an operator looks at first. Walks through the rows a page at a time.
// Reads what is in the clear; opens nothing, changes nothing.

import { readHistoryNote } from './history-note.ts'
import type { Interior } from './interior.ts'
import type { ConnectionRow } from './store.ts'

/** Some connections, counted. Each is in exactly one of the first five. */
export interface ConnectionCounts {
  /** In order: used or renewed without anybody's doing. */
  active: number
  /** The last refresh failed; the grant is kept. */
  failing: number
  /** Dead until a person consents again. */
  needsReconnect: number
  /** Their disconnecting was interrupted. */
  disconnecting: number
  /** Sealed with a key that is not at hand. */
  unreadable: number
  /** Of those that are active or failing: the scheduler would renew them now. */
  due: number
  /** Of those that are due: for more than an hour, so that no scheduler seems to run. */
  overdue: number
}

/** The connections at one provider. */
export interface ProviderSurvey extends ConnectionCounts {
  provider: string
  /** Since when refreshes there fail: the earliest that a look at some of them found. */
  failingSince?: Date
  /** Why the last refresh of one of them failed: one word, and the provider's own, quoted. */
  failure?: { reason: string; error?: string }
  /** Ids of some that fail, are dead or unreadable, for {@link Vault.explain}. */
  examples: readonly string[]
}

/** What {@link Vault.survey} answers. */
export interface VaultSurvey {
  tenant: string
  /** The place, for messages: a path, never a password. */
  store: string
  /** The store's clock minus this process's, in milliseconds. */
  clockOffsetMs: number
  connections: ConnectionCounts
  /** By provider id. */
  providers: readonly ProviderSurvey[]
}

const pageSize = 500
/** How long the walk keeps others of this process from running, in milliseconds, about: a store in a file never waits. */
const turnMs = 10
const overdueMs = 60 * 60_000
/** Of so many of a provider it is looked up since when they fail, and their ids are given. */
const sampleSize = 3

/** Counts. */
export async function surveyVault(inside: Interior): Promise<VaultSurvey> {
  const { store, tenant, keys } = inside
  // Another process may have brought a key meanwhile; without it, what that key seals looks lost.
  if ((await store.keys()).some(({ id }) => !keys.current.has(id))) await keys.reload()
  const found = new Map<string, Tally>()
  let turn = performance.now()
  for (let rows = await store.list({ tenant }, { limit: pageSize }); rows.length > 0; ) {
    for (const row of rows) {
      const tally = found.get(row.provider) ?? new Tally(row.provider)
      found.set(row.provider, tally)
      tally.add(row, inside)
    }
    if (performance.now() - turn > turnMs) {
      await new Promise((resolve) => setTimeout(resolve))
      turn = performance.now()
    }
    const after = rows.length < pageSize ? undefined : rows.at(-1)
    rows = after === undefined ? [] : await store.list({ tenant }, { limit: pageSize, after })
  }
  const tallies = [...found.values()].sort((a, b) => (a.provider < b.provider ? -1 : 1))
  return {
    tenant,
    store: store.name,
    clockOffsetMs: Math.round(store.now() - (inside.options.now ?? Date.now)()),
    connections: sum(tallies.map(({ counts }) => counts)),
    providers: await Promise.all(tallies.map((tally) => tally.survey(inside))),
  }
}

class Tally {
  readonly provider: string
  readonly counts: ConnectionCounts = sum([])
  readonly #failing: string[] = []
  readonly #others: string[] = []

  constructor(provider: string) {
    this.provider = provider
  }

  add(row: ConnectionRow, { store, now, keys }: Interior): void {
    const state = stateOf(row, now(), keys.current.has(row.keyId))
    this.counts[state] += 1
    const lateMs = row.dueAt === null || row.status !== 'active' ? -1 : store.now() - row.dueAt
    if (lateMs >= 0) this.counts.due += 1
    if (lateMs > overdueMs) this.counts.overdue += 1
    const sample = state === 'failing' ? this.#failing : this.#others
    if (state !== 'active' && sample.length < sampleSize) sample.push(row.id)
  }

  async survey({ store }: Interior): Promise<ProviderSurvey> {
    const runs = await Promise.all(this.#failing.map((id) => store.history(id)))
    const failed = runs.flatMap((history) => {
      const good = history.findLastIndex(({ type }) => type === 'connected' || type === 'refreshed')
      return history.slice(good + 1).filter(({ type }) => type === 'refresh_failed')
    })
    const last = failed.reduce((a, b) => (b.lastAt >= (a?.lastAt ?? 0) ? b : a), failed[0])
    const error = last && readHistoryNote(last, 'refresh_failed')?.error
    return {
      provider: this.provider,
      ...this.counts,
      ...(failed.length === 0 ? {} : { failingSince: new Date(Math.min(...failed.map(({ at }) => at))) }),
      ...(last === undefined
        ? {}
        : { failure: { reason: last.reason ?? 'unknown', ...(error === undefined ? {} : { error }) } }),
      examples: [...this.#failing, ...this.#others].slice(0, sampleSize),
    }
  }
}

type State = 'active' | 'failing' | 'needsReconnect' | 'disconnecting' | 'unreadable'

function stateOf(row: ConnectionRow, now: number, isReadable: boolean): State {
  if (row.status === 'revoked') return 'disconnecting'
  const hasEnded = row.refreshDueAt === null && row.expiresAt !== null && row.expiresAt <= now
  if (row.status === 'needs_reconnect' || hasEnded) return 'needsReconnect'
  if (!isReadable) return 'unreadable'
  return row.failures > 0 ? 'failing' : 'active'
}

function sum(all: readonly ConnectionCounts[]): ConnectionCounts {
  const names = [
    ...(['active', 'failing', 'needsReconnect', 'disconnecting', 'unreadable'] as const),
    ...(['due', 'overdue'] as const),
  ]
  const total = Object.fromEntries(
    names.map((name) => [name, all.reduce((count, one) => count + one[name], 0)]),
  )
  return total as unknown as ConnectionCounts
}
