// The three wire formats: a model's tool calls in, the messages that answer them out. Nothing in them is for people only.
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { AuthorizationRequiredError, StoreError } from '../errors.ts'
import type { Flow } from '../flows/index.ts'
import { Toolbox, type ToolVault, tool } from './index.ts'
import { plainJson, resultText } from './result-text.ts'

const order: string[] = []
const tools = [
  tool({
    name: 'add',
    description: 'Adds.',
    input: z.object({ a: z.number(), b: z.number() }),
    run: async ({ a, b }) => {
      await new Promise((done) => setTimeout(done, a))
      order.push(`add ${a}`)
      return a + b
    },
  }),
  tool({
    name: 'throws',
    description: 'Throws.',
    input: z.object({}),
    run: () => {
      throw new Error('it broke')
    },
  }),
  tool({ name: 'nothing', description: 'Returns nothing.', input: z.object({}), run: () => undefined }),
  tool({ name: 'text', description: 'Returns text.', input: z.object({}), run: () => 'plain "text"' }),
  tool({
    name: 'big',
    description: 'Returns a lot.',
    input: z.object({}),
    run: () => ({ rows: Array.from({ length: 1_000_000 }, (_, n) => n) }),
  }),
  tool({
    name: 'secret_of_operator',
    description: 'Cannot reach its store.',
    input: z.object({}),
    auth: { provider: 'acme', scopes: [] },
    run: () => 0,
  }),
  tool({
    name: 'paused',
    description: 'Needs consent.',
    input: z.object({}),
    auth: { provider: 'beta', scopes: ['b'] },
    run: () => 0,
  }),
]
const source = (error: Error) => ({ token: () => Promise.reject(error) })
// The narrow seam that a toolbox asks of any vault, at its two unhappiest.
const vault: ToolVault = {
  source: ({ provider }) =>
    source(
      provider === 'acme'
        ? new StoreError('store_corrupt', '/home/operator/vault.db is corrupt.')
        : new AuthorizationRequiredError('not_connected', 'not yet', { provider, scopes: ['b'] }),
    ),
  connection: async () => undefined,
  save: async () => expect.fail('nothing to save'),
  registration: async (id) => ({ provider: { id, name: 'Beta Inc.' }, client: { clientId: 'c' } }),
}
const flow: Flow = {
  start: async ({ scopes }) => ({
    url: 'https://beta.example/authorize?state=s1',
    redirectUri: 'http://127.0.0.1:1/',
    scopes: [...(scopes ?? [])],
    expiresAt: new Date(Date.now() + 60_000),
    pending: {
      version: 1,
      provider: 'beta',
      clientId: 'c',
      state: 's1',
      redirectUri: '',
      scopes: [],
      createdAt: 0,
      expiresAt: 0,
    },
    result: () => new Promise(() => {}),
    submit: async () => {},
    cancel: () => {},
  }),
}
const toolbox = new Toolbox({ tools, vault, flow, maxResultCharacters: 1000 }).for({ user: 'ada' })

const asked: [name: string, input: unknown][] = [
  ['add', { a: 30, b: 2 }],
  ['add', { a: 1, b: 1 }],
  ['throws', {}],
  ['add', { a: '1', b: 1 }],
  ['nope', {}],
  ['nothing', {}],
  ['text', {}],
  ['secret_of_operator', {}],
  ['paused', {}],
]
const authorization = {
  code: 'not_connected',
  message: expect.stringContaining('give them the link exactly as it is'),
  authorization: [
    {
      provider: 'beta',
      url: 'https://beta.example/authorize?state=s1',
      missing_scopes: ['b'],
      message: 'Open the link to connect Beta Inc.: b.',
    },
  ],
}
const answers = [
  32,
  2,
  { code: 'tool_failed', message: '"throws" failed: "it broke"' },
  {
    code: 'tool_input_invalid',
    message: expect.stringContaining('a: '),
    issues: [{ path: ['a'], message: expect.any(String) }],
  },
  { code: 'tool_unknown', message: 'There is no tool called "nope".' },
  null,
  'plain "text"',
  { code: 'store_corrupt', message: expect.stringContaining('the operator can see the reason') },
  authorization,
]
const failed = [false, false, true, true, true, false, false, true, true]

function checkText(texts: readonly string[]) {
  expect(texts.map((text, index) => (index === 6 ? text : JSON.parse(text)))).toEqual(answers)
  for (const text of texts) expect(text).not.toMatch(/vault\.db|\.ts:\d|node:internal| {4}at /)
}

