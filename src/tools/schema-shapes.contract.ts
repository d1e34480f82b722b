// The same shapes written in zod, valibot, arktype, TypeBox-like and JSON Schema, each with the one JSON Schema that all
// of them mean, and with what Gemini and OpenAI's strict mode make of it.
import { scope, type } from 'arktype'
import * as v from 'valibot'
import { z } from 'zod'

/** One shape. */
export interface Shape {
  /** `properties` of the root, normalised. */
  properties: Record<string, unknown>
  required?: string[]
  $defs?: Record<string, unknown>
  zod?: unknown
  valibot?: unknown
  arktype?: unknown
  json?: unknown
  /** `parameters.properties` for Gemini. */
  gemini: Record<string, unknown>
  /** `parameters.properties` in strict mode. */
  strict: Record<string, unknown>
  /** An input as a model sends it, and what `run` gets (default: the same). */
  input: unknown
  output?: unknown
}

const Person = z.object({
  name: z.string(),
  get friends() {
    return z.array(Person).optional()
  },
})
interface ValibotPerson {
  name: string
  friends?: ValibotPerson[] | undefined
}
const valibotPerson: v.GenericSchema<ValibotPerson> = v.object({
  name: v.string(),
  friends: v.optional(v.array(v.lazy(() => valibotPerson))),
})
const arktypePerson = scope({ person: { name: 'string', 'friends?': 'person[]' } }).export().person

const entry = (value: unknown, key: unknown) => ({
  type: 'object',
  properties: { key, value },
  required: ['key', 'value'],
  additionalProperties: false,
})
const entryNote = '(a list of entries, each a key and its value)'
const day = new Date('2026-01-02T03:04:05.000Z')

