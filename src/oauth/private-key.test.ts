import { generateKeyPairSync } from 'node:crypto'
import { decodeProtectedHeader, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import type { ClientKey } from './client.ts'
import { signingKey, signJwt } from './private-key.ts'

function pairs() {
  const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve })
  return {
    ES256: ec('P-256'),
    ES384: ec('P-384'),
    ES512: ec('P-521'),
    RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
    Ed25519: generateKeyPairSync('ed25519'),
  }
}

const keys = pairs()
const names = Object.keys(keys) as (keyof typeof keys)[]
const pem = (name: keyof typeof keys) =>
  keys[name].privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const jwk = (name: keyof typeof keys) => keys[name].privateKey.export({ format: 'jwk' }) as JsonWebKey

describe('R4 a private key', () => {
  it.each(names)(
    '%s: as PEM or JWK, the algorithm fits the key and its public half verifies',
    async (name) => {
      for (const key of [pem(name), jwk(name), `\n  ${pem(name)}`]) {
        const signed = await signJwt({ key, kid: 'k1' }, { iss: 'us' }, { typ: 'x+jwt' })
        expect(decodeProtectedHeader(signed)).toEqual({ alg: name, kid: 'k1', typ: 'x+jwt' })
        expect((await jwtVerify(signed, keys[name].publicKey)).payload).toEqual({ iss: 'us' })
      }
    },
  )

  it('as a key of Web Crypto, which need not be extractable', async () => {
    const algorithm = {
      name: 'RSA-PSS',
      hash: 'SHA-384',
      modulusLength: 2048,
      publicExponent: Uint8Array.of(1, 0, 1),
    }
    const { privateKey, publicKey } = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify'])
    const signed = await signJwt({ key: privateKey }, {})
    expect(decodeProtectedHeader(signed)).toEqual({ alg: 'PS384' })
    await expect(jwtVerify(signed, publicKey)).resolves.toBeDefined()
  })

  it.each([
    [{ key: pem('RS256'), alg: 'PS512' }, 'PS512'],
    [{ key: pem('Ed25519'), alg: 'EdDSA' }, 'EdDSA'],
    [{ key: { ...jwk('RS256'), alg: 'RS512' } }, 'RS512'],
    [{ key: { ...jwk('RS256'), alg: 'RS512' }, alg: 'RS256' }, 'RS256'],
  ])('signs with the algorithm that is asked for (%#)', async (key, alg) => {
    expect(decodeProtectedHeader(await signJwt(key, {}))).toEqual({ alg })
  })

  it('takes the kid of the JWK, and does not care what the JWK says of its use', async () => {
    const key = { ...jwk('ES256'), kid: 'own', use: 'enc', key_ops: ['verify'], ext: false }
    expect((await signingKey({ key })).kid).toBe('own')
    expect((await signingKey({ key, kid: 'mine' })).kid).toBe('mine')
  })

  it('has further header members, which do not replace its own (Microsoft Entra)', async () => {
    const key = { key: pem('ES256'), kid: 'k1', header: { 'x5t#S256': 'thumb', alg: 'none', kid: 'x' } }
    const signed = decodeProtectedHeader(await signJwt(key, {}))
    expect(signed).toEqual({ alg: 'ES256', kid: 'k1', 'x5t#S256': 'thumb' })
  })

  it('is imported once', async () => {
    const key: ClientKey = { key: pem('ES256') }
    expect((await signingKey(key)).key).toBe((await signingKey(key)).key)
  })

  it.each([
    ['a public JWK', { key: keys.ES256.publicKey.export({ format: 'jwk' }) }, 'no private part'],
    ['a symmetric JWK', { key: { kty: 'oct', k: 'canary' } }, 'no private part'],
    ['text', { key: 'canary-not-a-key' }, 'no PEM'],
    [
      'a damaged PEM text',
      { key: '-----BEGIN PRIVATE KEY-----\ncanary!\n-----END PRIVATE KEY-----' },
      'damaged',
    ],
    [
      'a PEM text of something else',
      { key: pem('ES256').replace(/\w{9}\n-----END/, 'AAAAAAAAA\n-----END'), alg: 'RS256' },
      'holds no key for RS256',
    ],
    [
      'the older form of an EC key',
      { key: keys.ES256.privateKey.export({ type: 'sec1', format: 'pem' }).toString() },
      'openssl pkcs8',
    ],
    [
      'the older form of an RSA key',
      { key: keys.RS256.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString() },
      'openssl pkcs8',
    ],
    [
      'an encrypted key',
      {
        key: keys.ES256.privateKey
          .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'canary' })
          .toString(),
      },
      'ENCRYPTED PRIVATE KEY',
    ],
    [
      'a short RSA key',
      {
        key: generateKeyPairSync('rsa', { modulusLength: 1024 })
          .privateKey.export({ type: 'pkcs8', format: 'pem' })
          .toString(),
      },
      '2048',
    ],
    ['an HMAC algorithm', { key: pem('ES256'), alg: 'HS256' }, 'no algorithm for a private key'],
    ['no algorithm at all', { key: pem('ES256'), alg: 'none' }, 'no algorithm for a private key'],
    ['an algorithm of another key', { key: jwk('ES256'), alg: 'RS256' }, 'cannot be read as a key for RS256'],
    [
      'an algorithm named like a member of every object',
      { key: { ...jwk('ES256'), alg: 'constructor' } },
      'nothing here signs',
    ],
  ] as [string, ClientKey, string][])('%s is refused, and not quoted', async (_, key, words) => {
    const error = await signingKey(key).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'config_invalid', message: expect.stringContaining(words) })
    expect(String(error)).not.toContain('canary')
    expect(String(error)).not.toMatch(/MII|MHc/)
  })
})
