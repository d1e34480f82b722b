// Each way in which a document of somebody else's could send us where we must not go (SSRF), by name.
import { describe, expect, it } from 'vitest'
import { defineProvider } from '../providers/index.ts'
import { discover, discoverProtectedResource, resolveEndpoints } from './endpoints.ts'
import { registerClient } from './registration.ts'

const issuer = 'https://as.example'
const api = 'https://api.example'

/** Where documents must not lead. */
const waysIn = [
  ['this machine', 'https://127.0.0.1/x'],
  ['this machine, another of its addresses', 'https://127.8.9.10/x'],
  ['this machine by name', 'https://localhost/x'],
  ['this machine by name, with a dot', 'https://localhost./x'],
  ['this machine by a name below it', 'https://app.localhost/x'],
  ['this machine in capitals', 'https://LOCALHOST/x'],
  ['this machine, decimal', 'https://2130706433/x'],
  ['this machine, octal', 'https://017700000001/x'],
  ['this machine, hexadecimal', 'https://0x7f000001/x'],
  ['this machine, mixed and short', 'https://0x7f.1/x'],
  ['this machine in other digits', 'https://①②⑦.0.0.1/x'],
  ['this machine, percent-encoded', 'https://%31%32%37.0.0.1/x'],
  ['no address', 'https://0.0.0.0/x'],
  ['this machine, IPv6', 'https://[::1]/x'],
  ['no address, IPv6', 'https://[::]/x'],
  ['this machine, mapped into IPv6', 'https://[::ffff:127.0.0.1]/x'],
  ['this machine, mapped, in hexadecimal', 'https://[::ffff:7f00:1]/x'],
  ['this machine, compatible with IPv6', 'https://[::127.0.0.1]/x'],
  ['a private network', 'https://10.1.2.3/x'],
  ['another private network', 'https://192.168.0.1/x'],
  ['a third one', 'https://172.20.0.1/x'],
  ['the network of a provider (CGNAT)', 'https://100.64.0.1/x'],
  ['a private network through translation', 'https://[64:ff9b::10.1.2.3]/x'],
  ['a private network through 6to4', 'https://[2002:a01:203::1]/x'],
  ['a private network through Teredo', 'https://[2001:0:a01:203::1]/x'],
  ['a unique local address', 'https://[fd00::1]/x'],
  ['a link-local address', 'https://[fe80::1]/x'],
  ['the metadata service of a cloud', 'https://169.254.169.254/latest/meta-data'],
  ['the same, decimal', 'https://2852039166/x'],
  ['the same, IPv6', 'https://[fd00:ec2::254]/x'],
  ['the same by name', 'https://metadata.google.internal/x'],
  ['everybody', 'https://255.255.255.255/x'],
  ['a group', 'https://224.0.0.1/x'],
  ['a name of a private network', 'https://vault.internal/x'],
  ['a name of the local link', 'https://printer.local/x'],
  ['a name of a home', 'https://router.home.arpa/x'],
  ['a name of a company', 'https://wiki.corp/x'],
  ['a name without a domain', 'https://vault/x'],
  ['plain http', 'http://as.example/x'],
  ['a file', 'file:///etc/passwd'],
  ['another protocol', 'gopher://as.example/x'],
  ['data', 'data:application/json,{}'],
  ['a script', 'javascript:alert(1)'],
  ['a user name', 'https://admin@as.example/x'],
  ['a password', 'https://admin:canary-password@as.example/x'],
  ['no URL', 'x'],
] as const

/** A server of one document, which says what else it was asked. */
function serverOf(documents: Record<string, unknown>, status = 200) {
  const asked: string[] = []
  const fetch: typeof globalThis.fetch = async (url) => {
    asked.push(String(url))
    const document = documents[new URL(String(url)).pathname]
    return document === undefined ? Response.json({}, { status: 404 }) : Response.json(document, { status })
  }
  return { asked, fetch }
}

const refused = {
  code: expect.stringMatching(/^(discovery_failed|insecure_url)$/),
  message: expect.not.stringMatching(/canary-password/),
}
const endpoints = {
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
}
const members = [
  'authorization_endpoint',
  'token_endpoint',
  'revocation_endpoint',
  'introspection_endpoint',
  'userinfo_endpoint',
  'device_authorization_endpoint',
  'jwks_uri',
  'pushed_authorization_request_endpoint',
  'backchannel_authentication_endpoint',
  'registration_endpoint',
  'end_session_endpoint',
]

