// The main job, whole: a model on the wire calls a tool, a person consents at a real authorization server, the token is
// kept in a real SQLite file, and the tool's answer goes back. In each vendor's wire format, against a stand-in for the
// model that refuses tools and messages which break that vendor's published rules.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { loopback } from '../src/flows/index.ts'
import { defineProvider, type Provider } from '../src/providers/index.ts'
import {
  type AnthropicResponse,
  type GeminiResponse,
  type OpenAIResponse,
  type OpenAIResponsesResponse,
  Toolbox,
  type ToolboxEvent,
  tool,
  type UserToolbox,
} from '../src/tools/index.ts'
import {
  geminiViolations,
  jsonSchemaViolations,
  openAIStrictViolations,
} from '../src/tools/vendor-rules.contract.ts'
import { Vault } from '../src/vault/index.ts'
import { type OidcServer, startOidcServer } from './servers/oidc.ts'
import { type ScriptedServer, startScriptedServer } from './servers/scripted-http.ts'

type Json = Record<string, unknown>

const notes = [
  { id: 1, title: 'Milk', tags: ['home'] },
  { id: 2, title: 'Thesis', tags: ['work', 'late'] },
]

let oidc: OidcServer
let api: ScriptedServer
let model: ScriptedServer
let folder: string
let vault: Vault
let provider: Provider
const events: ToolboxEvent[] = []
/** Everything that the model was ever sent. */
let transcript = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'toolgrant-tools-'))
  oidc = await startOidcServer({ accessTokenSeconds: 3600 })
  api = await startScriptedServer(async ({ url, headers }) => {
    const token = await oidc.accessToken(headers.authorization?.replace(/^Bearer /, '') ?? '')
    if (token === undefined)
      return { status: 401, headers: { 'www-authenticate': 'Bearer error="invalid_token"' } }
    const tag = new URL(url, 'http://x').searchParams.get('tag')
    // An API that is careless with what it was sent.
    const echoed = { authorization: headers.authorization }
    return {
      body: {
        owner: token.user,
        notes: notes.filter((note) => tag === null || note.tags.includes(tag)),
        echoed,
      },
    }
  })
  model = await startScriptedServer(({ url, body }) => {
    transcript += body
    return { body: replyOf(url, JSON.parse(body)) }
  })
  provider = defineProvider({
    id: 'practice',
    name: 'Practice',
    issuer: oidc.issuer,
    apiBaseUrl: `${api.origin}/v1`,
  })
  vault = await openVault()
})
afterAll(async () => {
  await vault.close()
  for (const server of [api, model, oidc]) await server.close()
  await rm(folder, { recursive: true, force: true })
})

function openVault(): Promise<Vault> {
  return Vault.open({
    url: `sqlite:${join(folder, 'vault.db')}`,
    key: Buffer.alloc(32, 7),
    clients: { practice: { ...oidc.publicClient, provider } },
  })
}

const listNotes = tool({
  name: 'list_notes',
  description: 'List my notes.',
  input: z.object({
    tag: z.string().optional().describe('Only those with this tag.'),
    limit: z.int().max(50).default(10),
  }),
  auth: { provider: 'practice', scopes: ['openid', 'notes.read'] },
  run: async ({ tag }, { fetch }) => (await fetch(`/notes${tag === undefined ? '' : `?tag=${tag}`}`)).json(),
})

function toolboxOver(over: Vault): Toolbox {
  const flow = loopback({ openBrowser: false, onEvent: () => {} })
  return new Toolbox({ vault: over, tools: [listNotes], flow, onEvent: (event) => void events.push(event) })
}

// The stand-in: asks for the tool until it has been answered with notes, then says how many there are.

function replyOf(path: string, request: Json): Json {
  const wire = Object.values(wires).find((each) => each.path === path)
  if (wire === undefined) return { error: `no such path: ${path}` }
  const violations = wire.violations(request)
  if (violations.length > 0) return { error: violations }
  const answer = wire.lastAnswer(request)
  const count = /"title"/.test(answer) ? (answer.match(/"title"/g) ?? []).length : undefined
  if (count !== undefined) return wire.text(`You have ${count} note(s).`)
  const link = /"url":"([^"]+)"/.exec(answer)?.[1]
  const isFresh = wire.isFresh(request)
  return link !== undefined && !isFresh
    ? wire.text(`Please open ${link}`)
    : wire.call({ tag: 'work', limit: null })
}

