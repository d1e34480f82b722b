// The command line from consent to disconnect, as child processes against the simulated authorization server.
import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { AuthorizationServer } from '../src/testing/index.ts'
import { Acme } from './cli-acme.ts'
import type { CliFolder, RunningCli } from './cli-process.ts'
import { startOidcServer } from './servers/oidc.ts'

let acme: Acme
let server: AuthorizationServer
let folder: CliFolder

beforeAll(async () => {
  acme = await Acme.start()
  server = acme.server
})

afterAll(() => server.close())

beforeEach(async () => {
  server.configure({ consent: 'approve', latencyMs: undefined })
  server.clearScript()
  server.clearCounts()
  folder = await acme.folder()
})

afterEach(async () => {
  acme.assertNoSecret(folder)
  await folder[Symbol.asyncDispose]()
})

function portOf(url: string): number {
  return Number(new URL(new URL(url).searchParams.get('redirect_uri') ?? '').port)
}

/** Waits until the server has a refresh request, which it may take its time to answer. */
async function refreshSeen(): Promise<void> {
  const isRefresh = ({ params }: { params: Readonly<Record<string, string>> }) =>
    params['grant_type'] === 'refresh_token'
  while (!server.requests('token').some(isRefresh)) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** `talk` never stops writing to stderr, `crash` throws where nobody catches; both call the API. */
const troublesomeTools = `import { tool } from '${new URL('../src/tools/index.ts', import.meta.url).href}'
const named = (name: string) => tool({
  name,
  description: 'Makes trouble.',
  input: { type: 'object', properties: {} },
  auth: { provider: 'acme', scopes: ['read'] },
  run: async (_input: object, { fetch }) => (await fetch('/x')).json(),
})
export const tools = [named('talk'), named('crash')]
if (process.argv.includes('talk')) setInterval(() => console.log('…'), 50)
if (process.argv.includes('crash')) setTimeout(() => { throw new Error('stray') }, 800)
`

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
    const connected = await acme.connect(folder, '--scopes', 'read,write')
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

  it('prints no control characters of the configuration', async () => {
    const user = ['--user', 'a\u001b[31mda']
    const { stderr } = await acme.connect(folder, ...user)
    const gone = await folder.run(['disconnect', 'acme', ...user])
    expect(stderr + gone.stderr).toMatch(/Connected Acme for a.\[31mda.*Disconnected acme for a.\[31mda/s)
    expect(stderr + gone.stderr).not.toContain('\u001b')
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
    await acme.connect(folder, '--user', 'grace', '--account', 'work')
    await acme.connect(folder, '--user', 'grace', '--account', 'home')
    expect(await listConnections()).toEqual([])
    expect(await listConnections('--user', 'grace')).toHaveLength(2)
    expect(await listConnections('--all')).toHaveLength(2)
    const ambiguous = await folder.run(['fetch', 'acme', '/x', '--user', 'grace'])
    expect(ambiguous.code).toBe(2)
    expect(ambiguous.stderr).toContain('--account')
    expect((await folder.run(['fetch', 'acme', '/x', '--user', 'grace', '--account', 'home'])).code).toBe(0)
  })

  it('uses --user, TOOLGRANT_USER, the configuration and the login name in this order', async () => {
    await acme.connect(folder, '--account', 'a')
    await acme.connect(folder, '--account', 'b', '--user', 'flag')
    const running = folder.start(['connect', 'acme'], { env: { TOOLGRANT_USER: 'variable' } })
    await server.browse(await acme.addressToOpen(running))
    await running.end
    const users = (await listConnections('--all')).map(({ user }) => user)
    expect(users.sort()).toEqual(['ada', 'flag', 'variable'])
  })

  it('P54 forgets the connection even when the grant cannot be revoked, and says so', async () => {
    await acme.connect(folder)
    server.script('revocation', [{ status: 503 }, { status: 503 }, { status: 503 }])
    const { code, stdout } = await folder.run(['disconnect', 'acme', '--json'])
    expect(code).toBe(4)
    expect(JSON.parse(stdout)).toMatchObject({ revoked: false, revocable: true, why: expect.any(String) })
    expect(await listConnections()).toEqual([])
  })
})

describe('connect', () => {
  it('P23 takes the redirected address from standard input', async () => {
    const running = folder.start(['connect', 'acme', '--paste'])
    const url = await acme.addressToOpen(running)
    const callback = await server.consent(url)
    acme.secrets.add(new URL(callback).searchParams.get('code') ?? '')
    running.child.stdin?.write('https://example.com/?code=1&state=2\n')
    await running.stderrHas(/warning: This is not the address/)
    running.child.stdin?.write(`"${callback}"\n`)
    expect((await running.end).code).toBe(0)
    expect(await listConnections()).toHaveLength(1)
  })

  it('ends with 3 when the person refuses, and keeps nothing', async () => {
    server.configure({ consent: 'deny' })
    const running = folder.start(['connect', 'acme', '--json'])
    const page = await server.browse(await acme.addressToOpen(running))
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

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s frees the port at once and leaves no state', async (signal, expected) => {
    const running = folder.start(['connect', 'acme'])
    const port = portOf(await acme.addressToOpen(running))
    expect(await isFree(port)).toBe(false)
    running.child.kill(signal)
    const { code, stdout, stderr } = await running.end
    expect([code, stdout]).toEqual([expected, ''])
    expect(stderr).toMatch(/Interrupted\.\n$/)
    expect(await isFree(port)).toBe(true)
    expect(await listConnections()).toEqual([])
    expect(server.requests('token')).toEqual([])
  })

  it('waits for a refresh that is under way when it is interrupted: its answer may hold the only refresh token', async () => {
    await acme.connect(folder)
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

  const endings: [string, string[], number, (running: RunningCli) => void][] = [
    [
      'Ctrl-C that npx sends once more',
      ['fetch', 'acme', '/x'],
      130,
      ({ child }) => {
        child.kill('SIGINT')
        setTimeout(() => child.kill('SIGINT'), 20)
      },
    ],
    ['reader of stderr that goes away', ['call', 'talk'], 141, ({ child }) => void child.stderr?.destroy()],
    ['tool that throws behind its call', ['call', 'crash'], 1, () => {}],
  ]
  it.each(endings)('loses no refresh to a %s', async (_name, args, code, end) => {
    await acme.connect(folder)
    await folder.write('tools.ts', troublesomeTools)
    server.expireAccessTokens()
    server.configure({ latencyMs: { refresh: 1500 } })
    const running = folder.start(args)
    await refreshSeen()
    end(running)
    expect((await running.end).code).toBe(code)
    server.configure({ latencyMs: undefined })
    expect((await folder.run(['fetch', 'acme', '/x'])).code).toBe(0)
    expect(server.counts).toMatchObject({ refreshes: 1, reuseViolations: 0 })
  })

  it('ends at once at a second SIGINT', async () => {
    await acme.connect(folder)
    server.expireAccessTokens()
    server.configure({ latencyMs: { refresh: 20_000 } })
    const running = folder.start(['fetch', 'acme', '/x'])
    await refreshSeen()
    running.child.kill('SIGINT')
    await running.stderrHas(/Interrupted/)
    await new Promise((resolve) => setTimeout(resolve, 300))
    const before = Date.now()
    running.child.kill('SIGINT')
    expect((await running.end).code).toBe(130)
    expect(Date.now() - before).toBeLessThan(1000)
    server.configure({ latencyMs: undefined })
  })

  it('does not wait for an input that never ends', async () => {
    await acme.connect(folder)
    const running = folder.start(['fetch', 'acme', '/x', '-d', '@-'])
    await new Promise((resolve) => setTimeout(resolve, 1500))
    running.child.kill('SIGINT')
    expect((await running.end).code).toBe(130)
  })

  it('P7 listens with https and a certificate of its own', async () => {
    const running = folder.start(['connect', 'acme', '--https', '--port', '0'])
    const url = await acme.addressToOpen(running)
    expect(new URL(url).searchParams.get('redirect_uri')).toMatch(/^https:\/\/localhost:\d+\/$/)
    expect((await server.browse(url)).status).toBe(200)
    expect((await running.end).code).toBe(0)
    expect(running.written.stderr).toContain('certificate of localhost')
  })

  it('shows where an error came from with TOOLGRANT_DEBUG=1, and no secret', async () => {
    server.script('token', [{ error: 'invalid_client' }])
    const running = folder.start(['connect', 'acme'], { env: { TOOLGRANT_DEBUG: '1' } })
    await server.browse(await acme.addressToOpen(running))
    const { code, stderr } = await running.end
    expect(code).toBe(4)
    expect(stderr).toContain('Check the client id')
    expect(stderr).toMatch(/TokenEndpointError.*\n {4}at /)
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
    await acme.configure(folder, {
      top: '[callback]\nport = 1',
      auth: 'redirect_uri = "http://127.0.0.1/back"',
    })
    const running = folder.start(['connect', 'acme'])
    const url = await acme.addressToOpen(running)
    expect(new URL(url).searchParams.get('redirect_uri')).toMatch(/^http:\/\/127\.0\.0\.1(:\d+)?\/back$/)
    await server.browse(url)
    expect((await running.end).code).toBe(0)
  })

  it('checks the store and its key before anybody is asked', async () => {
    await acme.connect(folder)
    const other = randomBytes(32).toString('base64')
    const wrong = await folder.run(['connect', 'acme'], { env: { TOOLGRANT_KEY: other } })
    expect(wrong.code).toBe(5)
    expect(wrong.stderr).not.toContain('/authorize')
    expect(wrong.stderr).not.toContain(other)
  })
})

describe('the store', () => {
  it('ends with 5 when it cannot be used, and changes nothing', async () => {
    await acme.connect(folder)
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
    expect((await folder.run(['token', 'acme'])).code).toBe(0)
    folder.output.pop()
  })
})

describe('against oidc-provider', () => {
  it('connects a provider of which only the issuer is known, refreshes and revokes', async () => {
    const oidc = await startOidcServer({ accessTokenSeconds: 3 })
    const { clientId, clientSecret } = oidc.confidentialClient
    acme.secrets.add(clientSecret)
    await folder.write('toolgrant.toml', `[providers.real]\nissuer = "${oidc.issuer}"\n`)
    const env = { REAL_CLIENT_ID: clientId, REAL_CLIENT_SECRET: clientSecret }
    const scopes = 'openid offline_access notes.read'
    const running = folder.start(['connect', 'real', '--scopes', scopes, '--user', 'ada'], { env })
    const [url = ''] = await running.stderrHas(/http:\/\/127\.0\.0\.1:\d+\/auth\S+/)
    await oidc.visit(url)
    expect((await running.end).code).toBe(0)
    await new Promise((resolve) => setTimeout(resolve, 3100))
    const host = new URL(oidc.issuer).host
    const args = ['fetch', 'real', `${oidc.issuer}/me`, '--allow-host', host, '--user', 'ada']
    const fetched = await folder.run(args, { env })
    expect([fetched.code, fetched.stderr]).toEqual([0, ''])
    expect(JSON.parse(fetched.stdout)).toHaveProperty('sub')
    expect(oidc.counters).toMatchObject({ rotations: 1, grantsRevoked: 0 })
    const gone = await folder.run(['disconnect', 'real', '--json', '--user', 'ada'], { env })
    expect(JSON.parse(gone.stdout)).toMatchObject({ revoked: true })
    await oidc.close()
  })
})
