// The command line from consent to disconnect, as child processes against the simulated authorization server.
import { randomBytes } from 'node:crypto'
import { chmod, readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type AuthorizationServer, startAuthorizationServer } from '../src/testing/index.ts'
import { CliFolder, type CliResult, type RunningCli } from './cli-process.ts'

let server: AuthorizationServer
let folder: CliFolder
const key = randomBytes(32).toString('base64')
const secrets = new Set<string>([key])

beforeAll(async () => {
  server = await startAuthorizationServer()
})

afterAll(() => server.close())

beforeEach(async () => {
  server.configure({
    user: 'ada',
    consent: 'approve',
    scopes: undefined,
    accessTokenSeconds: 3600,
    rotation: true,
  })
  server.clearScript()
  server.clearCounts()
  folder = await CliFolder.make(key)
  await writeConfig(folder)
  return async () => {
    // Only `token` may print a secret, and the tests that run it say so by taking its output away.
    for (const secret of server.issuedSecrets()) secrets.add(secret)
    for (const { stdout, stderr } of folder.output)
      for (const secret of secrets) expect(stdout + stderr).not.toContain(secret)
    await folder[Symbol.asyncDispose]()
  }
})

/** `[providers.acme]` is the simulator; the secret is in the secrets file. */
async function writeConfig({ write, path }: CliFolder, extra = '', auth = ''): Promise<void> {
  const { authorizationUrl, tokenUrl, revocationUrl, apiBaseUrl, issuer } = server.provider()
  const { clientId, clientSecret } = server.client()
  await write.call(
    { path },
    'toolgrant.toml',
    `tools = "./tools.ts"
user = "ada"
${extra}
[providers.acme]
name = "Acme"
issuer = "${issuer}"
authorization_url = "${authorizationUrl}"
token_url = "${tokenUrl}"
revocation_url = "${revocationUrl}"
api_base_url = "${apiBaseUrl}"
default_scopes = ["read"]
[auth.acme]
client_id = "${clientId}"
${auth}
`,
  )
  await write.call({ path }, '.secrets.toml', `[auth.acme]\nclient_secret = "${clientSecret}"\n`)
}

