import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ScriptedServer, startScriptedServer } from '../../test/servers/scripted-http.ts'
import {
  AuthorizationRequiredError,
  ConfigurationError,
  InvalidResponseError,
  NetworkError,
  RefreshFailedError,
  TimeoutError,
  TokenEndpointError,
} from '../errors.ts'
import { defineProvider, type ProviderFacts } from '../providers/index.ts'
import type { Client } from './client.ts'
import { type RefreshOptions, refreshTokenGrant } from './refresh.ts'
import { isGrantDead, isTransient, refreshFailure } from './refresh-failure.ts'
import { TokenSet, type TokenSetFields } from './token-set.ts'

const now = Date.parse('2026-03-01T12:00:00Z')
const client: Client = { clientId: 'client-1', clientSecret: 'canary-client-secret' }
const old: TokenSetFields = {
  accessToken: 'old-access',
  refreshToken: 'old-refresh',
  idToken: 'old-id',
  expiresAt: new Date(now - 1000),
  receivedAt: new Date(now - 3_601_000),
  scopes: ['read', 'write'],
  extra: { realmId: '4711', 'team.id': 'T1' },
}
let server: ScriptedServer

beforeEach(async () => {
  server = await startScriptedServer(() => ({ body: { access_token: 'new-access' } }))
})

afterEach(() => server.close())

function providerWith(facts: Partial<ProviderFacts> = {}) {
  const endpoints = { authorizationUrl: `${server.origin}/authorize`, tokenUrl: `${server.origin}/token` }
  return defineProvider({ id: 'acme', ...facts, ...endpoints })
}

function refresh(
  facts: Partial<ProviderFacts> = {},
  options: RefreshOptions = {},
  tokens: Partial<TokenSetFields> = {},
) {
  const given = new TokenSet({ ...old, ...tokens })
  return refreshTokenGrant(providerWith(facts), client, given, { now: () => now, ...options })
}

const formOf = (index = 0) => Object.fromEntries(new URLSearchParams(server.requests[index]?.body))

describe('a refresh', () => {
  it('P39 R13 carries over what the answer leaves out, except the lifetime', async () => {
    const tokens = await refresh()
    expect([tokens.accessToken, tokens.refreshToken, tokens.idToken]).toEqual([
      'new-access',
      'old-refresh',
      'old-id',
    ])
    expect([tokens.scopes, tokens.extra]).toEqual([old.scopes, old.extra])
    expect([tokens.expiresAt, tokens.receivedAt]).toEqual([null, new Date(now)])
    expect(tokens.validFor(0, now)).toBe(true)
  })

  it.each([
    ['null', null],
    ['empty', ''],
    ['false', false],
    ['a list', []],
  ])('P39 keeps the refresh token when the answer has %s for one', async (_, refresh_token) => {
    server.answer = () => ({ body: { access_token: 'new-access', refresh_token } })
    expect((await refresh()).refreshToken).toBe('old-refresh')
  })

  it('P39 takes what the answer sends', async () => {
    server.answer = () => ({
      body: {
        access_token: 'new-access',
        refresh_token: 'new-refresh',
        expires_in: 60,
        scope: 'read',
        team: { id: 'T2' },
      },
    })
    const tokens = await refresh({ tokenFields: ['team.id'] })
    expect([tokens.refreshToken, tokens.scopes]).toEqual(['new-refresh', ['read']])
    expect(tokens.expiresAt).toEqual(new Date(now + 60_000))
    expect(tokens.extra).toEqual({ realmId: '4711', 'team.id': 'T2' })
  })

  it('R5 sends the form, the row’s parameters and the call’s; never its own replaced', async () => {
    const extraParams = { audience: 'call', refresh_token: 'evil', grant_type: 'evil' }
    const facts = { refreshParams: { audience: 'row', keep: '1' }, tokenRequestHeaders: { 'x-api': 'v2' } }
    await refresh(facts, { scopes: ['read'], extraParams })
    expect(formOf()).toEqual({
      grant_type: 'refresh_token',
      refresh_token: 'old-refresh',
      scope: 'read',
      audience: 'call',
      keep: '1',
    })
    expect(server.requests[0]?.headers).toMatchObject({
      'x-api': 'v2',
      authorization: expect.stringMatching(/^Basic /),
    })
  })

  it('sends no scope unless asked to', async () => {
    await refresh()
    expect(formOf()).toEqual({ grant_type: 'refresh_token', refresh_token: 'old-refresh' })
  })

  it('R8 has the scopes that were asked for when the answer has none', async () => {
    expect((await refresh({}, { scopes: ['read'] })).scopes).toEqual(['read'])
  })

  it('goes to the refresh URL where there is one', async () => {
    await refresh({ refreshUrl: `${server.origin}/refresh` })
    expect(server.requests.map(({ url }) => url)).toEqual(['/refresh'])
  })

  it('sends a refresh token of any characters as it is', async () => {
    await refresh({}, {}, { refreshToken: 'a b+c/=é' })
    expect(formOf()).toMatchObject({ refresh_token: 'a b+c/=é' })
  })

  it('without a refresh token says what to do, and sends nothing', async () => {
    await expect(refresh({}, {}, { refreshToken: undefined })).rejects.toMatchObject({
      code: 'refresh_unsupported',
      retryable: false,
      message: expect.stringMatching(/offline access/),
    })
    expect(server.requests).toHaveLength(0)
  })

  it('R7 that fails leaves the token set as it was, and sends one request', async () => {
    server.answer = () => ({ status: 500, body: { error: 'server_error' } })
    const tokens = new TokenSet(old)
    const before = tokens.serialize()
    await expect(refreshTokenGrant(providerWith(), client, tokens)).rejects.toBeInstanceOf(TokenEndpointError)
    expect(tokens.serialize()).toBe(before)
    expect(server.requests).toHaveLength(1)
  })
})

