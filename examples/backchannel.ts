// Consent without any browser of ours: the provider asks the person on their own telephone (OpenID Connect CIBA, poll
// mode). For call centres and cash desks. Runs by itself: the provider and the person are simulated.
import { defineProvider } from 'toolgrant'
import { backchannelAuthentication, backchannelGrant } from 'toolgrant/oauth'
import { startAuthorizationServer } from 'toolgrant/testing'

const server = await startAuthorizationServer({
  grantTypes: ['urn:openid:params:grant-type:ciba'],
  openid: true,
  deviceIntervalSeconds: 0.05, // real ones want 5
})
const bank = defineProvider(server.provider({ id: 'bank' }))
const client = server.client()

const asked = await backchannelAuthentication(
  bank,
  client,
  { loginHint: 'ada@people.example' },
  { scopes: ['payments'], bindingMessage: 'W4SCT' }, // the clerk says it, the telephone shows it
)
server.decideDevice('ada@people.example') // the person
const tokens = await backchannelGrant(bank, client, asked)
console.log('signed in:', tokens.idToken !== undefined, 'granted:', tokens.scopes)

const again = await backchannelAuthentication(bank, client, { loginHint: 'bob@people.example' })
server.decideDevice('bob@people.example', { approve: false })
console.log(await backchannelGrant(bank, client, again).catch((error: Error) => error.message))

await server.close()
