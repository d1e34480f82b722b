// What can be declared as a tool and what cannot, with the place in the message; and the types.
import { type as arktype } from 'arktype'
import * as v from 'valibot'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { ConfigurationError } from '../errors.ts'
import { type AnySchema, type JsonSchema, objectType, type ToolAuthOption, tool } from './index.ts'

const base = { name: 'probe', description: 'Probes.', run: () => 'ran' }

function refusal(input: unknown, more: { auth?: ToolAuthOption; dialects?: ['openai'] } = {}): string {
  try {
    tool({ ...base, ...more, input: input as AnySchema })
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(error).toMatchObject({ code: 'schema_unsupported' })
    return (error as Error).message
  }
  return expect.fail('accepted')
}

describe('schemas that cannot be said', () => {
  it.each([
    ['zod bigint', z.object({ a: z.object({ big: z.bigint() }) }), 'a.big: bigint cannot be written in JSON'],
    ['zod map', z.object({ list: z.array(z.map(z.string(), z.string())) }), 'list[]: map cannot be'],
    ['zod custom', z.object({ c: z.custom(() => true) }), 'c: custom cannot be'],
    ['zod file', z.object({ f: z.file() }), 'f: a file cannot be'],
    ['zod undefined', z.object({ u: z.undefined() }), 'u: undefined cannot be'],
    ['valibot bigint', v.object({ a: v.array(v.bigint()) }), 'a[]: bigint cannot be'],
    ['valibot blob', v.object({ b: v.blob() }), 'b: blob cannot be'],
    ['valibot instance', v.object({ b: v.instance(URL) }), 'b: instance cannot be'],
    ['arktype bigint', arktype({ a: { big: 'bigint' } }), 'a.big: bigint cannot be'],
    ['arktype File', arktype({ f: 'File' }), 'f: proto cannot be'],
    [
      'missing reference',
      { type: 'object', properties: { a: { $ref: '#/$defs/Nope' } } },
      'a: refers to "#/$defs/Nope"',
    ],
    [
      'remote reference',
      { type: 'object', properties: { a: { $ref: 'https://example.com/a' } } },
      'a: refers to',
    ],
    ['a reference to itself', { $ref: '#' }, 'the input: refers to itself'],
    ['unknown type', { type: 'object', properties: { a: { type: 'str' } } }, 'a: has the unknown type "str"'],
    ['impossible', { type: 'object', properties: { a: false } }, 'a: allows no value'],
    ['empty enum', { type: 'object', properties: { a: { enum: [] } } }, 'a: is an enum without members'],
    ['undescribed', { type: 'object', properties: {}, required: ['a'] }, 'a: is required but not described'],
    [
      'bad pattern',
      { type: 'object', properties: { a: { patternProperties: { '(': {} } } } },
      'a: has the patternProperties key "("',
    ],
    [
      'union at the root',
      z.union([z.object({ a: z.string() }), z.object({ b: z.string() })]),
      'must be one object',
    ],
    ['list at the root', z.array(z.string()), 'must be one object'],
    ['text at the root', { type: 'string' }, 'must be one object'],
    [
      'contradiction',
      {
        allOf: [
          { type: 'object', properties: { a: { type: 'string' } } },
          { properties: { a: { type: 'number' } } },
        ],
      },
      'a: has an allOf whose members have no type in common',
    ],
  ])('P60 %s names the place', (_, input, place) => {
    const message = refusal(input)
    expect(message).toContain('The input schema of "probe": ')
    expect(message).toContain(place)
  })

  it('P60 an object that contains itself, or explodes, is refused in time', () => {
    const loop: Record<string, unknown> = { type: 'object' }
    loop.properties = { a: loop, b: loop, c: { $ref: 'nowhere' } }
    expect(refusal(loop)).toMatch(/is nested deeper|beyond 20000 parts|refers to "nowhere"/)
    const twice: Record<string, unknown> = { type: 'object' }
    twice.properties = { a: twice, b: twice }
    expect(refusal(twice)).toMatch(/is nested deeper|beyond 20000 parts/)
  })

  it('P60 a library without JSON Schema is told the way out', () => {
    const odd = {
      '~standard': { version: 1 as const, vendor: 'odd', validate: (value: unknown) => ({ value }) },
    }
    expect(refusal(odd)).toContain(
      'odd schemas do not say their JSON Schema. Pass the schema to show the model as `jsonSchema`.',
    )
    const made = tool({
      ...base,
      input: odd,
      jsonSchema: { type: 'object', properties: { a: { type: 'string' } } },
    })
    expect(made.jsonSchema.properties).toEqual({ a: { type: 'string' } })
  })

  it('P60 a library whose converter throws is quoted', () => {
    const jsonSchema = {
      input: () => {
        throw new Error('no way')
      },
    }
    const odd = {
      '~standard': {
        version: 1 as const,
        vendor: 'odd',
        validate: (value: unknown) => ({ value }),
        jsonSchema,
      },
    }
    expect(refusal(odd)).toContain('odd cannot write it as JSON Schema (no way)')
  })

  it('P60 the Standard JSON Schema extension of any library is used', () => {
    const jsonSchema = {
      input: ({ target }: { target: string }) => ({
        type: 'object',
        properties: { a: { type: 'string', description: target } },
      }),
    }
    const odd = {
      '~standard': {
        version: 1 as const,
        vendor: 'odd',
        validate: (value: unknown) => ({ value }),
        jsonSchema,
      },
    }
    expect(tool({ ...base, input: odd }).jsonSchema.properties).toEqual({
      a: { type: 'string', description: 'draft-2020-12' },
    })
  })

  it.each([null, undefined, 7, 'text', () => {}, new Date(), { hello: 'world' }, []])(
    'P72 %s is a TypeError',
    (input) => {
      expect(() => tool({ ...base, input: input as unknown as AnySchema })).toThrow(TypeError)
    },
  )
})

