import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { NetworkError, RequestRefusedError, TimeoutError } from '../errors.ts'
import { defineProvider, type Provider } from '../providers/index.ts'
import { checkIdToken, idTokenAfterRefresh } from './id-token.ts'
import { type JwtExpectation, verifyJwt } from './signed-jwt.ts'

const issuer = 'https://as.example'
const jwksUrl = `${issuer}/jwks`
const start = Date.parse('2026-03-01T12:00:00Z')

interface TestKey {
  kid: string
  alg: string
  privateKey: CryptoKey
  publicJwk: JWK
}

const keys = new Map<string, TestKey>()

beforeAll(async () => {
  for (const [kid, alg] of [
    ['one', 'ES256'],
    ['two', 'ES256'],
    ['ed', 'EdDSA'],
    ['rsa', 'RS256'],
  ] as const) {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
    keys.set(kid, { kid, alg, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid } })
  }
})

function key(kid: string): TestKey {
  const found = keys.get(kid)
  if (found === undefined) throw new Error(`no key ${kid}`)
  return found
}

/** A server of keys that can change, fail and count, behind an injected `fetch`; and a clock. */
function world(...published: string[]) {
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
  return { ...{ state }, options: { fetch, now: () => state.now } }
}

const provider: Provider = defineProvider({
  id: 'acme',
  issuer,
  jwksUrl,
  authorizationUrl: `${issuer}/authorize`,
  tokenUrl: `${issuer}/token`,
})

interface Signing {
  claims?: Record<string, unknown>
  header?: Record<string, unknown>
  now?: number
}

function sign(kid: string, { claims = {}, header = {}, now = start }: Signing = {}): Promise<string> {
  const { alg, privateKey } = key(kid)
  const usual = { iss: issuer, aud: 'us', sub: 'ada', iat: now / 1000, exp: now / 1000 + 3600 }
  return new SignJWT({ ...usual, ...claims }).setProtectedHeader({ alg, kid, ...header }).sign(privateKey)
}

const expected: JwtExpectation = { what: 'a test answer', audience: 'us' }
const refused = {
  code: 'jwt_invalid',
  message: expect.stringMatching(/acme sent a test answer that must not/),
}

