// Testing an agent without any account: the provider misbehaves by script, and the whole output is searched for tokens.
// Put the body of each block into a test of your runner; here node:assert stands for it.
import assert from 'node:assert/strict'
import {
  AuthorizationDeniedError,
  defineProvider,
  loopback,
  RefreshFailedError,
  Toolbox,
  tool,
  Vault,
} from 'toolgrant'
import { startAuthorizationServer } from 'toolgrant/testing'

const server = await startAuthorizationServer({ api: ({ user }) => ({ body: { owner: user, unread: 3 } }) })
const acme = defineProvider(server.provider({ id: 'acme', name: 'Acme Mail' }))
const countMail = tool({
  name: 'count_mail',
  description: 'Count my unread mail.',
  input: { type: 'object', properties: {} },
  auth: { provider: 'acme', scopes: ['mail.read'] },
  run: async (_, { fetch }) => (await fetch('/inbox')).json(),
})
const vault = await Vault.open({ url: 'memory:', clients: { acme: { ...server.client(), provider: acme } } })
const flow = loopback({ openBrowser: false, onEvent: () => {} })
const toolbox = new Toolbox({ vault, tools: [countMail], flow })
const ada = toolbox.for({ user: 'ada' })

// A person who says no.
const [refusal] = await ada.authorize()
await server.browse(refusal?.url ?? '', { approve: false })
await assert.rejects(ada.call('count_mail'), AuthorizationDeniedError)

// A person who says yes.
const paused = await ada.tryCall('count_mail')
assert.ok(paused.paused)
await server.browse(paused.result.url, { user: 'ada' })
assert.deepEqual(await ada.call('count_mail'), { owner: 'ada', unread: 3 })

// Tokens that end, all at once: one refresh, and no caller notices.
server.expireAccessTokens()
await Promise.all(Array.from({ length: 20 }, () => ada.call('count_mail')))
assert.equal(server.counts.refreshes, 1)

// No token in what the model would read.
const call = { id: 'call_1', function: { name: 'count_mail', arguments: '{}' } }
const { messages } = await ada.answerOpenAI({ choices: [{ message: { tool_calls: [call] } }] })
for (const secret of server.issuedSecrets()) assert.ok(!JSON.stringify(messages).includes(secret))

// A provider that is down: nothing is lost, and the cause of the error says that waiting helps.
server.expireAccessTokens()
server.script('refresh', Array(3).fill({ status: 503 }))
const down = await ada.tryCall('count_mail')
assert.ok(down.error?.cause instanceof RefreshFailedError && down.error.cause.retryable)
assert.equal(server.counts.reuseViolations, 0)
console.log('All is as it should be:', messages[0]?.content.slice(0, 60))

await toolbox.close()
await vault.close()
await server.close()
