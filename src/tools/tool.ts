// A tool: a name, a description and a schema for the model; the authorization it needs; and the code that runs.
import { argumentError } from '../errors.ts'
import type {
  AnthropicTool,
  Dialect,
  GeminiFunctionDeclaration,
  OpenAIResponsesTool,
  OpenAITool,
  ParametersSchema,
} from './dialect.ts'
import type { JsonSchema } from './json-schema.ts'
import { reservedFor } from './reserved-names.ts'
import type { AnySchema, SchemaInput, SchemaOutput } from './schema-source.ts'
import { normaliseAuth, type ProvidersOf, type ToolAuth, type ToolAuthOption } from './tool-auth.ts'
import { bodyOf, setBody, type ToolBody } from './tool-body.ts'
import type { ToolContext } from './tool-context.ts'
import { type ParseOptions, ToolSchema } from './tool-schema.ts'

/** Default time limit of one run, in milliseconds. */
export const defaultToolTimeoutMs = 180_000

/** What a tool does to the world, for whoever decides whether it may run unasked. */
export type ToolEffect = 'read' | 'write' | 'destructive'

/** What {@link tool} takes. */
export interface ToolDefinition<Schema extends AnySchema, Auth extends ToolAuthOption | undefined, Result> {
  /** What the model calls it: 1 to 64 letters, digits, `_` or `-`. */
  name: string
  /** What it does and when to use it; the model chooses by it. */
  description: string
  /** Its parameters: a Standard Schema (zod 4, valibot, arktype, …), TypeBox or JSON Schema; an object at the root. */
  input: Schema
  /** JSON Schema to show the model, for an `input` that cannot say its own. `input` still validates. */
  jsonSchema?: JsonSchema
  /** The provider and scopes it needs, or several. Default: none, and no vault is needed. */
  auth?: Auth
  /** Runs the tool. Whatever it returns is the result; what it throws becomes a {@link ToolFailedError}. */
  run(input: SchemaOutput<Schema>, context: ToolContext<ProvidersOf<Auth>>): Result | Promise<Result>
  /** Time limit of one run, in milliseconds; `Infinity` for none. Default 180 000. */
  timeoutMs?: number
  /** `true`: `"7"` is not a number. `false`: it becomes one. Default `true`. */
  strict?: boolean
  /** Default: not said. */
  effect?: ToolEffect
  /** Variables with their defaults, for `context.vars` and `context.env()`; see {@link Tool.withVars}. */
  vars?: Readonly<Record<string, string>>
  /** Model vendors whose schema rules are checked now. Default: `openai`, `anthropic` and `gemini`. */
  dialects?: readonly Dialect[]
}

/** Options of {@link Tool.call}. */
export interface ToolCallOptions extends ParseOptions {
  /** Stops the run; the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Time limit of this run, in milliseconds. Default: the tool's. */
  timeoutMs?: number | undefined
  /** Replaces the global `fetch`. */
  fetch?: typeof fetch | undefined
}

interface ToolParts {
  schema: ToolSchema
  auth: readonly ToolAuth[]
  timeoutMs: number
  effect: ToolEffect | undefined
  vars: Readonly<Record<string, string>>
}

/**
 * A tool, immutable. Made by {@link tool}; run by a {@link Toolbox}, or by itself when it needs no authorization.
 *
 * `Input` is what `run` gets, `Accepted` what a caller passes (before defaults and transformations).
 */
export class Tool<Input = unknown, Result = unknown, Accepted = unknown> {
  /** What the model calls it. */
  readonly name: string
  /** What the model chooses it by. */
  readonly description: string
  /** What it needs; empty when it needs nothing. */
  readonly auth: readonly ToolAuth[]
  /** Time limit of one run, in milliseconds. */
  readonly timeoutMs: number
  /** What it does to the world, when it says so. */
  readonly effect: ToolEffect | undefined
  /** Its variables. */
  readonly vars: Readonly<Record<string, string>>
  readonly #parts: ToolParts

  /** Use {@link tool}. */
  constructor(parts: ToolParts, body: ToolBody) {
    this.name = parts.schema.name
    this.description = parts.schema.description
    this.auth = parts.auth
    this.timeoutMs = parts.timeoutMs
    this.effect = parts.effect
    this.vars = parts.vars
    this.#parts = parts
    setBody(this, body)
    Object.freeze(this)
  }

  /** The name, description and schema in every dialect. */
  get schema(): ToolSchema {
    return this.#parts.schema
  }

  /** The JSON Schema (draft 2020-12) of the input, frozen. */
  get jsonSchema(): ParametersSchema {
    return this.#parts.schema.jsonSchema
  }

  /** For OpenAI's Chat Completions and compatible servers; `strict` for Structured Outputs. The same frozen object each time. */
  openai(options: { strict?: boolean | undefined } = {}): OpenAITool {
    return this.#parts.schema.openai(options)
  }

  /** For OpenAI's Responses API. */
  openaiResponses(options: { strict?: boolean | undefined } = {}): OpenAIResponsesTool {
    return this.#parts.schema.openaiResponses(options)
  }

  /** For Anthropic's Messages API. */
  anthropic(): AnthropicTool {
    return this.#parts.schema.anthropic()
  }

