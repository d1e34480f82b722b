// A store in trouble: read-only, forbidden, full, corrupt, newer, sealed with another key. Each has its typed error
// within its time limit, and nothing stored is lost.
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TokenSet } from '../src/oauth/index.ts'
import { defineProvider } from '../src/providers/index.ts'
import { generateKey } from '../src/seal.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../src/testing/index.ts'
import { Vault } from '../src/vault/index.ts'
import { limitDisk, unmount, unprivileged } from './vault/trouble.ts'

const root = mkdtempSync(join(tmpdir(), 'toolgrant-faults-'))
chmodSync(root, 0o755)
afterAll(() => rmSync(root, { recursive: true, force: true }))
let folders = 0

let server: AuthorizationServer
let folder: string
let path: string
let key: string
const ada = { user: 'ada', provider: 'simulated' }

beforeEach(async () => {
  server = await startAuthorizationServer()
  folder = join(root, `${++folders}`)
  path = join(folder, 'vault.db')
  key = generateKey()
  mkdirSync(folder)
})
afterEach(() => server.close())

function open(changes: { key?: string } = {}): Promise<Vault> {
  const provider = defineProvider(server.provider({ issuer: undefined }))
  return Vault.open({ url: path, key, clients: { simulated: { ...server.client(), provider } }, ...changes })
}

/** @param secondsLeft of the access token's life. */
function tokens(secondsLeft: number, user = 'ada'): TokenSet {
  const { accessToken, refreshToken } = server.grant({ user, scopes: ['a'] })
  const now = Date.now()
  return new TokenSet({
    ...{ accessToken, refreshToken, scopes: ['a'], receivedAt: new Date(now - 3_600_000) },
    expiresAt: new Date(now + secondsLeft * 1000),
  })
}

async function connected(secondsLeft = 3600): Promise<TokenSet> {
  await using vault = await open()
  const saved = tokens(secondsLeft)
  await vault.save(ada, saved)
  return saved
}

async function failure(run: () => unknown): Promise<Error & { code?: string }> {
  const started = performance.now()
  try {
    await run()
  } catch (error) {
    expect(performance.now() - started).toBeLessThan(10_000)
    return error as Error
  }
  throw new Error('nothing was thrown')
}

describe('a store that cannot be written', () => {
  it('because it is read-only is store_read_only', async () => {
    const saved = await connected()
    chmodSync(path, 0o444)
    chmodSync(folder, 0o555)
    const error = await failure(() => unprivileged(() => open()))
    expect(error).toMatchObject({ name: 'StoreError', code: 'store_read_only' })
    expect(error.message).toContain(path)
    chmodSync(folder, 0o755)
    chmodSync(path, 0o600)
    await using vault = await open()
    expect((await vault.token(ada)).accessToken).toBe(saved.accessToken)
  })

  it('because it belongs to somebody else is store_permission', async () => {
    await connected()
    chmodSync(path, 0o000)
    chmodSync(folder, 0o755)
    expect(await failure(() => unprivileged(() => open()))).toMatchObject({ code: 'store_permission' })
    chmodSync(path, 0o600)
    await (await open()).close()
  })

  it('because its folder may not be written is store_permission', async () => {
    chmodSync(folder, 0o555)
    expect(await failure(() => unprivileged(() => open()))).toMatchObject({ code: 'store_permission' })
    chmodSync(folder, 0o755)
  })
})

describe('a full disk', () => {
  it('is store_full; what was stored is served, and no refresh token is spent in vain', async () => {
    const free = limitDisk(folder)
    try {
      await using vault = await open()
      const saved = tokens(-1)
      await vault.save(ada, saved)
      const error = await failure(async () => {
        for (let index = 0; index < 1000; index++)
          await vault.save(
            { ...ada, user: `user ${index}` },
            tokens(3600, 'other').with({ raw: { x: 'x'.repeat(3000) } }),
          )
      })
      expect(error).toMatchObject({ name: 'StoreError', code: 'store_full' })
      expect(error.message).toContain('Free some disk space')
      const before = await vault.connections()
      expect(before.length).toBeGreaterThan(2)
      expect(await vault.token({ ...ada, user: 'user 0' })).toBeDefined()

      // Either there is just room enough for a refresh, or none is sent.
      const refreshed = await vault.token(ada).catch((caught: { code?: string }) => caught.code)
      if (refreshed === 'store_full') expect(server.counts.requests.refresh).toBe(0)
      else expect(refreshed).toBeInstanceOf(TokenSet)

      free()
      const after = await vault.token(ada)
      expect(server.isActive(after.accessToken)).toBe(true)
      expect(server.counts).toMatchObject({ refreshes: 1, reuseViolations: 0 })
      await vault.save({ ...ada, user: 'after' }, tokens(3600))
      expect(await vault.connections()).toHaveLength(before.length + 1)
    } finally {
      free()
      unmount(folder)
    }
  })
})

