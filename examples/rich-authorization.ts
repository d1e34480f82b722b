// Asking for one payment instead of "payments" (RAR, RFC 9396), and for a token that one API takes (RFC 8707).
// Runs by itself, on a simulated provider.
import { defineProvider } from 'toolgrant'
import { authorizationCodeGrant, authorizationUrl, type Client } from 'toolgrant/oauth'
import { startAuthorizationServer } from 'toolgrant/testing'

const server = await startAuthorizationServer({ detailTypes: ['payment_initiation'] })
const bank = defineProvider(server.provider({ id: 'bank' }))
const client: Client = { ...server.client(), redirectUri: 'http://127.0.0.1:4711/callback' }

const { url, pending } = await authorizationUrl(bank, client, {
  scopes: [],
  authorizationDetails: [
    {
      type: 'payment_initiation',
      instructedAmount: { currency: 'EUR', amount: '12.50' },
      creditorName: 'Ada',
    },
  ],
  resources: ['https://api.bank.example/payments'],
})
const tokens = await authorizationCodeGrant(bank, client, pending, await server.consent(url))

// What was granted, which may be less than what was asked for. It stays with the tokens when they are refreshed.
console.log(JSON.stringify(tokens.extra['authorization_details']))

// The resource is named in both requests.
const named = server.requests('token').map(({ body }) => new URLSearchParams(body).getAll('resource'))
console.log('token for:', named.flat().join(', '))

// A detail that the provider does not know is refused like a scope it does not know.
const wrong = await authorizationUrl(bank, client, {
  scopes: [],
  authorizationDetails: [{ type: 'mortgage' }],
})
await authorizationCodeGrant(bank, client, wrong.pending, await server.consent(wrong.url)).catch(
  (error: Error) => console.log(error.message),
)

await server.close()
