// A JWT that a server signed: taken apart, held against what it must say, its signature checked.
// RFC 7519 section 7.2, RFC 7515 section 5.2, RFC 8725 (best practices: algorithms, key confusion, typ).
import { ConfigurationError, InvalidResponseError, quote } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import { isObject } from './answer-body.ts'
import { resolveEndpoints } from './endpoints.ts'
import { isIssuerOf } from './issuer.ts'
import { issuerKeys, joseLibrary, type KeySet, type KeySource, keysAtHand } from './jwks.ts'
import type { RequestOptions } from './request-options.ts'

/** What a JWT is held against. */
export interface JwtExpectation {
  /** What it is, with its article, for messages: `an introspection response`. */
  what: string
  /** Whom it must be for; one of several is enough. Default: not looked at. */
  audience?: string | readonly string[] | undefined
  /** Who must have issued it. Default: the provider's issuer, in any of the spellings that it uses. */
  issuer?: string | undefined
  /** The `typ` that its header must have, with or without `application/`. Default: not looked at. */
  typ?: string | undefined
  /** The only algorithms taken. Default: whatever the issuer's keys are for. */
  algorithms?: readonly string[] | undefined
  /** Claims that must be there. */
  required?: readonly string[] | undefined
  /** Of `iss` and `aud`, what may be missing. What is there must be right all the same. */
  optional?: readonly ('iss' | 'aud')[] | undefined
  /** The key of an HMAC (`HS256`), which `algorithms` must name too. Secret. */
  clientSecret?: string | undefined
  /** How often newer keys may be asked for because of such a JWT, in milliseconds. Default 30 000. */
  patienceMs?: number | undefined
}

/** A JWT, taken apart. Nothing of it has been checked. */
export interface ParsedJwt {
  alg: string
  header: Readonly<Record<string, unknown>>
  claims: Readonly<Record<string, unknown>>
}

/** What the signature turned out to be. `unknown_key`: the issuer has no such key; `unsupported`: not for this runtime. */
export type SignatureState = 'good' | 'bad' | 'unknown_key' | 'unsupported'

/** How far clocks may be apart, in seconds. */
export const clockToleranceSeconds = 30

/** No JWT of an answer or a callback is longer, in characters. */
const maxJwtLength = 256 * 1024

/** Keys tried for a JWT that does not name one. */
const maxTries = 10

/**
 * Checks a JWT that an issuer signed: algorithm, signature by one of its keys, issuer, audience, times, type. The key
 * comes from the issuer's JWKS, never from the JWT (`jku`, `jwk`, `x5c`); `none` is never taken, nor is an extension
 * that it calls critical.
 *
 * @param provider with its endpoints resolved; without a `jwksUrl` its issuer is asked for one.
 * @throws {InvalidResponseError} `jwt_invalid`: it must not be believed.
 * @throws {ConfigurationError} `provider_invalid`: the provider has no `jwksUrl`, or no `issuer` to compare.
 * @throws {NetworkError} TimeoutError, InvalidResponseError (`response_not_oauth`): the keys cannot be had; try later.
 */
export async function verifyJwt(
  provider: Provider,
  jwt: string,
  expected: JwtExpectation,
  options: RequestOptions = {},
): Promise<ParsedJwt> {
  const parsed = parseJwt(jwt)
  if (typeof parsed === 'string') throw refused(provider, expected, parsed)
  if (expected.issuer === undefined && provider.issuer === undefined)
    throw new ConfigurationError(
      'provider_invalid',
      `${provider.id} sent ${expected.what} as a JWT, and nobody can tell whether it is the issuer's. Set issuer in the provider.`,
    )
  const problem = algorithmProblem(parsed.alg, expected) ?? claimProblem(provider, parsed, expected, options)
  if (problem !== undefined) throw refused(provider, expected, problem)
  const state = isHmac(parsed.alg)
    ? await hmacState(jwt, parsed.alg, expected.clientSecret ?? '')
    : await signatureState(await keySource(provider, options), jwt, options, expected.patienceMs)
  if (state !== 'good') throw refused(provider, expected, signatureProblems[state])
  return parsed
}

const signatureProblems = {
  bad: 'its signature is wrong',
  unknown_key: "it is signed by none of the issuer's keys",
  unsupported: 'it is signed in a way that this runtime does not know',
}

/** The sentence about a signature that is not good. */
export function signatureProblem(state: Exclude<SignatureState, 'good'>): string {
  return signatureProblems[state]
}

function refused(provider: Provider, { what }: JwtExpectation, problem: string): InvalidResponseError {
  return new InvalidResponseError(
    'jwt_invalid',
    `${provider.id} sent ${what} that must not be believed: ${problem}. Nothing of it was used. Check this machine's clock, and issuer and jwksUrl of the provider.`,
  )
}

/** Takes a JWT apart, or says why it is none that can be checked. */
export function parseJwt(jwt: string): ParsedJwt | string {
  if (jwt.length > maxJwtLength) return 'it is too long'
  const parts = jwt.split('.')
  if (parts.length === 5)
    return 'it is encrypted, which this version does not read (register the client without encrypted responses)'
  const header = decoded(parts[0])
  const claims = decoded(parts[1])
  if (parts.length !== 3 || header === undefined || claims === undefined) return 'it is no JWT'
  const { alg } = header
  if (typeof alg !== 'string') return 'it does not say how it is signed'
  if (alg.toLowerCase() === 'none') return 'it is not signed'
  if ('crit' in header) return 'it demands an extension (crit) that nobody here knows'
  return { alg, header, claims }
}