describe('P80 P106 P107 answers', () => {
  it('OpenAI Chat Completions', async () => {
    order.length = 0
    const tool_calls = asked.map(([name, input], index) => ({
      id: `call_${index}`,
      type: 'function' as const,
      function: { name, arguments: JSON.stringify(input) },
    }))
    const message = { role: 'assistant' as const, content: null, tool_calls }
    const { messages, paused, required, calls } = await toolbox.answerOpenAI({ choices: [{ message }] })
    expect(messages.map(({ role, tool_call_id }) => [role, tool_call_id])).toEqual(
      tool_calls.map(({ id }) => ['tool', id]),
    )
    checkText(messages.map(({ content }) => content))
    expect(paused).toBe(true)
    expect(required.map(({ provider, url }) => [provider, url])).toEqual([
      ['beta', 'https://beta.example/authorize?state=s1'],
    ])
    expect(calls.map(({ outcome }) => !outcome.ok)).toEqual(failed)
    // At once, not one after the other; the answers keep the model's order.
    expect(order).toEqual(['add 1', 'add 30'])
    expect((await toolbox.answerOpenAI(message)).messages).toHaveLength(asked.length)
  })

  it('OpenAI Responses', async () => {
    const output = [
      { type: 'reasoning', summary: [] },
      ...asked.map(([name, input], index) => ({
        type: 'function_call',
        call_id: `call_${index}`,
        name,
        arguments: JSON.stringify(input),
      })),
      { type: 'message', content: [] },
    ]
    const { messages } = await toolbox.answerOpenAIResponses({ output })
    expect(messages.map(({ type, call_id }) => [type, call_id])).toEqual(
      asked.map((_, index) => ['function_call_output', `call_${index}`]),
    )
    checkText(messages.map((item) => item.output))
  })

  it('Anthropic', async () => {
    const content = [
      { type: 'text', text: 'Let me see.' },
      ...asked.map(([name, input], index) => ({ type: 'tool_use', id: `toolu_${index}`, name, input })),
    ]
    const { messages } = await toolbox.answerAnthropic({ content })
    expect(messages).toHaveLength(1)
    const results = messages[0]?.content ?? []
    expect(messages[0]?.role).toBe('user')
    expect(results.map(({ type, tool_use_id }) => [type, tool_use_id])).toEqual(
      asked.map((_, index) => ['tool_result', `toolu_${index}`]),
    )
    expect(results.map(({ is_error }) => is_error === true)).toEqual(failed)
    checkText(results.map((result) => result.content))
  })

  it('Gemini', async () => {
    const parts = [
      { text: 'Let me see.' },
      ...asked.map(([name, args], index) => ({
        functionCall: { ...(index === 0 ? { id: 'f0' } : {}), name, args: args as Record<string, unknown> },
      })),
    ]
    const { messages } = await toolbox.answerGemini({ candidates: [{ content: { role: 'model', parts } }] })
    expect(messages).toHaveLength(1)
    expect(messages[0]?.role).toBe('user')
    const responses = messages[0]?.parts.map(({ functionResponse }) => functionResponse) ?? []
    expect(responses.map(({ name }) => name)).toEqual(asked.map(([name]) => name))
    expect(responses.map((response) => 'id' in response && response.id)).toEqual([
      'f0',
      ...asked.slice(1).map(() => false),
    ])
    expect(responses.map(({ response }) => response)).toEqual(
      answers.map((answer, index) => (failed[index] ? { error: answer } : { output: answer })),
    )
  })

  it('what a tool met below itself is for the operator, wherever it was thrown', async () => {
    const inside = tool({
      name: 'inside',
      description: 'Its fetch cannot save a renewed token.',
      input: z.object({}),
      run: () => {
        throw new StoreError('store_read_only', '/home/operator/vault.db is read-only.')
      },
    })
    const { messages, calls } = await new Toolbox({ tools: [inside] })
      .for({ user: 'ada' })
      .answerOpenAI({ tool_calls: [{ id: '1', function: { name: 'inside', arguments: '' } }] })
    expect(calls[0]?.outcome.error?.message).toContain('read-only')
    expect(JSON.parse(messages[0]?.content ?? '')).toEqual({
      code: 'tool_failed',
      message: expect.stringContaining('the operator can see the reason'),
    })
  })

  it('messages without tool calls have no answers', async () => {
    const none = { messages: [], calls: [], paused: false, required: [] }
    expect(
      await toolbox.answerOpenAI({ choices: [{ message: { content: 'hi', tool_calls: null } }] }),
    ).toEqual(none)
    expect(await toolbox.answerOpenAI({ role: 'assistant', content: 'hi' })).toEqual(none)
    expect(await toolbox.answerOpenAIResponses([])).toEqual(none)
    expect(await toolbox.answerAnthropic([{ type: 'text' }])).toEqual(none)
    expect(await toolbox.answerGemini({ candidates: [{}] })).toEqual(none)
    expect(await toolbox.answerGemini({ parts: [{ text: 'hi' }] })).toEqual(none)
  })

  it('something else than a response is a TypeError', async () => {
    const wrong = (value: unknown) => value as never
    for (const value of [null, 'text', 7]) {
      await expect(toolbox.answerOpenAI(wrong(value))).rejects.toThrow(TypeError)
      await expect(toolbox.answerOpenAIResponses(wrong(value))).rejects.toThrow(TypeError)
      await expect(toolbox.answerAnthropic(wrong(value))).rejects.toThrow(TypeError)
      await expect(toolbox.answerGemini(wrong(value))).rejects.toThrow(TypeError)
    }
  })

  it('malformed calls are answered, not thrown', async () => {
    const tool_calls = [
      { id: 'a', type: 'custom' },
      { id: 'b', function: { name: 'add', arguments: '{"a":1' } },
      { id: 'c', function: { name: 'add', arguments: '{"a":1,"b":2}{"a":1}' } },
    ]
    const { messages } = await toolbox.answerOpenAI({ tool_calls })
    expect(messages.map(({ content }) => JSON.parse(content).code)).toEqual([
      'tool_unknown',
      'tool_input_invalid',
      'tool_input_invalid',
    ])
  })

  it('a caller who gives up ends the whole turn', async () => {
    const signal = AbortSignal.abort(new Error('enough'))
    const call = { tool_calls: [{ id: 'a', function: { name: 'text', arguments: '{}' } }] }
    await expect(toolbox.answerOpenAI(call, { signal })).rejects.toThrow('enough')
  })
})

