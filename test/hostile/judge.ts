// What every hostile test holds an outcome against: a documented error or a result, in time, with no secret in it.
import { inspect } from 'node:util'
import { ToolgrantError } from '../../src/errors.ts'

/** How an operation ended. */
export interface Outcome {
  value?: unknown
  error?: unknown
}

/** No single answer may take longer, in milliseconds. Generous: other tests run on the same two cores. */
export const timeLimitMs = 4000

/**
 * Runs something and judges how it ended.
 *
 * @throws what was wrong: an undocumented error, a secret that shows, a changed prototype, too much time.
 */
export async function judged(what: string, run: () => unknown): Promise<Outcome> {
  const before = prototypeNames()
  const startedAt = performance.now()
  const outcome = await outcomeOf(run)
  const tookMs = performance.now() - startedAt
  if (tookMs > timeLimitMs) throw new Error(`${what}: took ${Math.round(tookMs)} ms.`)
  if (prototypeNames() !== before) throw new Error(`${what}: Object.prototype was changed.`)
  const shown = outcome.error === undefined ? '' : everythingIn(outcome.error)
  const leak = /canary[^\s'"]*/.exec(shown)?.[0]
  if (leak !== undefined) throw new Error(`${what}: ${leak} shows in ${shown.slice(0, 2000)}`)
  if (outcome.error !== undefined && !isDocumented(outcome.error))
    throw new Error(`${what}: threw ${inspect(outcome.error).slice(0, 2000)}`)
  return outcome
}

async function outcomeOf(run: () => unknown): Promise<Outcome> {
  try {
    return { value: await run() }
  } catch (error) {
    return { error: error ?? new Error('undefined was thrown') }
  }
}

/** docs/errors.md: one of ours with a code, or a caller's mistake. */
export function isDocumented(error: unknown): boolean {
  if (error instanceof ToolgrantError) return typeof error.code === 'string' && error.message.length < 5000
  return error instanceof TypeError && 'code' in error && error.code === 'invalid_argument'
}

/** All that a careless logger could print of an error: message, stack, cause, hidden members. */
export function everythingIn(error: unknown): string {
  const shown = inspect(error, { depth: 12, showHidden: true, getters: true, maxStringLength: null })
  return `${shown} ${String(error)} ${JSON.stringify(error)}`
}

function prototypeNames(): string {
  return [Object.prototype, Array.prototype].flatMap((each) => Reflect.ownKeys(each).map(String)).join()
}
