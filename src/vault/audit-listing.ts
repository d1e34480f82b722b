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
    // Nobody leaves so many out but who tampers, and then there may be no end to them: what is left is read from the front.
    if (page.length === 0)
      return [...(await lastLines(store, tenant, filter, { to, limit: missing })), ...found.reverse().flat()]
    const records = page.map(recordOf).filter((record) => matches(record, filter))
    found.push(records.slice(-missing))
    missing -= records.length
    if (isBefore(page, filter.since)) break
  }
  return found.reverse().flat()
}

/** The last lines up to one, by reading all of them. */
async function lastLines(
  store: Store,
  tenant: string,
  filter: AuditFilter,
  { to, limit }: { to: number; limit: number },
): Promise<AuditRecord[]> {
  const last: AuditRecord[] = []
  for await (const record of auditLines(store, tenant, filter)) {
    if (record.seq > to) break
    last.push(record)
    if (last.length > limit) last.shift()
  }
  return last
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
    return isEntry(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Whether it has the shape of an entry: who lists lines relies on it. */
function isEntry(value: unknown): value is AuditRecord {
  if (!isObject(value)) return false
  const { action, outcome, actor, user = '', tool = '', ms = 0, connections = [], requests = [] } = value
  return (
    [action, outcome, actor, user, tool].every((text) => typeof text === 'string') &&
    typeof ms === 'number' &&
    [connections, requests].every((list) => Array.isArray(list) && list.every(isObject))
  )
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
