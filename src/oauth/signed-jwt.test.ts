import { beforeAll, describe, expect, it } from 'vitest'
import {
  bringsItsKey,
  hmac,
  hmacByPublicKey,
  issuer,
  jwksUrl,
  key,
  makeKeys,
  provider,
  type Signing,
  sign,
  start,
  withClaims,
  withHeader,
  world,
} from '../../test/servers/jwt-issuer.ts'
import { NetworkError, TimeoutError } from '../errors.ts'
import { type JwtExpectation, verifyJwt } from './signed-jwt.ts'

beforeAll(makeKeys)

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

  it('of a hundred places are kept, and no more', async () => {
    const { options, state } = world('one')
    const jwt = await sign('one')
    const fetch: typeof globalThis.fetch = (_, init) => options.fetch(jwksUrl, init)
    const at = (index: number) =>
      verifyJwt({ ...provider, jwksUrl: `${jwksUrl}/${index}` }, jwt, expected, { ...options, fetch })
    for (let index = 0; index < 100; index += 1) await at(index)
    await at(0)
    expect(state.asked).toBe(100)
    await at(100)
    await at(0)
    expect(state.asked).toBe(102)
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
