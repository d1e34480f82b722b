// Authorised requests and tool calls of the command line, as child processes against the simulated authorization server.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type AuthorizationServer, startAuthorizationServer } from '../src/testing/index.ts'
import { Acme } from './cli-acme.ts'
import type { CliFolder } from './cli-process.ts'

let acme: Acme
let server: AuthorizationServer
let folder: CliFolder

/** One connection for all tests of the file; those that end it come last, or make a folder of their own. */
beforeAll(async () => {
  acme = await Acme.start()
  server = acme.server
  folder = await acme.folder()
  await acme.connect(folder)
})

afterAll(async () => {
  await server.close()
  await folder[Symbol.asyncDispose]()
})

afterEach(() => {
  server.configure({ api: undefined })
  server.clearScript()
  acme.assertNoSecret(folder)
})

async function listConnections(...args: string[]): Promise<Record<string, unknown>[]> {
  const { code, stdout } = await folder.run(['connections', '--json', ...args])
  expect(code).toBe(0)
  return JSON.parse(stdout)
}

describe('fetch', () => {
  it('sends method, headers and body, and prints status and headers on request', async () => {
    server.configure({
      api: ({ method, headers, body }) => ({
        status: 201,
        headers: { 'x-answer': 'yes' },
        body: { method, type: headers['content-type'], mine: headers['x-mine'], body },
      }),
    })
    const args = ['fetch', 'acme', '/things', '-d', '{"a":1}', '-H', 'X-Mine: canary-4e5f', '-i']
    const { code, stdout, stderr } = await folder.run(args)
    expect([code, stderr]).toEqual([0, ''])
    const [head = '', body = ''] = stdout.split('\n\n')
    expect(head).toMatch(/^HTTP 201 Created\n(?:.*\n)*x-answer: yes/)
    expect(JSON.parse(body)).toEqual({
      method: 'POST',
      type: 'application/json',
      mine: 'canary-4e5f',
      body: '{"a":1}',
    })
  })

  it.each([
    [['-d', 'a=1'], 'a=1', 'application/x-www-form-urlencoded'],
    [['-d', '@body.txt'], 'from a file', 'application/x-www-form-urlencoded'],
    [['-d', '@-', '-H', 'Content-Type: text/plain', '-X', 'put'], 'from stdin', 'text/plain'],
  ])('reads the body of %j', async (args, body, type) => {
    await folder.write('body.txt', 'from a file')
    server.configure({ api: (call) => ({ body: `${call.body}|${call.headers['content-type']}` }) })
    const { stdout } = await folder.run(['fetch', 'acme', '/x', ...args], { input: 'from stdin' })
    expect(stdout).toBe(`${body}|${type}`)
  })

  it.each([
    [404, 1],
    [429, 4],
    [503, 4],
  ])('prints the body of HTTP %i and ends with %i', async (status, expected) => {
    server.configure({ api: () => ({ status, body: { problem: 'no' } }) })
    const { code, stdout, stderr } = await folder.run(['fetch', 'acme', '/x'])
    expect([code, stdout]).toEqual([expected, '{"problem":"no"}'])
    expect(stderr).toContain(`HTTP ${status}`)
  })

  it('names the scope that the API asks for, and ends with 3', async () => {
    const { code, stderr } = await folder.run(['fetch', 'acme', "/scope/it's admin"])
    expect(code).toBe(3)
    expect(stderr).toContain('HTTP 403')
    expect(stderr).toMatch(/toolgrant connect acme --scopes \S+/)
    const plain = await folder.run(['fetch', 'acme', '/scope/admin'])
    expect(plain.stderr).toContain('toolgrant connect acme --scopes admin')
  })

  it('streams the body: the beginning is there before the end was sent', async () => {
    let finish = () => {}
    const api = createServer((_request, response) => {
      response.write('begin ')
      finish = () => response.end('end')
    })
    await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve))
    const host = `127.0.0.1:${(api.address() as AddressInfo).port}`
    const running = folder.start(['fetch', 'acme', `http://${host}/`, '--allow-host', host])
    await expect.poll(() => running.written.stdout, { timeout: 10_000 }).toBe('begin ')
    finish()
    expect(await running.end).toMatchObject({ code: 0, stdout: 'begin end' })
    api.close()
  })

  it.each([
    ['text, no JSON', { body: 'text, no JSON' }],
    ['[1, 2]', { body: [1, 2] }],
    [Buffer.from([0xff, 0x00, 0xfe]), { bodyBase64: '/wD+' }],
  ])('gives the body %o with --json as %o', async (body, expected) => {
    const api = createServer((_request, response) => response.end(body))
    await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve))
    const host = `127.0.0.1:${(api.address() as AddressInfo).port}`
    const { code, stdout } = await folder.run([
      'fetch',
      'acme',
      `http://${host}/`,
      '--allow-host',
      host,
      '--json',
    ])
    api.close()
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ status: 200, ...expected })
  })

  it('does not send the token to another host, unless --allow-host names it', async () => {
    const other = await startAuthorizationServer()
    const refused = await folder.run(['fetch', 'acme', `${other.url}/api/x`])
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('--allow-host')
    expect(other.requests()).toEqual([])
    await folder.run(['fetch', 'acme', `${other.url}/api/x`, '--allow-host', new URL(other.url).host])
    expect(other.requests('api')).not.toEqual([])
    await other.close()
  })

  it('ends with 3 and names the command when nothing is connected, or a scope is missing', async () => {
    const nobody = await folder.run(['fetch', 'acme', '/x', '--user', 'nobody'])
    expect([nobody.code, nobody.stdout]).toEqual([3, ''])
    expect(nobody.stderr).toContain('Run: toolgrant connect acme --user nobody\n')
    const scope = await folder.run(['token', 'acme', '--scopes', 'admin', '--json'])
    expect(scope.code).toBe(3)
    const { error } = JSON.parse(scope.stderr)
    expect(error).toMatchObject({
      code: 'missing_scope',
      next: expect.stringContaining(`--scopes 'read admin'`),
    })
  })

  it.each(['TRACE', 'connect', 'a b'])('ends with 2 for the method %j', async (method) => {
    const { code, stderr } = await folder.run(['fetch', 'acme', '/x', '-X', method])
    expect([code, stderr]).toEqual([2, expect.stringContaining('-X takes one word')])
  })

  it('ends with 4 when no answer comes', async () => {
    server.script('api', [{ drop: true }])
    const { code, stderr } = await folder.run(['fetch', 'acme', '/x', '--json'])
    expect([code, JSON.parse(stderr).error.code]).toEqual([4, 'network'])
  })
})

