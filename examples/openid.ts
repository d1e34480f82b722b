// OpenID Connect: who signed in, what else the provider says of them, and where their session ends.
// Runs by itself: the provider is toolgrant's simulated server, and so is one who signs with a key that is not its own.
import { defineProvider, InvalidResponseError } from 'toolgrant'
import {
  authorizationCodeGrant,
  authorizationUrl,
  type Client,
  endSessionUrl,
  fetchUserinfo,
  idTokenClaims,
} from 'toolgrant/oauth'
import { startAuthorizationServer } from 'toolgrant/testing'

const server = await startAuthorizationServer({ openid: true })
const login = defineProvider({ id: 'login', issuer: server.url, endSessionUrl: `${server.url}/logout` })
const client: Client = { ...server.client(), redirectUri: 'http://127.0.0.1:4711/callback' }

async function signIn() {
  const { url, pending } = await authorizationUrl(login, client, { scopes: ['openid', 'profile'] })
  const callback = await server.consent(url, { user: 'ada' }) // what the person's browser does
  return authorizationCodeGrant(login, client, pending, callback)
}

// The id_token has been checked by the time you see it: its signature, issuer, audience, times and nonce.
const tokens = await signIn()
const claims = await idTokenClaims(login, client, tokens)
console.log('signed in:', claims?.sub, 'at', claims?.iss === server.url ? 'the issuer' : 'another place')

// More about the same person: the answer must be about whom the id_token names.
const { sub, email } = await fetchUserinfo(login, client, tokens)
console.log('userinfo:', sub, email)

// To sign out, end your own session, then send the person here. It comes back with the state.
const logout = new URL(
  await endSessionUrl(login, client, {
    tokens,
    postLogoutRedirectUri: 'https://app.example/bye',
    state: 's-1',
  }),
)
console.log('sign out:', logout.pathname, [...logout.searchParams.keys()].join(' '))

// An id_token by another key is nobody's word.
server.configure({ idToken: { signature: 'wrong-key' } })
try {
  await signIn()
} catch (error) {
  if (!(error instanceof InvalidResponseError)) throw error
  console.log(`${error.code}: ${error.message}`)
}

await server.close()
