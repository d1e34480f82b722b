// What a model sends, and what is made of it: text or object, strict or lax, known keys only.
import { type as arktype } from 'arktype'
import fc from 'fast-check'
import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ToolInputError } from '../errors.ts'
import { type AnySchema, tool } from './index.ts'

function parserFor(input: AnySchema, strict?: boolean) {
  const made = tool({
    name: 'probe',
    description: 'Probes.',
    input,
    ...(strict === undefined ? {} : { strict }),
    run: (value) => value,
  })
  return (given: unknown) => made.parse(given as string)
}

async function refusal(attempt: Promise<unknown>): Promise<ToolInputError> {
  const error = await attempt.then(
    (value) => expect.fail(`accepted: ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(ToolInputError)
  return error as ToolInputError
}

const counted = {
  zod: z.object({ n: z.number() }),
  valibot: v.object({ n: v.number() }),
  arktype: arktype({ n: 'number' }),
  json: { type: 'object', properties: { n: { type: 'number' } }, required: ['n'] },
} satisfies Record<string, AnySchema>

describe.each(Object.entries(counted))('with %s', (_, schema) => {
  it('P69 rejects "7" for a number when strict, which is the default', async () => {
    const error = await refusal(parserFor(schema)({ n: '7' }))
    expect(error.issues.map(({ path }) => path)).toEqual([['n']])
    expect(error.code).toBe('tool_input_invalid')
  })

  it('P69 coerces in lax mode', async () => {
    expect(await parserFor(schema, false)({ n: ' 7 ' })).toEqual({ n: 7 })
    expect(await parserFor(schema, false)('{"n":"7.5e1"}')).toEqual({ n: 75 })
    await refusal(parserFor(schema, false)({ n: 'seven' }))
    await refusal(parserFor(schema, false)({ n: '' }))
    await refusal(parserFor(schema, false)({ n: 'Infinity' }))
  })

  it('P69 lets one parse override the mode', async () => {
    const made = tool({ name: 'probe', description: 'Probes.', input: schema, run: (value) => value })
    expect(await made.parse('{"n":"7"}', { strict: false })).toEqual({ n: 7 })
  })

  it('P70 rejects an unknown key with its path', async () => {
    const error = await refusal(parserFor(schema)({ n: 1, thread_id: 'x', profile: 'y' }))
    expect(error.issues.map(({ path }) => path)).toEqual([['thread_id'], ['profile']])
    expect(error.message).toContain('thread_id: is an unknown key; the known ones are "n"')
  })

  it('P70 says what is wrong with text that is no JSON object', async () => {
    for (const text of ['{', '[]', '7', 'null x', '"{}"', '{"n":1}{']) {
      const error = await refusal(parserFor(schema)(text))
      expect(error.issues).toHaveLength(1)
      expect(error.issues[0]?.path).toEqual([])
    }
  })

  it('P75 P89 rejects what the model supplies for reserved names and identity', async () => {
    for (const key of [
      'user',
      'subject',
      'thread_id',
      'profile',
      'ctx',
      'access_token',
      'GITHUB_TOKEN',
      '__proto__',
      'constructor',
    ]) {
      const error = await refusal(parserFor(schema)(`{"n":1,${JSON.stringify(key)}:{"admin":true}}`))
      expect(error.issues.map(({ path }) => path)).toEqual([[key]])
    }
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })
})

describe('unknown keys', () => {
  const nested = z.object({
    filter: z.object({ tags: z.array(z.object({ id: z.string() })), any: z.record(z.string(), z.number()) }),
  })

  it('P70 are found at every level, each with its path', async () => {
    const given = { filter: { tags: [{ id: 'a' }, { id: 'b', x: 1 }], any: { free: 1 }, y: 2 }, z: 3 }
    const error = await refusal(parserFor(nested)(given))
    expect(error.issues.map(({ path }) => path.join('.'))).toEqual(['filter.tags.1.x', 'filter.y', 'z'])
  })

  it('P70 leave the caller’s own object as it was', async () => {
    const given = { filter: { tags: [{ id: 'a', x: 1 }], any: {} } }
    await refusal(parserFor(nested)(given))
    expect(given).toEqual({ filter: { tags: [{ id: 'a', x: 1 }], any: {} } })
  })

  const pet = z.union([
    z.object({ kind: z.literal('cat'), lives: z.number() }),
    z.object({ kind: z.literal('dog'), tricks: z.array(z.object({ name: z.string() })) }),
  ])

  it('P70 are judged by the branch of a union that fits', async () => {
    const parse = parserFor(z.object({ pet }))
    expect(await parse({ pet: { kind: 'dog', tricks: [{ name: 'sit' }] } })).toEqual({
      pet: { kind: 'dog', tricks: [{ name: 'sit' }] },
    })
    const error = await refusal(
      parse({ pet: { kind: 'dog', tricks: [{ name: 'sit', hard: true }], lives: 9 } }),
    )
    expect(error.issues.map(({ path }) => path.join('.'))).toEqual(['pet.tricks.0.hard', 'pet.lives'])
  })

  it('P70 are not taken from two branches at once, even where the library would drop one', async () => {
    const parse = parserFor(
      z.object({ at: z.union([z.object({ x: z.number() }), z.object({ y: z.number() })]) }),
    )
    expect(await parse({ at: { y: 1 } })).toEqual({ at: { y: 1 } })
    expect((await refusal(parse({ at: { x: 1, y: 2 } }))).issues).toHaveLength(1)
  })

  it('P70 are found inside recursive types', async () => {
    const Node = z.object({
      name: z.string(),
      get next() {
        return Node.optional()
      },
    })
    const error = await refusal(
      parserFor(Node)({ name: 'a', next: { name: 'b', next: { name: 'c', oops: 1 } } }),
    )
    expect(error.issues.map(({ path }) => path.join('.'))).toEqual(['next.next.oops'])
  })

  it('are allowed where the schema says so, below the root', async () => {
    const parse = parserFor(z.object({ extra: z.looseObject({ id: z.number() }) }))
    expect(await parse({ extra: { id: 1, more: [1] } })).toEqual({ extra: { id: 1, more: [1] } })
  })
})

describe('what the library does', () => {
  it('P67 defaults and transformations are applied', async () => {
    const input = z.object({
      limit: z.number().default(50),
      tag: z.string().transform((text) => text.length),
    })
    expect(await parserFor(input)({ tag: 'abc' })).toEqual({ limit: 50, tag: 3 })
    const json = {
      type: 'object',
      properties: { a: { type: 'object', properties: { b: { type: 'number', default: 2 } }, default: {} } },
    } as const
    expect(await parserFor(json)({ a: {} })).toEqual({ a: { b: 2 } })
  })

  it('asynchronous validation is awaited', async () => {
    const input = z.object({ name: z.string().refine(async (name) => name !== 'taken', 'is taken') })
    expect(await parserFor(input)({ name: 'free' })).toEqual({ name: 'free' })
    expect((await refusal(parserFor(input)({ name: 'taken' }))).message).toContain('name: is taken')
  })

  it('reports unknown keys and wrong values together', async () => {
    const error = await refusal(parserFor(counted.zod)({ n: 'x', m: 1 }))
    expect(error.issues.map(({ path }) => path.join('.')).toSorted()).toEqual(['m', 'n'])
  })

  it('keeps dates that a developer passes as dates', async () => {
    const when = new Date(0)
    expect(await parserFor(z.object({ when: z.date() }))({ when })).toEqual({ when })
    expect(
      (await refusal(parserFor(z.object({ when: z.date() }))({ when: 'soon' }))).issues[0]?.path,
    ).toEqual(['when'])
  })

  it('JSON Schema formats and patterns hold', async () => {
    const parse = parserFor({
      type: 'object',
      properties: {
        mail: { type: 'string', format: 'email' },
        code: { type: 'string', pattern: '^[a-z]+$' },
      },
    })
    expect(await parse({ mail: 'ada@example.com', code: 'abc' })).toBeTruthy()
    const error = await refusal(parse({ mail: 'ada', code: '1' }))
    expect(error.issues.map(({ path }) => path.join('.'))).toEqual(['mail', 'code'])
  })

  it('what is too long meets no pattern: one of them may take for ever over it', async () => {
    const text = { type: 'string', maxLength: 20, pattern: '^(\\w+\\s?)*$' }
    const parse = parserFor({ type: 'object', properties: { text } })
    const { issues } = await refusal(parse({ text: `${'a'.repeat(24)}!` }))
    expect(issues).toEqual([{ path: ['text'], message: expect.stringContaining('more than 20 characters') }])
  })

  it.each([
    ['a URL', { type: 'string', format: 'url' }, `http://[${'1:'.repeat(50_000)}`, 'https://acme.example/x'],
    [
      'a list without doubles',
      { type: 'array', items: { type: 'object', additionalProperties: true }, uniqueItems: true },
      [{ n: 0 }, ...Array.from({ length: 20_000 }, (_, n) => ({ n }))],
      [{}],
    ],
  ])('takes time in proportion to the length of %s', async (_, schema, hostile, good) => {
    const parse = parserFor({ type: 'object', properties: { value: schema } })
    expect(await parse({ value: good })).toEqual({ value: good })
    const begun = performance.now()
    await refusal(parse({ value: hostile }))
    expect(performance.now() - begun).toBeLessThan(1000)
  })

  it('doubles are doubles in whatever order their members are', async () => {
    const list = { type: 'array', uniqueItems: true, items: { type: 'object', additionalProperties: true } }
    const parse = parserFor({ type: 'object', properties: { list } })
    expect(
      await parse({
        list: [
          { a: 1, b: 2 },
          { a: 2, b: 1 },
        ],
      }),
    ).toBeTruthy()
    const { issues } = await refusal(
      parse({
        list: [
          { a: 1, b: 2 },
          { b: 2, a: 1 },
        ],
      }),
    )
    expect(issues).toEqual([{ path: ['list'], message: 'must not have the same item twice' }])
  })
})

