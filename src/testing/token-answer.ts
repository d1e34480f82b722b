// Writes token answers, in the standard shape of RFC 6749 section 5.1 or in one of the shapes that real servers use.
import type { ServerBehaviour, TokenAnswerShape } from './behaviour.ts'
import { type Fault, json, NO_STORE, type Reply, refusal } from './exchange.ts'
import type { IssuedTokens } from './grants.ts'

type Members = Record<string, unknown>

/** A success. `now` is the server's clock, for lifetimes written as instants. */
export function tokenAnswer(
  tokens: IssuedTokens,
  idToken: string | undefined,
  behaviour: ServerBehaviour,
  now: number,
): Reply {
  const shape = behaviour.tokenAnswer ?? {}
  const members: Members = {
    access_token: tokens.accessToken,
    ...(shape.tokenType === null ? {} : { token_type: shape.tokenType ?? tokens.tokenType ?? 'Bearer' }),
    ...expiry(tokens.lifetimeSeconds, shape, now),
    ...(tokens.refreshToken === undefined ? {} : { refresh_token: tokens.refreshToken }),
    ...scope(tokens, shape),
    ...(idToken === undefined ? {} : { id_token: idToken }),
    ...(tokens.details === undefined ? {} : { authorization_details: tokens.details }),
    ...tokens.members,
    ...shape.extra,
  }
  return encode(nest(rename(members, shape.aliases ?? {}), shape.path), shape)
}

/** A refusal, in the shape that the server uses. */
export function tokenRefusal(fault: Fault, shape: TokenAnswerShape = {}): Reply {
  const standard = refusal(fault)
  if (shape.errors === 'in-200') return { ...standard, status: 200 }
  if (shape.errors === 'ok-false') return json({ ok: false, error: fault.error }, 200, NO_STORE)
  return standard
}

function expiry(lifetimeSeconds: number | null, shape: TokenAnswerShape, now: number): Members {
  if (lifetimeSeconds === null || shape.expiresIn === 'omit') return {}
  const end = now + lifetimeSeconds * 1000
  switch (shape.expiresIn ?? 'number') {
    case 'number':
      return { expires_in: lifetimeSeconds }
    case 'string':
      return { expires_in: String(lifetimeSeconds) }
    case 'float':
      return { expires_in: lifetimeSeconds + 0.5 }
    case 'milliseconds':
      return { expires_in: lifetimeSeconds * 1000 }
    case 'epoch-seconds':
      return { expires_in: Math.floor(end / 1000) }
    case 'iso8601':
      return { expires_in: new Date(end).toISOString() }
    case 'zero':
      return { expires_in: 0 }
    default:
      return { expires_in: null }
  }
}

function scope(tokens: IssuedTokens, shape: TokenAnswerShape): Members {
  switch (shape.scope ?? 'space') {
    case 'space':
      return { scope: tokens.scopes.join(' ') }
    case 'comma':
      return { scope: tokens.scopes.join(',') }
    case 'array':
      return { scope: tokens.scopes }
    case 'null':
      return { scope: null }
    case 'changed':
      return tokens.asRequested ? {} : { scope: tokens.scopes.join(' ') }
    default:
      return {}
  }
}

function rename(members: Members, aliases: Readonly<Record<string, string>>): Members {
  const renamed: Members = {}
  for (const [name, value] of Object.entries(members)) put(renamed, aliases[name] ?? name, value)
  return renamed
}

function nest(members: Members, path: string | undefined): Members {
  if (path === undefined) return members
  const outer: Members = {}
  put(outer, path, members)
  return outer
}

/** Sets the value at a dotted path, making objects on the way. */
function put(target: Members, path: string, value: unknown): void {
  const keys = path.split('.')
  const last = keys.pop() ?? path
  let place = target
  for (const key of keys) {
    const inner: Members = { ...(place[key] as Members | undefined) }
    place[key] = inner
    place = inner
  }
  place[last] = value
}

function encode(members: Members, shape: TokenAnswerShape): Reply {
  const form = shape.format === 'form'
  const reply = form
    ? {
        status: 200,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: formText(members),
      }
    : json(members)
  const contentType = shape.contentType === undefined ? {} : { 'content-type': shape.contentType }
  return { ...reply, status: shape.status ?? 200, headers: { ...reply.headers, ...NO_STORE, ...contentType } }
}

function formText(members: Members): string {
  const texts = Object.entries(members).map(([name, value]) => [
    name,
    typeof value === 'object' ? JSON.stringify(value) : String(value),
  ])
  return new URLSearchParams(texts).toString()
}
