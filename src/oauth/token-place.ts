// Where in an answer the tokens are: at the top as RFC 6749 section 5.1 says, where the provider row says, or in the
// one object that holds an access token. Two such objects that nothing tells apart are none.
import type { Provider } from '../providers/index.ts'
import { isObject, type JsonObject, memberAt } from './json-object.ts'
import { type Found, findMember, isPresent, spellingsOf, squashed } from './member-names.ts'

/** Where the tokens of an answer are. */
export interface TokenPlace {
  /** The object that holds the access token; the whole body when there is none. */
  tokens: JsonObject
  /** Dotted path to it; `undefined`: the top. */
  path: string | undefined
  /** The objects around it, outermost first, itself last: an error in any of them is one. */
  chain: readonly JsonObject[]
  /** The access token, whatever it is. */
  access: Found | undefined
}

/** Reads a standard member by whatever name it has. */
export type Find = (name: string) => Found | undefined

/** Names of an access token that need no provider row (Feishu, Bluesky). */
const accessTokenNames = [
  ...['access_token', 'user_access_token', 'app_access_token', 'tenant_access_token', 'access_jwt'],
]

/** Names that may be anything's (Intercom, Sentry, ArcGIS, GoCardless). */
const looseNames = ['token', 'access', 'auth_token', 'oauth_token', 'bearer_token', 'jwt_token']

/** What makes an access token of them: a type, an end, or a refresh token beside it. */
const companion = /^(?:tokentype|refresh|refreshtoken|(?:access)?(?:token)?expir.*)$/

/** Where an answer that holds several tokens has the one that counts; the first of these goes before all others. */
const preferred = [
  'data',
  'body',
  'result',
  'response',
  'payload',
  'token',
  'tokens',
  'access_token',
] as const

/** An answer may quote the request, and that holds no token of ours; nor does anybody nest one under these names. */
const quoted =
  /^(?:request|input|params|parameters|query|debug|error|errors|meta|__proto__|constructor|prototype)$/i

/** How deep tokens are looked for. */
const deepest = 4

/** Finds the tokens. */
export function placeOfTokens(body: JsonObject, provider: Provider): TokenPlace {
  const { tokenResponsePath: told } = provider
  const nested = told === undefined ? undefined : memberAt(body, told)
  if (told !== undefined && isObject(nested) && accessIn(nested, provider) !== undefined)
    return place(body, told, nested, provider)
  const own = personPath(provider)
  const person = memberAt(body, own)
  const top = accessIn(body, provider)
  if (typeof top?.value === 'string' && top.value !== '') return place(body, undefined, body, provider)
  if (isObject(person) && accessIn(person, provider) !== undefined) return place(body, own, person, provider)
  const found = search(body, provider)
  if (found !== undefined) return place(body, found.path, found.tokens, provider)
  return told !== undefined && isObject(nested)
    ? place(body, told, nested, provider)
    : place(body, undefined, body, provider)
}

/** Where a second token is, the person's own (Slack). */
export function personPath({ userTokenPath }: Provider): string {
  return userTokenPath ?? 'authed_user'
}

function place(
  body: JsonObject,
  path: string | undefined,
  tokens: JsonObject,
  provider: Provider,
): TokenPlace {
  const steps = path === undefined ? [] : path.split('.')
  const between = steps.map((_, index) => memberAt(body, steps.slice(0, index + 1).join('.')))
  const chain = [body, ...between.filter(isObject), tokens]
  return { tokens, path, chain: [...new Set(chain)], access: accessIn(tokens, provider, steps.at(-1)) }
}

/** @param within the name of the member that holds the object: in `access_token: { token }` it says enough. */
function accessIn(tokens: JsonObject, provider: Provider, within = ''): Found | undefined {
  const alias = provider.tokenResponseAliases?.['access_token']
  const aliased = alias === undefined ? undefined : memberAt(tokens, alias)
  if (alias !== undefined && isPresent(aliased)) return { name: alias, value: aliased }
  const found = accessTokenNames.map((name) => findMember(tokens, name)).filter((one) => one !== undefined)
  const first = found.find(({ value }) => isPresent(value)) ?? found[0]
  if (first !== undefined) return first
  if (squashed(within) === 'accesstoken') return findMember(tokens, 'token')
  if (![...spellingsOf(tokens).keys()].some((name) => companion.test(name))) return undefined
  return looseNames.map((name) => findMember(tokens, name)).find((one) => typeof one?.value === 'string')
}

interface Candidate {
  path: string
  tokens: JsonObject
}

/** Level by level: the one object that holds an access token, or the one under a name that says so. */
function search(body: JsonObject, provider: Provider): Candidate | undefined {
  let level: Candidate[] = [{ path: '', tokens: body }]
  for (let depth = 1; depth <= deepest && level.length > 0; depth += 1) {
    level = level.flatMap(inside).slice(0, 200)
    const found = level.filter(({ path, tokens }) => {
      const value = accessIn(tokens, provider, path.split('.').at(-1))?.value
      return typeof value === 'string' && value !== ''
    })
    if (found.length === 1) return found[0]
    if (found.length > 1)
      return preferred.map((name) => found.find(({ path }) => path === name)).find(isDefined)
  }
  return undefined
}

function isDefined<T>(value: T | undefined): value is T {
  return value !== undefined
}

/** The objects in an object, and those in lists of one. */
function inside({ path, tokens }: Candidate): Candidate[] {
  return Object.entries(tokens).flatMap(([name, value]) => {
    if (quoted.test(name) || name.includes('.')) return []
    const at = path === '' ? name : `${path}.${name}`
    if (isObject(value)) return [{ path: at, tokens: value }]
    const [only] = Array.isArray(value) && value.length === 1 ? value : []
    return isObject(only) ? [{ path: `${at}.0`, tokens: only }] : []
  })
}

/** Reads the members of a place: by the provider's alias, by name, else of the body around it. */
export function finder(body: JsonObject, { tokens, access }: TokenPlace, provider: Provider): Find {
  return (name) => {
    if (name === 'access_token') return access
    const alias = provider.tokenResponseAliases?.[name]
    for (const object of tokens === body ? [body] : [tokens, body]) {
      const aliased = alias === undefined ? undefined : memberAt(object, alias)
      if (alias !== undefined && isPresent(aliased)) return { name: alias, value: aliased }
      const found = [name, ...otherNames(name, access)].map((one) => findMember(object, one)).find(isDefined)
      if (found !== undefined) return found
    }
    return undefined
  }
}

/** Other names of a standard member; where the access token is called `access`, the refresh token is called `refresh`. */
function otherNames(name: string, access: Found | undefined): string[] {
  if (name !== 'refresh_token') return []
  return ['refresh_jwt', 'user_refresh_token', ...(access?.name === 'access' ? ['refresh'] : [])]
}