describe('lax mode', () => {
  const parse = parserFor(
    {
      type: 'object',
      properties: {
        flag: { type: 'boolean' },
        text: { type: 'string' },
        list: { type: 'array', items: { type: 'integer' } },
        sub: { type: 'object', properties: { n: { type: 'number' } } },
        either: { anyOf: [{ type: 'number' }, { type: 'boolean' }] },
        size: { enum: [1, 2] },
        gone: { type: 'null' },
      },
    },
    false,
  )

  it.each([
    [{ flag: 'true' }, { flag: true }],
    [{ text: 7 }, { text: '7' }],
    [{ list: '[1,"2"]' }, { list: [1, 2] }],
    [{ sub: '{"n":"1"}' }, { sub: { n: 1 } }],
    [{ either: 'false' }, { either: false }],
    [{ size: '2' }, { size: 2 }],
    [{ gone: 'null' }, { gone: null }],
  ])('P69 reads %j', async (given, read) => {
    expect(await parse(given)).toEqual(read)
  })

  it.each([
    { flag: 'yes' },
    { list: '{}' },
    { size: '3' },
    { sub: '{"m":1}' },
    { sub: '{"__proto__":{"n":1},"m":2}' },
  ])('P69 does not guess %j', async (given) => {
    await refusal(parse(given))
  })
})