function decoded(part = ''): Record<string, unknown> | undefined {
  try {
    const binary = atob(part.replaceAll('-', '+').replaceAll('_', '/'))
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0))
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Whether an algorithm is a symmetric one. */
export function isHmac(alg: string): boolean {
  return /^HS\d+$/.test(alg)
}

/** RFC 8725 sections 3.1 and 3.2: what is taken is ours to say. */
function algorithmProblem(alg: string, { algorithms, clientSecret }: JwtExpectation): string | undefined {
  const named = algorithms?.includes(alg)
  const taken = isHmac(alg) ? named === true && !!clientSecret : (named ?? true)
  return taken ? undefined : `it is signed with ${quote(alg, 20)}, which was not agreed on`
}

/** What is wrong with the header and the claims, in words; nothing: `undefined`. */
export function claimProblem(
  provider: Provider,
  { header, claims }: ParsedJwt,
  expected: JwtExpectation,
  options: Pick<RequestOptions, 'now'>,
): string | undefined {
  const missing = expected.required?.find((name) => claims[name] === undefined)
  if (missing !== undefined) return `it has no ${missing}`
  if (expected.typ !== undefined && mediaType(header['typ']) !== mediaType(expected.typ))
    return `it is of another type than ${expected.typ}`
  const isLeftOut = (name: 'iss' | 'aud') =>
    claims[name] === undefined && expected.optional?.includes(name) === true
  if (!isLeftOut('iss') && !isIssuerOf(provider, claims, expected.issuer)) return 'it is from another issuer'
  const { audience } = expected
  if (audience !== undefined && !isLeftOut('aud') && !isFor(claims['aud'], audience))
    return 'it is not for us'
  return timeProblem(claims, Math.floor((options.now ?? Date.now)() / 1000))
}

/** RFC 7515 section 4.1.9: `application/` may be left out. */
function mediaType(typ: unknown): string | undefined {
  if (typeof typ !== 'string') return undefined
  return (typ.includes('/') ? typ : `application/${typ}`).toLowerCase()
}

/** RFC 7519 section 4.1.3. */
function isFor(audience: unknown, us: string | readonly string[]): boolean {
  const named = Array.isArray(audience) ? audience : [audience]
  return [us].flat().some((one) => named.includes(one))
}

/** RFC 7519 sections 4.1.4 to 4.1.6. When it was made is not held against our clock: `exp` and `nbf` are. */
function timeProblem(claims: ParsedJwt['claims'], now: number): string | undefined {
  for (const name of ['exp', 'nbf', 'iat'])
    if (claims[name] !== undefined && !Number.isFinite(claims[name])) return `its ${name} is no time`
  if (Number(claims['exp'] ?? Infinity) <= now - clockToleranceSeconds) return 'it has ended'
  if (Number(claims['nbf'] ?? 0) > now + clockToleranceSeconds) return 'it is not valid yet'
  return undefined
}

/** @throws {ConfigurationError} `provider_invalid`: the issuer publishes no keys. */
async function keySource(provider: Provider, options: RequestOptions): Promise<KeySource> {
  const { jwksUrl } = await resolveEndpoints(provider, undefined, options, ['jwksUrl'])
  if (jwksUrl !== undefined) return { who: provider.id, url: jwksUrl }
  throw new ConfigurationError(
    'provider_invalid',
    `${provider.id} sends signed JWTs and its keys are not known. Set jwksUrl in the provider, or an issuer that names it.`,
  )
}

/**
 * Checks the signature with the issuer's keys, and once more with newer ones when none of them fits.
 *
 * @param patienceMs how often newer ones may be asked for. Default 30 000.
 * @throws what {@link issuerKeys} throws.
 */
export async function signatureState(
  source: KeySource,
  jwt: string,
  options: RequestOptions,
  patienceMs?: number,
): Promise<SignatureState> {
  const atHand = keysAtHand(source, options)
  const keys = await issuerKeys(source, options)
  const state = await signatureBy(keys, jwt)
  if (state === 'good' || state === 'unsupported' || keys !== atHand) return state
  const newer = await issuerKeys(source, options, keys, patienceMs)
  return newer === keys ? state : signatureBy(newer, jwt)
}

/** Checks the signature with one set of keys. */
export async function signatureBy({ find }: KeySet, jwt: string): Promise<SignatureState> {
  const { compactVerify, errors } = await joseLibrary()
  try {
    await compactVerify(jwt, find)
    return 'good'
  } catch (error) {
    if (error instanceof errors.JWKSMultipleMatchingKeys) return signatureByAny(error, jwt)
    return stateIn(error, errors)
  }
}

async function signatureByAny(keys: AsyncIterable<CryptoKey>, jwt: string): Promise<SignatureState> {
  const { compactVerify } = await joseLibrary()
  let tries = 0
  for await (const key of keys) {
    const good = await compactVerify(jwt, key).then(
      () => true,
      () => false,
    )
    if (good) return 'good'
    tries += 1
    if (tries >= maxTries) break
  }
  return 'bad'
}

function stateIn(error: unknown, errors: Awaited<ReturnType<typeof joseLibrary>>['errors']): SignatureState {
  if (error instanceof errors.JWKSNoMatchingKey) return 'unknown_key'
  if (error instanceof errors.JOSENotSupported) return 'unsupported'
  return 'bad'
}

/** Checks an HMAC with the client's secret. */
export async function hmacState(jwt: string, alg: string, secret: string): Promise<SignatureState> {
  if (secret === '') return 'unknown_key'
  const { compactVerify } = await joseLibrary()
  const key = new TextEncoder().encode(secret)
  return compactVerify(jwt, key, { algorithms: [alg] }).then(
    () => 'good',
    () => 'bad',
  )
}
