// An API that says by itself whose tokens it takes (RFC 9728), as MCP servers do: from its 401 to an answer, without a
// provider row. Runs by itself: the API is a few lines, the authorization server toolgrant's simulated one.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ConfigurationError, defineProvider, Session } from 'toolgrant'
import { authorizationCodeGrant, authorizationUrl, discoverProtectedResource } from 'toolgrant/oauth'
import { startAuthorizationServer } from 'toolgrant/testing'

const login = await startAuthorizationServer({})
const server = createServer((request, response) => {
  const json = (status: number, body: unknown, headers = {}) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
  }
  if (request.url === '/about')
    return json(200, {
      resource: `${api}/notes`,
      authorization_servers: [login.url],
      scopes_supported: ['read'],
    })
  if (request.url === '/elsewhere')
    return json(200, { resource: 'https://api.example', authorization_servers: [] })
  if (request.headers.authorization !== undefined) return json(200, { notes: ['buy milk'] })
  json(401, {}, { 'www-authenticate': `Bearer resource_metadata="${api}/about"` })
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

// The API refuses, and says where to read on. No token goes there.
const refused = await fetch(`${api}/notes`)
const challenge = refused.headers.get('www-authenticate')
const resource = await discoverProtectedResource(`${api}/notes`, { challenge })
console.log(refused.status, resource.authorizationServers.length, 'authorization server,', resource.scopes)

// It is for you to decide whether you trust one of them. Then it is a provider like any other.
const [issuer = ''] = resource.authorizationServers
const provider = defineProvider({
  id: 'notes',
  issuer,
  resources: [resource.resource], // the token is for this API (RFC 8707)
  apiBaseUrl: api,
})
const client = { ...login.client(), redirectUri: 'http://127.0.0.1:4711/callback' }
const { url, pending } = await authorizationUrl(provider, client, { scopes: [...(resource.scopes ?? [])] })
const tokens = await authorizationCodeGrant(provider, client, pending, await login.consent(url))
const answer = await new Session(tokens, { provider }).fetch('/notes')
console.log(await answer.json())

// What speaks for another API, or leads into a private network, is refused.
try {
  await discoverProtectedResource(`${api}/notes`, { metadataUrl: `${api}/elsewhere` })
} catch (error) {
  if (!(error instanceof ConfigurationError)) throw error
  console.log(error.code)
}

server.close()
await login.close()
