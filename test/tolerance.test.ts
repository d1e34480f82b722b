// Some 600 answers of real providers and of what stands before them, each with what should come of it: the tables of
// tolerance/, asked through the public functions. R7, R8, R18, P33, P34, P36, P39.
import { describe, expect, it } from 'vitest'
import { rowMembers } from '../src/cli/provider-row-text.ts'
import {
  AuthorizationDeniedError,
  CallbackError,
  InvalidResponseError,
  TokenEndpointError,
} from '../src/errors.ts'
import {
  authorizationCodeGrant,
  isGrantDead,
  isTransient,
  pendingAuthorization,
  readCallback,
  refreshTokenGrant,
  revokeToken,
  TokenSet,
} from '../src/oauth/index.ts'
import { defineProvider, type ProviderFacts } from '../src/providers/index.ts'
import { callbackAnswers } from './tolerance/callback-answers.ts'
import { easternAnswers } from './tolerance/eastern-answers.ts'
import { furtherAnswers } from './tolerance/further-answers.ts'
import { gatewayAnswers } from './tolerance/gateway-answers.ts'
import { lastAnswers } from './tolerance/last-answers.ts'
import { moreRefusals } from './tolerance/more-refusals.ts'
import { moreTokenAnswers } from './tolerance/more-token-answers.ts'
import type { Case, Given, Junk, Refused, Tokens } from './tolerance/outcome.ts'
import { refusals } from './tolerance/refusals.ts'
import { revocationAnswers } from './tolerance/revocation-answers.ts'
import { rfcAnswers } from './tolerance/rfc-answers.ts'
import { tokenAnswers } from './tolerance/token-answers.ts'

const now = Date.parse('2026-03-01T12:00:00Z')
const client = {
  clientId: 'us',
  clientSecret: 'canary-client-secret',
  redirectUri: 'https://app.example/callback',
}

function providerWith(row: Partial<ProviderFacts> = {}) {
  return defineProvider({
    id: 'acme',
    revocationUrl: 'https://as.example/revoke',
    ...row,
    authorizationUrl: 'https://as.example/authorize',
    tokenUrl: 'https://as.example/token',
  })
}

const pending = pendingAuthorization({
  ...{ version: 1, provider: 'acme', clientId: 'us', state: 'the-state', redirectUri: client.redirectUri },
  ...{ scopes: ['asked'], createdAt: now, expiresAt: now + 60_000 },
})

const before = new TokenSet({
  ...{ accessToken: 'canary-old-token', refreshToken: 'r0', scopes: ['asked'] },
  extra: { realmId: '123' },
})

function answering(body: unknown, status: number, headers: Readonly<Record<string, string>> = {}) {
  const isRaw = typeof body === 'string' || body instanceof Uint8Array
  const text = isRaw ? (body as BodyInit) : JSON.stringify(body)
  const all = { 'content-type': 'application/json', ...headers }
  return async () => new Response(status === 204 ? null : text, { status, headers: all })
}

/** What comes of a token request: tokens, or what was thrown. */
async function outcomeOf(body: unknown, status: number, given: Given): Promise<unknown> {
  const provider = providerWith(given.row)
  const options = { fetch: answering(body, status, given.headers), now: () => now }
  try {
    return given.request === 'refresh_token'
      ? await refreshTokenGrant(provider, client, before, options)
      : await authorizationCodeGrant(
          provider,
          client,
          pending,
          { code: 'canary-code', stateCheckedElsewhere: true },
          options,
        )
  } catch (error) {
    return error
  }
}

function assertTokens(found: unknown, outcome: Tokens): void {
  if (!(found instanceof TokenSet)) throw found
  const { accessToken, refreshToken, idToken, expiresAt, scopes, tokenType } = found
  const seconds = expiresAt === null ? null : (expiresAt.getTime() - now) / 1000
  expect({ accessToken, refreshToken, idToken, seconds, scopes, tokenType }).toEqual({
    accessToken: outcome.accessToken,
    refreshToken: outcome.refresh,
    idToken: outcome.id,
    seconds: outcome.in ?? null,
    scopes: outcome.scopes ?? ['asked'],
    tokenType: outcome.type ?? 'Bearer',
  })
  for (const [path, value] of Object.entries(outcome.raw ?? {}))
    expect(
      path.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], found.raw),
    ).toEqual(value)
  expect(found.extra).toMatchObject(outcome.extra ?? {})
}

