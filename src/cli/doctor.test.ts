// Every finding of the doctor, brought about with a real vault, a real configuration and the simulated server.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { PassThrough } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { TokenSet } from '../oauth/index.ts'
import { generateKey, SealingKey } from '../seal.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../testing/index.ts'
import { Vault } from '../vault/index.ts'
import { connections } from './commands/connections.ts'
import { disconnect } from './commands/disconnect.ts'
import { type DoctorOptions, doctor } from './commands/doctor.ts'
import { forget } from './commands/forget.ts'
import { CommandContext, type GlobalOptions } from './context.ts'
import type { DoctorReport } from './doctor-report.ts'
import { Output } from './output.ts'

const base = mkdtempSync(join(tmpdir(), 'toolgrant-doctor-'))
afterAll(() => rmSync(base, { recursive: true, force: true }))
let folders = 0
let folder: string
let vaultFile: string
let key: string
let server: AuthorizationServer

beforeEach(async () => {
  folder = join(base, `${++folders}`)
  mkdirSync(folder)
  vaultFile = join(folder, 'data', 'vault.db')
  key = generateKey()
  server = await startAuthorizationServer()
  configure()
  vi.stubEnv('TOOLGRANT_KEY', key)
  vi.stubEnv('TOOLGRANT_DATA', join(folder, 'data'))
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await server.close()
})

function configure({ top = '', auth = '', id = server.client().clientId } = {}): void {
  const { authorizationUrl, tokenUrl, revocationUrl } = server.provider()
  const { clientSecret } = server.client()
  writeFileSync(
    join(folder, 'toolgrant.toml'),
    `user = "ada"\n${top}\n[providers.acme]\nname = "Acme"\nissuer = "${server.url}"
authorization_url = "${authorizationUrl}"\ntoken_url = "${tokenUrl}"\nrevocation_url = "${revocationUrl}"
[auth.acme]\n${id === '' ? '' : `client_id = "${id}"\nclient_secret = "${clientSecret}"\n`}${auth}\n`,
    { mode: 0o600 },
  )
}

/** A connection of the user `ada`, whose access token has ended unless `live`. */
async function connect(account = 'default', { live = true, user = 'ada' } = {}): Promise<void> {
  await using vault = await openVault()
  const { accessToken, refreshToken } = server.grant({ user, scopes: ['read'] })
  const now = Date.now()
  const receivedAt = new Date(live ? now : now - 3_600_000)
  const expiresAt = new Date(receivedAt.getTime() + 3_599_000)
  const tokens = { accessToken, refreshToken, scopes: ['read'], receivedAt, expiresAt }
  await vault.save({ user, provider: 'acme', account }, new TokenSet(tokens))
}

async function openVault(): Promise<Vault> {
  const { loadConfig } = await import('../config/index.ts')
  return Vault.open({ clients: await loadConfig({ file: join(folder, 'toolgrant.toml') }) })
}

function fakeStream(columns: number | undefined) {
  const stream = new PassThrough()
  let text = ''
  stream.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  const terminal = { isTTY: columns !== undefined, columns, getColorDepth: () => (columns ? 8 : 1) }
  return { stream: Object.assign(stream, terminal) as unknown as NodeJS.WriteStream, text: () => text }
}

/** Runs a command as `run.ts` does. */
async function run(
  command: (context: CommandContext) => Promise<number | undefined>,
  { json = false, columns, found = false }: { json?: boolean; columns?: number; found?: boolean } = {},
) {
  const [out, err] = [fakeStream(columns), fakeStream(undefined)]
  const output = new Output(json, out.stream, err.stream)
  const options: GlobalOptions = { json, ...(found ? {} : { config: join(folder, 'toolgrant.toml') }) }
  const context = new CommandContext(output, options, new AbortController().signal, () => {})
  try {
    const code = (await command(context)) ?? 0
    const shown = out.text() + err.text()
    for (const secret of [...server.issuedSecrets(), key]) expect(shown).not.toContain(secret)
    return { code, stdout: out.text(), stderr: err.text() }
  } finally {
    await context.close()
  }
}

/** The report, and its findings in short. */
async function examine(options: DoctorOptions = { offline: true }) {
  const { code, stdout } = await run((context) => doctor(context, options), { json: true })
  const report: DoctorReport = JSON.parse(stdout)
  const found = report.findings.map(({ severity, code: word, about }) => `${severity} ${word} ${about}`)
  return { code, report, found }
}

const explained = (which = 'acme', options: DoctorOptions = { offline: true }) =>
  run((context) => doctor(context, options, which))