describe('a signed JWT', () => {
  it.each(['one', 'ed', 'rsa'])('by the key %s of the issuer is taken', async (kid) => {
    const { options } = world('one', 'ed', 'rsa')
    const jwt = await sign(kid, { header: { typ: 'JWT' } })
    const { claims, header } = await verifyJwt(provider, jwt, expected, options)
    expect(claims).toMatchObject({ sub: 'ada', aud: 'us' })
    expect(header).toMatchObject({ kid, alg: key(kid).alg })
  })

  it('that names no key is tried with each that fits', async () => {
    const { options } = world('one', 'two', 'ed')
    const jwt = await sign('two', { header: { kid: undefined } })
    await expect(verifyJwt(provider, jwt, expected, options)).resolves.toBeDefined()
    const foreign = world('one', 'one', 'ed')
    await expect(verifyJwt(provider, jwt, expected, foreign.options)).rejects.toMatchObject(refused)
  })

  it('may name its key where the key set names none', async () => {
    const { options, state } = world()
    const { kid: _, ...unnamed } = key('one').publicJwk
    state.published = [unnamed]
    await expect(verifyJwt(provider, await sign('one'), expected, options)).resolves.toBeDefined()
  })

  it.each<[string, Signing, Partial<JwtExpectation>?]>([
    ['from another issuer', { claims: { iss: 'https://evil.example' } }],
    ['without an issuer', { claims: { iss: undefined } }],
    ['for somebody else', { claims: { aud: 'them' } }],
    ['for nobody', { claims: { aud: undefined } }],
    ['that has ended', { claims: { exp: start / 1000 - 31 } }],
    ['that is not valid yet', { claims: { nbf: start / 1000 + 31 } }],
    ['whose end is text', { claims: { exp: 'tomorrow' } }],
    ['without a claim that must be there', {}, { required: ['jti'] }],
    ['of another type', { header: { typ: 'JWT' } }, { typ: 'token-introspection+jwt' }],
    ['of no type', {}, { typ: 'token-introspection+jwt' }],
    ['signed in a way that was not agreed on', {}, { algorithms: ['RS256'] }],
    ['with an extension that it calls critical', { header: { crit: ['b64'], b64: true } }],
  ])('%s is refused', async (_, signing, changes) => {
    const { options } = world('one')
    const jwt = await sign('one', signing)
    await expect(verifyJwt(provider, jwt, { ...expected, ...changes }, options)).rejects.toMatchObject(
      refused,
    )
  })

  it('is of the type that it must be, whichever way it is written', async () => {
    const { options } = world('one')
    for (const typ of ['token-introspection+jwt', 'application/Token-Introspection+JWT']) {
      const jwt = await sign('one', { header: { typ } })
      const wanted = { ...expected, typ: 'token-introspection+jwt' }
      await expect(verifyJwt(provider, jwt, wanted, options)).resolves.toBeDefined()
    }
  })

  it.each<[string, (good: string) => string | Promise<string>]>([
    ['whose claims were changed', (good) => withClaims(good, { iss: issuer, aud: 'us', sub: 'eve' })],
    ['whose signature was cut', (good) => good.slice(0, -6)],
    ['without its signature', (good) => `${good.split('.').slice(0, 2).join('.')}.`],
    ['of two parts', (good) => good.split('.').slice(0, 2).join('.')],
    ['that is encrypted', (good) => `${good}.x.y`],
    ['that is text', () => 'hello'],
    ['that is too long', (good) => good + 'a'.repeat(300_000)],
    ['that says it is not signed', (good) => withHeader(good, { alg: 'none' }, '')],
    ['that says so in capitals', (good) => withHeader(good, { alg: 'NONE' }, '')],
    ['with an HMAC by a public key (key confusion)', hmacByPublicKey],
    ['with an HMAC by nothing', (good) => hmac(good, new Uint8Array(32))],
    ['by a key that it brings along', bringsItsKey],
  ])('%s is refused', async (_, change) => {
    const { options, state } = world('one')
    state.published.push({ kty: 'oct', k: 'c2VjcmV0', kid: 'one', alg: 'HS256' })
    const jwt = await change(await sign('one'))
    const failure = await verifyJwt(provider, jwt, expected, options).catch((error: unknown) => error)
    expect(failure).toMatchObject(refused)
    expect(String(failure)).not.toContain(jwt.slice(0, 40))
  })

  it('with an HMAC is taken only when it was agreed on, with our secret', async () => {
    const { options } = world('one')
    const secret = 'a-secret-of-the-client-that-is-long'
    const jwt = await hmac(await sign('one'), new TextEncoder().encode(secret))
    const agreed = { ...expected, algorithms: ['HS256'], clientSecret: secret }
    await expect(verifyJwt(provider, jwt, agreed, options)).resolves.toBeDefined()
    for (const changes of [{ algorithms: undefined }, { clientSecret: undefined }, { clientSecret: 'other' }])
      await expect(verifyJwt(provider, jwt, { ...agreed, ...changes }, options)).rejects.toMatchObject(
        refused,
      )
  })

  it('needs an issuer, and keys: the provider says where', async () => {
    const { options } = world('one')
    const { jwksUrl: _, ...keyless } = provider
    const jwt = await sign('one')
    await expect(verifyJwt(keyless, jwt, expected, options)).rejects.toMatchObject({
      code: 'provider_invalid',
      message: expect.stringMatching(/jwksUrl/),
    })
    const { issuer: __, ...anonymous } = provider
    await expect(verifyJwt(anonymous, jwt, expected, options)).rejects.toMatchObject({
      code: 'provider_invalid',
      message: expect.stringMatching(/issuer/),
    })
  })
})

