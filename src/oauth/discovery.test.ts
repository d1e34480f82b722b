import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ScriptedServer, startScriptedServer } from '../../test/servers/scripted-http.ts'
import { NetworkError, TimeoutError } from '../errors.ts'
import { defineProvider } from '../providers/index.ts'
import { canRevoke, discover, resolveEndpoints } from './endpoints.ts'
import type { RequestOptions } from './request-options.ts'

const oidc = '/.well-known/openid-configuration'
const oauth = '/.well-known/oauth-authorization-server'
let server: ScriptedServer
/** Documents by path; each test has a server, and so an issuer, of its own. */
let documents: Record<string, unknown>

beforeEach(async () => {
  documents = {}
  server = await startScriptedServer(({ url }) =>
    Object.hasOwn(documents, url) ? { body: documents[url] } : { status: 404, body: 'no' },
  )
})

afterEach(() => server.close())

function metadata(issuer: string, more: Record<string, unknown> = {}) {
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    ...more,
  }
}

/** A public issuer, served by an injected fetch. */
function publicIssuer(issuer: string, document: unknown): RequestOptions {
  return {
    fetch: async (url) =>
      String(url).startsWith(new URL(issuer).origin)
        ? Response.json(document)
        : Response.json({}, { status: 404 }),
  }
}

describe('discovery', () => {
  it('reads OpenID Connect metadata', async () => {
    documents[oidc] = metadata(server.origin, {
      revocation_endpoint: `${server.origin}/revoke`,
      introspection_endpoint: `${server.origin}/introspect`,
      userinfo_endpoint: `${server.origin}/me`,
      device_authorization_endpoint: `${server.origin}/device`,
      jwks_uri: `${server.origin}/jwks`,
      authorization_response_iss_parameter_supported: true,
      code_challenge_methods_supported: ['S256', 7],
      token_endpoint_auth_methods_supported: ['client_secret_post'],
    })
    expect(await discover(server.origin)).toEqual({
      issuer: server.origin,
      authorizationUrl: `${server.origin}/authorize`,
      tokenUrl: `${server.origin}/token`,
      revocationUrl: `${server.origin}/revoke`,
      introspectionUrl: `${server.origin}/introspect`,
      userinfoUrl: `${server.origin}/me`,
      deviceAuthorizationUrl: `${server.origin}/device`,
      jwksUrl: `${server.origin}/jwks`,
      issParameterSupported: true,
      codeChallengeMethods: ['S256'],
      authMethods: ['client_secret_post'],
    })
    expect(server.requests).toMatchObject([
      { method: 'GET', url: oidc, headers: { accept: 'application/json' } },
    ])
  })

  it('reads RFC 8414 metadata where there is no other', async () => {
    documents[oauth] = metadata(server.origin)
    expect(await discover(server.origin)).toMatchObject({ tokenUrl: `${server.origin}/token` })
    expect(server.requests.map(({ url }) => url)).toEqual([oidc, oauth])
  })

  it('puts the path of an issuer where each kind wants it', async () => {
    const issuer = `${server.origin}/tenant/7`
    documents[`${oauth}/tenant/7`] = metadata(issuer)
    await discover(issuer)
    expect(server.requests.map(({ url }) => url)).toEqual([`/tenant/7${oidc}`, `${oauth}/tenant/7`])
  })

  it('looks in a third place for an issuer with a path (RFC 8414 section 5)', async () => {
    const issuer = `${server.origin}/tenant/7`
    documents[`${oidc}/tenant/7`] = metadata(issuer)
    expect((await discover(issuer)).tokenUrl).toBe(`${issuer}/token`)
    expect(server.requests.map(({ url }) => url)).toEqual([
      `/tenant/7${oidc}`,
      `${oauth}/tenant/7`,
      `${oidc}/tenant/7`,
    ])
  })

  it.each(['', '/'])(
    'takes an issuer with a path, ending with %j, and spells it as the server does',
    async (end) => {
      const issuer = `${server.origin}/tenant`
      documents[`/tenant${oidc}`] = metadata(`${issuer}${end === '' ? '/' : ''}`)
      expect((await discover(issuer + end)).issuer).toBe(issuer + (end === '' ? '/' : ''))
    },
  )

  it('takes an issuer that is spelled with a slash, and then spells it as the server does', async () => {
    documents[oidc] = metadata(`${server.origin}/`)
    expect((await discover(server.origin)).issuer).toBe(`${server.origin}/`)
    const provider = await resolveEndpoints(defineProvider({ id: 'acme', issuer: server.origin }))
    expect(provider.issuer).toBe(`${server.origin}/`)
  })

  it.each([
    [
      'another host',
      (origin: string) => metadata('https://evil.example', { token_endpoint: `${origin}/token` }),
    ],
    ['another path', (origin: string) => metadata(`${origin}/other`)],
    ['no issuer', (origin: string) => ({ token_endpoint: `${origin}/token` })],
    ['an issuer that is no text', (origin: string) => ({ issuer: 7, token_endpoint: `${origin}/token` })],
  ])('refuses metadata of %s', async (_, document) => {
    documents[oidc] = document(server.origin)
    await expect(discover(server.origin)).rejects.toMatchObject({
      code: 'discovery_failed',
      message: expect.stringMatching(/speaks for|RFC 8414/),
    })
  })

  it('takes the metadata of Microsoft for many tenants, whose issuer is a template', async () => {
    const issuer = 'https://login.as.example/common/v2.0'
    const document = metadata('https://login.as.example/{tenantid}/v2.0', {
      authorization_endpoint: 'https://login.as.example/common/authorize',
      token_endpoint: 'https://login.as.example/common/token',
    })
    const found = await discover(issuer, publicIssuer(issuer, document))
    expect(found).toMatchObject({ issuer, issuerVaries: true })
    const other = 'https://evil.example/common/v2.0'
    await expect(discover(other, publicIssuer(other, document))).rejects.toMatchObject({
      code: 'discovery_failed',
    })
  })

  it.each([
    ['a page', '<html>'],
    ['a list', '[]'],
    ['nothing', ''],
  ])('%s is no metadata', async (_, body) => {
    server.answer = () => ({ body })
    await expect(discover(server.origin)).rejects.toMatchObject({
      code: 'discovery_failed',
      message: expect.stringMatching(/Check the issuer, or give authorizationUrl and tokenUrl/),
    })
  })

  it('refuses a redirect', async () => {
    server.answer = () => ({ status: 302, headers: { location: '/elsewhere' } })
    await expect(discover(server.origin)).rejects.toMatchObject({ code: 'discovery_failed' })
    expect(server.requests.map(({ url }) => url)).toEqual([oidc, oauth])
  })

  it.each([
    ['nobody answers', 'http://127.0.0.1:1', {}, NetworkError],
    ['it takes too long', undefined, { timeoutMs: 20 }, TimeoutError],
  ])('says that it may work later when %s', async (_, issuer, options, error) => {
    server.answer = () => () => {}
    await expect(discover(issuer ?? server.origin, options)).rejects.toBeInstanceOf(error)
  })

  it('says that it may work later at 503', async () => {
    server.answer = () => ({ status: 503, headers: { 'retry-after': '9' }, body: '' })
    await expect(discover(server.origin)).rejects.toMatchObject({
      code: 'response_not_oauth',
      status: 503,
      retryAfterSeconds: 9,
    })
  })

  it('demands https', async () => {
    await expect(discover('http://as.example')).rejects.toMatchObject({ code: 'insecure_url' })
  })
})

