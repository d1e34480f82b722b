// The command line before anything is connected: start, help, init, providers, completion, streams. Real processes.
import { execFileSync } from 'node:child_process'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { version } from '../src/cli/version.ts'
import { CliFolder } from './cli-process.ts'

let folder: CliFolder

beforeAll(async () => {
  folder = await CliFolder.make()
})

afterAll(() => folder[Symbol.asyncDispose]())

describe('start', () => {
  it('prints the version without loading anything else', async () => {
    const trace = [
      '--import',
      `data:text/javascript,process.on('exit',()=>console.error(process.moduleLoadList.length))`,
    ]
    const [asked, bare] = await Promise.all([
      folder.run(['--version'], { node: trace }),
      folder.run(['--help'], { node: trace }),
    ])
    expect(asked).toMatchObject({ code: 0, stdout: `${version}\n` })
    expect(Number(asked.stderr)).toBeLessThan(Number(bare.stderr))
    const source = await readFile(new URL('../src/cli/main.ts', import.meta.url), 'utf8')
    expect(source.match(/^import .*$/gm)).toEqual([`import { version } from './version.ts'`])
  })

  it.each(['18.20.8', '20.20.2', '22.17.1'])('turns Node %s away with one clear line', async (node) => {
    const pretend = `Object.defineProperty(process,'versions',{value:{...process.versions,node:'${node}'}})`
    const options = { node: ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`] }
    const plain = await folder.run(['connections'], options)
    expect(plain.code).toBe(2)
    expect(plain.stdout).toBe('')
    expect(plain.stderr).toMatch(
      new RegExp(`^toolgrant needs Node.js 22.18 or newer, and this is ${node} .*\n$`),
    )
    const json = await folder.run(['connections', '--json'], options)
    expect(JSON.parse(json.stderr).error.code).toBe('runtime_unsupported')
    expect(await folder.run(['--version'], options)).toMatchObject({ code: 0, stdout: `${version}\n` })
  })

  it('exits at once and silently when nobody reads stdout', async () => {
    const running = folder.start(['completion', 'bash'], { input: '' })
    running.child.stdout?.destroy()
    expect(await running.end).toEqual({ code: 141, stdout: '', stderr: '' })
  })
})

describe('where there is no vault yet', () => {
  it('what only looks makes none, and no key', async () => {
    await using empty = await CliFolder.make('')
    const keys = await empty.run(['keys', 'list', '--json'])
    expect(keys).toMatchObject({ code: 0, stdout: '[]\n' })
    const due = await empty.run(['refresh'])
    expect(due).toMatchObject({ code: 0, stdout: 'due 0, refreshed 0, failed 0, left to others 0\n' })
    expect(due.stderr).toContain('There is no vault yet at ')
    const listed = await empty.run(['keys'])
    expect([listed.code, listed.stdout, listed.stderr]).toEqual([0, '', due.stderr])
    const one = await empty.run(['refresh', 'github', '--json'])
    expect([one.code, one.stderr]).toEqual([3, expect.stringContaining('"not_connected"')])
    const connection = { user: 'ada', provider: 'github', access_token: 'secret' }
    await empty.write('tokens.json', JSON.stringify([connection]))
    const dry = await empty.run(['import', 'tokens.json', '--dry-run', '--json'])
    expect(JSON.parse(dry.stdout)).toMatchObject({ imported: 1, refused: 0 })
    expect((await readdir(empty.path)).sort()).toEqual(['home', 'tokens.json'])
    expect(await readdir(join(empty.path, 'home'))).toEqual([])
  })
})

describe('what is about connections or keys, where there is no vault yet', () => {
  it.each([
    { arguments: ['connections'], code: 0, stdout: '' },
    { arguments: ['audit'], code: 0, stdout: '' },
    { arguments: ['audit', 'verify'], code: 0, stdout: '' },
    { arguments: ['audit', 'head'], code: 0, stdout: '0:\n' },
    { arguments: ['audit', 'export'], code: 0, stdout: '' },
    { arguments: ['forget', 'ada', '--yes'], code: 0, stdout: '' },
    { arguments: ['token', 'github'], code: 3, stdout: '' },
    { arguments: ['disconnect', 'github'], code: 3, stdout: '' },
    { arguments: ['fetch', 'github', '/user'], code: 3, stdout: '' },
    { arguments: ['keys', 'rotate'], code: 2, stdout: '' },
    { arguments: ['keys', 'retire', '0f1e2d3c4b5a6978'], code: 2, stdout: '' },
  ])('$arguments makes none, and no key', async ({ arguments: words, code, stdout }) => {
    await using empty = await CliFolder.make('')
    const run = await empty.run(words)
    expect(run).toMatchObject({ code, stdout })
    expect(run.stderr).toMatch(/There is no vault yet at .*: the first toolgrant connect makes one/)
    expect(await readdir(empty.path)).toEqual(['home'])
  })
})

describe('help', () => {
  it('has an example for every command, and the exit codes', async () => {
    const { code, stdout, stderr } = await folder.run(['--help'])
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toContain('130  interrupted')
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) .*(?:<|\[|list|print)/gm)].map(([, name]) =>
      String(name),
    )
    expect(commands).toEqual(expect.arrayContaining(['init', 'connect', 'fetch', 'call', 'disconnect']))
    for (const command of commands.filter((name) => name !== 'help')) {
      const help = await folder.run([command, '--help'])
      expect(help, command).toMatchObject({ code: 0, stderr: '' })
      expect(help.stdout, command).toMatch(/Examples?:\n(?: {2}.*toolgrant .*\n)+$/)
    }
  })

  it.each([
    [['conect'], 'unknown command', 'Did you mean connect?'],
    [['connect'], "missing required argument 'provider'", 'See: toolgrant connect --help'],
    [['connect', 'slack', '--prot', '1'], 'unknown option', 'Did you mean --port?'],
    [['connect', 'slack', '--port', '70000'], 'It must be a number from 0 to 65535', 'connect --help'],
    [['connect', 'slack', '--timeout', '0'], 'It must be a number of seconds above 0', 'connect --help'],
    [['completion', 'tcsh'], 'bash, zsh, fish', 'completion --help'],
    [['call', 'x', '{'], 'not JSON', ''],
    [['call', 'x', '[1]'], 'JSON object', ''],
    [['fetch', 'github', '/x', '-H', 'canary-5b1f'], '-H number 1', ''],
    [['fetch', 'github', '/x', '-H', 'Authorization: canary-5b1f'], 'sets the Authorization header', ''],
    [['fetch', 'github', '/x', '-X', 'GET', '-d', '1'], 'no body', ''],
    [['connections', '--config', 'nowhere.toml'], 'no such file', ''],
    [['init', '--redirect-uri', 'canary'], '--redirect-uri must be an absolute http:// or https:// URI', ''],
  ])('answers %j with exit code 2 and the way out', async (args, problem, hint) => {
    const { code, stdout, stderr } = await folder.run(args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(problem)
    expect(stderr).toContain(hint)
    expect(stderr).not.toContain('canary')
    expect(stderr).not.toMatch(/\n {4}at /)
    const json = await folder.run([...args, '--json'])
    expect(json.code).toBe(2)
    const { error } = JSON.parse(json.stderr)
    expect(error.message).toContain(problem)
  })
})

describe('init', () => {
  it.each([
    ['--config', ['--config', 'sub.toml'], {}],
    ['TOOLGRANT_CONFIG', [], { TOOLGRANT_CONFIG: 'sub.toml' }],
  ])('makes the file that %s names', async (_name, args, env: Record<string, string>) => {
    await using place = await CliFolder.make()
    const init = ['init', '--provider', 'github', '--client-id', 'me', ...args]
    expect(await place.run(init, { env })).toMatchObject({ code: 0, stdout: '' })
    expect(await readFile(join(place.path, 'sub.toml'), 'utf8')).toContain('client_id = "me"')
    const listed = await place.run(['providers', 'github', '--json', ...args], { env })
    expect(JSON.parse(listed.stdout)).toMatchObject([{ id: 'github', configured: true }])
  })

  let place: CliFolder

  beforeAll(async () => {
    place = await CliFolder.make()
  })

  afterAll(() => place[Symbol.asyncDispose]())

  const read = (name: string) => readFile(join(place.path, name), 'utf8')

  it('writes the three files, the secrets for the owner alone', async () => {
    await place.write('.gitignore', 'node_modules')
    const { code, stdout, stderr } = await place.run(['init'])
    expect([code, stdout]).toEqual([0, ''])
    expect(stderr).toMatch(
      /created +\S+toolgrant.toml\ncreated +\S+\.secrets.toml\nextended \S+\.gitignore\n/,
    )
    expect((await stat(join(place.path, '.secrets.toml'))).mode & 0o777).toBe(0o600)
    expect(await read('.gitignore')).toBe('node_modules\n.secrets.toml\n')
  })

  it('adds a provider that is missing, with a secret from standard input, and the client is then known', async () => {
    const args = ['init', '--provider', 'slack', '--client-id', 'id "1"', '--client-secret-stdin', '--json']
    const { code, stdout, stderr } = await place.run(args, { input: 'canary-0c9d\n' })
    expect([code, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout).files.map(({ action }: { action: string }) => action)).toEqual([
      'extended',
      'extended',
      'kept',
    ])
    expect(stdout).not.toContain('canary')
    expect(await read('toolgrant.toml')).not.toContain('canary')
    expect(await read('.secrets.toml')).toContain('[auth.slack]\nclient_secret = "canary-0c9d"\n')
    const listed = await place.run(['providers', 'slack', '--json'])
    expect(JSON.parse(listed.stdout)).toEqual([expect.objectContaining({ id: 'slack', configured: true })])
  })

  it('writes the redirect URI that the missing client is told to register', async () => {
    await using other = await CliFolder.make()
    const told = (await other.run(['connect', 'slack'])).stderr
    const { stderr } = await other.run(['init', '--provider', 'slack'])
    const uri = /with the redirect URI (\S+)/
    expect(uri.exec(stderr)?.[1]).toBe(uri.exec(told)?.[1])
    expect(await readFile(join(other.path, 'toolgrant.toml'), 'utf8')).toContain(
      `redirect_uri = "${uri.exec(told)?.[1]}"`,
    )
  })

  it('leaves alone what is there', async () => {
    const before = [await read('toolgrant.toml'), await read('.secrets.toml'), await read('.gitignore')]
    const { code, stderr } = await place.run(['init', '--provider', 'slack', '--client-id', 'other'])
    expect(code).toBe(0)
    expect(stderr).toContain('has [auth.slack] already; it was left as it is.')
    expect([await read('toolgrant.toml'), await read('.secrets.toml'), await read('.gitignore')]).toEqual(
      before,
    )
  })

  it('does not touch a file that is no TOML', async () => {
    await place.write('broken.toml', 'client_secret = canary-77aa\n')
    const { code, stderr } = await place.run(['init', '--provider', 'github', '--config', 'broken.toml'])
    expect(code).toBe(2)
    expect(stderr).toContain('broken.toml:1:')
    expect(stderr).not.toContain('canary')
  })
})

describe('providers', () => {
  it('lists lines alone in a pipe, and objects with --json', async () => {
    const { code, stdout, stderr } = await folder.run(['providers', 'git'])
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^github +GitHub +- +https:\/\/github\.com\S*\n$/)
    const json = await folder.run(['--json', 'providers', 'git'], { env: { GITHUB_CLIENT_ID: 'id' } })
    expect(JSON.parse(json.stdout)[0]).toMatchObject({ id: 'github', name: 'GitHub', configured: true })
  })

  it('says on stderr that nothing matches', async () => {
    expect(await folder.run(['providers', 'zzz'])).toMatchObject({ code: 0, stdout: '' })
    expect(await folder.run(['providers', 'zzz', '--json'])).toEqual({ code: 0, stdout: '[]\n', stderr: '' })
  })

  it('shows warnings about the configuration, as JSON lines with --json', async () => {
    await using place = await CliFolder.make()
    await place.write('toolgrant.toml', 'toolz = "canary"\n')
    const plain = await place.run(['providers', 'slack'])
    expect(plain.stderr).toMatch(/^warning: .*Did you mean tools\?\n$/)
    const { warning } = JSON.parse((await place.run(['providers', 'slack', '--json'])).stderr)
    expect(warning).toContain('Did you mean tools?')
  })
})

describe('P100 a missing client', () => {
  it('is explained with every place, where to register, and the next command', async () => {
    const { code, stdout, stderr } = await folder.run(['connect', 'slack'])
    expect([code, stdout]).toEqual([2, ''])
    for (const part of [
      'TOOLGRANT_AUTH__SLACK__CLIENT_ID',
      'SLACK_CLIENT_ID',
      '.secrets.toml',
      'toolgrant.toml',
      'https://api.slack.com/apps',
      'toolgrant init --provider',
      'http://127.0.0.1:41539/',
      'TOOLGRANT_AUTH__SLACK__REDIRECT_URI',
    ])
      expect(stderr).toContain(part)
  })
})

describe('completion', () => {
  it('knows the providers of the configuration, and says nothing of its oddities', async () => {
    await using place = await CliFolder.make()
    await place.write('toolgrant.toml', 'toolz = 1\n[providers.acme]\nissuer = "https://acme.example"\n')
    const { code, stdout, stderr } = await place.run(['completion', 'bash'])
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toContain('acme discord')
    execFileSync('bash', ['-n'], { input: stdout })
  })

  it('works when the configuration is broken', async () => {
    await using place = await CliFolder.make()
    await place.write('toolgrant.toml', '[[[')
    expect(await place.run(['completion', 'fish'])).toMatchObject({ code: 0, stderr: '' })
  })
})

describe('colours', () => {
  it.each([
    [{}, false],
    [{ FORCE_COLOR: '1' }, true],
    [{ FORCE_COLOR: '0' }, false],
  ])('with %o: %s', async (env, coloured) => {
    const { stderr } = await folder.run(['connect', 'slack'], { env })
    expect(stderr.includes('\u001b[')).toBe(coloured)
  })
})
