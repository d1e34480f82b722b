// The claims of an id_token, and who vouches for them: a key of the issuer's, or TLS to its token endpoint (rule 6).
// OpenID Connect Core sections 3.1.3.6 to 3.1.3.8, 3.2.2.11, 3.3.2.11 and 12.2.
import { ConfigurationError, InvalidResponseError, ToolgrantError } from '../errors.ts'
import { type Provider, resolveVariables } from '../providers/index.ts'
import type { Client } from './client.ts'
import type { Deviation } from './deviation.ts'
import { resolveEndpoints } from './endpoints.ts'
import type { KeptIdToken } from './grant.ts'
import { isAtHostOf, isIssuerOf } from './issuer.ts'
import { keysAtHand } from './jwks.ts'
import { defaultTimeoutMs, type RequestOptions } from './request-options.ts'
import {
  claimProblem,
  clockToleranceSeconds,
  hmacState,
  isHmac,
  type ParsedJwt,
  parseJwt,
  type SignatureState,
  signatureBy,
  signatureProblem,
  signatureState,
} from './signed-jwt.ts'

/** What an id_token is held against, besides issuer, audience and time. */
export interface IdTokenExpectation {
  /** Sent with the request: then it must be there. */
  nonce?: string | undefined
  /** The person must have signed in no longer ago than so many seconds; the id_token must say when. */
  maxAge?: number | undefined
  /** Issued beside it: `at_hash` must fit where there is one. */
  accessToken?: string | undefined
  /** Issued beside it: `c_hash` must fit where there is one. */
  code?: string | undefined
  /** Sent with the request: `s_hash` must fit where there is one. */
  state?: string | undefined
}

/** Keys are asked for in this time, and no longer, where TLS vouches for an id_token without them. */
const keysTimeoutMs = 5000

/**
 * Checks an id_token of the token endpoint when the issuer is known: iss, aud, azp, exp, iat, sub, nonce, auth_time,
 * at_hash, c_hash, and its signature when the provider has a `jwksUrl`. The code is used up by then, so keys that
 * cannot be had do not cost the tokens: TLS vouches for them (section 3.1.3.7, rule 6), and a deviation says so.
 *
 * @throws {InvalidResponseError} `id_token_invalid`: it is not for this sign-in.
 */
export async function checkIdToken(
  provider: Provider,
  client: Client,
  idToken: string,
  expected: IdTokenExpectation,
  options: RequestOptions,
): Promise<readonly Deviation[]> {
  if (provider.issuer === undefined) return []
  const parsed = await checkedClaims(provider, client, idToken, expected, options)
  const { jwksUrl: url } = provider
  if (!isSigningAlgorithm(parsed.alg)) throw invalid(provider, 'its signature is of an unknown kind')
  if (url === undefined) return []
  const timeoutMs = Math.min(options.timeoutMs ?? defaultTimeoutMs, keysTimeoutMs)
  const sender = { ...options, timeoutMs, fetch: options.fetch ?? client.fetch }
  if (isHmac(parsed.alg)) return hmacDeviations(provider, client, idToken, parsed.alg)
  const source = { who: provider.id, url }
  // Nobody but the provider can make us ask again, so its new key is asked for at once.
  const state = await signatureState(source, idToken, sender, 0).catch((error: unknown) => {
    if (error instanceof ToolgrantError) return 'no keys' as const
    throw error
  })
  if (state === 'good') return []
  if (state === 'no keys' || state === 'unsupported')
    return [{ code: 'signature', member: 'id_token', found: state }]
  throw invalid(provider, signatureProblem(state))
}

/**
 * {@link checkIdToken} as a grant takes it.
 *
 * @param provider with its endpoints resolved.
 */
