// How the client proves who it is, at a real server: every method of R4 at every endpoint that asks, as the server saw
// it, and refused with a wrong key, a wrong certificate or none. RFC 6749 section 2.3, RFC 7523, RFC 8705.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { certificateFetch, loadConfig } from '../src/config/index.ts'
import { NetworkError } from '../src/errors.ts'
import {
  authorizationCodeGrant,
  authorizationUrl,
  type Client,
  introspectToken,
  type Registration,
  refreshTokenGrant,
  revokeToken,
  Session,
} from '../src/oauth/index.ts'
import { defineProvider, type Provider, type ProviderFacts } from '../src/providers/index.ts'
import { Vault } from '../src/vault/index.ts'
import { type OidcServer, startOidcServer } from './servers/oidc.ts'
import { type CertificatePair, certificateThumbprint } from './servers/oidc-certificates.ts'
import type { AuthMethod } from './servers/oidc-clients.ts'

const redirectUri = 'http://127.0.0.1:4711/callback'
let oidc: OidcServer

beforeAll(async () => {
  oidc = await startOidcServer({
    signingAlgs: ['ES256'],
    features: { par: true, mtls: true, dpop: { nonces: 'required' } },
  })
  oidc.dpopNonceRequired = false
})
afterAll(() => oidc.close())
afterEach(() => {
  oidc.record.clear()
  oidc.dpopNonceRequired = false
})

function practice(facts: Partial<ProviderFacts> = {}): Provider {
  return defineProvider({ id: 'practice', issuer: oidc.issuer, ...facts })
}

function mtls() {
  if (oidc.mtls === undefined) throw new Error('The server was started with mtls.')
  return oidc.mtls
}

/** A client that presents a certificate; without a `pair`, the one it has registered. */
function tlsClient(
  method: 'tls_client_auth' | 'self_signed_tls_client_auth',
  pair?: CertificatePair,
): Client {
  const { certificates } = mtls()
  const own = method === 'tls_client_auth' ? certificates.client : certificates.selfSigned
  return { ...oidc.client(method), fetch: certificateFetch({ ...(pair ?? own), ca: certificates.ca }) }
}

async function connect(client: Client, provider = practice()) {
  const scopes = ['openid', 'notes.read', 'offline_access']
  const options = { redirectUri, scopes, extraParams: { prompt: 'consent' } }
  const { url, pending } = await authorizationUrl(provider, client, options)
  return authorizationCodeGrant(provider, client, pending, await oidc.consent(url, { follow: false }))
}

/** Everything that a client does at endpoints where it says who it is. */
async function everything(client: Client, provider = practice()) {
  const tokens = await connect(client, provider)
  const renewed = await refreshTokenGrant(provider, client, tokens)
  const found = await introspectToken(provider, client, renewed.accessToken)
  await revokeToken(provider, client, renewed.refreshToken ?? '', { tokenTypeHint: 'refresh_token' })
  return { renewed, found }
}

const requests = ['par', 'token', 'introspection', 'revocation'] as const

