// JWTs that must not be believed, through every door that takes one: id_token of a code, of a fragment, of a device;
// a signed callback (JARM); a signed introspection answer. RFC 8725, OpenID Connect Core section 3.1.3.7.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CallbackError, InvalidResponseError } from '../../src/errors.ts'
import {
  authorizationCodeGrant,
  deviceCodeGrant,
  implicitGrant,
  introspectToken,
  verifyCallback,
} from '../../src/oauth/index.ts'
import { forgeries, idTokenMisfits, type JwtParts, jwks, misfits, signed } from './forged-jwts.ts'
import { judged } from './judge.ts'
import { callback, client, issuer, pending, provider } from './operations.ts'

/** A way in. */
interface Door {
  name: string
  good: () => JwtParts
  /** Claims that make a good one bad here. */
  misfits: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  enter: (jwt: string, fetch: typeof globalThis.fetch) => Promise<unknown>
}

const now = () => Math.floor(Date.now() / 1000)
const usual = () => ({ iss: issuer, aud: 'client-1', exp: now() + 300, iat: now() })
const header = (typ?: string) => ({ alg: 'ES256', kid: 'key-1', ...(typ === undefined ? {} : { typ }) })
const accessToken = 'canary-answer-token'
const idToken = () => ({
  header: header(),
  claims: { ...usual(), sub: 'ada', nonce: 'canary-nonce-0123456789' },
})
const state = 'canary-state-0123456789'
/** at_hash of {@link accessToken}, as the issuer makes it. */
const hash = Buffer.from(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(accessToken)))
  .subarray(0, 16)
  .toString('base64url')

const doors: readonly Door[] = [
  {
    name: 'the id_token of a code',
    good: idToken,
    misfits: { ...misfits, ...idTokenMisfits },
    enter: (jwt, fetch) =>
      authorizationCodeGrant(provider, client, pending(), callback, { fetch: tokensWith(jwt, fetch) }),
  },
  {
    name: 'the id_token of a device',
    good: idToken,
    misfits: { ...misfits, nobody: { sub: undefined }, 'no time of issue': { iat: undefined } },
    enter: (jwt, fetch) =>
      deviceCodeGrant(
        provider,
        client,
        {
          ...{ provider: 'acme', deviceCode: 'canary-device-code', userCode: 'A', verificationUri: issuer },
          ...{ expiresAt: Date.now() + 60_000, lifetimeSeconds: 60, intervalSeconds: 1, scopes: ['openid'] },
        },
        { fetch: tokensWith(jwt, fetch), sleep: async () => {} },
      ),
  },
  {
    name: 'the id_token of a fragment',
    good: () => ({ ...idToken(), claims: { ...idToken().claims, at_hash: hash } }),
    misfits: { ...misfits, ...idTokenMisfits, 'no hash of the token': { at_hash: undefined } },
    enter: (jwt, fetch) => {
      const answer = { state, access_token: accessToken, token_type: 'Bearer', id_token: jwt, iss: issuer }
      const url = `https://app.example/callback#${new URLSearchParams(answer)}`
      return implicitGrant(provider, client, pending({ responseType: 'id_token token' }), url, { fetch })
    },
  },
  {
    name: 'a signed callback',
    good: () => ({ header: header(), claims: { ...usual(), state, code: 'canary-code' } }),
    misfits: {
      ...misfits,
      'no state': { state: undefined },
      'another state': { state: 'canary-state-9876543210' },
      'the state in a list': { state: [state] },
      'no code': { code: undefined },
      'a code in a list': { code: ['canary-code'] },
    },
    enter: (jwt, fetch) => {
      const url = `https://app.example/callback?response=${encodeURIComponent(jwt)}`
      return verifyCallback(provider, client, pending({ responseMode: 'jwt' }), url, { fetch })
    },
  },
  {
    name: 'a signed introspection answer',
    good: () => ({
      header: header('token-introspection+jwt'),
      claims: { ...usual(), token_introspection: { active: true, sub: 'ada' } },
    }),
    misfits: Object.fromEntries(Object.entries(misfits).filter(([name]) => name !== 'no end')),
    enter: (jwt, fetch) =>
      introspectToken(provider, client, 'canary-token', {
        signed: true,
        fetch: routed({ '/introspect': [jwt, 'application/token-introspection+jwt'] }, fetch),
      }),
  },
]

function tokensWith(jwt: string, keys: typeof fetch): typeof fetch {
  const answer = { access_token: accessToken, token_type: 'Bearer', id_token: jwt }
  return routed({ '/token': [JSON.stringify(answer), 'application/json'] }, keys)
}

/** Answers some paths; what is left goes on. */
function routed(answers: Record<string, [body: string, type: string]>, next: typeof fetch): typeof fetch {
  return (async (input, init) => {
    const found = answers[new URL(String(input)).pathname]
    if (found === undefined) return next(input, init)
    return new Response(found[0], { headers: { 'content-type': found[1] } })
  }) as typeof fetch
}

