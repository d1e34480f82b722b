// Ways in for whoever wants us to knock at doors of our own network (SSRF), one by one: each is refused, and nothing
// reaches the host. RFC 9728 section 7.7, RFC 8414 section 3.3, RFC 6890.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  authorizationUrl,
  deviceAuthorization,
  discover,
  discoverProtectedResource,
  endSessionUrl,
  fetchUserinfo,
  readRegistration,
  registerClient,
  resolveEndpoints,
  Session,
  TokenSet,
  verifyCallback,
} from '../../src/oauth/index.ts'
import { defineProvider } from '../../src/providers/index.ts'
import { type OidcServer, startOidcServer } from '../servers/oidc.ts'
import { startScriptedServer } from '../servers/scripted-http.ts'
import { forgeries, jwks, signed } from './forged-jwts.ts'
import { judged } from './judge.ts'
import { client, issuer, pending, provider, tokens } from './operations.ts'

/** Hosts that no document of somebody else's may send us to. */
const insideHosts = [
  ...['127.0.0.1', '127.1', '0', '0.0.0.0', 'localhost', 'a.localhost', '[::1]', '[::]', '2130706433'],
  ...['0x7f.1', '017700000001', '127.0.0.1.', 'LOCALHOST', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]'],
  ...['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1', '169.254.169.254'],
  ...['[fc00::1]', '[fd12:3456::1]', '[fe80::1]', '[fec0::1]', '[64:ff9b::10.0.0.1]', '[2002:a00:1::]'],
  ...['198.18.0.1', '192.0.2.1', '224.0.0.1', '255.255.255.255', '[ff02::1]', '①②⑦.⓪.⓪.①'],
  ...[
    'metadata.google.internal',
    'printer.local',
    'router.lan',
    'wiki.corp',
    'intranet',
    'host.docker.internal',
  ],
]

/** Addresses that are no https at all. */
const otherSchemes = [
  ...['http://as.example/x', 'file:///etc/passwd', 'ftp://as.example/x', 'gopher://10.0.0.1:70/x', 'data:,x'],
  ...[
    'javascript:alert(1)',
    'blob:https://as.example/1',
    'ws://as.example/',
    'unix:/run/docker.sock',
    '//as.example',
  ],
  ...['https://ada:secret@as.example/x', 'https://as.example:99999/', 'https://'],
]

const endpoints = [
  ...['authorization_endpoint', 'token_endpoint', 'revocation_endpoint', 'introspection_endpoint'],
  ...['userinfo_endpoint', 'jwks_uri', 'device_authorization_endpoint', 'registration_endpoint'],
  ...['pushed_authorization_request_endpoint', 'backchannel_authentication_endpoint', 'end_session_endpoint'],
]

/** Answers with documents by address, and remembers what was asked for. */
function documents(found: Readonly<Record<string, unknown>>) {
  const asked: string[] = []
  const fetch = async (input: string | URL | Request) => {
    const url = String(input instanceof Request ? input.url : input)
    asked.push(url)
    const document = found[url] ?? found[new URL(url).pathname]
    if (document instanceof Response) return document.clone()
    return document === undefined ? new Response('', { status: 404 }) : Response.json(document)
  }
  return Object.assign(fetch as typeof globalThis.fetch, { asked })
}

const metadata = (more: object = {}) => ({
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  ...more,
})

async function refusedMetadata(what: string, more: object) {
  const fetch = documents({ '/.well-known/openid-configuration': metadata(more) })
  const { value, error } = await judged(what, () => discover(issuer, { fetch }))
  expect(value, what).toBeUndefined()
  expect(error, what).toMatchObject({ code: 'discovery_failed' })
  for (const url of fetch.asked) expect(new URL(url).origin).toBe(issuer)
}