/** The address that a waiting `connect` asks the person to open. */
async function addressToOpen(running: RunningCli): Promise<string> {
  const [, url = ''] = await running.stderrHas(/(http:\/\/127\.0\.0\.1:\d+\/authorize\S*?)["\s]/)
  return url
}

/** Runs `connect` with the test as the person's browser. */
async function connect(...args: string[]): Promise<CliResult> {
  const running = folder.start(['connect', 'acme', ...args])
  const page = await server.browse(await addressToOpen(running))
  expect(page.status).toBe(200)
  return running.end
}

function portOf(url: string): number {
  return Number(new URL(new URL(url).searchParams.get('redirect_uri') ?? '').port)
}

/** Waits until the server has a refresh request, which it may take its time to answer. */
async function refreshSeen(): Promise<void> {
  const isRefresh = ({ params }: { params: Readonly<Record<string, string>> }) =>
    params['grant_type'] === 'refresh_token'
  while (!server.requests('token').some(isRefresh)) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** Whether a port can be listened on at once. */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}

async function listConnections(...args: string[]): Promise<Record<string, unknown>[]> {
  const { code, stdout } = await folder.run(['connections', '--json', ...args])
  expect(code).toBe(0)
  return JSON.parse(stdout)
}

describe('from consent to disconnect', () => {
  it('connects, lists, fetches, refreshes and disconnects; data on stdout, words on stderr', async () => {
    const connected = await connect('--scopes', 'read,write')
    expect(connected).toMatchObject({ code: 0, stdout: '' })
    expect(connected.stderr).toContain('Connected Acme for ada.')
    expect(connected.stderr).not.toContain('\u001b')

    const listed = await folder.run(['connections'])
    expect(listed).toMatchObject({ code: 0, stderr: '' })
    expect(listed.stdout).toMatch(/^acme +default +ada +active +\d{4}-\S+Z +read write\n$/)

    const fetched = await folder.run(['fetch', 'acme', '/me?x=1'])
    expect(fetched).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(fetched.stdout)).toMatchObject({ user: 'ada' })

    server.expireAccessTokens()
    expect((await folder.run(['fetch', 'acme', '/me'])).code).toBe(0)
    expect(server.counts).toMatchObject({ reuseViolations: 0 })

    const token = folder.start(['token', 'acme'], { input: '' })
    const printed = await token.end
    folder.output.pop()
    expect(printed).toMatchObject({ code: 0, stderr: '' })
    expect(server.isActive(printed.stdout.trim())).toBe(true)
    expect(printed.stdout).toMatch(/^\S+\n$/)

    const gone = await folder.run(['disconnect', 'acme'])
    expect(gone).toMatchObject({ code: 0, stdout: '' })
    expect(gone.stderr).toContain('the grant is revoked')
    expect(server.isActive(printed.stdout.trim())).toBe(false)
    expect(await listConnections()).toEqual([])
  })

  it('says the same with --json: one document on stdout, JSON lines on stderr', async () => {
    const running = folder.start(['connect', 'acme', '--json', '--account', 'work'])
    const [line = ''] = await running.stderrHas(/^\{"authorize".*$/m)
    const { url, redirectUri, expiresAt } = JSON.parse(line).authorize
    expect(redirectUri).toBe(new URL(url).searchParams.get('redirect_uri'))
    expect(Date.parse(expiresAt)).toBeGreaterThan(Date.now())
    await server.browse(url)
    const { code, stdout, stderr } = await running.end
    expect(code).toBe(0)
    const connection = { user: 'ada', provider: 'acme', account: 'work', status: 'active', scopes: ['read'] }
    expect(JSON.parse(stdout)).toMatchObject(connection)
    for (const each of stderr.trim().split('\n')) expect(() => JSON.parse(each)).not.toThrow()
    expect(await listConnections()).toEqual([expect.objectContaining(connection)])
    const fetched = JSON.parse((await folder.run(['--json', 'fetch', 'acme', 'x'])).stdout)
    expect(fetched).toMatchObject({ status: 200, body: { user: 'ada' } })
    expect(fetched.headers['content-type']).toContain('json')
    const token = JSON.parse((await folder.run(['token', 'acme', '--json'])).stdout)
    folder.output.pop()
    expect(Object.keys(token)).toEqual(['accessToken', 'tokenType', 'expiresAt', 'scopes'])
    const gone = JSON.parse((await folder.run(['disconnect', 'acme', '--json'])).stdout)
    expect(gone).toMatchObject({ ...connection, status: 'revoked', revoked: true })
  })

  it('keeps users and accounts apart', async () => {
    await connect('--user', 'grace', '--account', 'work')
    await connect('--user', 'grace', '--account', 'home')
    expect(await listConnections()).toEqual([])
    expect(await listConnections('--user', 'grace')).toHaveLength(2)
    expect(await listConnections('--all')).toHaveLength(2)
    const ambiguous = await folder.run(['fetch', 'acme', '/x', '--user', 'grace'])
    expect(ambiguous.code).toBe(2)
    expect(ambiguous.stderr).toContain('--account')
    expect((await folder.run(['fetch', 'acme', '/x', '--user', 'grace', '--account', 'home'])).code).toBe(0)
  })

  it('uses --user, TOOLGRANT_USER, the configuration and the login name in this order', async () => {
    await connect('--account', 'a')
    await connect('--account', 'b', '--user', 'flag')
    const running = folder.start(['connect', 'acme'], { env: { TOOLGRANT_USER: 'variable' } })
    await server.browse(await addressToOpen(running))
    await running.end
    const users = (await listConnections('--all')).map(({ user }) => user)
    expect(users.sort()).toEqual(['ada', 'flag', 'variable'])
  })

  it('P54 forgets the connection even when the grant cannot be revoked, and says so', async () => {
    await connect()
    server.script('revocation', [{ status: 503 }, { status: 503 }, { status: 503 }])
    const { code, stdout } = await folder.run(['disconnect', 'acme', '--json'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ revoked: false, why: expect.any(String) })
    expect(await listConnections()).toEqual([])
  })
})

describe('connect', () => {
  it('P23 takes the redirected address from standard input', async () => {
    const running = folder.start(['connect', 'acme', '--paste'])
    const url = await addressToOpen(running)
    const callback = await server.consent(url)
    secrets.add(new URL(callback).searchParams.get('code') ?? '')
    running.child.stdin?.write('https://example.com/?code=1&state=2\n')
    await running.stderrHas(/warning: This is not the address/)
    running.child.stdin?.write(`"${callback}"\n`)
    expect((await running.end).code).toBe(0)
    expect(await listConnections()).toHaveLength(1)
  })

  it('ends with 3 when the person refuses, and keeps nothing', async () => {
    server.configure({ consent: 'deny' })
    const running = folder.start(['connect', 'acme', '--json'])
    const page = await server.browse(await addressToOpen(running))
    expect(page.status).toBe(400)
    const { code, stdout, stderr } = await running.end
    expect([code, stdout]).toEqual([3, ''])
    expect(JSON.parse(stderr.trim().split('\n').at(-1) ?? '').error.code).toBe('access_denied')
    expect(await listConnections()).toEqual([])
  })

  it('ends with 4 when nobody comes in time', async () => {
    const { code, stderr } = await folder.run(['connect', 'acme', '--timeout', '0.2'])
    expect(code).toBe(4)
    expect(stderr).toContain('--timeout')
  })

  it.each(['SIGINT', 'SIGTERM'] as const)('%s frees the port at once and leaves no state', async (signal) => {
    const running = folder.start(['connect', 'acme'])
    const port = portOf(await addressToOpen(running))
    expect(await isFree(port)).toBe(false)
    running.child.kill(signal)
    const { code, stdout, stderr } = await running.end
    expect([code, stdout]).toEqual([signal === 'SIGINT' ? 130 : 143, ''])
    expect(stderr).toMatch(/Interrupted\.\n$/)
    expect(await isFree(port)).toBe(true)
    expect(await listConnections()).toEqual([])
    expect(server.requests('token')).toEqual([])
  })

  it('waits for a refresh that is under way when it is interrupted: its answer may hold the only refresh token', async () => {
    await connect()
    server.expireAccessTokens()
    server.configure({ latencyMs: { refresh: 1000 } })
    const running = folder.start(['fetch', 'acme', '/x'])
    await refreshSeen()
    running.child.kill('SIGINT')
    expect((await running.end).code).toBe(130)
    server.configure({ latencyMs: undefined })
    expect((await folder.run(['fetch', 'acme', '/x'])).code).toBe(0)
    expect(server.counts).toMatchObject({ refreshes: 1, reuseViolations: 0 })
  })

  it('ends at once at a second SIGINT', async () => {
    await connect()
    server.expireAccessTokens()
    server.configure({ latencyMs: { refresh: 20_000 } })
    const running = folder.start(['fetch', 'acme', '/x'])
    await refreshSeen()
    running.child.kill('SIGINT')
    await running.stderrHas(/Interrupted/)
    const before = Date.now()
    running.child.kill('SIGINT')
    expect((await running.end).code).toBe(130)
    expect(Date.now() - before).toBeLessThan(1000)
    server.configure({ latencyMs: undefined })
  })

  it('P20 says which option changes a port that is busy', async () => {
    const blocker = createServer()
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve))
    const { port } = blocker.address() as { port: number }
    const { code, stderr } = await folder.run(['connect', 'acme', '--port', String(port)])
    blocker.close()
    expect(code).toBe(2)
    expect(stderr).toContain(String(port))
    expect(stderr).toContain('--port')
  })

  it('P28 listens where the redirect URI of the configuration says, unless --port says otherwise', async () => {
    await writeConfig(folder, '[callback]\nport = 1', 'redirect_uri = "http://127.0.0.1/back"')
    const running = folder.start(['connect', 'acme'])
    const url = await addressToOpen(running)
    expect(new URL(url).searchParams.get('redirect_uri')).toMatch(/^http:\/\/127\.0\.0\.1(:\d+)?\/back$/)
    await server.browse(url)
    expect((await running.end).code).toBe(0)
  })

  it('checks the store and its key before anybody is asked', async () => {
    await connect()
    const other = randomBytes(32).toString('base64')
    const wrong = await folder.run(['connect', 'acme'], { env: { TOOLGRANT_KEY: other } })
    expect(wrong.code).toBe(5)
    expect(wrong.stderr).not.toContain('/authorize')
    expect(wrong.stderr).not.toContain(other)
  })
})

