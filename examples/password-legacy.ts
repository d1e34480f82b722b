// The password grant, for an old server that has nothing else. RFC 9700 section 2.4 forbids it to everybody else: the
// program gets to see the password. Runs by itself: the provider is toolgrant's simulated one.
import { defineProvider } from 'toolgrant'
import { passwordGrant, renewTokens } from 'toolgrant/oauth'
import { startAuthorizationServer } from 'toolgrant/testing'

const server = await startAuthorizationServer({
  grantTypes: ['password', 'refresh_token'],
  passwords: { ada: 'correct horse battery staple' },
})
const old = defineProvider(server.provider({ id: 'old-server' }))
const client = server.client()

const person = { username: 'ada', password: 'correct horse battery staple' }
const tokens = await passwordGrant(old, client, person, { scopes: ['read'] })
console.log('granted:', tokens.scopes, 'password kept:', tokens.renewal !== undefined)

const fresh = await renewTokens(old, client, tokens) // by the refresh token: the password is gone
console.log('renewed:', fresh.accessToken !== tokens.accessToken, server.counts.grants)

const wrong = { username: 'ada', password: 'tr0ub4dor' }
console.log(await passwordGrant(old, client, wrong).catch((error: Error) => error.message))

await server.close()
