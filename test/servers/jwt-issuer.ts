// An issuer that signs with keys of its own, behind an injected `fetch`; and JWTs that it signed, or did not.
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { defineProvider, type Provider } from '../../src/providers/index.ts'

export const issuer = 'https://as.example'
export const jwksUrl = `${issuer}/jwks`
export const start = Date.parse('2026-03-01T12:00:00Z')

interface TestKey {
  kid: string
  alg: string
  privateKey: CryptoKey
  publicJwk: JWK
}

const keys = new Map<string, TestKey>()

/** Makes the keys. Once, before anything else here. */
export async function makeKeys(): Promise<void> {
  for (const [kid, alg] of [
    ['one', 'ES256'],
    ['two', 'ES256'],
    ['ed', 'EdDSA'],
    ['rsa', 'RS256'],
  ] as const) {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
    keys.set(kid, { kid, alg, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid } })
  }
}

export function key(kid: string): TestKey {
  const found = keys.get(kid)
  if (found === undefined) throw new Error(`no key ${kid}`)
  return found
}

/** A server of keys that can change, fail and count, behind an injected `fetch`; and a clock. */
export function world(...published: string[]) {
  const state = {
    now: start,
    published: published.map((kid) => key(kid).publicJwk) as unknown[],
    asked: 0,
    answer: undefined as (() => Response | Promise<Response>) | undefined,
  }
  const fetch: typeof globalThis.fetch = async (url) => {
    if (String(url) !== jwksUrl) return Response.json({}, { status: 404 })
    state.asked += 1
    return state.answer?.() ?? Response.json({ keys: state.published })
  }
  return { state, options: { fetch, now: () => state.now } }
}

export const provider: Provider = defineProvider({
  id: 'acme',
  issuer,
  jwksUrl,
  authorizationUrl: `${issuer}/authorize`,
  tokenUrl: `${issuer}/token`,
})

export interface Signing {
  claims?: Record<string, unknown>
  header?: Record<string, unknown>
  now?: number
}

export function sign(kid: string, { claims = {}, header = {}, now = start }: Signing = {}): Promise<string> {
  const { alg, privateKey } = key(kid)
  const usual = { iss: issuer, aud: 'us', sub: 'ada', iat: now / 1000, exp: now / 1000 + 3600 }
  return new SignJWT({ ...usual, ...claims }).setProtectedHeader({ alg, kid, ...header }).sign(privateKey)
}

export function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

export function withClaims(jwt: string, claims: object): string {
  const [header, , signature] = jwt.split('.')
  return [header, part(claims), signature].join('.')
}

export function withHeader(jwt: string, header: object, signature: string): string {
  return [part(header), jwt.split('.')[1], signature].join('.')
}

function claimsOf(jwt: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString())
}

export function hmac(jwt: string, secret: Uint8Array): Promise<string> {
  return new SignJWT(claimsOf(jwt)).setProtectedHeader({ alg: 'HS256', kid: 'one' }).sign(secret)
}

/** What a careless library checks: the HMAC of the very bytes that everybody can read. */
export function hmacByPublicKey(jwt: string): Promise<string> {
  return hmac(jwt, new TextEncoder().encode(JSON.stringify(key('one').publicJwk)))
}

export async function bringsItsKey(jwt: string): Promise<string> {
  const { publicJwk, privateKey } = key('two')
  const header = { alg: 'ES256', jwk: publicJwk, jku: 'https://evil.example/jwks', kid: 'two' }
  return new SignJWT(claimsOf(jwt)).setProtectedHeader(header).sign(privateKey)
}
