// The wire shapes in which the three model vendors take a tool, as their public API references give them.
import type { NormalSchema } from './json-schema.ts'

/** A JSON Schema object as vendors take it. The values are deeply frozen; the type allows what the vendors' SDKs expect. */
export interface ParametersSchema {
  type: 'object'
  properties: Record<string, unknown>
  required?: string[]
  additionalProperties: false
  $defs?: Record<string, unknown>
  [keyword: string]: unknown
}

/** A tool for OpenAI's Chat Completions and for every compatible server. */
export interface OpenAITool {
  type: 'function'
  function: {
    name: string
    description: string
    parameters: ParametersSchema
    /** `true`: the model's arguments are held to the schema while they are generated. */
    strict?: true
  }
}

/** A tool for OpenAI's Responses API: the same, one level flatter. */
export interface OpenAIResponsesTool {
  type: 'function'
  name: string
  description: string
  parameters: ParametersSchema
  strict: boolean
}

/** A tool for Anthropic's Messages API. */
export interface AnthropicTool {
  name: string
  description: string
  input_schema: ParametersSchema
}

/** A function declaration for Gemini's `functionDeclarations`. */
export interface GeminiFunctionDeclaration {
  name: string
  description: string
  /** Absent for a tool without parameters. */
  parameters?: GeminiSchema
}

/** Gemini's subset of OpenAPI 3.0: what its `Schema` object has. */
export interface GeminiSchema {
  type?: 'STRING' | 'NUMBER' | 'INTEGER' | 'BOOLEAN' | 'ARRAY' | 'OBJECT' | 'NULL'
  format?: string
  description?: string
  nullable?: boolean
  enum?: string[]
  items?: GeminiSchema
  /** 64-bit integers are text in Google's JSON. */
  minItems?: string
  maxItems?: string
  properties?: Record<string, GeminiSchema>
  required?: string[]
  minimum?: number
  maximum?: number
  minLength?: string
  maxLength?: string
  pattern?: string
  anyOf?: GeminiSchema[]
}

/** A model vendor whose schema rules a tool can be held to. */
export type Dialect = 'openai' | 'anthropic' | 'gemini'

/** Sentences joined into one description; `undefined` when there is nothing to say. */
export function describe(...parts: readonly (string | undefined)[]): string | undefined {
  const said = parts.filter((part) => part !== undefined && part !== '')
  return said.length === 0 ? undefined : said.join(' ')
}

/** What a dialect without `default` says instead. */
export function defaultNote(schema: NormalSchema): string | undefined {
  return schema.default === undefined ? undefined : `(default: ${JSON.stringify(schema.default)})`
}

/** What stands for a record where free keys cannot be said; {@link fitInput} reads it back. */
export const recordNote = '(a list of entries, each a key and its value)'

/** The branches of a union, whichever keyword it was written with. */
export function branches(schema: NormalSchema): readonly NormalSchema[] | undefined {
  return schema.anyOf ?? schema.oneOf
}

/** The constants that a schema allows, when it allows nothing else. */
export function constants(schema: NormalSchema): readonly unknown[] | undefined {
  return schema.enum ?? ('const' in schema ? [schema.const] : undefined)
}
