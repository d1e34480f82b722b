// Authorization requests against a real server: pushed (RFC 9126), signed (RFC 9101), with details (RFC 9396) and
// resources (RFC 8707). Each feature as the server saw it, accepted and refused.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { AuthorizationDeniedError, ConfigurationError, TokenEndpointError } from '../src/errors.ts'
import { authorize, type FlowEvent, loopback } from '../src/flows/index.ts'
import {
  type AuthorizationUrlOptions,
  authorizationCodeGrant,
  authorizationUrl,
  type Client,
  type PendingAuthorization,
  refreshTokenGrant,
  TokenSet,
} from '../src/oauth/index.ts'
import { defineProvider, type Provider, type ProviderFacts } from '../src/providers/index.ts'
import { type OidcServer, startOidcServer } from './servers/oidc.ts'
import type { OidcFeatures } from './servers/oidc-features.ts'
import { readJwt } from './servers/oidc-record.ts'

const redirectUri = 'http://127.0.0.1:4711/callback'
const notes = 'https://notes.example.com/'
const files = 'https://files.example.com/v1?tenant=7'
const signingAlgs = ['ES256'] as const

/** PAR, JAR, RAR and resources offered; none of them demanded. */
let oidc: OidcServer
/** PAR and JAR demanded. */
let strict: OidcServer
/** PAR and DPoP offered. */
let bound: OidcServer

beforeAll(async () => {
  const resources = {
    [notes]: { scopes: ['notes.read'], format: 'jwt' },
    [files]: { scopes: ['notes.read', 'notes.write'], format: 'jwt' },
  } as const
  const offered: OidcFeatures = { par: true, requestObjects: true, rar: true, resources, claims: true }
  ;[oidc, strict, bound] = await Promise.all([
    startOidcServer({ signingAlgs, features: offered }),
    startOidcServer({ signingAlgs, features: { par: 'required', requestObjects: 'required' } }),
    startOidcServer({ signingAlgs, features: { par: true, dpop: true } }),
  ])
})
afterAll(() => Promise.all([oidc.close(), strict.close(), bound.close()]))
afterEach(() => {
  for (const { record } of [oidc, strict, bound]) record.clear()
})

function discovered(server: OidcServer = oidc, facts: Partial<ProviderFacts> = {}): Provider {
  return defineProvider({ id: 'practice', issuer: server.issuer, ...facts })
}

/** A row with endpoints and nothing else. */
function bare(server: OidcServer, facts: Partial<ProviderFacts> = {}): Provider {
  return defineProvider({ id: 'practice', issuer: server.issuer, ...server.endpoints, ...facts })
}

interface Asked extends AuthorizationUrlOptions {
  provider?: Provider
  client?: Client
}

function begin({ provider = discovered(), client = oidc.confidentialClient, ...options }: Asked = {}) {
  return authorizationUrl(provider, client, { redirectUri, scopes: ['notes.read'], ...options })
}

/** The whole way: request, consent, callback, code. */
async function connect(asked: Asked = {}, server: OidcServer = oidc) {
  const { provider = discovered(server), client = server.confidentialClient } = asked
  const { url, pending } = await begin({ ...asked, provider, client })
  const callback = await server.consent(url, { follow: false })
  return authorizationCodeGrant(provider, client, JSON.parse(JSON.stringify(pending)), callback)
}

function namesIn(url: string): string[] {
  return [...new URL(url).searchParams.keys()]
}

