// Callbacks in every response mode, from a real server: query, fragment, posted form, and each of them signed (JARM).
// What is accepted, what is refused, and what the server was asked meanwhile.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { CallbackError } from '../src/errors.ts'
import { type FlowRequest, loopback, type StartedFlow } from '../src/flows/index.ts'
import {
  type AuthorizationUrlOptions,
  authorizationCodeGrant,
  authorizationUrl,
  type Callback,
  callbackState,
  type PendingAuthorization,
  readCallback,
  verifyCallback,
} from '../src/oauth/index.ts'
import { defineProvider, type Provider, type ResponseMode } from '../src/providers/index.ts'
import { Vault } from '../src/vault/index.ts'
import { type OidcServer, startOidcServer } from './servers/oidc.ts'
import { readJwt } from './servers/oidc-record.ts'

const redirectUri = 'http://127.0.0.1:4711/callback'
const signingAlgs = ['ES256'] as const
const plain = ['query', 'fragment', 'form_post'] as const
const signed = ['query.jwt', 'fragment.jwt', 'form_post.jwt', 'jwt'] as const

let oidc: OidcServer
/** The same client ids at another issuer, with other keys. */
let other: OidcServer
let provider: Provider

beforeAll(async () => {
  const responseTypes = ['code', 'code id_token', 'id_token token'] as const
  const features = { jarm: true, responseTypes }
  ;[oidc, other] = await Promise.all([
    startOidcServer({ signingAlgs, features }),
    startOidcServer({ signingAlgs, features }),
  ])
  provider = defineProvider({ id: 'practice', issuer: oidc.issuer })
})
afterAll(() => Promise.all([oidc.close(), other.close()]))
afterEach(() => oidc.record.clear())

interface Asked extends AuthorizationUrlOptions {
  server?: OidcServer
  deny?: boolean
}

/** Up to the callback, as the browser would bring it: a URL with its fragment, or the posted form. */
async function arrive({ server = oidc, deny = false, ...options }: Asked = {}) {
  const practice = defineProvider({ id: 'practice', issuer: server.issuer })
  const asked = { redirectUri, scopes: ['notes.read'], ...options }
  const { url, pending } = await authorizationUrl(practice, server.confidentialClient, asked)
  const { form, redirectedUrl } = await server.visit(url, { follow: false, deny })
  return { pending, callback: form ?? redirectedUrl }
}

function grant(pending: PendingAuthorization, callback: Callback, options: { now?: () => number } = {}) {
  return authorizationCodeGrant(provider, oidc.confidentialClient, pending, callback, options)
}

/** Refused, and neither a code nor a key was asked for. */
async function expectRefusal(refused: Promise<unknown>, code: string, endpoints = ['token']): Promise<void> {
  await expect(refused).rejects.toMatchObject({ name: 'CallbackError', code })
  for (const endpoint of endpoints) expect(oidc.record.to(endpoint as 'token')).toEqual([])
}

function responseIn(callback: Callback): string {
  const parameters = callback instanceof URLSearchParams ? callback : new URL(callback).searchParams
  return parameters.get('response') ?? ''
}

describe('the code grant in every response mode', () => {
  it.each([...plain, ...signed])('R3 %s: accepted', async (responseMode) => {
    const { pending, callback } = await arrive({ responseMode })
    expect(oidc.record.to('authorization')[0]?.parameters.get('response_mode')).toBe(responseMode)
    expect(pending).toMatchObject({ responseMode })
    expect(callbackState(callback)).toBe(pending.state)
    expect(callback instanceof URLSearchParams).toBe(responseMode.startsWith('form_post'))
    const travelled = JSON.parse(JSON.stringify(pending)) as PendingAuthorization
    const tokens = await grant(travelled, callback)
    expect(await oidc.accessToken(tokens.accessToken)).toMatchObject({ scopes: ['notes.read'] })
  })

  it.each([...plain, ...signed])('P15 %s: denied', async (responseMode) => {
    const { pending, callback } = await arrive({ responseMode, deny: true })
    await expect(grant(pending, callback)).rejects.toMatchObject({
      name: 'AuthorizationDeniedError',
      error: 'access_denied',
      errorDescription: 'The person said no.',
    })
    expect(oidc.record.to('token')).toEqual([])
  })

  it.each(plain)('P30 %s: another issuer, or none where one was promised', async (responseMode) => {
    const { pending, callback } = await arrive({ responseMode })
    for (const iss of ['https://evil.example', undefined]) {
      const text = callback.toString()
      const changed = text.replace(/iss=[^&]*/, iss === undefined ? 'x=1' : `iss=${encodeURIComponent(iss)}`)
      expect(changed).not.toBe(text)
      await expectRefusal(grant(pending, changed), 'issuer_mismatch')
    }
  })

  it.each(plain)('P9 %s: the state of another authorization', async (responseMode) => {
    const [one, two] = [await arrive({ responseMode }), await arrive({ responseMode })]
    await expectRefusal(grant(one.pending, two.callback), 'state_mismatch')
  })

  it('a fragment is read where one was asked for, and nowhere else', async () => {
    const { pending, callback } = await arrive({ responseMode: 'fragment' })
    const { responseMode: _, ...query } = pending
    await expectRefusal(grant(query, callback), 'state_missing')
    const both = new URL(String(callback))
    both.search = new URLSearchParams({ code: 'from the query', state: pending.state }).toString()
    expect(readCallback(provider, pending, both).code).not.toBe('from the query')
  })
})

