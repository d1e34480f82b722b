// One tool, every dialect; and the same parameters written in zod, valibot, arktype and JSON Schema.
// Elsewhere: npm install zod valibot arktype.

import { type } from 'arktype'
import { tool } from 'toolgrant'
import * as v from 'valibot'
import { z } from 'zod'

const run = () => 'found'
const description = 'Search my files.'

const inZod = tool({
  name: 'search_files',
  description,
  input: z.object({
    query: z.string().describe('Words to look for.'),
    kind: z.enum(['text', 'image']).optional(),
    limit: z.int().min(1).max(50).default(10),
  }),
  run,
})

const inValibot = tool({
  name: 'search_files',
  description,
  input: v.object({
    query: v.pipe(v.string(), v.description('Words to look for.')),
    kind: v.optional(v.picklist(['text', 'image'])),
    limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(50)), 10),
  }),
  run,
})

const inArktype = tool({
  name: 'search_files',
  description,
  input: type({
    query: type.string.describe('Words to look for.'),
    'kind?': "'text' | 'image'",
    limit: '1 <= number.integer <= 50 = 10',
  }),
  run,
})

const inJsonSchema = tool({
  name: 'search_files',
  description,
  input: {
    type: 'object',
    properties: {
      query: { type: 'string', description: 'Words to look for.' },
      kind: { type: 'string', enum: ['text', 'image'] },
      limit: { type: 'integer', minimum: 1, maximum: 50, default: 10 },
    },
    required: ['query'],
  },
  run,
})

for (const each of [inZod, inValibot, inArktype, inJsonSchema])
  console.log(await each.parse('{"query":"cats"}')) // { query: 'cats', limit: 10 }

const show = (value: unknown) => console.log(JSON.stringify(value, null, 2))
show(inZod.openai())
show(inZod.openai({ strict: true }))
show(inZod.anthropic())
show(inZod.gemini())
