// The id_token and the key that signs it: RS256. OpenID Connect Core sections 2 and 3.1.3.6, RFC 7517, RFC 7515.
import { createHash, generateKeyPair, type KeyObject, sign } from 'node:crypto'
import { promisify } from 'node:util'
import type { IdTokenShape } from './behaviour.ts'

interface SigningKey {
  id: string
  privateKey: KeyObject
  publicKey: KeyObject
}

/** Made at first use, once in a process: making one takes a noticeable part of a second. */
const keys = new Map<'right' | 'wrong', Promise<SigningKey>>()

function signingKey(which: 'right' | 'wrong'): Promise<SigningKey> {
  const known = keys.get(which)
  if (known !== undefined) return known
  const made = promisify(generateKeyPair)('rsa', { modulusLength: 2048 }).then((pair) => {
    const id = createHash('sha256')
      .update(pair.publicKey.export({ type: 'spki', format: 'der' }))
      .digest('base64url')
    return { id: which === 'right' ? id : 'the-right-one-is-another', ...pair }
  })
  keys.set(which, made)
  return made
}

/** The JWKS (RFC 7517 section 5). */
export async function jwks(): Promise<{ keys: unknown[] }> {
  const { id, publicKey } = await signingKey('right')
  return { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: id, use: 'sig', alg: 'RS256' }] }
}

/** What an id_token says. */
export interface IdTokenFacts {
  issuer: string
  user: string
  clientId: string
  nonce: string | undefined
  /** Issued beside it: bound by `at_hash`. */
  accessToken?: string | undefined
  /** Issued beside it: bound by `c_hash`. */
  code?: string | undefined
  /** Milliseconds since 1970, the server's clock. */
  now: number
}

/** A signed id_token that lives five minutes, changed as `shape` says. */
export async function idToken(facts: IdTokenFacts, shape: IdTokenShape = {}): Promise<string> {
  const issuedAt = Math.floor(facts.now / 1000)
  const claims = {
    iss: facts.issuer,
    sub: facts.user,
    aud: facts.clientId,
    iat: issuedAt,
    exp: issuedAt + 300,
    auth_time: issuedAt,
    ...(facts.accessToken === undefined ? {} : { at_hash: leftHalf(facts.accessToken) }),
    ...(facts.code === undefined ? {} : { c_hash: leftHalf(facts.code) }),
    ...(facts.nonce === undefined ? {} : { nonce: facts.nonce }),
    ...shape.claims,
  }
  if (shape.signature === 'none') return `${encode({ alg: 'none' })}.${encode(claims)}.`
  const key = await signingKey(shape.signature === 'wrong-key' ? 'wrong' : 'right')
  const input = `${encode({ alg: 'RS256', typ: 'JWT', kid: key.id })}.${encode(claims)}`
  return `${input}.${sign('sha256', Buffer.from(input), key.privateKey).toString('base64url')}`
}

/** The left half of the hash of an access token or code (OpenID Connect Core sections 3.1.3.6 and 3.3.2.11). */
function leftHalf(secret: string): string {
  return createHash('sha256').update(secret, 'ascii').digest().subarray(0, 16).toString('base64url')
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