function assertRefused(found: unknown, { error, description, status, verdict, retryAfter }: Refused): void {
  expect(found).toBeInstanceOf(TokenEndpointError)
  expect(found).toMatchObject({
    ...{ error, errorDescription: description, status },
    retryAfterSeconds: retryAfter,
  })
  const judged = isGrantDead(found) ? 'dead' : isTransient(found) ? 'later' : 'ours'
  expect(judged).toBe(verdict)
}

function assertJunk(found: unknown, { code, status, retryAfter }: Junk): void {
  expect(found).toBeInstanceOf(InvalidResponseError)
  expect(found).toMatchObject({ code, status, retryAfterSeconds: retryAfter })
  expect(isGrantDead(found)).toBe(false)
}

const groups: Record<string, readonly Case[]> = {
  'the RFCs': rfcAnswers,
  'providers A to L': tokenAnswers,
  'providers M to Z': moreTokenAnswers,
  'providers of East Asia and Russia': easternAnswers,
  'refusals A to L': refusals,
  'refusals M to Z': moreRefusals,
  'further providers up to M': furtherAnswers,
  'further providers from N on': lastAnswers,
  'gateways and frameworks': gatewayAnswers,
}

describe.each(Object.entries(groups))('R7 R8 P33 P34 answers of %s', (_, cases) => {
  const named = cases.map(([name, body, outcome, given = {}]) => ({ name, body, outcome, given }))
  it.each(named)('$name', async ({ body, outcome, given }) => {
    const refreshes = given.request === 'refresh_token'
    const found = await outcomeOf(body, outcome.status ?? 200, given)
    if (outcome.kind === 'tokens') {
      assertTokens(found, outcome)
      if (refreshes)
        expect((found as TokenSet).extra, 'P39 what was known is kept').toMatchObject({ realmId: '123' })
    } else if (outcome.kind === 'refused') assertRefused(found, outcome)
    else assertJunk(found, outcome)
    expect(JSON.stringify(found instanceof TokenSet ? found.deviations : String(found))).not.toContain(
      'canary',
    )
  })
})

describe('the row that deviations suggest', () => {
  const good = Object.values(groups)
    .flat()
    .map(([name, body, outcome, given = {}]) => ({ name, body, outcome, given }))
    .filter(({ outcome }) => outcome.kind === 'tokens')

  it.each(good)('reads the same out of it, and silences them: $name', async ({ body, outcome, given }) => {
    const found = (await outcomeOf(body, outcome.status ?? 200, given)) as TokenSet
    const row = { ...given.row, ...rowMembers(found.deviations) }
    const again = await outcomeOf(body, outcome.status ?? 200, { ...given, row })
    assertTokens(again, outcome as Tokens)
    expect((again as TokenSet).deviations.filter((one) => one.row !== undefined)).toEqual([])
    const shown = JSON.stringify(found.deviations)
    for (const secret of [found.accessToken, found.refreshToken ?? '-'].filter(({ length }) => length > 6))
      expect(shown).not.toContain(secret)
  })
})

describe('R16 answers to a revocation', () => {
  it.each(revocationAnswers)('$name', async ({ status, body, refused, junk, later = false, row }) => {
    const options = { fetch: answering(body, status), now: () => now }
    const found = await revokeToken(providerWith(row), client, 'r0', options).catch((error: unknown) => error)
    if (refused !== undefined)
      expect(found).toMatchObject({ name: 'TokenEndpointError', error: refused, status })
    else if (junk === true) expect(found).toMatchObject({ code: 'response_not_oauth', status })
    else expect(found).toBeUndefined()
    expect(isTransient(found)).toBe(later)
  })
})

describe('R3 callbacks', () => {
  it.each(callbackAnswers)('$name', async ({ callback, code, extra = {}, denied, invalid, row }) => {
    const read = async () => readCallback(providerWith(row), pending, callback, { now: () => now })
    if (code !== undefined) {
      expect(await read()).toEqual({ code, extra })
      return
    }
    const error = await read().then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    if (denied !== undefined) {
      expect(error).toBeInstanceOf(AuthorizationDeniedError)
      expect(error).toMatchObject({ error: denied[0], errorDescription: denied[1] })
    } else {
      expect(error).toBeInstanceOf(CallbackError)
      expect(error).toMatchObject({ code: invalid })
    }
  })
})

it('the tables have the 150 answers of the issue, and twice as many', () => {
  const tables = [...Object.values(groups), revocationAnswers, callbackAnswers]
  expect(tables.flat().length).toBeGreaterThan(300)
})