describe('P80 results of every kind', () => {
  it('that are too long are cut, and say so', async () => {
    const { messages } = await toolbox.answerOpenAI({
      tool_calls: [{ id: '1', function: { name: 'big', arguments: '' } }],
    })
    expect(messages[0]?.content.length).toBeLessThan(1100)
    expect(messages[0]?.content).toMatch(
      /^\{"rows":\[0,1,2,.*… \[cut: the first 1000 characters of the result\]$/,
    )
    const gemini = await toolbox.answerGemini({ parts: [{ functionCall: { name: 'big' } }] })
    expect(gemini.messages[0]?.parts[0]?.functionResponse.response).toEqual({ output: messages[0]?.content })
    expect(resultText('x'.repeat(50), 10)).toEqual({
      text: 'xxxxxxxxxx… [cut: the first 10 of 50 characters of the result]',
      truncated: true,
    })
    expect(resultText('ab😀', 3).text).toMatch(/^ab… /)
  })

  const circular: Record<string, unknown> = { name: 'a' }
  circular.self = circular
  const shared = { x: 1 }
  class Money {
    readonly amount = 5n
    readonly #hidden = 'no'
    get shown() {
      return this.#hidden
    }
  }

  it.each([
    ['undefined', undefined, null],
    ['a function', () => 1, null],
    ['a symbol', Symbol('x'), null],
    ['bigint', 12n, '12'],
    ['not a number', { a: Number.NaN, b: Number.POSITIVE_INFINITY }, { a: null, b: null }],
    ['dates', new Date(0), '1970-01-01T00:00:00.000Z'],
    ['an invalid date', { a: new Date(Number.NaN) }, { a: null }],
    ['maps and sets', { m: new Map([['k', 1]]), s: new Set([1, 2]) }, { m: { k: 1 }, s: [1, 2] }],
    [
      'bytes',
      { a: new Uint8Array(5), b: new ArrayBuffer(2), c: Buffer.from('abc') },
      { a: '[binary data, 5 bytes]', b: '[binary data, 2 bytes]', c: '[binary data, 3 bytes]' },
    ],
    ['a blob', new Blob(['abcd']), '[binary data, 4 bytes]'],
    ['a circle', circular, { name: 'a', self: '[circular]' }],
    ['the same object twice', [shared, shared], [{ x: 1 }, { x: 1 }]],
    ['an error', new TypeError('no'), { name: 'TypeError', message: 'no' }],
    ['a class', new Money(), { amount: '5' }],
    ['toJSON', { toJSON: () => ({ a: 1 }) }, { a: 1 }],
    [
      'a toJSON that throws',
      {
        toJSON: () => {
          throw new Error('x')
        },
      },
      '[unreadable]',
    ],
    [
      'a response',
      new Response('body', { status: 201 }),
      '[an HTTP response, status 201; the tool should return its content]',
    ],
    ['a promise inside', [Promise.resolve(1)], ['[a promise; the tool should await it]']],
    ['keys without values', { a: undefined, b: () => 1, c: [undefined] }, { c: [null] }],
    [
      'a key named __proto__',
      JSON.parse('{"__proto__":{"a":1},"b":2}'),
      JSON.parse('{"__proto__":{"a":1},"b":2}'),
    ],
  ])('%s', (_, value, expected) => {
    expect(JSON.parse(resultText(value).text)).toEqual(expected)
    expect(JSON.parse(JSON.stringify(plainJson(value).value))).toEqual(expected)
  })

  it('nested without end', () => {
    let deep: unknown = 'end'
    for (let n = 0; n < 100_000; n++) deep = [deep]
    expect(resultText(deep).text).toContain('[nested too deep]')
  })
})
