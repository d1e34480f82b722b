// When an access token ends, from whichever field and unit a provider uses (R8, P34).
// RFC 6749 section 5.1 knows `expires_in` in seconds; the rest is what providers send.
import type { Provider } from '../providers/index.ts'
import type { JsonObject } from './json-object.ts'
import { type Found, spellingsOf } from './member-names.ts'

/** The end of a token, and how the answer said it. */
export interface Lifetime {
  /** In milliseconds since 1970; `null`: the provider says that there is none. */
  end: number | null
  /** The name of the member that says it; `undefined`: the provider row assumes it. */
  name: string | undefined
  /**
   * Seconds are what the RFC says; `never`: a zero that means that there is no end; `local`: a date without a zone beside
   * one of when the token was issued.
   */
  unit: 'seconds' | 'milliseconds' | 'epoch-seconds' | 'epoch-milliseconds' | 'iso8601' | 'local' | 'never'
}

type Read = Omit<Lifetime, 'name'>

/** The last and first instant that a `Date` can hold, in milliseconds; a lifetime of 10^20 s must not become NaN. */
const endOfTime = 8.64e15

/** A lifetime in seconds. Who says that they are seconds may mean others by `expires_in` (Zoho of old). */
const lifetimeFields = [
  ...['expires_in_sec', 'expires_in_seconds', 'expires_in', 'expire_in', 'expired_in', 'ttl', 'lifetime'],
  ...['access_token_expires_in', 'access_token_expire_in', 'token_expires_in'],
]

/** The same in milliseconds. */
const millisecondFields = ['expires_in_ms', 'expires_in_millis', 'expires_in_milliseconds']

/** An instant, as a number or text; a small number is a lifetime after all (`expires`, Facebook and Stack Exchange). */
const instantFields = ['expires_at', 'expires_on', 'expires', 'expire', 'expiry', 'expiration', 'not_after']

/** Whatever else says in its name that something ends, and not something else than the access token. */
const otherInstant =
  /^(?:at|access)?(?:token)?(?:expir(?:y|e|es|ed|ation)(?:at|on|in|time|date|stamp|utc|ts|epoch|unix|sec|seconds)*|exp|valid(?:until|to))$/

/** What the reader knows of the answer besides its members. */
export interface LifetimeHints {
  /** A zero, or minus one, in the place of seconds means that there is no end. */
  zeroIsNever?: boolean
  /** The object that holds the token, for ends by other names. */
  tokens?: JsonObject
}

/**
 * The end of a token. `undefined`: the answer says nothing. A lifetime of zero or less is an end in the past, unless
 * it stands for "never".
 *
 * @param find reads a standard field of the answer, by whatever name the provider gives it.
 */
export function endOfToken(
  find: (name: string) => Found | undefined,
  provider: Provider,
  now: number,
  { zeroIsNever = false, tokens = {} }: LifetimeHints = {},
): Lifetime | undefined {
  const others = [...spellingsOf(tokens).keys()].filter((name) => otherInstant.test(name))
  const readers: [readonly string[], (value: unknown) => Read | undefined][] = [
    [lifetimeFields, (value) => lifetime(value, provider, now, zeroIsNever)],
    [millisecondFields, (value) => milliseconds(numberOf(value), now)],
    [[...instantFields, ...others], (value) => sinceIssued(value, find, now) ?? instant(value, now)],
  ]
  for (const [fields, read] of readers)
    for (const name of fields) {
      const found = find(name)
      const end = found && read(found.value)
      if (end !== undefined) return { ...end, name: found?.name }
    }
  const { assumedLifetimeSeconds: assumed } = provider
  return assumed === undefined ? undefined : { end: now + assumed * 1000, name: undefined, unit: 'seconds' }
}

/** A date without a zone is local time somewhere; beside an equal one of when the token was issued, it is a lifetime (Cafe24). */
function sinceIssued(
  value: unknown,
  find: (name: string) => Found | undefined,
  now: number,
): Read | undefined {
  const issued = find('issued_at')?.value ?? find('created_at')?.value
  if (!isLocal(value) || !isLocal(issued)) return undefined
  const [end, start] = [dateOf(value)?.end, dateOf(issued)?.end]
  return typeof end === 'number' && typeof start === 'number' && end > start
    ? { end: now + end - start, unit: 'local' }
    : undefined
}

