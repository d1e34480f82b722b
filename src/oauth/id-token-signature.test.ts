import { beforeAll, describe, expect, it } from 'vitest'
import {
  hmac,
  hmacByPublicKey,
  key,
  makeKeys,
  provider,
  type Signing,
  sign,
  world,
} from '../../test/servers/jwt-issuer.ts'
import { RequestRefusedError } from '../errors.ts'
import { checkIdToken, idTokenAfterRefresh } from './id-token.ts'

beforeAll(makeKeys)

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