export function idTokenCheck(
  provider: Provider,
  client: Client,
  expected: IdTokenExpectation,
  options: RequestOptions,
): (idToken: string | undefined, accessToken: string) => Promise<KeptIdToken> {
  return async (idToken, accessToken) => {
    if (idToken === undefined) return { idToken }
    const deviations = await checkIdToken(provider, client, idToken, { ...expected, accessToken }, options)
    return { idToken, deviations }
  }
}

/**
 * Checks an id_token that came through the browser, where nothing but its signature vouches for it, and for the
 * access token or code beside it.
 *
 * @throws {InvalidResponseError} `id_token_invalid`.
 * @throws {ConfigurationError} `provider_invalid`: no issuer, or no keys to check with.
 * @throws {NetworkError} TimeoutError, InvalidResponseError (`response_not_oauth`): the keys cannot be had.
 */
export async function assertFrontChannelIdToken(
  provider: Provider,
  client: Client,
  idToken: string,
  expected: IdTokenExpectation & { nonce: string },
  options: RequestOptions,
): Promise<void> {
  const resolved = await resolveEndpoints(provider, client, options, ['jwksUrl'])
  const { jwksUrl: url } = resolved
  if (resolved.issuer === undefined || url === undefined)
    throw new ConfigurationError(
      'provider_invalid',
      `${provider.id} sent an id_token through the browser, and its keys are not known. Set issuer and jwksUrl in the provider.`,
    )
  const parsed = await checkedClaims(resolved, client, idToken, expected, options)
  if (resolved.issuerVaries === true && !isAtHostOf(String(parsed.claims['iss']), resolved.issuer))
    throw invalid(provider, 'it is from another issuer')
  for (const [claim, beside] of [
    ['at_hash', expected.accessToken],
    ['c_hash', expected.code],
  ] as const)
    if (beside !== undefined && parsed.claims[claim] === undefined)
      throw invalid(provider, `it has no ${claim}`)
    else if (beside !== undefined && (await leftHalf(beside, parsed.alg)) === undefined)
      throw invalid(provider, `nobody can check its ${claim}: no hash is defined for its algorithm`)
  const sender = { ...options, fetch: options.fetch ?? client.fetch }
  const state = isHmac(parsed.alg)
    ? await hmacStateOf(client, idToken, parsed.alg)
    : await signatureState({ who: provider.id, url }, idToken, sender, 0) // it came with the right state
  if (state !== 'good') throw invalid(provider, signatureProblem(state))
}

/**
 * The id_token to keep after a refresh: the new one when it is about the same person, issuer and client, else the
 * old one. A bad id_token costs nobody the tokens: by now the old refresh token may be used up (section 12.2), so
 * nothing is asked for here either; the signature is checked with the keys at hand.
 */
export async function idTokenAfterRefresh(
  provider: Provider,
  client: Client,
  fresh: string | undefined,
  old: string | undefined,
  options: Pick<RequestOptions, 'fetch' | 'now'> = {},
): Promise<KeptIdToken> {
  if (fresh === undefined) return { idToken: old }
  // Without an issuer nothing of an id_token can be checked, here as little as at the first answer.
  if (provider.issuer === undefined && old === undefined) return { idToken: fresh }
  const parsed = parseJwt(fresh)
  const before = old === undefined ? undefined : parseJwt(old)
  const fits =
    typeof parsed !== 'string' &&
    isForSamePerson(provider, client, parsed, typeof before === 'object' ? before : undefined) &&
    (await isSignedByKeyAtHand(provider, client, fresh, parsed.alg, options))
  if (fits) return { idToken: fresh }
  return { idToken: old, deviations: [{ code: 'id_token', member: 'id_token', found: 'of another sign-in' }] }
}

function isForSamePerson(
  provider: Provider,
  client: Client,
  { claims }: ParsedJwt,
  before: ParsedJwt | undefined,
): boolean {
  const old = before?.claims ?? {}
  const issuer = old['iss'] ?? (provider.issuerVaries === true ? undefined : provider.issuer)
  const same = (claim: string) => old[claim] === undefined || old[claim] === claims[claim]
  return (
    [claims['aud']].flat().includes(client.clientId) &&
    (issuer === undefined || isIssuerOf({}, claims, String(issuer))) &&
    same('sub') &&
    (claims['nonce'] === undefined || same('nonce'))
  )
}

