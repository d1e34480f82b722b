// When an access token ends, from whichever field and unit a provider uses (R8, P34).
// RFC 6749 section 5.1 knows `expires_in` in seconds; the rest is what providers send.
import type { Provider } from '../providers/index.ts'

/** The last and first instant that a `Date` can hold, in milliseconds; a lifetime of 10^20 s must not become NaN. */
const endOfTime = 8.64e15

/** A lifetime in seconds by another name. */
const lifetimeFields = ['expires_in', 'expire_in', 'access_token_expires_in', 'expires_in_seconds']

/** An instant, as a number or text; a small number is a lifetime after all (`expires`, Facebook and Stack Exchange). */
const instantFields = [
  'expires_at',
  'expires_on',
  'expires',
  '.expires',
  'expiry',
  'expiration',
  'expires_time',
  'expire_time',
  'access_token_expires_at',
  'access_token_expiration',
]

/**
 * The end of a token, in milliseconds since 1970. `null`: the provider says that there is none; `undefined`: it says
 * nothing. A lifetime of zero or less is an end in the past, unless the provider row has the quirk `expires-in-zero`.
 *
 * @param field reads a standard field of the answer, by whatever name the provider gives it.
 */
export function endOfToken(
  field: (name: string) => unknown,
  provider: Provider,
  now: number,
): number | null | undefined {
  for (const name of lifetimeFields) {
    const end = lifetimeEnd(field(name), provider, now)
    if (end !== undefined) return end
  }
  for (const name of instantFields) {
    const end = instant(field(name), now)
    if (end !== undefined) return end
  }
  if (provider.assumedLifetimeSeconds !== undefined) return now + provider.assumedLifetimeSeconds * 1000
  return undefined
}

function lifetimeEnd(value: unknown, provider: Provider, now: number): number | null | undefined {
  const unit = provider.expiresInUnit ?? 'seconds'
  const number = numberOf(value)
  if (number === undefined || unit === 'iso8601') return dateOf(value)
  if (number === 0 && provider.quirks?.includes('expires-in-zero')) return null
  if (unit === 'epoch-seconds') return instant(number, now)
  return clamped(now + (unit === 'milliseconds' ? number : number * 1000))
}

/** Above 10^11: milliseconds since 1970; above 10^9: seconds since 1970; below: seconds from now; 0 or less: no end. */
function instant(value: unknown, now: number): number | null | undefined {
  const number = numberOf(value)
  if (number === undefined) return dateOf(value)
  if (number <= 0) return null
  return clamped(number > 1e11 ? number : number > 1e9 ? number * 1000 : now + number * 1000)
}

function numberOf(value: unknown): number | undefined {
  const text = typeof value === 'string' ? value.trim() : undefined
  const number = typeof value === 'number' ? value : text === undefined ? undefined : numberIn(text)
  return number === undefined || Number.isNaN(number) ? undefined : number
}

function numberIn(text: string): number | undefined {
  return /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined
}

/** Dates that are not ISO 8601: of RFC 9110, and `06/20/2026 02:57:58 +00:00` (Azure App Service). */
const otherDate = /^(?:[a-z]{3,9},? (?:\d{1,2}[ -][a-z]{3}|[a-z]{3} \d{1,2})\b|\d{1,2}\/\d{1,2}\/\d{4} \d)/i

/** A date, in UTC unless it says otherwise; `Date.parse` alone takes too much and means local time. */
function dateOf(value: unknown): number | undefined {
  if (typeof value !== 'string') return undefined
  const text = value.trim()
  const iso = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))? ?(Z|[+-]\d\d:?\d\d)?$/i.exec(text)
  if (iso !== null) {
    const [, day, time = '00:00:00', zone = 'Z'] = iso
    return validDate(`${day}T${time}${zone.replace(/^([+-]\d\d)(\d\d)$/, '$1:$2')}`)
  }
  if (!otherDate.test(text)) return undefined
  return validDate(/(GMT|UTC|Z|[+-]\d{2}:?\d{2})$/i.test(text) ? text : `${text} GMT`)
}

function validDate(text: string): number | undefined {
  const parsed = Date.parse(text)
  return Number.isNaN(parsed) ? undefined : parsed
}

function clamped(milliseconds: number): number {
  return Math.max(-endOfTime, Math.min(endOfTime, milliseconds))
}
