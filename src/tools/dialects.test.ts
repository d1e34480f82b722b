// Golden schemas: many shapes, four ways to write them, every dialect.
import { describe, expect, it } from 'vitest'
import { objectType, tool } from './index.ts'
import { type Shape, shapes } from './schema-shapes.contract.ts'
import type { AnySchema } from './schema-source.ts'
import { geminiViolations, jsonSchemaViolations, openAIStrictViolations } from './vendor-rules.contract.ts'

const libraries = ['zod', 'valibot', 'arktype', 'json'] as const
const written = Object.entries(shapes).flatMap(([name, shape]) =>
  libraries.filter((library) => shape[library] !== undefined).map((library) => ({ name, library, shape })),
)

function toolOf(shape: Shape, library: (typeof libraries)[number]) {
  return tool({
    name: 'shape',
    description: 'A shape.',
    input: shape[library] as AnySchema,
    run: (input) => input,
  })
}

/** Generated names of definitions differ by library; the shape does not. */
function canonical(value: unknown): unknown {
  const text = JSON.stringify(value, (key, member) =>
    key === 'required' && Array.isArray(member) ? member.toSorted() : member,
  )
  const names = [...text.matchAll(/"#\/\$defs\/([^"]+)"/g)].map(([, name]) => name ?? '')
  const plain = [...new Set(names)].reduce(
    (json, name, index) =>
      json
        .replaceAll(`#/$defs/${name}"`, `#/$defs/D${index}"`)
        .replaceAll(`"${name}":{"type"`, `"D${index}":{"type"`),
    text,
  )
  return JSON.parse(plain)
}

function expected({ properties, required, $defs }: Shape) {
  return {
    type: 'object',
    properties,
    additionalProperties: false,
    ...(required === undefined ? {} : { required }),
    ...($defs === undefined ? {} : { $defs }),
  }
}

function isDeepFrozen(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  return Object.isFrozen(value) && Object.values(value).every(isDeepFrozen)
}

describe.each(written)('$name in $library', ({ shape, library }) => {
  const made = toolOf(shape, library)

  it('P61 P62 P65 P66 P67 is the one JSON Schema for OpenAI and Anthropic', () => {
    const golden = canonical(expected(shape))
    expect(canonical(made.jsonSchema)).toEqual(golden)
    expect(canonical(made.openai())).toEqual({
      type: 'function',
      function: { name: 'shape', description: 'A shape.', parameters: golden },
    })
    expect(canonical(made.anthropic())).toEqual({
      name: 'shape',
      description: 'A shape.',
      input_schema: golden,
    })
    expect(jsonSchemaViolations(made.jsonSchema)).toEqual([])
  })

  it('P61 keeps the rules of strict mode at every level', () => {
    const { name, strict, parameters } = made.openai({ strict: true }).function
    expect({ name, strict }).toEqual({ name: 'shape', strict: true })
    expect(openAIStrictViolations(parameters)).toEqual([])
    expect(canonical(parameters.properties)).toEqual(canonical(shape.strict))
  })

  it('P63 keeps the rules of Gemini', () => {
    const declaration = made.gemini()
    expect(geminiViolations({ ...declaration })).toEqual([])
    expect(canonical(declaration.parameters?.properties)).toEqual(canonical(shape.gemini))
    expect(declaration.parameters?.required?.toSorted()).toEqual(shape.required?.toSorted())
  })

  it('P64 P65 is frozen, the same object at each read, and survives JSON', () => {
    const read = () => [
      made.jsonSchema,
      made.gemini(),
      made.openai(),
      made.openai({ strict: true }),
      made.openaiResponses(),
      made.anthropic(),
    ]
    const first = read()
    for (const [index, value] of [...read(), ...read().reverse()].entries())
      expect(value).toBe(first[index < first.length ? index : 2 * first.length - 1 - index])
    expect(first.every(isDeepFrozen)).toBe(true)
    expect(JSON.parse(JSON.stringify(first))).toEqual(first)
  })

  it('P67 P69 accepts what a model sends, as an object and as text', async () => {
    const output = 'output' in shape ? shape.output : shape.input
    expect(await made.parse(shape.input)).toEqual(output)
    expect(await made.parse(JSON.stringify(shape.input))).toEqual(output)
    expect(await made.call(JSON.stringify(shape.input))).toEqual(output)
  })
})

describe('P68 object types', () => {
  const shape = shapes['nested objects with descriptions of their own'] as Shape
  const person = objectType({ name: 'thing', description: 'A thing.', schema: shape.zod as AnySchema })

  it('have every format for structured output', () => {
    const schema = person.jsonSchema
    expect(person.openai().function.parameters).toBe(schema)
    expect(person.anthropic()).toEqual({ name: 'thing', description: 'A thing.', input_schema: schema })
    expect(person.anthropicOutputFormat()).toEqual({ type: 'json_schema', schema })
    expect(geminiViolations({ ...person.gemini() })).toEqual([])
    const strict = person.openai({ strict: true }).function.parameters
    expect(person.openaiResponseFormat()).toEqual({
      type: 'json_schema',
      json_schema: { name: 'thing', description: 'A thing.', schema: strict, strict: true },
    })
    expect(person.openaiTextFormat()).toEqual({
      type: 'json_schema',
      name: 'thing',
      description: 'A thing.',
      schema: strict,
      strict: true,
    })
    const { responseMimeType, responseSchema } = person.geminiOutputConfig()
    expect(responseMimeType).toBe('application/json')
    expect(responseSchema).toBe(person.gemini().parameters)
    expect(person.openaiResponseFormat()).toBe(person.openaiResponseFormat())
  })

  it('read an answer back', async () => {
    expect(await person.parse('{"name":"a","owner":{"name":"b","mail":"c"}}')).toEqual({
      name: 'a',
      owner: { name: 'b', mail: 'c' },
    })
    await expect(person.parse('{"name":"a"}')).rejects.toMatchObject({ code: 'tool_input_invalid' })
  })
})
