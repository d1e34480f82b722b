// The claims of an id_token that came from the token endpoint.
// OpenID Connect Core sections 3.1.3.7 and 12.2; its signature is vouched for by TLS to that endpoint (rule 6).
import type * as oauth4webapi from 'oauth4webapi'
import { InvalidResponseError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import type { Client } from './client.ts'
import { sameIssuer } from './issuer.ts'
import type { RequestOptions } from './request-options.ts'
import { protocolLibrary, serverMetadata } from './token-endpoint.ts'

type Claims = Readonly<Record<string, unknown>>

/**
 * Checks an id_token of the code grant when the issuer is known: iss, aud, azp, exp, iat, nonce.
 *
 * @throws {InvalidResponseError} `id_token_invalid`: it is not for this sign-in.
 */
export async function assertIdToken(
  provider: Provider,
  client: Client,
  idToken: string,
  nonce: string | undefined,
  options: Pick<RequestOptions, 'now'>,
): Promise<void> {
  if (provider.issuer === undefined) return
  const library = await protocolLibrary()
  const { header, claims } = unverified(idToken)
  const us = {
    client_id: client.clientId,
    ...(isSigningAlgorithm(header['alg']) ? { id_token_signed_response_alg: header['alg'] } : {}),
    [library.clockSkew]: clockSkewSeconds(options),
    [library.clockTolerance]: 30,
  }
  const body = { access_token: 'unread', token_type: 'bearer', id_token: idToken }
  try {
    await library.processAuthorizationCodeResponse(
      expectedIssuer(provider, claims),
      us,
      Response.json(body),
      nonce === undefined ? {} : { expectedNonce: nonce },
    )
  } catch (cause) {
    throw new InvalidResponseError(
      'id_token_invalid',
      `${provider.id} sent an id_token that is not for this sign-in (issuer, audience, time or nonce). Nothing was kept; start again.`,
      { cause: wordsOnly(cause) },
    )
  }
}

/**
 * The id_token to keep after a refresh: the new one when it is about the same person, issuer and client, else the
 * old one. A bad id_token costs nobody the tokens: by now the old refresh token may be used up (section 12.2).
 */
export function idTokenAfterRefresh(
  provider: Provider,
  client: Client,
  fresh: string | undefined,
  old: string | undefined,
): string | undefined {
  if (fresh === undefined) return old
  const { claims } = unverified(fresh)
  const before: Claims = old === undefined ? {} : unverified(old).claims
  const audience = [claims['aud']].flat()
  const issuer = before['iss'] ?? (provider.issuerVaries === true ? undefined : provider.issuer)
  const fits =
    audience.includes(client.clientId) &&
    (issuer === undefined || sameIssuer(String(claims['iss']), String(issuer))) &&
    (before['sub'] === undefined || before['sub'] === claims['sub'])
  return fits ? fresh : old
}

/** The signature is not what is checked here, so any real signature will do; `none` will not. */
function isSigningAlgorithm(alg: unknown): alg is string {
  return (
    typeof alg === 'string' && /^((RS|PS|ES|HS)(256|384|512)|ES256K|EdDSA|Ed25519|ML-DSA-\d\d)$/.test(alg)
  )
}

/** The library compares with its own clock; an injected one is a skew to it. */
function clockSkewSeconds({ now }: Pick<RequestOptions, 'now'>): number {
  return now === undefined ? 0 : Math.round((now() - Date.now()) / 1000)
}

/** The library's error carries claims and tokens in its `cause`; only its words go on. */
function wordsOnly(error: unknown): Error {
  return new Error(error instanceof Error ? error.message : 'invalid')
}

/**
 * The issuer that the id_token must name, compared as URLs are, so that a slash after a bare host (Auth0) is no
 * difference. Where it differs by tenant, the tenant in the id_token takes the place of the one in the path (the
 * `tid` rule of Microsoft's documentation); one that varies without a `tid` is whatever the id_token says.
 */
function expectedIssuer(provider: Provider, claims: Claims): oauth4webapi.AuthorizationServer {
  const server = serverMetadata(provider)
  const { iss, tid } = claims
  if (typeof iss !== 'string') return server
  const same = sameIssuer(iss, server.issuer) || sameIssuer(`https://${iss}`, server.issuer) // Google: no scheme
  if (same) return { ...server, issuer: iss }
  if (provider.issuerVaries !== true) return server
  if (typeof tid !== 'string') return URL.canParse(iss) ? { ...server, issuer: iss } : server
  const path = new URL(server.issuer).pathname.replace(/^\/[^/]+/, () => `/${encodeURIComponent(tid)}`)
  return { ...server, issuer: new URL(path, server.issuer).href }
}

/** Header and claims as they stand, nothing checked; empty when the text is no JWT. */
function unverified(jwt: string): { header: Claims; claims: Claims } {
  const [header = '', claims = ''] = jwt.split('.')
  return { header: decoded(header), claims: decoded(claims) }
}

function decoded(part: string): Claims {
  try {
    const binary = atob(part.replaceAll('-', '+').replaceAll('_', '/'))
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0))
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}