  /** For Gemini's `functionDeclarations`. */
  gemini(): GeminiFunctionDeclaration {
    return this.#parts.schema.gemini()
  }

  /**
   * Checks an input without running anything: an object, or JSON text.
   *
   * @throws {ToolInputError} naming each place that is wrong.
   */
  parse(input: Accepted | string, options: ParseOptions = {}): Promise<Input> {
    return this.#parts.schema.parse(input, options) as Promise<Input>
  }

  /**
   * Checks the input and runs the tool, by itself: for tools without `auth`. A {@link Toolbox} runs the others.
   *
   * @throws {ToolInputError} {@link ToolFailedError}; `TypeError` `invalid_argument` for a tool with `auth`.
   */
  async call(input: Accepted | string, options: ToolCallOptions = {}): Promise<Result> {
    if (this.auth.length > 0)
      throw argumentError(
        `The tool "${this.name}" acts at ${this.auth.map(({ provider }) => provider).join(', ')}: call it through a toolbox, which knows the user: new Toolbox({ vault, tools: [tool] }).for({ user }).call("${this.name}", input).`,
      )
    const parsed = await this.#parts.schema.parse(input, options)
    const { Redactor, runTool, toolContext } = await import('./running.ts')
    const redactor = new Redactor()
    const result = await runTool(this, parsed, options, redactor, (signal) =>
      toolContext({
        tool: this.name,
        grants: [],
        signal,
        vars: this.vars,
        fetch: options.fetch,
        redactor,
        onAuthorizationRequired: () => {},
      }),
    )
    return result as Result
  }

  /**
   * The same tool with one more step behind it: `then` gets the result and returns another (P78). Steps run in order,
   * within the tool's time limit; what one throws becomes a {@link ToolFailedError} that names it.
   */
  pipe<Next>(
    then: (result: Result, context: ToolContext<string>) => Next | Promise<Next>,
  ): Tool<Input, Next, Accepted> {
    if (typeof then !== 'function') throw argumentError('pipe needs a function of the result.')
    const body = bodyOf(this)
    return new Tool(this.#parts, { ...body, pipes: [...body.pipes, then] })
  }

  /**
   * The same tool with other values for its variables (P77).
   *
   * @throws {TypeError} `invalid_argument` for a variable that the tool does not declare.
   */
  withVars(vars: Readonly<Record<string, string>>): Tool<Input, Result, Accepted> {
    return new Tool({ ...this.#parts, vars: overrideVars(this, vars) }, bodyOf(this))
  }
}

/** A tool's variables with some values replaced. */
export function overrideVars(
  { name, vars }: { name: string; vars: Readonly<Record<string, string>> },
  override: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  for (const [key, value] of Object.entries(override)) {
    if (!Object.hasOwn(vars, key))
      throw argumentError(
        `The tool "${name}" has no variable ${JSON.stringify(key)}; it has ${Object.keys(vars).join(', ') || 'none'}.`,
      )
    if (typeof value !== 'string')
      throw argumentError(`The variable ${JSON.stringify(key)} of "${name}" must be a string.`)
  }
  return Object.freeze({ ...vars, ...override })
}

/**
 * Declares a tool.
 *
 * ```ts
 * const listGuilds = tool({
 *   name: 'list_guilds',
 *   description: 'List the Discord servers that I am a member of.',
 *   input: z.object({ limit: z.number().int().min(1).max(200).default(50) }),
 *   auth: { provider: 'discord', scopes: ['guilds'] },
 *   run: async ({ limit }, { fetch }) => (await fetch(`/users/@me/guilds?limit=${limit}`)).json(),
 * })
 * ```
 *
 * @throws {TypeError} `invalid_argument` for a bad name, description, schema, auth or time limit.
 * @throws {ConfigurationError} `schema_unsupported` when the schema cannot be said to a model, or asks it for a
 *   credential. The message names the place.
 */
export function tool<
  const Schema extends AnySchema,
  Result,
  const Auth extends ToolAuthOption | undefined = undefined,
>(
  definition: ToolDefinition<Schema, Auth, Result>,
): Tool<SchemaOutput<Schema>, Awaited<Result>, SchemaInput<Schema>> {
  const { name, description, input, run, timeoutMs = defaultToolTimeoutMs } = definition
  if (typeof run !== 'function') throw argumentError(`The tool ${JSON.stringify(name)} needs a run function.`)
  if (typeof timeoutMs !== 'number' || !(timeoutMs > 0))
    throw argumentError(`The timeoutMs of ${JSON.stringify(name)} must be a number of milliseconds above 0.`)
  const auth = normaliseAuth(definition.auth, name)
  const schema = new ToolSchema(name, description, input, {
    jsonSchema: definition.jsonSchema,
    strict: definition.strict,
    dialects: definition.dialects,
    reserved: reservedFor(auth.map(({ provider }) => provider)),
  })
  const vars = checkedVars(name, definition.vars ?? {})
  return new Tool(
    { schema, auth, timeoutMs, effect: definition.effect, vars },
    { run: run.bind(definition), pipes: [] },
  )
}

function checkedVars(name: string, vars: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return overrideVars({ name, vars }, vars)
}
