// Grants without a redirect against the certified server (client credentials, device, CIBA), and connections of the
// client itself in the vault, against the strict one. What counts is what the server saw.
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { authorize, device } from '../src/flows/index.ts'
import {
  backchannelAuthentication,
  backchannelGrant,
  clientCredentialsGrant,
  deviceAuthorization,
  deviceCodeGrant,
  renewTokens,
  sessionTokenGrant,
} from '../src/oauth/index.ts'
import { defineProvider, type Provider } from '../src/providers/index.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../src/testing/index.ts'
import { Toolbox, tool } from '../src/tools/index.ts'
import { Vault } from '../src/vault/index.ts'
import { memoryStore } from '../src/vault/memory-store.ts'
import { type OidcServer, startOidcServer } from './servers/oidc.ts'

describe('at the certified server', () => {
  let oidc: OidcServer
  let provider: Provider

  beforeAll(async () => {
    oidc = await startOidcServer({
      signingAlgs: ['ES256'],
      features: { device: true, ciba: true, clientCredentials: true },
    })
    provider = defineProvider({ id: 'oidc', issuer: oidc.issuer })
  })

  afterAll(() => oidc.close())

  beforeEach(() => oidc.record.clear())

  const tokenRequest = () => Object.fromEntries(oidc.record.last('token')?.parameters ?? [])
  /** The server's intervals are in whole seconds. */
  const quick = { sleep: () => new Promise<void>((resolve) => setTimeout(resolve, 20)) }

  it('client credentials: for the client, renewed by asking again, refused with a wrong secret (R1, R14)', async () => {
    const us = oidc.client('client_secret_basic')
    const tokens = await clientCredentialsGrant(provider, us, { scopes: ['notes.read'] })
    expect(tokenRequest()).toEqual({ grant_type: 'client_credentials', scope: 'notes.read' })
    expect(oidc.record.last('token')?.status).toBe(200)
    const again = await renewTokens(provider, us, tokens)
    expect(again.accessToken).not.toBe(tokens.accessToken)
    expect(tokenRequest()).toMatchObject({ grant_type: 'client_credentials', scope: 'notes.read' })
    const wrong = clientCredentialsGrant(provider, { ...us, clientSecret: 'wrong' })
    await expect(wrong).rejects.toMatchObject({ error: 'invalid_client' })
    expect(oidc.record.last('token')?.status).toBe(401)
  })

  it('device: the person types the code elsewhere, and says yes (R1)', async () => {
    const us = oidc.client('none')
    const scopes = ['openid', 'offline_access', 'notes.read']
    const begun = await deviceAuthorization(provider, us, { scopes, extraParams: { prompt: 'consent' } })
    expect(oidc.record.last('device_authorization')?.parameters?.get('scope')).toBe(scopes.join(' '))
    const waiting = deviceCodeGrant(provider, us, begun, quick)
    await expect.poll(() => oidc.record.last('token')?.error).toBe('authorization_pending')
    await oidc.browser().device(begun.verificationUriComplete ?? '')
    const tokens = await waiting
    expect(tokenRequest()).toMatchObject({ device_code: begun.deviceCode, client_id: us.clientId })
    expect([tokens.idToken, tokens.refreshToken].map((one) => typeof one)).toEqual(['string', 'string'])
    await renewTokens(provider, us, tokens)
    expect(tokenRequest()).toMatchObject({ grant_type: 'refresh_token' })
  })

  it('device: the flow of authorize(), and a person who says no (R1)', async () => {
    const us = oidc.client('none')
    const browser = oidc.browser()
    const codes: string[] = []
    const flow = device({
      ...quick,
      onEvent: (event) => {
        if (event.type !== 'device-code') return
        codes.push(event.userCode)
        void browser.device(event.url, { code: event.userCode, deny: true })
      },
    })
    const denied = authorize(provider, us, { flow, scopes: 'openid notes.read' })
    await expect(denied).rejects.toMatchObject({ code: 'access_denied', provider: 'oidc' })
    expect(codes).toHaveLength(1)
    const started = await device({ ...quick, onEvent: () => {} }).start({
      registration: { provider, client: us },
      scopes: ['openid'],
    })
    await expect(started.submit('http://127.0.0.1/?code=1')).rejects.toMatchObject({
      code: 'invalid_argument',
    })
    started.cancel(new Error('never mind'))
    await expect(started.result()).rejects.toThrow('never mind')
    const settled = oidc.record.to('token').length
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(oidc.record.to('token')).toHaveLength(settled)
  })

  it('CIBA: the person is asked on their own device, and says yes or no', async () => {
    const us = oidc.client('client_secret_basic')
    const person = { loginHint: 'ada' }
    const asked = await backchannelAuthentication(provider, us, person, {
      scopes: ['notes.read'],
      bindingMessage: 'W4SCT',
    })
    expect(oidc.backchannel.questions.at(-1)).toMatchObject({ user: 'ada', bindingMessage: 'W4SCT' })
    const waiting = backchannelGrant(provider, us, asked, quick)
    await expect.poll(() => oidc.record.last('token')?.error).toBe('authorization_pending')
    await oidc.backchannel.approve()
    const tokens = await waiting
    expect(tokenRequest()).toMatchObject({ auth_req_id: asked.authReqId })
    expect([typeof tokens.idToken, tokens.scopes.includes('notes.read')]).toEqual(['string', true])
    const again = await backchannelAuthentication(provider, us, person)
    await oidc.backchannel.deny()
    await expect(backchannelGrant(provider, us, again, quick)).rejects.toMatchObject({
      code: 'access_denied',
    })
    const stranger = backchannelAuthentication(provider, us, { loginHint: 'nobody' })
    await expect(stranger).rejects.toMatchObject({
      error: 'unknown_user_id',
      request: 'backchannel_authentication',
    })
  })
})

