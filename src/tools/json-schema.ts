// JSON Schema (draft 2020-12) as plain data: the one form that every input schema is turned into, and what
// TypeScript can tell about such a schema without running it.

/** A JSON Schema as a plain object. Keywords as in draft 2020-12; older spellings are understood on the way in. */
export type JsonSchema = { readonly [keyword: string]: unknown }

/** A JSON Schema as {@link tool} keeps it: closed objects, no `title`, no `$schema`, frozen all the way down. */
export interface NormalSchema {
  readonly type?: SchemaType | readonly SchemaType[]
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly format?: string
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  readonly multipleOf?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly minProperties?: number
  readonly maxProperties?: number
  readonly properties?: Readonly<Record<string, NormalSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: NormalSchema | boolean
  readonly patternProperties?: Readonly<Record<string, NormalSchema>>
  readonly items?: NormalSchema | false
  readonly prefixItems?: readonly NormalSchema[]
  readonly anyOf?: readonly NormalSchema[]
  readonly oneOf?: readonly NormalSchema[]
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, NormalSchema>>
  readonly [keyword: string]: unknown
}

/** The seven types of JSON Schema. */
export type SchemaType = 'string' | 'number' | 'integer' | 'boolean' | 'null' | 'object' | 'array'

/**
 * The type of the values that a JSON Schema literal describes, as far as TypeScript can read it: `type`, `enum`,
 * `const`, `properties`, `required`, `items`, `anyOf`, `oneOf`. What it cannot read is `unknown`.
 */
export type FromJsonSchema<S> = S extends { const: infer Value }
  ? Value
  : S extends { enum: readonly (infer Value)[] }
    ? Value
    : S extends { anyOf: readonly (infer Branch)[] }
      ? FromJsonSchema<Branch>
      : S extends { oneOf: readonly (infer Branch)[] }
        ? FromJsonSchema<Branch>
        : S extends { type: readonly (infer Type)[] }
          ? FromType<Type, S>
          : S extends { type: infer Type }
            ? FromType<Type, S>
            : unknown

type FromType<Type, S> = Type extends 'string'
  ? string
  : Type extends 'number' | 'integer'
    ? number
    : Type extends 'boolean'
      ? boolean
      : Type extends 'null'
        ? null
        : Type extends 'array'
          ? S extends { items: infer Item }
            ? FromJsonSchema<Item>[]
            : unknown[]
          : Type extends 'object'
            ? FromObject<S>
            : unknown

type FromObject<S> = S extends { properties: infer Properties }
  ? Simplify<
      {
        -readonly [K in keyof Properties as K extends PresentKey<S> ? K : never]: FromJsonSchema<
          Properties[K]
        >
      } & {
        -readonly [K in keyof Properties as K extends PresentKey<S> ? never : K]?: FromJsonSchema<
          Properties[K]
        >
      }
    >
  : S extends { additionalProperties: infer Value extends object }
    ? Record<string, FromJsonSchema<Value>>
    : Record<string, unknown>

// A property that is required, or that a default fills in, is always there once the input has been parsed.
type PresentKey<S> = RequiredKey<S> | DefaultedKey<S>
type RequiredKey<S> = S extends { required: readonly (infer Key)[] } ? Key : never
type DefaultedKey<S> = S extends { properties: infer Properties }
  ? { [K in keyof Properties]: Properties[K] extends { default: unknown } ? K : never }[keyof Properties]
  : never

/** Flattens an intersection, so that editors show the members. */
export type Simplify<T> = { [K in keyof T]: T[K] } & {}
