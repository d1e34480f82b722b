// The model of the demo: a real one when a key or a compatible base URL is set, else a scripted one that
// answers in the same wire format over loopback HTTP. OpenAI Chat Completions, Anthropic Messages, Gemini generateContent.
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { NetworkError, quote } from '../errors.ts'

/** The three wire formats. */
export type Wire = 'openai' | 'anthropic' | 'gemini'

/** Where the function call of the demo comes from. */
export interface DemoModel {
  readonly wire: Wire
  /** For people: which model, or that it is scripted. */
  readonly name: string
  /** Sends the person's words and the tools; resolves to the vendor's answer, untouched. */
  ask(prompt: string, tools: readonly unknown[], signal: AbortSignal): Promise<unknown>
  /** Sends the answers to the model's calls, in its wire format; resolves to its closing words. */
  tell(answers: readonly unknown[], signal: AbortSignal): Promise<string>
  /** Everything that was ever sent to the model, to search for tokens. */
  readonly transcript: string
  close(): Promise<void>
}

type Json = Record<string, unknown>

interface Endpoint {
  wire: Wire
  name: string
  url: string
  headers: Record<string, string>
  model: string
}

/** The variables that {@link chooseModel} reads, and no others. */
export type ModelEnvironment = Readonly<Record<string, string | undefined>>

/**
 * Picks the model: `OPENAI_API_KEY` or `OPENAI_BASE_URL`, then `ANTHROPIC_API_KEY`, then `GEMINI_API_KEY`;
 * `TOOLGRANT_DEMO_MODEL` names another model of that vendor. Without any of them, the scripted one, in `scriptedWire`.
 */
export async function chooseModel(
  environment: ModelEnvironment,
  scriptedWire: Wire = 'openai',
): Promise<DemoModel> {
  const endpoint = endpointFrom(environment)
  if (endpoint !== undefined) return new WireModel(endpoint)
  const server = await startScriptedModel()
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return new WireModel(scriptedEndpoint(base, scriptedWire), server)
}

function endpointFrom(environment: ModelEnvironment): Endpoint | undefined {
  const chosen = environment['TOOLGRANT_DEMO_MODEL']
  const {
    OPENAI_API_KEY: openai,
    OPENAI_BASE_URL: base,
    ANTHROPIC_API_KEY: anthropic,
    GEMINI_API_KEY: gemini,
  } = environment
  if (openai || base)
    return {
      wire: 'openai',
      name: chosen ?? 'gpt-5-mini',
      url: `${(base || 'https://api.openai.com/v1').replace(/\/+$/, '')}/chat/completions`,
      headers: openai ? { authorization: `Bearer ${openai}` } : {},
      model: chosen ?? 'gpt-5-mini',
    }
  if (anthropic)
    return {
      wire: 'anthropic',
      name: chosen ?? 'claude-sonnet-4-5',
      url: `${(environment['ANTHROPIC_BASE_URL'] || 'https://api.anthropic.com').replace(/\/+$/, '')}/v1/messages`,
      headers: { 'x-api-key': anthropic, 'anthropic-version': '2023-06-01' },
      model: chosen ?? 'claude-sonnet-4-5',
    }
  if (!gemini) return undefined
  const model = chosen ?? 'gemini-2.5-flash'
  const host = (environment['GEMINI_BASE_URL'] || 'https://generativelanguage.googleapis.com').replace(
    /\/+$/,
    '',
  )
  const url = `${host}/v1beta/models/${model}:generateContent`
  return { wire: 'gemini', name: model, url, headers: { 'x-goog-api-key': gemini }, model }
}

function scriptedEndpoint(base: string, wire: Wire): Endpoint {
  const paths = {
    openai: '/v1/chat/completions',
    anthropic: '/v1/messages',
    gemini: '/v1beta/models/scripted:generateContent',
  }
  return {
    wire,
    name: `scripted model, ${wire} wire format`,
    url: base + paths[wire],
    headers: {},
    model: 'scripted',
  }
}

class WireModel implements DemoModel {
  readonly wire: Wire
  readonly name: string
  readonly #endpoint: Endpoint
  readonly #server: Server | undefined
  #messages: unknown[] = []
  #tools: readonly unknown[] = []
  #transcript = ''

  constructor(endpoint: Endpoint, server?: Server) {
    this.wire = endpoint.wire
    this.name = endpoint.name
    this.#endpoint = endpoint
    this.#server = server
  }

  get transcript(): string {
    return this.#transcript
  }