describe('pushed authorization requests (RFC 9126)', () => {
  it.each(['client_secret_basic', 'none', 'private_key_jwt'] as const)(
    'are used wherever the server offers them, the client authenticated by %s',
    async (method) => {
      const client = oidc.client(method)
      const before = Date.now()
      const { url, pending, urlExpiresAt } = await begin({ client, extraParams: { prompt: 'consent' } })
      const pushed = oidc.record.last('par')
      expect(namesIn(url)).toEqual(['client_id', 'request_uri'])
      expect(pushed).toMatchObject({ status: 201, clientId: client.clientId })
      expect(Object.fromEntries(pushed?.parameters ?? [])).toMatchObject({
        response_type: 'code',
        state: pending.state,
        redirect_uri: redirectUri,
        code_challenge_method: 'S256',
        scope: 'notes.read',
        prompt: 'consent',
      })
      const { expires_in: seconds, request_uri: uri } = JSON.parse(pushed?.answer ?? '')
      expect(new URL(url).searchParams.get('request_uri')).toBe(uri)
      expect(urlExpiresAt?.getTime()).toBeGreaterThanOrEqual(before + seconds * 1000)
      expect(urlExpiresAt?.getTime()).toBeLessThanOrEqual(Date.now() + seconds * 1000)
      expect(pending.expiresAt - pending.createdAt).toBe(600_000) // the person has their time, once they are there
      const callback = await oidc.consent(url, { follow: false })
      const tokens = await authorizationCodeGrant(discovered(), client, pending, callback)
      expect(await oidc.accessToken(tokens.accessToken)).toMatchObject({ clientId: client.clientId })
    },
  )

  it('are not used where the caller says so, or the row does not know the endpoint', async () => {
    const unpushed = await begin({ pushed: false })
    const unknown = await begin({ provider: bare(oidc) })
    for (const { url, urlExpiresAt } of [unpushed, unknown]) {
      expect(namesIn(url)).toContain('code_challenge')
      expect(urlExpiresAt).toBeUndefined()
    }
    expect(oidc.record.to('par')).toEqual([])
    expect(namesIn((await begin({ provider: bare(oidc), pushed: true })).url)).toContain('request_uri')
  })

  it('are used where they are required alone, for links that are opened later', async () => {
    const pushed = 'when-required'
    expect(namesIn((await begin({ pushed })).url)).toContain('code_challenge')
    const client = strict.client('client_secret_basic')
    const { url } = await begin({ pushed, provider: discovered(strict), client })
    expect(namesIn(url)).toEqual(['client_id', 'request_uri'])
  })

  it('are demanded by a server that takes no others, and then cannot be switched off', async () => {
    const client = strict.client('client_secret_basic')
    await expect(begin({ provider: discovered(strict), client, pushed: false })).rejects.toThrow(
      expect.objectContaining({ code: 'invalid_argument' }),
    )
    const { url, pending } = await begin({ provider: bare(strict), client, pushed: false })
    const callback = await strict.consent(url, { follow: false })
    expect(strict.record.last('authorization')?.errorDescription).toMatch(
      /Pushed Authorization Request must/i,
    )
    await expect(authorizationCodeGrant(bare(strict), client, pending, callback)).rejects.toBeInstanceOf(
      AuthorizationDeniedError,
    )
    const { tokenUrl, authorizationUrl: to } = oidc.endpoints
    const row = defineProvider({ id: 'x', tokenUrl, authorizationUrl: to, pushedAuthorizationRequired: true })
    await expect(begin({ provider: row })).rejects.toThrow(/has no pushedAuthorizationUrl/)
  })

  it('refused by the server are errors that say which request, and show no secret', async () => {
    const client = { ...oidc.confidentialClient, clientSecret: 'canary-wrong-secret' }
    const error = await begin({ client }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(TokenEndpointError)
    expect(error).toMatchObject({ request: 'pushed_authorization', error: 'invalid_client', status: 401 })
    expect(JSON.stringify(error) + String(error)).not.toContain('canary')
    await expect(begin({ redirectUri: 'http://127.0.0.1:4711/elsewhere' })).rejects.toMatchObject({
      request: 'pushed_authorization',
      status: 400,
    })
    expect(oidc.record.to('authorization')).toEqual([])
  })

  it('work through the flow, which tells until when the address can be opened', async () => {
    const events: FlowEvent[] = []
    const tokens = await authorize(discovered(strict), strict.client('client_secret_basic'), {
      scopes: ['notes.read'],
      onEvent: (event) => events.push(event),
      openBrowser: (url) => strict.consent(url),
    })
    expect(await strict.accessToken(tokens.accessToken)).toMatchObject({ scopes: ['notes.read'] })
    const told = events.find(({ type }) => type === 'authorize-url')
    expect(told).toMatchObject({ expiresAt: expect.any(Date) })
    expect(strict.record.last('par')?.requestObject?.payload).toMatchObject({ scope: 'notes.read' })
  })

  it('refused stop a flow before it waits', async () => {
    const client = { ...oidc.confidentialClient, clientSecret: 'wrong' }
    const events: string[] = []
    const flow = loopback({ onEvent: ({ type }) => events.push(type) })
    await expect(flow.start({ registration: { provider: discovered(), client } })).rejects.toMatchObject({
      request: 'pushed_authorization',
    })
    expect(events.at(-1)).toBe('stopped')
    expect(events).not.toContain('waiting')
  })
})

describe('a key for the tokens (DPoP, RFC 9449 section 10)', () => {
  it('R2 is named in the request, survives as JSON, and binds the tokens', async () => {
    const provider = discovered(bound)
    const client = { ...bound.client('client_secret_basic'), dpop: true }
    const { url, pending } = await begin({ provider, client, extraParams: { prompt: 'consent' } })
    const jkt = bound.record.last('par')?.parameters.get('dpop_jkt')
    expect(jkt).toMatch(/^[\w-]{43}$/)
    expect([pending.dpopKey, url.includes(String(pending.dpopKey?.d))]).toEqual([expect.anything(), false])
    const travelled = JSON.parse(JSON.stringify(pending)) as PendingAuthorization
    const callback = await bound.consent(url, { follow: false })
    const tokens = await authorizationCodeGrant(provider, client, travelled, callback)
    expect(tokens).toMatchObject({ tokenType: 'DPoP', dpopKey: pending.dpopKey })
    expect(bound.record.last('token')?.dpop?.payload).toMatchObject({ htm: 'POST' })
  })

  it('another than the one that was named is refused with the code', async () => {
    const provider = discovered(bound)
    const client = { ...bound.client('client_secret_basic'), dpop: true }
    const [one, two] = [await begin({ provider, client }), await begin({ provider, client })]
    const callback = await bound.consent(one.url, { follow: false })
    const swapped = { ...two.pending, state: one.pending.state, codeVerifier: one.pending.codeVerifier ?? '' }
    await expect(authorizationCodeGrant(provider, client, swapped, callback)).rejects.toMatchObject({
      error: 'invalid_grant',
    })
  })
})

describe('signed authorization requests (RFC 9101)', () => {
  const signing = (): Client => ({ ...oidc.client('client_secret_basic'), requestObject: true })

  it('travel in the URL, everything inside the signature', async () => {
    const client = signing()
    const tokens = await connect({ client, pushed: false, maxAge: 3600, scopes: ['openid', 'notes.read'] })
    const seen = oidc.record.to('authorization')[0]
    expect([...(seen?.parameters.keys() ?? [])]).toEqual(['client_id', 'response_type', 'scope', 'request'])
    expect(seen?.requestObject?.header).toMatchObject({ typ: 'oauth-authz-req+jwt', alg: 'ES256' })
    expect(seen?.requestObject?.payload).toMatchObject({
      iss: client.clientId,
      aud: oidc.issuer,
      redirect_uri: redirectUri,
      max_age: 3600,
      state: expect.any(String),
      code_challenge: expect.any(String),
    })
    const { exp, iat } = seen?.requestObject?.payload ?? {}
    expect(Number(exp) - Number(iat)).toBe(600) // a person opens the URL when they like
    expect(await oidc.accessToken(tokens.accessToken)).toBeDefined()
  })

  it('carry lists and JSON as such', async () => {
    const authorizationDetails = [{ type: 'payment', amount: '1' }]
    const claims = { userinfo: { email: null } }
    await begin({
      client: signing(),
      pushed: false,
      resources: [notes, files],
      authorizationDetails,
      extraParams: { claims: JSON.stringify(claims) },
    }).then(({ url }) => {
      const { payload } = readJwt(new URL(url).searchParams.get('request')) ?? {}
      expect(payload).toMatchObject({
        resource: [notes, files],
        authorization_details: authorizationDetails,
        claims,
      })
    })
  })

  it('are pushed where both are offered, and demanded where the server says so', async () => {
    await connect({ client: signing() })
    expect([...(oidc.record.last('par')?.parameters.keys() ?? [])]).toEqual(['client_id', 'request'])
    const tokens = await connect({ client: strict.client('private_key_jwt') }, strict)
    expect(strict.record.last('par')?.requestObject?.payload).toMatchObject({ scope: 'notes.read' })
    expect(await strict.accessToken(tokens.accessToken)).toBeDefined()
    const unsigned = { ...strict.client('client_secret_basic'), requestObject: false }
    await expect(begin({ provider: discovered(strict), client: unsigned })).rejects.toMatchObject({
      request: 'pushed_authorization',
      errorDescription: expect.stringMatching(/request object/i),
    })
  })

  it('signed with another key are refused by the server', async () => {
    const { privateKey } = strict.client('client_secret_basic')
    const client = { ...oidc.client('client_secret_basic'), privateKey, requestObject: true }
    await expect(begin({ client })).rejects.toMatchObject({ error: 'invalid_request_object' })
    const { url } = await begin({ client, pushed: false })
    await expect(oidc.consent(url, { follow: false })).rejects.toThrow(/answered 400.*invalid_request_object/)
  })

  it('need a key of the client and an issuer to address', async () => {
    const { clientId, clientSecret } = oidc.confidentialClient
    const provider = defineProvider({ id: 'x', ...oidc.endpoints, requestObject: 'required' })
    const without = begin({ provider, client: { clientId, clientSecret } })
    await expect(without).rejects.toThrow(/has no privateKey/)
    await expect(without).rejects.toBeInstanceOf(ConfigurationError)
    await expect(begin({ provider, client: signing() })).rejects.toThrow(/Set issuer in the provider/)
  })
})

describe('rich authorization requests (RFC 9396)', () => {
  const payment = { type: 'payment', amount: '12.50', actions: ['initiate'] }

  it('ask in detail, by row and by call, and keep what was granted through a refresh', async () => {
    const provider = discovered(oidc, { authorizationDetails: [{ type: 'files', path: '/a' }] })
    const options = { provider, authorizationDetails: [payment], extraParams: { prompt: 'consent' } }
    const tokens = await connect({ ...options, scopes: ['offline_access', 'openid', 'notes.read'] })
    const asked = [{ type: 'files', path: '/a' }, payment]
    expect(JSON.parse(oidc.record.last('par')?.parameters.get('authorization_details') ?? '')).toEqual(asked)
    expect(tokens.extra).toMatchObject({ authorization_details: asked })
    const fresh = await refreshTokenGrant(provider, oidc.confidentialClient, tokens)
    expect(fresh.extra).toMatchObject({ authorization_details: asked })
  })

  it('refused by the server are a denial, or an error where they are pushed', async () => {
    const authorizationDetails = [{ ...payment, refuse: true }]
    await expect(begin({ authorizationDetails })).rejects.toMatchObject({
      error: 'invalid_authorization_details',
    })
    await expect(connect({ authorizationDetails, pushed: false })).rejects.toMatchObject({
      name: 'AuthorizationDeniedError',
      error: 'invalid_authorization_details',
    })
  })

  it.each([[[{ amount: 1 }]], [[{ type: '' }]], [[null]], ['{}']])(
    'that name no type are a mistake of the caller: %j',
    async (authorizationDetails) => {
      const wrong = { authorizationDetails } as unknown as AuthorizationUrlOptions
      await expect(begin(wrong)).rejects.toThrow(expect.objectContaining({ code: 'invalid_argument' }))
      expect(oidc.record.to('par')).toEqual([])
    },
  )
})

describe('resource indicators (RFC 8707)', () => {
  it('R5 are repeated in the authorization request, the token request and the refresh', async () => {
    const options = { resources: [notes, files], extraParams: { prompt: 'consent' } }
    const tokens = await connect({ ...options, scopes: ['offline_access', 'openid', 'notes.read'] })
    expect(oidc.record.last('par')?.parameters.getAll('resource')).toEqual([notes, files])
    expect(oidc.record.last('token')?.parameters.getAll('resource')).toEqual([notes, files])
    expect(readJwt(tokens.accessToken)?.payload).toMatchObject({ aud: notes })
    const same = await refreshTokenGrant(
      discovered(),
      oidc.confidentialClient,
      TokenSet.parse(tokens.serialize()),
    )
    expect(oidc.record.last('token')?.parameters.getAll('resource')).toEqual([notes, files])
    const fresh = await refreshTokenGrant(discovered(), oidc.confidentialClient, same, {
      resources: [files],
    })
    expect(oidc.record.last('token')?.parameters.getAll('resource')).toEqual([files])
    expect(readJwt(fresh.accessToken)?.payload).toMatchObject({ aud: files })
  })

  it('may be narrowed to one for one token, and come from the row', async () => {
    const provider = discovered(oidc, { resources: [notes] })
    const client = oidc.confidentialClient
    const { url, pending } = await begin({ provider, resources: [files, notes] })
    const callback = await oidc.consent(url, { follow: false })
    const narrowed = { resources: [files] }
    const tokens = await authorizationCodeGrant(provider, client, pending, callback, narrowed)
    expect(oidc.record.last('par')?.parameters.getAll('resource')).toEqual([notes, files])
    expect(readJwt(tokens.accessToken)?.payload).toMatchObject({ aud: files })
  })

  it('that the server does not know are refused', async () => {
    const resources = ['https://elsewhere.example.com/']
    await expect(begin({ resources })).rejects.toMatchObject({ error: 'invalid_target' })
    await expect(connect({ resources, pushed: false })).rejects.toMatchObject({ error: 'invalid_target' })
  })

  it.each(['notes', '/notes', 'https://notes.example.com/#part', 'https://a.example/ https://b.example/'])(
    'that are no absolute URI without a fragment are a mistake of the caller: %s',
    async (resource) => {
      await expect(begin({ resources: [resource] })).rejects.toThrow(/absolute URI without a fragment/)
      expect(oidc.record.to('par')).toEqual([])
    },
  )

  it('R20 come through authorize() as well, beside PKCE S256', async () => {
    const tokens = await authorize(discovered(), oidc.publicClient, {
      scopes: ['notes.read'],
      resources: [notes],
      authorizationDetails: [{ type: 'payment' }],
      onEvent: () => {},
      openBrowser: (url) => oidc.consent(url),
    })
    expect(readJwt(tokens.accessToken)?.payload).toMatchObject({ aud: notes })
    expect(tokens.extra).toMatchObject({ authorization_details: [{ type: 'payment' }] })
    expect(oidc.record.last('par')?.parameters.get('code_challenge_method')).toBe('S256')
  })
})
