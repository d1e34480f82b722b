// A vault and a set of tools: the one object handed to a model loop, the command line, MCP and the gateway.
import { argumentError } from '../errors.ts'
import type { Flow } from '../flows/index.ts'
import { checkBinding, type ToolboxBinding } from './binding.ts'
import type { CallPath } from './call-path.ts'
import { type ConsentDesk, defaultConsentMs, flowNamed } from './consent-desk.ts'
import type { AnthropicTool, GeminiFunctionDeclaration, OpenAIResponsesTool, OpenAITool } from './dialect.ts'
import { defaultMaxResultCharacters } from './result-text.ts'
import type { Tool } from './tool.ts'
import { bodyOf } from './tool-body.ts'
import type { ToolboxListener } from './tool-events.ts'
import type { ToolVault } from './tool-vault.ts'
import { UserToolbox } from './user-toolbox.ts'

/** What {@link Toolbox} takes. */
export interface ToolboxOptions {
  /** Where the connections are: {@link Vault.open}. Not needed when no tool has `auth`. */
  vault?: ToolVault | undefined
  /** The tools, in the order in which models see them. More with {@link Toolbox.add}. */
  tools?: readonly Tool[] | undefined
  /** How people consent. Default: `loopback()`, which needs Node and a browser on the same machine. */
  flow?: Flow | undefined
  /** Further flows by name, for tools whose `auth` names one. */
  flows?: Readonly<Record<string, Flow>> | undefined
  /**
   * Ask for more than the tools need (P88). Off by default. `true`: each provider's own default scopes;
   * or by provider: `{ google: true, slack: ['users:read'] }`. They are never insisted on.
   */
  recommendedScopes?: boolean | Readonly<Record<string, boolean | readonly string[]>> | undefined
  /** How long a consent link is usable, in milliseconds. Default 600 000. */
  consentTimeoutMs?: number | undefined
  /** Most characters of one result that a model is given. Default 100 000. */
  maxResultCharacters?: number | undefined
  /** Replaces the global `fetch` for tools and token requests. */
  fetch?: typeof fetch | undefined
  /** Hears every call and consent, without arguments and results (P94). */
  onEvent?: ToolboxListener | undefined
}

/**
 * Tools and the vault they act with. {@link Toolbox.for} binds it to a user: only then can tools run.
 * Close it before the vault: links that wait for people hold ports.
 */
export class Toolbox implements AsyncDisposable {
  readonly #options: ToolboxOptions
  readonly #tools = new Map<string, Tool>()
  readonly #desk: ConsentDesk | undefined
  /** Changes with the set of tools, so that lists made from it can be kept. */
  #version = 0
  #list: readonly Tool[] | undefined

  /** @throws {TypeError} `invalid_argument` for doubled names, and for a tool with `auth` without a vault. */
  constructor(options: ToolboxOptions = {}) {
    this.#options = options
    const {
      vault,
      flow,
      flows = {},
      consentTimeoutMs: timeoutMs = defaultConsentMs,
      fetch,
      onEvent,
    } = options
    if (vault !== undefined) this.#desk = { options: { vault, flow, flows, timeoutMs, fetch, onEvent } }
    for (const tool of options.tools ?? []) this.add(tool)
  }

  /** The tools in order. The same list until a tool is added or removed. */
  get tools(): readonly Tool[] {
    this.#list ??= Object.freeze([...this.#tools.values()])
    return this.#list
  }

  /** The tool of that name. */
  get(name: string): Tool | undefined {
    return this.#tools.get(name)
  }

  /**
   * Adds a tool behind the others.
   *
   * @throws {TypeError} `invalid_argument` when one of that name is there, or it needs a vault or flow that is not.
   */
  add(tool: Tool): this {
    bodyOf(tool)
    if (this.#tools.has(tool.name))
      throw argumentError(`Two tools are called "${tool.name}". Models choose by name: rename one.`)
    this.#assertUsable(tool)
    this.#tools.set(tool.name, tool)
    this.#changed()
    return this
  }

  /** Takes a tool out; `false` when there was none of that name. Calls that are under way finish. */
  removeTool(name: string): boolean {
    const removed = this.#tools.delete(name)
    if (removed) this.#changed()
    return removed
  }

  /** The tools for OpenAI's Chat Completions and compatible servers. */
  openai(options: { strict?: boolean | undefined } = {}): OpenAITool[] {
    return this.tools.map((tool) => tool.openai(options))
  }

  /** The tools for OpenAI's Responses API. */
  openaiResponses(options: { strict?: boolean | undefined } = {}): OpenAIResponsesTool[] {
    return this.tools.map((tool) => tool.openaiResponses(options))
  }

  /** The tools for Anthropic's Messages API. */
  anthropic(): AnthropicTool[] {
    return this.tools.map((tool) => tool.anthropic())
  }

  /** The tools for Gemini: `tools: [{ functionDeclarations: toolbox.gemini() }]`. */
  gemini(): GeminiFunctionDeclaration[] {
    return this.tools.map((tool) => tool.gemini())
  }

  /**
   * The toolbox of one user, who is chosen here and nowhere else. Cheap: make one for each request. What is under way
   * for a user (links, waiting) is shared between all of theirs.
   *
   * @throws {TypeError} `invalid_argument`.
   */
  for(binding: ToolboxBinding): UserToolbox {
    const { vault, fetch, onEvent, maxResultCharacters = defaultMaxResultCharacters } = this.#options
    const path: CallPath = {
      binding: checkBinding(binding),
      vault,
      desk: this.#desk,
      fetch,
      recommended: (provider) => this.#recommended(provider),
    }
    const { tools, version } = { tools: () => this.tools, version: () => this.#version }
    return new UserToolbox({
      path,
      tools,
      version,
      find: (name) => this.#tools.get(name),
      onEvent,
      maxResultCharacters,
    })
  }

  /** Ends every consent that is under way; ports are free when it resolves. The vault stays open. */
  async close(): Promise<void> {
    if (this.#desk === undefined) return
    const { consentsAt } = await import('./consent.ts')
    await consentsAt(this.#desk).close()
  }

  /** {@link Toolbox.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #changed(): void {
    this.#version += 1
    this.#list = undefined
  }

  #assertUsable(tool: Tool): void {
    for (const auth of tool.auth) {
      if (this.#options.vault === undefined)
        throw argumentError(
          `The tool "${tool.name}" acts at ${auth.provider}, so the toolbox needs a vault: new Toolbox({ vault: await Vault.open(), tools }).`,
        )
      if (auth.flow !== undefined) flowNamed(this.#options.flows ?? {}, auth.flow)
    }
  }

  async #recommended(provider: string): Promise<readonly string[]> {
    const { recommendedScopes: setting, vault } = this.#options
    const wanted =
      typeof setting === 'object' ? (Object.hasOwn(setting, provider) ? setting[provider] : false) : setting
    if (wanted === undefined || typeof wanted === 'boolean')
      return wanted === true && vault !== undefined
        ? ((await vault.registration(provider)).provider.defaultScopes ?? [])
        : []
    return wanted
  }
}
