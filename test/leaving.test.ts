// Leaving and arriving as a person does it: by command, between stores of different kinds, with ten thousand connections.
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TokenSet } from '../src/oauth/index.ts'
import { defineProvider } from '../src/providers/index.ts'
import { generateKey } from '../src/seal.ts'
import { Vault } from '../src/vault/index.ts'
import { Acme } from './cli-acme.ts'
import type { CliFolder } from './cli-process.ts'
import type { LeavingFigures } from './leaving/many.ts'
import { testDatabase } from './setup/postgres.ts'

const folder = mkdtempSync(join(tmpdir(), 'toolgrant-leaving-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const passphrase = 'correct horse battery'

describe('between stores', () => {
  it('SQLite to PostgreSQL and back, as a move, nothing gets lost', async () => {
    const database = await testDatabase()
    const provider = defineProvider({
      ...{ id: 'acme', authorizationUrl: 'https://acme.test/authorize', tokenUrl: 'https://acme.test/token' },
    })
    const clients = { acme: { clientId: 'client', provider } }
    const openAt = (url: string) => Vault.open({ url, clients, key: generateKey() })
    try {
      await using sqlite = await openAt(`sqlite:${join(folder, 'a', 'vault.db')}`)
      await using postgres = await openAt(database.url)
      await using memory = await openAt('memory:')
      const full = {
        ...{
          accessToken: 'access',
          refreshToken: 'refresh',
          idToken: 'id',
          tokenType: 'DPoP',
          scopes: ['x', 'ä'],
        },
        ...{ receivedAt: new Date(1_700_000_000_123), expiresAt: new Date(Date.now() + 60_000) },
        ...{ extra: { team: { id: 'T' } }, raw: { access_token: 'access', n: [1, null, '😀'] } },
      }
      const address = { user: 'ädä', provider: 'acme', account: 'wörk' }
      await sqlite.save(address, new TokenSet(full))
      await sqlite.save(
        { user: 'bob', provider: 'acme' },
        new TokenSet({ accessToken: 'endless', expiresAt: null }),
      )
      let from: Vault = sqlite
      for (const [step, to] of [postgres, memory, sqlite].entries()) {
        const bundle = join(folder, `bundle-${step}`)
        const moved = await from.export({ passphrase, to: bundle, move: true })
        expect(moved).toEqual({ exported: 2, moved: 2, notExported: [], notMoved: [] })
        expect(await from.connections()).toEqual([])
        expect(await to.import(bundle, { passphrase })).toMatchObject({ imported: 2, refused: 0 })
        expect(await to.import(bundle, { passphrase })).toMatchObject({ imported: 0, unchanged: 2 })
        const tokens = await to.token(address)
        expect(tokens.serialize()).toBe(new TokenSet(full).serialize())
        from = to
      }
    } finally {
      await database.drop()
    }
  })
})

describe('ten thousand connections', () => {
  it('come along without being in memory together', async () => {
    const script = fileURLToPath(new URL('./leaving/many.ts', import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', script, '10000'])
    const figures = JSON.parse(stdout) as LeavingFigures
    expect(figures).toMatchObject({ exported: 10_000, imported: 10_000, unchanged: 10_000 })
    // The ten thousand items of the result are in memory, and the bundle is not.
    expect(figures.bundleBytes).toBeGreaterThan(43_000_000)
    expect(figures.exportGrowthBytes).toBeLessThan(4_000_000)
    expect(figures.importGrowthBytes).toBeLessThan(6_000_000)
  })
})

describe('toolgrant export and import', () => {
  let acme: Acme
  let home: CliFolder
  let other: CliFolder
  const env = { TOOLGRANT_PASSPHRASE: passphrase }

  beforeAll(async () => {
    acme = await Acme.start()
    acme.secrets.add(passphrase)
    home = await acme.folder()
    other = await acme.folder()
    await acme.connect(home)
  })
  afterEach(() => {
    for (const each of [home, other]) acme.assertNoSecret(each)
  })
  afterAll(async () => {
    await acme.server.close()
    for (const each of [home, other]) await each[Symbol.asyncDispose]()
  })

  it('export writes a file for its owner alone, warns of the copy, and replaces nothing unasked', async () => {
    const first = await home.run(['export', '--out', 'mine.bundle'], { env })
    expect(first).toMatchObject({ code: 0, stdout: '' })
    expect(first.stderr).toMatch(/Exported to .*mine\.bundle: 1 connection\./)
    expect(first.stderr).toMatch(/warning: .*locks the other out: use --move/)
    const path = join(home.path, 'mine.bundle')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const bytes = readFileSync(path, 'latin1')
    for (const secret of [...acme.server.issuedSecrets(), passphrase, '"provider"'])
      expect(bytes).not.toContain(secret)
    const again = await home.run(['export', '--out', 'mine.bundle'], { env })
    expect(again).toMatchObject({ code: 2, stderr: expect.stringMatching(/is there already.*--force/) })
    const nothing = await home.run(['import', 'nothere'])
    expect(nothing).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/There is no such file: .*nothere/),
    })
    const forced = await home.run(
      ['export', '--out', 'mine.bundle', '--force', '--passphrase-stdin', '--json'],
      {
        input: `${passphrase}\n`,
      },
    )
    expect(forced.code).toBe(0)
    expect(JSON.parse(forced.stdout)).toEqual({
      file: path,
      exported: 1,
      moved: 0,
      notExported: [],
      notMoved: [],
    })
  })

  it('without a passphrase, or with a short one, says how to give it', async () => {
    const none = await home.run(['export', '--out', 'none.bundle'])
    expect(none).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/TOOLGRANT_PASSPHRASE.*--passphrase-stdin/),
    })
    const short = await home.run(['export', '--out', 'none.bundle', '--passphrase-stdin'], { input: 'short' })
    expect(short).toMatchObject({ code: 2, stderr: expect.stringMatching(/at least 8 characters/) })
  })

  it('import tells what it would do, does it, and does it once', async () => {
    const bundle = join(home.path, 'mine.bundle')
    const dry = await other.run(['import', bundle, '--dry-run', '--json'], { env })
    expect(JSON.parse(dry.stdout)).toMatchObject({
      from: 'bundle',
      imported: 1,
      items: [{ user: 'ada', provider: 'acme' }],
    })
    expect(JSON.parse((await other.run(['connections', '--json'])).stdout)).toEqual([])
    const first = await other.run(['import', bundle], { env })
    expect(first).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/imported: acme default of ada\n.*1 imported/s),
    })
    const second = await other.run(['import', bundle, '--passphrase-stdin'], { input: passphrase })
    expect(second).toMatchObject({ code: 0, stderr: expect.stringMatching(/0 imported, 1 unchanged/) })
    expect((await other.run(['fetch', 'acme', '/me'])).code).toBe(0)
  })

  it('import tells a wrong passphrase from a damaged bundle', async () => {
    const bundle = join(home.path, 'mine.bundle')
    const wrong = await other.run(['import', bundle, '--json'], {
      env: { TOOLGRANT_PASSPHRASE: 'another one' },
    })
    expect(wrong.code).toBe(2)
    expect(JSON.parse(wrong.stderr)).toMatchObject({ error: { code: 'passphrase_wrong' } })
    writeFileSync(join(other.path, 'cut'), readFileSync(bundle).subarray(0, -5), { mode: 0o600 })
    const cut = await other.run(['import', 'cut', '--json'], { env })
    expect(JSON.parse(cut.stderr)).toMatchObject({ error: { code: 'bundle_invalid' } })
  })

  it('mcp-remote: what belongs to a client of the configuration becomes yours', async () => {
    const mcp = await acme.folder()
    try {
      const { clientId } = acme.server.client()
      const grant = acme.server.grant({ user: 'ada', scopes: ['read'] })
      const tokens = {
        access_token: grant.accessToken,
        refresh_token: grant.refreshToken,
        token_type: 'bearer',
        expires_in: 3600,
      }
      const hash = 'd41d8cd98f00b204e9800998ecf8427e'
      const { mkdirSync } = await import('node:fs')
      mkdirSync(join(mcp.path, '.mcp-auth', 'mcp-remote-0.1.38'), { recursive: true })
      await mcp.write(`.mcp-auth/mcp-remote-0.1.38/${hash}_tokens.json`, JSON.stringify(tokens))
      await mcp.write(
        `.mcp-auth/mcp-remote-0.1.38/${hash}_client_info.json`,
        JSON.stringify({ client_id: clientId }),
      )
      const { code, stdout } = await mcp.run(['import', '.mcp-auth', '--json'])
      expect(code).toBe(0)
      expect(JSON.parse(stdout)).toMatchObject({
        from: 'mcp-remote',
        imported: 1,
        items: [{ user: 'ada', provider: 'acme' }],
      })
      expect((await mcp.run(['fetch', 'acme', '/me'])).code).toBe(0)
      acme.assertNoSecret(mcp)
    } finally {
      await mcp[Symbol.asyncDispose]()
    }
  })

  it('export --move leaves nothing behind', async () => {
    const moved = await home.run(
      ['export', '--move', '--out', 'moved.bundle', '--provider', 'acme', '--json'],
      { env },
    )
    expect(JSON.parse(moved.stdout)).toMatchObject({ exported: 1, moved: 1 })
    expect(moved.stderr).toBe('')
    expect(JSON.parse((await home.run(['connections', '--json'])).stdout)).toEqual([])
    expect((await home.run(['import', 'moved.bundle'], { env })).code).toBe(0)
    expect((await home.run(['fetch', 'acme', '/me'])).code).toBe(0)
  })
})
