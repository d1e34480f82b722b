// From an API's 401 to an answer, without a provider row: the API names its authorization server, which is a real one.
// RFC 9728, RFC 8707, RFC 7591: what an MCP client does.
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  authorizationCodeGrant,
  authorizationUrl,
  discoverProtectedResource,
  registerClient,
  registeredClient,
  Session,
} from '../src/oauth/index.ts'
import { defineProvider } from '../src/providers/index.ts'
import { type OidcServer, startOidcServer } from './servers/oidc.ts'
import { readJwt } from './servers/oidc-record.ts'

const redirectUri = 'http://127.0.0.1:4711/callback'
let api: Server
let origin: string
let resource: string
let oidc: OidcServer
/** What the API saw: path, and whether a token came. */
let seen: string[]
let document: Record<string, unknown>

beforeAll(async () => {
  api = createServer((request, response) => {
    const token = request.headers.authorization?.replace('Bearer ', '')
    seen.push(`${request.url} ${token === undefined ? 'without' : 'with'} a token`)
    const json = (status: number, body: unknown, headers = {}) =>
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    if (request.url === '/.well-known/oauth-protected-resource/notes') return json(200, document)
    const audience = token === undefined ? undefined : readJwt(token)?.payload['aud']
    if (audience === resource) return json(200, { notes: ['buy milk'] })
    const metadata = `${origin}/.well-known/oauth-protected-resource/notes`
    return json(401, {}, { 'www-authenticate': `Bearer realm="notes", resource_metadata="${metadata}"` })
  })
  api.listen(0, '127.0.0.1')
  await once(api, 'listening')
  origin = `http://127.0.0.1:${(api.address() as AddressInfo).port}`
  resource = `${origin}/notes`
  oidc = await startOidcServer({
    signingAlgs: ['ES256'],
    features: {
      registration: true,
      resources: { [resource]: { scopes: ['notes.read'], format: 'jwt' } },
    },
  })
})

afterAll(async () => {
  await oidc.close()
  api.close()
})

beforeEach(() => {
  seen = []
  oidc.record.clear()
  document = { resource, authorization_servers: [oidc.issuer], scopes_supported: ['notes.read'] }
})

describe('an API that names its authorization server', () => {
  it('is read, its server discovered, a client registered there, and a token got for it alone', async () => {
    const refused = await fetch(`${resource}?limit=1`)
    const challenge = refused.headers.get('www-authenticate')
    const found = await discoverProtectedResource(`${resource}?limit=1`, { challenge })
    expect(found).toEqual({ resource, authorizationServers: [oidc.issuer], scopes: ['notes.read'] })

    const [issuer = ''] = found.authorizationServers
    const provider = defineProvider({ id: 'notes', issuer, resources: [found.resource], apiBaseUrl: origin })
    const client = registeredClient(
      await registerClient(provider, {
        redirectUris: ['http://127.0.0.1/callback'],
        idTokenSigningAlg: 'ES256',
      }),
    )
    const { url, pending } = await authorizationUrl(provider, client, { redirectUri, scopes: ['notes.read'] })
    const callback = await oidc.consent(url, { follow: false })
    const tokens = await authorizationCodeGrant(provider, client, pending, callback)
    for (const request of ['authorization', 'token'] as const)
      expect(oidc.record.to(request)[0]?.parameters.getAll('resource')).toEqual([resource])

    const answer = await new Session(tokens, { provider }).fetch('/notes')
    expect(await answer.json()).toEqual({ notes: ['buy milk'] })
    expect(seen).toEqual([
      '/notes?limit=1 without a token',
      '/.well-known/oauth-protected-resource/notes without a token',
      '/notes with a token',
    ])
  })

  it.each([
    ['speaks for another', { resource: 'https://api.example/notes' }],
    ['names a server in a private network', { authorization_servers: ['https://169.254.169.254/'] }],
    ['names a server without TLS', { authorization_servers: ['http://as.example'] }],
  ])('but %s is not believed', async (_, changes) => {
    document = { ...document, ...changes }
    await expect(discoverProtectedResource(resource)).rejects.toMatchObject({ code: 'discovery_failed' })
    expect(oidc.record.requests).toEqual([])
  })
})
