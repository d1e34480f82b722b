// A small protected API: /userinfo and /api/…, which check the token and its scopes. RFC 6750, OpenID Connect Core section 5.3.
import type { ApiAnswer, ApiCall, ServerBehaviour } from './behaviour.ts'
import { type Exchange, isFault, json, type Reply } from './exchange.ts'
import type { ServerState } from './token-endpoint.ts'

type LiveToken = NonNullable<ReturnType<ServerState['grants']['liveAccessToken']>>

/** Who the token is for. */
export function userinfoEndpoint(state: ServerState, exchange: Exchange): Reply {
  return state.proofs.withNonce(userinfo(state, exchange))
}

function userinfo(state: ServerState, exchange: Exchange): Reply {
  const token = liveToken(state, exchange)
  if ('status' in token) return token
  const { user } = token.grant
  return json({ sub: user, name: user, email: `${user}@people.example` })
}

/**
 * Any path below `/api`. `/api/scope/<name>` needs that scope; everything else is answered by the `api` function of
 * the behaviour, or with an echo.
 */
export async function apiEndpoint(state: ServerState, exchange: Exchange): Promise<Reply> {
  return state.proofs.withNonce(await apiAnswer(state, exchange))
}

async function apiAnswer(state: ServerState, exchange: Exchange): Promise<Reply> {
  const token = liveToken(state, exchange)
  if ('status' in token) return token
  const needed = /^\/api\/scope\/([^/]+)$/.exec(exchange.url.pathname)?.[1]
  if (needed !== undefined && !token.scopes.includes(decodeURIComponent(needed)))
    return insufficientScope(decodeURIComponent(needed))
  const call = callOf(exchange, token)
  const { api } = state.behaviour()
  return api === undefined ? json(echo(call)) : replyOf(await api(call))
}

function callOf(exchange: Exchange, token: LiveToken): ApiCall {
  const headers = Object.entries(exchange.headers).map(([name, value]) => [name, String(value)])
  return {
    method: exchange.method,
    path: exchange.url.pathname.slice('/api'.length) || '/',
    query: exchange.url.searchParams,
    headers: Object.fromEntries(headers),
    body: exchange.body,
    user: token.grant.user,
    scopes: token.scopes,
  }
}

function echo(call: ApiCall) {
  const { method, path, query, body, user, scopes } = call
  return { method, path, query: Object.fromEntries(query), body, user, scopes }
}

function replyOf(answer: ApiAnswer): Reply {
  const { status = 200, headers = {}, body } = answer
  if (typeof body === 'string') return { status, headers, body }
  return body === undefined ? { status, headers, body: '' } : json(body, status, headers)
}

/** The live token of a request, or the answer of RFC 6750 section 3.1. Without a token the challenge has no error. */
function liveToken(state: ServerState, exchange: Exchange): LiveToken | Reply {
  const bound = /^DPoP +(\S+)$/i.exec(exchange.headers['authorization'] ?? '')?.[1]
  const text = bound ?? sentToken(exchange, state.behaviour().tokenPlacement)
  if (text === undefined) return unauthorized('Bearer realm="simulator"', 'no token')
  const problem = keyProblem(state, exchange, text, bound !== undefined)
  if (problem !== undefined) return problem
  const token = state.grants.liveAccessToken(text)
  const challenge =
    'Bearer realm="simulator", error="invalid_token", error_description="The access token is expired, revoked or unknown"'
  return token ?? unauthorized(challenge, 'invalid_token')
}

/** A bound token needs its scheme and its proof; a bearer token must not have them (RFC 9449 section 7.1). */
function keyProblem(
  state: ServerState,
  exchange: Exchange,
  token: string,
  asBound: boolean,
): Reply | undefined {
  const { proofs } = state
  const key = proofs.keyOf(token)
  if (key === undefined && !asBound) return undefined
  const proved = asBound ? proofs.check(exchange, state.issuer() + exchange.url.pathname, token) : undefined
  const error = isFault(proved) ? proved.error : proved === key ? undefined : 'invalid_token'
  return error === undefined ? undefined : unauthorized(`DPoP error="${error}", algs="ES256"`, error)
}

function sentToken(
  exchange: Exchange,
  placement: ServerBehaviour['tokenPlacement'] = {},
): string | undefined {
  if (placement.query !== undefined) return exchange.url.searchParams.get(placement.query) ?? undefined
  const header = exchange.headers[(placement.header ?? 'authorization').toLowerCase()]
  if (typeof header !== 'string') return undefined
  const scheme = placement.scheme ?? (placement.header === undefined ? 'Bearer' : undefined)
  if (scheme === undefined) return header
  const prefix = `${scheme} `
  return header.toLowerCase().startsWith(prefix.toLowerCase())
    ? header.slice(prefix.length).trim()
    : undefined
}

function unauthorized(challenge: string, error: string): Reply {
  return json({ error }, 401, { 'www-authenticate': challenge })
}

function insufficientScope(scope: string): Reply {
  return json({ error: 'insufficient_scope' }, 403, {
    'www-authenticate': `Bearer realm="simulator", error="insufficient_scope", scope="${scope.replace(/[^\x21\x23-\x5b\x5d-\x7e]/g, '')}"`,
  })
}