describe('looking at everything', () => {
  it('makes no vault where there is none', async () => {
    const { code, report, found } = await examine()
    expect([code, report.healthy, found]).toEqual([0, true, ['info vault_absent vault']])
    expect(existsSync(vaultFile)).toBe(false)
  })

  it('is a report in words', async () => {
    await connect()
    const { code, stdout } = await run((context) => doctor(context, {}))
    expect(code).toBe(0)
    expect(stdout).toMatch(/SQLite, schema \d+, mode 0600, .* free\n/)
    expect(stdout).toMatch(/key [0-9a-f]{16}, primary: TOOLGRANT_KEY; seals 1 connection\n/)
    expect(stdout).toContain('connections: 1 active')
    expect(stdout).toMatch(/acme: client id set; secret set; .*; 1 active; answers in \d+ ms\n/)
    expect(stdout).toContain('Nothing wrong was found.')
  })

  it('is a report for machines', async () => {
    await connect()
    const { report } = await examine({})
    const members = ['version', 'at', 'healthy', 'vault', 'configuration', 'providers', 'findings']
    expect(Object.keys(report)).toEqual(members)
    expect(report).toMatchObject({
      version: 1,
      vault: {
        place: { kind: 'sqlite', name: vaultFile, exists: true, file: { mode: '0600' } },
        opened: true,
        keys: [{ primary: true, place: 'TOOLGRANT_KEY', connections: 1 }],
        connections: { active: 1, failing: 0, needsReconnect: 0, due: 0, overdue: 0 },
      },
      configuration: { file: join(folder, 'toolgrant.toml'), secretsFile: null },
      providers: [
        { id: 'acme', client: true, secret: 'set', connections: { active: 1 }, probe: { state: 'answers' } },
      ],
    })
  })

  it('asks as little as it is told to, and never with a secret', async () => {
    await connect()
    await examine({ offline: true })
    expect(server.requests()).toEqual([])
    await examine({ probe: false })
    expect(server.requests().map(({ endpoint }) => endpoint)).toEqual(['metadata'])
    server.clearCounts()
    await examine({})
    const asked = server.requests().map(({ method, endpoint }) => `${method} ${endpoint}`)
    expect(asked.sort()).toEqual(['GET authorization', 'GET token'])
    expect(JSON.stringify(server.requests())).not.toContain(server.client().clientSecret)
  })

  it('does not bring an older vault up to date', async () => {
    await connect()
    const database = new DatabaseSync(vaultFile)
    database.exec('PRAGMA user_version = 1')
    database.close()
    const before = readFileSync(vaultFile)
    const { code, report, found } = await examine()
    expect([code, report.vault.opened, found]).toEqual([0, false, ['warning schema_older vault']])
    await expect(explained()).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(readFileSync(vaultFile).equals(before)).toBe(true)
  })
})

