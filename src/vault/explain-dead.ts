// Why a provider accepts a grant no longer. It says `invalid_grant` and little else (RFC 6749 section 5.2): what fits is
// found from when tokens last came, how long this provider lets them live, and what else happened.
import { consentedAt, diedAt, type Facts, lastGoodAt, lastGoodEntry, nameOf } from './explain-facts.ts'
import type { Cause } from './explanation.ts'
import { readHistoryNote } from './history-note.ts'
import { instantText, spanText } from './time-words.ts'

const dayMs = 86_400_000

/** The causes that fit a grant that the provider refused, the likeliest first. */
export function causesOfDeath(facts: Facts): Cause[] {
  const { row } = facts
  if (row.reason === 'interrupted') return [interrupted(facts), ...possiblyRevoked(facts)]
  const ended = applied([testing, lifetime, idle], facts)
  const expired = ended.length === 0 && saysExpired(facts) ? [expiredAsSaid(facts)] : []
  const found = [...ended, ...expired, ...applied([restored, reused], facts)]
  const revoked = revokedByUser(
    facts,
    found.every(({ certainty }) => certainty === 'possible'),
  )
  return saysRevoked(facts) ? [revoked, ...found] : [...found, revoked]
}

function applied(rules: readonly ((facts: Facts) => Cause | undefined)[], facts: Facts): Cause[] {
  return rules.map((rule) => rule(facts)).filter((cause) => cause !== undefined)
}

/** The causes that fit a connection which has no refresh token, whether its access token has ended or will. */
export function causesWithoutRefresh(facts: Facts): Cause[] {
  const { row, provider, now } = facts
  if (row.expiresAt === null) return []
  const ended = row.expiresAt <= now
  const end = `The access token ${ended ? 'ended' : 'ends'} at ${instantText(row.expiresAt)}`
  if (provider?.refresh === 'none') {
    const text = `${end}. ${nameOf(facts)} renews none: a person is needed each time.`
    return [{ code: 'not_renewable', certainty: 'certain', text }]
  }
  const text = `${end}, and ${nameOf(facts)} issued no refresh token at the consent: it was not asked for offline access.`
  return [{ code: 'no_refresh_token', certainty: 'certain', text }]
}

/** What will end a grant that is alive, where that is foreseen and mendable. */
export function foreseen(facts: Facts): Cause[] {
  const end = testingEnd(facts)
  if (end === undefined) return []
  const text = `${nameOf(facts)} ends this grant at ${instantText(end)}, ${spanText(end - consentedAt(facts))} after the consent, as it does for apps in testing.`
  return [{ code: 'app_in_testing', certainty: 'likely', text }]
}

/** The end that the answer gave the refresh token, when it is that of an app in testing. */
function testingEnd(facts: Facts): number | undefined {
  const { tokens, provider } = facts
  const seconds = provider?.refreshTokenTestingSeconds
  if (seconds === undefined || !tokens.readable || typeof tokens.refreshEndsAt !== 'number') return undefined
  const isThat = Math.abs(tokens.refreshEndsAt - (consentedAt(facts) + seconds * 1000)) <= dayMs
  return isThat ? tokens.refreshEndsAt : undefined
}

function interrupted(facts: Facts): Cause {
  const { history, row } = facts
  const stopped = history.findLast(
    ({ type, reason }) =>
      type === 'lease_taken_over' || (type === 'refresh_failed' && reason === 'no_answer'),
  )
  const when = stopped?.at ?? row.intentAt
  const at = when === undefined || when === null ? '' : ` at ${instantText(when)}`
  const text = `A refresh was interrupted between sending and saving${at}: ${nameOf(facts)} had replaced the refresh token, and its answer never arrived here.`
  return { code: 'interrupted_refresh', certainty: 'likely', text }
}

/** Google ends the grants of apps in testing after seven days; the fact is the provider row's. */
function testing(facts: Facts): Cause | undefined {
  const { provider } = facts
  const seconds = provider?.refreshTokenTestingSeconds
  if (seconds === undefined) return undefined
  const [end, died, good] = [consentedAt(facts) + seconds * 1000, diedAt(facts), lastGoodAt(facts)]
  if (died < end - 60_000 || good > end + 60_000) return undefined
  const text = `The grant died ${spanText(died - consentedAt(facts))} after the consent: ${nameOf(facts)} ends those of an app in testing after ${spanText(seconds * 1000)}.`
  const isSoon = died - end < 2 * dayMs
  const certainty = testingEnd(facts) !== undefined ? 'certain' : isSoon ? 'likely' : 'possible'
  return { code: 'app_in_testing', certainty, text }
}

function lifetime(facts: Facts): Cause | undefined {
  const { provider, tokens } = facts
  const died = diedAt(facts)
  if (testingEnd(facts) !== undefined) return undefined
  if (tokens.readable && typeof tokens.refreshEndsAt === 'number' && died >= tokens.refreshEndsAt - 60_000) {
    const text = `The refresh token was good until ${instantText(tokens.refreshEndsAt)}, as ${nameOf(facts)} had said when it issued it.`
    return { code: 'lifetime_over', certainty: 'certain', text }
  }
  const seconds = provider?.refreshTokenLifetimeSeconds
  if (seconds === undefined || died < consentedAt(facts) + seconds * 1000 - 60_000) return undefined
  const text = `${nameOf(facts)} ends a grant ${spanText(seconds * 1000)} after the consent, however much it is used; that was at ${instantText(consentedAt(facts) + seconds * 1000)}.`
  return { code: 'lifetime_over', certainty: 'likely', text }
}

