// Consent by a short code, for a program without a browser: over SSH, in a container. On the command line it is
// `toolgrant connect <provider> --device`. Runs by itself: the provider and the person are simulated.
import { defineProvider, Vault } from 'toolgrant'
import { device } from 'toolgrant/flows'
import { deviceAuthorization, deviceCodeGrant } from 'toolgrant/oauth'
import { startAuthorizationServer } from 'toolgrant/testing'

const server = await startAuthorizationServer({
  grantTypes: ['refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  deviceIntervalSeconds: 0.05, // real ones want 5
})
const acme = defineProvider(server.provider({ id: 'acme', name: 'Acme' }))
const client = server.client()

// 1. As a flow, which the vault keeps.
const vault = await Vault.open({ url: 'memory:', clients: { acme: { ...client, provider: acme } } })
const flow = await device({ onEvent: () => {} }).start({
  registration: { provider: acme, client },
  scopes: 'read write',
  save: (tokens) => vault.save({ user: 'ada', provider: 'acme' }, tokens),
})
console.log('open', new URL(flow.verificationUri).pathname, 'and type', flow.userCode)
server.decideDevice(flow.userCode, { scopes: ['read'] }) // the person, on a telephone
console.log('granted:', (await flow.result()).scopes)

// 2. By hand: the record may be kept, and another process may wait.
const pending = await deviceAuthorization(acme, client, { scopes: ['read'] })
server.decideDevice(pending.userCode, { approve: false })
const refused = await deviceCodeGrant(acme, client, pending).catch((error: Error) => error.message)
console.log(refused)

await vault.close()
await server.close()
