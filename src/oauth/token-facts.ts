// Facts about a grant that are not in the token answer: what a caller's own follow-up calls found (P35).
// Runs between an answer and its token set, so that the facts are kept, sealed and carried over like those of the answer.
import { argumentError, TimeoutError } from '../errors.ts'
import type { Client } from './client.ts'
import type { TokensHook, UnderstoodTokens } from './hooks.ts'
import { defaultTimeoutMs, type RequestOptions } from './request-options.ts'
import type { TokenAnswer } from './response-reader.ts'

type Facts = Readonly<Record<string, unknown>>

/** What a `tokens` hook is told about. */
export interface FactsContext {
  answer: TokenAnswer
  /** What is kept under `extra` so far. */
  extra: Facts
  /** Whether the old tokens may be used up by now: then no hook costs anybody the new ones. */
  renewed: boolean
}

/**
 * Runs the client's `tokens` hooks one after the other, each on the facts of those before it, within the request's own
 * time limit.
 *
 * @returns what they returned, merged; what is in `extra` already is not repeated.
 * @throws what a hook throws, unless tokens were renewed: then `hooks.tokensFailed` hears it, and the facts so far count.
 */
export async function followUpFacts(
  client: Client,
  { answer, extra, renewed }: FactsContext,
  options: RequestOptions,
): Promise<Facts> {
  const { tokens: hook, tokensFailed } = client.hooks ?? {}
  if (hook === undefined) return {}
  let facts: Facts = {}
  try {
    const signal = stopSignal(options)
    for (const one of typeof hook === 'function' ? [hook] : hook) {
      const told = { raw: answer.raw, accessToken: answer.accessToken, extra: { ...extra, ...facts }, signal }
      facts = { ...facts, ...(await found(one, { ...told, fetch: sender(client, options) })) }
    }
  } catch (error) {
    if (!renewed) throw isTimeLimit(error) ? tooSlow(options, error) : error
    report(tokensFailed, error)
  }
  return facts
}

/** Whoever only listens does not cost the tokens either. */
function report(tokensFailed: ((error: unknown) => void) | undefined, error: unknown): void {
  try {
    tokensFailed?.(error)
  } catch {
    // It has heard.
  }
}

function sender(client: Client, options: RequestOptions): typeof fetch {
  return options.fetch ?? client.fetch ?? globalThis.fetch
}

/** One hook's facts. A hook that ignores its signal is not waited for when the time is up. */
async function found(hook: TokensHook, tokens: UnderstoodTokens): Promise<Facts> {
  const facts = await Promise.race([hook(tokens), aborted(tokens.signal)])
  if (facts === undefined) return {}
  if (typeof facts === 'object' && facts !== null && !Array.isArray(facts)) return facts
  throw argumentError('A tokens hook returns a record of facts for extra, or nothing.')
}

function stopSignal({ signal, timeoutMs = defaultTimeoutMs }: RequestOptions): AbortSignal {
  const limit = timeoutMs === Infinity ? [] : [AbortSignal.timeout(Math.min(timeoutMs, 2 ** 31 - 1))]
  return AbortSignal.any([...limit, ...(signal ? [signal] : [])])
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

function isTimeLimit(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError' && !(error instanceof TimeoutError)
}

function tooSlow({ timeoutMs = defaultTimeoutMs }: RequestOptions, cause: unknown): TimeoutError {
  const message = `A tokens hook of the client was not done within ${timeoutMs} ms (timeoutMs). The tokens were not kept; start again.`
  return new TimeoutError(message, timeoutMs, { cause })
}
