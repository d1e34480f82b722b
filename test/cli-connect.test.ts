// What `toolgrant connect` asks for when something is granted already, and when it stops waiting. Child processes
// against the simulated authorization server.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { AuthorizationServer } from '../src/testing/index.ts'
import { Acme } from './cli-acme.ts'
import type { CliFolder } from './cli-process.ts'

let acme: Acme
let server: AuthorizationServer
let folder: CliFolder

beforeAll(async () => {
  acme = await Acme.start()
  server = acme.server
})

afterAll(() => server.close())

beforeEach(async () => {
  server.configure({ consent: 'approve' })
  folder = await acme.folder()
})

afterEach(async () => {
  acme.assertNoSecret(folder)
  await folder[Symbol.asyncDispose]()
})

async function grantedScopes(): Promise<unknown[]> {
  const { stdout } = await folder.run(['connections', '--json'])
  return JSON.parse(stdout).map(({ scopes }: { scopes: unknown }) => scopes)
}

describe('connect where something is granted already', () => {
  it('asks for what was granted, too, and names what is granted now', async () => {
    const first = await acme.connect(folder, '--scopes', 'guilds notes.read')
    expect(first.stderr).toContain('✓ Connected Acme for ada. Granted: guilds notes.read.\n')
    const second = await acme.connect(folder, '--scopes', 'guilds write')
    expect(second.stderr).toContain('✓ Connected Acme for ada. Granted: guilds notes.read write.\n')
    expect(await grantedScopes()).toEqual([['guilds', 'notes.read', 'write']])
    await acme.connect(folder)
    expect(await grantedScopes()).toEqual([['guilds', 'notes.read', 'write', 'read']])
  })

  it('asks for --scopes alone with --only, and names what is gone', async () => {
    await acme.connect(folder, '--scopes', 'guilds notes.read')
    const { stderr } = await acme.connect(folder, '--scopes', 'guilds', '--only')
    expect(stderr).toContain('✓ Connected Acme for ada. Granted: guilds. No longer: notes.read.\n')
    expect(await grantedScopes()).toEqual([['guilds']])
  })

  it('leaves the other accounts out of it', async () => {
    await acme.connect(folder, '--scopes', 'guilds notes.read', '--account', 'work')
    await acme.connect(folder, '--scopes', 'guilds')
    expect(await grantedScopes()).toEqual([['guilds'], ['guilds', 'notes.read']])
  })

  it('ends with 2 for --only without --scopes', async () => {
    const { code, stderr } = await folder.run(['connect', 'acme', '--only'])
    expect([code, stderr]).toEqual([2, expect.stringContaining('--only needs --scopes')])
  })
})

describe('connect that asks for more than scopes', () => {
  const details = '[{"type":"payment","amount":"1"}]'
  const resources = ['https://a.example/', 'https://b.example/']

  it('names resources, details and the response mode', async () => {
    server.configure({ detailTypes: ['payment'] })
    const named = resources.flatMap((uri) => ['--resource', uri])
    await acme.connect(folder, ...named, '--authorization-details', details, '--response-mode', 'query')
    const asked = new URL(server.requests('authorization').at(-1)?.url ?? '', server.url).searchParams
    expect([asked.getAll('resource'), asked.get('response_mode')]).toEqual([resources, 'query'])
    expect(asked.get('authorization_details')).toBe(details)
    const { body } = server.requests('token').at(-1) ?? { body: '' }
    expect(new URLSearchParams(body).getAll('resource')).toEqual(resources)
    server.configure({ detailTypes: undefined })
  })

  it.each([
    [['--authorization-details', '{}'], /must be a JSON list/],
    [['--authorization-details', '[{"amount":1}]'], /name their type/],
    [['--resource', 'notes'], /absolute URI without a fragment/],
    [['--response-mode', 'web_message'], /Allowed choices/],
  ])('ends with 2 for %j', async (options, message) => {
    const { code, stderr } = await folder.run(['connect', 'acme', ...options])
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)])
  })
})

describe('connect --paste when standard input ends', () => {
  it.each(['', 'https://example.com/?code=1&state=2\n'])('ends with 2 at once after %j', async (input) => {
    const before = Date.now()
    const { code, stdout, stderr } = await folder.run(['connect', 'acme', '--paste'], { input })
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain('Standard input ended before')
    expect(Date.now() - before).toBeLessThan(20_000)
    const json = await folder.run(['connect', 'acme', '--paste', '--json'], { input })
    expect(JSON.parse(json.stderr.trim().split('\n').at(-1) ?? '').error.code).toBe('invalid_argument')
  })

  it('finishes with the address that came before the end', async () => {
    server.configure({ latencyMs: { token: 500 } })
    const running = folder.start(['connect', 'acme', '--paste'])
    const callback = await server.consent(await acme.addressToOpen(running))
    acme.secrets.add(new URL(callback).searchParams.get('code') ?? '')
    running.child.stdin?.end(callback)
    expect((await running.end).code).toBe(0)
    server.configure({ latencyMs: undefined })
  })

  it('without --paste goes on waiting for the browser', async () => {
    const running = folder.start(['connect', 'acme'], { input: '' })
    expect((await acme.consent(running)).code).toBe(0)
  })
})
