// The authorization code grant in a web application of your own: one route sends the person away, one takes them back;
// what must survive between is one record. Then what the provider says of the token, and its end. Runs by itself, on
// toolgrant's simulated provider.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CallbackError, defineProvider, Session } from 'toolgrant'
import {
  authorizationCodeGrant,
  authorizationUrl,
  type Client,
  callbackState,
  introspectToken,
  type PendingAuthorization,
  revokeToken,
  type TokenSet,
} from 'toolgrant/oauth'
import { startAuthorizationServer } from 'toolgrant/testing'

const provider = await startAuthorizationServer()
const acme = defineProvider(provider.provider({ id: 'acme' }))
const client: Client = { ...provider.client() }
const waiting = new Map<string, string>() // your database: records by state, used once
let tokens: TokenSet | undefined

const app = createServer(async (request, response) => {
  if (request.url === '/login') {
    const { url, pending } = await authorizationUrl(acme, client, { scopes: ['read'] })
    waiting.set(pending.state, JSON.stringify(pending))
    return response.writeHead(302, { location: url }).end()
  }
  const callback = `${here}${request.url}`
  try {
    const state = callbackState(callback) ?? ''
    const record = waiting.get(state)
    waiting.delete(state)
    if (record === undefined) return response.writeHead(400).end('This link is not yours, or too old.')
    const pending = JSON.parse(record) as PendingAuthorization
    tokens = await authorizationCodeGrant(acme, client, pending, callback)
    return response.end('Signed in.')
  } catch (error) {
    if (!(error instanceof CallbackError)) throw error
    return response.writeHead(400).end('Start again.')
  }
})
await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve))
const here = `http://127.0.0.1:${(app.address() as AddressInfo).port}`
client.redirectUri = `${here}/callback`

// What the person's browser does.
const { headers } = await fetch(`${here}/login`, { redirect: 'manual' })
const callback = await provider.consent(headers.get('location') ?? '')
console.log('the callback:', await (await fetch(callback)).text())
console.log('the same once more:', await (await fetch(callback)).text())

if (tokens === undefined) throw new Error('Nobody signed in.')
const me = await new Session(tokens, { provider: acme }).fetch('/me')
console.log('the API answers', me.status)
const { active, scopes } = await introspectToken(acme, client, tokens.accessToken)
console.log('active:', active, scopes)
await revokeToken(acme, client, tokens.refreshToken ?? tokens.accessToken)
console.log('after its revocation:', (await introspectToken(acme, client, tokens.accessToken)).active)

app.close()
app.closeAllConnections()
await provider.close()
