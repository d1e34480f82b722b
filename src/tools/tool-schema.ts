// A name, a description and a schema: what a model is shown, in every dialect, and the check of what it sends back.
import { argumentError, ConfigurationError, type InputIssue, ToolInputError } from '../errors.ts'
import type {
  AnthropicTool,
  Dialect,
  GeminiFunctionDeclaration,
  OpenAIResponsesTool,
  OpenAITool,
  ParametersSchema,
} from './dialect.ts'
import { geminiSchema } from './dialect-gemini.ts'
import { strictSchema } from './dialect-openai.ts'
import { fitInput } from './input-fit.ts'
import { readInput } from './input-reader.ts'
import type { JsonSchema, NormalSchema } from './json-schema.ts'
import { jsonSchemaValidator } from './json-schema-validation.ts'
import { type NormalisedSchema, normaliseSchema } from './normal-schema.ts'
import { pathText } from './schema-path.ts'
import { readSchema, type Validation } from './schema-source.ts'
import { deepFreeze } from './schema-values.ts'

/** Options of {@link ToolSchema}. */
export interface ToolSchemaOptions {
  /** JSON Schema to show the model, for a schema that cannot say its own. */
  jsonSchema?: JsonSchema | undefined
  /** Names that may not be properties, beyond the fixed ones. */
  reserved?: ReadonlySet<string> | undefined
  /** `true` (default): `"7"` is not a number. */
  strict?: boolean | undefined
  /** Whose rules the schema must meet when it is defined. Default: all three. */
  dialects?: readonly Dialect[] | undefined
}

/** How an input is read. */
export interface ParseOptions {
  /** `true`: `"7"` is not a number. `false`: it becomes one. Default: what the tool was defined with, else `true`. */
  strict?: boolean | undefined
}

const NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/
const ALL: readonly Dialect[] = ['openai', 'anthropic', 'gemini']
const MAX_SHOWN = 10

/** A named schema in all dialects. Every value it hands out is frozen, and the same object at each read. */
export class ToolSchema {
  readonly name: string
  readonly description: string
  readonly dialects: readonly Dialect[]
  readonly #strict: boolean
  readonly #normal: NormalisedSchema
  readonly #validate: ((value: unknown) => Promise<Validation>) | undefined
  #compiled: Promise<(value: unknown) => Validation> | undefined
  /** The finished vendor objects. */
  readonly #shown = new Map<string, unknown>()