  async ask(prompt: string, tools: readonly unknown[], signal: AbortSignal): Promise<unknown> {
    this.#tools = tools
    this.#messages = [
      this.wire === 'gemini'
        ? { role: 'user', parts: [{ text: prompt }] }
        : { role: 'user', content: prompt },
    ]
    return this.#send(signal)
  }

  async tell(answers: readonly unknown[], signal: AbortSignal): Promise<string> {
    this.#messages.push(...answers)
    return textOf(this.wire, await this.#send(signal))
  }

  async #send(signal: AbortSignal): Promise<unknown> {
    const body = JSON.stringify(requestBody(this.#endpoint, this.#messages, this.#tools))
    this.#transcript += `${body}\n`
    const limit = AbortSignal.any([signal, AbortSignal.timeout(60_000)])
    const { url, headers } = this.#endpoint
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
      signal: limit,
      redirect: 'error',
    })
    const text = await response.text()
    if (!response.ok)
      throw new NetworkError(`The model ${this.name} answered HTTP ${response.status}: ${quote(text, 300)}.`)
    const answer: unknown = JSON.parse(text)
    this.#messages.push(assistantTurn(this.wire, answer))
    return answer
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections()
    await new Promise<void>((resolve) => (this.#server ? this.#server.close(() => resolve()) : resolve()))
  }
}

function requestBody(
  { wire, model }: Endpoint,
  messages: readonly unknown[],
  tools: readonly unknown[],
): Json {
  if (wire === 'openai') return { model, messages, tools }
  if (wire === 'anthropic') return { model, max_tokens: 1024, messages, tools }
  return { contents: messages, tools: [{ functionDeclarations: tools }] }
}

function assistantTurn(wire: Wire, answer: unknown): unknown {
  if (wire === 'openai') return (answer as { choices: { message: unknown }[] }).choices[0]?.message
  if (wire === 'anthropic') return { role: 'assistant', content: (answer as { content: unknown }).content }
  return (answer as { candidates: { content: unknown }[] }).candidates[0]?.content
}

function textOf(wire: Wire, answer: unknown): string {
  const turn = assistantTurn(wire, answer) as { content?: unknown; parts?: { text?: string }[] } | undefined
  if (typeof turn?.content === 'string') return turn.content
  const blocks = (wire === 'gemini' ? turn?.parts : turn?.content) as { text?: string }[] | undefined
  return (blocks ?? []).map((block) => block.text ?? '').join('')
}

/** A model that reads its script: first it calls the first tool it is offered, then it repeats what came back. */
async function startScriptedModel(): Promise<Server> {
  const server = createServer(async (request, response) => {
    const body = JSON.parse(await readAll(request)) as Json
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(scriptedAnswer(request.url ?? '', body)))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return server
}

async function readAll(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += chunk
  return text
}

const scriptedArguments = { limit: 2 }

function scriptedAnswer(path: string, body: Json): Json {
  if (path.endsWith('/chat/completions')) return openaiAnswer(body)
  return path.endsWith('/messages') ? anthropicAnswer(body) : geminiAnswer(body)
}

function openaiAnswer(body: Json): Json {
  const last = (body['messages'] as { role: string; content: string }[]).at(-1)
  const name = (body['tools'] as { function: { name: string } }[])[0]?.function.name
  const call = {
    id: 'call_1',
    type: 'function',
    function: { name, arguments: JSON.stringify(scriptedArguments) },
  }
  const message =
    last?.role === 'tool'
      ? { role: 'assistant', content: closingWords(last.content) }
      : { role: 'assistant', content: null, tool_calls: [call] }
  const finish = last?.role === 'tool' ? 'stop' : 'tool_calls'
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    choices: [{ index: 0, message, finish_reason: finish }],
  }
}

function anthropicAnswer(body: Json): Json {
  const last = (body['messages'] as { content: unknown }[]).at(-1)?.content
  const result = Array.isArray(last) ? last.find((block) => block.type === 'tool_result') : undefined
  const name = (body['tools'] as { name: string }[])[0]?.name
  const content =
    result === undefined
      ? [{ type: 'tool_use', id: 'toolu_1', name, input: scriptedArguments }]
      : [
          {
            type: 'text',
            text: closingWords(
              typeof result.content === 'string' ? result.content : JSON.stringify(result.content),
            ),
          },
        ]
  return {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    content,
    stop_reason: result === undefined ? 'tool_use' : 'end_turn',
  }
}

function geminiAnswer(body: Json): Json {
  const parts =
    (body['contents'] as { parts: { functionResponse?: { response: unknown } }[] }[]).at(-1)?.parts ?? []
  const result = parts.find((part) => part.functionResponse !== undefined)?.functionResponse
  const name = (body['tools'] as { functionDeclarations: { name: string }[] }[])[0]?.functionDeclarations[0]
    ?.name
  const answer =
    result === undefined
      ? { functionCall: { name, args: scriptedArguments } }
      : { text: closingWords(JSON.stringify(result.response)) }
  return { candidates: [{ content: { role: 'model', parts: [answer] }, finishReason: 'STOP' }] }
}

function closingWords(result: string): string {
  return `Here is what I found: ${result}`
}