describe('P63 Gemini, at definition time', () => {
  it('refuses a recursion that no model could finish', () => {
    const Node: JsonSchema = { type: 'object', properties: { next: { $ref: '#' } }, required: ['next'] }
    expect(refusal(Node)).toContain('repeats itself in a required property')
    expect(
      tool({ ...base, input: Node, dialects: ['openai', 'anthropic'] }).openai().function.parameters.required,
    ).toEqual(['next'])
  })

  it('refuses names that are no identifiers there, and only there', () => {
    const input = z.object({ filter: z.object({ 'created-at': z.string() }) })
    expect(refusal(input)).toContain('filter.created-at: is no name for Gemini')
    const made = tool({ ...base, input, dialects: ['openai', 'anthropic'] })
    expect(() => made.gemini()).toThrow('is not meant for gemini')
    expect(made.anthropic().input_schema.properties).toHaveProperty('filter')
  })
})

describe('P75 P89 names that a model must not be asked for', () => {
  it.each([
    'access_token',
    'accessToken',
    'refresh-token',
    'client_secret',
    'API_KEY',
    'SLACK_BOT_TOKEN',
    'X_AUTH_TOKEN',
    'Authorization',
  ])('%s', (name) => {
    expect(refusal(z.object({ deep: z.object({ [name]: z.string() }) }))).toContain(
      `deep.${name}: is the name of a credential`,
    )
  })

  it.each(['ctx', 'kwargs'])('%s', (name) => {
    expect(refusal(z.object({ [name]: z.string() }))).toContain(`${name}: is a reserved catch-all name`)
  })

  it('the token of a provider that the tool uses', () => {
    const input = z.object({ acme_token: z.string() })
    expect(refusal(input, { auth: { provider: 'acme', scopes: [] } })).toContain(
      'acme_token: is the name of a credential',
    )
    expect(tool({ ...base, input }).name).toBe('probe')
  })

  it.each([
    ['zod', z.looseObject({ a: z.string() })],
    ['zod record', z.record(z.string(), z.string())],
    ['zod catchall', z.object({}).catchall(z.string())],
    ['valibot', v.looseObject({ a: v.string() })],
    ['json', { type: 'object', properties: {}, additionalProperties: true }],
    ['patterns', { type: 'object', patternProperties: { '^x-': { type: 'string' } } }],
  ])('a catch-all at the root, in %s', (_, input) => {
    expect(refusal(input)).toContain('the input: must not take just any key')
  })

  it('leaves ordinary words alone', () => {
    const names = [
      'user',
      'subject',
      'profile',
      'token_count',
      'page_token',
      'account',
      'thread_id',
      'title',
      'type',
      'constructor',
    ]
    const made = tool({
      ...base,
      input: z.object(Object.fromEntries(names.map((name) => [name, z.string()]))),
    })
    expect(Object.keys(made.jsonSchema.properties)).toEqual(names)
  })
})

