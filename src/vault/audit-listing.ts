// Reads an audit log: from its beginning, or its newest lines. A line that somebody has made unreadable is shown as one.
import type { AuditFilter, AuditRecord, RecentOptions } from './audit.ts'
import type { AuditLine, Store } from './store.ts'

const pageSize = 1000
/** Processes write at intervals, so a line may stand behind one that is younger by about this much, in milliseconds. */
const disorderMs = 60_000

/** All lines that match, in order. */
export async function* auditLines(
  store: Store,
  tenant: string,
  filter: AuditFilter,
): AsyncGenerator<AuditRecord> {
  for (let after = 0; ; ) {
    const page = await store.auditLines(tenant, after, pageSize)
    for (const line of page) {
      const record = recordOf(line)
      if (matches(record, filter)) yield record
    }
    const last = page.at(-1)
    if (last === undefined || page.length < pageSize) return
    after = last.seq
  }
}

/** The newest lines that match, the newest last: reads backwards until it has enough. */
export async function recentAuditLines(
  store: Store,
  tenant: string,
  { limit = 100, ...filter }: RecentOptions,
): Promise<AuditRecord[]> {
  const found: AuditRecord[][] = []
  let missing = limit
  const head = await store.auditHead(tenant)
  for (let to = head?.seq ?? 0; to > 0 && missing > 0; to -= pageSize) {
    const after = Math.max(0, to - pageSize)
    const page = (await store.auditLines(tenant, after, to - after)).filter(({ seq }) => seq <= to)
    const records = page.map(recordOf).filter((record) => matches(record, filter))
    found.push(records.slice(-missing))
    missing -= records.length
    if (isBefore(page, filter.since)) break
  }
  return found.reverse().flat()
}

function isBefore(page: readonly AuditLine[], since: Date | undefined): boolean {
  const [first] = page
  return since !== undefined && first !== undefined && first.at < since.getTime() - disorderMs
}

function matches(record: AuditRecord, { user, provider, tool, since }: AuditFilter): boolean {
  if (user !== undefined && record.user !== user) return false
  if (tool !== undefined && record.tool !== tool) return false
  if (since !== undefined && record.at < since) return false
  return provider === undefined || (record.connections ?? []).some((each) => each.provider === provider)
}

function recordOf({ seq, at, entry, hash }: AuditLine): AuditRecord {
  const line = { seq, at: new Date(at), hash: Buffer.from(hash).toString('hex') }
  const written = parsed(entry)
  if (written === undefined) return { ...line, action: 'audit', outcome: 'unreadable', actor: '' }
  return { ...written, ...line }
}

function parsed(entry: string): Omit<AuditRecord, 'seq' | 'at' | 'hash'> | undefined {
  try {
    const value: unknown = JSON.parse(entry)
    return typeof value === 'object' && value !== null && 'action' in value
      ? (value as AuditRecord)
      : undefined
  } catch {
    return undefined
  }
}
