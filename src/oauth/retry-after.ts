// How long a provider asks to be left alone.
// RFC 9110 section 10.2.3; some say it in the body (Discord) or in milliseconds (Azure, Matrix).
import type { JsonObject } from './json-object.ts'
import { memberValue } from './member-names.ts'

/** A number this large is an instant, in seconds since 1970. */
const firstInstant = 1e9

/** Seconds to wait: `Retry-After` as a number or a date, else a member of the body. `undefined`: nothing is asked for. */
export function retryAfter(headers: Headers, now: number, body: JsonObject = {}): number | undefined {
  const said = secondsIn(headers.get('retry-after') ?? '', now)
  if (said !== undefined) return said
  const ms =
    headers.get('retry-after-ms') ?? headers.get('x-ms-retry-after-ms') ?? plainIn(body, ['retry_after_ms'])
  if (/^\d{1,12}$/.test(ms)) return Math.ceil(Number(ms) / 1000)
  return secondsIn(plainIn(body, ['retry_after', 'retry_after_seconds']), now)
}

/** The first of these members that is a number or text, as text. */
function plainIn(body: JsonObject, names: readonly string[]): string {
  const values = names.map((name) => memberValue(body, name))
  return String(values.find((value) => typeof value === 'number' || typeof value === 'string') ?? '')
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
