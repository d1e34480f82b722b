// The nine mends that requests-oauthlib carries for providers (R18): as rows of data, or without any, from the first
// answer through a refresh to a call of the API. And both tokens of Slack (P36).
import { describe, expect, it } from 'vitest'
import { TokenEndpointError } from '../src/errors.ts'
import {
  authorizationCodeGrant,
  authorizationUrl,
  isGrantDead,
  refreshTokenGrant,
  Session,
  TokenSet,
} from '../src/oauth/index.ts'
import { defineProvider, type Provider, type ProviderFacts, provider } from '../src/providers/index.ts'

const now = Date.parse('2026-03-01T12:00:00Z')
const client = { clientId: 'us', clientSecret: 's', redirectUri: 'https://app.example/callback' }

interface Mend {
  name: string
  /** What no answer can tell. */
  row?: Partial<ProviderFacts>
  first: string
  /** The answer to a refresh; where a provider has none, what its server would send. */
  renewed: string
  /** Of the first answer: refresh token, seconds, scopes. */
  expected: readonly [refresh: string | undefined, seconds: number | null, scopes: readonly string[]]
  /** The same of the second. */
  expectedThen: readonly [refresh: string | undefined, seconds: number | null, scopes: readonly string[]]
  /** Where API calls carry the token. Default: `Authorization: Bearer`. */
  query?: string
}

const asked = ['asked']
const form = (members: Record<string, string>) => new URLSearchParams(members).toString()

const mends: readonly Mend[] = [
  {
    name: 'Facebook: a form, and expires',
    first: form({ access_token: 'one', expires: '5183944' }),
    renewed: form({ access_token: 'two', expires: '5183900' }),
    expected: [undefined, 5_183_944, asked],
    expectedThen: ['kept', 5_183_900, asked],
  },
  {
    name: 'Fitbit: nothing in a success; errors in a list',
    first:
      '{"access_token":"one","expires_in":28800,"refresh_token":"r","scope":"activity","token_type":"Bearer"}',
    renewed:
      '{"access_token":"two","expires_in":28800,"refresh_token":"s","scope":"activity","token_type":"Bearer"}',
    expected: ['r', 28_800, ['activity']],
    expectedThen: ['s', 28_800, ['activity']],
  },
  {
    name: 'Slack: the token of the person nested',
    first:
      '{"ok":true,"authed_user":{"id":"U","access_token":"one","token_type":"user","scope":"a,b","expires_in":43200,"refresh_token":"r"}}',
    renewed:
      '{"ok":true,"access_token":"two","token_type":"user","scope":"a,b","expires_in":43200,"refresh_token":"s"}',
    expected: ['r', 43_200, ['a', 'b']],
    expectedThen: ['s', 43_200, ['a', 'b']],
  },
  {
    name: 'Instagram: the token in the query of API calls',
    row: { accessTokenQueryParam: 'access_token' },
    first: '{"access_token":"one","user_id":17841405793187218}',
    renewed: '{"access_token":"two","token_type":"bearer","expires_in":5183944}',
    expected: [undefined, null, asked],
    expectedThen: ['kept', 5_183_944, asked],
    query: 'access_token',
  },
  {
    name: 'Mailchimp: scope null, and a lifetime of zero',
    first: '{"access_token":"one","expires_in":0,"scope":null}',
    renewed: '{"access_token":"two","expires_in":0,"scope":null}',
    expected: [undefined, null, asked],
    expectedThen: ['kept', null, asked],
  },
  {
    name: 'Weibo: no token type, and the token in the query',
    row: { accessTokenQueryParam: 'access_token' },
    first: '{"access_token":"one","remind_in":"157679999","expires_in":157679999,"uid":"14"}',
    renewed: '{"access_token":"two","expires_in":157679999,"uid":"14"}',
    expected: [undefined, 157_679_999, asked],
    expectedThen: ['kept', 157_679_999, asked],
    query: 'access_token',
  },
  {
    name: 'plentymarkets: camelCase',
    first: '{"tokenType":"Bearer","expiresIn":86400,"accessToken":"one","refreshToken":"r"}',
    renewed: '{"tokenType":"Bearer","expiresIn":86400,"accessToken":"two","refreshToken":"s"}',
    expected: ['r', 86_400, asked],
    expectedThen: ['s', 86_400, asked],
  },
  {
    name: 'eBay: token types of its own',
    first: '{"access_token":"one","expires_in":7200,"refresh_token":"r","token_type":"User Access Token"}',
    renewed: '{"access_token":"two","expires_in":7200,"token_type":"User Access Token"}',
    expected: ['r', 7200, asked],
    expectedThen: ['kept', 7200, asked],
  },
  {
    name: 'Douban: no token type',
    first: '{"access_token":"one","expires_in":3920,"refresh_token":"r","douban_user_id":"1"}',
    renewed: '{"access_token":"two","expires_in":3920,"refresh_token":"s","douban_user_id":"1"}',
    expected: ['r', 3920, asked],
    expectedThen: ['s', 3920, asked],
  },
]

