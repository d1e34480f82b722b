// A JWT as the issuer would make it, and everything that it could be instead.
// RFC 7515, RFC 7519, RFC 8725 (best practices); OpenID Connect Core section 3.1.3.7.
import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

/** What a JWT is made of. */
export interface JwtParts {
  header: Record<string, unknown>
  claims: Record<string, unknown>
}

/** The issuer's key, and one that somebody else made up under the same name. */
export const issuerKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const strangerKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })

/** What the issuer publishes. */
export const jwks = {
  keys: [{ ...issuerKey.publicKey.export({ format: 'jwk' }), kid: 'key-1', use: 'sig', alg: 'ES256' }],
}

const encoded = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url')

/** Signs as the issuer does. */
export function signed({ header, claims }: JwtParts, key: KeyObject = issuerKey.privateKey): string {
  const text = `${encoded(header)}.${encoded(claims)}`
  return `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

function hmac({ header, claims }: JwtParts, secret: string | Buffer): string {
  const text = `${encoded({ ...header, alg: 'HS256' })}.${encoded(claims)}`
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

/** Tricks with header and signature: nothing but the issuer's key may make a JWT good. */
export const forgeries: Readonly<Record<string, (good: JwtParts) => string>> = {
  'not signed (none)': ({ claims }) => `${encoded({ alg: 'none' })}.${encoded(claims)}.`,
  'not signed (nOnE)': ({ claims }) => `${encoded({ alg: 'nOnE' })}.${encoded(claims)}.`,
  'none, with the signature of another': (good) =>
    signed({ ...good, header: { ...good.header, alg: 'none' } }),
  'no algorithm': (good) => signed({ ...good, header: { kid: 'key-1' } }),
  'an algorithm that is no text': (good) => signed({ ...good, header: { ...good.header, alg: ['ES256'] } }),
  'another algorithm': (good) => signed({ ...good, header: { ...good.header, alg: 'RS256' } }),
  'no signature': (good) => signed(good).replace(/\.[^.]*$/, '.'),
  'half a signature': (good) => signed(good).slice(0, -43),
  'a longer signature': (good) => `${signed(good)}AAAA`,
  'a signature in DER': ({ header, claims }) => {
    const text = `${encoded(header)}.${encoded(claims)}`
    return `${text}.${sign('sha256', Buffer.from(text), issuerKey.privateKey).toString('base64url')}`
  },
  'a signature of zeroes': (good) => signed(good).replace(/\.[^.]*$/, `.${'A'.repeat(86)}`),
  'claims changed after signing': (good) => {
    const [header, , signature] = signed(good).split('.')
    return `${header}.${encoded({ ...good.claims, admin: true })}.${signature}`
  },
  'a header changed after signing': (good) => {
    const [, claims, signature] = signed(good).split('.')
    return `${encoded({ ...good.header, x: 1 })}.${claims}.${signature}`
  },
  "a stranger's key under the issuer's kid": (good) => signed(good, strangerKey.privateKey),
  "a stranger's key in the header (jwk)": (good) =>
    signed(
      { ...good, header: { ...good.header, jwk: strangerKey.publicKey.export({ format: 'jwk' }) } },
      strangerKey.privateKey,
    ),
  "a stranger's key at an address (jku)": (good) =>
    signed(
      { ...good, header: { ...good.header, jku: 'https://stranger.example/jwks' } },
      strangerKey.privateKey,
    ),
  "a stranger's certificate (x5u, x5c)": (good) =>
    signed(
      { ...good, header: { ...good.header, x5u: 'https://stranger.example/x', x5c: ['MIIB'] } },
      strangerKey.privateKey,
    ),
  'a kid that is a path': (good) =>
    signed({ ...good, header: { ...good.header, kid: '../../../../dev/null' } }, strangerKey.privateKey),
  'a kid that is a prototype': (good) =>
    signed({ ...good, header: { ...good.header, kid: '__proto__' } }, strangerKey.privateKey),
  'a kid that is an address': (good) =>
    signed(
      { ...good, header: { ...good.header, kid: 'https://stranger.example/key' } },
      strangerKey.privateKey,
    ),
  'a kid that is no text': (good) =>
    signed({ ...good, header: { ...good.header, kid: { toString: 'key-1' } } }, strangerKey.privateKey),
  'the public key as a secret (PEM)': (good) =>
    hmac(good, issuerKey.publicKey.export({ format: 'pem', type: 'spki' })),
  'the public key as a secret (DER)': (good) =>
    hmac(good, createPublicKey(issuerKey.privateKey).export({ format: 'der', type: 'spki' })),
  'the public key as a secret (JWK)': (good) => hmac(good, JSON.stringify(jwks.keys[0])),
  'an empty secret': (good) => hmac(good, ''),
  'a critical extension': (good) => signed({ ...good, header: { ...good.header, crit: ['exp'], exp: 1 } }),
  'a payload that is not encoded (b64)': ({ header, claims }) => {
    const head = encoded({ ...header, b64: false, crit: ['b64'] })
    const text = `${head}.${JSON.stringify(claims).replaceAll('.', '')}`
    return `${text}.${sign('sha256', Buffer.from(text), { key: issuerKey.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  },
  'encrypted, by its looks': (good) => `${signed(good)}.AAAA.AAAA`,
  'four parts': (good) => `${signed(good)}.AAAA`,
  'two parts': (good) => signed(good).split('.').slice(0, 2).join('.'),
  'a header that is a list': ({ claims }) => `${encoded(['ES256'])}.${encoded(claims)}.AAAA`,
  'claims that are a list': (good) => signed({ ...good, claims: [good.claims] as never }),
  'claims that are text': (good) => signed({ ...good, claims: 'claims' as never }),
  'claims that are null': (good) => signed({ ...good, claims: null as never }),
}

/** Claims that make a JWT of the issuer's one that is not for us, or not for now. */
export const misfits: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'no issuer': { iss: undefined },
  'another issuer': { iss: 'https://other.example' },
  'an issuer below': { iss: 'https://as.example.evil.example' },
  'an issuer beside': { iss: 'https://evil.as.example' },
  'an issuer with a path': { iss: 'https://as.example/tenant' },
  'an issuer on another port': { iss: 'https://as.example:8443' },
  'an issuer without TLS': { iss: 'http://as.example' },
  'an issuer with a query': { iss: 'https://as.example/?x' },
  'an issuer in a list': { iss: ['https://as.example'] },
  'an issuer before a host': { iss: 'https://as.example@evil.example' },
  'no audience': { aud: undefined },
  'another audience': { aud: 'client-2' },
  'an audience that begins alike': { aud: 'client-10' },
  'an audience in other case': { aud: 'CLIENT-1' },
  'an audience with a space': { aud: 'client-1 ' },
  'an empty list of audiences': { aud: [] },
  'a list of others': { aud: ['client-2', 'client-3'] },
  'a nested audience': { aud: [['client-1']] },
  'an audience as an object': { aud: { 0: 'client-1', length: 1 } },
  'an end in the past': { exp: 1_000_000_000 },
  'an end at zero': { exp: 0 },
  'a negative end': { exp: -1 },
  'an end as text': { exp: '9999999999' },
  'an end that is null': { exp: null },
  'an end in a list': { exp: [9_999_999_999] },
  'no end': { exp: undefined },
  'not before tomorrow': { nbf: Math.floor(Date.now() / 1000) + 86_400 },
  'not before a text': { nbf: 'now' },
}

/** Further claims that make an id_token another sign-in's. */
export const idTokenMisfits: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'no nonce': { nonce: undefined },
  'an empty nonce': { nonce: '' },
  'another nonce': { nonce: 'canary-nonce-9876543210' },
  'half the nonce': { nonce: 'canary-nonce-01234' },
  'the nonce and more': { nonce: 'canary-nonce-0123456789x' },
  'the nonce in other case': { nonce: 'CANARY-NONCE-0123456789' },
  'the nonce in a list': { nonce: ['canary-nonce-0123456789'] },
  nobody: { sub: undefined },
  'an empty person': { sub: '' },
  'a person as a number': { sub: 1 },
  'a person as an object': { sub: { toString: 'ada' } },
  'several audiences and another party': { aud: ['client-1', 'client-2'], azp: 'client-2' },
  'several audiences and no party': { aud: ['client-1', 'client-2'] },
  'no time of issue': { iat: undefined },
  'the hash of another token': { at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' },
}
