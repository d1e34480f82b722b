// What an explanation is drawn from: the row, its history, what its tokens say of themselves, the provider, the clocks.
// Reads only. The tokens are opened to learn whether there is a refresh token and when it ends; no secret leaves here.
import { KeyError } from '../errors.ts'
import {
  isRenewable,
  type ProviderProbe,
  probeProvider,
  type Registration,
  renewsByClient,
} from '../oauth/index.ts'
import { provider as catalogued, type Provider } from '../providers/index.ts'
import type { ExplainOptions } from './explanation.ts'
import { readHistoryNote } from './history-note.ts'
import type { Interior } from './interior.ts'
import { refreshTokenEnd } from './refresh-token-end.ts'
import type { ConnectionRow, HistoryEntry } from './store.ts'

/** What the tokens of a row say, without the tokens. */
export type TokenFacts =
  | { readable: true; refreshable: boolean; byClient: boolean; refreshEndsAt: number | null | undefined }
  | { readable: false; error: KeyError }

/** The facts about one connection. Instants are milliseconds since 1970. */
export interface Facts {
  row: ConnectionRow
  /** Oldest first. */
  history: readonly HistoryEntry[]
  /** By the vault's clock, by the store's, by this process's. */
  now: number
  storeNow: number
  processNow: number
  tokens: TokenFacts
  /** What is known of the provider, registered here or not. */
  provider: Provider | undefined
  /** Why there is no registration. */
  unregistered: unknown
  probe: ProviderProbe | undefined
  /** Where the store is now. */
  origin: string | undefined
}

/** Collects them. */
export async function collectFacts(
  inside: Interior,
  row: ConnectionRow,
  options: ExplainOptions,
): Promise<Facts> {
  const { store, now } = inside
  const found = await registrationOf(inside, row.provider)
  return {
    row,
    history: await store.history(row.id),
    now: now(),
    storeNow: store.now(),
    processNow: (inside.options.now ?? Date.now)(),
    tokens: await tokenFacts(inside, row),
    provider: found.registration?.provider ?? (await catalogued(row.provider).catch(() => undefined)),
    unregistered: found.unregistered,
    probe: await probed(inside, found.registration, options),
    origin: store.origin,
  }
}

async function registrationOf(
  { registration }: Interior,
  providerId: string,
): Promise<{ registration?: Registration; unregistered?: unknown }> {
  try {
    return { registration: await registration(providerId) }
  } catch (unregistered) {
    return { unregistered }
  }
}

async function tokenFacts({ sealed }: Interior, row: ConnectionRow): Promise<TokenFacts> {
  try {
    const tokens = await sealed.reading(() => sealed.open(row))
    return {
      readable: true,
      refreshable: isRenewable(tokens),
      byClient: renewsByClient(tokens),
      refreshEndsAt: refreshTokenEnd(tokens),
    }
  } catch (error) {
    if (error instanceof KeyError) return { readable: false, error }
    throw error
  }
}

async function probed(
  { requestOptions }: Interior,
  registration: Registration | undefined,
  { probe = false, signal, timeoutMs }: ExplainOptions,
): Promise<ProviderProbe | undefined> {
  if (!probe || registration === undefined) return undefined
  return probeProvider(registration, { ...requestOptions, signal, timeoutMs })
}

/** When tokens were last received from the provider, by the store's clock. */
export function lastGoodAt({ history, row }: Facts): number {
  return lastGoodEntry(history)?.lastAt ?? row.receivedAt
}

/** The last entry that tells of tokens received. */
export function lastGoodEntry(history: readonly HistoryEntry[]): HistoryEntry | undefined {
  return history.findLast(({ type }) => type === 'connected' || type === 'refreshed')
}

/** The failures since tokens were last received. */
export function failuresSince({ history }: Facts): readonly HistoryEntry[] {
  const start = history.findLastIndex(({ type }) => type === 'connected' || type === 'refreshed')
  return history.slice(start + 1).filter(({ type }) => type === 'refresh_failed')
}

/** When a person consented: before an import, where that says so. */
export function consentedAt({ history, row }: Pick<Facts, 'history' | 'row'>): number {
  const last = history.findLast(({ type }) => type === 'connected')
  return (last && readHistoryNote(last, 'connected')?.grantedAt) ?? row.grantedAt
}

/** When the provider refused the grant. */
export function diedAt({ history, row }: Facts): number {
  return history.findLast(({ type }) => type === 'needs_reconnect')?.at ?? row.updatedAt
}

/** What the grant covered before its scopes last changed, and does not any more. */
export function lostScopes({ history, row }: Facts): readonly string[] {
  let before: readonly string[] | undefined
  let lost: readonly string[] = []
  for (const entry of history) {
    const { scopes: now } = readHistoryNote(entry, 'connected') ?? readHistoryNote(entry, 'refreshed') ?? {}
    if (now === undefined) continue
    lost = before?.filter((scope) => !now.includes(scope)) ?? []
    before = now
  }
  const granted: readonly string[] = JSON.parse(row.scopes)
  return lost.filter((scope) => !granted.includes(scope))
}

/** How the provider is called in sentences. */
export function nameOf({ provider, row }: Pick<Facts, 'provider' | 'row'>): string {
  return provider?.name ?? row.provider
}

/** From so much on, in milliseconds, a clock is wrong enough to matter. */
const tolerableMs = 60_000

/** Whether a clock is off by more than can be told from a slow answer. */
export function isOff(offsetMs: number): boolean {
  return Math.abs(offsetMs) >= tolerableMs
}
