// The implicit grant, for a provider that has nothing else: the token comes back in the address, behind the `#`.
// Deprecated for a reason: histories and other pages can read it there, and nothing binds it to this client (RFC 9700
// section 2.1.2). Ask the provider for the code grant with PKCE first. Runs by itself, on a simulated provider.
import { CallbackError, defineProvider, Session } from 'toolgrant'
import { type Client, implicitGrant, implicitUrl } from 'toolgrant/oauth'
import { startAuthorizationServer } from 'toolgrant/testing'

const server = await startAuthorizationServer({ grantTypes: ['implicit'], requirePkce: false, openid: true })
const old = defineProvider(server.provider({ id: 'old' }))
const client: Client = { ...server.client(), redirectUri: 'http://127.0.0.1:4711/callback' }

const { url, pending } = await implicitUrl(old, client, { scopes: ['openid', 'read'] })
const callback = await server.consent(url) // what the person's browser does
const tokens = await implicitGrant(old, client, pending, callback)

console.log('asked for:', new URL(url).searchParams.get('response_type')) // openid: an id_token vouches for the token
console.log('checked:', tokens.idToken !== undefined, '· can be renewed:', tokens.refreshToken !== undefined)
const response = await new Session(tokens, { provider: old }).fetch('/me')
console.log('works:', response.status)

// The same answer in the query, where every server on the way writes it down, is not used.
try {
  await implicitGrant(old, client, pending, callback.replace('#', '?'))
} catch (error) {
  if (!(error instanceof CallbackError)) throw error
  console.log('refused:', error.code)
}

await server.close()
