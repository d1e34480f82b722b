// Your own code around requests: for what no provider row can say (hooks), and for facts that the token answer leaves out
// (the tokens hook). Runs by itself: the provider is toolgrant's simulated one.
import { defineProvider, TokenSet } from 'toolgrant'
import { type Client, type Hooks, refreshTokenGrant, revokeToken } from 'toolgrant/oauth'
import { startAuthorizationServer } from 'toolgrant/testing'

const server = await startAuthorizationServer()
const acme = defineProvider(server.provider({ id: 'acme' }))

const hooks: Hooks = {
  // Before a refresh is sent: a hook changes the request in place, or returns another. Several run in their order.
  refreshRequest: [
    ({ headers }) => headers.set('x-request-id', crypto.randomUUID()),
    ({ name, parameters }) => console.log(name, 'with', [...parameters.keys()].join(', ')),
  ],
  // Before its answer is understood: this provider is imagined to wrap it.
  refreshResponse: (answer) => ({ ...answer, text: answer.text.trim() }),
  revocationRequest: ({ name }) => console.log(name, 'asked for'),
  // After it was understood: what this returns is kept in tokens.extra, sealed with the tokens.
  tokens: async ({ accessToken, fetch, signal }) => {
    const headers = { authorization: `Bearer ${accessToken}` }
    const answer = await fetch(`${acme.apiBaseUrl}/me`, { headers, signal })
    const { user } = (await answer.json()) as { user: string }
    return { accountId: `account-of-${user}` }
  },
  // While tokens are renewed, a failure of that must not cost them: it is told here.
  tokensFailed: (error) => console.error('the account is still unknown:', error),
}

const client: Client = { ...server.client(), hooks }
const { accessToken, refreshToken } = server.grant({ scopes: ['read'] })
const fresh = await refreshTokenGrant(acme, client, new TokenSet({ accessToken, refreshToken }))
console.log('kept:', fresh.extra)
await revokeToken(acme, client, fresh.refreshToken ?? '')

await server.close()
