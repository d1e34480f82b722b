// A toolbox bound to one user: what a model sees, and what it may call.
import { argumentError, ToolFailedError } from '../errors.ts'
import type { AuthorizeOptions, Authorizing, ConnectOptions } from './authorizing.ts'
import { schemaFor } from './binding.ts'
import { type CallOutcome, outcomeName } from './call-outcome.ts'
import type { CallOptions, CallPath, CallTrace } from './call-path.ts'
import type { PendingConsent, WaitOptions } from './consent-request.ts'
import type { AnthropicTool, GeminiFunctionDeclaration, OpenAIResponsesTool, OpenAITool } from './dialect.ts'
import type { Answer, AnsweredCall, ModelCall } from './model-answer.ts'
import type * as running from './running.ts'
import type { Tool } from './tool.ts'
import { emitSafely, type ToolboxListener } from './tool-events.ts'
import type { ToolSchema } from './tool-schema.ts'
import type { ToolConnection } from './tool-vault.ts'
import type { AnthropicResponse, AnthropicToolMessage } from './wire-anthropic.ts'
import type { GeminiFunctionContent, GeminiResponse } from './wire-gemini.ts'
import type {
  OpenAIFunctionCallOutput,
  OpenAIResponse,
  OpenAIResponsesResponse,
  OpenAIToolMessage,
} from './wire-openai.ts'

type Running = typeof running

/** What a {@link UserToolbox} is made of. */
export interface UserToolboxParts {
  path: CallPath
  tools: () => readonly Tool[]
  version: () => number
  find: (name: string) => Tool | undefined
  onEvent: ToolboxListener | undefined
  maxResultCharacters: number
}

/** A toolbox that acts for one user. Made by {@link Toolbox.for}. */
export class UserToolbox {
  readonly #parts: UserToolboxParts
  #running: Promise<Running> | undefined
  #authorizing: Authorizing | undefined
  #schemas: { version: number; list: readonly ToolSchema[] } | undefined

  /** Use {@link Toolbox.for}. */
  constructor(parts: UserToolboxParts) {
    this.#parts = parts
  }

  /** For whom it acts. */
  get user(): string {
    return this.#parts.path.binding.user
  }

  /** The tools in order. */
  get tools(): readonly Tool[] {
    return this.#parts.tools()
  }

  /** The tools for OpenAI's Chat Completions and compatible servers; `strict` for Structured Outputs. */
  openai(options: { strict?: boolean | undefined } = {}): OpenAITool[] {
    return this.#views().map((schema) => schema.openai(options))
  }

  /** The tools for OpenAI's Responses API. */
  openaiResponses(options: { strict?: boolean | undefined } = {}): OpenAIResponsesTool[] {
    return this.#views().map((schema) => schema.openaiResponses(options))
  }

  /** The tools for Anthropic's Messages API. */
  anthropic(): AnthropicTool[] {
    return this.#views().map((schema) => schema.anthropic())
  }

  /** The tools for Gemini: `tools: [{ functionDeclarations: toolbox.gemini() }]`. */
  gemini(): GeminiFunctionDeclaration[] {
    return this.#views().map((schema) => schema.gemini())
  }

