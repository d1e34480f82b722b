// R9: a grant with other scopes than were asked for. Here because a strict client must lose nothing on any way into and
// out of a vault.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ScopeMismatchError } from '../errors.ts'
import {
  authorizationCodeGrant,
  authorizationUrl,
  type Client,
  refreshingTokens,
  refreshTokenGrant,
  TokenSet,
} from '../oauth/index.ts'
import { defineProvider, type Provider } from '../providers/index.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../testing/index.ts'
import { Vault } from './index.ts'

let server: AuthorizationServer
let provider: Provider
let client: Client
let strict: Client

beforeEach(async () => {
  server = await startAuthorizationServer({ tokenAnswer: { scope: 'space' } })
  provider = defineProvider(server.provider({ id: 'acme' }))
  client = { ...server.client(), redirectUri: 'http://127.0.0.1/callback' }
  strict = { ...client, scopes: 'strict' }
})

afterEach(() => server.close())

async function codeGrant(by: Client, asked: string[], given: string[]): Promise<TokenSet> {
  const { url, pending } = await authorizationUrl(provider, by, { scopes: asked })
  return authorizationCodeGrant(provider, by, pending, await server.consent(url, { scopes: given }))
}

async function mismatch(work: Promise<unknown>): Promise<ScopeMismatchError & { tokens: TokenSet }> {
  const error = await work.then(
    () => expect.unreachable('it was accepted'),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(ScopeMismatchError)
  return error as ScopeMismatchError & { tokens: TokenSet }
}

describe('R9 other scopes than were asked for', () => {
  it('are reported as data, also when the set is stored and read back', async () => {
    const tokens = TokenSet.parse((await codeGrant(client, ['a', 'b'], ['b', 'c'])).serialize())
    expect(tokens).toMatchObject({ scopes: ['b', 'c'], missingScopes: ['a'], addedScopes: ['c'] })
  })

  it('are refused by a strict client, with the tokens in the error, which shows none of them', async () => {
    const error = await mismatch(codeGrant(strict, ['a', 'b'], ['b', 'c']))
    expect(error).toMatchObject({ code: 'scope_mismatch', missing: ['a'], added: ['c'] })
    expect(error.message).toMatch(/did not grant a and granted c besides/)
    expect(server.isActive(error.tokens.accessToken)).toBe(true)
    const shown = JSON.stringify(error) + error.stack
    for (const secret of server.issuedSecrets()) expect(shown).not.toContain(secret)
  })

  it('in any other order are the same scopes', async () => {
    expect((await codeGrant(strict, ['a', 'b'], ['b', 'a'])).scopes).toEqual(['b', 'a'])
  })

  it('in a refresh by hand are refused as well; the new refresh token is in the error', async () => {
    const tokens = await codeGrant(strict, ['a', 'b'], ['a', 'b'])
    server.script('refresh', [
      { body: { access_token: 'canary-1', refresh_token: 'canary-2', token_type: 'Bearer', scope: 'a' } },
    ])
    const error = await mismatch(refreshTokenGrant(provider, strict, tokens))
    expect([error.missing, error.tokens.refreshToken]).toEqual([['b'], 'canary-2'])
  })

  it('in a refresh that happens by itself are kept: the old refresh token is spent', async () => {
    const tokens = (await codeGrant(strict, ['a', 'b'], ['a', 'b'])).with({ expiresAt: new Date(0) })
    server.configure({ tokenAnswer: { extra: { scope: 'a' } } })
    const saved: TokenSet[] = []
    const source = refreshingTokens(provider, strict, tokens, { onRefresh: (one) => void saved.push(one) })
    expect((await source.token()).missingScopes).toEqual(['b'])
    expect(saved.map(({ scopes }) => scopes)).toEqual([['a']])
  })
})

describe('R9 a vault with a strict client', () => {
  const ada = { user: 'ada', provider: 'acme' }
  let vault: Vault

  beforeEach(async () => {
    vault = await Vault.open({ url: 'memory:', clients: { acme: { ...strict, provider } } })
  })

  afterEach(() => vault.close())

  async function finish(given: string[]) {
    const { url, pending } = await authorizationUrl(provider, strict, { scopes: ['a', 'b'], user: 'ada' })
    await vault.putPending(pending)
    return vault.finish(await server.consent(url, { scopes: given }))
  }

  it('keeps the connection as it was, and hands out what came instead', async () => {
    await finish(['a', 'b'])
    const before = await vault.token(ada)
    const error = await mismatch(finish(['a']))
    expect((await vault.token(ada)).accessToken).toBe(before.accessToken)
    // Whoever wants it after all keeps it.
    expect((await vault.save(ada, error.tokens)).scopes).toEqual(['a'])
  })

  it('makes no connection of a first consent that differs', async () => {
    await mismatch(finish(['a']))
    expect(await vault.connections()).toEqual([])
  })

  it('keeps what a refresh brings, and says what is missing to whoever needs it', async () => {
    await finish(['a', 'b'])
    server.configure({ tokenAnswer: { extra: { scope: 'a' } } })
    const { connection } = await vault.refresh(ada, { force: true })
    expect(connection).toMatchObject({ status: 'active', scopes: ['a'] })
    await expect(async () => vault.token(ada, { scopes: ['b'] })).rejects.toMatchObject({
      code: 'missing_scope',
      scopes: ['a', 'b'],
    })
    server.configure({ tokenAnswer: {} })
    expect((await vault.refresh(ada, { force: true })).connection.status).toBe('active')
  })
})
