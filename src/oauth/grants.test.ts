// The grants without a browser against the simulated server, which is written from the RFC text: what each request
// carries, what is refused, and how what has no refresh token is renewed.
import { generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  AuthorizationDeniedError,
  ConfigurationError,
  RefreshFailedError,
  TimeoutError,
  TokenEndpointError,
} from '../errors.ts'
import { defineProvider, type Provider } from '../providers/index.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../testing/index.ts'
import {
  type Client,
  clientCredentialsGrant,
  deviceAuthorization,
  deviceCodeGrant,
  isRenewable,
  jwtBearerGrant,
  passwordGrant,
  renewTokens,
  serviceKeyClient,
  TokenSet,
  tokenExchangeGrant,
} from './index.ts'

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const key = privateKey.export({ format: 'jwk' }) as JsonWebKey
const publicJwk = { ...publicKey.export({ format: 'jwk' }), kid: 'one' }

let server: AuthorizationServer
let provider: Provider
let client: Client

beforeEach(async () => {
  server = await startAuthorizationServer({
    clients: [{ publicKeys: [publicJwk] }],
    passwords: { ada: 'correct horse' },
    grantTypes: [
      'refresh_token',
      'client_credentials',
      'password',
      JWT_BEARER,
      'urn:ietf:params:oauth:grant-type:token-exchange',
      'urn:ietf:params:oauth:grant-type:device_code',
    ],
    deviceIntervalSeconds: 0.02,
    openid: true,
  })
  provider = defineProvider(server.provider({ id: 'acme', tokenParams: { tenant: 't1' } }))
  client = { ...server.client(), privateKey: { key, kid: 'one' } }
})
afterEach(() => server.close())

const sent = () => server.requests('token').at(-1)

async function refusalOf(work: Promise<unknown>): Promise<TokenEndpointError> {
  const error = await work.catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(TokenEndpointError)
  return error as TokenEndpointError
}

describe('client credentials (R1, R5, P55)', () => {
  it('asks for scopes and resources, and says how to ask again (R14)', async () => {
    const tokens = await clientCredentialsGrant(provider, client, {
      scopes: ['read', 'write'],
      resources: ['https://one.example/', 'https://two.example/'],
      extraParams: { grant_type: 'stolen', note: 'x' },
    })
    expect(sent()?.params).toMatchObject({
      grant_type: 'client_credentials',
      scope: 'read write',
      tenant: 't1',
      note: 'x',
    })
    expect(new URLSearchParams(sent()?.body).getAll('resource')).toEqual([
      'https://one.example/',
      'https://two.example/',
    ])
    expect(sent()?.headers['authorization']).toMatch(/^Basic /)
    expect(server.isActive(tokens.accessToken)).toBe(true)
    expect([tokens.refreshToken, isRenewable(tokens), tokens.scopes]).toEqual([
      undefined,
      true,
      ['read', 'write'],
    ])
  })

  it('is renewed by asking again, also after it was stored (R14)', async () => {
    const first = await clientCredentialsGrant(provider, client, { scopes: ['read'] })
    const kept = TokenSet.parse(first.with({ extra: { workspace: 'w1' } }).serialize())
    const second = await renewTokens(provider, client, kept)
    expect(server.counts.grants).toEqual({ client_credentials: 2 })
    expect(sent()?.params['scope']).toBe('read')
    expect(second.accessToken).not.toBe(first.accessToken)
    expect([second.extra, second.renewal]).toEqual([{ workspace: 'w1' }, first.renewal])
  })

  it('sends nothing for a client that proves nothing', async () => {
    const { clientId } = client
    const attempt = clientCredentialsGrant(provider, { clientId, tokenEndpointAuthMethod: 'none' })
    await expect(attempt).rejects.toMatchObject({ code: 'client_missing' })
    expect(server.requests('token')).toEqual([])
  })

  it('tells a refused scope and a refused client', async () => {
    const scope = await refusalOf(clientCredentialsGrant(provider, client, { scopes: ['openid'] }))
    expect([scope.error, scope.request]).toEqual(['invalid_scope', 'client_credentials'])
    const wrong = { ...client, clientSecret: 'wrong-secret-of-ours' }
    const error = await refusalOf(clientCredentialsGrant(provider, wrong))
    expect([error.error, error.status]).toEqual(['invalid_client', 401])
    expect(inspect(error)).not.toContain('wrong-secret-of-ours')
  })
})