describe('R4 the client proves who it is', () => {
  it.each<AuthMethod>([
    'none',
    'client_secret_basic',
    'client_secret_post',
    'client_secret_jwt',
    'private_key_jwt',
  ])('by %s at each endpoint', async (method) => {
    const client = oidc.client(method)
    // A public client may not introspect.
    if (method === 'none') await connect(client)
    else expect((await everything(client)).found).toMatchObject({ active: true, clientId: client.clientId })
    for (const what of method === 'none' ? (['par', 'token'] as const) : requests) {
      const seen = oidc.record.last(what)
      expect(seen).toMatchObject({ status: expect.toSatisfy((status) => status < 300), error: undefined })
      const has = {
        basic: seen?.headers['authorization']?.startsWith('Basic ') === true,
        secret: seen?.parameters.has('client_secret') === true,
        assertion: seen?.clientAssertion !== undefined,
      }
      expect(has).toEqual({
        basic: method === 'client_secret_basic',
        secret: method === 'client_secret_post',
        assertion: method.endsWith('_jwt'),
      })
    }
  })

  it('private_key_jwt: short-lived, for the issuer, one for each request, named by its key', async () => {
    const client = oidc.client('private_key_jwt')
    await everything(client)
    const assertions = requests.flatMap((what) => oidc.record.to(what)).map((seen) => seen.clientAssertion)
    expect(new Set(assertions.map((assertion) => assertion?.payload['jti'])).size).toBe(assertions.length)
    for (const assertion of assertions) {
      expect(assertion?.header).toMatchObject({ alg: 'ES256', kid: client.privateKey.kid })
      const { iss, sub, aud, exp, iat } = assertion?.payload ?? {}
      expect([iss, sub, aud]).toEqual([client.clientId, client.clientId, oidc.issuer])
      expect(Number(exp) - Number(iat)).toBe(60)
    }
  })

  it('private_key_jwt: another key is refused, and named in the error', async () => {
    const { privateKey: _, ...client } = oidc.client('private_key_jwt')
    const { privateKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
      'sign',
    ])
    await expect(connect({ ...client, privateKey: { key: privateKey } })).rejects.toMatchObject({
      code: 'token_request_refused',
      error: 'invalid_client',
      status: 401,
    })
    expect(oidc.record.last('par')).toMatchObject({ error: 'invalid_client' })
  })

  it('private_key_jwt: with header members of the caller’s, as Microsoft Entra wants', async () => {
    const { privateKey, ...client } = oidc.client('private_key_jwt')
    await connect({ ...client, privateKey: { ...privateKey, header: { 'x5t#S256': 'thumbprint' } } })
    expect(oidc.record.last('token')?.clientAssertion?.header).toEqual({
      ...{ alg: 'ES256', kid: privateKey.kid, 'x5t#S256': 'thumbprint' },
    })
  })

  it('private_key_jwt: a row says whom the assertion is for', async () => {
    const client = oidc.client('private_key_jwt')
    const quirks = ['assertion-audience:token-endpoint']
    await connect(client, practice({ quirks }))
    expect(oidc.record.last('token')?.clientAssertion?.payload['aud']).toBe(oidc.endpoints.tokenUrl)
    const elsewhere = practice({ quirks: ['assertion-audience:https://elsewhere.example'] })
    await expect(connect(client, elsewhere)).rejects.toMatchObject({ error: 'invalid_client' })
  })

  it('private_key_jwt with DPoP: a request that is sent twice has two assertions', async () => {
    oidc.dpopNonceRequired = true
    oidc.rotateDpopNonces()
    const tokens = await connect({ ...oidc.client('private_key_jwt'), dpop: true })
    expect(tokens.tokenType).toBe('DPoP')
    const all = [...oidc.record.to('par'), ...oidc.record.to('token')]
    expect(all.some(({ error }) => error === 'use_dpop_nonce')).toBe(true)
    const ids = all.map(({ clientAssertion }) => clientAssertion?.payload['jti'])
    expect(new Set(ids).size).toBe(ids.length)
    expect(all.map(({ error }) => error)).not.toContain('invalid_client')
  })

  it('by a function of the caller’s own, awaited before each request', async () => {
    const { clientSecret = '', ...client } = oidc.client('client_secret_post')
    const calls: string[] = []
    await everything({
      ...client,
      authenticate: async (call) => {
        calls.push(call.name)
        await Promise.resolve()
        call.parameters.set('client_secret', clientSecret)
      },
    })
    expect(calls.slice(-4)).toEqual(['authorization_code', 'refresh_token', 'introspection', 'revocation'])
    await expect(connect({ ...client, authenticate: () => {} })).rejects.toMatchObject({
      error: 'invalid_client',
    })
  })
})

describe('R4 a TLS client certificate (RFC 8705)', () => {
  it.each(['tls_client_auth', 'self_signed_tls_client_auth'] as const)(
    '%s: at the aliases of the endpoints, tokens bound to the certificate',
    async (method) => {
      const client = tlsClient(method)
      const provider = practice()
      const tokens = await connect(client, provider)
      const renewed = await refreshTokenGrant(provider, client, tokens)
      const { cert } =
        method === 'tls_client_auth' ? mtls().certificates.client : mtls().certificates.selfSigned
      for (const what of ['par', 'token'] as const) {
        expect(oidc.record.last(what)).toMatchObject({ clientId: client.clientId, tls: true })
        expect(oidc.record.last(what)?.certificate).toBe(certificateThumbprint(cert))
        expect(oidc.record.last(what)?.parameters.get('client_id')).toBe(client.clientId)
      }
      const found = await introspectToken(provider, client, renewed.accessToken)
      expect(found.raw['cnf']).toEqual({ 'x5t#S256': certificateThumbprint(cert) })
    },
  )

  it('a session presents it, and a token without its certificate is worth nothing', async () => {
    const client = tlsClient('tls_client_auth')
    const tokens = await connect(client)
    const userinfo = mtls().endpoints.userinfoUrl ?? ''
    const provider = practice({ apiHosts: [new URL(userinfo).host] })
    const ask = async (send: Client['fetch']) => {
      const session = new Session(tokens, { provider, fetch: send, unauthorized: 'return' })
      return (await session.fetch(userinfo)).status
    }
    const other = certificateFetch({ ...mtls().certificates.stranger, ca: mtls().certificates.ca })
    expect([await ask(client.fetch), await ask(other)]).toEqual([200, 401])
  })

  it('a client with a key of another kind uses the aliases where tokens are bound', async () => {
    const { certificates } = mtls()
    const send = certificateFetch({ ...certificates.client, ca: certificates.ca })
    const client = { ...oidc.client('private_key_jwt'), fetch: send }
    await connect(client, practice({ certificateBoundTokens: true }))
    expect(oidc.record.last('token')).toMatchObject({ tls: true, clientId: client.clientId })
    oidc.record.clear()
    await connect(client, practice({ certificateBoundTokens: false }))
    expect(oidc.record.last('token')).toMatchObject({ tls: false })
  })

  it('is refused when it is a stranger’s, or none', async () => {
    const stranger = tlsClient('self_signed_tls_client_auth', mtls().certificates.stranger)
    await expect(connect(stranger)).rejects.toMatchObject({ error: 'invalid_client' })
    const { fetch: _, ...without } = tlsClient('tls_client_auth')
    // Without an authority of ours the server's own certificate is not believed, and nothing is sent.
    await expect(connect(without)).rejects.toBeInstanceOf(NetworkError)
  })

  it('believes no server of another authority', async () => {
    const { client, selfSigned } = mtls().certificates
    const send = certificateFetch({ ...client, ca: selfSigned.cert })
    await expect(connect({ ...oidc.client('tls_client_auth'), fetch: send })).rejects.toBeInstanceOf(
      NetworkError,
    )
    expect(oidc.record.to('par')).toEqual([])
  })
})