describe('consent by a code, asked for by a toolbox', () => {
  it('pauses the call with the address that has the code in it, and runs it afterwards', async () => {
    await using server = await startAuthorizationServer({
      grantTypes: ['refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
      deviceIntervalSeconds: 0.02,
    })
    const acme = defineProvider(server.provider({ id: 'acme' }))
    const clients = { acme: { ...server.client(), provider: acme } }
    await using vault = await Vault.open({ url: 'memory:', clients })
    const whoami = tool({
      name: 'whoami',
      description: 'Who am I?',
      input: { type: 'object', properties: {} },
      auth: { provider: 'acme', scopes: ['read'] },
      run: async (_, { fetch }) => (await fetch('/me')).json(),
    })
    const toolbox = new Toolbox({ vault, tools: [whoami], flow: device({ onEvent: () => {} }) })
    const ada = toolbox.for({ user: 'ada' })
    const paused = await ada.tryCall('whoami')
    const { searchParams, pathname } = new URL(paused.paused ? paused.result.url : '')
    expect(pathname).toBe('/device')
    server.decideDevice(searchParams.get('user_code') ?? '', { user: 'grace' })
    await ada.wait({ timeoutMs: 5000 })
    expect(await ada.call('whoami')).toMatchObject({ user: 'grace' })
    await toolbox.close()
  })
})

describe('connections of the client itself (P55, R14)', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const address = { user: 'payments', provider: 'pay' }
  let server: AuthorizationServer
  let now: number

  beforeAll(async () => {
    server = await startAuthorizationServer({
      clients: [{ publicKeys: [publicKey.export({ format: 'jwk' })] }],
      grantTypes: ['client_credentials', 'urn:ietf:params:oauth:grant-type:jwt-bearer'],
      now: () => now,
    })
  })

  afterAll(() => server.close())

  beforeEach(() => {
    now = Date.UTC(2026, 0, 1)
    server.clearCounts()
  })

  function open(store = memoryStore({ now: () => now })): Promise<Vault> {
    const { tokenUrl, revocationUrl } = server.provider()
    const provider = defineProvider({
      id: 'pay',
      tokenUrl: tokenUrl ?? '',
      ...(revocationUrl === undefined ? {} : { revocationUrl }),
      refresh: 'client-credentials',
      defaultScopes: ['payments'],
    })
    const key = privateKey.export({ format: 'jwk' }) as JsonWebKey
    const pay = { ...server.client(), privateKey: { key }, provider }
    return Vault.open({
      store,
      key: 'a'.repeat(43),
      clients: { pay },
      now: () => now,
      random: () => 0,
      audit: 'off',
    })
  }

  it('are kept, served from the vault, and renewed 300 s before their end, once', async () => {
    await using vault = await open()
    const connection = await vault.connectClient(address)
    expect(connection).toMatchObject({ status: 'active', scopes: ['payments'], account: 'default' })
    const first = await vault.token(address)
    now += 3_299_999
    expect((await vault.token(address)).accessToken).toBe(first.accessToken)
    expect(server.counts.grants).toEqual({ client_credentials: 1 })
    now += 1
    await vault.token(address) // the old one, and a renewal behind our back
    await expect.poll(() => server.counts.grants).toEqual({ client_credentials: 2 })
    now += 3_600_000
    const all = await Promise.all(Array.from({ length: 20 }, () => vault.token(address)))
    expect(new Set(all.map(({ accessToken }) => accessToken)).size).toBe(1)
    expect(server.counts.grants).toEqual({ client_credentials: 3 })
    expect(server.requests('token').at(-1)?.params['scope']).toBe('payments')
  })

  it('are renewed by one of two vaults on one store', async () => {
    const store = memoryStore({ now: () => now })
    await using one = await open(store)
    await using other = await open(store)
    await one.connectClient(address)
    now += 3_600_000
    const both = await Promise.all([one.token(address), other.token(address)])
    expect(both[0].accessToken).toBe(both[1].accessToken)
    expect(server.counts.grants).toEqual({ client_credentials: 2 })
  })

  it('outlive a refused client and a lost answer: nobody has to consent', async () => {
    await using vault = await open()
    await vault.connectClient(address)
    now += 3_600_000
    server.script('token', [{ drop: 'answer' }])
    const served = await vault.token(address).catch(() => vault.refresh(address, { force: true }))
    expect(served).toBeDefined()
    const { status } = (await vault.connection(address)) ?? {}
    expect(status).toBe('active')
    now += 3_600_000
    server.script('token', [{ error: 'invalid_grant' }])
    await expect(vault.token(address)).rejects.toMatchObject({ code: 'refresh_failed', retryable: false })
    const kept = await vault.explain(address)
    expect([kept.status, kept.connection?.reason]).toEqual(['failing', 'client_refused'])
    expect(kept.causes.map(({ code }) => code)).not.toContain('no_refresh_token')
    expect(kept.timeline[0]?.text).toBe('Our client was connected, without a person. Granted: payments.')
    now += 600_000
    expect(server.isActive((await vault.token(address)).accessToken)).toBe(true)
  })

  it('by a signed statement, which is signed anew; refused, nothing is kept', async () => {
    await using vault = await open()
    await vault.connectClient(address, { assertion: { subject: 'ada' } })
    now += 3_600_000
    await vault.token(address)
    const [first, second] = server.requests('token').map(({ params }) => params['assertion'])
    expect([typeof first, first === second]).toEqual(['string', false])
    expect(server.consents().at(-1)).toMatchObject({ user: 'ada', scopes: ['payments'] })
    const lying = vault.connectClient({ user: 'other', provider: 'pay' }, { assertion: { issuer: 'nobody' } })
    await expect(lying).rejects.toMatchObject({ error: 'invalid_grant' })
    expect(await vault.connection({ user: 'other', provider: 'pay' })).toBeUndefined()
  })

  it('are not kept alive while nobody uses them, and end like any other', async () => {
    await using vault = await open()
    await vault.connectClient(address)
    now += 30 * 86_400_000
    expect(await vault.refreshDue()).toMatchObject({ failed: 0 })
    const { accessToken } = await vault.token(address)
    expect(await vault.disconnect(address)).toMatchObject({ revoked: true })
    expect(server.isActive(accessToken)).toBe(false)
  })
})

