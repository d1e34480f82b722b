// The loop around a model, in OpenAI's format: send the tools, run what the model calls, send the answers back, stop for
// consent. Put `openai.chat.completions.create` where `askModel` is; the stand-in here answers in the same format.
import { defineProvider, loopback, Toolbox, tool, Vault } from 'toolgrant'
import { startAuthorizationServer } from 'toolgrant/testing'
import type { OpenAITool } from 'toolgrant/tools'
import { z } from 'zod'

const server = await startAuthorizationServer({ api: ({ user }) => ({ body: { owner: user, unread: 3 } }) })
const acme = defineProvider(server.provider({ id: 'acme', name: 'Acme Mail' }))

const countMail = tool({
  name: 'count_mail',
  description: 'Count my unread mail.',
  input: z.object({ folder: z.enum(['inbox', 'archive']).default('inbox') }),
  auth: { provider: 'acme', scopes: ['mail.read'] },
  run: async ({ folder }, { fetch }) => (await fetch(`/folders/${folder}`)).json(),
})

const vault = await Vault.open({ url: 'memory:', clients: { acme: { ...server.client(), provider: acme } } })
const flow = loopback({ openBrowser: false, onEvent: () => {} })
const toolbox = new Toolbox({ vault, tools: [countMail], flow })
// The user comes from your session, never from the model.
const mine = toolbox.for({ user: 'ada', thread: 'conversation-1' })

interface Message {
  role: string
  content: string | null
  tool_calls?: { id: string; type: 'function'; function: { name: string; arguments: string } }[]
}
const messages: Message[] = [{ role: 'user', content: 'How much unread mail do I have?' }]

for (let turn = 0; turn < 10; turn++) {
  const completion = await askModel(messages, mine.openai({ strict: true }))
  const answer = await mine.answerOpenAI(completion)
  messages.push(completion.choices[0].message, ...answer.messages)
  if (answer.calls.length === 0) break
  for (const { url, message } of answer.required) {
    console.log(`${message}\n  ${new URL(url).origin}/…`) // show the link to this person
    await server.browse(url) // in real life they open it themselves
  }
}
console.log(messages.at(-1)?.content)

await toolbox.close()
await vault.close()
await server.close()

/** A stand-in for a model: calls the first tool until it has an answer without an error. */
async function askModel(
  conversation: Message[],
  tools: OpenAITool[],
): Promise<{ choices: [{ message: Message }] }> {
  const last = conversation.at(-1)
  const result = last?.role === 'tool' ? JSON.parse(last.content ?? '{}') : undefined
  if (result?.unread !== undefined)
    return {
      choices: [{ message: { role: 'assistant', content: `You have ${result.unread} unread messages.` } }],
    }
  const call = { name: tools[0]?.function.name ?? '', arguments: '{"folder":"inbox"}' }
  const id = `call_${conversation.length}`
  return {
    choices: [
      {
        message: { role: 'assistant', content: null, tool_calls: [{ id, type: 'function', function: call }] },
      },
    ],
  }
}