function providerWith(row: Partial<ProviderFacts> = {}): Provider {
  return defineProvider({
    id: 'acme',
    apiBaseUrl: 'https://api.example/v1',
    ...row,
    authorizationUrl: 'https://as.example/authorize',
    tokenUrl: 'https://as.example/token',
  })
}

function answering(text: string, status = 200) {
  return { fetch: async () => new Response(text, { status }), now: () => now }
}

async function granted(provider: Provider, text: string): Promise<TokenSet> {
  const { pending } = await authorizationUrl(provider, client, { scopes: asked })
  const code = { code: 'c', stateCheckedElsewhere: true } as const
  // The clock of the record and that of the answer are the same one.
  return authorizationCodeGrant(
    provider,
    client,
    { ...pending, expiresAt: now + 60_000 },
    code,
    answering(text),
  )
}

function facts({ accessToken, refreshToken, expiresAt, scopes, tokenType }: TokenSet) {
  const seconds = expiresAt === null ? null : (expiresAt.getTime() - now) / 1000
  return { accessToken, refreshToken, seconds, scopes, tokenType }
}

/** What the API sees of a call. */
async function apiCall(
  provider: Provider,
  tokens: TokenSet,
): Promise<{ url: URL; authorization: string | null }> {
  const calls: Request[] = []
  const session = new Session(tokens, {
    provider,
    now: () => now,
    fetch: async (input, init) => {
      calls.push(new Request(input, init))
      return new Response('{}')
    },
  })
  await session.fetch('/me')
  const [call = new Request('https://none.example')] = calls
  return { url: new URL(call.url), authorization: call.headers.get('authorization') }
}

describe('R18 the nine mends, on the first answer, on a refresh, and where the token goes', () => {
  it.each(mends)('$name', async ({ row, first, renewed, expected, expectedThen, query }) => {
    const provider = providerWith(row)
    const tokens = await granted(provider, first)
    const [refreshToken, seconds, scopes] = expected
    expect(facts(tokens)).toEqual({ accessToken: 'one', refreshToken, seconds, scopes, tokenType: 'Bearer' })
    const renewable = tokens.refreshToken === undefined ? tokens.with({ refreshToken: 'kept' }) : tokens
    const fresh = await refreshTokenGrant(provider, client, renewable, answering(renewed))
    const [then, secondsThen, scopesThen] = expectedThen
    expect(facts(fresh)).toEqual({
      ...{ accessToken: 'two', refreshToken: then === 'kept' ? renewable.refreshToken : then },
      ...{ seconds: secondsThen, scopes: scopesThen, tokenType: 'Bearer' },
    })
    const { url, authorization } = await apiCall(provider, fresh)
    expect(url.searchParams.get(query ?? 'access_token')).toBe(query === undefined ? null : 'two')
    expect(authorization).toBe(query === undefined ? 'Bearer two' : null)
  })

  it('refuses what Fitbit and Slack refuse, on both', async () => {
    const provider = providerWith()
    const list =
      '{"errors":[{"errorType":"invalid_grant","message":"Refresh token invalid"}],"success":false}'
    const refresh = (text: string, status: number) =>
      refreshTokenGrant(
        provider,
        client,
        new TokenSet({ accessToken: 'old', refreshToken: 'r' }),
        answering(text, status),
      ).catch((error: unknown) => error)
    const fitbit = await refresh(list, 400)
    expect(fitbit).toMatchObject({ error: 'invalid_grant', errorDescription: 'Refresh token invalid' })
    expect(isGrantDead(fitbit)).toBe(true)
    const slack = await refresh('{"ok":false,"error":"invalid_refresh_token"}', 200)
    expect(isGrantDead(slack)).toBe(true)
    await expect(granted(provider, '{"ok":false,"error":"invalid_code"}')).rejects.toBeInstanceOf(
      TokenEndpointError,
    )
  })
})