describe('a store that is not sound', () => {
  it('is store_corrupt when its pages are damaged, and stays as it is', async () => {
    await connected()
    const content = readFileSync(path)
    content.fill(0x5a, 100)
    writeFileSync(path, content)
    const error = await failure(async () => {
      await using vault = await open()
      await vault.token(ada)
    })
    expect(error).toMatchObject({ name: 'StoreError', code: 'store_corrupt' })
    expect(readFileSync(path).equals(content)).toBe(true)
  })

  it('is sealed_data_invalid when one row was altered, and the others are served', async () => {
    await connected()
    await using vault = await open()
    const other = tokens(3600, 'bob')
    await vault.save({ ...ada, user: 'bob' }, other)
    const database = new DatabaseSync(path)
    database.exec("UPDATE connection SET user = 'mallory', account = 'mine' WHERE user = 'ada'")
    database.close()
    const error = await failure(() => vault.token({ ...ada, user: 'mallory' }))
    expect(error).toMatchObject({ name: 'KeyError', code: 'sealed_data_invalid' })
    expect((await vault.token({ ...ada, user: 'bob' })).accessToken).toBe(other.accessToken)
    expect(await vault.disconnect({ ...ada, user: 'mallory' })).toMatchObject({ revoked: false })
  })

  it('is store_newer when a newer version wrote it, and stays as it is', async () => {
    const saved = await connected()
    const database = new DatabaseSync(path)
    const version = database.prepare('PRAGMA user_version').get()?.['user_version']
    database.exec('PRAGMA user_version = 99')
    database.close()
    const error = await failure(() => open())
    expect(error).toMatchObject({ name: 'StoreError', code: 'store_newer' })
    expect(error.message).toContain('Update toolgrant')
    const again = new DatabaseSync(path)
    expect(again.prepare('PRAGMA user_version').get()).toEqual({ user_version: 99 })
    again.exec(`PRAGMA user_version = ${version}`)
    again.close()
    await using vault = await open()
    expect((await vault.token(ada)).accessToken).toBe(saved.accessToken)
  })
})

describe('a store that another key sealed', () => {
  it('is key_wrong, naming the place and the key; nothing is changed', async () => {
    const saved = await connected()
    const before = readFileSync(path)
    const error = await failure(() => open({ key: generateKey() }))
    expect(error).toMatchObject({ name: 'KeyError', code: 'key_wrong' })
    expect(error.message).toContain(path)
    expect(readFileSync(path).equals(before)).toBe(true)
    await using vault = await open()
    expect((await vault.token(ada)).accessToken).toBe(saved.accessToken)
  })

  it('is key_missing where no key is found, and none is made', async () => {
    await connected()
    const data = join(folder, 'data')
    const { keyFile } = await import('../src/vault/index.ts')
    const error = await failure(() =>
      Vault.open({ url: path, key: keyFile(join(data, 'vault.key')), clients: {} }),
    )
    expect(error).toMatchObject({ name: 'KeyError', code: 'key_missing' })
    expect(error.message).toContain(join(data, 'vault.key'))
    expect(() => readFileSync(join(data, 'vault.key'))).toThrow('ENOENT')
  })
})

it('a vault copied together with its key is the same vault elsewhere', async () => {
  const saved = await connected()
  const elsewhere = join(root, `${++folders}`)
  mkdirSync(elsewhere)
  cpSync(path, join(elsewhere, 'vault.db'))
  path = join(elsewhere, 'vault.db')
  await using vault = await open()
  expect((await vault.token(ada)).accessToken).toBe(saved.accessToken)
})