describe('metadata of an issuer', () => {
  it.each(endpoints)('may not name a private host as %s', async (name) => {
    for (const host of insideHosts) await refusedMetadata(host, { [name]: `https://${host}/x` })
  })

  it.each(endpoints)('may not name another scheme as %s', async (name) => {
    for (const url of otherSchemes) await refusedMetadata(url, { [name]: url })
  })

  it('may not hide one among the aliases for certificates', async () => {
    for (const name of endpoints.filter((each) => !/authorization_endpoint|jwks|end_session/.test(each)))
      await refusedMetadata(name, { mtls_endpoint_aliases: { [name]: 'https://10.0.0.1/x' } })
  })

  it('may not come from elsewhere, by redirect or under another name', async () => {
    for (const location of ['http://169.254.169.254/latest/', 'https://evil.example/', '/other'])
      for (const status of [301, 302, 303, 307, 308]) {
        const fetch = documents({
          '/.well-known/openid-configuration': new Response(null, { status, headers: { location } }),
          '/.well-known/oauth-authorization-server': new Response(null, { status, headers: { location } }),
        })
        const { error } = await judged(location, () => discover(issuer, { fetch }))
        expect(error).toMatchObject({ code: 'discovery_failed' })
        expect(fetch.asked.map((url) => new URL(url).pathname)).toEqual([
          '/.well-known/openid-configuration',
          '/.well-known/oauth-authorization-server',
        ])
      }
    await refusedMetadata('name', { issuer: 'https://as.example.evil.example' })
    await refusedMetadata('path', { issuer: `${issuer}/tenant` })
    await refusedMetadata('template', { issuer: 'https://{tenantid}/' })
  })

  it('may name a private host only from a private network of the same kind', async () => {
    const home = 'https://sso.corp'
    const inside = { ...metadata(), issuer: home, token_endpoint: 'https://tokens.corp/token' }
    const fetch = documents({ '/.well-known/openid-configuration': inside })
    expect(await discover(home, { fetch })).toMatchObject({ tokenUrl: 'https://tokens.corp/token' })
    const cloud = { ...inside, token_endpoint: 'https://169.254.169.254/token' }
    const { error } = await judged('cloud', () =>
      discover(home, { fetch: documents({ '/.well-known/openid-configuration': cloud }) }),
    )
    expect(error).toMatchObject({ code: 'discovery_failed' })
  })
})

describe('metadata of an API', () => {
  const api = 'https://api.example/notes'
  const place = '/.well-known/oauth-protected-resource/notes'

  it('may not name an authorization server in a private network or at another scheme', async () => {
    const servers = [...insideHosts.map((host) => `https://${host}/`), ...otherSchemes]
    for (const server of servers) {
      const fetch = documents({ [place]: { resource: api, authorization_servers: [issuer, server] } })
      const { error } = await judged(server, () => discoverProtectedResource(api, { fetch }))
      expect(error, server).toMatchObject({ code: 'discovery_failed' })
      for (const url of fetch.asked) expect(new URL(url).host).toBe('api.example')
    }
  })

  it('is not asked for in a private network because a challenge says so', async () => {
    for (const url of [...insideHosts.map((host) => `https://${host}/x`), ...otherSchemes.slice(0, 12)]) {
      const fetch = documents({})
      const challenge = `Bearer resource_metadata="${url}"`
      const { error } = await judged(url, () => discoverProtectedResource(api, { fetch, challenge }))
      expect(error, url).toMatchObject({ code: expect.stringMatching(/discovery_failed|insecure_url/) })
      for (const each of fetch.asked) expect(new URL(each).host).toBe('api.example')
    }
  })

  it('may speak for no other resource than the one that was called', async () => {
    for (const resource of [
      'https://evil.example/notes',
      'https://api.example.evil.example/notes',
      `${api}/deeper`,
      'http://api.example/notes',
      `${api}#x`,
    ]) {
      const fetch = documents({ [place]: { resource, authorization_servers: [issuer] } })
      const { error } = await judged(resource, () => discoverProtectedResource(api, { fetch }))
      expect(error, resource).toMatchObject({ code: 'discovery_failed' })
    }
  })
})

describe('a JWT', () => {
  it('names no address that is asked for its key (jku, x5u), and no key of its own', async () => {
    for (const header of [
      { jku: 'https://10.0.0.1/jwks' },
      { x5u: 'http://169.254.169.254/x' },
      { jku: 'file:///x' },
    ]) {
      const fetch = documents({ '/jwks': jwks })
      const good = {
        iss: issuer,
        aud: 'client-1',
        exp: 9_999_999_999,
        state: 'canary-state-0123456789',
        code: 'c',
      }
      const jwt = signed({ header: { alg: 'ES256', kid: 'unknown', ...header }, claims: good })
      const at = pending({ responseMode: 'jwt' })
      const { error } = await judged('jku', () =>
        verifyCallback(provider, client, at, `?response=${jwt}`, { fetch }),
      )
      expect(error).toMatchObject({ code: 'jwt_invalid' })
      expect(new Set(fetch.asked)).toEqual(new Set([`${issuer}/jwks`]))
    }
    expect(Object.keys(forgeries).length).toBeGreaterThan(30)
  })
})