describe('endpoints in metadata', () => {
  const issuer = 'https://as.example'

  it.each([
    ['this machine', 'https://127.0.0.1/token'],
    ['this machine by name', 'https://localhost/token'],
    ['this machine, IPv6', 'https://[::1]/token'],
    ['this machine, mapped', 'https://[::ffff:127.0.0.1]/token'],
    ['this machine, in hexadecimal', 'https://0x7f.1/token'],
    ['the metadata service of a cloud', 'https://169.254.169.254/latest'],
    ['a private network', 'https://10.1.2.3/token'],
    ['another private network', 'https://192.168.0.1/token'],
    ['a name of a private network', 'https://metadata.google.internal/token'],
    ['a name without a domain', 'https://vault/token'],
    ['a private address inside an IPv6 one', 'https://[2002:a9fe:a9fe::1]/token'],
    ['a unique local address', 'https://[fd00::1]/token'],
    ['http', 'http://as.example/token'],
    ['a file', 'file:///etc/passwd'],
    ['a script', 'javascript:alert(1)'],
    ['a password', 'https://user:password@as.example/token'],
    ['no URL', 'token'],
  ])('must not lead to %s', async (_, url) => {
    for (const name of ['token_endpoint', 'authorization_endpoint', 'revocation_endpoint', 'jwks_uri']) {
      const document = { ...metadata(issuer), [name]: url }
      await expect(discover(issuer, publicIssuer(issuer, document))).rejects.toMatchObject({
        code: 'discovery_failed',
        message: expect.not.stringContaining('password@'),
      })
    }
  })

  it.each([
    ['a loopback issuer to loopback', 'http://127.0.0.1:9', 'http://localhost:10/token'],
    ['a private issuer to itself', 'https://10.0.0.5', 'https://10.0.0.5/token'],
    ['a private issuer to its network, by name', 'https://login.corp', 'https://tokens.corp/token'],
    ['a public issuer to another public host', issuer, 'https://tokens.example/token'],
  ])('may lead from %s', async (_, from, url) => {
    const document = metadata(from, { token_endpoint: url })
    expect((await discover(from, publicIssuer(from, document))).tokenUrl).toBe(url)
  })

  it.each([
    ['a loopback issuer to a private network', 'http://127.0.0.1:9', 'https://169.254.169.254/token'],
    ['a private issuer to another machine of the network', 'https://10.0.0.5', 'https://10.0.0.6/token'],
  ])('must not lead from %s', async (_, from, url) => {
    const document = metadata(from, { token_endpoint: url })
    await expect(discover(from, publicIssuer(from, document))).rejects.toMatchObject({
      code: 'discovery_failed',
    })
  })
})

