// No secret in any output, part three: the command line as processes. Everything that they write to their
// streams and into their folder is searched, errors and TOOLGRANT_DEBUG=1 included.
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { echoes } from './canary/echo.ts'
import { Evidence } from './canary/search.ts'
import { canaryStage } from './canary/stage.ts'
import { CliFolder, type CliResult, type RunningCli } from './cli-process.ts'

const stage = canaryStage()
const debug = { TOOLGRANT_DEBUG: '1' }
let folder: CliFolder
const evidence = new Evidence()

beforeAll(async () => {
  const key = stage.keep('the vault key', randomBytes(32).toString('base64'))
  folder = await CliFolder.make(key)
  await writeConfiguration()
})
afterAll(() => folder[Symbol.asyncDispose]())

async function writeConfiguration(): Promise<void> {
  const { issuer, authorizationUrl, tokenUrl, revocationUrl, apiBaseUrl } = stage.definition()
  const { clientId, clientSecret } = stage.client()
  const text = (value: unknown) => JSON.stringify(value) // a basic string of TOML, too
  await folder.write(
    'toolgrant.toml',
    `tools = "./tools.ts"
user = "ada"
[providers.acme]
issuer = ${text(issuer)}
authorization_url = ${text(authorizationUrl)}
token_url = ${text(tokenUrl)}
revocation_url = ${text(revocationUrl)}
api_base_url = ${text(apiBaseUrl)}
default_scopes = ["read", "openid"]
[auth.acme]
client_id = ${text(clientId)}
`,
  )
  await folder.write('.secrets.toml', `[auth.acme]\nclient_secret = ${text(clientSecret)}\n`)
  await folder.write('tools.ts', toolsModule())
}

function toolsModule(): string {
  return `import { tool } from '${new URL('../src/tools/index.ts', import.meta.url).href}'
export const leaky = tool({
  name: 'leaky',
  description: 'Does what tools must not.',
  input: { type: 'object', properties: { how: { type: 'string' } }, additionalProperties: false },
  auth: { provider: 'acme', scopes: ['read'] },
  run: async ({ how }: { how?: string }, { auth, fetch }) => {
    const token = await auth.token()
    if (how === 'throw') throw Object.assign(new Error('refused ' + token, { cause: new Error(token) }), { token })
    if (how === 'throw text') throw 'refused ' + token
    return { token, url: 'https://acme.example/?access_token=' + token, me: await (await fetch('/me')).json() }
  },
})
`
}

/** Notes what a command wrote. */
function noted(args: readonly string[], result: CliResult): CliResult {
  evidence.text(`toolgrant ${args.join(' ')}`, `${result.stdout}\n${result.stderr}`)
  return result
}

async function run(
  args: readonly string[],
  options: Parameters<CliFolder['run']>[1] = {},
): Promise<CliResult> {
  return noted(args, await folder.run(args, { ...options, env: { ...debug, ...options.env } }))
}