/** Where nothing is known of its life. */
function expiredAsSaid(facts: Facts): Cause {
  const text = `${nameOf(facts)} says that the refresh token has expired.`
  return { code: 'lifetime_over', certainty: 'likely', text }
}

/** Microsoft: "expired due to inactivity". */
const idleWords = /\binactiv|\bidle\b/i
/** Longer than any use that is not idle, where nothing is known of the provider. */
const longIdleMs = 30 * dayMs

function idle(facts: Facts): Cause | undefined {
  const seconds = facts.provider?.refreshTokenIdleSeconds
  if (seconds === null) return undefined
  const idleMs = diedAt(facts) - lastGoodAt(facts)
  const lastly = `No token was renewed for ${spanText(idleMs)}`
  if (idleWords.test(wordsOfDeath(facts))) {
    const text = `${lastly}; ${nameOf(facts)} says that the refresh token was idle for too long.`
    return { code: 'idle_too_long', certainty: 'certain', text }
  }
  if (seconds === undefined) {
    if (idleMs < longIdleMs) return undefined
    const text = `${lastly}; many providers end a grant that is idle for so long.`
    return { code: 'idle_too_long', certainty: 'possible', text }
  }
  if (idleMs < seconds * 1000 - 60_000) return undefined
  const text = `${lastly}; ${nameOf(facts)} ends a refresh token that is idle for ${spanText(seconds * 1000)}.`
  return { code: 'idle_too_long', certainty: 'likely', text }
}

/** The first refresh since the store was copied or restored failed, where refresh tokens are replaced. */
function restored(facts: Facts): Cause | undefined {
  const { history, provider } = facts
  const good = lastGoodEntry(history)
  const death = history.findLast(({ type }) => type === 'needs_reconnect')
  if (good === undefined || death === undefined || provider?.refreshTokenRotation === false) return undefined
  const note = readHistoryNote(good, 'connected') ?? readHistoryNote(good, 'refreshed')
  const [before, after] = [note?.origin, readHistoryNote(death, 'needs_reconnect')?.origin]
  if (!before || !after || before === after) return undefined
  const text = `The vault was copied or restored from a backup after ${instantText(good.lastAt)}: the refresh token in it had been replaced since, and another copy has the newer one, or nobody.`
  return { code: 'restored_backup', certainty: 'likely', text }
}

const reuseWords =
  /\breus|\breplay|\brotat|supersed|consumed|already (?:been )?(?:used|redeemed|exchanged)|used (?:before|twice|more than once)/i

/** Another program spent the refresh token: a copy of it works elsewhere, or did. */
function reused(facts: Facts): Cause | undefined {
  const { history, provider } = facts
  if (provider?.refreshTokenRotation === false) return undefined
  const good = lastGoodEntry(history)
  const imported = good === undefined ? undefined : readHistoryNote(good, 'connected')?.importedFrom
  const said = wordsOfDeath(facts)
  if (reuseWords.test(said)) {
    const text = `${nameOf(facts)} says that the refresh token had been used before: another program has a copy of it.`
    return { code: 'reused_elsewhere', certainty: 'likely', text }
  }
  if (imported !== undefined) {
    const text = `The refresh token was imported from ${imported} and never renewed here: whoever had it before has used it since, which replaced it.`
    return { code: 'reused_elsewhere', certainty: 'likely', text }
  }
  const text = 'Another program that has a copy of the refresh token used it, which replaced it.'
  return { code: 'reused_elsewhere', certainty: 'possible', text }
}

function wordsOfDeath({ history }: Facts): string {
  const death = history.findLast(({ type }) => type === 'needs_reconnect')
  const note = death && readHistoryNote(death, 'needs_reconnect')
  return [note?.error, note?.description].join(' ')
}

/** Google says "expired or revoked" of every grant that is dead: that tells nothing. */
function saysRevoked(facts: Facts): boolean {
  const said = wordsOfDeath(facts)
  return /revoked|removed|uninstalled|deauthori[sz]ed/i.test(said) && !/expired/i.test(said)
}

function saysExpired(facts: Facts): boolean {
  const said = wordsOfDeath(facts)
  return /\bexpired\b/i.test(said) && !/revoked|invalid or expired|incorrect or expired/i.test(said)
}

function revokedByUser(facts: Facts, alone: boolean): Cause {
  const certainty = alone || saysRevoked(facts) ? 'likely' : 'possible'
  const text = `The person, or an administrator, ended the grant at ${nameOf(facts)} (removed the app, changed the password) after ${instantText(lastGoodAt(facts))}.`
  return { code: 'revoked_by_user', certainty, text }
}

function possiblyRevoked(facts: Facts): Cause[] {
  return [{ ...revokedByUser(facts, false), certainty: 'possible' }]
}
