import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ScriptedServer, startScriptedServer } from '../../test/servers/scripted-http.ts'
import { InvalidResponseError, TokenEndpointError } from '../errors.ts'
import { defineProvider, type Provider, type ProviderFacts } from '../providers/index.ts'
import { authorizationCodeGrant, type BareCode } from './authorization-code.ts'
import type { Callback } from './callback-parameters.ts'
import type { Client } from './client.ts'
import { type PendingAuthorization, pendingAuthorization } from './pending-authorization.ts'
import type { RequestOptions } from './request-options.ts'

const now = Date.parse('2026-03-01T12:00:00Z')
const client: Client = { clientId: 'client-1', clientSecret: 'canary-client-secret' }
const callback = '?code=canary-code&state=canary-state'
let server: ScriptedServer

beforeEach(async () => {
  server = await startScriptedServer(() => ({ body: { access_token: 'canary-access', expires_in: 3600 } }))
})

afterEach(() => server.close())

function providerWith(facts: Partial<ProviderFacts> = {}): Provider {
  const endpoints = { authorizationUrl: `${server.origin}/authorize`, tokenUrl: `${server.origin}/token?v=2` }
  return defineProvider({ id: 'acme', ...facts, ...endpoints })
}

function pendingWith(changes: Partial<PendingAuthorization> = {}): PendingAuthorization {
  return pendingAuthorization({
    version: 1,
    provider: 'acme',
    clientId: 'client-1',
    state: 'canary-state',
    codeVerifier: 'canary-verifier-canary-verifier-canary-verifier',
    redirectUri: 'http://127.0.0.1:4711/callback?a=b',
    scopes: ['read', 'write'],
    createdAt: now,
    expiresAt: now + 600_000,
    ...changes,
  })
}

interface Changes {
  facts?: Partial<ProviderFacts>
  client?: Partial<Client>
  pending?: Partial<PendingAuthorization>
  callback?: Callback | BareCode
  options?: RequestOptions & { extraParams?: Record<string, string> }
}

function grant(changes: Changes = {}) {
  const options = { now: () => now, ...changes.options }
  const us = { ...client, ...changes.client }
  return authorizationCodeGrant(
    providerWith(changes.facts),
    us,
    pendingWith(changes.pending),
    changes.callback ?? callback,
    options,
  )
}

async function wire(changes: Changes = {}) {
  await grant(changes)
  const [request, ...more] = server.requests
  if (request === undefined || more.length > 0) throw new Error(`${server.requests.length} requests`)
  return { ...request, form: Object.fromEntries(new URLSearchParams(request.body)) }
}

function basicOf(header: string | undefined): string {
  return Buffer.from((header ?? '').replace('Basic ', ''), 'base64').toString()
}

const sent = {
  grant_type: 'authorization_code',
  code: 'canary-code',
  redirect_uri: 'http://127.0.0.1:4711/callback?a=b',
  code_verifier: 'canary-verifier-canary-verifier-canary-verifier',
}