describe("an issuer's keys", () => {
  it('are asked for once by many, and kept for ten minutes', async () => {
    const { options, state } = world('one')
    const jwt = await sign('one')
    await Promise.all(Array.from({ length: 20 }, () => verifyJwt(provider, jwt, expected, options)))
    state.now += 10 * 60_000 - 1
    await verifyJwt(provider, jwt, expected, options)
    expect(state.asked).toBe(1)
    state.now += 1
    await verifyJwt(provider, jwt, expected, options)
    expect(state.asked).toBe(2)
  })

  it('are asked for again when they do not fit (rotation), at most every 30 seconds', async () => {
    const { options, state } = world('one')
    await verifyJwt(provider, await sign('one'), expected, options)
    state.published = [key('two').publicJwk]
    const next = await sign('two')
    await expect(verifyJwt(provider, next, expected, options)).rejects.toMatchObject(refused)
    expect(state.asked).toBe(1)
    state.now += 30_000
    await expect(verifyJwt(provider, next, expected, options)).resolves.toBeDefined()
    expect(state.asked).toBe(2)
    // The old key is gone from the issuer's list, and from ours.
    state.now += 30_000
    await expect(verifyJwt(provider, await sign('one'), expected, options)).rejects.toMatchObject(refused)
  })

  it('are asked for again when a key was replaced under its old name', async () => {
    const { options, state } = world('one')
    await verifyJwt(provider, await sign('one'), expected, options)
    state.published = [{ ...key('two').publicJwk, kid: 'one' }]
    state.now += 30_000
    const jwt = await sign('two', { header: { kid: 'one' } })
    await expect(verifyJwt(provider, jwt, expected, options)).resolves.toBeDefined()
  })

  it.each<[string, () => Response | Promise<Response>]>([
    ['is down', () => Promise.reject(new TypeError('fetch failed'))],
    ['is failing', () => new Response('', { status: 503 })],
    ['answers a page', () => new Response('<html>', { status: 200 })],
    ['redirects', () => new Response('', { status: 302, headers: { location: 'http://10.0.0.1/' } })],
  ])('are used for a day while their server %s', async (_, answer) => {
    const { options, state } = world('one')
    const jwt = await sign('one', { claims: { exp: start / 1000 + 200_000 } })
    await verifyJwt(provider, jwt, expected, options)
    state.answer = answer
    state.now += 86_399_000
    for (let times = 0; times < 3; times += 1) await verifyJwt(provider, jwt, expected, options)
    expect(state.asked).toBe(2)
    state.now += 60_000
    await expect(verifyJwt(provider, jwt, expected, options)).rejects.not.toMatchObject(refused)
  })

  it('that cannot be had are nobody’s mistake: try later', async () => {
    const { options, state } = world('one')
    const jwt = await sign('one')
    state.answer = () => Promise.reject(new TypeError('fetch failed'))
    await expect(verifyJwt(provider, jwt, expected, options)).rejects.toBeInstanceOf(NetworkError)
    state.answer = () => new Promise(() => {})
    await expect(verifyJwt(provider, jwt, expected, { ...options, timeoutMs: 20 })).rejects.toBeInstanceOf(
      TimeoutError,
    )
    state.answer = undefined
    await expect(verifyJwt(provider, jwt, expected, options)).resolves.toBeDefined()
  })

  it('beyond a size and a number are not read', async () => {
    const { options, state } = world('one')
    const jwt = await sign('one')
    state.answer = () => new Response(`{"keys":[${'{},'.repeat(600_000)}{}]}`)
    await expect(verifyJwt(provider, jwt, expected, options)).rejects.toMatchObject({
      code: 'response_too_large',
    })
    const many = Array.from({ length: 3000 }, () => ({ ...key('two').publicJwk, kid: undefined }))
    state.answer = () => Response.json({ keys: many })
    const unnamed = await sign('one', { header: { kid: undefined } })
    await expect(verifyJwt(provider, unnamed, expected, options)).rejects.toMatchObject(refused)
  })

  it('one caller gives up, the others get them', async () => {
    const { options, state } = world('one')
    let go = () => {}
    state.answer = () =>
      new Promise((resolve) => {
        go = () => resolve(Response.json({ keys: state.published }))
      })
    const jwt = await sign('one')
    const stop = new AbortController()
    const first = verifyJwt(provider, jwt, expected, { ...options, signal: stop.signal })
    const second = verifyJwt(provider, jwt, expected, options)
    await new Promise((resolve) => setTimeout(resolve, 1))
    const reason = new Error('enough')
    stop.abort(reason)
    await expect(first).rejects.toBe(reason)
    go()
    await expect(second).resolves.toBeDefined()
  })
})

