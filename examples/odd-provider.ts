// A provider whose answers are odd: understood as they come, what was forgiven is data, and a row makes it explicit.
// Runs by itself: the provider is toolgrant's simulated server, told to misbehave.
import { authorize, defineProvider, TokenEndpointError } from 'toolgrant'
import { isGrantDead, refreshTokenGrant } from 'toolgrant/oauth'
import { extendProvider } from 'toolgrant/providers'
import { startAuthorizationServer } from 'toolgrant/testing'

const server = await startAuthorizationServer({
  tokenAnswer: {
    path: 'data',
    expiresIn: 'epoch-seconds',
    scope: 'comma',
    contentType: 'text/html',
    errors: 'in-200',
  },
})
const { authorizationUrl = '', tokenUrl = '' } = server.provider() // the rest of its row would say how it is odd
const odd = defineProvider({ id: 'odd', authorizationUrl, tokenUrl })

const tokens = await authorize(odd, server.client(), {
  scopes: 'read write',
  openBrowser: (url) => server.browse(url, { user: 'ada' }), // in real life: the person's browser
})
const hours = ((tokens.expiresAt?.getTime() ?? 0) - Date.now()) / 3_600_000
console.log('understood:', tokens.scopes, 'for', hours.toFixed(1), 'hours')
for (const { code, member = '', found = '' } of tokens.deviations) console.log(`  ${code} ${member} ${found}`)

// `toolgrant doctor --provider odd` prints this row from what a vault has seen.
const rows = tokens.deviations.map(({ row }) => row)
const told = extendProvider(odd, Object.assign({}, ...rows))
const fresh = await refreshTokenGrant(told, server.client(), tokens)
console.log('left to tell:', fresh.deviations.filter(({ row }) => row !== undefined).length)

// Its refusals come with status 200, and are refusals all the same.
server.revokeGrants()
const refused: unknown = await refreshTokenGrant(told, server.client(), fresh).catch(
  (error: unknown) => error,
)
if (refused instanceof TokenEndpointError)
  console.log(`${refused.error} with HTTP ${refused.status}; dead: ${isGrantDead(refused)}`)

await server.close()