function isLocal(value: unknown): boolean {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?$/.test(value.trim())
}

function lifetime(
  value: unknown,
  { expiresInUnit: unit }: Provider,
  now: number,
  zeroIsNever: boolean,
): Read | undefined {
  const number = numberOf(value)
  if (number === undefined || unit === 'iso8601') return dateOf(value)
  if ((number === 0 || number === -1) && zeroIsNever) return { end: null, unit: 'never' }
  if (unit === 'milliseconds') return milliseconds(number, now)
  if (unit === 'epoch-seconds' || (unit === undefined && isSoon(number, now))) return instant(number, now)
  return { end: clamped(now + number * 1000), unit: 'seconds' }
}

const yearMs = 365 * 86_400_000

/** As a lifetime it would be 56 years and more, as an instant it is within five: then it is an instant. */
function isSoon(number: number, now: number): boolean {
  return [number, number * 1000].some((instantMs) => Math.abs(instantMs - now) < 5 * yearMs)
}

function milliseconds(number: number | undefined, now: number): Read | undefined {
  return number === undefined ? undefined : { end: clamped(now + number), unit: 'milliseconds' }
}

/** Above 10^11: milliseconds since 1970; above 10^9: seconds since 1970; below: seconds from now; 0 or less: no end. */
function instant(value: unknown, now: number): Read | undefined {
  const number = numberOf(value)
  if (number === undefined) return dateOf(value)
  if (number <= 0) return { end: null, unit: 'never' }
  if (number > 1e11) return { end: clamped(number), unit: 'epoch-milliseconds' }
  if (number > 1e9) return { end: clamped(number * 1000), unit: 'epoch-seconds' }
  return { end: clamped(now + number * 1000), unit: 'seconds' }
}

/** A number, or text of one; also as a duration in seconds (`3600s`, protocol buffers). */
function numberOf(value: unknown): number | undefined {
  const text =
    typeof value === 'string' ? value.trim().replace(/(?<=\d) ?s(?:ec(?:onds)?)?$/i, '') : undefined
  const number = typeof value === 'number' ? value : text === undefined ? undefined : numberIn(text)
  return number === undefined || Number.isNaN(number) ? undefined : number
}

function numberIn(text: string): number | undefined {
  return /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined
}

/** Dates that are not ISO 8601: of RFC 9110, and `06/20/2026 02:57:58 +00:00` (Azure App Service). */
const otherDate = /^(?:[a-z]{3,9},? (?:\d{1,2}[ -][a-z]{3}|[a-z]{3} \d{1,2})\b|\d{1,2}\/\d{1,2}\/\d{4} \d)/i

/** A date, in UTC unless it says otherwise; `Date.parse` alone takes too much and means local time. */
function dateOf(value: unknown): Read | undefined {
  if (typeof value !== 'string') return undefined
  const text = value.trim().replace(/ \([^()]*\)$/, '') // what `Date.prototype.toString` adds
  const iso = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))? ?(Z|UTC|[+-]\d\d:?\d\d)?$/i.exec(
    text,
  )
  if (iso !== null) {
    const [, day, time = '00:00:00', zone = 'Z'] = iso
    return validDate(`${day}T${time}${zone.replace(/^UTC$/i, 'Z').replace(/^([+-]\d\d)(\d\d)$/, '$1:$2')}`)
  }
  if (!otherDate.test(text)) return undefined
  return validDate(/(GMT|UTC|Z|[+-]\d{2}:?\d{2})$/i.test(text) ? text : `${text} GMT`)
}

function validDate(text: string): Read | undefined {
  const end = Date.parse(text)
  if (Number.isNaN(end)) return undefined
  // No token ended that long ago: it is the zero of somebody's dates (Go: year 1).
  return end < yearMs ? { end: null, unit: 'never' } : { end, unit: 'iso8601' }
}

function clamped(milliseconds: number): number {
  return Math.max(-endOfTime, Math.min(endOfTime, milliseconds))
}
