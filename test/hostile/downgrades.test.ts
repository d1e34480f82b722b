// Servers that would have less than was agreed on: no signature, no key, no PKCE, another audience. Each is refused, or
// said. RFC 9700 sections 2.1.1, 4.4 and 4.8, RFC 9449 section 5, RFC 9126 section 5, RFC 7523 section 3.
import { describe, expect, it } from 'vitest'
import {
  authorizationCodeGrant,
  authorizationUrl,
  type Client,
  discover,
  introspectToken,
  refreshTokenGrant,
  registerClient,
  registeredClient,
} from '../../src/oauth/index.ts'
import { defineProvider, type Provider } from '../../src/providers/index.ts'
import { readJwt } from '../servers/oidc-record.ts'
import { jwks, signed } from './forged-jwts.ts'
import { judged } from './judge.ts'
import { callback, client, issuer, pending, provider, tokens } from './operations.ts'

const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
const key = await crypto.subtle.exportKey('jwk', pair.privateKey)
const keyed: Client = {
  clientId: 'https://app.example/client.json',
  tokenEndpointAuthMethod: 'private_key_jwt',
  privateKey: { key },
  redirectUri: 'https://app.example/callback',
}

/** Answers by path, and remembers what was sent. */
function answers(found: Readonly<Record<string, unknown>>) {
  const sent: { url: string; form: URLSearchParams }[] = []
  const fetch = async (input: string | URL | Request, init?: RequestInit) => {
    const url = String(input)
    sent.push({ url, form: new URLSearchParams(String(init?.body ?? '')) })
    const answer = found[new URL(url).pathname]
    if (answer instanceof Response) return answer.clone()
    return answer === undefined ? new Response('{}', { status: 404 }) : Response.json(answer)
  }
  return Object.assign(fetch as typeof globalThis.fetch, { sent })
}

const bearer = { access_token: 'canary-answer-token', token_type: 'Bearer', expires_in: 60 }

describe('a bearer token in the place of a bound one', () => {
  const required: Provider = { ...provider, dpop: 'required' }

  it('is not used where the row says that tokens are bound', async () => {
    const fetch = answers({ '/token': bearer })
    const at = pending({ dpopKey: key })
    const { error } = await judged('bearer', () =>
      authorizationCodeGrant(required, client, at, callback, { fetch }),
    )
    expect(error).toMatchObject({ code: 'token_invalid' })
  })

  it('is said where it was only asked for, and where a refresh cannot be undone', async () => {
    const fetch = answers({ '/token': bearer })
    const asked = await authorizationCodeGrant(provider, client, pending({ dpopKey: key }), callback, {
      fetch,
    })
    const bound = tokens.with({ tokenType: 'DPoP', dpopKey: key })
    const renewed = await refreshTokenGrant(required, client, bound, { fetch })
    for (const { deviations } of [asked, renewed])
      expect(deviations).toContainEqual({ code: 'token_type', member: 'token_type', found: 'Bearer' })
  })
})

describe('a pushed request', () => {
  it.each([404, 405, 500, 503, 200])(
    'that is answered with %d does not become a plain one',
    async (status) => {
      const fetch = answers({ '/par': new Response('{}', { status }) })
      for (const pushedAuthorizationRequired of [true, false]) {
        const row = { ...provider, pushedAuthorizationRequired }
        const { value, error } = await judged(`${status}`, () =>
          authorizationUrl(row, client, { scopes: ['x'], fetch }),
        )
        expect(value).toBeUndefined()
        expect(error).toBeDefined()
      }
    },
  )
})

describe('PKCE', () => {
  it.each([[[]], [['plain', 'S256']], [['none']], [['S512']]])(
    'is S256, though metadata name %j',
    async (methods) => {
      const metadata = {
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        code_challenge_methods_supported: methods,
      }
      const fetch = answers({ '/.well-known/openid-configuration': metadata })
      const row = defineProvider({ id: 'acme', issuer })
      const { url, pending: begun } = await authorizationUrl(row, client, { scopes: ['x'], fetch })
      expect(new URL(url).searchParams.get('code_challenge_method')).toBe('S256')
      expect(begun.codeVerifier).toMatch(/^.{43,128}$/)
    },
  )
})