describe('R4 R17 through the vault', () => {
  it.each<[string, () => Client]>([
    ['private_key_jwt', () => oidc.client('private_key_jwt')],
    ['tls_client_auth', () => tlsClient('tls_client_auth')],
  ])('%s: a renewal proves who we are, hooks and all', async (method, make) => {
    const heard: string[] = []
    const hooks: Client['hooks'] = {
      refreshRequest: ({ name }) => void heard.push(name),
      tokens: ({ raw }) => ({ kind: raw['token_type'] }),
    }
    const client = { ...make(), hooks }
    const tokens = await connect(client)
    const vault = await Vault.open({
      url: 'memory:',
      clients: { practice: { ...client, provider: practice() } },
    })
    const address = { user: 'ada', provider: 'practice' }
    await vault.save(address, tokens.with({ expiresAt: new Date(0) }))
    oidc.record.clear()
    const fresh = await vault.token(address)
    await vault.close()
    expect(fresh.accessToken).not.toBe(tokens.accessToken)
    expect(fresh.extra).toEqual({ kind: 'Bearer' })
    expect(heard).toEqual(['refresh_token'])
    const seen = oidc.record.last('token')
    expect(seen).toMatchObject({ clientId: client.clientId, tls: method === 'tls_client_auth' })
    expect(seen?.clientAssertion !== undefined).toBe(method === 'private_key_jwt')
  })
})

describe('R4 P101 from toolgrant.toml', () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'toolgrant-client-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  /** A client of this table, and what else it needs in files beside. */
  async function configured(
    method: AuthMethod,
    lines: string[],
    files: Record<string, string>,
  ): Promise<Registration> {
    const write = (name: string, text: string) => writeFile(join(folder, name), text, { mode: 0o600 })
    const provider = ['[providers.practice]', `issuer = "${oidc.issuer}"`]
    const client = ['[auth.practice]', `client_id = "${oidc.client(method).clientId}"`, ...lines]
    await write('toolgrant.toml', [...provider, ...client, ''].join('\n'))
    for (const [name, text] of Object.entries(files)) await write(name, text)
    return (await loadConfig({ cwd: folder, env: {} })).registration('practice')
  }

  it('a private key signs, without a word about the method', async () => {
    const { key, kid } = oidc.client('private_key_jwt').privateKey
    const lines = ['private_key = "us.json"', `private_key_id = "${kid}"`]
    const { provider, client } = await configured('private_key_jwt', lines, {
      'us.json': JSON.stringify(key),
    })
    const tokens = await connect(client, provider)
    expect(await oidc.accessToken(tokens.accessToken)).toMatchObject({ clientId: client.clientId })
    expect(oidc.record.last('token')?.clientAssertion?.header['kid']).toBe(kid)
  })

  it('a certificate is presented', async () => {
    const { client: pair, ca } = mtls().certificates
    const lines = [
      'token_endpoint_auth_method = "tls_client_auth"',
      ...['certificate = "us.crt"', 'certificate_key = "us.key"', 'certificate_ca = "ca.crt"'],
    ]
    const files = { 'us.crt': pair.cert, 'us.key': pair.key, 'ca.crt': ca }
    const { provider, client } = await configured('tls_client_auth', lines, files)
    await connect(client, provider)
    expect(oidc.record.last('token')).toMatchObject({ clientId: client.clientId, tls: true })
  })
})