interface Wire {
  path: string
  tools(toolbox: UserToolbox): unknown
  body(messages: Json[], tools: unknown): Json
  person(text: string): Json
  /** The model's own message, to be kept in the conversation. */
  kept(response: Json): Json[]
  answer(
    toolbox: UserToolbox,
    response: Json,
  ): Promise<{ messages: unknown[]; paused: boolean; calls: readonly unknown[] }>
  said(response: Json): string
  violations(request: Json): string[]
  lastAnswer(request: Json): string
  isFresh(request: Json): boolean
  text(text: string): Json
  call(args: Json): Json
}

const last = (list: unknown): Json => (list as Json[]).at(-1) ?? {}
const all = (list: unknown): Json[] => list as Json[]

const wires: Record<string, Wire> = {
  'OpenAI Chat Completions': {
    path: '/v1/chat/completions',
    tools: (toolbox) => toolbox.openai({ strict: true }),
    body: (messages, tools) => ({ model: 'm', messages, tools }),
    person: (content) => ({ role: 'user', content }),
    kept: (response) => [last(response.choices).message as Json],
    answer: (toolbox, response) => toolbox.answerOpenAI(response as unknown as OpenAIResponse),
    said: (response) => String((last(response.choices).message as Json).content),
    violations: ({ tools, messages }) => [
      ...all(tools).flatMap((each) => openAIStrictViolations((each.function as Json).parameters as Json)),
      ...all(messages).flatMap((message, index) => {
        const before = all(messages)[index - 1]
        const answers = message.role === 'tool'
        const asked = all(before?.tool_calls ?? []).map(({ id }) => id)
        return answers && !asked.includes(message.tool_call_id) ? ['tool message without its call'] : []
      }),
    ],
    lastAnswer: ({ messages }) =>
      String(all(messages).findLast(({ role }) => role === 'tool')?.content ?? ''),
    isFresh: ({ messages }) => last(messages).role === 'user',
    text: (content) => ({ choices: [{ message: { role: 'assistant', content } }] }),
    call: (args) => ({
      choices: [
        {
          message: {
            role: 'assistant',
            content: null,
            tool_calls: [
              {
                id: 'call_1',
                type: 'function',
                function: { name: 'list_notes', arguments: JSON.stringify(args) },
              },
            ],
          },
        },
      ],
    }),
  },
  'OpenAI Responses': {
    path: '/v1/responses',
    tools: (toolbox) => toolbox.openaiResponses({ strict: true }),
    body: (input, tools) => ({ model: 'm', input, tools }),
    person: (content) => ({ role: 'user', content }),
    kept: (response) => all(response.output),
    answer: (toolbox, response) =>
      toolbox.answerOpenAIResponses(response as unknown as OpenAIResponsesResponse),
    said: (response) => String(last(last(response.output).content).text),
    violations: ({ tools }) =>
      all(tools).flatMap(({ parameters }) => openAIStrictViolations(parameters as Json)),
    lastAnswer: ({ input }) =>
      String(all(input).findLast(({ type }) => type === 'function_call_output')?.output ?? ''),
    isFresh: ({ input }) => last(input).role === 'user',
    text: (text) => ({
      output: [{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text }] }],
    }),
    call: (args) => ({
      output: [
        { type: 'function_call', call_id: 'fc_1', name: 'list_notes', arguments: JSON.stringify(args) },
      ],
    }),
  },
  Anthropic: {
    path: '/v1/messages',
    tools: (toolbox) => toolbox.anthropic(),
    body: (messages, tools) => ({ model: 'm', max_tokens: 100, messages, tools }),
    person: (content) => ({ role: 'user', content }),
    kept: ({ content }) => [{ role: 'assistant', content }],
    answer: (toolbox, response) => toolbox.answerAnthropic(response as unknown as AnthropicResponse),
    said: (response) => String(last(response.content).text),
    violations: ({ tools }) =>
      all(tools).flatMap(({ input_schema }) => jsonSchemaViolations(input_schema as Json)),
    lastAnswer: ({ messages }) =>
      String(
        all(messages)
          .flatMap(({ content }) => (Array.isArray(content) ? content : []))
          .findLast(({ type }: Json) => type === 'tool_result')?.content ?? '',
      ),
    isFresh: ({ messages }) => typeof last(messages).content === 'string',
    text: (text) => ({ content: [{ type: 'text', text }] }),
    call: ({ tag }) => ({
      content: [{ type: 'tool_use', id: 'toolu_1', name: 'list_notes', input: { tag } }],
    }),
  },
  Gemini: {
    path: '/v1beta/models/m:generateContent',
    tools: (toolbox) => [{ functionDeclarations: toolbox.gemini() }],
    body: (contents, tools) => ({ contents, tools }),
    person: (text) => ({ role: 'user', parts: [{ text }] }),
    kept: (response) => [last(response.candidates).content as Json],
    answer: (toolbox, response) => toolbox.answerGemini(response as unknown as GeminiResponse),
    said: (response) => String(last((last(response.candidates).content as Json).parts).text),
    violations: ({ tools }) => all(last(tools).functionDeclarations).flatMap(geminiViolations),
    lastAnswer: ({ contents }) =>
      JSON.stringify(
        all(contents)
          .flatMap(({ parts }) => all(parts))
          .findLast((part) => 'functionResponse' in part) ?? '',
      ),
    isFresh: ({ contents }) => 'text' in last(last(contents).parts),
    text: (text) => ({ candidates: [{ content: { role: 'model', parts: [{ text }] } }] }),
    call: (args) => ({
      candidates: [{ content: { role: 'model', parts: [{ functionCall: { name: 'list_notes', args } }] } }],
    }),
  },
}