/** Runs a command that asks for consent, with the test as the person: what it is shown is no leak. */
async function consenting(
  args: readonly string[],
  person: (url: string, running: RunningCli) => Promise<unknown>,
) {
  const running = folder.start(args, { env: debug })
  const [, url = ''] = await running.stderrHas(/(http:\/\/127\.0\.0\.1:\d+\/authorize\S*?)["\s]/)
  evidence.show(url)
  const page = await person(url, running)
  if (typeof page === 'object' && page !== null && 'body' in page) evidence.text('a page', String(page.body))
  return noted(args, await running.end)
}

const browse = (url: string) => stage.server.browse(url)
const connect = (...args: string[]) => consenting(['connect', 'acme', ...args], browse)

describe('the command line', () => {
  it('shows no secret when all is well', async () => {
    expect((await connect()).code).toBe(0)
    expect((await connect('--json', '--account', 'work', '--scopes', 'read')).code).toBe(0)
    await using fresh = await CliFolder.make()
    const secret = stage.keep('a secret for init', `canary-${crypto.randomUUID()}`)
    const initialise = ['init', '--provider', 'github', '--client-id', 'me', '--client-secret-stdin']
    noted(initialise, await fresh.run(initialise, { input: secret, env: debug }))
    expect(await readFile(join(fresh.path, '.secrets.toml'), 'utf8')).toContain(secret)
    const results = await Promise.all([
      run(['connections']),
      run(['connections', '--all', '--json']),
      run(['providers', 'acme', '--json']),
      run(['fetch', 'acme', '/me', '-i', '--account', 'work']),
      run(['fetch', 'acme', '/me', '--json', '--account', 'work']),
      run(['tools', '--schema', 'openai']),
      run(['call', 'leaky', '{}', '--account', 'work']),
      run(['call', 'leaky', '{}', '--json', '--account', 'work']),
    ])
    expect(results.map(({ code }) => code)).toEqual(results.map(() => 0))
    stage.server.expireAccessTokens() // a 401, a refresh, a second try
    expect((await run(['fetch', 'acme', '/me', '--account', 'work'])).code).toBe(0)
    expect(stage.leaks(evidence)).toEqual([])
  })

  it('shows none when tools, people and addresses fail', async () => {
    for (const how of ['throw', 'throw text'])
      expect((await run(['call', 'leaky', JSON.stringify({ how }), '--account', 'work'])).code).toBe(1)
    await run(['call', 'leaky', '{"token":1}'])
    const denied = await consenting(['connect', 'acme'], (url) =>
      stage.server.browse(url, { approve: false }),
    )
    expect(denied.code).toBe(3)
    const pasted = await consenting(['connect', 'acme', '--paste'], async (url, { child }) => {
      const address = await stage.server.consent(url)
      child.stdin?.write(`${address.replace('state=', 'state=x')}\n${address}\n`)
    })
    expect(pasted.code).toBe(0)
    expect(pasted.stderr).toContain('state')
    const interrupted = await consenting(['connect', 'acme', '--json'], async (_url, { child }) =>
      child.kill('SIGINT'),
    )
    expect(interrupted.code).toBe(130)
    expect((await consenting(['connect', 'acme', '--timeout', '0.1'], async () => {})).code).toBe(4)
    expect(stage.leaks(evidence)).toEqual([])
  })

  it.each(['a description that quotes the request', 'a page with each value', 'a token in plain words'])(
    'shows none when the provider answers with %s',
    async (name) => {
      await connect()
      stage.server.expireAccessTokens()
      stage.proxy.echo = echoes[name]
      expect((await connect()).code).toBe(4)
      const results = await Promise.all([
        run(['fetch', 'acme', '/me', '--account', 'default']),
        run(['call', 'leaky', '{}', '--json', '--account', 'default']),
      ])
      expect(results.map(({ code }) => code)).not.toContain(0)
      await run(['disconnect', 'acme', '--account', 'default'])
      stage.proxy.echo = undefined
      expect(stage.leaks(evidence)).toEqual([])
    },
  )

  it('shows none when the doctor looks at what is wrong, and when a person is forgotten', async () => {
    await connect()
    const other = stage.keep('a third key', randomBytes(32).toString('base64'))
    const password = stage.keep('a second password', `canary-${crypto.randomUUID()}`)
    const results = await Promise.all([
      run(['doctor', '--json']),
      run(['doctor', 'acme']),
      run(['doctor', '--offline'], { env: { TOOLGRANT_KEY: other } }),
      run(['doctor', '--offline'], { env: { TOOLGRANT_VAULT: `postgres://ada:${password}@127.0.0.1:9/x` } }),
    ])
    results.push(await run(['forget', 'ada', '--yes', '--json']))
    expect(results.map(({ code }) => code)).toEqual([0, 0, 5, 5, 0])
    expect(stage.leaks(evidence)).toEqual([])
  })

  it('shows none when its key, its store or its configuration is wrong', async () => {
    await connect()
    const other = stage.keep('another key', randomBytes(32).toString('base64'))
    const short = stage.keep('a key that is none', `canary-${randomBytes(40).toString('base64')}`)
    const password = stage.keep('a password', `canary-${crypto.randomUUID()}`)
    await folder.write('broken.db', `SQLite format 3\0${'x'.repeat(5000)}`)
    const results = await Promise.all([
      run(['fetch', 'acme', '/me'], { env: { TOOLGRANT_KEY: other } }),
      run(['fetch', 'acme', '/me'], { env: { TOOLGRANT_KEY: short } }),
      run(['connections', '--vault', join(folder.path, 'broken.db')]),
      run(['connections'], { env: { TOOLGRANT_VAULT: `postgres://ada:${password}@127.0.0.1/x` } }),
      run(['fetch', 'acme', 'https://elsewhere.example/me']),
    ])
    const secrets = await readFile(join(folder.path, '.secrets.toml'), 'utf8')
    await folder.write('.secrets.toml', secrets.slice(0, -2))
    results.push(await run(['fetch', 'acme', '/me']), await run(['connect', 'acme', '--json']))
    await folder.write('.secrets.toml', secrets)
    expect(results.map(({ code }) => code)).toEqual([5, 5, 5, 5, 2, 2, 2])
    expect(stage.leaks(evidence)).toEqual([])
  })

  it('leaves none in its folder, and the search would find the one that token prints', async () => {
    await connect()
    await evidence.folder('the folder', folder.path, (name) => name === '.secrets.toml')
    expect(evidence.places.some((place) => place.endsWith('vault.db'))).toBe(true)
    expect(stage.leaks(evidence)).toEqual([])
    const printed = new Evidence()
    printed.text('token', (await folder.run(['token', 'acme', '--account', 'default'])).stdout)
    const json = await folder.run(['token', 'acme', '--json', '--account', 'default'])
    printed.text('token --json', json.stdout)
    expect(stage.leaks(printed)).toMatchObject([{ secret: expect.stringContaining('canary_access') }])
    expect((await run(['disconnect', 'acme', '--account', 'default'])).code).toBe(0)
    expect(stage.leaks(evidence)).toEqual([])
  })
})
