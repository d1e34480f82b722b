// A client without a secret: it signs each request with a private key whose public half the provider has (RFC 7523), and
// asks the provider whose a token is (RFC 7662). Runs by itself: the provider is toolgrant's simulated one.
import { defineProvider } from 'toolgrant'
import { type Client, clientCredentialsGrant, introspectToken } from 'toolgrant/oauth'
import { startAuthorizationServer } from 'toolgrant/testing'

// Once: make a key pair. The public half is registered with the provider, the private half stays with you (a PEM text
// or a JWK, from a secret store).
const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
const pair = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
const publicJwk = { ...(await crypto.subtle.exportKey('jwk', pair.publicKey)), kid: 'key-1' }
const privateJwk = await crypto.subtle.exportKey('jwk', pair.privateKey)

const server = await startAuthorizationServer({
  grantTypes: ['client_credentials'],
  clients: [{ clientId: 'robot', tokenEndpointAuthMethod: 'private_key_jwt', publicKeys: [publicJwk] }],
})
const acme = defineProvider(server.provider({ id: 'acme' }))
const client: Client = { clientId: 'robot', privateKey: { key: privateJwk, kid: 'key-1' } }

const tokens = await clientCredentialsGrant(acme, client, { scopes: ['reports'] })
const { active, clientId, scopes } = await introspectToken(acme, client, tokens.accessToken)
console.log('signed by our key:', active, clientId, scopes)

// A key that the provider does not know is refused.
const stranger = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify'])
const refused = clientCredentialsGrant(acme, { ...client, privateKey: { key: stranger.privateKey } })
await refused.catch((error: Error) => console.log(error.message))

await server.close()
