// How an answer that was understood differed from the RFCs: found by comparing what was read with what should be there.
// RFC 6749 section 5.1. Names and types only, never a value of the answer's that could be a secret.
import type { Provider } from '../providers/index.ts'
import type { Body } from './answer-body.ts'
import type { GrantedScopes } from './answer-scopes.ts'
import type { Deviation } from './deviation.ts'
import type { JsonObject } from './json-object.ts'
import { type Found, findMember } from './member-names.ts'
import { errorFields, strictCodeFields } from './refusal-names.ts'
import type { Lifetime } from './token-lifetime.ts'
import type { Find, TokenPlace } from './token-place.ts'
import type { Answer } from './transport.ts'

/** What the reader found, and where. */
export interface ReadParts {
  body: Body
  place: TokenPlace
  find: Find
  lifetime: Lifetime | undefined
  granted: GrantedScopes | undefined
}

/**
 * The differences, those that the provider row says already left out.
 *
 * @param secrets what the request and the answer held: a provider that writes one where a name or a type belongs is not
 *   quoted.
 */
export function deviationsOf(
  answer: Answer,
  parts: ReadParts,
  provider: Provider,
  secrets: readonly string[],
): Deviation[] {
  return differences(answer, parts, provider).map(({ found, row, ...rest }) => {
    const text = JSON.stringify([found, row])
    const isSafe = !secrets.some((secret) => secret.length > 3 && text.includes(secret))
    return { ...rest, ...(isSafe && found !== undefined ? { found } : {}), ...(isSafe && row ? { row } : {}) }
  })
}

function differences(answer: Answer, parts: ReadParts, provider: Provider): Deviation[] {
  return [
    ...ofTransport(answer, parts),
    ...ofPlace(parts, provider),
    ...ofNames(parts, provider),
    ...ofTypes(parts),
    ...ofTokenType(parts),
    ...ofScopes(parts, provider),
    ...ofLifetime(parts, provider),
    ...ofErrorMembers(parts),
  ]
}

function ofTransport({ status, headers }: Answer, { body }: ReadParts): Deviation[] {
  const type = headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? ''
  const isJson = /^application\/(?:[\w.+-]+\+)?json$/.test(type)
  const found: Deviation[] = []
  if (body.form === 'form') found.push({ code: 'form_encoded' })
  else if (body.form === 'xml') found.push({ code: 'wrapped', found: 'XML' })
  else if (!isJson) found.push({ code: 'content_type', found: shortWord(type) ?? 'none' })
  if (body.wrapped) found.push({ code: 'wrapped' })
  if (status !== 200) found.push({ code: 'status', found: String(status) })
  return found
}

function ofPlace({ place }: ReadParts, { tokenResponsePath, userTokenPath }: Provider): Deviation[] {
  const { path } = place
  if (path === undefined || path === tokenResponsePath || path === userTokenPath) return []
  const row = path === 'authed_user' ? { userTokenPath: path } : { tokenResponsePath: path }
  return isName(path) ? [{ code: 'nested', found: path, row }] : [{ code: 'nested' }]
}

/** Members whose names a provider row can translate. */
const standard = ['access_token', 'token_type', 'refresh_token', 'id_token', 'scope'] as const

function ofNames({ find, granted }: ReadParts, provider: Provider): Deviation[] {
  return standard.flatMap((member) => {
    const found = member === 'scope' ? granted?.found : find(member)
    return found === undefined ? [] : renamed(member, found, provider)
  })
}

function renamed(member: string, { name }: Found, provider: Provider): Deviation[] {
  if (name === member || name === provider.tokenResponseAliases?.[member] || !isName(name)) return []
  return [{ code: 'renamed', member, found: name, row: { tokenResponseAliases: { [member]: name } } }]
}

