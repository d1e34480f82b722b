// A tool acts on a person's account: the call pauses, the person consents, the same call returns the result.
// Runs by itself: the provider is toolgrant's simulated one, and "the person" is its test browser.
import { AuthorizationRequiredError, defineProvider, loopback, Toolbox, tool, Vault } from 'toolgrant'
import { startAuthorizationServer } from 'toolgrant/testing'
import { z } from 'zod'

const server = await startAuthorizationServer()
const acme = defineProvider(server.provider({ id: 'acme', name: 'Acme' }))

const whoami = tool({
  name: 'whoami',
  description: 'Say who I am at Acme.',
  input: z.object({ greeting: z.string().default('Hello') }),
  auth: { provider: 'acme', scopes: ['profile'] },
  run: async ({ greeting }, { fetch }) => {
    const response = await fetch('/me')
    const { user } = (await response.json()) as { user: string }
    return `${greeting}, ${user}!`
  },
})

const vault = await Vault.open({ url: 'memory:', clients: { acme: { ...server.client(), provider: acme } } })
const flow = loopback({ openBrowser: false, onEvent: () => {} })
const toolbox = new Toolbox({ vault, tools: [whoami], flow })
const ada = toolbox.for({ user: 'ada' })

try {
  await ada.call('whoami', {})
} catch (error) {
  if (!(error instanceof AuthorizationRequiredError) || error.url === undefined) throw error
  console.log(`Paused: ${error.message}`)
  await server.browse(error.url, { user: 'ada' }) // in real life a person opens the link
}
console.log(await ada.call('whoami', { greeting: 'Welcome back' }))

await toolbox.close()
await vault.close()
await server.close()