describe('P36 Slack has a bot, a person, or both', async () => {
  const slack = await provider('slack')
  const bot = { access_token: 'xoxb-1', token_type: 'bot', scope: 'commands' }
  const person = { id: 'U1', access_token: 'xoxp-1', token_type: 'user', scope: 'chat:write,search:read' }

  it('asks for each under a name of its own', async () => {
    const { url } = await authorizationUrl(slack, client, {
      scopes: ['commands'],
      userScopes: ['chat:write'],
    })
    const sent = new URL(url).searchParams
    expect([sent.get('scope'), sent.get('user_scope')]).toEqual(['commands', 'chat:write'])
  })

  it('a bot: its token alone', async () => {
    const tokens = await granted(slack, JSON.stringify({ ok: true, ...bot, authed_user: { id: 'U1' } }))
    expect(facts(tokens)).toMatchObject({ accessToken: 'xoxb-1', scopes: ['commands'] })
    expect(tokens.extra).toEqual({ 'authed_user.id': 'U1' })
  })

  it('a person: the token, and the name that says whose it is', async () => {
    const tokens = await granted(slack, JSON.stringify({ ok: true, authed_user: person }))
    expect(facts(tokens)).toMatchObject({ accessToken: 'xoxp-1', scopes: ['chat:write', 'search:read'] })
    expect(tokens.extra['userToken']).toEqual({
      ...{ accessToken: 'xoxp-1', expiresAt: null, scopes: ['chat:write', 'search:read'] },
    })
  })

  it('both: the bot acts, the person under extra.userToken, also after a refresh of the bot, and sealed with the rest', async () => {
    const text = JSON.stringify({ ok: true, ...bot, refresh_token: 'xoxe-b', authed_user: person })
    const tokens = await granted(slack, text)
    const renewed =
      '{"ok":true,"access_token":"xoxb-2","token_type":"bot","refresh_token":"xoxe-c","expires_in":43200}'
    const fresh = await refreshTokenGrant(slack, client, tokens, answering(renewed))
    expect(facts(fresh)).toMatchObject({ accessToken: 'xoxb-2', refreshToken: 'xoxe-c', seconds: 43_200 })
    expect(TokenSet.parse(fresh.serialize()).extra['userToken']).toMatchObject({ accessToken: 'xoxp-1' })
    expect(JSON.stringify(fresh)).not.toContain('xoxp')
  })

  it('P39 a refresh of the person alone replaces the person too', async () => {
    const tokens = await granted(
      slack,
      JSON.stringify({ ok: true, authed_user: { ...person, refresh_token: 'xoxe-p' } }),
    )
    const renewed =
      '{"ok":true,"access_token":"xoxp-2","token_type":"user","refresh_token":"xoxe-q","expires_in":43200,"scope":"chat:write"}'
    const fresh = await refreshTokenGrant(slack, client, tokens, answering(renewed))
    expect(fresh.accessToken).toBe('xoxp-2')
    expect(fresh.extra['userToken']).toEqual({
      ...{ accessToken: 'xoxp-2', refreshToken: 'xoxe-q', scopes: ['chat:write'] },
      expiresAt: '2026-03-02T00:00:00.000Z',
    })
    expect(fresh.extra['authed_user.id']).toBe('U1')
  })
})