describe('signed answers (JARM)', () => {
  it('hold everything inside the signature', async () => {
    const { pending, callback } = await arrive({ responseMode: 'query.jwt' })
    expect([...new URL(String(callback)).searchParams.keys()]).toEqual(['response'])
    expect(readJwt(responseIn(callback))?.payload).toMatchObject({
      iss: oidc.issuer,
      aud: oidc.confidentialClient.clientId,
      state: pending.state,
      code: expect.any(String),
      exp: expect.any(Number),
    })
    const answer = await verifyCallback(provider, oidc.confidentialClient, pending, callback)
    expect(answer.code).toBe(readJwt(responseIn(callback))?.payload['code'])
    expect(oidc.record.to('token')).toEqual([])
    expect(() => readCallback(provider, pending, callback)).toThrow(/signed one \(JARM\)/)
  })

  it.each(signed)('%s: an unsigned answer instead is refused', async (responseMode) => {
    const { pending, callback } = await arrive({ responseMode: 'query' })
    await expectRefusal(grant({ ...pending, responseMode }, callback), 'response_mode_mismatch')
    await expectRefusal(
      grant({ ...pending, responseMode }, `?error=access_denied&state=${pending.state}`),
      'response_mode_mismatch',
    )
  })

  it('what stands beside the signed answer counts for nothing', async () => {
    const { pending, callback } = await arrive({ responseMode: 'query.jwt' })
    const more = `${callback}&code=evil&state=evil&error=evil&iss=https://evil.example`
    expect(await oidc.accessToken((await grant(pending, more)).accessToken)).toBeDefined()
    expect(oidc.record.last('token')?.parameters.get('code')).not.toBe('evil')
  })

  it.each<[string, (jwt: string) => string]>([
    ['a changed claim', (jwt) => withClaims(jwt, { code: 'evil' })],
    ['another signature', (jwt) => `${jwt.slice(0, -6)}AAAAAA`],
    ['no signature', (jwt) => `${jwt.slice(0, jwt.lastIndexOf('.'))}.`],
    ['alg none', (jwt) => withHeader(jwt, { alg: 'none' }).replace(/[^.]*$/, '')],
    ['an algorithm with our secret as the key', (jwt) => withHeader(jwt, { alg: 'HS256' })],
    ['a key of its own', (jwt) => withHeader(jwt, { alg: 'ES256', jwk: {}, jku: 'https://evil.example' })],
    ['an unknown key', (jwt) => withHeader(jwt, { alg: 'ES256', kid: 'unknown' })],
    ['encryption', () => 'eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d'],
    ['something that is no JWT', () => 'nothing'],
    ['an empty text', () => ''],
  ])('with %s is refused', async (_, change) => {
    const { pending, callback } = await arrive({ responseMode: 'query.jwt' })
    const url = `${redirectUri}?response=${change(responseIn(callback))}`
    await expectRefusal(grant(pending, url), 'jwt_invalid')
    expect(await grant(pending, callback)).toBeDefined() // the right one still counts
  })

  it('of another authorization is refused before a key is asked for', async () => {
    const fresh = defineProvider({ id: 'practice', issuer: oidc.issuer, ...oidc.endpoints })
    const { pending, callback } = await arrive({ responseMode: 'query.jwt' })
    oidc.record.clear()
    const mine = { ...pending, state: 'another-state' }
    const refused = authorizationCodeGrant(fresh, oidc.confidentialClient, mine, callback)
    await expectRefusal(refused, 'state_mismatch', ['token', 'jwks', 'metadata'])
    const stateless = `?response=${withClaims(responseIn(callback), { state: undefined })}`
    await expectRefusal(grant(pending, stateless), 'state_missing', ['token', 'jwks'])
  })

  it('for another client, or of another issuer, is refused', async () => {
    const { pending } = await arrive({ responseMode: 'query.jwt' })
    const { state } = pending
    const { url } = await authorizationUrl(provider, oidc.publicClient, {
      redirectUri,
      scopes: ['notes.read'],
      state,
      responseMode: 'query.jwt',
    })
    await expectRefusal(grant(pending, await oidc.consent(url, { follow: false })), 'jwt_invalid')
    const foreign = await arrive({ server: other, responseMode: 'query.jwt', state })
    await expectRefusal(grant(pending, foreign.callback), 'jwt_invalid')
  })

  it("R6 is checked with keys that the client's own fetch gets", async () => {
    const { pending, callback } = await arrive({ responseMode: 'query.jwt' })
    const asked: string[] = []
    const through: typeof fetch = (input, init) => {
      asked.push(new URL(String(input)).pathname)
      return fetch(input, init)
    }
    const us = { ...oidc.confidentialClient, fetch: through }
    await verifyCallback(provider, us, pending, callback)
    expect(asked).toEqual(['/.well-known/openid-configuration', '/jwks'])
  })

  it('that has ended is refused', async () => {
    const { pending, callback } = await arrive({ responseMode: 'query.jwt', lifetimeMs: 7 * 86_400_000 })
    const tomorrow = () => Date.now() + 86_400_000
    await expectRefusal(grant(pending, callback, { now: tomorrow }), 'jwt_invalid')
  })

  it('that comes twice is refused', async () => {
    const { pending, callback } = await arrive({ responseMode: 'query.jwt' })
    const twice = `${callback}&response=${responseIn(callback)}`
    expect(callbackState(twice)).toBeUndefined()
    await expectRefusal(grant(pending, twice), 'duplicate_parameter')
  })

  it('signed with a new key of the server is accepted', async () => {
    const before = await arrive({ responseMode: 'query.jwt' })
    await grant(before.pending, before.callback)
    await oidc.rotateKeys()
    const after = await arrive({ responseMode: 'query.jwt' })
    expect(await grant(after.pending, after.callback)).toBeDefined()
  })
})