describe('metadata is kept', () => {
  it('for an hour, and asked for once by many', async () => {
    documents[oidc] = metadata(server.origin)
    let time = 1000
    const now = () => time
    await Promise.all(Array.from({ length: 20 }, () => discover(server.origin, { now })))
    time += 3_599_999
    await discover(server.origin, { now })
    expect(server.requests).toHaveLength(1)
    time += 1
    await discover(server.origin, { now })
    expect(server.requests).toHaveLength(2)
  })

  it('per fetch that was handed in', async () => {
    documents[oidc] = metadata(server.origin)
    const wrap =
      (): typeof fetch =>
      (...args) =>
        fetch(...args)
    const [one, two] = [wrap(), wrap()]
    for (const send of [one, one, two, two]) await discover(server.origin, { fetch: send })
    expect(server.requests).toHaveLength(2)
  })

  it('not when it failed', async () => {
    await expect(discover(server.origin)).rejects.toMatchObject({ code: 'discovery_failed' })
    documents[oidc] = metadata(server.origin)
    expect((await discover(server.origin)).tokenUrl).toBe(`${server.origin}/token`)
  })

  it('not for who would not have accepted it', async () => {
    const issuer = 'https://as.example'
    const options = publicIssuer(issuer, metadata(issuer, { token_endpoint: 'http://10.0.0.1/token' }))
    await discover(issuer, { ...options, allowInsecureRequests: true })
    await expect(discover(issuer, options)).rejects.toMatchObject({ code: 'discovery_failed' })
  })

  it("one caller's abort does not fail the others", async () => {
    documents[oidc] = metadata(server.origin)
    const reason = new Error('enough')
    const controller = new AbortController()
    const first = discover(server.origin, { signal: controller.signal })
    const second = discover(server.origin)
    controller.abort(reason)
    await expect(first).rejects.toBe(reason)
    expect((await second).issuer).toBe(server.origin)
    expect(server.requests).toHaveLength(1)
  })
})

describe('a provider is completed', () => {
  it('without a request when it names both endpoints', async () => {
    const provider = defineProvider({
      id: 'acme',
      issuer: server.origin,
      authorizationUrl: `${server.origin}/a`,
      tokenUrl: `${server.origin}/t`,
    })
    expect(await resolveEndpoints(provider)).toBe(provider)
    expect(server.requests).toHaveLength(0)
  })

  it('from its issuer, and what the row says wins', async () => {
    documents[oidc] = metadata(server.origin, { revocation_endpoint: `${server.origin}/revoke` })
    const row = defineProvider({ id: 'acme', issuer: server.origin, tokenUrl: `${server.origin}/own-token` })
    expect(await resolveEndpoints(row)).toMatchObject({
      id: 'acme',
      authorizationUrl: `${server.origin}/authorize`,
      tokenUrl: `${server.origin}/own-token`,
      issParameterSupported: false,
    })
    expect(await canRevoke(row)).toBe(true)
  })

  it.each([
    [['plain'], 'plain-only'],
    [['plain', 'S256'], undefined],
    [['S256'], undefined],
    [undefined, undefined],
  ])('R20 challenge methods %j make pkce %s', async (methods, pkce) => {
    documents[oidc] = metadata(server.origin, { code_challenge_methods_supported: methods })
    expect((await resolveEndpoints(defineProvider({ id: 'acme', issuer: server.origin }))).pkce).toBe(pkce)
  })

  it.each([
    [['client_secret_post', 'client_secret_basic'], undefined],
    [['client_secret_post'], 'client_secret_post'],
    [['none'], 'none'],
    [['private_key_jwt'], 'private_key_jwt'],
    [['something_new'], undefined],
    [undefined, undefined],
  ])('P32 authentication methods %j make the method %s', async (methods, method) => {
    documents[oidc] = metadata(server.origin, { token_endpoint_auth_methods_supported: methods })
    const provider = await resolveEndpoints(defineProvider({ id: 'acme', issuer: server.origin }))
    expect(provider.tokenEndpointAuthMethod).toBe(method)
  })
})
