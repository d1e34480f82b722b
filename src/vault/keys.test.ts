// Keys: every place one can come from, races on the first run, and that no second key is ever made silently.
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { KeyError } from '../errors.ts'
import { generateKey, SealingKey } from '../seal.ts'
import { keyFile } from './key-file.ts'
import { keychain } from './key-keychain.ts'
import { unlock as unlockRing } from './key-unlock.ts'
import { givenKey, type KeyProvider, keyProviders, passingKey } from './keys.ts'
import { memoryStore } from './memory-store.ts'

const folder = mkdtempSync(join(tmpdir(), 'toolgrant-keys-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newPath = () => join(folder, `${++files}`, 'vault.key')

async function failure(run: () => Promise<unknown>): Promise<KeyError> {
  try {
    await run()
  } catch (error) {
    if (error instanceof KeyError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** A keychain that answers as a real one does, in memory. */
function fakeKeychain() {
  const secrets = new Map<string, string>()
  const provider = keychain({
    entry: async (service, name) => ({
      getPassword: async () => secrets.get(`${service}/${name}`) ?? null,
      setPassword: async (password) => void secrets.set(`${service}/${name}`, password),
      deletePassword: async () => secrets.delete(`${service}/${name}`),
    }),
  })
  return { provider, secrets }
}

const unlock = async (...given: Parameters<typeof unlockRing>) => (await unlockRing(...given)).current

const noKeychain = () =>
  keychain({
    entry: async () => {
      throw new Error('no secret service')
    },
  })

describe('a key file', () => {
  it('P48 is made once, with mode 0600 in a folder of mode 0700, and nothing is left beside it', async () => {
    const path = newPath()
    const provider = keyFile(path)
    expect(await provider.load({})).toEqual([])
    expect(existsSync(path)).toBe(false)
    const made = await provider.create?.()
    expect((await provider.load({})).map(({ id }) => id)).toEqual([made?.id])
    expect((await keyFile(path).create?.())?.id).toBe(made?.id)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700)
    expect(readdirSync(join(path, '..'))).toEqual(['vault.key'])
  })

  it('made by many at the same time ends up with one key for all', async () => {
    const path = newPath()
    const keys = await Promise.all(Array.from({ length: 20 }, () => keyFile(path).create?.()))
    expect(new Set(keys.map((key) => key?.id)).size).toBe(1)
  })

  it('may hold several keys, the first of which seals', async () => {
    const path = newPath()
    await keyFile(path).create?.()
    const [one, two] = [generateKey(), generateKey()]
    writeFileSync(path, `\ufeff# comment\n\n${one}\r\n${two}\n`)
    expect((await keyFile(path).load({})).map(({ id }) => id)).toEqual([
      SealingKey.parse(one).id,
      SealingKey.parse(two).id,
    ])
  })

  it.each([0o644, 0o640, 0o604])('with mode %o is refused, naming chmod', async (mode) => {
    const path = newPath()
    await keyFile(path).create?.()
    chmodSync(path, mode)
    const error = await failure(() => keyFile(path).load({}))
    expect(error.code).toBe('key_invalid')
    expect(error.message).toContain(`chmod 600 ${path}`)
  })

  it('that holds something else is refused without quoting it', async () => {
    const path = newPath()
    await keyFile(path).create?.()
    writeFileSync(path, 'canary-not-a-key')
    const error = await failure(() => keyFile(path).load({}))
    expect(error.code).toBe('key_invalid')
    expect(inspect(error)).not.toContain('canary')
    expect(readFileSync(path, 'utf8')).toBe('canary-not-a-key')
  })

  it('that is empty is waited for, then refused', async () => {
    const path = newPath()
    await keyFile(path).create?.()
    const text = readFileSync(path, 'utf8')
    writeFileSync(path, '')
    setTimeout(() => writeFileSync(path, text), 60)
    expect(await keyFile(path).load({})).toHaveLength(1)
    writeFileSync(path, '')
    expect((await failure(() => keyFile(path).load({}))).code).toBe('key_invalid')
  })

  it('in a place that cannot be used is key_unavailable', async () => {
    const blocked = join(folder, 'a-file')
    writeFileSync(blocked, '')
    expect((await failure(async () => keyFile(join(blocked, 'vault.key')).create?.())).code).toBe(
      'key_unavailable',
    )
  })

  it('that is changed takes along what a killed process left beside it: it may hold a key', async () => {
    const path = newPath()
    await keyFile(path).create?.()
    const left = (suffix: string, ageMs: number) => {
      const name = `${path}${suffix}`
      writeFileSync(name, readFileSync(path), { mode: 0o600 })
      utimesSync(name, (Date.now() - ageMs) / 1000, (Date.now() - ageMs) / 1000)
      return name
    }
    const id = '0f1e2d3c-4b5a-4978-8a9b-0c1d2e3f4a5b'
    const old = left(`.${id}`, 120_000)
    const kept = [
      left('.backup', 120_000),
      left(`.${id.replace('0f', '1f')}`, 1000),
      left(`.${id}.old`, 120_000),
    ]
    await keyFile(path).keep?.(generateKey(), { keyId: 'unused' })
    expect([old, ...kept].map((name) => existsSync(name))).toEqual([false, true, true, true])
  })
})

describe("the system's keychain", () => {
  it('keeps each key under its id and finds exactly that one', async () => {
    const { provider, secrets } = fakeKeychain()
    const [one, two] = [await provider.create?.(), await provider.create?.()]
    expect(secrets.size).toBe(2)
    expect(await provider.load({})).toEqual([])
    expect((await provider.load({ keyId: one?.id })).map(({ id }) => id)).toEqual([one?.id])
    expect((await provider.load({ keyId: two?.id })).map(({ id }) => id)).toEqual([two?.id])
    expect(await provider.load({ keyId: '0000000000000000' })).toEqual([])
  })

  it('that is not there is key_unavailable', async () => {
    expect((await failure(async () => noKeychain().create?.())).code).toBe('key_unavailable')
    expect((await failure(() => noKeychain().load({ keyId: 'x' }))).code).toBe('key_unavailable')
  })

  it('that never answers is key_unavailable after the limit', async () => {
    const silent = keychain({ entry: () => new Promise(() => {}), timeoutMs: 20 })
    const error = await failure(() => silent.load({ keyId: 'x' }))
    expect(error.code).toBe('key_unavailable')
    expect(error.message).toContain('20 ms')
  })

  it('that forgets is key_unavailable', async () => {
    const forgetful = keychain({
      entry: async () => ({
        getPassword: async () => null,
        setPassword: async () => {},
        deletePassword: async () => true,
      }),
    })
    expect((await failure(async () => forgetful.create?.())).code).toBe('key_unavailable')
  })

  it('on this machine answers or is key_unavailable, without hanging', async () => {
    const answer = await keychain({ timeoutMs: 5000 })
      .load({ keyId: '0000000000000000' })
      .catch((error: unknown) => (error instanceof KeyError ? error.code : error))
    expect(['key_unavailable', []]).toContainEqual(answer)
  })
})

describe('unlocking', () => {
  it('a new vault takes the first key there is', async () => {
    const text = generateKey()
    const ring = await unlock(memoryStore(), [givenKey(text)])
    expect(ring.ids).toEqual([SealingKey.parse(text).id])
  })

  it('a new vault makes a key in the keychain, and finds it again by its id', async () => {
    const { provider, secrets } = fakeKeychain()
    const store = memoryStore()
    const path = newPath()
    const first = await unlock(store, [provider, keyFile(path)])
    expect(secrets.size).toBe(1)
    expect(existsSync(path)).toBe(false)
    expect((await unlock(store, [provider, keyFile(path)])).ids).toEqual(first.ids)
    expect((await unlock(memoryStore(), [provider])).ids).not.toEqual(first.ids)
  })

  it('a new vault without a keychain makes a key file, which later ones use too', async () => {
    const path = newPath()
    const places = [noKeychain(), keyFile(path)]
    const store = memoryStore()
    const first = await unlock(store, places)
    expect((await unlock(store, places)).ids).toEqual(first.ids)
    expect((await unlock(memoryStore(), places)).ids).toEqual(first.ids)
  })

  it('of several first openers, all end up with one key, and the losers keep no other', async () => {
    const { provider, secrets } = fakeKeychain()
    const store = memoryStore()
    const rings = await Promise.all(Array.from({ length: 10 }, () => unlock(store, [provider])))
    expect(new Set(rings.map(({ primary }) => primary.id)).size).toBe(1)
    expect(secrets.size).toBe(1)
  })

  it('an existing vault never gets a second key', async () => {
    const store = memoryStore()
    const right = generateKey()
    await unlock(store, [givenKey(right)])
    const { provider, secrets } = fakeKeychain()
    const path = newPath()
    const error = await failure(() => unlock(store, [provider, keyFile(path)]))
    expect(error.code).toBe('key_missing')
    expect(error.message).toContain(SealingKey.parse(right).id)
    expect(error.message).toContain(path)
    expect(error.message).toContain("the system's keychain: no key")
    expect(error.message).toContain('TOOLGRANT_KEY')
    expect(secrets.size).toBe(0)
    expect(existsSync(path)).toBe(false)
    expect((await unlock(store, [givenKey(right)])).ids).toEqual([SealingKey.parse(right).id])
  })

  it('an existing vault names the wrong key and the right one', async () => {
    const store = memoryStore()
    const [right, wrong] = [generateKey(), generateKey()]
    await unlock(store, [givenKey(right)])
    const error = await failure(() => unlock(store, [givenKey(wrong, 'TOOLGRANT_KEY')]))
    expect(error.code).toBe('key_wrong')
    expect(error.message).toContain(`TOOLGRANT_KEY: the key ${SealingKey.parse(wrong).id}`)
    expect(inspect(error)).not.toContain(wrong)
  })

  it('an existing vault says so when the place of its key cannot be reached', async () => {
    const store = memoryStore()
    await unlock(store, [givenKey(generateKey())])
    const error = await failure(() => unlock(store, [noKeychain(), keyFile(newPath())]))
    expect(error.code).toBe('key_unavailable')
    expect(error.message).toContain('no secret service')
  })

  it('an existing vault is opened by its key among several, and goes on sealing with it', async () => {
    const store = memoryStore()
    const [older, newer] = [generateKey(), generateKey()]
    await unlock(store, [givenKey(older)])
    const ring = await unlock(store, [givenKey(`${newer}, ${older}`)])
    expect(ring.primary.id).toBe(SealingKey.parse(older).id)
    expect(ring.has(SealingKey.parse(newer).id)).toBe(false)
  })

  it('a new vault without any place for a key says how to set one', async () => {
    const error = await failure(() => unlock(memoryStore(), [noKeychain()]))
    expect(error.code).toBe('key_unavailable')
    expect(error.message).toContain('TOOLGRANT_KEY')
    const empty: KeyProvider = { place: 'nowhere', load: async () => [] }
    expect((await failure(() => unlock(memoryStore(), [empty]))).code).toBe('key_missing')
  })
})

describe('the order of places', () => {
  const text = generateKey()
  const dataFolder = () => '/data'
  const places = (options: Parameters<typeof keyProviders>[0]) =>
    keyProviders(options).map(({ place }) => place)

  it('is the option alone, else TOOLGRANT_KEY alone, else keychain and key file', () => {
    expect(places({ key: text, variable: text, dataFolder })).toEqual(['the option key'])
    expect(places({ key: passingKey(), dataFolder })).toEqual(['the memory of this process'])
    expect(places({ variable: text, dataFolder })).toEqual(['TOOLGRANT_KEY'])
    expect(places({ variable: ' ', dataFolder })).toEqual([
      "the system's keychain",
      'the key file /data/vault.key',
    ])
  })

  it('a malformed TOOLGRANT_KEY is refused, not passed over, and not quoted', async () => {
    const providers = keyProviders({ variable: 'canary-password', dataFolder })
    const error = await failure(() => unlock(memoryStore(), providers))
    expect(error.code).toBe('key_invalid')
    expect(error.message).toContain('TOOLGRANT_KEY')
    expect(inspect(error)).not.toContain('canary')
  })
})