describe('an answer', () => {
  it('of a registration may not send the management token to another host', async () => {
    const elsewhere = [...insideHosts.map((host) => `https://${host}/x`), ...otherSchemes]
    for (const url of elsewhere) {
      const answer = {
        client_id: 'c',
        registration_client_uri: url,
        registration_access_token: 'canary-answer',
      }
      const fetch = documents({ '/register': answer })
      const { value, error } = await judged(url, async () => {
        const registration = await registerClient(
          provider,
          { redirectUris: ['https://app.example/cb'] },
          { fetch },
        )
        return readRegistration(provider, registration, { fetch })
      })
      expect(value, url).toBeUndefined()
      expect(error, url).toBeDefined()
      for (const each of fetch.asked) expect(new URL(each).origin, url).toBe(issuer)
    }
  })

  it('of a device authorization may not send the person to another scheme', async () => {
    for (const url of [...otherSchemes, 'https://as.example@evil.example/']) {
      const answer = { device_code: 'canary-answer', user_code: 'AB', verification_uri: url, expires_in: 60 }
      const { value, error } = await judged(url, () =>
        deviceAuthorization(provider, client, { fetch: documents({ '/device': answer }) }),
      )
      expect(value, url).toBeUndefined()
      expect(error, url).toMatchObject({ code: 'response_not_oauth' })
    }
  })

  it('of a pushed request stays a parameter, whatever address it is', async () => {
    const request_uri = 'http://169.254.169.254/latest/meta-data'
    const fetch = documents({ '/par': { request_uri, expires_in: 60 } })
    const { url } = await authorizationUrl(provider, client, { scopes: ['openid'], fetch })
    expect([new URL(url).origin, new URL(url).searchParams.get('request_uri')]).toEqual([issuer, request_uri])
    expect(fetch.asked).toEqual([`${issuer}/par`])
  })

  it('of the userinfo endpoint does not make us ask other sources of claims', async () => {
    const sources = { s: { endpoint: 'http://10.0.0.1/claims', access_token: 'canary-answer' } }
    const fetch = documents({
      '/userinfo': { sub: 'ada', _claim_names: { x: 's' }, _claim_sources: sources },
    })
    await fetchUserinfo(provider, client, tokens, { fetch })
    expect(fetch.asked).toEqual([`${issuer}/userinfo`])
  })

  it('to an API call may not take the token along to another host', async () => {
    await using elsewhere = await startScriptedServer(() => ({ body: { ok: true } }))
    await using api = await startScriptedServer(() => ({
      status: 307,
      headers: { location: `${elsewhere.origin}/x` },
    }))
    for (const placement of [{}, { accessTokenHeader: 'X-Token' }, { accessTokenQueryParam: 'token' }]) {
      const row = { ...provider, apiBaseUrl: api.origin, ...placement }
      const session = new Session(new TokenSet({ accessToken: 'canary-access-token' }), { provider: row })
      await judged('redirect', () => session.fetch('/notes'))
    }
    const seen = JSON.stringify(elsewhere.requests)
    expect(seen).not.toContain('canary')
  })
})

describe('a template', () => {
  it('is not filled with a value that leads into a private network', async () => {
    const row = defineProvider({
      id: 'acme',
      authorizationUrl: 'https://{tenant}.acme.example/authorize',
      tokenUrl: 'https://{tenant}.acme.example/token',
      urlVariables: [{ name: 'tenant', from: 'user' }],
    })
    for (const tenant of [
      '127.0.0.1/',
      '10.0.0.1#',
      'localhost?',
      'a@10.0.0.1/',
      '[::1]/',
      '..',
      'a.b',
      'x/../..',
      '169.254.169.254\\',
    ]) {
      const { error } = await judged(tenant, () => resolveEndpoints(row, { variables: { tenant } }))
      expect(error, tenant).toMatchObject({ code: 'provider_invalid' })
    }
  })

  it('nor is a row made that points at another scheme', () => {
    for (const url of otherSchemes.filter((each) => each !== 'http://as.example/x'))
      expect(() => defineProvider({ id: 'x', authorizationUrl: url, tokenUrl: url }), url).toThrow()
  })
})

describe('against a real server on loopback', () => {
  let oidc: OidcServer

  beforeEach(async () => {
    oidc = await startOidcServer({
      signingAlgs: ['ES256'],
      features: { logout: true, mtls: true, par: true },
    })
  })

  afterEach(() => oidc.close())

  it('what is on loopback itself may name loopback, aliases and all', async () => {
    const found = await discover(oidc.issuer)
    expect(found.mtlsEndpoints?.tokenUrl).toBe(oidc.mtls?.endpoints.tokenUrl)
    const row = defineProvider({ id: 'oidc', issuer: oidc.issuer })
    expect(await endSessionUrl(row, oidc.client('none'))).toContain(oidc.featureEndpoints.endSessionUrl)
  })

  it('the same metadata in the mouth of a public issuer is refused', async () => {
    const real = await (await fetch(`${oidc.issuer}/.well-known/openid-configuration`)).json()
    oidc.record.clear()
    await refusedMetadata('relayed', { ...real, issuer })
    expect(oidc.record.requests).toEqual([])
  })
})