describe('findings', () => {
  const cases: [string, string, number, () => unknown, DoctorOptions?][] = [
    ['another key', 'error key_wrong vault', 5, () => vi.stubEnv('TOOLGRANT_KEY', generateKey())],
    ['a file for everybody', 'warning file_mode vault', 0, () => chmodSync(vaultFile, 0o644)],
    ['a folder for everybody', 'warning file_mode vault', 0, () => chmodSync(join(folder, 'data'), 0o777)],
    [
      'another program’s file',
      'error store_corrupt vault',
      5,
      () => writeFileSync(vaultFile, 'x'.repeat(200)),
    ],
    ['a newer vault', 'error store_newer vault', 5, newerVault],
    ['no TOML', 'error config_invalid configuration', 2, () => configure({ top: 'x = [' })],
    ['an unknown setting', 'warning config_warning configuration', 0, () => configure({ top: 'usr = "x"' })],
    [
      'a redirect URI in the clear',
      'warning redirect_uri_insecure acme',
      0,
      () => configure({ auth: 'redirect_uri = "http://app.example/"' }),
    ],
    [
      'a redirect URI that is none',
      'error config_invalid acme',
      2,
      () => configure({ auth: 'redirect_uri = "x"' }),
    ],
    ['no client', 'error client_missing acme', 2, () => configure({ id: '' })],
    ['a clock that is off', 'warning clock_off vault', 0, () => server.advance(3600), {}],
    ['503', 'error provider_unreachable acme', 4, () => server.script('token', [{ status: 503 }]), {}],
    ['no answer', 'error provider_unreachable acme', 4, () => server.close(), {}],
    ['a client unknown there', 'error client_unknown acme', 2, () => configure({ id: 'nobody' }), {}],
    ['what should have been renewed', 'warning overdue vault', 0, makeOverdue],
  ]

  function newerVault(): void {
    const database = new DatabaseSync(vaultFile)
    database.exec('PRAGMA user_version = 99')
    database.close()
  }

  function makeOverdue(): void {
    const database = new DatabaseSync(vaultFile)
    database.exec(`UPDATE connection SET due_at = ${Date.now() - 7_200_000}`)
    database.close()
  }

  it.each(cases)('name %s: %s', async (_name, finding, exitCode, arrange, options) => {
    await connect()
    await arrange()
    const { code, found, report } = await examine(options)
    expect(found).toContain(finding)
    expect([code, report.healthy]).toEqual([exitCode, exitCode === 0])
  })

  it('name a redirect URI that is not registered', async () => {
    const client = server.register({ redirectUris: ['http://127.0.0.1/registered'] })
    configure({ id: client.clientId, auth: 'redirect_uri = "http://127.0.0.1:41539/other"' })
    const { code, found, report } = await examine({})
    expect([code, found[0]]).toEqual([2, 'error redirect_uri_unregistered acme'])
    expect(report.providers[0]?.redirectUri).toBe('http://127.0.0.1:41539/other')
  })

  it.each([
    ['', 'http://127.0.0.1:<any free port>/'],
    ['[callback]\nport = 0\nhttps = true', 'https://localhost:<any free port>/'],
  ])('name no redirect URI when none is set (%j), and say where connect listens', async (top, listensAt) => {
    const client = server.register({ redirectUris: ['http://127.0.0.1/registered'] })
    configure({ id: client.clientId, top })
    const { code, found, report } = await examine({})
    expect([code, found]).toEqual([0, ['info vault_absent vault']])
    expect(report.providers).toMatchObject([{ listensAt, probe: { state: 'answers' } }])
    expect(report.providers[0]).not.toHaveProperty('redirectUri')
    expect(report.providers[0]?.probe).not.toHaveProperty('refused')
    const { stdout } = await run((context) => doctor(context, { offline: true }))
    expect(stdout.replace(/\s+/g, ' ')).toContain(`no redirect URI set: connect listens at ${listensAt};`)
  })

  it('name a section that would replace a provider of the catalogue, and go on', async () => {
    await connect()
    vi.spyOn(process, 'cwd').mockReturnValue(folder)
    const text = readFileSync(join(folder, 'toolgrant.toml'), 'utf8')
    const github =
      '[providers.github]\nauthorization_url = "https://evil.example/a"\ntoken_url = "https://evil.example/t"'
    writeFileSync(join(folder, 'toolgrant.toml'), `${text}\n[auth.github]\nclient_id = "x"\n${github}\n`)
    const { stdout } = await run((context) => doctor(context, { offline: true }), { json: true, found: true })
    const report: DoctorReport = JSON.parse(stdout)
    expect(report.findings).toMatchObject([{ code: 'config_invalid', about: 'github' }])
    expect(report.providers.map(({ id }) => id)).toEqual(['acme'])
    vi.restoreAllMocks()
  })

  it('name a provider that is gone from the configuration', async () => {
    await connect()
    writeFileSync(join(folder, 'toolgrant.toml'), '')
    expect((await examine()).found).toEqual(['error provider_unknown acme'])
  })

  it('name a key that does not seal yet, and then the one that seals no more', async () => {
    await connect()
    const newer = generateKey()
    vi.stubEnv('TOOLGRANT_KEY', `${newer},${key}`)
    await using vault = await openVault()
    await vault.keys.add({ keyId: SealingKey.parse(newer).id })
    const added = await examine()
    expect(added.found).toEqual(['info key_waiting vault'])
    expect(added.report.findings[0]?.next).toBe('toolgrant keys rotate')
    await vault.keys.rotate()
    const rotated = await examine()
    expect(rotated.found).toEqual(['info key_older vault'])
    expect(rotated.report.findings[0]?.next).toBe(`toolgrant keys retire ${SealingKey.parse(key).id}`)
  })

  it('name what fails and what is dead, whose id explains it', async () => {
    await connect('default', { live: false })
    await connect('work', { live: false })
    server.script('refresh', [{ status: 401, error: 'invalid_client' }, { error: 'invalid_grant' }])
    await using vault = await openVault()
    for (const account of ['default', 'work'])
      await vault.token({ user: 'ada', provider: 'acme', account }).catch(() => {})
    const { code, report, found } = await examine()
    expect([code, found]).toEqual([2, ['error client_refused acme', 'warning needs_reconnect acme']])
    const [, id = ''] = /^toolgrant doctor (\S+)$/.exec(report.findings[0]?.next ?? '') ?? []
    const { stdout, ...rest } = await explained(id)
    expect(rest.code).toBe(2)
    expect(stdout).toMatch(/^acme for ada: failing\n/)
    const listed = await run((context) => connections(context, { user: 'ada' }))
    expect(listed.stdout).toContain('active, the last refresh failed: client_refused')
    const asJson = await run((context) => connections(context, { user: 'ada' }), { json: true })
    const [failing, dead] = JSON.parse(asJson.stdout)
    expect(failing).toMatchObject({ status: 'active', reason: 'client_refused', failures: 1 })
    expect([dead.status, dead.failures]).toEqual(['needs_reconnect', undefined])
  })
})

