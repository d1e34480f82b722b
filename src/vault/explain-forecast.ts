// What will happen to a connection, and when: ends, renewals, pauses.
// The lifetimes of refresh tokens are those of the provider's row, or of its own answer.
import { consentedAt, type Facts, lastGoodAt, nameOf } from './explain-facts.ts'
import type { ExplainedStatus, Forecast } from './explanation.ts'

/** What lies ahead, soonest first. A connection that is dead or going has nothing ahead. */
export function forecast(facts: Facts, status: ExplainedStatus): Forecast[] {
  if (status === 'needs_reconnect' || status === 'disconnecting') return []
  const { row, storeNow } = facts
  const found: (Forecast | undefined)[] = [
    at('access_token_ends', row.expiresAt, 'The access token ends.'),
    at(
      'lease_ends',
      row.leaseUntil,
      'Whoever is refreshing it has to be done, or another process takes over.',
    ),
    ...renewals(facts),
    ...ends(facts),
  ]
  return found
    .filter((one) => one !== undefined)
    .filter((one) => one.at.getTime() > (isOfStore(one) ? storeNow : facts.now))
    .sort((a, b) => a.at.getTime() - b.at.getTime())
}

function isOfStore({ type }: Forecast): boolean {
  return type === 'next_attempt' || type === 'lease_ends' || type === 'scheduled_refresh'
}

function renewals({ row }: Facts): (Forecast | undefined)[] {
  if (row.failures > 0)
    return [
      at(
        'next_attempt',
        row.retryAt,
        'The pause after the last failure is over; the next attempt may be made.',
      ),
    ]
  return [
    at('refresh_due', row.refreshDueAt, 'From then on it is renewed when somebody uses it.'),
    at('scheduled_refresh', row.dueAt, 'The scheduler renews it, where one runs.'),
  ]
}

function ends(facts: Facts): (Forecast | undefined)[] {
  const { tokens, provider } = facts
  if (!tokens.readable || !tokens.refreshable || tokens.byClient) return []
  const name = nameOf(facts)
  const { refreshTokenIdleSeconds: idle, refreshTokenLifetimeSeconds: life } = provider ?? {}
  const said = tokens.refreshEndsAt
  const end =
    typeof said === 'number' ? said : life === undefined ? undefined : consentedAt(facts) + life * 1000
  return [
    at(
      'idle_end',
      idle && lastGoodAt(facts) + idle * 1000,
      `${name} ends the grant, unless it is renewed before.`,
    ),
    at('refresh_token_ends', end, `The refresh token ends, as ${name} issues them; a person is needed then.`),
  ]
}

function at(type: Forecast['type'], instant: number | null | undefined, text: string): Forecast | undefined {
  return typeof instant === 'number' && instant > 0 ? { type, at: new Date(instant), text } : undefined
}
