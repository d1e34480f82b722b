// A program that acts for itself: client credentials, without a person and without a refresh token. Asked for once, served
// from the vault, asked for again before the end. Runs by itself: the provider is toolgrant's simulated one.
import { defineProvider, Session, Vault } from 'toolgrant'
import { clientCredentialsGrant } from 'toolgrant/oauth'
import { startAuthorizationServer } from 'toolgrant/testing'

const server = await startAuthorizationServer({ grantTypes: ['client_credentials'] })
const pay = defineProvider({
  id: 'pay',
  tokenUrl: `${server.url}/token`,
  apiBaseUrl: `${server.url}/api`,
  refresh: 'client-credentials', // so `toolgrant connect pay` needs no person either
  defaultScopes: ['payments'],
})
const client = server.client()

// 1. One token, to do with as you like.
const tokens = await clientCredentialsGrant(pay, client, { scopes: ['payments'] })
console.log('granted:', tokens.scopes, 'refresh token:', tokens.refreshToken)

// 2. A connection: sealed, and renewed by asking again, once over all processes that share the vault.
const vault = await Vault.open({ url: 'memory:', clients: { pay: { ...client, provider: pay } } })
const address = { user: 'billing-service', provider: 'pay' }
await vault.connectClient(address)
const session = new Session(vault.source(address), { provider: pay })
await session.fetch('/invoices')
server.expireAccessTokens() // the API answers 401 now, and nobody notices
const answers = await Promise.all(Array.from({ length: 20 }, () => session.fetch('/invoices')))
console.log('answers:', new Set(answers.map(({ status }) => status)), 'requests:', server.counts.grants)

await vault.close()
await server.close()
