// `vault.explain`: why a connection is as it is, what happened to it, what to do, and what will happen when.
// Reads the store, and with `probe` asks the provider's endpoints; writes nothing.
import { argumentError } from '../errors.ts'
import { assertAddress, type ConnectionAddress, toConnection } from './connection.ts'
import { notConnected } from './connection-errors.ts'
import { pick } from './connection-reader.ts'
import { causesOf } from './explain-causes.ts'
import { collectFacts, type Facts } from './explain-facts.ts'
import { forecast } from './explain-forecast.ts'
import { nextSteps } from './explain-steps.ts'
import { timeline } from './explain-timeline.ts'
import type { ExplainedStatus, ExplainOptions, Explanation } from './explanation.ts'
import type { Interior } from './interior.ts'
import type { ConnectionRow, HistoryEntry } from './store.ts'
import { instantText } from './time-words.ts'

/**
 * Explains the connection of an id or at an address.
 *
 * @throws {AuthorizationRequiredError} `not_connected`: nothing is at that address.
 * @throws {TypeError} `invalid_argument`: no connection of this tenant has that id.
 */
export async function explainConnection(
  inside: Interior,
  idOrAddress: string | ConnectionAddress,
  options: ExplainOptions = {},
): Promise<Explanation> {
  if (typeof idOrAddress !== 'string') return explainRow(inside, await rowAt(inside, idOrAddress), options)
  const row = await inside.store.get(idOrAddress)
  if (row !== undefined && row.tenant === inside.tenant) return explainRow(inside, row, options)
  const ended = await inside.store.history(idOrAddress)
  const last = ended.at(-1)
  if (row === undefined && last?.type === 'revoked' && last.tenant === inside.tenant)
    return explainEnded(inside, ended, last)
  throw argumentError('There is no connection of that id in this vault.')
}

async function rowAt(inside: Interior, address: ConnectionAddress): Promise<ConnectionRow> {
  assertAddress(address, true)
  const { user, provider, account } = address
  const row = pick(await inside.store.list({ tenant: inside.tenant, user, provider, account }), provider)
  if (row === undefined) throw notConnected(address)
  return row
}

async function explainRow(
  inside: Interior,
  row: ConnectionRow,
  options: ExplainOptions,
): Promise<Explanation> {
  const facts = await collectFacts(inside, row, options)
  const status = statusOf(facts)
  const causes = causesOf(facts, status)
  const { id, tenant, user, provider, account } = row
  const { now, storeNow, processNow, probe } = facts
  const usable = isUsable(facts)
  return {
    version: 1,
    ...{ id, tenant, user, provider, account },
    at: new Date(now),
    status,
    usable,
    summary: summaryOf(facts, status, usable),
    connection: toConnection(row, now),
    causes,
    timeline: timeline(row, facts.history),
    next: nextSteps(facts, status, causes),
    upcoming: forecast(facts, status),
    clocks: {
      storeMs: Math.round(storeNow - processNow),
      ...(probe?.clockOffsetMs === undefined ? {} : { providerMs: probe.clockOffsetMs }),
    },
  }
}

/** Of a connection that is gone, its last entry is kept for a day. */
function explainEnded(inside: Interior, history: readonly HistoryEntry[], last: HistoryEntry): Explanation {
  const { connectionId: id, tenant, user, provider, account } = last
  return {
    version: 1,
    ...{ id, tenant, user, provider, account },
    at: new Date(inside.now()),
    status: 'disconnected',
    usable: false,
    summary: `Disconnected at ${instantText(last.at)}.`,
    causes: [],
    timeline: timeline(undefined, history),
    next: [],
    upcoming: [],
    clocks: { storeMs: Math.round(inside.store.now() - (inside.options.now ?? Date.now)()) },
  }
}

function statusOf(facts: Facts): ExplainedStatus {
  const { row, now, storeNow, tokens } = facts
  if (row.status === 'revoked') return 'disconnecting'
  if (!tokens.readable) return 'unreadable'
  if (toConnection(row, now).status === 'needs_reconnect') return 'needs_reconnect'
  if (row.leaseOwner !== null && (row.leaseUntil ?? 0) > storeNow) return 'refreshing'
  if (row.failures > 0) return 'failing'
  return row.refreshDueAt !== null && row.refreshDueAt <= now ? 'due' : 'active'
}

function isUsable({ row, now, tokens }: Facts): boolean {
  return row.status === 'active' && tokens.readable && (row.expiresAt === null || row.expiresAt > now)
}

function summaryOf({ row }: Facts, status: ExplainedStatus, usable: boolean): string {
  const until = row.expiresAt === null ? 'has no end' : `is good until ${instantText(row.expiresAt)}`
  switch (status) {
    case 'active':
      return `In order: the access token ${until}.`
    case 'due':
      return usable
        ? `In order: the access token ${until} and is renewed at the next use.`
        : 'In order: the access token has ended and is renewed at the next use.'
    case 'refreshing':
      return 'Being refreshed right now.'
    case 'failing': {
      const failed =
        row.failures === 1 ? 'The last refresh failed' : `The last ${row.failures} refreshes failed`
      return usable
        ? `${failed}; the access token at hand ${until}.`
        : `${failed}, and there is no valid token.`
    }
    case 'needs_reconnect':
      return 'Dead: the person has to connect again.'
    case 'disconnecting':
      return 'Being disconnected; that was not finished.'
    default:
      return 'Its tokens cannot be opened with the keys at hand.'
  }
}