/** All shapes, by name. */
export const shapes: Record<string, Shape> = {
  'strings and numbers': {
    properties: {
      text: { type: 'string', minLength: 1, maxLength: 9 },
      count: { type: 'integer', minimum: 1, maximum: 200 },
      ratio: { type: 'number', exclusiveMinimum: 0 },
      flag: { type: 'boolean' },
    },
    required: ['text', 'count', 'ratio', 'flag'],
    zod: z.object({
      text: z.string().min(1).max(9),
      count: z.number().int().min(1).max(200),
      ratio: z.number().gt(0),
      flag: z.boolean(),
    }),
    valibot: v.object({
      text: v.pipe(v.string(), v.minLength(1), v.maxLength(9)),
      count: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(200)),
      ratio: v.pipe(v.number(), v.gtValue(0)),
      flag: v.boolean(),
    }),
    arktype: type({
      text: '1 <= string <= 9',
      count: '1 <= number.integer <= 200',
      ratio: 'number > 0',
      flag: 'boolean',
    }),
    gemini: {
      text: { type: 'STRING', minLength: '1', maxLength: '9' },
      count: { type: 'INTEGER', minimum: 1, maximum: 200 },
      ratio: { type: 'NUMBER', minimum: 0 },
      flag: { type: 'BOOLEAN' },
    },
    strict: {
      text: { type: 'string' },
      count: { type: 'integer', minimum: 1, maximum: 200 },
      ratio: { type: 'number', exclusiveMinimum: 0 },
      flag: { type: 'boolean' },
    },
    input: { text: 'a', count: 7, ratio: 0.5, flag: false },
  },
  'optional and defaulted': {
    properties: { limit: { type: 'integer', default: 50 }, after: { type: 'string' } },
    zod: z.object({ limit: z.int().default(50), after: z.string().optional() }),
    valibot: v.object({
      limit: v.optional(v.pipe(v.number(), v.integer()), 50),
      after: v.optional(v.string()),
    }),
    arktype: type({ limit: 'number.integer = 50', 'after?': 'string' }),
    json: {
      type: 'object',
      properties: { limit: { type: 'integer', default: 50 }, after: { type: 'string' } },
      // P61: a default beats `required`.
      required: ['limit'],
    },
    gemini: {
      limit: { type: 'INTEGER', description: '(default: 50)', nullable: true },
      after: { type: 'STRING', nullable: true },
    },
    strict: {
      limit: { type: ['integer', 'null'], description: '(default: 50)' },
      after: { type: ['string', 'null'] },
    },
    input: { limit: null, after: null },
    output: { limit: 50 },
  },
  'nested objects with descriptions of their own': {
    properties: {
      name: { type: 'string', description: 'The outer name.' },
      owner: {
        type: 'object',
        description: 'Who owns it.',
        properties: { name: { type: 'string' }, mail: { type: 'string', description: 'Where to write.' } },
        required: ['name', 'mail'],
        additionalProperties: false,
      },
    },
    required: ['name', 'owner'],
    zod: z.object({
      name: z.string().describe('The outer name.'),
      owner: z
        .object({ name: z.string(), mail: z.string().describe('Where to write.') })
        .describe('Who owns it.'),
    }),
    valibot: v.object({
      name: v.pipe(v.string(), v.description('The outer name.')),
      owner: v.pipe(
        v.object({ name: v.string(), mail: v.pipe(v.string(), v.description('Where to write.')) }),
        v.description('Who owns it.'),
      ),
    }),
    arktype: type({
      name: type.string.describe('The outer name.'),
      owner: type({ name: 'string', mail: type.string.describe('Where to write.') }).describe(
        'Who owns it.',
        'self',
      ),
    }),
    gemini: {
      name: { type: 'STRING', description: 'The outer name.' },
      owner: {
        type: 'OBJECT',
        description: 'Who owns it.',
        properties: { name: { type: 'STRING' }, mail: { type: 'STRING', description: 'Where to write.' } },
        required: ['name', 'mail'],
      },
    },
    strict: {
      name: { type: 'string', description: 'The outer name.' },
      owner: {
        type: 'object',
        description: 'Who owns it.',
        properties: { name: { type: 'string' }, mail: { type: 'string', description: 'Where to write.' } },
        required: ['name', 'mail'],
        additionalProperties: false,
      },
    },
    input: { name: 'a', owner: { name: 'b', mail: 'c' } },
  },
  'arrays of objects': {
    properties: {
      rows: {
        type: 'array',
        minItems: 1,
        items: {
          type: 'object',
          properties: { id: { type: 'integer' }, note: { type: 'string' } },
          required: ['id'],
          additionalProperties: false,
        },
      },
    },
    required: ['rows'],
    zod: z.object({ rows: z.array(z.object({ id: z.int(), note: z.string().optional() })).min(1) }),
    valibot: v.object({
      rows: v.pipe(
        v.array(v.object({ id: v.pipe(v.number(), v.integer()), note: v.optional(v.string()) })),
        v.minLength(1),
      ),
    }),
    arktype: type({ rows: type({ id: 'number.integer', 'note?': 'string' }).array().atLeastLength(1) }),
    gemini: {
      rows: {
        type: 'ARRAY',
        minItems: '1',
        items: {
          type: 'OBJECT',
          properties: { id: { type: 'INTEGER' }, note: { type: 'STRING', nullable: true } },
          required: ['id'],
        },
      },
    },
    strict: {
      rows: {
        type: 'array',
        minItems: 1,
        items: {
          type: 'object',
          properties: { id: { type: 'integer' }, note: { type: ['string', 'null'] } },
          required: ['id', 'note'],
          additionalProperties: false,
        },
      },
    },
    input: { rows: [{ id: 1 }, { id: 2, note: null }] },
    output: { rows: [{ id: 1 }, { id: 2 }] },
  },
  'string enums': {
    properties: { order: { type: 'string', enum: ['asc', 'desc'] } },
    required: ['order'],
    zod: z.object({ order: z.enum(['asc', 'desc']) }),
    valibot: v.object({ order: v.picklist(['asc', 'desc']) }),
    arktype: type({ order: "'asc' | 'desc'" }),
    gemini: { order: { type: 'STRING', format: 'enum', enum: ['asc', 'desc'] } },
    strict: { order: { type: 'string', enum: ['asc', 'desc'] } },
    input: { order: 'asc' },
  },
  'number enums': {
    properties: { size: { type: 'integer', enum: [1, 2, 4] } },
    required: ['size'],
    valibot: v.object({ size: v.picklist([1, 2, 4]) }),
    arktype: type({ size: '1 | 2 | 4' }),
    json: { type: 'object', properties: { size: { type: 'integer', enum: [1, 2, 4] } }, required: ['size'] },
    gemini: { size: { type: 'INTEGER', minimum: 1, maximum: 4, description: '(one of: 1, 2, 4)' } },
    strict: { size: { type: 'integer', enum: [1, 2, 4] } },
    input: { size: 2 },
  },
  'number literals': {
    properties: { size: { type: 'number', enum: [1, 2, 4] } },
    required: ['size'],
    zod: z.object({ size: z.literal([1, 2, 4]) }),
    gemini: { size: { type: 'INTEGER', minimum: 1, maximum: 4, description: '(one of: 1, 2, 4)' } },
    strict: { size: { type: 'number', enum: [1, 2, 4] } },
    input: { size: 4 },
  },
  'one literal': {
    properties: { kind: { type: 'string', const: 'event' } },
    required: ['kind'],
    zod: z.object({ kind: z.literal('event') }),
    valibot: v.object({ kind: v.literal('event') }),
    arktype: type({ kind: "'event'" }),
    gemini: { kind: { type: 'STRING', format: 'enum', enum: ['event'] } },
    strict: { kind: { type: 'string', enum: ['event'] } },
    input: { kind: 'event' },
  },
  tuples: {
    properties: {
      point: {
        type: 'array',
        prefixItems: [{ type: 'number' }, { type: 'string' }],
        items: false,
        minItems: 2,
        maxItems: 2,
      },
    },
    required: ['point'],
    zod: z.object({ point: z.tuple([z.number(), z.string()]) }),
    valibot: v.object({ point: v.tuple([v.number(), v.string()]) }),
    json: {
      type: 'object',
      properties: {
        point: {
          // As drafts 4 to 2019-09 write a tuple.
          type: 'array',
          items: [{ type: 'number' }, { type: 'string' }],
          additionalItems: false,
          minItems: 2,
          maxItems: 2,
        },
      },
      required: ['point'],
    },
    gemini: {
      point: {
        type: 'ARRAY',
        items: { anyOf: [{ type: 'NUMBER' }, { type: 'STRING' }] },
        minItems: '2',
        maxItems: '2',
        description: '(in this order: number, string)',
      },
    },
    strict: {
      point: {
        type: 'array',
        items: { anyOf: [{ type: 'number' }, { type: 'string' }] },
        minItems: 2,
        maxItems: 2,
      },
    },
    input: { point: [1, 'a'] },
  },
  records: {
    properties: { scores: { type: 'object', additionalProperties: { type: 'number' } } },
    required: ['scores'],
    zod: z.object({ scores: z.record(z.string(), z.number()) }),
    valibot: v.object({ scores: v.record(v.string(), v.number()) }),
    arktype: type({ scores: 'Record<string, number>' }),
    gemini: {
      scores: {
        type: 'ARRAY',
        description: entryNote,
        items: {
          type: 'OBJECT',
          properties: { key: { type: 'STRING' }, value: { type: 'NUMBER' } },
          required: ['key', 'value'],
        },
      },
    },
    strict: {
      scores: { type: 'array', description: entryNote, items: entry({ type: 'number' }, { type: 'string' }) },
    },
    // As a model writes it that was shown the list.
    input: { scores: [{ key: 'ada', value: 1 }] },
    output: { scores: { ada: 1 } },
  },
  'unions of types': {
    properties: { id: { anyOf: [{ type: 'string' }, { type: 'number' }] } },
    required: ['id'],
    valibot: v.object({ id: v.union([v.string(), v.number()]) }),
    json: {
      type: 'object',
      properties: { id: { anyOf: [{ type: 'string' }, { type: 'number' }] } },
      required: ['id'],
    },
    gemini: { id: { anyOf: [{ type: 'STRING' }, { type: 'NUMBER' }] } },
    strict: { id: { anyOf: [{ type: 'string' }, { type: 'number' }] } },
    input: { id: 5 },
  },
  'unions of types in one keyword': {
    properties: { id: { type: ['string', 'number'], description: 'Name or number.' } },
    zod: z.object({ id: z.union([z.string(), z.number()]).describe('Name or number.').optional() }),
    json: {
      type: 'object',
      properties: { id: { type: ['string', 'number'], description: 'Name or number.' } },
    },
    gemini: {
      id: {
        anyOf: [
          { type: 'STRING', description: 'Name or number.', nullable: true },
          { type: 'NUMBER', description: 'Name or number.', nullable: true },
        ],
      },
    },
    strict: {
      id: {
        anyOf: [{ type: 'string' }, { type: 'number' }, { type: 'null' }],
        description: 'Name or number.',
      },
    },
    input: { id: null },
    output: {},
  },
  'unions of objects': {
    properties: {
      target: {
        oneOf: [
          {
            type: 'object',
            properties: { kind: { type: 'string', const: 'user' }, id: { type: 'number' } },
            required: ['kind', 'id'],
            additionalProperties: false,
          },
          {
            type: 'object',
            properties: { kind: { type: 'string', const: 'team' }, slug: { type: 'string' } },
            required: ['kind', 'slug'],
            additionalProperties: false,
          },
        ],
      },
    },
    required: ['target'],
    zod: z.object({
      target: z.discriminatedUnion('kind', [
        z.object({ kind: z.literal('user'), id: z.number() }),
        z.object({ kind: z.literal('team'), slug: z.string() }),
      ]),
    }),
    gemini: {
      target: {
        anyOf: [
          {
            type: 'OBJECT',
            properties: { kind: { type: 'STRING', format: 'enum', enum: ['user'] }, id: { type: 'NUMBER' } },
            required: ['kind', 'id'],
          },
          {
            type: 'OBJECT',
            properties: {
              kind: { type: 'STRING', format: 'enum', enum: ['team'] },
              slug: { type: 'STRING' },
            },
            required: ['kind', 'slug'],
          },
        ],
      },
    },
    strict: {
      target: {
        anyOf: [
          {
            type: 'object',
            properties: { kind: { type: 'string', enum: ['user'] }, id: { type: 'number' } },
            required: ['kind', 'id'],
            additionalProperties: false,
          },
          {
            type: 'object',
            properties: { kind: { type: 'string', enum: ['team'] }, slug: { type: 'string' } },
            required: ['kind', 'slug'],
            additionalProperties: false,
          },
        ],
      },
    },
    input: { target: { kind: 'team', slug: 'core' } },
  },
  nullable: {
    properties: { parent: { type: ['string', 'null'] } },
    required: ['parent'],
    zod: z.object({ parent: z.string().nullable() }),
    valibot: v.object({ parent: v.nullable(v.string()) }),
    json: {
      type: 'object',
      // As OpenAPI 3.0 writes it.
      properties: { parent: { type: 'string', nullable: true } },
      required: ['parent'],
    },
    gemini: { parent: { type: 'STRING', nullable: true } },
    strict: { parent: { type: ['string', 'null'] } },
    input: { parent: null },
  },
  dates: {
    properties: { since: { type: 'string', format: 'date-time' } },
    required: ['since'],
    zod: z.object({ since: z.date() }),
    valibot: v.object({ since: v.date() }),
    arktype: type({ since: 'Date' }),
    gemini: { since: { type: 'STRING', format: 'date-time' } },
    strict: { since: { type: 'string', format: 'date-time' } },
    input: { since: day.toISOString() },
    output: { since: day },
  },
  'formats that not every model knows': {
    properties: { site: { type: 'string', format: 'uri' }, mail: { type: 'string', format: 'email' } },
    required: ['site', 'mail'],
    zod: z.object({ site: z.url(), mail: z.email() }),
    valibot: v.object({ site: v.pipe(v.string(), v.url()), mail: v.pipe(v.string(), v.email()) }),
    arktype: type({ site: 'string.url', mail: 'string.email' }),
    json: {
      type: 'object',
      properties: { site: { type: 'string', format: 'uri' }, mail: { type: 'string', format: 'email' } },
      required: ['site', 'mail'],
    },
    gemini: {
      site: { type: 'STRING', description: '(format: uri)' },
      mail: { type: 'STRING', description: '(format: email)' },
    },
    strict: { site: { type: 'string' }, mail: { type: 'string', format: 'email' } },
    input: { site: 'https://example.com/', mail: 'ada@example.com' },
  },
  intersections: {
    properties: { a: { type: 'string' }, b: { type: 'number' } },
    required: ['a', 'b'],
    zod: z.intersection(z.object({ a: z.string() }), z.object({ b: z.number() })),
    valibot: v.intersect([v.object({ a: v.string() }), v.object({ b: v.number() })]),
    arktype: type({ a: 'string' }).and({ b: 'number' }),
    json: {
      allOf: [
        { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
        { $ref: '#/definitions/B' },
      ],
      definitions: { B: { type: 'object', properties: { b: { type: 'number' } }, required: ['b'] } },
    },
    gemini: { a: { type: 'STRING' }, b: { type: 'NUMBER' } },
    strict: { a: { type: 'string' }, b: { type: 'number' } },
    input: { a: 'x', b: 1 },
  },
  'free-form data in one property': {
    properties: { meta: { type: 'object', additionalProperties: true } },
    required: ['meta'],
    zod: z.object({ meta: z.record(z.string(), z.unknown()) }),
    valibot: v.object({ meta: v.record(v.string(), v.unknown()) }),
    arktype: type({ meta: 'Record<string, unknown>' }),
    json: { type: 'object', properties: { meta: { type: 'object' } }, required: ['meta'] },
    gemini: {
      meta: {
        type: 'ARRAY',
        description: entryNote,
        items: {
          type: 'OBJECT',
          properties: {
            key: { type: 'STRING' },
            value: { anyOf: [{ type: 'STRING' }, { type: 'NUMBER' }, { type: 'BOOLEAN' }] },
          },
          required: ['key', 'value'],
        },
      },
    },
    strict: {
      meta: {
        type: 'array',
        description: entryNote,
        items: entry(
          { anyOf: [{ type: 'string' }, { type: 'number' }, { type: 'boolean' }, { type: 'null' }] },
          { type: 'string' },
        ),
      },
    },
    input: { meta: { any: ['thing', { at: 'all' }] } },
  },
  'recursive types': {
    properties: {
      person: { $ref: '#/$defs/Person' },
    },
    required: ['person'],
    $defs: {
      Person: {
        type: 'object',
        properties: {
          name: { type: 'string' },
          friends: { type: 'array', items: { $ref: '#/$defs/Person' } },
        },
        required: ['name'],
        additionalProperties: false,
      },
    },
    zod: z.object({ person: Person }),
    valibot: v.object({ person: v.lazy(() => valibotPerson) }),
    json: {
      type: 'object',
      properties: { person: { $ref: '#/$defs/Person' } },
      required: ['person'],
      $defs: {
        Person: {
          type: 'object',
          properties: {
            name: { type: 'string' },
            friends: { type: 'array', items: { $ref: '#/$defs/Person' } },
          },
          required: ['name'],
        },
      },
    },
    gemini: {
      person: {
        type: 'OBJECT',
        properties: {
          name: { type: 'STRING' },
          friends: {
            type: 'ARRAY',
            nullable: true,
            items: {
              type: 'OBJECT',
              properties: {
                name: { type: 'STRING' },
                friends: {
                  type: 'ARRAY',
                  nullable: true,
                  items: {
                    type: 'OBJECT',
                    properties: {
                      name: { type: 'STRING' },
                      friends: { type: 'ARRAY', items: { type: 'STRING' }, maxItems: '0', nullable: true },
                    },
                    required: ['name'],
                  },
                },
              },
              required: ['name'],
            },
          },
        },
        required: ['name'],
      },
    },
    strict: { person: { $ref: '#/$defs/Person' } },
    input: { person: { name: 'a', friends: [{ name: 'b', friends: [] }] } },
  },
  'a root that repeats itself': {
    properties: { name: { type: 'string' }, friends: { type: 'array', items: { $ref: '#' } } },
    required: ['name'],
    zod: Person,
    valibot: valibotPerson,
    json: {
      $ref: '#/$defs/Person',
      $defs: {
        Person: {
          type: 'object',
          properties: {
            name: { type: 'string' },
            friends: { type: 'array', items: { $ref: '#/$defs/Person' } },
          },
          required: ['name'],
        },
      },
    },
    gemini: {
      name: { type: 'STRING' },
      friends: {
        type: 'ARRAY',
        nullable: true,
        items: {
          type: 'OBJECT',
          properties: {
            name: { type: 'STRING' },
            friends: {
              type: 'ARRAY',
              nullable: true,
              items: {
                type: 'OBJECT',
                properties: {
                  name: { type: 'STRING' },
                  friends: { type: 'ARRAY', items: { type: 'STRING' }, maxItems: '0', nullable: true },
                },
                required: ['name'],
              },
            },
          },
          required: ['name'],
        },
      },
    },
    strict: {
      name: { type: 'string' },
      friends: { anyOf: [{ type: 'array', items: { $ref: '#' } }, { type: 'null' }] },
    },
    input: { name: 'a', friends: [{ name: 'b', friends: null }] },
    output: { name: 'a', friends: [{ name: 'b' }] },
  },
  // arktype names every node of a cycle, the list as well.
  'a root that repeats itself, in arktype': {
    properties: { name: { type: 'string' }, friends: { $ref: '#/$defs/intersection' } },
    required: ['name'],
    $defs: { intersection: { type: 'array', items: { $ref: '#' } } },
    arktype: arktypePerson,
    gemini: {
      name: { type: 'STRING' },
      friends: {
        type: 'ARRAY',
        nullable: true,
        items: {
          type: 'OBJECT',
          properties: {
            name: { type: 'STRING' },
            friends: {
              type: 'ARRAY',
              nullable: true,
              items: {
                type: 'OBJECT',
                properties: {
                  name: { type: 'STRING' },
                  friends: { type: 'ARRAY', items: { type: 'STRING' }, maxItems: '0', nullable: true },
                },
                required: ['name'],
              },
            },
          },
          required: ['name'],
        },
      },
    },
    strict: {
      name: { type: 'string' },
      friends: { anyOf: [{ $ref: '#/$defs/intersection' }, { type: 'null' }] },
    },
    input: { name: 'a', friends: [{ name: 'b' }] },
  },
}