async function isSignedByKeyAtHand(
  provider: Provider,
  client: Client,
  idToken: string,
  alg: string,
  options: Pick<RequestOptions, 'fetch' | 'now'>,
): Promise<boolean> {
  const { jwksUrl: url } = provider
  if (url === undefined || isHmac(alg)) return true
  const keys = keysAtHand({ url }, { ...options, fetch: options.fetch ?? client.fetch })
  return keys === undefined || (await signatureBy(keys, idToken)) !== 'bad'
}

/** The claims of an id_token (OpenID Connect Core section 2). `sub` with `iss` names the person; the rest may change. */
export interface IdTokenClaims {
  readonly iss: string
  readonly sub: string
  readonly aud: string | readonly string[]
  /** Seconds since 1970. */
  readonly iat: number
  /** Seconds since 1970. */
  readonly exp: number
  readonly [claim: string]: unknown
}

/** Behind `idTokenClaims` of openid.ts, which documents it. */
export function validatedClaims(
  provider: Provider,
  client: Client,
  idToken: string | undefined,
): IdTokenClaims | undefined {
  if (idToken === undefined) return undefined
  const { issuer } = resolveVariables(provider, client.variables)
  if (issuer === undefined)
    throw new ConfigurationError(
      'provider_invalid',
      `${provider.id} has no issuer to compare an id_token with, so it was not checked when it came. Set issuer in the provider.`,
    )
  const claims = keptClaims(idToken)
  const ours = [claims?.['aud']].flat().includes(client.clientId)
  if (claims !== undefined && ours && isIssuerOf({ ...provider, issuer }, claims))
    return claims as IdTokenClaims
  throw new InvalidResponseError(
    'id_token_invalid',
    `The id_token is not one of ${provider.id} for this client. Ask with the provider and client that the tokens came by.`,
  )
}

/** The claims of an id_token that was checked when it came; `undefined` where there are none to read. */
export function keptClaims(idToken: string | undefined): ParsedJwt['claims'] | undefined {
  const parsed = idToken === undefined ? undefined : parseJwt(idToken)
  return typeof parsed === 'object' ? parsed.claims : undefined
}

async function checkedClaims(
  provider: Provider,
  client: Client,
  idToken: string,
  expected: IdTokenExpectation,
  options: Pick<RequestOptions, 'now'>,
): Promise<ParsedJwt> {
  const parsed = parseJwt(idToken)
  if (typeof parsed === 'string') throw invalid(provider, parsed)
  const required = ['iss', 'sub', 'aud', 'exp', 'iat']
  const usual = { what: 'an id_token', audience: client.clientId, required }
  const problem =
    claimProblem(provider, parsed, usual, options) ??
    kindProblem(parsed) ??
    partyProblem(parsed, client) ??
    signInProblem(parsed, expected, options) ??
    (await hashProblem(parsed, expected))
  if (problem !== undefined) throw invalid(provider, problem)
  if (client.idTokenSigningAlg !== undefined && parsed.alg !== client.idTokenSigningAlg)
    throw invalid(provider, `the client is registered for ${client.idTokenSigningAlg} (idTokenSigningAlg)`)
  return parsed
}

/** RFC 8725 section 3.12: an access token (`at+jwt`) or a logout token of the same issuer is no id_token. */
function kindProblem({ header }: ParsedJwt): string | undefined {
  const kind = /([\w-]+)\+jwt$/i.exec(String(header['typ'] ?? ''))?.[1]
  return kind === undefined || /^id[_-]token$/i.test(kind) ? undefined : 'it is a JWT of another kind (typ)'
}

