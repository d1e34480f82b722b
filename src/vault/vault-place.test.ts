import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { ada, failure, vaultFixture } from '../../test/vault/fixture.ts'
import { generateKey } from '../seal.ts'
import { lookAtVault } from './index.ts'

const world = vaultFixture()

/** A vault file that nobody has open. */
async function closedVault(): Promise<{ url: string; path: string }> {
  const url = world.newUrl()
  const vault = await world.open({ url, key: generateKey() })
  await vault.save(ada, world.granted())
  await vault.close()
  return { url, path: url.replace('sqlite:', '') }
}

function contents(path: string): string[] {
  const folder = dirname(path)
  return readdirSync(folder).map((name) => {
    const file = `${folder}/${name}`
    return `${name} ${statSync(file).mtimeMs} ${readFileSync(file).toString('base64')}`
  })
}

describe('looking at the place of a vault', () => {
  it('says what is there, and changes nothing', async () => {
    const { url, path } = await closedVault()
    const before = contents(path)
    const place = await lookAtVault({ url })
    expect(place).toMatchObject({
      ...{ kind: 'sqlite', name: path, exists: true },
      file: { path, mode: '0600', folderMode: '0700', own: true, walBytes: 0 },
    })
    expect(place.schema).toBe(place.knownSchema)
    expect(place.file?.bytes).toBe(statSync(path).size)
    expect(place.file?.freeBytes).toBeGreaterThan(0)
    expect(contents(path)).toEqual(before)
  })

  it('reads the schema of one that is in use from its log', async () => {
    const url = world.newUrl()
    await world.open({ url, key: generateKey() })
    const place = await lookAtVault({ url })
    expect(place.file?.walBytes).toBeGreaterThan(0)
    expect(place).toMatchObject({ exists: true, schema: place.knownSchema })
  })

  it('makes none where there is none', async () => {
    const url = world.newUrl()
    const path = url.replace('sqlite:', '')
    expect(await lookAtVault({ url })).toMatchObject({ kind: 'sqlite', exists: false })
    expect(existsSync(dirname(path))).toBe(false)
    mkdirSync(dirname(path))
    writeFileSync(path, '')
    expect(await lookAtVault({ url })).toMatchObject({ exists: false, file: { bytes: 0 } })
    expect(await lookAtVault({ url: 'memory:' })).toEqual({ kind: 'memory', name: 'memory:', exists: false })
  })

  it('tells an older one without bringing it up to date', async () => {
    const { url, path } = await closedVault()
    const database = new DatabaseSync(path)
    database.exec('PRAGMA user_version = 1')
    database.close()
    const place = await lookAtVault({ url })
    expect(place.schema).toBe(1)
    expect(place.knownSchema).toBeGreaterThan(1)
    expect((await lookAtVault({ url })).schema).toBe(1)
  })

  it.each([
    ['text', (path: string) => writeFileSync(path, 'hello '.repeat(50)), 'store_corrupt'],
    [
      'another program’s database',
      (path: string) => {
        const database = new DatabaseSync(path)
        database.exec('PRAGMA application_id = 7; CREATE TABLE t (a)')
        database.close()
      },
      'store_corrupt',
    ],
    [
      'one that says of itself nothing',
      (path: string) => {
        const database = new DatabaseSync(path)
        database.exec('CREATE TABLE t (a)')
        database.close()
      },
      'store_corrupt',
    ],
    [
      'one with many tables',
      (path: string) => {
        const database = new DatabaseSync(path)
        const tables = Array.from({ length: 200 }, (_, table) => `CREATE TABLE t${table} (a, b, c)`)
        database.exec(`BEGIN; ${tables.join('; ')}; COMMIT`)
        database.close()
      },
      'store_corrupt',
    ],
    ['a pipe', (path: string) => execFileSync('mkfifo', [path]), 'store_corrupt'],
    ['a device', (path: string) => symlinkSync('/dev/null', path), 'store_corrupt'],
    ['a folder', (path: string) => mkdirSync(path), 'store_corrupt'],
  ])('refuses %s', async (_name, make, code) => {
    const url = world.newUrl()
    const path = url.replace('sqlite:', '')
    mkdirSync(dirname(path))
    make(path)
    expect(await failure(() => lookAtVault({ url }))).toMatchObject({ name: 'StoreError', code })
  })

  it('refuses another program’s database that is in use', async () => {
    const url = world.newUrl()
    const path = url.replace('sqlite:', '')
    mkdirSync(dirname(path))
    using database = new DatabaseSync(path)
    database.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (a)')
    expect(statSync(`${path}-wal`).size).toBeGreaterThan(0)
    expect(await failure(() => lookAtVault({ url }))).toMatchObject({ code: 'store_corrupt' })
  })

  it('takes a database without a table for a place where a vault can be made', async () => {
    const url = world.newUrl()
    const path = url.replace('sqlite:', '')
    mkdirSync(dirname(path))
    const database = new DatabaseSync(path)
    database.exec('CREATE TABLE t (a); DROP TABLE t')
    database.close()
    expect(await lookAtVault({ url })).toMatchObject({ exists: false, schema: 0 })
  })

  it('says how open it lies', async () => {
    const { url, path } = await closedVault()
    chmodSync(path, 0o644)
    chmodSync(dirname(path), 0o755)
    expect((await lookAtVault({ url })).file).toMatchObject({ mode: '0644', folderMode: '0755' })
  })
})
