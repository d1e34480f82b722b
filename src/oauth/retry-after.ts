// How long a provider asks to be left alone.
// RFC 9110 section 10.2.3; some say it in the body (Discord) or in milliseconds (Azure).
import type { JsonObject } from './json-object.ts'
import { memberValue } from './member-names.ts'

/** A number this large is an instant, in seconds since 1970. */
const firstInstant = 1e9

/** Seconds to wait: `Retry-After` as a number or a date, else a member of the body. `undefined`: nothing is asked for. */
export function retryAfter(headers: Headers, now: number, body: JsonObject = {}): number | undefined {
  const said = secondsIn(headers.get('retry-after') ?? '', now)
  if (said !== undefined) return said
  const ms = headers.get('retry-after-ms') ?? headers.get('x-ms-retry-after-ms') ?? ''
  if (/^\d{1,12}$/.test(ms)) return Math.ceil(Number(ms) / 1000)
  const inBody = memberValue(body, 'retry_after') ?? memberValue(body, 'retry_after_seconds')
  return secondsIn(typeof inBody === 'number' || typeof inBody === 'string' ? String(inBody) : '', now)
}

function secondsIn(given: string, now: number): number | undefined {
  const text = given.trim()
  if (/^\d{1,10}(\.\d+)?$/.test(text)) {
    const seconds = Number(text)
    return Math.max(0, Math.ceil(seconds < firstInstant ? seconds : seconds - now / 1000))
  }
  if (!/^(?:[a-z]{3,9},? \d|\d{4}-\d\d-\d\dT\d\d:\d\d)/i.test(text)) return undefined
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000))
}