describe('explaining one connection', () => {
  it('is for machines, as it is documented', async () => {
    await connect()
    const { code, stdout } = await run((context) => doctor(context, {}, 'acme'), { json: true })
    expect(code).toBe(0)
    const explanation = JSON.parse(stdout)
    expect(Object.keys(explanation).sort()).toEqual([
      ...['account', 'at', 'causes', 'clocks', 'connection', 'id', 'next', 'provider', 'status', 'summary'],
      ...['tenant', 'timeline', 'upcoming', 'usable', 'user', 'version'],
    ])
    expect(explanation).toMatchObject({
      ...{ version: 1, provider: 'acme', user: 'ada', status: 'active', usable: true, causes: [], next: [] },
      timeline: [{ type: 'connected', count: 1, generation: 1, at: expect.stringMatching(/Z$/) }],
      clocks: { storeMs: 0, providerMs: expect.any(Number) },
    })
    expect(Object.keys(explanation.connection)).not.toContain('tenant')
  })

  it('fits a narrow terminal, and leaves commands whole', async () => {
    vi.stubEnv('NO_COLOR', undefined)
    vi.stubEnv('FORCE_COLOR', '1')
    await connect('a rather long account label', { live: false })
    server.revokeGrants()
    await using vault = await openVault()
    await vault.token({ user: 'ada', provider: 'acme' }).catch(() => {})
    const { stdout } = await run((context) => doctor(context, { offline: true }, 'acme'), { columns: 60 })
    const plain = stripVTControlCharacters(stdout)
    expect(stdout).not.toBe(plain)
    const long = plain.split('\n').filter((line) => line.length > 60)
    expect(long).toEqual([
      expect.stringMatching(/^ {4}toolgrant connect acme --user ada --account 'a rather long account label'/),
    ])
  })

  it('is not for what is not there', async () => {
    await expect(explained()).rejects.toMatchObject({ code: 'not_connected' })
    expect(existsSync(vaultFile)).toBe(false)
    await connect()
    const grace = run((context) => doctor(context, { offline: true, user: 'grace' }, 'acme'))
    await expect(grace).rejects.toMatchObject({ code: 'not_connected' })
    await expect(explained('amce')).rejects.toMatchObject({ code: 'provider_unknown' })
    const id = '00000000-0000-4000-8000-000000000000'
    await expect(explained(id)).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})

describe('forgetting a user', () => {
  it('names the providers that could not be told', async () => {
    await connect()
    server.script('revocation', [{ status: 503 }, { status: 503 }])
    const { code, stdout, stderr } = await run((context) => forget(context, { yes: true }, 'ada'))
    expect(code).toBe(4)
    expect(stdout).toMatch(/^acme +default +no +- +The connection is deleted here, but/)
    expect(stderr).toContain('warning: A grant may live on at acme')
  })

  it('ends with 0 where there is no revocation to be had, as disconnect does', async () => {
    const { authorizationUrl, tokenUrl } = server.provider()
    const { clientId, clientSecret } = server.client()
    writeFileSync(
      join(folder, 'toolgrant.toml'),
      `user = "ada"\n[providers.acme]\nauthorization_url = "${authorizationUrl}"\ntoken_url = "${tokenUrl}"
[auth.acme]\nclient_id = "${clientId}"\nclient_secret = "${clientSecret}"\n`,
      { mode: 0o600 },
    )
    await connect()
    const forgotten = await run((context) => forget(context, { yes: true }, 'ada'), { json: true })
    expect(forgotten.code).toBe(0)
    expect(JSON.parse(forgotten.stdout).connections).toMatchObject([{ revoked: false, revocable: false }])
    await connect()
    const gone = await run((context) => disconnect(context, {}, 'acme'))
    expect([gone.code, gone.stderr]).toEqual([0, expect.stringContaining('has no revocation endpoint')])
  })

  it('leaves others alone', async () => {
    await connect()
    await connect('default', { user: 'grace' })
    const { stdout } = await run((context) => forget(context, { yes: true }, 'ada'), { json: true })
    expect(JSON.parse(stdout).connections).toMatchObject([{ user: 'ada', revoked: true, confirmed: true }])
    expect((await examine()).report.vault.connections).toMatchObject({ active: 1 })
  })
})
