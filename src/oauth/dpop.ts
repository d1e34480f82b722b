// Proofs of possession: an access token that is bound to a key is worth nothing to who has the token alone.
// RFC 9449 sections 4 (proofs), 5 (token requests), 8 and 9 (nonces of the server's). ES256, Web Crypto alone.
import { argumentError } from '../errors.ts'
import { base64urlOfAscii, base64urlOfBytes } from './base64url.ts'

/** The request that a proof is for. */
export interface ProvedRequest {
  method: string
  url: URL
  /** For resources; absent at a token endpoint. */
  accessToken?: string | undefined
  /** The server's nonce, where it has given one. */
  nonce: string | undefined
  /** Milliseconds since 1970. */
  now: number
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const encoder = new TextEncoder()

/** Makes the proofs of one key, and knows the nonces that servers gave for it. */
export class Prover {
  readonly #privateKey: CryptoKey
  readonly #publicJwk: Readonly<Record<'crv' | 'kty' | 'x' | 'y', string>>
  /** The same in each proof. */
  readonly #header: string
  readonly #nonces = new Nonces(100)
  /** The token of the last proof, and its hash. */
  #hashed: { token: string; hash: string } | undefined

  constructor(privateKey: CryptoKey, x: string, y: string) {
    this.#privateKey = privateKey
    // Members in the order of RFC 7638 section 3.
    this.#publicJwk = { crv: 'P-256', kty: 'EC', x, y }
    this.#header = base64urlOfAscii(JSON.stringify({ typ: 'dpop+jwt', alg: 'ES256', jwk: this.#publicJwk }))
  }

  /** RFC 7638. */
  thumbprint(): Promise<string> {
    return sha256(JSON.stringify(this.#publicJwk))
  }

  /** The value of a `DPoP` header, for one request only (RFC 9449 section 4.2). */
  async proof({ method, url, accessToken, nonce, now }: ProvedRequest): Promise<string> {
    let hashed = this.#hashed
    if (accessToken !== undefined && accessToken !== hashed?.token)
      this.#hashed = hashed = { token: accessToken, hash: await sha256(accessToken) }
    const claims = {
      jti: crypto.randomUUID(),
      htm: method,
      htu: url.origin + url.pathname,
      iat: Math.floor(now / 1000),
      ath: accessToken === undefined ? undefined : hashed?.hash,
      nonce,
    }
    const signed = `${this.#header}.${base64urlOfAscii(JSON.stringify(claims))}`
    const signature = await crypto.subtle.sign(algorithm, this.#privateKey, encoder.encode(signed))
    return `${signed}.${base64urlOfBytes(new Uint8Array(signature))}`
  }

  /** The nonce for the next proof to an origin: the last one given for this key, else for any. */
  nonceFor(origin: string): string | undefined {
    return this.#nonces.get(origin) ?? lastNonces.get(origin)
  }

  /**
   * Takes the nonce of an answer, a successful one too (RFC 9449 section 8.2).
   *
   * @param sent the nonce of the proof that was answered.
   * @returns a nonce that is worth another try: one that was given, and is not the one that was sent.
   */
  learn(origin: string, headers: Headers, sent: string | undefined): string | undefined {
    const given = headers.get('dpop-nonce')
    if (given === null || given === sent || !isNonce(given)) return undefined
    this.#nonces.set(origin, given)
    lastNonces.set(origin, given)
    return given
  }
}

/** Nonces by origin; the oldest make room. */
class Nonces {
  readonly #byOrigin = new Map<string, string>()
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  get(origin: string): string | undefined {
    return this.#byOrigin.get(origin)
  }

  set(origin: string, nonce: string): void {
    this.#byOrigin.delete(origin)
    this.#byOrigin.set(origin, nonce)
    const oldest = this.#byOrigin.size > this.#limit ? this.#byOrigin.keys().next().value : undefined
    if (oldest !== undefined) this.#byOrigin.delete(oldest)
  }
}

/** Most servers give all keys the same nonces, so a new key need not ask for its own first. */
const lastNonces = new Nonces(1000)

/** RFC 9449 section 8.1, and no longer than a header should be. */
function isNonce(text: string): boolean {
  return /^[\x21\x23-\x5b\x5d-\x7e]{1,1024}$/.test(text)
}

const provers = new WeakMap<JsonWebKey, Prover | Promise<Prover>>()

/**
 * The prover of a key; the key is imported once. Without a promise when that is done.
 *
 * @throws {TypeError} `invalid_argument` when it is no private ES256 key.
 */
export function proverOf(key: JsonWebKey): Prover | Promise<Prover> {
  const known = provers.get(key)
  if (known !== undefined) return known
  const importing = importKey(key).then((prover) => {
    provers.set(key, prover)
    return prover
  })
  provers.set(key, importing)
  return importing
}

async function importKey({ kty, crv, x, y, d }: JsonWebKey): Promise<Prover> {
  const unusable = 'A DPoP key is a private JWK for ES256 (kty EC, crv P-256, with x, y and d).'
  if (kty !== 'EC' || crv !== 'P-256' || !x || !y || !d) throw argumentError(unusable)
  try {
    const privateKey = await crypto.subtle.importKey('jwk', { kty, crv, x, y, d }, algorithm, false, ['sign'])
    return new Prover(privateKey, x, y)
  } catch {
    // What the runtime says of a key may quote it.
    throw argumentError(unusable)
  }
}

/** Behind `generateDpopKey` of dpop-key.ts, which documents it. */
export async function newKey(): Promise<JsonWebKey> {
  const { privateKey } = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const { kty, crv, x, y, d } = await crypto.subtle.exportKey('jwk', privateKey)
  return { kty, crv, x, y, d } as JsonWebKey
}

async function sha256(text: string): Promise<string> {
  return base64urlOfBytes(new Uint8Array(await crypto.subtle.digest('SHA-256', encoder.encode(text))))
}
