// One person, two accounts at one provider: chosen by your code, or by the model among labels that you allow.
import { defineProvider, TokenSet, Toolbox, tool, Vault } from 'toolgrant'
import { startAuthorizationServer } from 'toolgrant/testing'
import { z } from 'zod'

const server = await startAuthorizationServer()
const acme = defineProvider(server.provider({ id: 'acme' }))
const vault = await Vault.open({ url: 'memory:', clients: { acme: { ...server.client(), provider: acme } } })
for (const account of ['work', 'home']) {
  const { accessToken } = server.grant({ user: `ada@${account}` })
  await vault.save({ user: 'ada', provider: 'acme', account }, new TokenSet({ accessToken }))
}

const whoami = tool({
  name: 'whoami',
  description: 'Say which account this is.',
  input: z.object({}),
  auth: { provider: 'acme', scopes: [] },
  run: async (_, { fetch }) => ((await (await fetch('/me')).json()) as { user: string }).user,
})
const toolbox = new Toolbox({ vault, tools: [whoami] })

console.log(await toolbox.for({ user: 'ada', account: 'home' }).call('whoami'))

const chooses = toolbox.for({ user: 'ada', modelAccounts: { acme: ['work', 'home'] } })
console.log(chooses.openai()[0]?.function.parameters.properties) // an `account` parameter with these two labels
console.log(await chooses.call('whoami', '{"account":"work"}'))
const refused = await chooses.tryCall('whoami', '{"account":"eve"}')
console.log(refused.ok ? refused.result : refused.error.message)

await toolbox.close()
await vault.close()
await server.close()
