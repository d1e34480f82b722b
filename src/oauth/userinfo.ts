// What the provider says about the person, asked with the access token.
// OpenID Connect Core section 5.3; the signed form is held against the issuer's keys.
import { ConfigurationError, InvalidResponseError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import { parseBody } from './answer-body.ts'
import type { Client } from './client.ts'
import { presentsCertificate } from './client-authentication.ts'
import { resolveEndpoints } from './endpoints.ts'
import { keptClaims } from './id-token.ts'
import type { RequestOptions } from './request-options.ts'
import { throwIfNotSuccess } from './response-reader.ts'
import { Session } from './session.ts'
import { verifyJwt } from './signed-jwt.ts'
import type { TokenSet } from './token-set.ts'
import type { TokenSource } from './token-source.ts'
import { type Answer, exchange } from './transport.ts'

/** Options of `fetchUserinfo`. */
export interface UserinfoOptions extends RequestOptions {
  /** Who it must be about. Default: the `sub` of the id_token, where there is one. */
  subject?: string | undefined
}

/** Claims about a person (OpenID Connect Core section 5.1). Only `sub`, with the issuer, names them for good. */
export interface Userinfo {
  readonly sub: string
  readonly [claim: string]: unknown
}

/** Behind `fetchUserinfo` of openid.ts, which documents it. */
export async function userinfoRequest(
  provider: Provider,
  client: Client,
  source: TokenSet | TokenSource,
  options: UserinfoOptions,
): Promise<Userinfo> {
  const resolved = await resolveEndpoints(provider, client, options, ['userinfoUrl'])
  const url = userinfoUrl(resolved, client)
  const tokens = 'token' in source ? await source.token() : source
  const answer = await send(resolved, client, url, source, options)
  throwIfNotSuccess(answer, {
    provider: resolved,
    request: 'userinfo',
    secrets: [tokens.accessToken],
    now: (options.now ?? Date.now)(),
  })
  const claims = await claimsIn(answer, resolved, client, options)
  assertSubject(claims, resolved, options.subject ?? keptClaims(tokens.idToken)?.['sub'])
  return claims
}

function userinfoUrl(provider: Provider, client: Client): string {
  const alias = presentsCertificate({ provider, client }) ? provider.mtlsEndpoints?.userinfoUrl : undefined
  const url = alias ?? provider.userinfoUrl
  if (url !== undefined) return url
  throw new ConfigurationError(
    'provider_invalid',
    `${provider.id} has no userinfo endpoint. Set userinfoUrl in the provider, or an issuer that names it.`,
  )
}

/** The session renews, proves keys and minds the host; `exchange` minds size, time and redirects. */
async function send(
  provider: Provider,
  client: Client,
  url: string,
  tokens: TokenSet | TokenSource,
  { fetch, now, allowInsecureRequests, ...limits }: UserinfoOptions,
): Promise<Answer> {
  const session = new Session(tokens, {
    ...{ provider, client, fetch, now, allowInsecureRequests },
    apiBaseUrl: new URL(url).origin,
    apiHosts: [],
  })
  const headers = { accept: 'application/json, application/jwt' }
  const request = { who: provider.id, what: 'userinfo', url, method: 'GET', headers } as const
  return exchange(request, { ...limits, allowInsecureRequests, fetch: session.fetch })
}

async function claimsIn(
  { headers, text, status }: Answer,
  provider: Provider,
  client: Client,
  options: RequestOptions,
): Promise<Userinfo> {
  const jwt = text.trim()
  if (
    headers.get('content-type')?.startsWith('application/jwt') === true ||
    /^ey[\w-]+\.[\w-]+\./.test(jwt)
  ) {
    const sender = { ...options, fetch: options.fetch ?? client.fetch }
    const expected = { what: 'userinfo', audience: client.clientId, optional: ['iss', 'aud'] } as const
    return withSubject((await verifyJwt(provider, jwt, expected, sender)).claims, provider, status)
  }
  return withSubject(parseBody(text) ?? {}, provider, status)
}

function withSubject(
  claims: Readonly<Record<string, unknown>>,
  provider: Provider,
  status: number,
): Userinfo {
  const { sub } = claims
  if (typeof sub === 'string' && sub !== '') return { ...claims, sub }
  throw new InvalidResponseError(
    'response_not_oauth',
    `${provider.id} answered the userinfo request without saying whom it is about (sub). If this is no OpenID Connect endpoint, call it through a session.`,
    { status },
  )
}

/** Section 5.3.2: another person's claims must not be used (token substitution). */
function assertSubject({ sub }: Userinfo, provider: Provider, expected: unknown): void {
  if (expected === undefined || expected === sub) return
  throw new InvalidResponseError(
    'response_not_oauth',
    `${provider.id} answered the userinfo request about another person than the one who signed in (sub). Nothing of it was used: sign in again.`,
  )
}
