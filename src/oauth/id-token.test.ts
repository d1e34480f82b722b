import { describe, expect, it } from 'vitest'
import { InvalidResponseError } from '../errors.ts'
import { defineProvider, type Provider, type ProviderFacts } from '../providers/index.ts'
import { checkIdToken, type IdTokenExpectation, idTokenAfterRefresh } from './id-token.ts'

const now = Date.parse('2026-03-01T12:00:00Z')
const issuer = 'https://as.example'
const client = { clientId: 'client-1' }
const good = {
  iss: issuer,
  aud: 'client-1',
  sub: 'ada',
  iat: now / 1000,
  exp: now / 1000 + 300,
  nonce: 'n-1',
}

function jwt(claims: Record<string, unknown>, header: Record<string, unknown> = { alg: 'RS256' }): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part(header)}.${part(claims)}.c2lnbmF0dXJl`
}

function providerWith(facts: Partial<ProviderFacts> = {}): Provider {
  const endpoints = { authorizationUrl: `${issuer}/authorize`, tokenUrl: `${issuer}/token` }
  return defineProvider({ id: 'acme', issuer, ...facts, ...endpoints })
}

function check(idToken: string, facts?: Partial<ProviderFacts>, nonce: string | undefined = 'n-1') {
  return checkIdToken(providerWith(facts), client, idToken, { nonce }, { now: () => now })
}

type IdTokenCase = [
  name: string,
  claims: Record<string, unknown>,
  header?: Record<string, unknown> | undefined,
  facts?: Partial<ProviderFacts>,
]

describe('an id_token of the code grant', () => {
  it.each<IdTokenCase>([
    ['as it should be', {}],
    ['for several audiences, us the authorised party', { aud: ['client-1', 'other'], azp: 'client-1' }],
    ['from a clock 20 seconds ahead', { iat: now / 1000 + 20 }],
    ['that ended 20 seconds ago', { exp: now / 1000 - 20 }],
    ['whose issuer has the slash that a bare host has anyway (Auth0)', { iss: `${issuer}/` }],
    ['whose issuer has no scheme (Google)', { iss: 'as.example' }],
    ['signed with ES256 (Yahoo)', {}, { alg: 'ES256' }],
    ['signed with HS256 (LINE)', {}, { alg: 'HS256' }],
    ['signed with EdDSA', {}, { alg: 'EdDSA' }],
    ['of the usual type', {}, { alg: 'RS256', typ: 'JWT' }],
    ['of a type of its own', {}, { alg: 'RS256', typ: 'id_token+jwt' }],
    ['with claims beyond ASCII', { name: 'Ådä 密' }],
    [
      'of a tenant (Microsoft)',
      { iss: 'https://login.example/9f/v2.0', tid: '9f' },
      undefined,
      { issuer: 'https://login.example/common/v2.0', issuerVaries: true },
    ],
    [
      'of an issuer that varies in its own way (Webex)',
      { iss: 'https://idbroker.example/idb' },
      undefined,
      { issuerVaries: true },
    ],
  ])('%s is taken', async (_, changes, header, facts) => {
    expect(await check(jwt({ ...good, ...changes }, header), facts)).toEqual([])
  })

  it.each<IdTokenCase>([
    ['from another issuer', { iss: 'https://evil.example' }],
    ['from another path of the issuer', { iss: `${issuer}/b` }],
    ['without an issuer', { iss: undefined }],
    ['for another client', { aud: 'other' }],
    ['for several, another one authorised', { aud: ['client-1', 'other'], azp: 'other' }],
    ['for several, nobody authorised', { aud: ['client-1', 'other'] }],
    ['that has ended', { exp: now / 1000 - 60 }],
    ['without an end', { exp: undefined }],
    ['with another nonce', { nonce: 'n-2' }],
    ['without the nonce', { nonce: undefined }],
    ['without a subject', { sub: undefined }],
    ['that is unsigned', {}, { alg: 'none' }],
    ['without an algorithm', {}, {}],
    ['that is an access token', {}, { alg: 'RS256', typ: 'at+jwt' }],
    ['that is a logout token', {}, { alg: 'RS256', typ: 'application/logout+jwt' }],
    ['signed in an unknown way', {}, { alg: 'RS1' }],
    ['with an extension that it calls critical', {}, { alg: 'RS256', crit: ['exp'], exp: 1 }],
    ['without a time of issue', { iat: undefined }],
    ['that is not valid yet', { nbf: now / 1000 + 60 }],
    ['whose end is no number', { exp: 'never' }],
    [
      'of another tenant (Microsoft)',
      { iss: 'https://login.example/9f/v2.0', tid: '77' },
      undefined,
      { issuer: 'https://login.example/common/v2.0', issuerVaries: true },
    ],
    [
      'of a tenant that is a path',
      { iss: 'https://login.example/9f/../v2.0', tid: '9f/..' },
      undefined,
      { issuer: 'https://login.example/common/v2.0', issuerVaries: true },
    ],
  ])('%s is refused', async (_, changes, header, facts) => {
    const failure = await check(jwt({ ...good, ...changes }, header), facts).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(InvalidResponseError)
    expect(failure).toMatchObject({ code: 'id_token_invalid' })
  })

  it.each([
    ['that is no JWT', 'hello'],
    ['of two parts', 'a.b'],
    ['whose claims are no JSON', `${jwt(good).split('.')[0]}.!!!!.x`],
    ['whose claims are a list', `${jwt(good).split('.')[0]}.${Buffer.from('[]').toString('base64url')}.x`],
  ])('%s is refused', async (_, idToken) => {
    await expect(check(idToken)).rejects.toMatchObject({ code: 'id_token_invalid' })
  })
})

describe('an id_token of a refresh answer', () => {
  const old = jwt({ ...good, iat: 1 })
  const kept = async (fresh: string | undefined, before?: string, facts?: Partial<ProviderFacts>) =>
    (await idTokenAfterRefresh(providerWith(facts), client, fresh, before)).idToken

  it.each<[string, Record<string, unknown>, Partial<ProviderFacts>?]>([
    ['about the same person', { iat: 2 }],
    ['for a list of audiences', { aud: ['other', 'client-1'] }],
    ['whose issuer has a slash now', { iss: `${issuer}/` }],
    ['that has ended: the old one has, too', { exp: 3 }],
  ])('%s is taken', async (_, claims, facts) => {
    const fresh = jwt({ ...good, ...claims })
    expect(await kept(fresh, old, facts)).toBe(fresh)
  })

  it('is taken when there was none before, if the issuer is right', async () => {
    const [fresh, foreign] = [jwt(good), jwt({ ...good, iss: 'https://evil.example' })]
    expect([await kept(fresh), await kept(foreign)]).toEqual([fresh, undefined])
    expect(await kept(foreign, undefined, { issuerVaries: true })).toBe(foreign)
  })

  it.each([
    ['about another person', jwt({ ...good, sub: 'eve' })],
    ['with another nonce', jwt({ ...good, nonce: 'n-2' })],
    ['that is not signed', jwt(good, { alg: 'none' })],
    ['from another issuer', jwt({ ...good, iss: 'https://evil.example' })],
    ['for another client', jwt({ ...good, aud: 'other' })],
    ['without claims', jwt({})],
    ['that is no JWT', 'hello'],
    ['that is cut off', old.slice(0, 30)],
    ['that is not there', undefined],
  ])('%s leaves the old one', async (_, fresh) => {
    expect(await kept(fresh, old)).toBe(old)
  })
})

describe('what an id_token says of the sign-in', () => {
  const halfOf = async (text: string, hash: string) => {
    const digest = await crypto.subtle.digest(hash, new TextEncoder().encode(text))
    return Buffer.from(digest.slice(0, digest.byteLength / 2)).toString('base64url')
  }
  const held = (claims: Record<string, unknown>, expected: IdTokenExpectation, alg = 'RS256') =>
    checkIdToken(providerWith(), client, jwt({ ...good, ...claims }, { alg }), expected, { now: () => now })

  it.each([
    ['RS256', 'SHA-256'],
    ['ES384', 'SHA-384'],
    ['PS512', 'SHA-512'],
    ['EdDSA', 'SHA-512'],
  ])('at_hash, c_hash and s_hash are held against what came beside it (%s)', async (alg, hash) => {
    const claims = {
      at_hash: await halfOf('access', hash),
      c_hash: await halfOf('code', hash),
      s_hash: await halfOf('state', hash),
    }
    const beside = { accessToken: 'access', code: 'code', state: 'state' }
    expect(await held(claims, beside, alg)).toEqual([])
    for (const name of ['accessToken', 'code', 'state'])
      await expect(held(claims, { ...beside, [name]: 'other' }, alg)).rejects.toMatchObject({
        code: 'id_token_invalid',
        message: expect.stringMatching(/(at|c|s)_hash/),
      })
  })

  it.each([
    [30, 60, true],
    [80, 60, true], // clocks
    [120, 60, false],
    [undefined, 60, false],
    [1e6, undefined, true],
  ])('signed in %s s ago, at most %s s asked for: taken %s', async (ago, maxAge, taken) => {
    const claims = ago === undefined ? {} : { auth_time: now / 1000 - ago }
    const outcome = held(claims, { maxAge })
    if (taken) expect(await outcome).toEqual([])
    else await expect(outcome).rejects.toMatchObject({ code: 'id_token_invalid' })
  })
})
