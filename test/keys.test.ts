// Keys of a vault over its life: rotated under load, restored from a backup, shared by two vaults, lost, and from the
// command line. The same run at full size: `node test/keys/rotation.ts`.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { KeyError } from '../src/errors.ts'
import { TokenSet } from '../src/oauth/index.ts'
import { generateKey, Keyring, SealingKey } from '../src/seal.ts'
import { keyFile, Vault, type VaultOptions } from '../src/vault/index.ts'
import { applicationId, migrations } from '../src/vault/sqlite-schema.ts'
import { CliFolder } from './cli-process.ts'
import { measureRotation, type RotationFigures } from './keys/rotation.ts'
import { testDatabase } from './setup/postgres.ts'

const folder = mkdtempSync(join(tmpdir(), 'toolgrant-keys-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let folders = 0
function newFolder(): string {
  const path = join(folder, `${++folders}`)
  mkdirSync(path)
  return path
}

const vaults: Vault[] = []
afterEach(async () => {
  for (const vault of vaults.splice(0)) await vault.close()
})
async function open(at: string, options: VaultOptions = {}): Promise<Vault> {
  const settings = { url: `sqlite:${join(at, 'vault.db')}`, key: keyFile(join(at, 'vault.key')) }
  const vault = await Vault.open({ ...settings, clients: {}, audit: 'off', ...options })
  vaults.push(vault)
  return vault
}

const ada = { user: 'ada', provider: 'slack' }
function tokens(accessToken = 'access'): TokenSet {
  const receivedAt = new Date()
  const expiresAt = new Date(receivedAt.getTime() + 3_600_000)
  return new TokenSet({ accessToken, refreshToken: 'refresh', scopes: [], receivedAt, expiresAt })
}

async function failure(run: () => Promise<unknown>): Promise<KeyError> {
  try {
    await run()
  } catch (error) {
    if (error instanceof KeyError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

const sound: Partial<RotationFigures> = {
  ...{ failedReads: 0, failedWrites: 0, failure: undefined, unreadable: 0 },
}

describe('a rotation while two processes read at full speed, killed half-way', () => {
  it('fails no read on SQLite, is gone on with, and leaves the old key unused', async () => {
    const at = newFolder()
    const figures = await measureRotation({ url: `sqlite:${join(at, 'vault.db')}`, folder: at, rows: 1500 })
    expect(figures).toMatchObject(sound)
    expect(figures.reads).toBeGreaterThan(1000)
    expect(figures.resealedBeforeKill).toBeGreaterThan(700)
    expect(figures.resealedAfter).toBeGreaterThan(300)
  })

  it('and on PostgreSQL', async () => {
    const database = await testDatabase()
    const figures = await measureRotation({ url: database.url, folder: newFolder(), rows: 800 })
    await database.drop()
    expect(figures).toMatchObject(sound)
    expect(figures.resealedAfter).toBeGreaterThan(100)
  })
})

describe('a backup', () => {
  it('made before a rotation opens with the key of its time, as long as that was not deleted', async () => {
    const [at, restoredAt, tooLateAt] = [newFolder(), newFolder(), newFolder()]
    const vault = await open(at)
    await vault.save(ada, tokens('before'))
    const [old] = await vault.keys.list()
    const database = new DatabaseSync(join(at, 'vault.db'))
    database.exec(
      `VACUUM INTO '${join(restoredAt, 'vault.db')}'; VACUUM INTO '${join(tooLateAt, 'vault.db')}'`,
    )
    database.close()
    const { id: added } = await vault.keys.add()
    await vault.keys.rotate()
    await vault.keys.retire(old?.id ?? '')
    await vault.save(ada, tokens('after'))

    copyFileSync(join(at, 'vault.key'), join(restoredAt, 'vault.key'))
    const restored = await open(restoredAt)
    expect((await restored.token(ada)).accessToken).toBe('before')
    expect((await restored.keys.list()).map(({ id }) => id)).toEqual([old?.id])
    expect(await restored.keys.add({ keyId: added })).toMatchObject({ added: true })
    expect(await restored.keys.rotate()).toMatchObject({ id: added, resealed: 1 })

    await vault.keys.retire(old?.id ?? '', { deleteKey: true })
    copyFileSync(join(at, 'vault.key'), join(tooLateAt, 'vault.key'))
    const error = await failure(() => open(tooLateAt))
    expect(error.code).toBe('key_wrong')
    for (const part of [old?.id, added, join(tooLateAt, 'vault.key'), 'Backup and restore'])
      expect(error.message).toContain(part)
  })
})

describe('two vaults that share a key file', () => {
  it('rotate one by one: retiring a key in one leaves it to the other', async () => {
    const [at, other] = [newFolder(), newFolder()]
    const key = keyFile(join(at, 'vault.key'))
    const [one, two] = [await open(at), await open(other, { key })]
    await one.save(ada, tokens('one'))
    await two.save(ada, tokens('two'))
    const [old] = await one.keys.list()
    const { id: added } = await one.keys.add()
    await one.keys.rotate()
    expect(await one.keys.retire(old?.id ?? '')).toMatchObject({ retired: true, leftIn: [key.place] })
    expect((await (await open(other, { key })).token(ada)).accessToken).toBe('two')
    expect((await two.keys.list()).map(({ id }) => id)).toEqual([old?.id])
    await two.keys.add({ keyId: added })
    await two.keys.rotate()
    expect((await two.keys.retire(old?.id ?? '', { deleteKey: true })).deletedFrom).toEqual([key.place])
    expect((await (await open(at)).token(ada)).accessToken).toBe('one')
    expect((await (await open(other, { key })).token(ada)).accessToken).toBe('two')
  })
})

describe('a key file that lost a line', () => {
  it('opens no vault without the present key, and names it; without an older one it names the rows', async () => {
    const at = newFolder()
    const path = join(at, 'vault.key')
    const vault = await open(at)
    await vault.save(ada, tokens())
    const [old] = await vault.keys.list()
    const { id: added } = await vault.keys.add()
    const both = readFileSync(path, 'utf8')
    const lines = both.split('\n').filter((line) => /^\S{43}$/.test(line))
    const lineOf = (id: string | undefined) => lines.find((line) => SealingKey.parse(line).id === id) ?? ''

    writeFileSync(path, `${lineOf(added)}\n`)
    const error = await failure(() => open(at))
    expect([error.code, error.message]).toEqual(['key_wrong', expect.stringContaining(old?.id ?? '')])
    expect(error.message).toContain(`${path}: the key ${added}`)

    writeFileSync(path, both)
    await vault.keys.rotate({ rowsPerSecond: 1000 })
    const bob = { ...ada, user: 'bob' }
    await vault.keys.rotate({ keyId: old?.id })
    await vault.save(bob, tokens())
    await vault.close()
    const database = new DatabaseSync(join(at, 'vault.db'))
    database.exec(`UPDATE sealing_key SET is_primary = (id = '${added}')`)
    database.close()
    writeFileSync(path, `${lineOf(added)}\n`)
    const opened = await open(at)
    const unread = await failure(() => opened.token(bob))
    expect([unread.code, unread.message]).toEqual(['key_wrong', expect.stringContaining(old?.id ?? '')])
    expect(unread.message).toContain('the older key')
    writeFileSync(path, both)
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect((await (await open(at)).token(bob)).accessToken).toBe('access')
  })
})

describe('a vault of the first version', () => {
  it('opens with its key, and knows it', async () => {
    const at = newFolder()
    const text = generateKey()
    const ring = new Keyring(SealingKey.parse(text))
    const { id: keyId } = ring.primary
    const database = new DatabaseSync(join(at, 'vault.db'))
    database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = 1; ${migrations[0]}`)
    const check = ring.seal('toolgrant vault', JSON.stringify(['key check']))
    database.prepare('INSERT INTO meta (name, value) VALUES (?, ?)').run('key_check', check)
    const place = ['default', 'id-1', 'ada', 'slack', 'default', 1]
    const sealed = ring.seal(tokens().serialize(), JSON.stringify(['tokens', ...place]))
    database
      .prepare(`INSERT INTO connection (tenant, id, user, provider, account, generation, status, scopes, received_at, sealed,
        failures, granted_at, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, 'active', '[]', 0, ?, 0, 0, 0, 0)`)
      .run(...place, sealed)
    database.close()
    expect((await failure(() => open(at, { key: generateKey() }))).message).toContain(keyId)
    const vault = await open(at, { key: text })
    expect((await vault.token(ada)).accessToken).toBe('access')
    expect(await vault.keys.list()).toMatchObject([{ id: keyId, primary: true, connections: 1 }])
  })
})

describe('toolgrant keys', () => {
  it('adds, rotates and retires, and prints no key', async () => {
    await using cli = await CliFolder.make('')
    const inFile = { TOOLGRANT_KEY: `file:${join(cli.path, 'vault.key')}` }
    const keys = async (...args: string[]) => cli.run(['keys', ...args], { env: inFile })
    await cli.write('none.json', '[]')
    await cli.run(['import', 'none.json'], { env: inFile })
    const listed = await keys('--json')
    const [first] = JSON.parse(listed.stdout)
    expect(first).toMatchObject({
      primary: true,
      connections: 0,
      place: expect.stringContaining('vault.key'),
    })
    const added = (await keys('add')).stdout.trim()
    expect(added).toMatch(/^[0-9a-f]{16}$/)
    const rotated = await keys('rotate', '--pace', '1000')
    expect([rotated.code, rotated.stderr]).toEqual([0, expect.stringContaining(`keys retire ${first.id}`)])
    const refused = await keys('retire', added, '--json')
    expect(refused.code).toBe(5)
    for (const wrong of [
      ['retire', 'nonsense'],
      ['rotate', '--to', 'abc'],
    ]) {
      const { code, stderr } = await keys(...wrong)
      expect([code, stderr]).toEqual([2, expect.stringMatching(/The vault has no key (nonsense|abc)/)])
    }
    expect(JSON.parse(refused.stderr.trim().split('\n').at(-1) ?? '').error.code).toBe('key_in_use')
    const retired = await keys('retire', first.id)
    expect([retired.code, retired.stderr]).toEqual([0, expect.stringContaining('--delete-key')])
    const unasked = await keys('retire', first.id, '--delete-key')
    expect([unasked.code, unasked.stderr]).toEqual([2, expect.stringMatching(/Other vaults may use.*--yes/)])
    expect(readFileSync(join(cli.path, 'vault.key'), 'utf8').match(/^\S{43}$/gm)).toHaveLength(2)
    const deleted = JSON.parse((await keys('retire', first.id, '--delete-key', '--yes', '--json')).stdout)
    expect(deleted).toMatchObject({ retired: false, deletedFrom: [expect.stringContaining('vault.key')] })
    expect((await keys('list')).stdout).toMatch(new RegExp(`^${added} +yes`))
    const secrets = readFileSync(join(cli.path, 'vault.key'), 'utf8').match(/^\S{43}$/gm) ?? []
    expect(secrets).toHaveLength(1)
    for (const { stdout, stderr } of cli.output)
      expect(`${stdout}${stderr}`).not.toMatch(/(?<![\w-])[\w-]{43}(?![\w-])/)
  })

  it('with keys from the environment says what to do, step by step, and prints a key only when told to', async () => {
    const one = generateKey()
    await using cli = await CliFolder.make(one)
    const run = (args: string[], TOOLGRANT_KEY = one, input = '') =>
      cli.run(args, { env: { TOOLGRANT_KEY }, input })
    const refused = await run(['keys', 'add'])
    expect([refused.code, refused.stderr]).toEqual([5, expect.stringContaining('restart every process')])
    const two = (await run(['keys', 'add', '--print'])).stdout.trim()
    expect(SealingKey.parse(two).id).toMatch(/^[0-9a-f]{16}$/)
    expect((await run(['keys', 'add', '--from-stdin'], one, two)).code).toBe(5)
    const both = `${one},${two}`
    expect((await run(['keys', 'add'], both)).stdout.trim()).toBe(SealingKey.parse(two).id)
    expect((await run(['keys', 'rotate'], one)).code).toBe(5)
    expect((await run(['keys', 'rotate'], both)).code).toBe(0)
    expect((await run(['keys', 'retire', SealingKey.parse(one).id], both)).code).toBe(0)
    expect((await run(['connections'], two)).code).toBe(0)
    expect((await run(['connections'], one)).stderr).toContain(SealingKey.parse(two).id)
  })

  it('takes a key management service by its command', async () => {
    await using cli = await CliFolder.make('')
    const program = fileURLToPath(new URL('./keys/kms-process.ts', import.meta.url))
    await cli.write('master', 'm'.repeat(32))
    await cli.write(
      'kms',
      `#!/bin/sh\nexec '${process.execPath}' '${program}' once '${cli.path}/master'\n`,
      0o700,
    )
    await cli.write('own.toml', `[vault]\nkey = "command:${cli.path}/kms"\n`)
    await cli.write('none.json', '[]')
    await cli.run(['import', 'none.json', '--config', 'own.toml'])
    const listed = await cli.run(['keys', 'list', '--config', 'own.toml'])
    expect([listed.code, listed.stdout]).toEqual([0, expect.stringContaining('the command "')])
    await cli.write('toolgrant.toml', `[vault]\nkey = "command:${cli.path}/kms"\n`)
    const found = await cli.run(['keys', 'list'])
    expect([found.code, found.stderr]).toEqual([2, expect.stringContaining('A file that was found may not')])
  })
})
