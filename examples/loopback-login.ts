// A person signs in at a provider, in their browser, and comes back to a port of this machine.
// Runs by itself: the provider is toolgrant's simulated one, and "the person" is its test browser.
import { AuthorizationDeniedError, authorize, defineProvider, Session } from 'toolgrant'
import { type FlowEvent, loopback } from 'toolgrant/flows'
import { startAuthorizationServer } from 'toolgrant/testing'

const server = await startAuthorizationServer()
const acme = defineProvider(server.provider({ id: 'acme', name: 'Acme' }))
const client = server.client()

// In one call. Without `openBrowser` the system's browser is opened, or the link printed where there is none.
const tokens = await authorize(acme, client, {
  scopes: 'profile notes',
  openBrowser: (url) => server.browse(url, { user: 'ada' }),
})
const session = new Session(tokens, { provider: acme })
const { user } = (await (await session.fetch('/me')).json()) as { user: string }
console.log(`${user} granted ${tokens.scopes.join(' and ')}`)

// Step by step, to show the link yourself; what happens is told to you instead of standard error.
const onEvent = (event: FlowEvent) => console.log(`  ${event.type}`)
const flow = await loopback({ onEvent, openBrowser: false }).start({
  registration: { provider: acme, client },
  scopes: ['profile'],
  timeoutMs: 60_000,
})
console.log(`The browser comes back to ${new URL(flow.redirectUri).hostname}`)
await server.browse(flow.url, { approve: false })
try {
  await flow.result()
} catch (error) {
  if (!(error instanceof AuthorizationDeniedError)) throw error
  console.log(error.message)
}

await server.close()
