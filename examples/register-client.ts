// A client that nobody registered by hand: it registers itself (RFC 7591), manages that (RFC 7592), or has the URL of its
// own metadata as its id. Runs by itself: a few lines of a server that takes registrations.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { defineProvider, TokenEndpointError } from 'toolgrant'
import {
  type ClientMetadata,
  clientMetadataDocument,
  deleteRegistration,
  fetchClientMetadata,
  readRegistration,
  registerClient,
  registeredClient,
  updateRegistration,
} from 'toolgrant/oauth'

let client1: Record<string, unknown> = {}
let published: object = {}
const server = createServer(async (request, response) => {
  const answer = (status: number, body: object = {}) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  const path = request.url ?? ''
  if (path === '/client.json') return answer(200, published)
  if (path !== '/register' && request.headers.authorization !== 'Bearer management-1')
    return answer(401, { error: 'invalid_token' })
  if (request.method === 'DELETE') return answer(204)
  if (request.method === 'GET') return answer(200, client1)
  let body = ''
  for await (const chunk of request) body += chunk
  const management = { registration_client_uri: `${origin}/c-1`, registration_access_token: 'management-1' }
  client1 = { ...JSON.parse(body), client_id: 'c-1', ...management }
  return answer(path === '/register' ? 201 : 200, client1)
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

const acme = defineProvider({
  id: 'acme',
  authorizationUrl: `${origin}/authorize`,
  tokenUrl: `${origin}/token`,
  registrationEndpointUrl: `${origin}/register`, // or an issuer that names it
})
const aboutUs: ClientMetadata = {
  clientName: 'Notes for the terminal',
  redirectUris: ['http://127.0.0.1/callback'], // loopback: a native client, without a secret
}

// Once. The registration holds secrets: seal it, and take the client out of it from then on.
const registration = await registerClient(acme, aboutUs)
console.log('registered:', registeredClient(registration))

const renamed = await updateRegistration(acme, registration, { ...aboutUs, clientName: 'Notes' })
const current = await readRegistration(acme, renamed)
console.log('renamed:', current.metadata['client_name'])
await deleteRegistration(acme, renamed)
try {
  await updateRegistration(acme, { ...renamed, managementToken: 'another' }, aboutUs)
} catch (error) {
  if (!(error instanceof TokenEndpointError)) throw error
  console.log('refused:', error.error)
}

// Without a registration: publish what you say about yourself, and its URL is your client id. In real life https.
const { document, client } = await clientMetadataDocument(`${origin}/client.json`, aboutUs)
published = document
await fetchClientMetadata(client.clientId) // what a provider would find there
console.log('client id:', new URL(client.clientId).pathname, Object.keys(document).join(' '))

server.close()