/** A module with one tool, made by the sources of this checkout. */
function toolsModule(rest: string, name = 'ping'): string {
  const tools = new URL('../src/tools/index.ts', import.meta.url).href
  return `import { tool } from '${tools}'
type Unused = { erased: true }
export const ping = tool({
  name: '${name}',
  description: 'Answers with what it was sent.',
  input: { type: 'object', properties: { text: { type: 'string' } }, additionalProperties: false },
  ${rest},
})
export const other = 1
`
}

describe('tools and call', () => {
  const withAuth = `auth: { provider: 'acme', scopes: ['read', 'notes'] },
  run: async ({ text }: { text?: string }, { fetch }) => { console.log('for people'); return { text, me: await (await fetch('/me')).json() } }`

  it('lists the tools and their schemas', async () => {
    await folder.write('tools.ts', toolsModule(withAuth))
    const listed = await folder.run(['tools'])
    expect(listed).toMatchObject({ code: 0, stderr: '' })
    expect(listed.stdout).toBe('ping  acme  read notes  Answers with what it was sent.\n')
    const [openai] = JSON.parse((await folder.run(['tools', '--schema', 'openai'])).stdout)
    expect(openai).toMatchObject({ type: 'function', function: { name: 'ping' } })
    const [anthropic] = JSON.parse((await folder.run(['tools', '--schema', 'anthropic'])).stdout)
    expect(anthropic).toMatchObject({ name: 'ping', input_schema: { type: 'object' } })
    const [record] = JSON.parse((await folder.run(['tools', '--json'])).stdout)
    expect(record).toMatchObject({ name: 'ping', auth: [{ provider: 'acme', scopes: ['read', 'notes'] }] })
  })

  it('names the consent that a call lacks, then asks for it with --connect, then runs', async () => {
    await folder.write('tools.ts', toolsModule(withAuth))
    const paused = await folder.run(['call', 'ping', '{"text":"hi"}'])
    expect([paused.code, paused.stdout]).toEqual([3, ''])
    expect(paused.stderr).toContain(`Run: toolgrant connect acme --scopes 'read notes'`)
    const running = folder.start(['call', 'ping', '{"text":"hi"}', '--connect'])
    const { code, stdout, stderr } = await acme.consent(running)
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ text: 'hi', me: { user: 'ada' } })
    expect(stderr).toContain('for people')
    const again = await folder.run(['call', 'ping', '-', '--json'], { input: '{"text":"stdin"}' })
    expect(again.code).toBe(0)
    expect(JSON.parse(again.stdout)).toMatchObject({ text: 'stdin' })
  })

  it('asks for the sign-in that the API wants, with --connect, once', async () => {
    const authorizations = () => server.requests('authorization').map(({ params }) => params['acr_values'])
    const challenge = 'Bearer error="insufficient_user_authentication", acr_values="mfa", max_age="60"'
    server.configure({
      api: () =>
        authorizations().includes('mfa')
          ? { body: { user: 'ada' } }
          : { status: 401, headers: { 'www-authenticate': challenge } },
    })
    await folder.write('tools.ts', toolsModule(withAuth))
    const paused = await folder.run(['call', 'ping'])
    expect(paused.code).toBe(3)
    expect(paused.stderr).toMatch(/wants the person to sign in again for this/)
    expect(paused.stderr).toContain('Run the same with --connect')
    const { code, stdout } = await acme.consent(folder.start(['call', 'ping', '--connect']))
    expect([code, JSON.parse(stdout)]).toEqual([0, { me: { user: 'ada' } }])
    expect(authorizations().filter((acr) => acr === 'mfa')).toHaveLength(1)
  })

  it('keeps stdout for the result, whatever a tool prints and how', async () => {
    const run = `run: async () => {
      console.log('one', { a: 1 })
      console.error('two')
      ;(await import('node:console')).default.log('three')
      process.stdout.write('fo')
      process.stdout.write('ur\\nfive')
      return [1]
    }`
    await folder.write('tools.ts', toolsModule(run))
    const plain = await folder.run(['call', 'ping'])
    expect(plain).toEqual({
      code: 0,
      stdout: '[\n  1\n]\n',
      stderr: 'one { a: 1 }\ntwo\nthree\nfour\nfive\n',
    })
    const { stdout, stderr } = await folder.run(['call', 'ping', '--json'])
    expect(stdout).toBe('[1]\n')
    const logged = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).log)
    expect(logged).toEqual(['one { a: 1 }', 'two', 'three', 'four', 'five'])
  })

  it('suggests the tool that was probably meant', async () => {
    await folder.write('tools.ts', toolsModule("run: () => 'text'", 'list_guilds'))
    const { code, stderr } = await folder.run(['call', 'list_gilds'])
    expect(code).toBe(2)
    expect(stderr).toContain('There is no tool called "list_gilds". Did you mean list_guilds?')
    expect((await folder.run(['call', 'something_else'])).stderr).not.toContain('Did you mean')
  })

  it('call --connect waits as long as --timeout says, and opens no browser with --no-browser', async () => {
    await folder.write('tools.ts', toolsModule(withAuth))
    const args = ['call', 'ping', '--user', 'late', '--connect', '--no-browser', '--timeout', '0.2']
    const { code, stdout, stderr } = await folder.run(args)
    expect([code, stdout]).toEqual([4, ''])
    expect(stderr).toContain('/authorize')
  })

  it.each([
    ["run: () => 'text'", [], 'text\n'],
    ["run: () => 'text'", ['--json'], '"text"\n'],
    ['run: () => undefined', [], 'null\n'],
    ['run: () => [1]', ['--json'], '[1]\n'],
  ])('prints the result of %s %j', async (run, args, expected) => {
    await folder.write('tools.ts', toolsModule(run))
    expect(await folder.run(['call', 'ping', ...args])).toEqual({ code: 0, stdout: expected, stderr: '' })
  })

  it.each([
    ['ping', '{"text":7}', 2, 'tool_input_invalid'],
    ['pong', '{}', 2, 'tool_unknown'],
    ['ping', '{}', 1, 'tool_failed'],
  ])('call %s %s ends with %i: %s', async (name, input, expected, code) => {
    await folder.write('tools.ts', toolsModule(`run: () => { throw new Error('the guild is gone') }`))
    const result = await folder.run(['call', name, input, '--json'])
    expect([result.code, result.stdout]).toEqual([expected, ''])
    const { error } = JSON.parse(result.stderr)
    expect(error.code).toBe(code)
    if (code === 'tool_failed') expect(error.message).toContain('the guild is gone')
  })

  it.each([
    ['export const x = 1', 'exports no tool'],
    ["throw new Error('boom')", 'cannot be loaded: boom'],
    ['enum X { a }', 'cannot be loaded'],
  ])('explains a module that is %j', async (text, message) => {
    await folder.write('tools.ts', text)
    const { code, stderr } = await folder.run(['tools'])
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  })

  it('says which key names the module when it is missing', async () => {
    expect((await folder.run(['tools'])).stderr).toContain(join(folder.path, 'tools.ts'))
    await acme.configure(folder)
    const { code, stderr } = await folder.run(['tools', '--tools', 'mine.ts'])
    expect(code).toBe(2)
    expect(stderr).toContain('mine.ts')
  })
})

describe('a grant that ends', () => {
  it('ends with 4 while the provider is in trouble, and keeps the connection', async () => {
    server.expireAccessTokens()
    server.script('refresh', Array(20).fill({ status: 503 }))
    const { code, stderr } = await folder.run(['fetch', 'acme', '/x', '--json'])
    expect([code, JSON.parse(stderr).error.code]).toEqual([4, 'refresh_failed'])
    expect(await listConnections()).toMatchObject([{ status: 'active' }])
  })

  it('ends with 3 once the grant is dead', async () => {
    await acme.connect(folder)
    server.revokeGrants()
    const dead = await folder.run(['fetch', 'acme', '/x', '--json'])
    expect([dead.code, JSON.parse(dead.stderr).error.code]).toEqual([3, 'needs_reconnect'])
    expect(await listConnections()).toMatchObject([{ status: 'needs_reconnect' }])
  })
})
