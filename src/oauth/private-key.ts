// Our own private key, made ready to sign: client assertions, request objects, JWT grants.
// RFC 7515 section 4.1.1 (alg), RFC 7517 (JWK), RFC 5208 (PKCS #8), RFC 7518 section 3.1 (algorithms).
import { ConfigurationError, quote } from '../errors.ts'
import type { ClientKey } from './client.ts'

/** A key that signs, and how its signatures are labelled. */
export interface SigningKey {
  key: CryptoKey
  /** `kid` of the public key that the server knows. */
  kid: string | undefined
  /** JWS algorithm. */
  alg: string
  /** Further header members. */
  header?: Readonly<Record<string, unknown>> | undefined
}

type Algorithm = RsaHashedImportParams | EcKeyImportParams | { name: 'Ed25519' }

/** The algorithms of ours, in the order in which a PEM text is tried. All but the `EdDSA` alias are RFC 7518 and 9864. */
const algorithms: Readonly<Record<string, Algorithm>> = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  Ed25519: { name: 'Ed25519' },
  ES384: { name: 'ECDSA', namedCurve: 'P-384' },
  ES512: { name: 'ECDSA', namedCurve: 'P-521' },
  RS384: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-384' },
  RS512: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
  PS384: { name: 'RSA-PSS', hash: 'SHA-384' },
  PS512: { name: 'RSA-PSS', hash: 'SHA-512' },
  EdDSA: { name: 'Ed25519' },
}

/** What a PEM text may be when nobody says: one algorithm for each kind of key. */
const firstOfKind = ['ES256', 'RS256', 'Ed25519', 'ES384', 'ES512']

const imported = new WeakMap<ClientKey, Promise<SigningKey>>()

/**
 * A private key ready to sign. Imported once for each `ClientKey` object.
 *
 * @throws {ConfigurationError} `config_invalid`: no private key, one of another form, or one too short (RSA below 2048
 *   bits). The key is never quoted.
 */
export function signingKey(clientKey: ClientKey): Promise<SigningKey> {
  const known = imported.get(clientKey)
  if (known !== undefined) return known
  const key = importKey(clientKey)
  imported.set(clientKey, key)
  return key
}

/**
 * A compact JWS of our own over some claims (RFC 7515, RFC 7519).
 *
 * @param header members beside `alg` and `kid`, such as `typ`.
 */
export async function signJwt(
  clientKey: ClientKey,
  claims: Readonly<Record<string, unknown>>,
  header: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const { key, kid, alg, header: own } = await signingKey(clientKey)
  const { SignJWT } = await import('jose')
  const named = kid === undefined ? {} : { kid }
  return new SignJWT({ ...claims }).setProtectedHeader({ ...own, ...header, alg, ...named }).sign(key)
}

async function importKey(clientKey: ClientKey): Promise<SigningKey> {
  return { ...(await importMaterial(clientKey)), header: clientKey.header }
}

async function importMaterial({ key, kid, alg }: ClientKey): Promise<SigningKey> {
  if (alg !== undefined && !Object.hasOwn(algorithms, alg))
    throw unusable(
      `${quote(alg, 20)} is no algorithm for a private key; ${Object.keys(algorithms).join(', ')} are`,
    )
  if (typeof key === 'string') return longEnough({ ...(await fromPem(key, alg)), kid })
  if ('algorithm' in key) return longEnough({ key: asSigning(key), kid, alg: alg ?? algorithmOf(key) })
  return longEnough(await fromJwk(key, kid, alg))
}

async function fromJwk(
  jwk: JsonWebKey,
  kid: string | undefined,
  chosen: string | undefined,
): Promise<SigningKey> {
  if (typeof jwk.d !== 'string') throw unusable('the JWK has no private part (d), or is symmetric')
  const alg = chosen ?? jwk.alg ?? kindOf(jwk)
  const algorithm = Object.hasOwn(algorithms, alg) ? algorithms[alg] : undefined
  if (algorithm === undefined) throw unusable(`nothing here signs with ${quote(alg, 20)}`)
  // What the JWK says about its own use is for the server's side (`use: sig` and `key_ops: verify` are common).
  const { use: _use, key_ops: _operations, alg: _alg, ext: _ext, ...material } = jwk
  const named = kid ?? (jwk as { kid?: unknown }).kid
  try {
    const key = await crypto.subtle.importKey('jwk', material, algorithm, false, ['sign'])
    return { key, kid: typeof named === 'string' ? named : undefined, alg }
  } catch (cause) {
    throw unusable(`the JWK cannot be read as a key for ${alg}`, { cause })
  }
}

/** The algorithm that fits a JWK which names none. */
function kindOf({ kty, crv }: JsonWebKey): string {
  if (kty === 'RSA') return 'RS256'
  const curves: Readonly<Record<string, string>> = {
    'P-256': 'ES256',
    'P-384': 'ES384',
    'P-521': 'ES512',
    Ed25519: 'Ed25519',
  }
  return curves[crv ?? ''] ?? `${kty ?? 'a JWK without kty'} ${crv ?? ''}`.trim()
}

async function fromPem(text: string, alg: string | undefined): Promise<Omit<SigningKey, 'kid'>> {
  const bytes = pemBytes(text)
  for (const name of alg === undefined ? firstOfKind : [alg]) {
    const algorithm = algorithms[name]
    if (algorithm === undefined) continue
    const key = await crypto.subtle
      .importKey('pkcs8', bytes, algorithm, false, ['sign'])
      .catch(() => undefined)
    if (key !== undefined) return { key, alg: name }
  }
  throw unusable(`the PEM text holds no key for ${alg ?? 'any algorithm that is known here'}`)
}

function pemBytes(text: string): Uint8Array<ArrayBuffer> {
  const [, label, body = ''] = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/.exec(text) ?? []
  if (label === undefined) throw unusable('the text is no PEM (-----BEGIN PRIVATE KEY-----)')
  if (label !== 'PRIVATE KEY')
    throw unusable(
      `a PEM text "${label}" is not read; make it PKCS #8: openssl pkcs8 -topk8 -nocrypt -in <file>`,
    )
  try {
    return Uint8Array.from(atob(body.replace(/\s+/g, '')), (character) => character.charCodeAt(0))
  } catch {
    throw unusable('the PEM text is damaged')
  }
}

function asSigning(key: CryptoKey): CryptoKey {
  if (key.type === 'private' && key.usages.includes('sign')) return key
  throw unusable(
    `the CryptoKey is ${key.type} with the usages ${key.usages.join(', ') || 'none'}; it has to be private, with sign`,
  )
}

function algorithmOf(key: CryptoKey): string {
  const { name, namedCurve, hash } = key.algorithm as {
    name: string
    namedCurve?: string
    hash?: { name: string }
  }
  const found = Object.entries(algorithms).find(([, known]) => {
    if (known.name !== name) return false
    return 'namedCurve' in known
      ? known.namedCurve === namedCurve
      : !('hash' in known) || known.hash === hash?.name
  })
  if (found !== undefined) return found[0]
  throw unusable(`nothing here signs with a key for ${quote(name, 40)}`)
}

/** RFC 7518 section 3.3. */
function longEnough(key: SigningKey): SigningKey {
  const { modulusLength } = key.key.algorithm as { modulusLength?: number }
  if (modulusLength === undefined || modulusLength >= 2048) return key
  throw unusable(`an RSA key of ${modulusLength} bits is too short; 2048 are the least`)
}

function unusable(problem: string, options?: { cause: unknown }): ConfigurationError {
  return new ConfigurationError(
    'config_invalid',
    `The client's privateKey cannot be used: ${problem}.`,
    options,
  )
}