describe('R3 the code is exchanged', () => {
  it('for a token set', async () => {
    const tokens = await grant()
    expect([tokens.accessToken, tokens.tokenType, tokens.refreshToken]).toEqual([
      'canary-access',
      'Bearer',
      undefined,
    ])
    expect([tokens.expiresAt, tokens.receivedAt]).toEqual([new Date(now + 3_600_000), new Date(now)])
    expect(tokens.raw).toEqual({ access_token: 'canary-access', expires_in: 3600 })
  })

  it('R8 with the requested scopes when the answer has none, else with the granted ones', async () => {
    expect((await grant()).scopes).toEqual(['read', 'write'])
    server.answer = () => ({ body: { access_token: 'a', scope: 'read' } })
    expect((await grant()).scopes).toEqual(['read'])
  })

  it('P34 without an end when the answer names none', async () => {
    server.answer = () => ({ body: { access_token: 'a' } })
    expect((await grant()).expiresAt).toBeNull()
  })

  it('from a bare code, if the caller says that the state was checked', async () => {
    expect((await wire({ callback: { code: 'canary-code', stateCheckedElsewhere: true } })).form).toEqual(
      sent,
    )
  })

  it.each([
    ['does not say so', { code: 'c' }, 'invalid_argument'],
    ['says no', { code: 'c', stateCheckedElsewhere: false }, 'invalid_argument'],
    ['has no code', { code: '', stateCheckedElsewhere: true }, 'invalid_argument'],
  ])('not from a bare code whose caller %s', async (_, bare, code) => {
    await expect(grant({ callback: bare as BareCode })).rejects.toMatchObject({ code })
    expect(server.requests).toHaveLength(0)
  })

  it('a bare code has its time, too', async () => {
    const bare: BareCode = { code: 'c', stateCheckedElsewhere: true }
    const late = { now: () => now + 600_001 }
    await expect(grant({ callback: bare, options: late })).rejects.toMatchObject({
      code: 'authorization_expired',
    })
  })

  it.each([
    ['P9 a wrong state', '?code=c&state=other', 'state_mismatch'],
    ['P9 no state', '?code=c', 'state_missing'],
    ['P15 a denial', '?error=access_denied&state=canary-state', 'access_denied'],
    ['P30 a foreign issuer', `${callback}&iss=https://evil.example`, 'issuer_mismatch'],
  ])('%s sends nothing', async (_, given, code) => {
    const pending = { issuer: 'https://as.example' }
    await expect(grant({ callback: given, pending })).rejects.toMatchObject({ code })
    expect(server.requests).toHaveLength(0)
  })

  it('P9 a wrong state does not even cause discovery', async () => {
    const provider = defineProvider({ id: 'acme', issuer: server.origin })
    const wrong = authorizationCodeGrant(provider, client, pendingWith(), '?code=c&state=other', {
      now: () => now,
    })
    await expect(wrong).rejects.toMatchObject({ code: 'state_mismatch' })
    expect(server.requests).toHaveLength(0)
  })

  it.each([
    ['provider', { pending: { provider: 'other' } }],
    ['client', { pending: { clientId: 'other' } }],
  ])('not with another %s than it began with', async (_, changes) => {
    await expect(grant(changes)).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(server.requests).toHaveLength(0)
  })

  it('P12 P29 keeps what the row lists of the callback under extra; the answer wins', async () => {
    server.answer = () => ({ body: { access_token: 'a', team: { id: 'T1' }, shop: 'from-answer' } })
    const facts = { callbackParams: ['realmId', 'shop'], tokenFields: ['team.id', 'shop'] }
    const tokens = await grant({
      facts,
      callback: `${callback}&realmId=1&shop=from-callback&access_token=evil`,
    })
    expect(tokens.accessToken).toBe('a')
    expect(tokens.extra).toEqual({ realmId: '1', shop: 'from-answer', 'team.id': 'T1' })
  })

  it('takes any success status', async () => {
    server.answer = () => ({ status: 201, body: { access_token: 'a' } })
    expect((await grant()).accessToken).toBe('a')
  })

  it('a failed exchange throws what went wrong, once', async () => {
    server.answer = () => ({
      status: 400,
      body: { error: 'invalid_grant', error_description: 'canary-code is used' },
    })
    const failure = await grant().catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(TokenEndpointError)
    expect(failure).toMatchObject({
      status: 400,
      error: 'invalid_grant',
      errorDescription: '[redacted] is used',
    })
    expect(failure).toMatchObject({ request: 'authorization_code', provider: 'acme' })
    expect(server.requests).toHaveLength(1)
  })
})

