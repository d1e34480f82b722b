// Tokens that are bound to a key (DPoP, RFC 9449), against the real server: it wants nonces, and says what it saw.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { AuthorizationRequiredError } from '../src/errors.ts'
import {
  authorizationCodeGrant,
  authorizationUrl,
  type Client,
  clientCredentialsGrant,
  refreshingTokens,
  refreshTokenGrant,
  Session,
  TokenSet,
} from '../src/oauth/index.ts'
import { defineProvider, type Provider } from '../src/providers/index.ts'
import { Toolbox, tool } from '../src/tools/index.ts'
import { Vault } from '../src/vault/index.ts'
import { type OidcServer, startOidcServer } from './servers/oidc.ts'

const redirectUri = 'http://127.0.0.1:4711/callback'
const scopes = ['openid', 'notes.read']
let oidc: OidcServer
let provider: Provider
let client: Client
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'toolgrant-dpop-'))
  oidc = await startOidcServer({
    signingAlgs: ['ES256'],
    features: { dpop: { nonces: 'required' }, par: true, clientCredentials: true },
  })
  provider = defineProvider({ id: 'practice', issuer: oidc.issuer, apiBaseUrl: oidc.issuer })
  client = { ...oidc.client('none'), redirectUri, dpop: true }
})
afterAll(async () => {
  await oidc.close()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(() => {
  oidc.dpopNonceRequired = true
  oidc.rotateDpopNonces()
  oidc.record.clear()
})

async function granted(
  by: Client = client,
  row: Provider = provider,
  server: OidcServer = oidc,
  wanted: readonly string[] = scopes,
): Promise<TokenSet> {
  const { url, pending } = await authorizationUrl(row, by, { scopes: wanted })
  const callback = await server.consent(url, { follow: false })
  return authorizationCodeGrant(row, by, JSON.parse(JSON.stringify(pending)), callback)
}

const proofs = (endpoint: 'token' | 'userinfo' | 'par') =>
  oidc.record.to(endpoint).map(({ status, dpop }) => [status, dpop?.payload])

describe('the code grant with a key', () => {
  it('binds code and token, learns the nonce by one retry, and the API takes token with proof', async () => {
    const tokens = await granted()
    expect(tokens).toMatchObject({ tokenType: 'DPoP', scopes, deviations: [] })
    expect(tokens.dpopKey).toMatchObject({ kty: 'EC', crv: 'P-256', d: expect.any(String) })
    // What the server saw: the thumbprint when it was asked, then proofs, the last one with its nonce.
    const pushed = oidc.record.last('par')
    expect(pushed?.parameters.get('dpop_jkt')).toMatch(/^[\w-]{43}$/)
    expect(oidc.record.last('token')?.dpop?.payload).toMatchObject({
      htm: 'POST',
      htu: oidc.endpoints.tokenUrl,
      nonce: expect.any(String),
    })
    expect(oidc.record.to('token').at(-1)?.status).toBe(200)

    const session = new Session(tokens, { provider })
    const me = await session.fetch('/me?x=1')
    expect([me.status, await me.json()]).toEqual([200, { sub: 'ada' }])
    expect(oidc.record.last('userinfo')?.dpop?.payload).toMatchObject({
      htm: 'GET',
      htu: oidc.endpoints.userinfoUrl,
      ath: expect.any(String),
    })
    expect(oidc.record.last('userinfo')?.headers['authorization']).toMatch(/^DPoP /)
    expect(inspect(tokens, { depth: null, showHidden: true }) + JSON.stringify(tokens)).not.toContain(
      tokens.dpopKey?.d,
    )
  })

  it('asks once more when its nonce is stale: at the token endpoint, at PAR and at the API', async () => {
    const tokens = await granted()
    oidc.rotateDpopNonces()
    oidc.record.clear()
    const session = new Session(tokens, { provider })
    expect((await session.fetch('/me')).status).toBe(200)
    expect(proofs('userinfo').map(([status]) => status)).toEqual([401, 200])
    expect((await session.fetch('/me')).status).toBe(200)
    expect(oidc.record.to('userinfo')).toHaveLength(3)

    oidc.rotateDpopNonces()
    await refreshTokenGrant(provider, client, tokens)
    expect(oidc.record.to('token').map(({ status, error }) => [status, error])).toEqual([
      [400, 'use_dpop_nonce'],
      [200, undefined],
    ])
    oidc.rotateDpopNonces()
    oidc.record.clear()
    await authorizationUrl(provider, client, { scopes })
    expect(oidc.record.to('par').map(({ status }) => status)).toEqual([400, 201])
  })

  it('an access token that was stolen is refused: as a bearer token, and with another key', async () => {
    const tokens = await granted()
    const { accessToken } = tokens
    const alone = new Session(new TokenSet({ accessToken }), { provider, unauthorized: 'return' })
    expect((await alone.fetch('/me')).status).toBe(401)
    const otherKey = (await granted()).dpopKey
    const wrong = new Session(tokens.with({ dpopKey: otherKey }), { provider, unauthorized: 'return' })
    expect((await wrong.fetch('/me')).status).toBe(401)
    expect((await new Session(tokens, { provider }).fetch('/me')).status).toBe(200)
  })

  it('a code that was stolen is refused: it is bound to the key', async () => {
    const { url, pending } = await authorizationUrl(provider, client, { scopes })
    const callback = await oidc.consent(url, { follow: false })
    const { pending: other } = await authorizationUrl(provider, client, { scopes })
    const { dpopKey } = other
    expect(dpopKey).toBeDefined()
    await expect(
      authorizationCodeGrant(provider, client, { ...pending, ...(dpopKey ? { dpopKey } : {}) }, callback),
    ).rejects.toMatchObject({ code: 'token_request_refused', error: 'invalid_grant' })
  })
})

describe('a refresh', () => {
  it('proves the same key; the new token is bound to it', async () => {
    const tokens = await granted()
    const fresh = await refreshTokenGrant(provider, client, tokens)
    expect(fresh.dpopKey).toEqual(tokens.dpopKey)
    expect(fresh.tokenType).toBe('DPoP')
    expect((await new Session(fresh, { provider }).fetch('/me')).status).toBe(200)
  })

  it('of a public client with another key, or none, is refused', async () => {
    const tokens = await granted()
    const other = await granted()
    const refused = { code: 'token_request_refused', error: 'invalid_grant' }
    await expect(
      refreshTokenGrant(provider, client, tokens.with({ dpopKey: other.dpopKey })),
    ).rejects.toMatchObject(refused)
    const unbound = tokens.with({ dpopKey: undefined })
    await expect(refreshTokenGrant(provider, { ...client, dpop: false }, unbound)).rejects.toMatchObject(
      refused,
    )
    expect((await refreshTokenGrant(provider, client, tokens)).tokenType).toBe('DPoP')
  })

  it('R11 b happens by itself after a 401, with proofs throughout', async () => {
    const tokens = await granted()
    const saved: TokenSet[] = []
    const source = refreshingTokens(provider, client, tokens.with({ accessToken: 'dead' }), {
      onRefresh: (fresh) => void saved.push(fresh),
    })
    expect((await new Session(source, { provider }).fetch('/me')).status).toBe(200)
    expect(saved.map(({ tokenType, dpopKey }) => [tokenType, dpopKey])).toEqual([['DPoP', tokens.dpopKey]])
  })
})

describe('where the key is kept', () => {
  it('R11 c survives a restart in the vault: saved, closed, opened, called, refreshed; through a toolbox too', async () => {
    const open = () =>
      Vault.open({
        url: `sqlite:${join(folder, 'vault.db')}`,
        key: Buffer.alloc(32, 7),
        clients: { practice: { ...client, provider } },
      })
    const address = { user: 'ada', provider: 'practice' }
    const before = await open()
    const tokens = await granted()
    await before.save(address, tokens)
    await before.close()
    const kept = await readFile(join(folder, 'vault.db'), 'latin1')
    expect(kept).toContain('practice')
    expect(kept).not.toContain(tokens.dpopKey?.d)

    const vault = await open()
    const session = new Session(vault.source(address), { provider })
    expect((await session.fetch('/me')).status).toBe(200)
    expect((await vault.refresh(address, { force: true })).refreshed).toBe(true)
    const whoAmI = tool({
      name: 'who_am_i',
      description: 'Says who I am.',
      input: z.object({}),
      auth: { provider: 'practice', scopes: ['openid'] },
      run: async (_, { fetch }) => (await fetch('/me')).json(),
    })
    const toolbox = new Toolbox({ vault, tools: [whoAmI] })
    expect(await toolbox.for({ user: 'ada' }).call('who_am_i')).toEqual({ sub: 'ada' })
    const { dpopKey, tokenType } = await vault.token(address)
    expect([dpopKey, tokenType]).toEqual([tokens.dpopKey, 'DPoP'])
    await toolbox.close()
    await vault.close()
  })

  it('and it is in the pending authorization of a vault, so that any process can finish', async () => {
    const vault = await Vault.open({ url: 'memory:', clients: { practice: { ...client, provider } } })
    const { url, pending } = await authorizationUrl(provider, client, { scopes, user: 'ada' })
    await vault.putPending(pending)
    await vault.finish(await oidc.consent(url, { follow: false }))
    expect((await vault.token({ user: 'ada', provider: 'practice' })).tokenType).toBe('DPoP')
    await vault.close()
  })
})

describe('an API that wants a further scope', () => {
  it('says so in a challenge; the union is asked for, and the old grant works meanwhile', async () => {
    const old = await granted()
    const path = '/me?scope=notes.write'
    const error = await new Session(old, { provider }).fetch(path).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(AuthorizationRequiredError)
    expect(error).toMatchObject({
      code: 'insufficient_scope',
      scopes: [...scopes, 'notes.write'],
      challenge: { missing: ['notes.write'] },
    })
    expect((await new Session(old, { provider }).fetch('/me')).status).toBe(200)
    const wider = await granted(client, provider, oidc, (error as AuthorizationRequiredError).scopes)
    expect((await new Session(wider, { provider }).fetch(path)).status).toBe(200)
  })
})

describe('what a server makes of a proof', () => {
  it('every grant has one: client credentials', async () => {
    const machine: Client = { ...oidc.client('client_secret_basic'), dpop: true }
    const tokens = await clientCredentialsGrant(provider, machine, { scopes: ['notes.read'] })
    expect(tokens).toMatchObject({ tokenType: 'DPoP', dpopKey: expect.objectContaining({ kty: 'EC' }) })
  })

  it('none is sent by a client that does not ask', async () => {
    const tokens = await granted({ ...client, dpop: false })
    expect([tokens.tokenType, tokens.dpopKey]).toEqual(['Bearer', undefined])
    expect(oidc.record.last('token')?.dpop).toBeUndefined()
    expect(oidc.record.last('par')?.parameters.has('dpop_jkt')).toBe(false)
  })

  it('a server without DPoP answers a bearer token: used and reported, unless the row demands binding', async () => {
    const plain = await startOidcServer({ signingAlgs: ['ES256'] })
    const row = defineProvider({ id: 'plain', issuer: plain.issuer, apiBaseUrl: plain.issuer })
    const us: Client = { ...plain.client('none'), redirectUri, dpop: true }
    const tokens = await granted(us, row, plain)
    expect(tokens).toMatchObject({
      tokenType: 'Bearer',
      deviations: [{ code: 'token_type', member: 'token_type', found: 'Bearer' }],
    })
    expect((await new Session(tokens, { provider: row }).fetch('/me')).status).toBe(200)
    const strict = defineProvider({ id: 'plain', issuer: plain.issuer, dpop: 'required' })
    await expect(granted(us, strict, plain)).rejects.toMatchObject({
      code: 'token_invalid',
      message: expect.stringContaining('not bound to our key'),
    })
    // A refresh keeps what it gets: the old refresh token is spent.
    const fresh = await refreshTokenGrant(strict, us, tokens)
    expect(fresh.tokenType).toBe('Bearer')
    await plain.close()
  })
})