describe('an id_token beside the code (OpenID Connect Core section 3.3)', () => {
  const hybrid = { responseType: 'code id_token', scopes: ['openid', 'notes.read'] } as const

  it.each(['fragment', 'form_post', 'fragment.jwt'] as const)(
    '%s: both are checked',
    async (responseMode) => {
      const { pending, callback } = await arrive({ ...hybrid, responseMode })
      expect(pending).toMatchObject({ responseType: 'code id_token', codeVerifier: expect.any(String) })
      const us = oidc.confidentialClient
      const { idToken } = await verifyCallback(provider, us, pending, callback)
      expect(readJwt(idToken ?? '')?.payload).toMatchObject({
        nonce: pending.nonce,
        c_hash: expect.any(String),
      })
      expect(oidc.record.to('token')).toEqual([])
      const tokens = await grant(pending, callback)
      expect(await oidc.accessToken(tokens.accessToken)).toMatchObject({ user: 'ada' })
      expect(() => readCallback(provider, pending, callback)).toThrow(CallbackError)
    },
  )

  it('comes in the fragment unless asked otherwise', async () => {
    const { pending, callback } = await arrive(hybrid)
    expect(new URL(String(callback)).hash).toContain('id_token=')
    expect(await grant(pending, callback)).toBeDefined()
  })

  it.each<[string, (text: string) => string]>([
    ['another code than it was signed over', (text) => text.replace(/code=[^&]*/, 'code=stolen')],
    ['no id_token', (text) => text.replace(/id_token=[^&]*/, `iss=${oidc.issuer}`)],
    [
      'a changed one',
      (text) =>
        text.replace(/id_token=([^&]*)/, (_, jwt: string) => `id_token=${withClaims(jwt, { sub: 'eve' })}`),
    ],
  ])('with %s is refused before the code is sent', async (_, change) => {
    const { pending, callback } = await arrive({ ...hybrid, responseMode: 'fragment' })
    const changed = change(String(callback))
    expect(changed).not.toBe(String(callback))
    await expect(grant(pending, changed)).rejects.toMatchObject({ code: 'id_token_invalid' })
    expect(oidc.record.to('token')).toEqual([])
  })
})