describe('P32 on the wire', () => {
  it('a form with Basic by default', async () => {
    const request = await wire()
    expect(request).toMatchObject({ method: 'POST', url: '/token?v=2' })
    expect(request.headers['content-type']).toBe('application/x-www-form-urlencoded;charset=UTF-8')
    expect(request.headers.accept).toBe('application/json')
    expect(request.form).toEqual(sent)
    expect(basicOf(request.headers.authorization)).toBe('client-1:canary-client-secret')
  })

  it.each([
    ['a colon', 'a:b', 's:t', 'a%3Ab:s%3At'],
    ['a percent sign', 'a%41', '100%', 'a%2541:100%25'],
    ['a space', 'a b', 's t', 'a+b:s+t'],
    ['a plus', 'a+b', 's+t', 'a%2Bb:s%2Bt'],
    ['umlauts and more', 'ü', '密€', '%C3%BC:%E5%AF%86%E2%82%AC'],
    ['what stays as it is', 'A-z_0.9*', '-_.*', 'A-z_0.9*:-_.*'],
    ['what does not', "~!'()", '/=&?', '%7E%21%27%28%29:%2F%3D%26%3F'],
  ])('Basic encodes %s (RFC 6749 section 2.3.1)', async (_, clientId, clientSecret, expected) => {
    const request = await wire({ client: { clientId, clientSecret }, pending: { clientId } })
    expect(basicOf(request.headers.authorization)).toBe(expected)
  })

  it('Basic unencoded for a provider that does not decode', async () => {
    const quirky = { client: { clientId: 'a:b', clientSecret: 's ü' }, pending: { clientId: 'a:b' } }
    const request = await wire({ ...quirky, facts: { quirks: ['basic-auth-unencoded'] } })
    expect(basicOf(request.headers.authorization)).toBe('a:b:s ü')
  })

  it('the body when the row says so', async () => {
    const request = await wire({ facts: { tokenEndpointAuthMethod: 'client_secret_post' } })
    expect(request.form).toEqual({ ...sent, client_id: 'client-1', client_secret: 'canary-client-secret' })
    expect(request.headers.authorization).toBeUndefined()
  })

  it('the client chooses over the row', async () => {
    const facts = { tokenEndpointAuthMethod: 'client_secret_post' } as const
    const request = await wire({ facts, client: { tokenEndpointAuthMethod: 'client_secret_basic' } })
    expect(basicOf(request.headers.authorization)).toBe('client-1:canary-client-secret')
  })

  it.each([
    ['without a secret', {}, undefined],
    ['with an empty secret', {}, ''],
    [
      'without a secret, whatever the row',
      { tokenEndpointAuthMethod: 'client_secret_post' as const },
      undefined,
    ],
  ])('P27 a public client sends its id and no empty Basic header: %s', async (_, facts, clientSecret) => {
    const request = await wire({ facts, client: { clientSecret: clientSecret as string } })
    expect(request.form).toEqual({ ...sent, client_id: 'client-1' })
    expect(request.headers.authorization).toBeUndefined()
  })

  it('none is none, even with a secret', async () => {
    const request = await wire({ client: { tokenEndpointAuthMethod: 'none' } })
    expect(request.form).toEqual({ ...sent, client_id: 'client-1' })
    expect(request.headers.authorization).toBeUndefined()
  })

  it.each(['client_secret_basic', 'client_secret_post', 'json_body'] as const)(
    'a client that chose %s and has no secret hears so before anything is sent',
    async (tokenEndpointAuthMethod) => {
      const changes = { client: { clientSecret: '', tokenEndpointAuthMethod } }
      await expect(grant(changes)).rejects.toMatchObject({ code: 'client_missing' })
      expect(server.requests).toHaveLength(0)
    },
  )

  it.each([
    ['private_key_jwt', 'client_missing'],
    ['signed_headers', 'provider_invalid'],
    ['signed_request', 'provider_invalid'],
  ] as const)('%s is refused and not replaced by something else', async (tokenEndpointAuthMethod, code) => {
    const changes = { facts: { tokenEndpointAuthMethod }, client: { clientSecret: '' } }
    await expect(grant(changes)).rejects.toMatchObject({ code })
    expect(server.requests).toHaveLength(0)
  })

  it('client_secret_jwt signs and keeps the secret at home', async () => {
    const request = await wire({ facts: { tokenEndpointAuthMethod: 'client_secret_jwt' } })
    expect(request.form['client_assertion']?.split('.')).toHaveLength(3)
    expect(JSON.stringify(request)).not.toContain('canary-client-secret')
  })

  it('R5 JSON', async () => {
    const request = await wire({ facts: { tokenRequestFormat: 'json' } })
    expect(request.headers['content-type']).toBe('application/json')
    expect(JSON.parse(request.body)).toEqual(sent)
    expect(basicOf(request.headers.authorization)).toBe('client-1:canary-client-secret')
  })

  it('R4 JSON with the client in it', async () => {
    const request = await wire({ facts: { tokenEndpointAuthMethod: 'json_body' } })
    expect(request.headers['content-type']).toBe('application/json')
    const client = { client_id: 'client-1', client_secret: 'canary-client-secret' }
    expect(JSON.parse(request.body)).toEqual({ ...sent, ...client })
  })

  it.each([
    ['get', 'GET'],
    ['query', 'POST'],
  ] as const)('R5 %s: the parameters join the query that is there', async (tokenRequestFormat, method) => {
    const request = await wire({ facts: { tokenRequestFormat } })
    expect([request.method, request.body]).toEqual([method, ''])
    const query = new URL(request.url, server.origin).searchParams
    expect(Object.fromEntries(query)).toEqual({ v: '2', ...sent })
    expect(request.headers['content-type']).toBeUndefined()
  })

  it('R5 extra parameters and headers; the grant keeps its own', async () => {
    const facts = {
      tokenParams: { audience: 'api', resource: 'row' },
      tokenRequestHeaders: {
        'notion-version': '2026-03-11',
        'user-agent': 'acme-app/1',
        accept: 'application/vnd.acme+json',
      },
    }
    const extraParams = {
      resource: 'call',
      code: 'evil',
      grant_type: 'evil',
      redirect_uri: 'evil',
      code_verifier: 'evil',
    }
    const request = await wire({ facts, options: { extraParams } })
    expect(request.form).toEqual({ ...sent, audience: 'api', resource: 'call' })
    expect(request.headers).toMatchObject(facts.tokenRequestHeaders)
    expect(basicOf(request.headers.authorization)).toBe('client-1:canary-client-secret')
  })

  it('R20 no verifier where PKCE is unsupported', async () => {
    const { codeVerifier: _, ...unsupported } = pendingWith()
    await authorizationCodeGrant(providerWith(), client, unsupported, callback, { now: () => now })
    const { code_verifier: _verifier, ...rest } = sent
    expect(Object.fromEntries(new URLSearchParams(server.requests[0]?.body))).toEqual(rest)
  })
})

