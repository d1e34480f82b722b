// An authorization request that is pushed to the provider first (PAR, RFC 9126): the address that the person opens holds
// nothing but a reference, so nobody can read or change what is asked for. Runs by itself, on a simulated provider that
// takes no other requests.
import { defineProvider, TokenEndpointError } from 'toolgrant'
import { authorizationCodeGrant, authorizationUrl, type Client } from 'toolgrant/oauth'
import { startAuthorizationServer } from 'toolgrant/testing'

const server = await startAuthorizationServer({ pushedRequests: 'required' })
const acme = defineProvider({ id: 'acme', issuer: server.url }) // discovery finds where to push
const client: Client = { ...server.client(), redirectUri: 'http://127.0.0.1:4711/callback' }

const { url, urlExpiresAt, pending } = await authorizationUrl(acme, client, { scopes: ['read'] })
console.log('in the address:', [...new URL(url).searchParams.keys()].join(', '))
console.log(
  'to be opened within',
  Math.round(((urlExpiresAt?.getTime() ?? 0) - Date.now()) / 1000),
  'seconds',
)

const callback = await server.consent(url) // what the person's browser does
const tokens = await authorizationCodeGrant(acme, client, pending, callback)
console.log('granted:', tokens.scopes)

// The client proves who it is when it pushes, so a wrong secret is told before anybody is sent anywhere.
try {
  await authorizationUrl(acme, { ...client, clientSecret: 'wrong' }, { scopes: ['read'] })
} catch (error) {
  if (!(error instanceof TokenEndpointError)) throw error
  console.log('refused:', error.request, error.error)
}

await server.close()
