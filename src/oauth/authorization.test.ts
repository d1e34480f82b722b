import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { defineProvider, type Provider, type ProviderFacts } from '../providers/index.ts'
import { type AuthorizationUrlOptions, authorizationUrl } from './authorization.ts'
import { readCallback } from './callback.ts'
import type { Client } from './client.ts'
import { generateCodeChallenge } from './pkce.ts'

const client: Client = { clientId: 'client 1', clientSecret: 'canary-client-secret' }
const redirectUri = 'http://127.0.0.1:4711/callback?a=b'
const now = Date.parse('2026-03-01T12:00:00Z')

function providerWith(facts: Partial<ProviderFacts & { authorizationUrl: string }> = {}): Provider {
  return defineProvider({
    id: 'acme',
    authorizationUrl: 'https://as.example/authorize',
    tokenUrl: 'https://as.example/token',
    ...facts,
  })
}

async function build(facts: Parameters<typeof providerWith>[0] = {}, options: AuthorizationUrlOptions = {}) {
  const given = { redirectUri, scopes: ['read', 'write'], now: () => now, ...options }
  const { url, pending } = await authorizationUrl(providerWith(facts), client, given)
  return { url, pending, parameters: new URL(url).searchParams }
}

describe('an authorization URL', () => {
  it('R2 carries everything, and a record to finish with', async () => {
    const { url, pending, parameters } = await build({}, { user: 'ada', account: 'work' })
    expect(Object.fromEntries(parameters)).toEqual({
      response_type: 'code',
      client_id: 'client 1',
      redirect_uri: redirectUri,
      scope: 'read write',
      state: pending.state,
      code_challenge: await generateCodeChallenge(pending.codeVerifier ?? ''),
      code_challenge_method: 'S256',
    })
    expect(url.startsWith('https://as.example/authorize?')).toBe(true)
    expect(pending).toMatchObject({ version: 1, provider: 'acme', clientId: 'client 1', redirectUri })
    expect(pending).toMatchObject({ scopes: ['read', 'write'], user: 'ada', account: 'work' })
    expect([pending.createdAt, pending.expiresAt]).toEqual([now, now + 600_000])
  })

  it('P9 P10 has a fresh state and a fresh verifier each time; the verifier is in no URL', async () => {
    const two = [await build(), await build()] as const
    expect(two[0].pending.state).not.toBe(two[1].pending.state)
    expect(two[0].pending.codeVerifier).not.toBe(two[1].pending.codeVerifier)
    for (const { url, pending } of two) expect(url).not.toContain(pending.codeVerifier)
  })

  it.each([
    [
      'https://as.example/authorize?tenant=7&x=a%20b+c',
      'https://as.example/authorize?tenant=7&x=a%20b+c&response_type=code&',
    ],
    [
      'https://as.example/authorize?redirect=https%3A%2F%2Fx%2F%3Fy%3D1',
      '?redirect=https%3A%2F%2Fx%2F%3Fy%3D1&response_type=',
    ],
    ['https://as.example/authorize?response_type=token&keep=1', '?keep=1&response_type=code&'],
    ['https://as.example/authorize?', 'https://as.example/authorize?response_type=code&'],
  ])('R2 keeps a query that is there already, as it is: %s', async (endpoint, expected) => {
    const { url, parameters } = await build({ authorizationUrl: endpoint })
    expect(url).toContain(expected)
    expect(parameters.getAll('response_type')).toEqual(['code'])
  })

  it('P24 encodes everything exactly once', async () => {
    const scopes = ['https://www.googleapis.com/auth/drive', 'a%20b', 'c&d=e', 'f+g']
    const { url, parameters } = await build(
      {},
      { scopes, extraParams: { login_hint: 'ada+1@example.com & co', p: '%41' } },
    )
    expect(parameters.get('scope')).toBe(scopes.join(' '))
    expect(parameters.get('login_hint')).toBe('ada+1@example.com & co')
    expect(parameters.get('p')).toBe('%41')
    expect(url).toContain('scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fdrive+a%2520b+c%26d%3De+f%2Bg&')
  })

  it.each<[string, Partial<ProviderFacts>, AuthorizationUrlOptions['scopes'], string | null, string[]]>([
    ['a list', {}, ['a', 'b'], 'a b', ['a', 'b']],
    ['text', {}, 'a b', 'a b', ['a', 'b']],
    ['text with commas', {}, 'a,b', 'a b', ['a', 'b']],
    ['a comma', { scopeSeparator: ',' }, ['a', 'b'], 'a,b', ['a', 'b']],
    ['a bar', { scopeSeparator: '|' }, 'a|b', 'a|b', ['a', 'b']],
    ['doubles', {}, ['a', 'b', 'a'], 'a b', ['a', 'b']],
    ['nothing: the defaults', { defaultScopes: ['x', 'y'] }, undefined, 'x y', ['x', 'y']],
    ['nothing at all: no parameter', {}, undefined, null, []],
    ['an empty list: no parameter', { defaultScopes: ['x'] }, [], null, []],
  ])('P24 joins scopes as the provider wants: %s', async (_, facts, scopes, sent, listed) => {
    const { parameters, pending } = await build(facts, { scopes })
    expect(parameters.get('scope')).toBe(sent)
    expect(pending.scopes).toEqual(listed)
  })

  it('sends scopes under the name that the provider gives them', async () => {
    const { parameters } = await build({ scopeParam: 'permissions' })
    expect([parameters.get('permissions'), parameters.get('scope')]).toEqual(['read write', null])
  })

  it('P36 sends a second list, and a scope that is in both goes into both', async () => {
    const facts = { scopeSeparator: ',', userScopeParam: 'user_scope' }
    const options = { scopes: ['chat:write', 'commands'], userScopes: ['chat:write', 'search:read'] }
    const { parameters, pending } = await build(facts, options)
    expect(parameters.get('scope')).toBe('chat:write,commands')
    expect(parameters.get('user_scope')).toBe('chat:write,search:read')
    expect(pending.scopes).toEqual(['chat:write', 'commands', 'search:read'])
  })

  it('refuses a second list where the provider has one', async () => {
    await expect(build({}, { userScopes: ['a'] })).rejects.toThrow(/put userScopes into scopes/)
  })

  it.each([
    ['S256 without evidence', undefined, 'S256'],
    ['S256 where it is required', 'required', 'S256'],
    ['plain for a provider that knows nothing better', 'plain-only', 'plain'],
    ['none where it is unsupported', 'unsupported', null],
  ] as const)('R20 uses PKCE: %s', async (_, pkce, method) => {
    const { parameters, pending } = await build(pkce === undefined ? {} : { pkce })
    expect(parameters.get('code_challenge_method')).toBe(method)
    if (method === 'plain') expect(parameters.get('code_challenge')).toBe(pending.codeVerifier)
    if (method === null)
      expect([parameters.get('code_challenge'), pending.codeVerifier]).toEqual([null, undefined])
  })

  it('P25 appends fixed and further parameters; the caller wins over the row', async () => {
    const facts = { authorizationParams: { access_type: 'offline', prompt: 'consent' } }
    const { parameters } = await build(facts, { extraParams: { prompt: 'login', empty: '' } })
    expect([parameters.get('access_type'), parameters.get('prompt'), parameters.get('empty')]).toEqual([
      'offline',
      'login',
      null,
    ])
    expect(parameters.getAll('prompt')).toHaveLength(1)
  })

  it.each([
    'response_type',
    'client_id',
    'redirect_uri',
    'state',
    'nonce',
    'code_challenge',
    'code_challenge_method',
    'request',
    'request_uri',
    'dpop_jkt',
    'scope',
  ])('extraParams cannot replace %s', async (name) => {
    await expect(build({}, { extraParams: { [name]: 'x' } })).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining(name),
    })
  })

  it('what is written by hand counts when the answer comes', async () => {
    const extraParams = { response_mode: 'fragment.jwt', max_age: '60', resource: 'https://api.example/' }
    const { parameters, pending } = await build({}, { extraParams })
    expect(pending).toMatchObject({ responseMode: 'fragment.jwt', maxAge: 60 })
    expect(pending.resources).toEqual(['https://api.example/'])
    expect([...parameters.keys()].filter((name) => name in extraParams).sort()).toEqual([
      'max_age',
      'resource',
      'response_mode',
    ])
  })

  it('the response mode of a call comes before that of the client, and that before the row', async () => {
    const row = providerWith({ responseMode: 'query' })
    const mode = async (us: Client, responseMode?: 'form_post') =>
      (await authorizationUrl(row, us, { redirectUri, responseMode })).pending.responseMode
    expect(await mode({ ...client, responseMode: 'fragment' }, 'form_post')).toBe('form_post')
    expect(await mode({ ...client, responseMode: 'fragment' })).toBe('fragment')
    expect(await mode(client)).toBe('query')
  })

  it.each<[string, AuthorizationUrlOptions]>([
    ['a response mode that nobody here reads', { extraParams: { response_mode: 'web_message' } }],
    ['a negative age', { maxAge: -1 }],
    ['an age that is no number', { extraParams: { max_age: 'soon' } }],
    ['half a second', { maxAge: 0.5 }],
    ['claims that are no object', { extraParams: { claims: '[]' } }],
    ['claims that are no JSON', { extraParams: { claims: '{' } }],
    ['details that are no list', { extraParams: { authorization_details: '{}' } }],
  ])('refuses %s', async (_, options) => {
    await expect(build({}, options)).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it("a row's fixed parameters never replace ours, however the row was made", async () => {
    const provider = { ...providerWith(), authorizationParams: { state: 'fixed', response_type: 'token' } }
    const { url, pending } = await authorizationUrl(provider, client, { redirectUri })
    const parameters = new URL(url).searchParams
    expect([parameters.get('state'), parameters.get('response_type')]).toEqual([pending.state, 'code'])
  })

  it("R2 records a state of the caller's, and it is checked like any other", async () => {
    const { parameters, pending } = await build({}, { state: 'my state & more' })
    expect(parameters.get('state')).toBe('my state & more')
    const options = { now: () => now }
    const answer = readCallback(providerWith(), pending, '?code=c&state=my+state+%26+more', options)
    expect(answer.code).toBe('c')
    expect(() => readCallback(providerWith(), pending, '?code=c&state=other+state', options)).toThrow(/state/)
  })

  it.each([
    ['a state of few characters', { state: 'short' }, /8 characters/],
    ['no redirect URI', { redirectUri: '' }, /redirectUri/],
    ['a scope with a space', { scopes: ['a b'] }, /own array element/],
  ])('refuses %s', async (_, options, message) => {
    await expect(build({}, options)).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(message),
    })
  })

  it('refuses a client without an id', async () => {
    const nobody = { clientId: '' }
    await expect(authorizationUrl(providerWith(), nobody, { redirectUri })).rejects.toThrow(
      /needs a clientId/,
    )
  })

  it("uses the client's redirect URI, also one that is an alias (eBay)", async () => {
    const { pending } = await authorizationUrl(providerWith(), { ...client, redirectUri: 'Acme-RuName' })
    expect(pending.redirectUri).toBe('Acme-RuName')
  })

  it.each([
    ['openid', {}, ['openid', 'email'], true],
    ['no openid', {}, ['email'], false],
    ['a provider that wants one', { quirks: ['nonce-required'] }, ['email'], true],
  ])('a nonce comes with %s', async (_, facts, scopes, expected) => {
    const { parameters, pending } = await build(facts, { scopes })
    expect(parameters.get('nonce')).toBe(pending.nonce ?? null)
    expect(pending.nonce !== undefined).toBe(expected)
    if (expected) expect(pending.nonce).toMatch(/^[\w-]{32}$/)
  })

  it("takes the caller's nonce and lifetime", async () => {
    const { pending } = await build({}, { nonce: 'n-0S6_WzA2Mj', lifetimeMs: 1000 })
    expect([pending.nonce, pending.expiresAt]).toEqual(['n-0S6_WzA2Mj', now + 1000])
  })

  it('fills variables of the endpoint from the client', async () => {
    const provider = defineProvider({
      id: 'tenant',
      authorizationUrl: 'https://{domain}.as.example/authorize',
      tokenUrl: 'https://{domain}.as.example/token',
      urlVariables: [{ name: 'domain', from: 'user' }],
    })
    const { url } = await authorizationUrl(
      provider,
      { ...client, variables: { domain: 'ada' } },
      { redirectUri },
    )
    expect(new URL(url).host).toBe('ada.as.example')
    await expect(authorizationUrl(provider, client, { redirectUri })).rejects.toMatchObject({
      code: 'provider_invalid',
    })
  })

  it('R22 the record shows no secret by inspect, and survives JSON', async () => {
    const { pending } = await build({}, { scopes: ['openid'] })
    const shown = inspect({ pending }, { depth: null, showHidden: true })
    for (const secret of [pending.state, pending.codeVerifier, pending.nonce])
      expect(shown).not.toContain(secret)
    expect(JSON.parse(JSON.stringify(pending))).toEqual({ ...pending })
    expect(Object.isFrozen(pending)).toBe(true)
  })
})
