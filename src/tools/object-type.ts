// A type of object without a function behind it, for structured output: shown in every dialect, read back typed (P68).
import { argumentError } from '../errors.ts'
import type {
  AnthropicTool,
  Dialect,
  GeminiFunctionDeclaration,
  GeminiSchema,
  OpenAIResponsesTool,
  OpenAITool,
  ParametersSchema,
} from './dialect.ts'
import type { JsonSchema } from './json-schema.ts'
import type { AnySchema, SchemaInput, SchemaOutput } from './schema-source.ts'
import { type ParseOptions, ToolSchema } from './tool-schema.ts'

/** What {@link objectType} takes. */
export interface ObjectTypeDefinition<Schema extends AnySchema> {
  /** 1 to 64 letters, digits, `_` or `-`. */
  name: string
  /** What the object is, for the model. */
  description: string
  /** A Standard Schema, TypeBox or JSON Schema; an object at the root. */
  schema: Schema
  /** JSON Schema to show the model, for a `schema` that cannot say its own. */
  jsonSchema?: JsonSchema
  /** `true`: `"7"` is not a number. `false`: it becomes one. Default `true`. */
  strict?: boolean
  /** Model vendors whose schema rules are checked now. Default: all three. */
  dialects?: readonly Dialect[]
}

/** OpenAI's `response_format` for Structured Outputs in Chat Completions. */
export interface OpenAIResponseFormat {
  type: 'json_schema'
  json_schema: { name: string; description: string; schema: ParametersSchema; strict: true }
}

/** The same for the Responses API: `text: { format }`. */
export interface OpenAITextFormat {
  type: 'json_schema'
  name: string
  description: string
  schema: ParametersSchema
  strict: true
}

/** Anthropic's `output_config.format` for structured outputs. */
export interface AnthropicOutputFormat {
  type: 'json_schema'
  schema: ParametersSchema
}

/** Gemini's `generationConfig` for structured output. */
export interface GeminiOutputConfig {
  responseMimeType: 'application/json'
  responseSchema: GeminiSchema
}

/** A type of object. Made by {@link objectType}; every value it hands out is frozen and the same at each read. */
export class ObjectType<Output = unknown, Accepted = unknown> {
  /** Its name. */
  readonly name: string
  /** What it is. */
  readonly description: string
  readonly #schema: ToolSchema
  readonly #formats = new Map<string, unknown>()

  /** Use {@link objectType}. */
  constructor(schema: ToolSchema) {
    this.name = schema.name
    this.description = schema.description
    this.#schema = schema
  }

  /** The JSON Schema (draft 2020-12). */
  get jsonSchema(): ParametersSchema {
    return this.#schema.jsonSchema
  }

  /** As a function for OpenAI, for a forced tool call. */
  openai(options: { strict?: boolean | undefined } = {}): OpenAITool {
    return this.#schema.openai(options)
  }

  /** As a function for OpenAI's Responses API. */
  openaiResponses(options: { strict?: boolean | undefined } = {}): OpenAIResponsesTool {
    return this.#schema.openaiResponses(options)
  }

  /** As a tool for Anthropic, for a forced tool call. */
  anthropic(): AnthropicTool {
    return this.#schema.anthropic()
  }

  /** As a function declaration for Gemini. */
  gemini(): GeminiFunctionDeclaration {
    return this.#schema.gemini()
  }

  /** `response_format` of OpenAI's Chat Completions. */
  openaiResponseFormat(): OpenAIResponseFormat {
    return this.#once('chat', () => {
      const { type, ...json_schema } = this.openaiTextFormat()
      return Object.freeze({ type, json_schema: Object.freeze(json_schema) })
    })
  }

  /** `text.format` of OpenAI's Responses API. */
  openaiTextFormat(): OpenAITextFormat {
    return this.#once('text', () => {
      const { name, description, parameters: schema } = this.#schema.openai({ strict: true }).function
      return Object.freeze({ type: 'json_schema', name, description, schema, strict: true })
    })
  }

  /** `output_config.format` of Anthropic's Messages API. */
  anthropicOutputFormat(): AnthropicOutputFormat {
    const { input_schema: schema } = this.#schema.anthropic()
    return this.#once('anthropic', () => Object.freeze({ type: 'json_schema', schema }))
  }

  /** Members of Gemini's `generationConfig`. @throws {TypeError} `invalid_argument` for an object without properties. */
  geminiOutputConfig(): GeminiOutputConfig {
    const { parameters } = this.#schema.gemini()
    if (parameters === undefined)
      throw argumentError(`"${this.name}" has no properties, so Gemini has nothing to say.`)
    return this.#once('gemini', () =>
      Object.freeze({ responseMimeType: 'application/json', responseSchema: parameters }),
    )
  }

  /**
   * Reads what the model answered: an object, or JSON text.
   *
   * @throws {ToolInputError} naming each place that is wrong.
   */
  parse(answer: Accepted | string, options: ParseOptions = {}): Promise<Output> {
    return this.#schema.parse(answer, options) as Promise<Output>
  }

  #once<T>(key: string, make: () => T): T {
    if (!this.#formats.has(key)) this.#formats.set(key, make())
    return this.#formats.get(key) as T
  }
}

/**
 * Declares a type of object for structured output.
 *
 * @throws {TypeError} `invalid_argument`; {@link ConfigurationError} `schema_unsupported`, naming the place.
 */
export function objectType<const Schema extends AnySchema>(
  definition: ObjectTypeDefinition<Schema>,
): ObjectType<SchemaOutput<Schema>, SchemaInput<Schema>> {
  const { name, description, schema, jsonSchema, strict, dialects } = definition
  return new ObjectType(new ToolSchema(name, description, schema, { jsonSchema, strict, dialects }))
}