describe('the rest of a definition', () => {
  const input = z.object({})

  it.each(['', 'with space', '1st', 'x'.repeat(65), 'dots.are.out', 7])('P60 refuses the name %s', (name) => {
    expect(() => tool({ ...base, name: name as string, input })).toThrow(/is no tool name/)
  })

  it('P64 demands a description', () => {
    expect(() => tool({ ...base, description: ' ', input })).toThrow(/needs a description/)
  })

  it.each([0, -1, Number.NaN, '5'])('P79 refuses the time limit %s', (timeoutMs) => {
    expect(() => tool({ ...base, timeoutMs: timeoutMs as number, input })).toThrow(/timeoutMs/)
  })

  it('P73 checks auth', () => {
    const bad = (auth: unknown) => () => tool({ ...base, input, auth: auth as ToolAuthOption })
    expect(bad({ scopes: [] })).toThrow(/provider id/)
    expect(bad({ provider: 'github' })).toThrow(/needs scopes/)
    expect(bad({ provider: 'github', scopes: 'repo' })).toThrow(/needs scopes/)
    expect(
      bad([
        { provider: 'github', scopes: [] },
        { provider: 'github', scopes: [] },
      ]),
    ).toThrow(/twice/)
    const made = tool({
      ...base,
      input,
      auth: [
        { provider: 'github', scopes: ['repo', 'repo'] },
        { provider: 'slack', scopes: [] },
      ],
    })
    expect(made.auth).toEqual([
      { provider: 'github', scopes: ['repo'] },
      { provider: 'slack', scopes: [] },
    ])
    expect(Object.isFrozen(made.auth[0]?.scopes)).toBe(true)
  })

  it('P73 a tool with auth says that it needs a toolbox', async () => {
    const made = tool({ ...base, input, auth: { provider: 'github', scopes: [] } })
    await expect(made.call({})).rejects.toThrow(/new Toolbox/)
  })
})

describe('types', () => {
  it('P60 come from the schema', () => {
    const made = tool({
      ...base,
      input: z.object({ limit: z.number().default(5), when: z.date().optional() }),
      auth: { provider: 'discord', scopes: ['guilds'] },
      run: async (input, context) => {
        expectTypeOf(input).toEqualTypeOf<{ limit: number; when?: Date | undefined }>()
        expectTypeOf(context.auth.token).returns.resolves.toBeString()
        expectTypeOf(context.auth.discord.token).returns.resolves.toBeString()
        expectTypeOf(context.fetch).returns.resolves.toEqualTypeOf<Response>()
        // @ts-expect-error another provider
        void context.auth.slack
        return input.limit
      },
    })
    expectTypeOf(made.call)
      .parameter(0)
      .toEqualTypeOf<{ limit?: number | undefined; when?: Date | undefined } | string>()
    expectTypeOf(made.call).returns.resolves.toBeNumber()
    expectTypeOf(made.parse).returns.resolves.toEqualTypeOf<{ limit: number; when?: Date | undefined }>()
    expectTypeOf(made.pipe((n) => `${n}`).call).returns.resolves.toBeString()
  })

  it('P60 come from valibot and arktype', () => {
    tool({
      ...base,
      input: v.object({ a: v.optional(v.number(), 1) }),
      run: (input) => expectTypeOf(input).toEqualTypeOf<{ a: number }>(),
    })
    tool({
      ...base,
      input: arktype({ 'a?': 'string', b: 'number = 1' }),
      run: (input) => expectTypeOf(input).toEqualTypeOf<{ a?: string; b: number }>(),
    })
  })

  it('P60 come from a JSON Schema literal', () => {
    tool({
      ...base,
      input: {
        type: 'object',
        properties: {
          kind: { enum: ['a', 'b'] },
          n: { type: 'integer', default: 1 },
          list: { type: 'array', items: { type: ['string', 'null'] } },
          sub: { type: 'object', properties: { x: { type: 'boolean' } } },
        },
        required: ['kind'],
      },
      run: (input) =>
        expectTypeOf(input).toEqualTypeOf<{
          kind: 'a' | 'b'
          n: number
          list?: (string | null)[]
          sub?: { x?: boolean }
        }>(),
    })
    const schema: JsonSchema = { type: 'object' }
    tool({
      ...base,
      input: schema,
      run: (input) => expectTypeOf(input).toEqualTypeOf<Record<string, unknown>>(),
    })
  })

  it('P60 come from TypeBox', () => {
    interface Box {
      type: 'object'
      properties: object
      static: { a: string }
    }
    const box = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] } as unknown as Box &
      JsonSchema
    tool({ ...base, input: box, run: (input) => expectTypeOf(input).toEqualTypeOf<{ a: string }>() })
  })

  it('P73 several providers are told apart', () => {
    tool({
      ...base,
      input: z.object({}),
      auth: [
        { provider: 'slack', scopes: [] },
        { provider: 'github', scopes: ['repo'] },
      ],
      run: (_, { auth }) => {
        expectTypeOf(auth.github.fetch).returns.resolves.toEqualTypeOf<Response>()
        expectTypeOf(auth.slack.token).returns.resolves.toBeString()
        // @ts-expect-error which one?
        void auth.token
      },
    })
    tool({
      ...base,
      input: z.object({}),
      run: (_, { auth }) => {
        // @ts-expect-error no provider
        void auth.token
      },
    })
  })

  it('P68 of an object type', () => {
    const made = objectType({ name: 'a', description: 'b', schema: z.object({ n: z.number() }) })
    expectTypeOf(made.parse).returns.resolves.toEqualTypeOf<{ n: number }>()
  })
})