/** The loop of the documentation: ask, run what the model calls, until it has nothing left to call. */
async function converse(
  wire: Wire,
  toolbox: UserToolbox,
  messages: Json[],
): Promise<{ text: string; paused: boolean }> {
  let paused = false
  for (;;) {
    const sent = await fetch(model.origin + wire.path, {
      method: 'POST',
      body: JSON.stringify(wire.body(messages, wire.tools(toolbox))),
    })
    const response = (await sent.json()) as Json
    if (response.error !== undefined) throw new Error(`The model refused: ${JSON.stringify(response.error)}`)
    messages.push(...wire.kept(response))
    const answer = await wire.answer(toolbox, response)
    if (answer.calls.length === 0) return { text: wire.said(response), paused }
    paused = answer.paused
    messages.push(...(answer.messages as Json[]))
  }
}

describe('a conversation', () => {
  it.each(Object.entries(wires))('%s: pauses for consent, goes on after it', async (name, wire) => {
    const user = `user of ${name}`
    const toolbox = toolboxOver(vault)
    const messages = [wire.person('How many work notes do I have?')]
    const first = await converse(wire, toolbox.for({ user }), messages)
    expect(first.paused).toBe(true)
    const link = /open (http\S+)/.exec(first.text)?.[1] ?? ''
    expect(new URL(link).origin).toBe(oidc.issuer)
    expect(await oidc.visit(link, { user: 'grace' })).toMatchObject({ status: 200 })

    messages.push(wire.person('Done.'))
    const second = await converse(wire, toolbox.for({ user }), messages)
    expect(second).toEqual({ text: 'You have 1 note(s).', paused: false })
    expect(JSON.stringify(messages)).toContain('"owner')
    expect(JSON.stringify(messages)).toContain('[redacted]')
    await toolbox.close()
  })

  it('P85 what was granted outlives the process: another toolbox on the same file asks nobody', async () => {
    const asked = oidc.counters.tokenRequests.authorization_code
    const again = await openVault()
    const toolbox = toolboxOver(again)
    for (const name of Object.keys(wires))
      expect(
        await toolbox.for({ user: `user of ${name}` }).call('list_notes', { tag: 'home' }),
      ).toMatchObject({ owner: 'grace', notes: [{ id: 1 }] })
    expect(oidc.counters.tokenRequests.authorization_code).toBe(asked)
    await toolbox.close()
    await again.close()
  })

  it('P59 no token was ever sent to the model, told to a listener, or written in the clear', async () => {
    const tokens = api.requests.map(({ headers }) => headers.authorization?.replace(/^Bearer /, '') ?? '')
    expect(new Set(tokens).size).toBe(Object.keys(wires).length)
    const files = await Promise.all(
      (await readdir(folder)).map((file) => readFile(join(folder, file), 'latin1')),
    )
    for (const token of tokens) {
      expect(token.length).toBeGreaterThan(20)
      expect(transcript).not.toContain(token)
      expect(JSON.stringify(events)).not.toContain(token)
      for (const text of files) expect(text).not.toContain(token)
    }
    expect(transcript).toContain('list_notes')
  })
})
