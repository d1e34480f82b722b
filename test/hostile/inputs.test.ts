// What a program hands in, from files, stores and forms: keys, token sets, issuers, records. Whatever is wrong with it, the
// error is a documented one and quotes no secret. RFC 7517, RFC 8414 section 2.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  authorizationCodeGrant,
  clientCredentialsGrant,
  clientMetadataDocument,
  discover,
  discoverProtectedResource,
  endSessionUrl,
  jwtBearerGrant,
  Session,
  serviceKeyClient,
  TokenSet,
} from '../../src/oauth/index.ts'
import { defineProvider } from '../../src/providers/index.ts'
import { answering } from './corpus.ts'
import { judged } from './judge.ts'
import { callback, client, pending, provider } from './operations.ts'

const fetch = answering({ body: '{"access_token":"canary-answer-token","token_type":"Bearer"}' })

/** Keys that are none, each with a secret in it. */
const keys: Readonly<Record<string, unknown>> = {
  'an empty JWK': {},
  'a JWK without a secret part': { kty: 'EC', crv: 'P-256', x: 'canary', y: 'canary' },
  'a point that is none': { kty: 'EC', crv: 'P-256', x: 'canary', y: 'canary', d: 'canary' },
  'another curve': { kty: 'EC', crv: 'P-999', x: 'canary', y: 'canary', d: 'canary' },
  'a symmetric key': { kty: 'oct', k: 'canary' },
  'a prototype': JSON.parse('{"__proto__":{"kty":"EC"},"kty":"constructor","d":"canary"}'),
  'half a PEM': '-----BEGIN PRIVATE KEY-----\ncanary',
  'a PEM of nothing': '-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n',
  'a PEM of another kind': '-----BEGIN RSA PRIVATE KEY-----\nY2FuYXJ5\n-----END RSA PRIVATE KEY-----\n',
  'a text': 'canary-key',
}

describe('a private key', () => {
  it.each(Object.entries(keys))('that is %s is named as what it is, and not quoted', async (what, key) => {
    const keyed = { clientId: 'c', tokenEndpointAuthMethod: 'private_key_jwt', privateKey: { key } } as never
    for (const run of [
      () => clientCredentialsGrant(provider, keyed, { fetch }),
      () => jwtBearerGrant(provider, keyed, {}, { fetch }),
    ])
      expect((await judged(what, run)).error).toBeDefined()
    if (typeof key === 'string') return
    const at = pending({ dpopKey: key as JsonWebKey })
    const grant = () => authorizationCodeGrant(provider, client, at, callback, { fetch })
    expect((await judged(what, grant)).error).toBeDefined()
    const tokens = new TokenSet({
      accessToken: 'canary-access-token',
      tokenType: 'DPoP',
      dpopKey: key as JsonWebKey,
    })
    const call = () => new Session(tokens, { provider, fetch }).fetch('https://api.example/')
    expect((await judged(what, call)).error).toBeDefined()
  })

  it('of a service that is none is not quoted', async () => {
    const files = [
      '',
      'canary',
      '{"private_key":"canary"}',
      '{"client_email":1,"private_key":"canary"}',
      '[]',
      'null',
    ]
    for (const file of files) expect((await judged(file, () => serviceKeyClient(file))).error).toBeDefined()
  })
})

describe('a token set', () => {
  it('is read back, or refused without being quoted', async () => {
    const whole = new TokenSet({
      accessToken: 'canary-access-token',
      refreshToken: 'canary-refresh-token',
    }).serialize()
    const property = fc.asyncProperty(fc.nat(whole.length), fc.string({ maxLength: 3 }), async (at, by) => {
      const { value } = await judged('parse', () =>
        TokenSet.parse(whole.slice(0, at) + by + whole.slice(at + 1)),
      )
      if (value !== undefined) expect(value).toBeInstanceOf(TokenSet)
    })
    await fc.assert(property, { numRuns: 300, seed: 17 })
  })

  it('is no other JSON', async () => {
    for (const text of [
      '',
      'null',
      '[]',
      '{}',
      '{"v":1}',
      '{"v":1,"s":[],"a":"canary"}',
      `{"v":1,"s":${'['.repeat(50_000)}`,
    ])
      await judged(text.slice(0, 40), () => TokenSet.parse(text))
  })
})

describe('an address', () => {
  const addresses = [
    ...['https://ada:canary@as.example', 'https://canary@as.example', 'http://ada:canary@127.0.0.1:1/'],
    ...['https://as.example/?token=canary#x', 'canary', 'file:///canary', '//canary', 'javascript:"canary"'],
  ]

  it.each(addresses)(
    'with a password or none at all is refused, and the password not shown: %s',
    async (url) => {
      const secret = /(?:ada:)?canary@/.test(url)
      for (const run of [
        () => discover(url, { fetch: answering({ body: '{}' }) }),
        () => discoverProtectedResource(url, { fetch: answering({ body: '{}' }) }),
        () => new Session(new TokenSet({ accessToken: 'a' }), { fetch, apiBaseUrl: url }).fetch('/x'),
        () => clientMetadataDocument(url, { redirectUris: ['https://app.example/'] }),
        () => endSessionUrl({ ...provider, endSessionUrl: url }, client),
        () => defineProvider({ id: 'x', issuer: url }),
      ])
        if (secret) await judged(url, run)
        else await judged(url.replaceAll('canary', 'plain'), async () => run()).catch(plainlyQuoted)
    },
  )

  /** Text that is no secret may be quoted; everything else must hold. */
  function plainlyQuoted(error: Error): void {
    if (!/canary[^\s'"]* shows/.test(error.message)) throw error
  }
})