/** The issuer's keys, at one address; nobody may be asked for anything else. */
function publishing(keys: unknown = jwks) {
  const asked: string[] = []
  const fetch = async (input: string | URL | Request) => {
    asked.push(String(input))
    return Response.json(keys)
  }
  return Object.assign(fetch as typeof globalThis.fetch, { asked })
}

async function refused(what: string, door: Door, jwt: string, keys?: unknown) {
  const fetch = publishing(keys)
  const { value, error } = await judged(what, () => door.enter(jwt, fetch))
  if (error === undefined) throw new Error(`${what}: was believed: ${JSON.stringify(value)}`)
  expect(error instanceof InvalidResponseError || error instanceof CallbackError, String(error)).toBe(true)
  for (const url of fetch.asked) expect(url).toBe(`${issuer}/jwks`)
}

describe.each(doors)('$name', (door) => {
  it('is believed as the issuer made it', async () => {
    const { error } = await judged(door.name, () => door.enter(signed(door.good()), publishing()))
    expect(error).toBeUndefined()
  })

  it('is refused with every trick of header and signature', async () => {
    for (const [name, forge] of Object.entries(forgeries)) await refused(name, door, forge(door.good()))
  })

  it('is refused when it is for others, or for another time', async () => {
    for (const [name, claims] of Object.entries(door.misfits)) {
      const good = door.good()
      await refused(name, door, signed({ ...good, claims: { ...good.claims, ...claims } }))
    }
  })

  it('is refused with any one character changed', async () => {
    const good = signed(door.good())
    const property = fc.asyncProperty(
      fc.nat(good.length - 3),
      fc.constantFrom('A', 'z', '.', '_'),
      async (at, by) => {
        const changed = good.slice(0, at) + by + good.slice(at + 1)
        if (changed !== good) await refused(`at ${at}`, door, changed)
      },
    )
    await fc.assert(property, { numRuns: 40, seed: 11 })
  })

  it('is refused when the keys do not fit, however odd they are', async () => {
    const [key] = jwks.keys
    const stranger = { ...key, x: key?.y, y: key?.x }
    const sets: Record<string, unknown> = {
      'no key': { keys: [] },
      'keys that are none': {
        keys: [null, 1, 'key', [], {}, { kty: 'EC' }, { kty: '__proto__', kid: 'key-1' }],
      },
      'a point that is not on the curve': { keys: [stranger] },
      'a symmetric key': { keys: [{ kty: 'oct', k: 'AAAA', kid: 'key-1', alg: 'ES256' }] },
      'a key for encryption': { keys: [{ ...key, use: 'enc' }] },
      'a key for another algorithm': { keys: [{ ...key, alg: 'ES384' }] },
      'a thousand strangers': { keys: Array.from({ length: 1000 }, () => ({ ...stranger, kid: undefined })) },
    }
    for (const [name, keys] of Object.entries(sets)) {
      const { value } = await judged(name, () => door.enter(signed(door.good()), publishing(keys)))
      if (value !== undefined) throw new Error(`${name}: was believed`)
    }
  })
})

describe('an issuer that varies', () => {
  it('varies at its own host when the id_token came through the browser (mix-up)', async () => {
    const varying = { ...provider, issuerVaries: true }
    const at = () => pending({ responseType: 'id_token token' })
    for (const [iss, good] of [
      ['https://honest.example/', false],
      [`${issuer}/eu`, true],
    ] as const) {
      const claims = { ...idToken().claims, iss, at_hash: hash }
      const answer = {
        state,
        access_token: accessToken,
        token_type: 'Bearer',
        id_token: signed({ header: header(), claims }),
      }
      const url = `https://app.example/callback#${new URLSearchParams(answer)}`
      const { error } = await judged(iss, () =>
        implicitGrant(varying, client, at(), url, { fetch: publishing() }),
      )
      if (good) expect(error).toBeUndefined()
      else expect(error).toMatchObject({ code: 'id_token_invalid' })
    }
  })
})

describe('the secret of the client', () => {
  it('is no key of an id_token that came through the browser', async () => {
    const door = doors.find(({ name }) => name === 'the id_token of a fragment') as Door
    const { header: _, claims } = door.good()
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const text = `${part({ alg: 'HS256' })}.${part(claims)}`
    const key = new TextEncoder().encode(client.clientSecret)
    const usage = [{ name: 'HMAC', hash: 'SHA-256' }, false, ['sign']] as const
    const secret = await crypto.subtle.importKey('raw', key, ...usage)
    const mac = await crypto.subtle.sign('HMAC', secret, new TextEncoder().encode(text))
    await refused('HS256', door, `${text}.${Buffer.from(mac).toString('base64url')}`)
  })
})