function ofTypes({ find, place, granted }: ReadParts): Deviation[] {
  const { tokens } = place
  const nothing = ['expires_in', 'scope', 'refresh_token', 'token_type', 'id_token']
    .filter((name) => Object.hasOwn(tokens, name) && tokens[name] === null)
    .map((member): Deviation => ({ code: 'missing', member, found: 'null' }))
  const seconds = find('expires_in')
  return [
    ...nothing,
    ...(find('token_type') === undefined && tokens['token_type'] !== null
      ? [{ code: 'missing', member: 'token_type' } as const]
      : []),
    ...(typeof seconds?.value === 'string' && seconds.value !== ''
      ? [{ code: 'wrong_type', member: 'expires_in', found: 'string' } as const]
      : []),
    ...(Array.isArray(granted?.found.value)
      ? [{ code: 'wrong_type', member: 'scope', found: 'list' } as const]
      : []),
  ]
}

function ofTokenType({ find }: ReadParts): Deviation[] {
  const type = find('token_type')?.value
  if (type === undefined || (typeof type === 'string' && /^(?:bearer|dpop|n_a)$/i.test(type))) return []
  const found = typeof type === 'string' ? shortWord(type) : typeof type
  return [{ code: 'token_type', member: 'token_type', ...(found === undefined ? {} : { found }) }]
}

/** No row for it: `scopeSeparator` is about requests, and every separator of answers is understood. */
function ofScopes({ granted }: ReadParts, { scopeSeparator = ' ' }: Provider): Deviation[] {
  const text = granted?.found.value
  if (typeof text !== 'string' || granted === undefined || granted.scopes.length < 2) return []
  const separator = /[,;]|%20/.exec(text)?.[0]
  if (separator === undefined || separator === scopeSeparator) return []
  return [{ code: 'scope_separator', member: 'scope', found: separator }]
}

function ofLifetime({ lifetime }: ReadParts, provider: Provider): Deviation[] {
  if (lifetime?.name === undefined || !isName(lifetime.name)) return []
  const { name, unit } = lifetime
  const told = name === (provider.tokenResponseAliases?.['expires_in'] ?? 'expires_in')
  const alias = told ? {} : { tokenResponseAliases: { expires_in: name } }
  if (unit === 'seconds')
    return told ? [] : [{ code: 'renamed', member: 'expires_in', found: name, row: alias }]
  const difference = { code: 'lifetime', member: 'expires_in', found: `${name}: ${unit}` } as const
  if (unit === 'local') return [difference] // no row can say that two dates belong together
  const says = rowOfUnit(unit, provider)
  return told && says === undefined ? [] : [{ ...difference, row: { ...alias, ...says } }]
}

/** `undefined`: the row says so already. */
function rowOfUnit(unit: Lifetime['unit'], provider: Provider): JsonObject | undefined {
  if (unit === 'never')
    return provider.quirks?.includes('expires-in-zero') ? undefined : { quirks: ['expires-in-zero'] }
  const expiresInUnit = unit === 'epoch-milliseconds' ? 'epoch-seconds' : unit
  return expiresInUnit === provider.expiresInUnit ? undefined : { expiresInUnit }
}

/** Beside a good token, all of them say that there is no error. */
function ofErrorMembers({ place }: ReadParts): Deviation[] {
  const names = [...errorFields, ...strictCodeFields]
  const found = names.map((name) => findMember(place.tokens, name)?.name ?? nullMember(place.tokens, name))
  return [...new Set(found)]
    .filter((name) => name !== undefined)
    .map((name) => ({ code: 'error_member', found: name }))
}

function nullMember(tokens: JsonObject, name: string): string | undefined {
  return Object.hasOwn(tokens, name) ? name : undefined
}

/** A word that may be shown: a provider could put anything where a name belongs. */
function shortWord(text: string): string | undefined {
  return /^[\w .+/-]{1,40}$/.test(text) ? text : undefined
}

/** Whether a provider row may name it: a dotted path. */
function isName(name: string): boolean {
  return name.length <= 60 && /^[\w$-]+(?:\.[\w$-]+)*$/.test(name)
}