describe('password (R1, legacy)', () => {
  it('gets tokens, and keeps the password only when it is to be repeated', async () => {
    const person = { username: 'ada', password: 'correct horse' }
    const tokens = await passwordGrant(provider, client, person, { scopes: ['read'] })
    expect(sent()?.params).toMatchObject({ grant_type: 'password', username: 'ada', scope: 'read' })
    expect(tokens.renewal).toBeUndefined()
    const kept = await passwordGrant(provider, client, person, { repeat: true })
    expect(inspect(kept) + JSON.stringify(kept)).not.toContain('correct horse')
    server.expireRefreshTokens()
    const again = await renewTokens(provider, client, kept)
    expect(server.isActive(again.accessToken)).toBe(true)
    expect(server.counts.grants).toEqual({ password: 3, refresh_token: 1 })
  })

  it('is refused with a wrong password, which no error shows', async () => {
    server.script('token', [{ body: { error: 'invalid_grant', error_description: 'no wrong-horse here' } }])
    const person = { username: 'ada', password: 'wrong-horse' }
    const quoted = await refusalOf(passwordGrant(provider, client, person))
    expect(quoted.errorDescription).toBe('no [redacted] here')
    expect((await refusalOf(passwordGrant(provider, client, person))).error).toBe('invalid_grant')
    const nameless = passwordGrant(provider, client, { username: '', password: 'x' })
    await expect(nameless).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})

function claimsSent(): Record<string, unknown> {
  const [, payload = ''] = (sent()?.params['assertion'] ?? '').split('.')
  return JSON.parse(Buffer.from(payload, 'base64url').toString())
}

describe('JWT bearer (R1, RFC 7523)', () => {
  it('signs iss, sub, aud, exp, iat, nbf, jti and further claims', async () => {
    const options = { scopes: ['read'] }
    const assertion = { subject: 'ada', claims: { department: 'sales', jti: 'mine' } }
    const tokens = await jwtBearerGrant(provider, client, assertion, options)
    const now = Math.floor(Date.now() / 1000)
    const claims = claimsSent()
    expect(claims).toMatchObject({
      iss: client.clientId,
      sub: 'ada',
      aud: provider.tokenUrl,
      department: 'sales',
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
    expect(Number(claims['exp']) - now).toBeGreaterThan(290)
    expect(now - Number(claims['nbf'])).toBeGreaterThanOrEqual(10)
    expect(server.consents()).toMatchObject([{ user: 'ada', scopes: ['read'] }])
    await renewTokens(provider, client, TokenSet.parse(tokens.serialize()))
    expect(claimsSent()).toMatchObject({ sub: 'ada', department: 'sales' })
    expect(claimsSent()['jti']).not.toBe(claims['jti'])
  })

  it('takes a service key: no client authentication, the scopes in a claim', async () => {
    const pem = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const us = server.register({
      clientId: 'robot@acme.example',
      publicKeys: [{ ...pem.publicKey.export({ format: 'jwk' }), kid: 'k1' }],
    })
    const text = JSON.stringify({
      client_email: us.clientId,
      private_key: pem.privateKey.export({ type: 'pkcs8', format: 'pem' }),
      private_key_id: 'k1',
    })
    const robot = await serviceKeyClient(text)
    expect(inspect(robot) + JSON.stringify(robot)).not.toContain('PRIVATE KEY')
    const tokens = await jwtBearerGrant(provider, robot, { scopesIn: 'claim' }, { scopes: ['read'] })
    expect(sent()?.params).not.toHaveProperty('client_id')
    expect(sent()?.params).not.toHaveProperty('scope')
    expect(sent()?.headers).not.toHaveProperty('authorization')
    expect(claimsSent()).toMatchObject({ sub: us.clientId, scope: 'read' })
    expect(server.isActive(tokens.accessToken)).toBe(true)
    await expect(serviceKeyClient('{"type":"oauth"}')).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('is refused for another audience, after its end, by a stranger’s key, and the second time', async () => {
    const because = async (work: Promise<unknown>) => (await refusalOf(work)).errorDescription
    expect(await because(jwtBearerGrant(provider, client, { audience: 'https://other.example' }))).toMatch(
      /another audience/,
    )
    const late = { now: () => Date.now() - 600_000 }
    expect(await because(jwtBearerGrant(provider, client, {}, late))).toMatch(/expired/)
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const other = { ...client, privateKey: { key: stranger.export({ format: 'jwk' }) as JsonWebKey } }
    expect(await because(jwtBearerGrant(provider, other))).toMatch(/signature is wrong/)
    await jwtBearerGrant(provider, client)
    const ready = { assertion: sent()?.params['assertion'] ?? '' }
    expect(await because(jwtBearerGrant(provider, client, ready))).toMatch(/used before/)
  })

  it('is an operator’s matter when the renewal is refused, never the person’s', async () => {
    const tokens = await jwtBearerGrant(provider, client)
    server.unregister(client.clientId)
    const failure = await renewTokens(provider, client, tokens).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(TokenEndpointError) // invalid_client: as it is
    server.register({ ...server.client(), publicKeys: [] })
    const unbelieved = await renewTokens(provider, client, tokens).catch((error: unknown) => error)
    expect(unbelieved).toBeInstanceOf(RefreshFailedError)
    expect(unbelieved).toMatchObject({
      retryable: false,
      message: expect.stringContaining('registration or key'),
    })
  })

  it('proves the client besides only where that was chosen (RFC 7521 section 4.1)', async () => {
    const us = server.register({ publicKeys: [publicJwk], tokenEndpointAuthMethod: 'none' })
    const keyed: Client = { clientId: us.clientId, privateKey: { key, kid: 'one' } }
    const { tokenEndpointAuthMethod: _method, ...row } = provider
    await jwtBearerGrant(defineProvider(row as never), keyed)
    expect(Object.keys(sent()?.params ?? {}).sort()).toEqual(['assertion', 'grant_type', 'tenant'])
    const both = { ...keyed, tokenEndpointAuthMethod: 'private_key_jwt' } as const
    server.script('token', [{ error: 'invalid_client' }])
    await expect(jwtBearerGrant(provider, both)).rejects.toMatchObject({ error: 'invalid_client' })
    expect(sent()?.params).toHaveProperty('client_assertion')
  })

  it('needs a key, or a JWT', async () => {
    const { privateKey: _key, ...keyless } = client
    await expect(jwtBearerGrant(provider, keyless)).rejects.toMatchObject({ code: 'client_missing' })
    const notOne = jwtBearerGrant(provider, client, { assertion: 'opaque' })
    await expect(notOne).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(server.requests('token')).toEqual([])
  })
})

describe('token exchange (RFC 8693)', () => {
  const subject = () => server.grant({ user: 'ada', scopes: ['read', 'write'] }).accessToken

  it('names subject, actor, kinds and every target, and says what came', async () => {
    const tokens = await tokenExchangeGrant(
      provider,
      client,
      {
        subjectToken: subject(),
        actorToken: server.grant({ user: 'robot' }).accessToken,
        requestedTokenType: 'access_token',
        audience: ['billing', 'mail'],
      },
      { scopes: ['read'], resources: ['https://a.example/', 'https://b.example/'] },
    )
    const kind = 'urn:ietf:params:oauth:token-type:access_token'
    expect(sent()?.params).toMatchObject({
      subject_token_type: kind,
      actor_token_type: kind,
      requested_token_type: kind,
      scope: 'read',
    })
    const body = new URLSearchParams(sent()?.body)
    expect([body.getAll('audience'), body.getAll('resource')]).toEqual([
      ['billing', 'mail'],
      ['https://a.example/', 'https://b.example/'],
    ])
    expect(server.consents().at(-1)).toMatchObject({ user: 'ada', actor: 'robot', scopes: ['read'] })
    expect(tokens.extra).toEqual({ issued_token_type: kind })
    expect(tokens.tokenType).toBe('Bearer')
  })

  it('understands N_A for what is no access token, and only there', async () => {
    const exchange = { subjectToken: subject(), requestedTokenType: 'id_token' }
    const tokens = await tokenExchangeGrant(provider, client, exchange)
    expect(tokens.tokenType).toBe('N_A')
    expect(tokens.extra['issued_token_type']).toBe('urn:ietf:params:oauth:token-type:id_token')
    server.configure({ tokenAnswer: { tokenType: 'N_A' } })
    const elsewhere = clientCredentialsGrant(provider, client)
    await expect(elsewhere).rejects.toMatchObject({ code: 'token_invalid' })
  })

  it('is refused beyond the subject’s scopes, for unknown targets and dead tokens', async () => {
    server.configure({ audiences: ['billing'] })
    const because = async (work: Promise<unknown>) => (await refusalOf(work)).error
    const held = subject()
    const exchange = (subjectToken: string, more = {}, options = {}) =>
      tokenExchangeGrant(provider, client, { subjectToken, ...more }, options)
    expect(await because(exchange(held, {}, { scopes: ['admin'] }))).toBe('invalid_scope')
    expect(await because(exchange(held, { audience: 'mail' }))).toBe('invalid_target')
    const dead = await refusalOf(exchange('dead-subject-token'))
    expect(dead.error).toBe('invalid_request')
    expect(inspect(dead)).not.toContain('dead-subject-token')
    await expect(exchange('')).rejects.toMatchObject({ code: 'invalid_argument' })
    const typed = exchange(held, { actorTokenType: 'jwt' })
    await expect(typed).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})

describe('device (R1, RFC 8628)', () => {
  const begin = (options = {}) => deviceAuthorization(provider, client, { scopes: ['read'], ...options })

  it('shows a code, waits for the person, and gets tokens', async () => {
    const device = await begin()
    expect(device).toMatchObject({
      provider: 'acme',
      userCode: expect.stringMatching(/^[B-Z]{4}-[B-Z]{4}$/),
      verificationUri: `${server.url}/device`,
      verificationUriComplete: `${server.url}/device?user_code=${device.userCode}`,
      intervalSeconds: 0.02,
      scopes: ['read'],
    })
    expect(inspect(device)).not.toContain(device.deviceCode)
    const waiting = deviceCodeGrant(provider, client, JSON.parse(JSON.stringify(device)))
    await expect.poll(() => server.counts.requests.token).toBeGreaterThan(1)
    server.decideDevice(device.userCode, { user: 'grace' })
    const tokens = await waiting
    expect(server.consents()).toMatchObject([{ user: 'grace', scopes: ['read'] }])
    expect(server.isActive(tokens.accessToken)).toBe(true)
    expect(server.requests('device').at(0)?.headers['authorization']).toMatch(/^Basic /)
  })

  it('tells a person’s no', async () => {
    const device = await begin()
    server.decideDevice(device.userCode, { approve: false })
    const denied = await deviceCodeGrant(provider, client, device).catch((error: unknown) => error)
    expect(denied).toBeInstanceOf(AuthorizationDeniedError)
    expect(denied).toMatchObject({ code: 'access_denied', provider: 'acme' })
  })

  it('ends with the code, by the server’s word and by its own clock', async () => {
    const device = await begin()
    server.advance(3600)
    const said = await deviceCodeGrant(provider, client, device).catch((error: unknown) => error)
    expect(said).toBeInstanceOf(TimeoutError)
    server.clearCounts()
    const now = () => device.expiresAt + 1
    const own = deviceCodeGrant(provider, client, device, { now })
    await expect(own).rejects.toMatchObject({ code: 'timeout', message: expect.stringContaining('600 s') })
    expect(server.counts.requests.token).toBe(0)
  })

  it('is not begun by a provider without the endpoint, nor for unknown scopes', async () => {
    server.configure({ grantTypes: undefined, scopes: ['read'] })
    const without = defineProvider(server.provider({ deviceAuthorizationUrl: undefined }))
    const attempt = deviceAuthorization(without, client)
    await expect(attempt).rejects.toThrow(ConfigurationError)
    await expect(attempt).rejects.toThrow(/deviceAuthorizationUrl/)
    server.configure({ grantTypes: ['urn:ietf:params:oauth:grant-type:device_code'] })
    expect((await refusalOf(begin({ scopes: ['admin'] }))).error).toBe('invalid_scope')
  })
})
