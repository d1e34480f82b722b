// What a server says in `WWW-Authenticate` about a request that it refused. Read with tolerance: servers leave out
// commas, quotes and schemes. RFC 9110 section 11.6.1; RFC 6750 section 3, RFC 9470 section 3, RFC 9728 section 5.1.
import { hostKind, type ScopeRules, splitScopes } from '../providers/index.ts'

/** One challenge of a `WWW-Authenticate` field. */
export interface Challenge {
  /** In lower case: `bearer`, `dpop`, `basic`; empty where the server left it out. */
  readonly scheme: string
  /** By name in lower case. Untrusted text. */
  readonly parameters: Readonly<Record<string, string>>
  /** What stands in place of parameters (`Negotiate a8d…`). */
  readonly token68?: string
}

/** Longer fields are cut; nobody sends them on purpose. */
const longestField = 16_384

/** A word, and the value that `=` gives it, in quotes or not. */
const piece = /([^\s,="]+)(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"?|([^\s,"]*)))?/gs

/**
 * The challenges of a `WWW-Authenticate` field. Never throws: what cannot be understood is left out, and of a doubled
 * parameter the first counts.
 *
 * @param field as `headers.get` returns it: several fields are joined by commas.
 */
export function parseChallenges(field: string | null): Challenge[] {
  const text = (field ?? '').slice(0, longestField)
  const found: { scheme: string; parameters: Record<string, string>; token68?: string }[] = []
  /** Where the last scheme ended, when nothing has come after it. */
  let schemeEnd: number | undefined
  for (const match of text.matchAll(piece)) {
    const [all, name = '', quoted, plain] = match
    const end = match.index + all.length
    const value = quoted?.replace(/\\(.)/gs, '$1') ?? plain
    const follows = schemeEnd !== undefined && !text.slice(schemeEnd, match.index).includes(',')
    const current = found.at(-1)
    schemeEnd = undefined
    if (current !== undefined && follows && quoted === undefined && isToken68(plain, text, end))
      current.token68 = name + (plain === undefined ? '' : `=${plain}`)
    else if (value === undefined) {
      found.push({ scheme: name.toLowerCase(), parameters: Object.create(null) })
      schemeEnd = end
    } else if (current === undefined)
      found.push({
        scheme: '',
        parameters: Object.assign(Object.create(null), { [name.toLowerCase()]: value }),
      })
    else current.parameters[name.toLowerCase()] ??= value
  }
  return found
}

/** A token68 is one word, padded with `=`, and nothing else belongs to its challenge. */
function isToken68(padding: string | undefined, text: string, end: number): boolean {
  const nothingMore = /[ \t]*(?:,|$)/y
  nothingMore.lastIndex = end
  return /^=*$/.test(padding ?? '') && nothingMore.test(text)
}

/** What an API wants before it serves a request: a person has to be asked. */
export interface StepUp {
  /** Scopes (RFC 6750 section 3.1), or another sign-in (RFC 9470 section 3). */
  readonly error: 'insufficient_scope' | 'insufficient_user_authentication'
  /** The scopes that would do; empty when the challenge does not say. */
  readonly scopes: readonly string[]
  /** Authentication context classes of which one will do, as `acr_values` of the authorization request. */
  readonly acrValues: readonly string[]
  /** The person must have signed in no longer ago than so many seconds: `max_age` of the authorization request. */
  readonly maxAgeSeconds: number | undefined
  /** Where the API describes itself (RFC 9728). An https URL, or http on loopback. */
  readonly resourceMetadata: string | undefined
}

/** More than that is no list that a person could read. */
const mostWords = 20

/** What the challenges of a refusal ask for that no other token mends; `undefined`: nothing of that kind. */
export function stepUpIn(field: string | null, provider: ScopeRules = {}): StepUp | undefined {
  const challenges = parseChallenges(field)
  for (const { parameters } of challenges) {
    const error = parameters['error']?.trim().toLowerCase()
    if (error !== 'insufficient_scope' && error !== 'insufficient_user_authentication') continue
    const age = parameters['max_age'] ?? ''
    return {
      error,
      scopes: plainWords(splitScopes(provider, parameters['scope'] ?? '')),
      acrValues: plainWords((parameters['acr_values'] ?? '').split(/\s+/)),
      maxAgeSeconds: /^\d{1,9}$/.test(age) ? Number(age) : undefined,
      resourceMetadata: resourceMetadataIn(challenges),
    }
  }
  return undefined
}

/** The URL of the metadata that an API names in its challenges (RFC 9728 section 5.1); `undefined` when it is none. */
export function resourceMetadataIn(challenges: readonly Challenge[]): string | undefined {
  for (const { parameters } of challenges) {
    const text = parameters['resource_metadata'] ?? ''
    if (text.length > 2000 || !URL.canParse(text)) continue
    const { protocol, hostname, href } = new URL(text)
    if (protocol === 'https:' || (protocol === 'http:' && hostKind(hostname) === 'loopback')) return href
  }
  return undefined
}

/** Whether the server wants its nonce in the proof (RFC 9449 section 9). */
export function wantsNonce(field: string | null): boolean {
  return parseChallenges(field).some(({ parameters }) => parameters['error'] === 'use_dpop_nonce')
}

/** What can be a scope or a context class (RFC 6749 appendix A.4), each once. */
function plainWords(words: readonly string[]): string[] {
  const plain = words.filter((word) => /^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/.test(word))
  return [...new Set(plain)].slice(0, mostWords)
}
