// Tokens that are bound to a key: proofs are checked, nonces given, keys remembered. RFC 9449 sections 4.3, 5, 7, 8 and 10.
import { createHash, createPublicKey, type JsonWebKey, verify } from 'node:crypto'
import type { ServerBehaviour } from './behaviour.ts'
import { type Exchange, type Fault, isFault, type Reply } from './exchange.ts'
import type { Secrets } from './secrets.ts'

/** A proof that is older, or of the future, is not believed, in seconds. */
const longestSeconds = 60

type Members = Readonly<Record<string, unknown>>

/** What the server knows of keys. */
export class KeyProofs {
  /** Thumbprint by code, access token or refresh token. */
  readonly #bound = new Map<string, string>()
  readonly #seen = new Set<string>()
  readonly #secrets: Secrets
  readonly #clock: () => number
  readonly #behaviour: () => ServerBehaviour
  #nonce: string | undefined

  constructor(secrets: Secrets, clock: () => number, behaviour: () => ServerBehaviour) {
    this.#secrets = secrets
    this.#clock = clock
    this.#behaviour = behaviour
  }

  /** Makes every nonce so far stale. */
  rotateNonce(): void {
    this.#nonce = this.#secrets.make('client').replace(/^client_/, '')
  }

  /** Binds a code or token to a key; `undefined`: to none. */
  bind(secret: string | undefined, thumbprint: string | undefined): void {
    if (secret !== undefined && thumbprint !== undefined) this.#bound.set(secret, thumbprint)
  }

  /** The key that a code or token is bound to. */
  keyOf(secret: string): string | undefined {
    return this.#bound.get(secret)
  }

  /** The answer with the nonce for the next proof, where there are nonces. */
  withNonce(reply: Reply): Reply {
    const { dpop, dpopNonces } = this.#behaviour()
    if (dpop === undefined || dpopNonces !== true) return reply
    return { ...reply, headers: { ...reply.headers, 'dpop-nonce': this.#currentNonce() } }
  }

  /** The thumbprint of the key that a request proves; `undefined`: it proves none. */
  check(exchange: Exchange, url: string, accessToken?: string): string | undefined | Fault {
    const { dpop } = exchange.headers
    if (dpop === undefined || this.#behaviour().dpop === undefined) return undefined
    const [head = '', payload = '', signature = '', ...more] = dpop.split('.')
    const [header, claims] = [decoded(head), decoded(payload)]
    const key = header === undefined ? undefined : publicKey(header)
    if (more.length > 0 || key === undefined || claims === undefined) return unbelieved('it is no DPoP proof')
    const signed = { key: createPublicKey({ key, format: 'jwk' }), dsaEncoding: 'ieee-p1363' } as const
    if (!verify('sha256', Buffer.from(`${head}.${payload}`), signed, Buffer.from(signature, 'base64url')))
      return unbelieved('its signature is wrong')
    return this.#problem(claims, exchange.method, url, accessToken) ?? thumbprintOf(key)
  }

  #problem(claims: Members, method: string, url: string, accessToken: string | undefined): Fault | undefined {
    const { htm, htu, iat, jti, ath, nonce } = claims
    if (htm !== method || htu !== url) return unbelieved('it is for another request')
    const age = Math.abs(this.#clock() / 1000 - Number(iat))
    if (!(age <= longestSeconds)) return unbelieved('it is not of now')
    if (accessToken !== undefined && ath !== sha256(accessToken)) return unbelieved('it is for another token')
    if (this.#behaviour().dpopNonces === true && nonce !== this.#currentNonce())
      return { error: 'use_dpop_nonce', description: 'the nonce of this server is wanted' }
    if (typeof jti !== 'string' || this.#seen.has(jti)) return unbelieved('it was used before')
    this.#seen.add(jti)
    return undefined
  }

  #currentNonce(): string {
    if (this.#nonce === undefined) this.rotateNonce()
    return this.#nonce ?? ''
  }
}

/** Whether a request may use a secret that is bound to a key, and whether one is demanded. */
export function keyFault(
  proofs: KeyProofs,
  proved: string | undefined | Fault,
  secrets: readonly (string | undefined)[],
  { dpop }: ServerBehaviour,
): Fault | undefined {
  if (isFault(proved)) return proved
  for (const secret of secrets) {
    const key = secret === undefined ? undefined : proofs.keyOf(secret)
    if (key !== undefined && key !== proved)
      return { error: 'invalid_grant', description: 'it is bound to another key' }
  }
  if (dpop === 'required' && proved === undefined) return unbelieved('there is none')
  return undefined
}

function unbelieved(why: string): Fault {
  return { error: 'invalid_dpop_proof', description: `the proof is not believed: ${why}` }
}

function publicKey(header: Members): JsonWebKey | undefined {
  const { typ, alg, jwk } = header
  const key = jwk as JsonWebKey | undefined
  const usable = typ === 'dpop+jwt' && alg === 'ES256' && key?.['kty'] === 'EC' && key['crv'] === 'P-256'
  return usable && key['d'] === undefined ? key : undefined
}

/** RFC 7638. */
function thumbprintOf({ crv, kty, x, y }: JsonWebKey): string {
  return sha256(JSON.stringify({ crv, kty, x, y }))
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

function decoded(part: string): Members | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    return typeof value === 'object' && value !== null ? (value as Members) : undefined
  } catch {
    return undefined
  }
}
