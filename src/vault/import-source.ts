// What importing reads from, whatever the source: grants, and things that are none, each with the place it was found at.
// No text of a source is ever quoted: a member that is wrong may hold a token.
import { TokenSet, type TokenSetFields } from '../oauth/index.ts'
import { splitScopes } from '../providers/index.ts'

/** A grant that was found. Instants are milliseconds since 1970. */
export interface FoundGrant {
  /** Where: a file, and what in it. */
  place: string
  /** Absent where the source does not know users. */
  user?: string | undefined
  provider: string
  account?: string | undefined
  tokens: TokenSet
  /** The client that the tokens were issued to, where the source tells: with another one they cannot be renewed. */
  clientId?: string | undefined
  /** Why the grant is dead, when it is. */
  dead?: string | undefined
  grantedAt?: number | undefined
  usedAt?: number | undefined
  createdAt?: number | undefined
  /** What the person should know. */
  note?: string | undefined
}

/** Something that cannot be imported. */
export interface Unusable extends Partial<Pick<FoundGrant, 'user' | 'provider' | 'account'>> {
  place: string
  /** In words, with the next step. */
  why: string
}

/** What a source yields. */
export type Found = FoundGrant | Unusable

/** A source, opened. */
export interface ImportSource {
  /** What it is, for history and messages: `a toolgrant bundle`. */
  readonly words: string
  /**
   * Whether several grants may be found at one address. `never`: a vault wrote it. `older`: they are states of one grant,
   * and the newest counts. Default: they are different ones, and only the first can be taken.
   */
  readonly repeats?: 'never' | 'older'
  found(): AsyncIterable<Found>
}

/** Whose scopes, and when the tokens were issued if they do not say so themselves. */
export interface TokenMembersContext {
  /** In milliseconds since 1970: the file's time. Absent: `expires_in` is of no use without `obtained_at`. */
  obtainedAt?: number | undefined
  /** Milliseconds since 1970. */
  now: number
  /** Kept beside the tokens. */
  extra?: Readonly<Record<string, unknown>> | undefined
}

type Members = Readonly<Record<string, unknown>>

/** Stands where a source has a refresh token and no access token: it has ended, so it is never sent to an API. */
const noAccessToken = 'not-imported'

/**
 * Tokens from the members of a token answer (RFC 6749 section 5.1), besides `expires_at`, `obtained_at` and `scopes`.
 *
 * @returns the tokens, or which member is wrong and how.
 */
export function tokensFrom(members: Members, context: TokenMembersContext): TokenSet | { why: string } {
  const wrong = wrongText(members)
  if (wrong !== undefined) return { why: wrong }
  const { access_token: accessToken, refresh_token: refreshToken } = members
  if (isAbsent(accessToken) && isAbsent(refreshToken))
    return { why: 'it has neither access_token nor refresh_token' }
  if (isDeep(context.extra)) return { why: 'the member extra is nested too deeply' }
  const times = timesFrom(members, context)
  if ('why' in times) return times
  const scopes = scopesFrom(members)
  if (scopes === undefined) return { why: 'the member scope (or scopes) must be a text or a list of texts' }
  const fields: TokenSetFields = {
    accessToken: noAccessToken,
    ...textMembers(members),
    ...{ scopes, extra: context.extra, receivedAt: new Date(times.receivedAt) },
    expiresAt: isAbsent(accessToken) ? new Date(0) : times.expiresAt,
  }
  return new TokenSet(fields)
}

const texts = {
  access_token: 'accessToken',
  refresh_token: 'refreshToken',
  id_token: 'idToken',
  token_type: 'tokenType',
} as const

/** RFC 6749 appendix A: visible characters. */
function wrongText(members: Members): string | undefined {
  for (const name of Object.keys(texts)) {
    const value = members[name]
    if (isAbsent(value)) continue
    if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value))
      return `the member ${name} must be a text without spaces and control characters`
  }
  return undefined
}

function textMembers(members: Members): Partial<TokenSetFields> {
  const given = Object.entries(texts).filter(([name]) => !isAbsent(members[name]))
  return Object.fromEntries(given.map(([name, field]) => [field, members[name]]))
}

function timesFrom(
  members: Members,
  { obtainedAt, now }: TokenMembersContext,
): { receivedAt: number; expiresAt: Date | null } | { why: string } {
  const given = readInstant(members['obtained_at'])
  const end = readInstant(members['expires_at'])
  if (given === 'wrong') return { why: `the member obtained_at must be ${instantForms}` }
  if (end === 'wrong') return { why: `the member expires_at must be ${instantForms}` }
  const obtained = given ?? obtainedAt
  const receivedAt = Math.min(obtained ?? now, now)
  if (end !== undefined) return { receivedAt, expiresAt: new Date(end) }
  const { expires_in: lifetime } = members
  if (isAbsent(lifetime)) return { receivedAt, expiresAt: null }
  const seconds = Number(lifetime)
  if ((typeof lifetime !== 'number' && typeof lifetime !== 'string') || !(seconds >= 0 && seconds < 1e10))
    return { why: 'the member expires_in must be a number of seconds' }
  if (obtained === undefined)
    return { why: 'the member expires_in says nothing without obtained_at: add it, or expires_at' }
  return { receivedAt, expiresAt: new Date(receivedAt + seconds * 1000) }
}

const instantForms =
  'a number of seconds or milliseconds since 1970, or a text such as 2026-01-31T12:00:00Z with its time zone'

/** Seconds or milliseconds since 1970 (from 1973 on the two cannot be confused), or ISO 8601 with a time zone. */
export function readInstant(value: unknown): number | undefined | 'wrong' {
  if (isAbsent(value)) return undefined
  if (typeof value !== 'number' && typeof value !== 'string') return 'wrong'
  const number = typeof value === 'number' || /^\d+(\.\d+)?$/.test(value) ? Number(value) : undefined
  if (number !== undefined) {
    const ms = number < 1e11 ? number * 1000 : number
    return ms >= 0 && ms <= 8.64e15 ? Math.floor(ms) : 'wrong'
  }
  const isComplete = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)$/.test(String(value))
  const ms = isComplete ? Date.parse(String(value)) : Number.NaN
  return Number.isNaN(ms) ? 'wrong' : ms
}

function scopesFrom({ scope, scopes = scope }: Members): readonly string[] | undefined {
  if (isAbsent(scopes)) return []
  if (typeof scopes === 'string') return splitScopes({}, scopes)
  if (!Array.isArray(scopes) || !scopes.every((each) => typeof each === 'string' && each !== ''))
    return undefined
  return [...new Set<string>(scopes)]
}

function isAbsent(value: unknown): value is undefined | null | '' {
  return value === undefined || value === null || value === ''
}

/** Whether a value is nested deeper than anything that is meant: writing it as JSON again might not be possible. */
export function isDeep(value: unknown, levels = 1000): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((member) => isDeep(member, levels - 1))
}

/** A JSON object; `undefined` for every other value. */
export function asMembers(value: unknown): Members | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : undefined
}

/** JSON, or where it ends being some. The parser's own words quote the text, and with it secrets. */
export function readJson(text: string): { value: unknown } | { why: string } {
  try {
    return { value: JSON.parse(text) }
  } catch (error) {
    const [, at] = /at position (\d+)/.exec(String(error)) ?? []
    const line = at === undefined ? undefined : text.slice(0, Number(at)).split('\n').length
    return { why: line === undefined ? 'it is not JSON' : `it is not JSON: see line ${line}` }
  }
}