describe('SSRF: what an issuer says about itself', () => {
  it.each(waysIn)('must not lead to %s, in any member', async (_, url) => {
    for (const member of members) {
      const { fetch } = serverOf({ '/.well-known/openid-configuration': { ...endpoints, [member]: url } })
      await expect(discover(issuer, { fetch })).rejects.toMatchObject(refused)
    }
  })

  it.each(waysIn)('must not lead to %s by an alias for TLS clients', async (_, url) => {
    for (const member of members.filter((name) => /^(token|pushed|revoc)/.test(name))) {
      const aliases = { mtls_endpoint_aliases: { [member]: url } }
      const { fetch } = serverOf({ '/.well-known/openid-configuration': { ...endpoints, ...aliases } })
      await expect(discover(issuer, { fetch })).rejects.toMatchObject(refused)
    }
  })

  it('is not read where a redirect leads', async () => {
    const asked: string[] = []
    const fetch: typeof globalThis.fetch = async (url, init) => {
      asked.push(String(url))
      expect(init?.redirect).toBe('manual')
      return Response.redirect('https://169.254.169.254/latest/meta-data')
    }
    await expect(discover(issuer, { fetch })).rejects.toMatchObject(refused)
    expect(asked.every((url) => url.startsWith(issuer))).toBe(true)
  })

  it('counts as it stands: what is signed inside is not read', async () => {
    const jwt = `e30.${btoa(JSON.stringify({ ...endpoints, token_endpoint: 'https://evil.example/token' }))}.x`
    const { fetch } = serverOf({
      '/.well-known/openid-configuration': { ...endpoints, signed_metadata: jwt },
    })
    expect((await discover(issuer, { fetch })).tokenUrl).toBe(`${issuer}/token`)
  })

  it.each(['javascript:alert(1)', 'file:///etc/passwd', 'http://as.example', 'data:,x'])(
    'is not asked of an issuer %s',
    async (url) => {
      const { asked, fetch } = serverOf({})
      await expect(discover(url, { fetch })).rejects.toMatchObject({ code: 'insecure_url' })
      expect(asked).toEqual([])
    },
  )

  it('does not reach a provider row that needs one member of it', async () => {
    const row = defineProvider({
      id: 'acme',
      issuer,
      authorizationUrl: `${issuer}/a`,
      tokenUrl: `${issuer}/t`,
    })
    const hostile = { ...endpoints, userinfo_endpoint: 'https://10.0.0.1/me' }
    const { fetch } = serverOf({ '/.well-known/openid-configuration': hostile })
    expect((await resolveEndpoints(row, undefined, { fetch }, ['userinfoUrl'])).userinfoUrl).toBeUndefined()
  })
})

describe('SSRF: what an API says about itself', () => {
  const wellKnown = '/.well-known/oauth-protected-resource'

  it.each(waysIn)('must not be read at %s', async (_, url) => {
    const { asked, fetch } = serverOf({ '/x': { resource: api } })
    const challenge = `Bearer resource_metadata="${url}"`
    await expect(discoverProtectedResource(api, { fetch, challenge })).rejects.toMatchObject(refused)
    await expect(discoverProtectedResource(api, { fetch, metadataUrl: url })).rejects.toMatchObject(refused)
    expect(asked).toEqual([])
  })

  it.each(waysIn)('must not name an authorization server at %s', async (_, url) => {
    const document = { resource: api, authorization_servers: ['https://as.example', url] }
    const { fetch } = serverOf({ [wellKnown]: document })
    await expect(discoverProtectedResource(api, { fetch })).rejects.toMatchObject(refused)
  })

  it('is not read where a redirect leads', async () => {
    const fetch: typeof globalThis.fetch = async () => Response.redirect('https://10.0.0.1/')
    await expect(discoverProtectedResource(api, { fetch })).rejects.toMatchObject(refused)
  })
})

describe('SSRF: where a registration is managed', () => {
  const row = defineProvider({
    id: 'acme',
    registrationEndpointUrl: `${issuer}/register`,
    authorizationUrl: `${issuer}/a`,
    tokenUrl: `${issuer}/t`,
  })

  it.each(waysIn)('must not be at %s', async (_, url) => {
    const answer = { client_id: 'c', registration_client_uri: url, registration_access_token: 'token' }
    const { fetch } = serverOf({ '/register': answer }, 201)
    await expect(registerClient(row, {}, { fetch })).rejects.toMatchObject(refused)
  })
})
