// A service passes a request on: the person's token becomes one with fewer rights, for the next service alone, in this
// service's name (RFC 8693). Runs by itself: the provider is toolgrant's simulated one.
import { defineProvider, Session } from 'toolgrant'
import { repeatingTokens, tokenExchangeGrant } from 'toolgrant/oauth'
import { startAuthorizationServer } from 'toolgrant/testing'

const server = await startAuthorizationServer({
  grantTypes: ['urn:ietf:params:oauth:grant-type:token-exchange'],
  audiences: ['billing'],
})
const acme = defineProvider(server.provider({ id: 'acme' }))
const client = server.client()

const subjectToken = server.grant({ user: 'ada', scopes: ['read', 'write'] }).accessToken // came with a request
const actorToken = server.grant({ user: 'front-desk' }).accessToken // who we are

const exchange = () =>
  tokenExchangeGrant(acme, client, { subjectToken, actorToken, audience: 'billing' }, { scopes: ['read'] })
const tokens = await exchange()
console.log(tokens.scopes, tokens.extra['issued_token_type'])
const { user, actor } = server.consents().at(-1) ?? {}
console.log(`${actor} acts for ${user}`)

// As a source: exchanged again when a token has ended, once for all who wait.
const session = new Session(repeatingTokens(exchange, { tokens }), { provider: acme })
console.log('the API answers', (await session.fetch('/invoices')).status)

await server.close()
