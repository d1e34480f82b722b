import { decodeProtectedHeader, EmbeddedJWK, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { proverOf } from './dpop.ts'
import { dpopThumbprint, generateDpopKey, usesDpop } from './dpop-key.ts'

const key = await generateDpopKey()
const url = new URL('https://api.example/a%20b/c?secret=1#top')

describe('a proof', () => {
  it('has what RFC 9449 section 4.2 asks for, and verifies by the key in it', async () => {
    const prover = await proverOf(key)
    const accessToken = 'canary-token'
    const proof = await prover.proof({
      method: 'POST',
      url,
      accessToken,
      nonce: 'n-1',
      now: 1_700_000_000_999,
    })
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, { typ: 'dpop+jwt' })
    expect(protectedHeader).toEqual({
      typ: 'dpop+jwt',
      alg: 'ES256',
      jwk: { crv: 'P-256', kty: 'EC', x: key.x, y: key.y },
    })
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(accessToken))
    expect(payload).toEqual({
      jti: expect.stringMatching(/^[\w-]{20,}$/),
      htm: 'POST',
      htu: 'https://api.example/a%20b/c',
      iat: 1_700_000_000,
      ath: Buffer.from(digest).toString('base64url'),
      nonce: 'n-1',
    })
    expect(proof).not.toContain(key.d)
  })

  it('is another one each time, and has no ath and nonce where there is none', async () => {
    const prover = await proverOf(key)
    const request = { method: 'GET', url, nonce: undefined, now: 0 }
    const [one, other] = [await prover.proof(request), await prover.proof(request)]
    expect(one).not.toBe(other)
    const { payload } = await jwtVerify(one, EmbeddedJWK, { currentDate: new Date(0) })
    expect(Object.keys(payload).sort()).toEqual(['htm', 'htu', 'iat', 'jti'])
  })

  it('follows the token: a hash is not reused for another one', async () => {
    const prover = await proverOf(key)
    const ath = async (accessToken: string) => {
      const proof = await prover.proof({ method: 'GET', url, accessToken, nonce: undefined, now: Date.now() })
      return (await jwtVerify(proof, EmbeddedJWK)).payload['ath']
    }
    expect(await ath('a')).not.toBe(await ath('b'))
    expect(await ath('a')).toBe(await ath('a'))
  })
})

describe('a key', () => {
  it('is a private P-256 JWK, imported once, with the thumbprint of RFC 7638', async () => {
    expect(key).toEqual({ kty: 'EC', crv: 'P-256', x: key.x, y: key.y, d: key.d })
    expect(proverOf(key)).toBe(proverOf(key))
    const { calculateJwkThumbprint } = await import('jose')
    expect(await dpopThumbprint(key)).toBe(await calculateJwkThumbprint(key as never))
    const prover = await proverOf(JSON.parse(JSON.stringify(key)))
    const proof = await prover.proof({ method: 'GET', url, nonce: undefined, now: 0 })
    expect(decodeProtectedHeader(proof)['jwk']).toMatchObject({ x: key.x })
  })

  it.each([
    ['none', {}],
    ['a public one', { ...key, d: undefined }],
    ['one of another curve', { ...key, crv: 'P-384' }],
    ['a damaged one', { ...key, d: 'canary' }],
  ])('that is %s is a mistake, and is not quoted', async (_, bad) => {
    const failure = await Promise.resolve(proverOf(bad as JsonWebKey)).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'invalid_argument', message: expect.stringContaining('ES256') })
    expect(String(failure)).not.toContain('canary')
  })

  it('is used where the client says so, else where the provider takes nothing else', () => {
    const wanted = [
      [{}, {}],
      [{ dpop: 'supported' }, {}],
      [{ dpop: 'required' }, {}],
      [{ dpop: 'supported' }, { dpop: true }],
      [{}, { dpop: true }],
      [{ dpop: 'required' }, { dpop: false }],
    ] as const
    expect(wanted.map(([provider, client]) => usesDpop(provider, client))).toEqual([
      false,
      false,
      true,
      true,
      true,
      false,
    ])
  })
})

describe('a nonce', () => {
  const given = (nonce: string) => new Headers({ 'dpop-nonce': nonce })

  it('is kept for its origin, is new only once, and serves a new key too', async () => {
    const prover = await proverOf(await generateDpopKey())
    const origin = 'https://nonce.example'
    expect(prover.nonceFor(origin)).toBeUndefined()
    expect(prover.learn(origin, new Headers(), undefined)).toBeUndefined()
    expect(prover.learn(origin, given('n-1'), undefined)).toBe('n-1')
    expect(prover.learn(origin, given('n-1'), 'n-1')).toBeUndefined()
    expect(prover.nonceFor(origin)).toBe('n-1')
    expect(prover.nonceFor('https://other.example')).toBeUndefined()
    expect((await proverOf(await generateDpopKey())).nonceFor(origin)).toBe('n-1')
  })

  it.each(['', 'two words', 'quo"te', 'x'.repeat(1025)])('that is none is not taken: %j', async (nonce) => {
    const prover = await proverOf(await generateDpopKey())
    expect(prover.learn('https://bad.example', given(nonce), undefined)).toBeUndefined()
    expect(prover.nonceFor('https://bad.example')).toBeUndefined()
  })

  it('of many origins: the memory has an end', async () => {
    const prover = await proverOf(await generateDpopKey())
    for (let n = 0; n <= 1100; n += 1) prover.learn(`https://${n}.example`, given(`n-${n}`), undefined)
    expect(prover.nonceFor('https://0.example')).toBeUndefined()
    expect(prover.nonceFor('https://1100.example')).toBe('n-1100')
  })
})