describe('session tokens in the vault (P56)', () => {
  const second = 1000
  let now = Date.UTC(2026, 0, 1)

  function jwt(seconds: number): string {
    const claims = { exp: Math.floor(now / second) + seconds, jti: crypto.randomUUID() }
    return `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`
  }

  it('are renewed before the end that the token names, and end when the refresh token has', async () => {
    const asked: string[] = []
    let isDead = false
    const pds = async (url: unknown, init?: RequestInit): Promise<Response> => {
      asked.push(`${String(url).split('.').at(-1)} ${new Headers(init?.headers).get('authorization') ?? ''}`)
      if (isDead)
        return Response.json({ error: 'ExpiredToken', message: 'Token has expired' }, { status: 400 })
      return Response.json({ accessJwt: jwt(7200), refreshJwt: jwt(5_000_000), did: 'did:plc:ada' })
    }
    const provider = defineProvider({
      id: 'bluesky',
      tokenUrl: 'https://pds.example/xrpc/com.atproto.server.createSession',
      refreshUrl: 'https://pds.example/xrpc/com.atproto.server.refreshSession',
      refresh: 'session',
      sessionToken: { username: 'identifier', password: 'password' },
      tokenRequestFormat: 'json',
      tokenResponseAliases: { access_token: 'accessJwt', refresh_token: 'refreshJwt' },
    })
    const options = { fetch: pds as typeof fetch, now: () => now }
    const client = { clientId: 'none' }
    await using vault = await Vault.open({
      ...{ url: 'memory:', clients: { bluesky: { ...client, provider } }, random: () => 0, ...options },
    })
    const address = { user: 'ada', provider: 'bluesky' }
    const person = { username: 'ada.example', password: 'app-password' }
    const first = await sessionTokenGrant(provider, client, person, options)
    await vault.save(address, first)
    now += 6_899 * second
    expect((await vault.token(address)).accessToken).toBe(first.accessToken)
    expect(asked).toHaveLength(1)
    now += 301 * second
    const fresh = await vault.token(address)
    expect(fresh.accessToken).not.toBe(first.accessToken)
    expect(asked.at(-1)).toBe(`refreshSession Bearer ${first.refreshToken}`)
    isDead = true
    now += 7_200 * second
    await expect(vault.token(address)).rejects.toMatchObject({ code: 'needs_reconnect' })
    const { status, reason } = (await vault.connection(address)) ?? {}
    expect([status, reason]).toEqual(['needs_reconnect', 'refused'])
  })
})