describe('fetch', () => {
  beforeEach(async () => {
    await connect()
  })

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
    server.configure({ api: undefined })
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
    server.configure({ api: undefined })
    expect(stdout).toBe(`${body}|${type}`)
  })

  it.each([
    [404, 1],
    [429, 4],
    [503, 4],
  ])('prints the body of HTTP %i and ends with %i', async (status, expected) => {
    server.configure({ api: () => ({ status, body: { problem: 'no' } }) })
    const { code, stdout, stderr } = await folder.run(['fetch', 'acme', '/x'])
    server.configure({ api: undefined })
    expect([code, stdout]).toEqual([expected, '{"problem":"no"}'])
    expect(stderr).toContain(`HTTP ${status}`)
  })

  it('streams bytes as they are, and gives them as base64 with --json', async () => {
    const bytes = Buffer.from([0xff, 0x00, 0xfe])
    server.script('api', [{ status: 200, body: 'x'.repeat(300_000) }])
    expect((await folder.run(['fetch', 'acme', '/x'])).stdout).toHaveLength(300_000)
    server.configure({ api: () => ({ body: 'text, no JSON' }) })
    expect(JSON.parse((await folder.run(['fetch', 'acme', '/x', '--json'])).stdout).body).toBe(
      'text, no JSON',
    )
    server.configure({ api: undefined })
    expect(bytes).toHaveLength(3)
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
    expect(nobody.stderr).toContain('Run: toolgrant connect acme')
    const scope = await folder.run(['token', 'acme', '--scopes', 'admin', '--json'])
    expect(scope.code).toBe(3)
    const { error } = JSON.parse(scope.stderr)
    expect(error).toMatchObject({
      code: 'missing_scope',
      next: expect.stringContaining(`--scopes 'read admin'`),
    })
  })

  it('ends with 3 once the grant is dead, and with 4 while the provider is in trouble', async () => {
    server.expireAccessTokens()
    server.script('refresh', Array(20).fill({ status: 503 }))
    expect((await folder.run(['fetch', 'acme', '/x'])).code).toBe(4)
    server.revokeGrants()
    await new Promise((resolve) => setTimeout(resolve, 1500))
    const dead = await folder.run(['fetch', 'acme', '/x', '--json'])
    expect([dead.code, JSON.parse(dead.stderr).error.code]).toEqual([3, 'needs_reconnect'])
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
    await server.browse(await addressToOpen(running))
    const { code, stdout, stderr } = await running.end
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ text: 'hi', me: { user: 'ada' } })
    expect(stderr).toContain('for people')
    const again = await folder.run(['call', 'ping', '-', '--json'], { input: '{"text":"stdin"}' })
    expect(again.code).toBe(0)
    expect(JSON.parse(again.stdout)).toMatchObject({ text: 'stdin' })
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
    await writeConfig(folder)
    const { code, stderr } = await folder.run(['tools', '--tools', 'mine.ts'])
    expect(code).toBe(2)
    expect(stderr).toContain('mine.ts')
  })
})

describe('the store', () => {
  it('ends with 5 when it cannot be used, and changes nothing', async () => {
    await connect()
    const data = join(folder.path, 'data')
    const [file = ''] = (await readdir(data)).filter((name) => name.endsWith('.db'))
    const before = await readFile(join(data, file))
    const wrong = await folder.run(['token', 'acme'], {
      env: { TOOLGRANT_KEY: randomBytes(32).toString('base64') },
    })
    expect([wrong.code, wrong.stdout]).toEqual([5, ''])
    await folder.write('broken.db', 'this is no database, and long enough to be looked at as one '.repeat(20))
    expect((await folder.run(['connections', '--vault', 'broken.db'])).code).toBe(5)
    expect(await readFile(join(data, file))).toEqual(before)
    await chmod(data, 0o700)
    expect((await folder.run(['token', 'acme'])).code).toBe(0)
    folder.output.pop()
  })
})