describe('the signature of an id_token', () => {
  const client = { clientId: 'us', clientSecret: 'a-secret-of-the-client-that-is-long' }
  const nonce = 'n-1'
  const check = (jwt: string, options: { fetch: typeof fetch; now: () => number }, more = {}) =>
    checkIdToken(provider, { ...client, ...more }, jwt, { nonce }, options)
  const idToken = (kid: string, signing: Signing = {}) =>
    sign(kid, { ...signing, claims: { nonce, ...signing.claims } })

  it('by the issuer is taken, also with a key that is a second old', async () => {
    const { options, state } = world('one')
    expect(await check(await idToken('one'), options)).toEqual([])
    state.published.push(key('two').publicJwk)
    expect(await check(await idToken('two'), options)).toEqual([])
    expect(state.asked).toBe(2)
  })

  it('by another key is refused', async () => {
    const { options } = world('one')
    for (const header of [{}, { kid: 'one' }, { kid: undefined }])
      await expect(check(await idToken('two', { header }), options)).rejects.toMatchObject({
        code: 'id_token_invalid',
        message: expect.stringMatching(/signature is wrong|none of the issuer's keys/),
      })
  })

  it.each<[string, () => Response | Promise<Response>]>([
    ['are down', () => Promise.reject(new TypeError('fetch failed'))],
    ['are failing', () => new Response('', { status: 500 })],
    ['are gone', () => new Response('', { status: 404 })],
    ['redirect', () => new Response('', { status: 302, headers: { location: '/' } })],
    ['are out of bounds', () => Promise.reject(new RequestRefusedError('host_not_allowed', 'no'))],
  ])('does not cost the tokens when its keys %s: TLS vouches, and it is said', async (_, answer) => {
    const { options, state } = world('one')
    state.answer = answer
    const deviation = { code: 'signature', member: 'id_token', found: 'no keys' }
    expect(await check(await idToken('one'), options)).toEqual([deviation])
    // Everything else is held against it all the same.
    const stale = await idToken('one', { claims: { nonce: 'n-2' } })
    await expect(check(stale, options)).rejects.toMatchObject({ code: 'id_token_invalid' })
  })

  it('with our secret is taken; that nobody registered it so is said', async () => {
    const { options } = world('one')
    const jwt = await hmac(await idToken('one'), new TextEncoder().encode(client.clientSecret))
    expect(await check(jwt, options)).toEqual([
      { code: 'signature', member: 'id_token', found: 'HS256', row: { idTokenSigningAlgs: ['HS256'] } },
    ])
    expect(await check(jwt, options, { idTokenSigningAlg: 'HS256' })).toEqual([])
    for (const more of [
      { clientSecret: 'other' },
      { clientSecret: undefined },
      { idTokenSigningAlg: 'ES256' },
    ])
      await expect(check(jwt, options, more)).rejects.toMatchObject({ code: 'id_token_invalid' })
    const confused = await hmacByPublicKey(await idToken('one'))
    await expect(check(confused, options)).rejects.toMatchObject({ code: 'id_token_invalid' })
  })

  it('by another algorithm than the client registered is refused', async () => {
    const { options } = world('one', 'rsa')
    const jwt = await idToken('one')
    expect(await check(jwt, options, { idTokenSigningAlg: 'ES256' })).toEqual([])
    await expect(check(jwt, options, { idTokenSigningAlg: 'RS256' })).rejects.toMatchObject({
      code: 'id_token_invalid',
      message: expect.stringMatching(/idTokenSigningAlg/),
    })
  })

  it('is checked after a refresh with the keys at hand; nobody is asked', async () => {
    const { options, state } = world('one')
    const kept = async (fresh: string) =>
      (await idTokenAfterRefresh(provider, client, fresh, old, options)).idToken
    const old = await idToken('one')
    const [fresh, forged] = [await idToken('one'), await idToken('two', { header: { kid: 'one' } })]
    expect([await kept(forged), state.asked]).toEqual([forged, 0])
    await check(old, options)
    expect([await kept(fresh), await kept(forged), state.asked]).toEqual([fresh, old, 1])
  })
})

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function withClaims(jwt: string, claims: object): string {
  const [header, , signature] = jwt.split('.')
  return [header, part(claims), signature].join('.')
}

function withHeader(jwt: string, header: object, signature: string): string {
  return [part(header), jwt.split('.')[1], signature].join('.')
}

function claimsOf(jwt: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString())
}

function hmac(jwt: string, secret: Uint8Array): Promise<string> {
  return new SignJWT(claimsOf(jwt)).setProtectedHeader({ alg: 'HS256', kid: 'one' }).sign(secret)
}

/** What a careless library checks: the HMAC of the very bytes that everybody can read. */
function hmacByPublicKey(jwt: string): Promise<string> {
  return hmac(jwt, new TextEncoder().encode(JSON.stringify(key('one').publicJwk)))
}

async function bringsItsKey(jwt: string): Promise<string> {
  const { publicJwk, privateKey } = key('two')
  await importJWK(publicJwk, 'ES256')
  const header = { alg: 'ES256', jwk: publicJwk, jku: 'https://evil.example/jwks', kid: 'two' }
  return new SignJWT(claimsOf(jwt)).setProtectedHeader(header).sign(privateKey)
}
