// A time limit for a caller's own code that runs inside a request of ours: a hook that never ends must not hold a
// refresh for ever. RFC 6749 has no say in it; the limit is the request's own.
import { TimeoutError } from '../errors.ts'
import { defaultTimeoutMs, type RequestOptions } from './request-options.ts'

/**
 * Waits for the caller's code, no longer than the request may take.
 *
 * @param what it is, for the message: `The hook refreshRequest`.
 * @throws {TimeoutError} it was not done in time; the signal's reason; what the code throws.
 */
export async function inTime<T>(
  run: () => T | Promise<T>,
  what: string,
  { signal, timeoutMs = defaultTimeoutMs }: RequestOptions,
): Promise<T> {
  signal?.throwIfAborted()
  const end = new AbortController()
  const limit = Math.min(timeoutMs, 2 ** 31 - 1)
  const timer =
    timeoutMs === Infinity ? undefined : setTimeout(() => end.abort(tooSlow(what, timeoutMs)), limit)
  const callerStops = () => end.abort(signal?.reason)
  signal?.addEventListener('abort', callerStops, { once: true })
  const ended = new Promise<never>((_, reject) => {
    end.signal.addEventListener('abort', () => reject(end.signal.reason), { once: true })
  })
  try {
    return await Promise.race([run(), ended])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', callerStops)
  }
}

function tooSlow(what: string, timeoutMs: number): TimeoutError {
  return new TimeoutError(`${what} of the client was not done within ${timeoutMs} ms (timeoutMs).`, timeoutMs)
}