describe('an id_token', () => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const issuer = 'https://as.example'
  const good = {
    iss: issuer,
    aud: 'client-1',
    sub: 'ada',
    iat: now / 1000,
    exp: now / 1000 + 300,
    nonce: 'n-1',
  }
  const changes: Changes = { facts: { issuer }, pending: { issuer, nonce: 'n-1' } }

  it('that is for this sign-in is kept', async () => {
    const id_token = `${part({ alg: 'RS256' })}.${part(good)}.c2ln`
    server.answer = () => ({ body: { access_token: 'a', id_token } })
    expect((await grant(changes)).idToken).toBe(id_token)
  })

  it('R22 P59 that is for another is refused, and shows neither itself nor a token', async () => {
    const id_token = `${part({ alg: 'RS256' })}.${part({ ...good, aud: 'other', email: 'canary@example.com' })}.c2ln`
    server.answer = () => ({ body: { access_token: 'canary-access', id_token } })
    const failure = await grant(changes).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(InvalidResponseError)
    expect(failure).toMatchObject({ code: 'id_token_invalid' })
    const shown = inspect(failure, { depth: null, showHidden: true })
    for (const hidden of [...id_token.split('.').slice(1), 'canary']) expect(shown).not.toContain(hidden)
  })

  it('that is missing is no reason to lose the tokens', async () => {
    const tokens = await grant(changes)
    expect([tokens.accessToken, tokens.idToken]).toEqual(['canary-access', undefined])
  })

  it('is kept unread where the issuer is unknown', async () => {
    server.answer = () => ({ body: { access_token: 'a', id_token: 'e.y.J' } })
    expect((await grant()).idToken).toBe('e.y.J')
  })
})
