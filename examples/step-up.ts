// An API wants more than was granted: further scopes for one call, a fresh sign-in for another. The call pauses with a
// link, the old grant works on, and the same call works after consent. Runs by itself, on toolgrant's simulated provider.
import { AuthorizationRequiredError, defineProvider, loopback, Toolbox, tool, Vault } from 'toolgrant'
import { startAuthorizationServer } from 'toolgrant/testing'
import { z } from 'zod'

const server = await startAuthorizationServer({
  // An API that pays only for who has signed in with two factors (RFC 9470).
  api: ({ path }) => {
    const strong = server.requests('authorization').some(({ params }) => params['acr_values'] === 'mfa')
    const challenge = 'Bearer error="insufficient_user_authentication", acr_values="mfa"'
    if (path !== '/pay' || strong) return { body: { done: path } }
    return { status: 401, headers: { 'www-authenticate': challenge } }
  },
})
const acme = defineProvider(server.provider({ id: 'acme', name: 'Acme' }))
const vault = await Vault.open({ url: 'memory:', clients: { acme: { ...server.client(), provider: acme } } })

const caller = (name: string, path: string) =>
  tool({
    name,
    description: `Calls ${path}.`,
    input: z.object({}),
    auth: { provider: 'acme', scopes: ['read'] },
    run: async (_, { fetch }) => (await fetch(path)).json(),
  })
const tools = [caller('look', '/look'), caller('audit', '/scope/admin'), caller('pay', '/pay')]
const flow = loopback({ openBrowser: false, onEvent: () => {} })
const toolbox = new Toolbox({ vault, tools, flow })
const ada = toolbox.for({ user: 'ada' })

/** Calls a tool, and opens the link as the person would. */
async function call(name: string): Promise<void> {
  try {
    console.log(name, 'answers', await ada.call(name, {}))
  } catch (error) {
    if (!(error instanceof AuthorizationRequiredError) || error.url === undefined) throw error
    const { searchParams } = new URL(error.url)
    console.log(`${name} wants ${searchParams.get('scope')} ${searchParams.get('acr_values') ?? ''}`)
    await server.browse(error.url)
    await call(name)
  }
}

for (const name of ['look', 'audit', 'pay', 'look']) await call(name)
await toolbox.close()
await vault.close()
await server.close()