describe('a signature', () => {
  it('that was asked of an introspection answer cannot be left out', async () => {
    for (const type of ['application/json', 'text/plain', 'application/jwt']) {
      const body = JSON.stringify({ active: true })
      const fetch = answers({ '/introspect': new Response(body, { headers: { 'content-type': type } }) })
      const { error } = await judged(type, () =>
        introspectToken(provider, client, 'canary-token', { signed: true, fetch }),
      )
      expect(error, type).toMatchObject({ code: 'jwt_invalid' })
    }
  })

  it('of an id_token is by the algorithm that the client registered', async () => {
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      iss: issuer,
      aud: 'client-1',
      sub: 'ada',
      iat: now,
      exp: now + 60,
      nonce: pending().nonce,
    }
    const id_token = signed({ header: { alg: 'ES256', kid: 'key-1' }, claims })
    const fetch = answers({ '/token': { ...bearer, id_token }, '/jwks': jwks })
    const run = (idTokenSigningAlg: string) =>
      judged(idTokenSigningAlg, () =>
        authorizationCodeGrant(provider, { ...client, idTokenSigningAlg }, pending(), callback, { fetch }),
      )
    expect((await run('ES256')).error).toBeUndefined()
    expect((await run('RS256')).error).toMatchObject({ code: 'id_token_invalid' })
  })
})

describe('a client assertion', () => {
  const honest = 'https://honest.example/token'
  const known = { issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: honest }
  const pushed = { request_uri: 'urn:x', expires_in: 60 }

  it.each([
    ['names the endpoint of another server as its own', issuer, { ...known, issuer }],
    [
      'and says besides that its issuer varies',
      `${issuer}/t/v2.0`,
      { ...known, issuer: `${issuer}/{tenantid}/v2.0` },
    ],
  ])('is of no use at another server when a server %s', async (_, home, metadata) => {
    const path = new URL(home).pathname.replace(/\/$/, '')
    const fetch = answers({
      [`${path}/.well-known/openid-configuration`]: {
        ...metadata,
        pushed_authorization_request_endpoint: `${issuer}/par`,
      },
      '/par': pushed,
    })
    expect(await discover(home, { fetch })).toMatchObject({ tokenUrl: honest })
    const row = defineProvider({ id: 'acme', issuer: home })
    await authorizationUrl(row, keyed, { scopes: ['x'], fetch })
    const assertion = fetch.sent.at(-1)?.form.get('client_assertion') ?? ''
    expect(readJwt(assertion)?.payload.aud).toBe(home)
  })
})

describe('a registration', () => {
  const ours = 'https://app.example/callback'
  const asked = { redirectUris: [ours], tokenEndpointAuthMethod: 'private_key_jwt' } as const
  const answer = { client_id: 'client-2', token_endpoint_auth_method: 'none', grant_types: ['implicit'] }

  it('with none of our redirect URIs sends people to none of theirs', async () => {
    for (const redirect_uris of [
      ['https://evil.example/callback'],
      [`${ours}.evil.example`],
      [],
      ['nowhere'],
    ]) {
      const fetch = answers({ '/register': { ...answer, redirect_uris } })
      const registration = await registerClient(provider, asked, { fetch })
      expect(registration.changed).toContain('redirect_uris')
      const registered = { ...registeredClient(registration), tokenEndpointAuthMethod: 'none' } as const
      const { error } = await judged('evil', () =>
        authorizationUrl(provider, registered, { scopes: ['x'], fetch }),
      )
      expect(error).toMatchObject({
        code: 'invalid_argument',
        message: expect.stringContaining('redirectUri'),
      })
    }
  })

  it('with others besides sends people to ours, and says what was changed', async () => {
    const fetch = answers({
      '/register': { ...answer, redirect_uris: ['https://evil.example/callback', ours] },
    })
    const registration = await registerClient(provider, asked, { fetch })
    expect(registration.changed).toEqual(
      expect.arrayContaining(['redirect_uris', 'token_endpoint_auth_method', 'grant_types']),
    )
    expect(registeredClient(registration).redirectUri).toBe(ours)
  })
})
