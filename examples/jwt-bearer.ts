// A service that acts for people without asking each: a statement signed by its key, traded for tokens (RFC 7523). Google's
// service keys work the same way. Runs by itself: the provider is toolgrant's simulated one.
import { generateKeyPairSync } from 'node:crypto'
import { defineProvider, refreshingTokens, Session } from 'toolgrant'
import { jwtBearerGrant, serviceKeyClient } from 'toolgrant/oauth'
import { startAuthorizationServer } from 'toolgrant/testing'

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const server = await startAuthorizationServer({
  grantTypes: ['urn:ietf:params:oauth:grant-type:jwt-bearer'],
  clients: [{ clientId: 'robot@acme.example', publicKeys: [publicKey.export({ format: 'jwk' })] }],
})
const acme = defineProvider(server.provider({ id: 'acme' }))

// The JSON file that the provider handed out, and what it makes of us.
const client = await serviceKeyClient({
  client_email: 'robot@acme.example',
  private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
})
const tokens = await jwtBearerGrant(
  acme,
  client,
  { subject: 'ada@acme.example', scopesIn: 'claim' }, // Google wants the scopes inside
  { scopes: ['calendar.read'] },
)

// There is no refresh token: the statement is made and signed anew.
const session = new Session(refreshingTokens(acme, client, tokens), { provider: acme })
server.expireAccessTokens()
const { user } = (await (await session.fetch('/events')).json()) as { user: string }
console.log('acting for', user, server.counts.grants)

await server.close()
