// How a provider's token answers differed from the RFCs, gathered from the histories of its connections.
// Reads what is in the clear; opens nothing, changes nothing. RFC 6749 section 5.1.
import type { Deviation } from '../oauth/index.ts'
import { readHistoryNote } from './history-note.ts'
import type { Interior } from './interior.ts'
import type { HistoryEntry } from './store.ts'

/** One difference, and how often it was seen. */
export interface SeenDeviation extends Deviation {
  /** In so many answers. */
  answers: number
  /** In the answer to a consent, to a refresh, or to both. */
  seenAt: readonly ('connected' | 'refreshed')[]
  /** The last of these answers. */
  lastAt: Date
}

/** What {@link Vault.deviations} answers. */
export interface ProviderDeviations {
  provider: string
  /** The connections whose histories were read. */
  connections: number
  /** The token answers in these histories. */
  answers: number
  /** The most frequent first. Holds no secret. */
  deviations: readonly SeenDeviation[]
}

/** The histories of so many connections are read. */
const sampleSize = 200

type Answered = HistoryEntry & { type: SeenDeviation['seenAt'][number] }

/** Behind `Vault.deviations`. */
export async function surveyDeviations(
  { store, tenant }: Interior,
  provider: string,
): Promise<ProviderDeviations> {
  const rows = await store.list({ tenant, provider }, { limit: sampleSize })
  const answers: Answered[] = []
  for (const { id } of rows) answers.push(...(await store.history(id)).filter(isAnswered))
  const seen = new Map<string, SeenDeviation>()
  for (const entry of answers)
    for (const deviation of deviationsOf(entry)) {
      const key = JSON.stringify(deviation)
      seen.set(key, seenOnceMore(seen.get(key), deviation, entry))
    }
  const deviations = [...seen.values()].sort((a, b) => b.answers - a.answers)
  return { provider, connections: rows.length, answers: answers.length, deviations }
}

function isAnswered(entry: HistoryEntry): entry is Answered {
  return entry.type === 'connected' || entry.type === 'refreshed'
}

function deviationsOf(entry: Answered): readonly Deviation[] {
  const found = readHistoryNote(entry, entry.type)?.deviations
  return Array.isArray(found) ? found : []
}

function seenOnceMore(
  before: SeenDeviation | undefined,
  deviation: Deviation,
  { type, at }: Answered,
): SeenDeviation {
  return {
    ...deviation,
    answers: (before?.answers ?? 0) + 1,
    seenAt: [...new Set([...(before?.seenAt ?? []), type])],
    lastAt: new Date(Math.max(before?.lastAt.getTime() ?? 0, at)),
  }
}
