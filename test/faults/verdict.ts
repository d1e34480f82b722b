// What an observation means: whether the grant was lost, whether that could not be helped, whether a refresh token was
// spent twice for no reason, whether everybody was served.

import { faultName, type Scenario } from './scenario.ts'
import type { Observation } from './scenario-run.ts'

/** The meaning of one run. */
export interface Verdict {
  scenario: Scenario
  fault: string
  kills: number
  /** Refresh requests of the expiry with the fault. */
  requests: number
  /** Of the expiry after it; `undefined` when the grant was gone by then. */
  requestsAfter: number | undefined
  reuseViolations: number
  /** The grant is gone, and why nobody could have saved it. */
  excused: string | undefined
  /** What must not be. Each line is a fault of ours. */
  violations: string[]
  asked: number
  served: number
  /** Callers who were told that a person has to consent again. */
  told: number
  /** How long a process that was left alone stood still at most. */
  stalledMs: number
  /** Callers who were told to try again at least once, and did. */
  retried: number
}

/** Judges a run. */
export function judge(seen: Observation): Verdict {
  const lost = !seen.after.works
  const excused = lost ? excuse(seen) : undefined
  const callers = [...seen.callers, ...seen.after.callers]
  const told = callers.filter((caller) => caller.code === 'needs_reconnect').length
  return {
    ...{ scenario: seen.scenario, fault: faultName(seen.scenario) },
    kills: seen.interrupted.filter(({ killed }) => killed).length,
    requests: seen.requests.length,
    requestsAfter: lost ? undefined : seen.after.requests,
    ...{ reuseViolations: seen.reuseViolations, excused, told },
    violations: violations(seen, lost, excused),
    stalledMs: seen.stalledMs,
    asked: callers.length,
    served: callers.filter((caller) => caller.accessToken !== undefined).length,
    retried: callers.filter((caller) => caller.retries > 0).length,
  }
}

function violations(seen: Observation, lost: boolean, excused: string | undefined): string[] {
  const found: string[] = []
  const { reason, status } = seen.connection ?? { status: 'gone' }
  if (lost && excused === undefined) found.push(`grant lost (${status}, ${reason ?? 'no reason'})`)
  if (lost && !(status === 'needs_reconnect' && reason === 'interrupted'))
    found.push(`silent loss: the connection says ${status}, ${reason ?? 'no reason'}`)
  const repeats = spentAgain(seen)
  const reasons = interruptionsAfterSending(seen)
  if (repeats > reasons) found.push(`double spend: ${repeats} repeats, ${reasons} interruptions`)
  if (!lost && seen.reuseViolations > 0) found.push(`${seen.reuseViolations} reuse violations, nothing lost`)
  if (!lost && seen.after.requests !== 1) found.push(`${seen.after.requests} requests for the expiry after`)
  if (lost && seen.after.requests > 1) found.push(`${seen.after.requests} probes of a dead grant`)
  if (!lost && seen.deadTokens > 0)
    found.push(`${seen.deadTokens} callers were given a token that does not work`)
  const unserved = [...seen.callers, ...seen.after.callers].filter(
    (caller) => caller.accessToken === undefined && !(lost && caller.code === 'needs_reconnect'),
  )
  for (const caller of unserved.slice(0, 1))
    found.push(`${unserved.length} callers not served: ${caller.code} ${caller.message ?? ''}`)
  return found
}

/** How often a refresh token was sent that had been sent before. */
function spentAgain({ requests }: Observation): number {
  return requests.length - new Set(requests.map(({ refreshToken }) => refreshToken)).size
}

/** How often it could not be known whether a request had been carried out. */
function interruptionsAfterSending(seen: Observation): number {
  const { fault } = seen.scenario
  if (fault.kind === 'cut') return 1
  const unanswered = fault.kind === 'step' && /failure/.test(fault.at) ? 1 : 0
  const senders = seen.interrupted.filter(({ pid }) => seen.requests.some((request) => request.pid === pid))
  return senders.length + unanswered
}

/** Why nobody could have kept the grant; `undefined`: somebody could have. */
function excuse(seen: Observation): string | undefined {
  const { fault, graceSeconds } = seen.scenario
  if (graceSeconds > 0) return undefined
  if (fault.kind === 'cut') return fault.what === 'request' ? undefined : 'the answer was cut off on its way'
  for (const { pid, at, killed, steps } of seen.interrupted) {
    const sent = seen.requests.find((request) => request.pid === pid)
    if (sent === undefined || steps.includes('after save')) continue
    if (killed) return 'killed between the provider’s answer and our disk'
    if (!('how' in fault) || fault.how !== 'stopped') continue
    if (sent.at <= at) return 'stood still past its lease between the provider’s answer and our disk'
    if (steps.at(-1) === 'before request') return 'stood still past its lease in the moment of sending'
  }
  return undefined
}
