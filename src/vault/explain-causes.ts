// What explains how a connection stands: the causes that fit, the likeliest first.
// Sure ones before likely ones; of alike ones, what ended or stops the connection before what is worth knowing.
import { causesOfDeath, causesWithoutRefresh, foreseen } from './explain-dead.ts'
import { type Facts, isOff, lostScopes, nameOf } from './explain-facts.ts'
import { causesOfFailure, causeWithoutClient } from './explain-failing.ts'
import { scopeText } from './explain-timeline.ts'
import type { Cause, ExplainedStatus } from './explanation.ts'
import { spanText } from './time-words.ts'

const ranks = { certain: 0, likely: 1, possible: 2 } as const

/** The causes that fit. Empty: there is nothing to explain. */
export function causesOf(facts: Facts, status: ExplainedStatus): Cause[] {
  const works = status === 'active' || status === 'due' || status === 'refreshing'
  const found = [...main(facts, status), ...clocks(facts), ...(works ? reducedScopes(facts) : [])]
  const codes = new Set<string>()
  return found
    .sort((a, b) => ranks[a.certainty] - ranks[b.certainty])
    .filter(({ code }) => !codes.has(code) && codes.add(code))
}

function main(facts: Facts, status: ExplainedStatus): Cause[] {
  if (!facts.tokens.readable) return [unreadable(facts.tokens.error.code, facts)]
  if (status === 'disconnecting') return []
  if (status === 'needs_reconnect' && facts.row.status === 'needs_reconnect') return causesOfDeath(facts)
  const without = facts.tokens.refreshable ? [] : causesWithoutRefresh(facts)
  const failing = status === 'failing' ? causesOfFailure(facts) : []
  return [...causeWithoutClient(facts), ...without, ...failing, ...foreseen(facts)]
}

function unreadable(code: string, { row }: Facts): Cause {
  if (code === 'sealed_data_invalid') {
    const text = 'What is stored of the tokens was altered, or copied from another row.'
    return { code: 'sealed_data_invalid', certainty: 'certain', text }
  }
  const text = `The tokens were sealed with the key ${row.keyId}, which is not at hand.`
  return { code: 'key_missing', certainty: 'certain', text }
}

function clocks(facts: Facts): Cause[] {
  const storeMs = facts.storeNow - facts.processNow
  const providerMs = facts.probe?.clockOffsetMs ?? 0
  return [
    ...(isOff(providerMs) ? [clock(providerMs, nameOf(facts))] : []),
    ...(isOff(storeMs) ? [clock(storeMs, 'the store')] : []),
  ]
}

function clock(offsetMs: number, whose: string): Cause {
  const side = offsetMs > 0 ? 'behind' : 'ahead of'
  const text = `This machine's clock is ${spanText(offsetMs)} ${side} that of ${whose}: whatever carries an instant (id_tokens, client assertions, absolute ends) is judged wrongly.`
  return { code: 'clock_off', certainty: 'possible', text }
}

function reducedScopes(facts: Facts): Cause[] {
  const missing = lostScopes(facts)
  if (missing.length === 0) return []
  const text = `The grant covers less than before: ${scopeText(missing)} went away.`
  return [{ code: 'scopes_reduced', certainty: 'certain', text }]
}