  /**
   * @throws {TypeError} `invalid_argument` for a bad name, description or schema.
   * @throws {ConfigurationError} `schema_unsupported`, naming the place.
   */
  constructor(name: string, description: string, schema: unknown, options: ToolSchemaOptions = {}) {
    assertName(name)
    if (typeof description !== 'string' || description.trim() === '')
      throw argumentError(`The tool ${JSON.stringify(name)} needs a description: the model chooses by it.`)
    this.name = name
    this.description = description
    this.dialects = Object.freeze([...(options.dialects ?? ALL)])
    this.#strict = options.strict ?? true
    const source = named(name, () => readSchema(schema, options.jsonSchema))
    this.#validate = source.validate
    this.#normal = named(name, () =>
      normaliseSchema(source.raw, {
        reserved: options.reserved,
        isOnlyShown: source.validate !== undefined,
      }),
    )
    // P63: what a vendor cannot be told is found here, not in the first conversation.
    if (this.dialects.includes('gemini')) this.gemini()
  }

  /** The JSON Schema (draft 2020-12) of the input: closed objects, no titles. */
  get jsonSchema(): ParametersSchema {
    return this.#normal.schema as unknown as ParametersSchema
  }

  /** For OpenAI's Chat Completions and compatible servers; `strict` for Structured Outputs. */
  openai(options: { strict?: boolean | undefined } = {}): OpenAITool {
    this.#assertDialect('openai')
    const strict = options.strict === true
    return this.#once(`openai ${strict}`, () => this.#makeOpenAI(strict))
  }

  /** For OpenAI's Responses API. */
  openaiResponses(options: { strict?: boolean | undefined } = {}): OpenAIResponsesTool {
    const strict = options.strict === true
    return this.#once(`responses ${strict}`, () => {
      const { name, description, parameters } = this.openai({ strict }).function
      return Object.freeze({ type: 'function', name, description, parameters, strict })
    })
  }

  /** For Anthropic's Messages API. */
  anthropic(): AnthropicTool {
    this.#assertDialect('anthropic')
    const { name, description, jsonSchema } = this
    return this.#once('anthropic', () => Object.freeze({ name, description, input_schema: jsonSchema }))
  }

  /** For Gemini's `functionDeclarations`. */
  gemini(): GeminiFunctionDeclaration {
    this.#assertDialect('gemini')
    return this.#once('gemini', () => this.#makeGemini())
  }

  /**
   * Reads and checks an input: an object, or JSON text. Defaults are filled in, unknown keys refused at every level.
   *
   * @throws {ToolInputError} naming each place that is wrong; safe to show to the model.
   * @throws what the schema library throws, when its own code fails.
   */
  async parse(input: unknown, options: ParseOptions = {}): Promise<unknown> {
    const { value, issues } = readInput(input, `"${this.name}"`)
    const coerce = (options.strict ?? this.#strict) === false
    const found = [...issues, ...fitInput(this.#normal, value, { coerce })]
    const outcome = await this.#check(value)
    if (outcome.issues === undefined && found.length === 0) return outcome.value
    throw this.#refused([...found, ...(outcome.issues ?? [])])
  }

  /** The same schema with one more property, for a view of a tool that belongs to one user. */
  with(property: string, schema: NormalSchema): ToolSchema {
    const { properties = {}, ...rest } = this.#normal.schema
    const jsonSchema = { ...rest, properties: { ...properties, [property]: schema } }
    return new ToolSchema(this.name, this.description, jsonSchema, { dialects: this.dialects })
  }

  #once<T>(key: string, make: () => T): T {
    if (!this.#shown.has(key)) this.#shown.set(key, make())
    return this.#shown.get(key) as T
  }

  async #check(value: unknown): Promise<Validation> {
    if (this.#validate !== undefined) return this.#validate(value)
    this.#compiled ??= jsonSchemaValidator(this.#normal.schema)
    return (await this.#compiled)(value)
  }

  #refused(issues: readonly InputIssue[]): ToolInputError {
    const lines = issues
      .slice(0, MAX_SHOWN)
      .map(({ path, message }) => `${pathText(path)}: ${message.slice(0, 300)}`)
    const more = issues.length > MAX_SHOWN ? ` (and ${issues.length - MAX_SHOWN} more)` : ''
    return new ToolInputError(
      `The arguments of "${this.name}" do not fit: ${lines.join('; ')}${more}.`,
      issues,
    )
  }

  #makeOpenAI(strict: boolean): OpenAITool {
    const schema = strict ? named(this.name, () => strictSchema(this.#normal.schema)) : this.#normal.schema
    const parameters = schema as unknown as ParametersSchema
    const { name, description } = this
    return deepFreeze({
      type: 'function',
      function: { name, description, parameters, ...(strict ? { strict: true as const } : {}) },
    })
  }

  #makeGemini(): GeminiFunctionDeclaration {
    const parameters = named(this.name, () => geminiSchema(this.#normal.schema))
    const { name, description } = this
    return Object.freeze(parameters === undefined ? { name, description } : { name, description, parameters })
  }

  #assertDialect(dialect: Dialect): void {
    if (this.dialects.includes(dialect)) return
    throw new ConfigurationError(
      'schema_unsupported',
      `The tool "${this.name}" is not meant for ${dialect}: its \`dialects\` are ${this.dialects.join(', ')}.`,
    )
  }
}

function assertName(name: unknown): asserts name is string {
  if (typeof name === 'string' && NAME.test(name)) return
  throw argumentError(
    `${JSON.stringify(name)} is no tool name: use 1 to 64 letters, digits, "_" or "-", beginning with a letter or "_".`,
  )
}

/** Puts the tool's name in front of what its schema's error says. */
function named<T>(name: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    throw new ConfigurationError(error.code, `The input schema of "${name}": ${error.message}`, {
      cause: error.cause,
    })
  }
}