describe('limits', () => {
  const parse = parserFor(z.object({ any: z.unknown() }))

  it('refuse text that is too long, nested too deep, or a value that contains itself', async () => {
    expect((await refusal(parse(`{"any":"${'x'.repeat(1_048_576)}"}`))).message).toContain('longer than')
    expect((await refusal(parse(`{"any":${'['.repeat(5000)}${']'.repeat(5000)}}`))).message).toContain(
      'nested deeper',
    )
    const loop: Record<string, unknown> = {}
    loop.any = loop
    expect((await refusal(parse(loop))).message).toContain('refer to themselves')
    expect((await refusal(parse({ any: Array.from({ length: 200_001 }, () => 0) }))).message).toContain(
      'more than',
    )
  })

  it('hold for text inside text in lax mode', async () => {
    const Node = z.object({
      get next() {
        return Node.optional()
      },
    })
    const deep = (levels: number) => `${'{"next":'.repeat(levels)}{}${'}'.repeat(levels)}`
    await refusal(parserFor(Node, false)({ next: deep(3000) }))
    expect((await refusal(parserFor(Node, false)({ next: deep(200) }))).message).toContain('nested deeper')
  })

  it('a key that a model made up is quoted, and not at length', async () => {
    const { message, issues } = await refusal(
      parserFor(counted.zod)({ n: 1, ['x\u001b[31m'.repeat(10_000)]: 1 }),
    )
    expect(message.length).toBeLessThan(1000)
    expect(message).not.toContain('\u001b')
    expect(issues).toHaveLength(1)
  })

  it('P70 no text crashes the parser', async () => {
    const probe = parserFor(counted.json, false)
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.json(), fc.jsonValue()), async (given) => {
        const outcome = await probe(given).catch((error: unknown) => error)
        return outcome instanceof ToolInputError || typeof (outcome as { n?: unknown }).n === 'number'
      }),
      { numRuns: 300 },
    )
  })

  it('an input that fits JSON Schema is never refused for its keys', async () => {
    const values = fc.record(
      {
        a: fc.oneof(
          fc.record({ x: fc.integer() }),
          fc.record({ x: fc.string(), y: fc.boolean() }),
          fc.constant(null),
        ),
        b: fc.array(fc.oneof(fc.string(), fc.record({ k: fc.constantFrom('p', 'q') }))),
      },
      { requiredKeys: [] },
    )
    const union = parserFor({
      type: 'object',
      properties: {
        a: {
          anyOf: [
            { type: 'object', properties: { x: { type: 'integer' } }, required: ['x'] },
            {
              type: 'object',
              properties: { x: { type: 'string' }, y: { type: 'boolean' } },
              required: ['x', 'y'],
            },
            { type: 'null' },
          ],
        },
        b: {
          type: 'array',
          items: { anyOf: [{ type: 'string' }, { type: 'object', properties: { k: { enum: ['p', 'q'] } } }] },
        },
      },
    })
    await fc.assert(
      fc.asyncProperty(values, async (value) => {
        expect(await union(value)).toEqual(value)
      }),
      { numRuns: 200 },
    )
  })
})
