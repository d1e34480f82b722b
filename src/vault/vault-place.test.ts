import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
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
  ])('refuses %s', async (_name, make, code) => {
    const url = world.newUrl()
    const path = url.replace('sqlite:', '')
    mkdirSync(dirname(path))
    make(path)
    expect(await failure(() => lookAtVault({ url }))).toMatchObject({ name: 'StoreError', code })
  })

  it('says how open it lies', async () => {
    const { url, path } = await closedVault()
    chmodSync(path, 0o644)
    chmodSync(dirname(path), 0o755)
    expect((await lookAtVault({ url })).file).toMatchObject({ mode: '0644', folderMode: '0755' })
  })
})