/** Section 3.1.3.7 rules 3 to 5; with one audience `azp` may name another client of the same owner (Google). */
function partyProblem({ claims }: ParsedJwt, client: Client): string | undefined {
  const { aud, azp, sub } = claims
  if (typeof sub !== 'string' || sub === '') return 'it names nobody (sub)'
  if (!Array.isArray(aud) || aud.length === 1 || azp === client.clientId) return undefined
  return 'it is for several clients, and another one was authorised (azp)'
}

/** Section 3.1.3.7 rules 11 and 13; a nonce that was not sent is nobody's business. */
function signInProblem(
  { claims }: ParsedJwt,
  { nonce, maxAge }: IdTokenExpectation,
  options: Pick<RequestOptions, 'now'>,
): string | undefined {
  if (nonce !== undefined && claims['nonce'] !== nonce) return 'its nonce is not the one that was sent'
  if (maxAge === undefined) return undefined
  const signedInAt = claims['auth_time']
  if (typeof signedInAt !== 'number') return 'it does not say when the person signed in (auth_time)'
  const age = (options.now ?? Date.now)() / 1000 - signedInAt
  return age <= maxAge + clockToleranceSeconds ? undefined : 'the person signed in too long ago (max_age)'
}

/** Sections 3.1.3.8 and 3.3.2.11: what came beside it belongs to it. */
async function hashProblem(
  { alg, claims }: ParsedJwt,
  { accessToken, code, state }: IdTokenExpectation,
): Promise<string | undefined> {
  for (const [claim, beside] of Object.entries({ at_hash: accessToken, c_hash: code, s_hash: state })) {
    const named = claims[claim]
    if (named === undefined || beside === undefined) continue
    const hash = await leftHalf(beside, alg)
    if (hash !== undefined && hash !== named)
      return `its ${claim} is of something else than what came beside it`
  }
  return undefined
}

/** The left half of a hash, of the family that the signature uses. `undefined`: nobody has defined it for this algorithm. */
async function leftHalf(text: string, alg: string): Promise<string | undefined> {
  const bits = /^(?:Ed25519|EdDSA)$/.test(alg) ? '512' : /^[A-Z]{2}(256|384|512)K?$/.exec(alg)?.[1]
  if (bits === undefined) return undefined
  const digest = new Uint8Array(await crypto.subtle.digest(`SHA-${bits}`, new TextEncoder().encode(text)))
  const half = String.fromCharCode(...digest.subarray(0, digest.length / 2))
  return btoa(half).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** The client's secret is a key where the client says so; elsewhere nobody else can have made this, and a row says so. */
async function hmacDeviations(
  provider: Provider,
  client: Client,
  idToken: string,
  alg: string,
): Promise<readonly Deviation[]> {
  if ((await hmacState(idToken, alg, client.clientSecret ?? '')) !== 'good')
    throw invalid(provider, 'its signature is wrong')
  if (client.idTokenSigningAlg === alg || provider.idTokenSigningAlgs?.includes(alg) === true) return []
  return [{ code: 'signature', member: 'id_token', found: alg, row: { idTokenSigningAlgs: [alg] } }]
}

/** Through the browser, the client's secret is a key only where the client was registered so. */
async function hmacStateOf(client: Client, idToken: string, alg: string): Promise<SignatureState> {
  return client.idTokenSigningAlg === alg ? hmacState(idToken, alg, client.clientSecret ?? '') : 'unknown_key'
}

/** Where TLS vouches, any real signature will do; `none` will not. */
function isSigningAlgorithm(alg: string): boolean {
  return /^((RS|PS|ES|HS)(256|384|512)|ES256K|EdDSA|Ed25519|ML-DSA-\d\d)$/.test(alg)
}

function invalid(provider: Provider, problem: string): InvalidResponseError {
  return new InvalidResponseError(
    'id_token_invalid',
    `${provider.id} sent an id_token that is not for this sign-in: ${problem}. Nothing was kept; start again.`,
  )
}
