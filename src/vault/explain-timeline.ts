// The history of a connection as sentences. Runs of the same are one entry with a count.
import { quote } from '../errors.ts'
import type { TimelineEntry } from './explanation.ts'
import { readHistoryNote } from './history-note.ts'
import type { ConnectionRow, HistoryEntry } from './store.ts'

/** What happened, oldest first. */
export function timeline(row: ConnectionRow | undefined, history: readonly HistoryEntry[]): TimelineEntry[] {
  const entries = collapsed(history).map((entry, index) => {
    const { type, generation, reason, count } = entry
    return {
      type,
      at: new Date(entry.at),
      lastAt: new Date(entry.lastAt),
      count,
      generation,
      ...(reason === null ? {} : { reason }),
      text: sentence(entry, index),
    }
  })
  return row === undefined || history.some(({ type }) => type === 'connected')
    ? entries
    : [consentBefore(row), ...entries]
}

/** Of a connection that is older than what is kept of its history. */
function consentBefore({ grantedAt, generation }: ConnectionRow): TimelineEntry {
  const at = new Date(grantedAt)
  const text = 'A person consented. What happened between this and the next entry is not kept.'
  return { type: 'connected', at, lastAt: at, count: 1, generation: Math.min(1, generation), text }
}

/** Refreshes in a row that changed nothing else are one entry; the store has counted failures itself. */
function collapsed(history: readonly HistoryEntry[]): HistoryEntry[] {
  const entries: HistoryEntry[] = []
  for (const entry of history) {
    const last = entries.at(-1)
    if (last !== undefined && isPlain(last) && isPlain(entry)) {
      const { at, count } = last
      entries[entries.length - 1] = { ...entry, at, count: count + entry.count }
    } else entries.push(entry)
  }
  return entries
}

function isPlain(entry: HistoryEntry): boolean {
  return entry.type === 'refreshed' && readHistoryNote(entry, 'refreshed')?.scopes === undefined
}

function sentence(entry: HistoryEntry, index: number): string {
  switch (entry.type) {
    case 'connected':
      return connectedText(entry, index)
    case 'refreshed':
      return refreshedText(entry)
    case 'refresh_failed':
      return failedText(entry)
    case 'lease_taken_over':
      return 'Whoever was refreshing stopped before the end (a crash, or a process that stood still); another process took over.'
    case 'needs_reconnect':
      return deadText(entry)
    default:
      return readHistoryNote(entry, 'revoked')?.revoked === true
        ? 'Disconnected: the provider ended the grant, and it was deleted here.'
        : 'Disconnected and deleted here; the provider did not confirm the end of the grant.'
  }
}

function connectedText(entry: HistoryEntry, index: number): string {
  const note = readHistoryNote(entry, 'connected')
  const granted = note?.scopes?.length ? ` Granted: ${scopeText(note.scopes)}.` : ''
  if (note?.importedFrom !== undefined) return `Imported from ${note.importedFrom}.${granted}`
  if (note?.byClient === true)
    return `Our client was connected${index > 0 ? ' again' : ''}, without a person.${granted}`
  return `A person consented${index > 0 ? ' again' : ''}.${granted}`
}

function refreshedText(entry: HistoryEntry): string {
  const note = readHistoryNote(entry, 'refreshed')
  const times = entry.count > 1 ? ` ${entry.count} times` : ''
  if (note?.scopes !== undefined)
    return `The access token was renewed${times}, with other scopes than before: ${scopeText(note.scopes)}.`
  return `The access token was renewed${times}.`
}

const failures: Readonly<Record<string, string>> = {
  provider_unavailable: 'Renewing failed: the provider could not serve it',
  no_answer: 'Renewing failed: the request was sent and no usable answer arrived, so its outcome is unknown',
  client_refused: 'Renewing failed: the provider refused us, not the grant',
}

function failedText(entry: HistoryEntry): string {
  const note = readHistoryNote(entry, 'refresh_failed')
  const said = [
    note?.status === undefined ? undefined : `HTTP ${note.status}`,
    note?.error,
    note?.description,
    note?.cause,
  ].filter((word) => word !== undefined)
  const times = entry.count > 1 ? `, ${entry.count} times` : ''
  const words = said.length === 0 ? '' : ` (${said.join(', ')})`
  return `${failures[entry.reason ?? ''] ?? 'Renewing failed'}${words}${times}.`
}

function deadText(entry: HistoryEntry): string {
  const note = readHistoryNote(entry, 'needs_reconnect')
  const said = [note?.error, note?.description].filter((word) => word !== undefined)
  const words = said.length === 0 ? '' : ` (${said.join(', ')})`
  const after = entry.reason === 'interrupted' ? ', after a refresh whose outcome nobody knew' : ''
  return `The provider refused the refresh token${words}${after}. Nothing is tried any more.`
}

/** Scopes as a person writes them; what is none by RFC 6749 section 3.3 is a provider's own text, and quoted. */
export function scopeText(scopes: readonly string[]): string {
  if (scopes.length === 0) return 'none'
  return scopes
    .map((scope) => (/^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/.test(scope) ? scope : quote(scope)))
    .join(' ')
}