  /**
   * Runs a tool. Named by a model, `args` is what the model sent: an object, or JSON text. Handed the tool itself, input
   * and result have its types.
   *
   * @throws {AuthorizationRequiredError} send the person to its `url`, then repeat the same call.
   * @throws {ToolUnknownError} {@link ToolInputError} {@link ToolFailedError}; {@link AuthorizationDeniedError}, once,
   *   when the person said no to the last link; {@link ConfigurationError}, {@link StoreError}, {@link KeyError},
   *   {@link RefreshFailedError} from below.
   */
  call<Input, Result, Accepted>(
    tool: Tool<Input, Result, Accepted>,
    args: Accepted,
    options?: CallOptions,
  ): Promise<Result>
  call(name: string, args?: unknown, options?: CallOptions): Promise<unknown>
  async call(tool: string | Tool, args?: unknown, options: CallOptions = {}): Promise<unknown> {
    const outcome = await this.tryCall(this.#nameOf(tool), args, options)
    if (outcome.ok) return outcome.result
    throw outcome.error
  }

  /**
   * Runs a tool and reports how it went (P84): `ok` with the `result`; `paused` with the link to show; or the `error`.
   *
   * @throws the signal's reason, and nothing else that can be expected.
   */
  async tryCall(name: string, args?: unknown, options: CallOptions = {}): Promise<CallOutcome> {
    const tool = this.#parts.find(name)
    const trace: CallTrace = { providers: [] }
    const at = new Date()
    const begun = performance.now()
    const report = (outcome: CallOutcome | undefined) => {
      const durationMs = performance.now() - begun
      this.#report(tool?.name ?? '', trace, at, durationMs, outcome)
      if (tool !== undefined && tool.auth.length > 0) this.#audit(tool.name, trace, durationMs, outcome)
    }
    try {
      const { runCall } = await this.#load()
      const outcome = await runCall(this.#parts.path, tool, name, args, options, trace)
      report(outcome)
      return outcome
    } catch (error) {
      report(undefined)
      throw error
    }
  }

  /**
   * Asks for everything that the tools need and that is missing, before the conversation (P82): one item for each
   * provider that lacks a usable connection, with the link for the person. What is connected is absent.
   */
  async authorize(options: AuthorizeOptions = {}): Promise<PendingConsent[]> {
    return (await this.#authorizer()).authorize(options)
  }

  /**
   * Waits until everything that the tools need is connected (P83); starts what has not been started.
   *
   * @throws {AuthorizationDeniedError} at once when a person or provider says no.
   * @throws {TimeoutError} after `timeoutMs`, default 300 000.
   */
  async wait(options: WaitOptions = {}): Promise<ToolConnection[]> {
    return (await this.#authorizer()).wait(options)
  }

  /**
   * Connects one provider and waits for it. Returns at once what is already connected and has the scopes.
   * When waiting ends without a connection, the link is dead and its port free.
   *
   * @throws {AuthorizationDeniedError} {@link TimeoutError} after `timeoutMs`, default 300 000; the signal's reason.
   */
  async connect(provider: string, options: ConnectOptions = {}): Promise<ToolConnection> {
    return (await this.#authorizer()).connect(provider, options)
  }

  /**
   * Runs the tool calls in a Chat Completions response, all at once, and makes the messages that answer them. One call
   * that fails does not disturb the others; calls that wait for a person tell the model so.
   *
   * ```ts
   * messages.push(completion.choices[0].message, ...(await toolbox.answerOpenAI(completion)).messages)
   * ```
   *
   * @throws {TypeError} `invalid_argument` when it is no such response; the signal's reason.
   */
  async answerOpenAI(
    response: OpenAIResponse,
    options: CallOptions = {},
  ): Promise<Answer<OpenAIToolMessage>> {
    const { openAICalls, openAIMessages } = await this.#load()
    return this.#answer(openAICalls(response), openAIMessages, options)
  }

  /** As {@link UserToolbox.answerOpenAI}, for the Responses API: the messages are items for the next `input`. */
  async answerOpenAIResponses(
    response: OpenAIResponsesResponse,
    options: CallOptions = {},
  ): Promise<Answer<OpenAIFunctionCallOutput>> {
    const { openAIResponsesCalls, openAIResponsesItems } = await this.#load()
    return this.#answer(openAIResponsesCalls(response), openAIResponsesItems, options)
  }

  /** As {@link UserToolbox.answerOpenAI}, for Anthropic's Messages API. */
  async answerAnthropic(
    response: AnthropicResponse,
    options: CallOptions = {},
  ): Promise<Answer<AnthropicToolMessage>> {
    const { anthropicCalls, anthropicMessages } = await this.#load()
    return this.#answer(anthropicCalls(response), anthropicMessages, options)
  }

  /** As {@link UserToolbox.answerOpenAI}, for Gemini's generateContent: the messages are contents. */
  async answerGemini(
    response: GeminiResponse,
    options: CallOptions = {},
  ): Promise<Answer<GeminiFunctionContent>> {
    const { geminiCalls, geminiContents } = await this.#load()
    return this.#answer(geminiCalls(response), geminiContents, options)
  }

  async #answer<Message>(
    calls: readonly ModelCall[],
    write: (calls: readonly AnsweredCall[], maxCharacters: number) => Message[],
    options: CallOptions,
  ): Promise<Answer<Message>> {
    const { requiredBy } = await this.#load()
    const authorizing = await this.#authorizer()
    await authorizing.askOnce(
      calls.map(({ name }) => name),
      options.signal,
    )
    const answered = await Promise.all(
      calls.map(async (call) => ({ ...call, outcome: await this.#outcomeOf(call, options) })),
    )
    const required = requiredBy(answered.map(({ outcome }) => outcome))
    return {
      messages: write(answered, this.#parts.maxResultCharacters),
      calls: answered,
      paused: required.length > 0,
      required,
    }
  }

  async #outcomeOf({ name, input }: ModelCall, options: CallOptions): Promise<CallOutcome> {
    try {
      return await this.tryCall(name, input, options)
    } catch (cause) {
      if (options.signal?.aborted === true) throw cause
      const error = new ToolFailedError('tool_failed', `"${name}" could not be called.`, name, { cause })
      return { ok: false, paused: false, error }
    }
  }

  #nameOf(tool: string | Tool): string {
    if (typeof tool === 'string') return tool
    if (this.#parts.find(tool.name) === tool) return tool.name
    throw argumentError(`The tool "${tool.name}" is not in this toolbox: add it first (toolbox.add).`)
  }

  #load(): Promise<Running> {
    this.#running ??= import('./running.ts')
    return this.#running
  }

  async #authorizer(): Promise<Authorizing> {
    const { Authorizing } = await this.#load()
    const { path, tools } = this.#parts
    this.#authorizing ??= new Authorizing(path, tools)
    return this.#authorizing
  }

  #views(): readonly ToolSchema[] {
    const { path, version, tools } = this.#parts
    if (this.#schemas?.version !== version())
      this.#schemas = { version: version(), list: tools().map((tool) => schemaFor(path.binding, tool)) }
    return this.#schemas.list
  }

  #report(
    tool: string,
    trace: CallTrace,
    at: Date,
    durationMs: number,
    outcome: CallOutcome | undefined,
  ): void {
    const { onEvent, path } = this.#parts
    if (onEvent === undefined) return
    const name = outcome === undefined ? 'aborted' : outcomeName(outcome)
    const code = outcome === undefined || outcome.ok ? undefined : outcome.error.code
    const { user, thread } = path.binding
    emitSafely(onEvent, {
      type: 'tool.call',
      at,
      user,
      thread,
      tool,
      providers: trace.providers,
      outcome: name,
      code,
      durationMs,
    })
  }

  #audit(tool: string, trace: CallTrace, ms: number, outcome: CallOutcome | undefined): void {
    const { binding, vault } = this.#parts.path
    const { user, thread } = binding
    vault?.audit?.record({
      action: 'tool',
      outcome: outcome === undefined ? 'aborted' : outcome.ok ? 'ok' : outcome.error.code,
      ...{ user, tool, thread },
      connections: trace.providers.map(({ provider, account }) => ({ provider, account })),
      requests: trace.use?.requests ?? [],
      tokenGiven: trace.use?.tokenGiven === true ? true : undefined,
      ms,
    })
  }
}