describe('through the loopback flow', () => {
  let flow: StartedFlow | undefined
  afterEach(() => flow?.cancel())

  async function start(responseMode: ResponseMode, more: Pick<FlowRequest, 'responseType'> = {}) {
    flow = await loopback({ onEvent: () => {} }).start({
      registration: { provider, client: oidc.publicClient },
      scopes: more.responseType === undefined ? ['notes.read'] : ['openid', 'notes.read'],
      responseMode,
      ...more,
    })
    return flow
  }

  /** What a browser does at the end: opens the address without its fragment, and lets the page's script post that. */
  async function land(started: StartedFlow, options: { deny?: boolean } = {}): Promise<Response> {
    const { form, redirectedUrl } = await oidc.visit(started.url, { ...options, follow: false })
    const { hash } = new URL(redirectedUrl)
    if (form !== undefined) return fetch(redirectedUrl, { method: 'POST', body: form })
    if (hash === '') return fetch(redirectedUrl)
    const page = await fetch(redirectedUrl.split('#')[0] ?? '')
    expect(page.status).toBe(200)
    expect(await page.text()).toContain('history.replaceState')
    return fetch(started.redirectUri, { method: 'POST', body: new URLSearchParams(hash.slice(1)) })
  }

  it.each([...plain, ...signed])('%s: tokens, and the success page', async (responseMode) => {
    const started = await start(responseMode)
    const response = await land(started)
    expect([response.status, await response.text()]).toEqual([200, expect.stringContaining('Connected to')])
    expect(await oidc.accessToken((await started.result()).accessToken)).toBeDefined()
  })

  it.each(['fragment', 'form_post', 'form_post.jwt'] as const)('%s: a denial', async (responseMode) => {
    const started = await start(responseMode)
    const response = await land(started, { deny: true })
    expect([response.status, await response.text()]).toEqual([400, expect.stringContaining('access_denied')])
    await expect(started.result()).rejects.toMatchObject({ code: 'access_denied' })
  })

  it('R1 a token of the implicit grant', async () => {
    const started = await start('fragment', { responseType: 'id_token token' })
    expect((await land(started)).status).toBe(200)
    const tokens = await started.result()
    expect(await oidc.accessToken(tokens.accessToken)).toMatchObject({ user: 'ada' })
    expect([tokens.refreshToken, oidc.record.to('token')]).toEqual([undefined, []])
  })

  it('a code with an id_token beside it', async () => {
    const started = await start('fragment', { responseType: 'code id_token' })
    expect((await land(started)).status).toBe(200)
    expect(await oidc.accessToken((await started.result()).accessToken)).toMatchObject({ user: 'ada' })
    expect(oidc.record.to('token')).toHaveLength(1)
  })

  it('P9 posted by somebody else it is refused, and the flow goes on', async () => {
    const started = await start('form_post.jwt')
    const post = (body: Record<string, string>) =>
      fetch(started.redirectUri, { method: 'POST', body: new URLSearchParams(body) })
    const { state } = started.pending
    const forged = `e30.${btoa(JSON.stringify({ state, code: 'evil' }))}.`
    expect((await post({ code: 'evil', state: 'forged' })).status).toBe(400)
    expect((await post({ code: 'evil', state })).status).toBe(400) // unsigned
    expect((await post({ response: forged })).status).toBe(400)
    expect(oidc.record.to('token')).toEqual([])
    expect((await land(started)).status).toBe(200)
    await started.result()
  })

  it('P13 takes no post where none is due, and none that is no form or too large', async () => {
    const query = await start('query')
    const post = (to: StartedFlow, body: string, type = 'application/x-www-form-urlencoded') =>
      fetch(to.redirectUri, { method: 'POST', body, headers: { 'content-type': type } })
    expect((await post(query, 'code=x')).status).toBe(405)
    query.cancel()
    const posted = await start('form_post')
    expect((await post(posted, '{}', 'application/json')).status).toBe(415)
    expect((await post(posted, `code=${'x'.repeat(70_000)}`)).status).toBe(413)
    expect((await fetch(posted.redirectUri, { method: 'PUT' })).headers.get('allow')).toBe('GET, POST')
    expect((await land(posted)).status).toBe(200)
  })

  it('P23 a pasted address with its fragment will do', async () => {
    const started = await start('fragment.jwt')
    const { redirectedUrl } = await oidc.visit(started.url, { follow: false })
    await started.submit(redirectedUrl)
    expect(await oidc.accessToken((await started.result()).accessToken)).toBeDefined()
  })
})

describe('through the vault', () => {
  it.each(['form_post', 'form_post.jwt', 'query.jwt'] as const)(
    '%s finishes what waits there',
    async (mode) => {
      const clients = { practice: { ...oidc.confidentialClient, provider } }
      const vault = await Vault.open({ url: 'memory:', clients })
      const { pending, callback } = await arrive({ responseMode: mode, user: 'ada' })
      await vault.putPending(pending)
      const connection = await vault.finish(callback)
      expect(connection).toMatchObject({ user: 'ada', provider: 'practice', scopes: ['notes.read'] })
      await expect(vault.finish(callback)).rejects.toMatchObject({ code: 'authorization_expired' })
      await vault.close()
    },
  )
})

function encoded(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}

function withClaims(jwt: string, claims: object): string {
  const [header, , signature] = jwt.split('.')
  return `${header}.${encoded({ ...readJwt(jwt)?.payload, ...claims })}.${signature}`
}

function withHeader(jwt: string, header: object): string {
  return `${encoded(header)}.${jwt.split('.').slice(1).join('.')}`
}