it('a bad id_token in a refresh answer costs nobody the tokens', async () => {
  server.answer = () => ({ body: { access_token: 'new-access', refresh_token: 'new', id_token: 'rubbish' } })
  const tokens = await refresh()
  expect([tokens.accessToken, tokens.refreshToken, tokens.idToken]).toEqual(['new-access', 'new', 'old-id'])
})

function refusal(error: string, status = 400) {
  return new TokenEndpointError({ provider: 'acme', status, error, request: 'refresh_token' })
}

const noAnswer = new InvalidResponseError('response_not_oauth', 'x', { status: 404, retryAfterSeconds: 3 })

describe('what a failed refresh means', () => {
  it.each<[string, unknown, boolean, boolean]>([
    ['invalid_grant', refusal('invalid_grant'), false, true],
    ['bad_refresh_token (GitHub)', refusal('bad_refresh_token', 200), false, true],
    ['invalid_refresh_token (Slack)', refusal('invalid_refresh_token', 200), false, true],
    ['BAD_REFRESH_TOKEN (HubSpot)', refusal('BAD_REFRESH_TOKEN'), false, true],
    ['invalid_grant with status 500: who knows', refusal('invalid_grant', 500), true, false],
    ['invalid_client', refusal('invalid_client', 401), false, false],
    ['invalid_request', refusal('invalid_request'), false, false],
    ['temporarily_unavailable', refusal('temporarily_unavailable'), true, false],
    ['server_error', refusal('server_error'), true, false],
    ['ratelimited (Slack)', refusal('ratelimited', 200), true, false],
    ['429', refusal('x', 429), true, false],
    ['503', refusal('x', 503), true, false],
    ['408', refusal('x', 408), true, false],
    ['no connection', new NetworkError('x'), true, false],
    ['no time', new TimeoutError('x', 1), true, false],
    ['a page instead of an answer', noAnswer, true, false],
    ['an answer that was cut off', new InvalidResponseError('response_truncated', 'x'), true, false],
    ['a redirect', new InvalidResponseError('redirect_refused', 'x'), false, false],
    ['a token that cannot be used', new InvalidResponseError('token_invalid', 'x'), false, false],
    ['our configuration', new ConfigurationError('provider_invalid', 'x'), false, false],
    ['a bug', new TypeError('x'), false, false],
  ])('%s', (_, error, transient, dead) => {
    expect([isTransient(error), isGrantDead(error)]).toEqual([transient, dead])
    const failure = refreshFailure(error, providerWith(), new TokenSet(old))
    if (dead) {
      expect(failure).toBeInstanceOf(AuthorizationRequiredError)
      expect(failure).toMatchObject({
        code: 'needs_reconnect',
        provider: 'acme',
        scopes: ['read', 'write'],
        cause: error,
      })
    } else if (error instanceof ConfigurationError || error instanceof TypeError) {
      expect(failure).toBe(error)
    } else {
      expect(failure).toBeInstanceOf(RefreshFailedError)
      expect(failure).toMatchObject({ retryable: transient, cause: error })
    }
  })

  it('tells how long to wait when the provider said so', () => {
    expect(refreshFailure(noAnswer, providerWith(), new TokenSet(old))).toMatchObject({
      retryAfterSeconds: 3,
    })
  })
})
