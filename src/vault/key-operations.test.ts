// Adding, rotating and retiring keys: each order of steps, each refusal, and what other processes on the store see.
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { inspect } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { TokenSet } from '../oauth/index.ts'
import { generateKey, Keyring, SealingKey } from '../seal.ts'
import { keyFile } from './key-file.ts'
import { keychain } from './key-keychain.ts'
import { KeyOperations } from './key-operations.ts'
import { unlock } from './key-unlock.ts'
import { givenKey, type KeyProvider } from './keys.ts'
import { memoryStore } from './memory-store.ts'
import { openMeta, sealMeta } from './sealed-meta.ts'
import { SealedTokens } from './sealed-tokens.ts'
import { openSqliteStore } from './sqlite-store.ts'
import type { Store } from './store.ts'

const folder = mkdtempSync(join(tmpdir(), 'toolgrant-key-operations-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newPath = (name = 'vault.key') => join(folder, `${++files}`, name)

async function failure(run: () => Promise<unknown>): Promise<Error & { code: unknown }> {
  try {
    await run()
  } catch (error) {
    if (error instanceof Error && 'code' in error) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

const tokens = new TokenSet({
  ...{ accessToken: 'access', refreshToken: 'refresh', scopes: ['a'] },
  ...{ receivedAt: new Date(0), expiresAt: new Date(3_600_000) },
})

/** A process on the store: its own ring, its own view of the places. */
async function processOn(store: Store, places: readonly KeyProvider[]) {
  const keys = await unlock(store, places)
  return { keys, operations: new KeyOperations({ store, keys, places }), sealed: new SealedTokens(keys, 300) }
}

async function connect(store: Store, sealed: SealedTokens, user: string, tenant = 'default') {
  const place = {
    tenant,
    user,
    provider: 'slack',
    account: 'default',
    id: `${tenant}-${user}`,
    generation: 1,
  }
  await sealed.writing(() => store.putGrant({ ...place, ...sealed.seal(place, tokens) }))
  return place.id
}

async function read(store: Store, sealed: SealedTokens, id: string): Promise<string> {
  return sealed.reading(async () => {
    const row = await store.get(id)
    return row === undefined ? 'no row' : sealed.open(row).accessToken
  })
}

/** A store whose clock moves, so that one key is newer than another. */
function store(): Store {
  let now = Date.UTC(2026, 0, 1)
  return memoryStore({ now: () => now++ })
}

describe('adding, rotating and retiring', () => {
  it('P50 seals everything of every tenant anew, and forgets the old key', async () => {
    const shared = store()
    const places = [keyFile(newPath())]
    const { keys, operations, sealed } = await processOn(shared, places)
    const old = keys.current.primary.id
    const ids: string[] = []
    for (const user of ['a', 'b', 'c'])
      ids.push(await connect(shared, sealed, user), await connect(shared, sealed, user, 'acme'))
    await sealMeta(shared, keys, 'audit_key', 'a secret')
    const { id: added } = await operations.add()
    expect(await operations.list()).toMatchObject([
      { id: old, primary: true, connections: 6, others: 1, place: places[0]?.place },
      { id: added, primary: false, connections: 0, others: 0, place: places[0]?.place },
    ])
    const progress: unknown[] = []
    const rotated = await operations.rotate({ onProgress: (how) => progress.push(how) })
    expect(rotated).toEqual({
      ...{ id: added, before: old, resealed: 6, unopened: [] },
      older: [{ id: old, connections: 0, others: 0 }],
    })
    expect(progress).toEqual([{ resealed: 6, total: 6 }])
    expect(await operations.retire(old)).toMatchObject({ id: old, retired: true, deletedFrom: [] })
    const later = await processOn(shared, places)
    expect(later.keys.current.ids).toEqual([added])
    for (const id of ids) expect(await read(shared, later.sealed, id)).toBe('access')
    expect(await openMeta(shared, later.keys, 'audit_key')).toBe('a secret')
  })

  it('again after it is done changes nothing', async () => {
    const { operations, keys } = await processOn(store(), [keyFile(newPath())])
    const { id } = keys.current.primary
    expect(await operations.rotate()).toEqual({ id, resealed: 0, older: [], unopened: [] })
    await operations.add()
    const first = await operations.rotate()
    expect(await operations.rotate()).toEqual({ ...first, before: undefined })
  })

  it('to a named key goes back to an older one', async () => {
    const shared = store()
    const { operations, keys, sealed } = await processOn(shared, [keyFile(newPath())])
    const old = keys.current.primary.id
    const id = await connect(shared, sealed, 'ada')
    const { id: added } = await operations.add()
    await operations.rotate()
    expect(await operations.rotate({ keyId: old })).toMatchObject({ id: old, before: added, resealed: 1 })
    expect((await shared.get(id))?.keyId).toBe(old)
  })

  it('with a clock that stands still asks which key is meant', async () => {
    const { operations } = await processOn(memoryStore({ now: () => 0 }), [keyFile(newPath())])
    const { id } = await operations.add()
    await expect(operations.rotate()).rejects.toThrow(/name the key/)
    expect(await operations.rotate({ keyId: id })).toMatchObject({ id })
  })

  it('ended by a signal keeps what it has done, and is gone on with', async () => {
    const shared = store()
    const { operations, sealed } = await processOn(shared, [keyFile(newPath())])
    for (let user = 0; user < 30; user += 1) await connect(shared, sealed, `u${user}`)
    const { id: added } = await operations.add()
    const stop = new AbortController()
    const onProgress = () => stop.abort(new Error('enough'))
    await expect(operations.rotate({ rowsPerSecond: 40, onProgress, signal: stop.signal })).rejects.toThrow(
      'enough',
    )
    expect((await shared.keyUse()).find(({ keyId }) => keyId === added)?.connections).toBe(10)
    expect(await operations.rotate()).toMatchObject({ id: added, resealed: 20 })
  })

  it('keeps the pace that it is given', async () => {
    const shared = store()
    const { operations, sealed } = await processOn(shared, [keyFile(newPath())])
    for (let user = 0; user < 20; user += 1) await connect(shared, sealed, `u${user}`)
    await operations.add()
    const begun = performance.now()
    await operations.rotate({ rowsPerSecond: 100 })
    expect(performance.now() - begun).toBeGreaterThan(180)
    await expect(operations.rotate({ rowsPerSecond: 0 })).rejects.toThrow(TypeError)
  })

  it('leaves what cannot be opened, names it, and seals the rest', async () => {
    const shared = store()
    const { operations, keys, sealed } = await processOn(shared, [keyFile(newPath())])
    const old = keys.current.primary.id
    const good = await connect(shared, sealed, 'ada')
    const place = { tenant: 'default', user: 'eve', provider: 'slack', account: 'default' }
    const copied = (await shared.get(good))?.sealed ?? new Uint8Array()
    const grant = { ...sealed.seal({ ...place, id: 'x', generation: 1 }, tokens), sealed: copied }
    await shared.putGrant({ ...place, ...grant, id: 'x', generation: 1 })
    await operations.add()
    const { resealed, unopened, older } = await operations.rotate()
    expect(resealed).toBe(1)
    expect(unopened).toEqual([
      { id: 'x', tenant: 'default', provider: 'slack', keyId: old, code: 'sealed_data_invalid' },
    ])
    expect(older).toEqual([{ id: old, connections: 1, others: 0 }])
    expect((await failure(() => operations.retire(old))).code).toBe('key_in_use')
  })

  it('ends when another process chooses another key meanwhile', async () => {
    const shared = store()
    const { operations, sealed } = await processOn(shared, [keyFile(newPath())])
    for (let user = 0; user < 10; user += 1) await connect(shared, sealed, `u${user}`)
    const [first, second] = [await operations.add(), await operations.add()]
    const onProgress = () => void shared.makePrimary(second.id)
    const error = await failure(() => operations.rotate({ keyId: first.id, rowsPerSecond: 20, onProgress }))
    expect(error.code).toBe('key_retired')
    expect(error.message).toContain(second.id)
    expect(await operations.rotate()).toMatchObject({ id: second.id, resealed: 10 })
  })
})

describe('other processes', () => {
  it('open what a new key sealed, although they began before there was one', async () => {
    const shared = store()
    const places = [keyFile(newPath())]
    const [reader, rotator] = [await processOn(shared, places), await processOn(shared, places)]
    const id = await connect(shared, reader.sealed, 'ada')
    await rotator.operations.add()
    await rotator.operations.rotate()
    expect(await read(shared, reader.sealed, id)).toBe('access')
  })

  it('write with the new key at once when theirs was retired, and within a minute in any case', async () => {
    let now = Date.UTC(2026, 0, 1)
    const shared = memoryStore({ now: () => now })
    const places = [keyFile(newPath())]
    const [writer, rotator] = [await processOn(shared, places), await processOn(shared, places)]
    const old = writer.keys.current.primary.id
    now += 1
    const { id: added } = await rotator.operations.add()
    await rotator.operations.rotate()
    const straggler = await connect(shared, writer.sealed, 'straggler')
    expect((await shared.get(straggler))?.keyId).toBe(old)
    expect((await failure(() => rotator.operations.retire(old))).message).toContain('keys rotate (again)')
    now += 60_001
    const later = await connect(shared, writer.sealed, 'later')
    expect((await shared.get(later))?.keyId).toBe(added)
    expect((await rotator.operations.rotate()).resealed).toBe(1)

    const third = (await rotator.operations.add()).id
    await rotator.operations.rotate({ keyId: third })
    await rotator.operations.retire(added)
    const refused = await connect(shared, writer.sealed, 'refused')
    expect((await shared.get(refused))?.keyId).toBe(third)
  })

  it('that cannot find the new key go on with an older one until that is retired, and say what they lack', async () => {
    const shared = store()
    const [one, two] = [generateKey(), generateKey()]
    const old = await processOn(shared, [givenKey(one, 'TOOLGRANT_KEY')])
    const rotator = await processOn(shared, [givenKey(`${one},${two}`, 'TOOLGRANT_KEY')])
    const id = await connect(shared, old.sealed, 'ada')
    const { id: added } = await rotator.operations.add()
    await rotator.operations.rotate()
    const error = await failure(() => read(shared, old.sealed, id))
    expect(error.code).toBe('key_wrong')
    expect(error.message).toContain(added)
    expect(error.message).toContain(`TOOLGRANT_KEY: the key ${SealingKey.parse(one).id}`)
    await old.keys.reload()
    const kept = await connect(shared, old.sealed, 'kept')
    expect((await shared.get(kept))?.keyId).toBe(SealingKey.parse(one).id)
    await rotator.operations.rotate()
    await rotator.operations.retire(SealingKey.parse(one).id)
    expect((await failure(() => connect(shared, old.sealed, 'refused'))).message).toContain(added)
    expect((await failure(() => processOn(shared, [givenKey(one)]))).code).toBe('key_wrong')
  })

  it('that miss a key for good ask its places again only now and then', async () => {
    let now = 0
    let asked = 0
    const shared = memoryStore({ now: () => now })
    const [one, two] = [generateKey(), generateKey()]
    const counting: KeyProvider = {
      place: 'a place',
      load: async () => {
        asked += 1
        return [SealingKey.parse(one)]
      },
    }
    const { sealed } = await processOn(shared, [counting])
    await shared.addKey({ id: SealingKey.parse(two).id, check: new Uint8Array(), wrapped: null })
    const other = new SealedTokens(new Keyring(SealingKey.parse(two)), 300)
    const id = await connect(shared, other, 'ada')
    await Promise.allSettled(Array.from({ length: 20 }, () => read(shared, sealed, id)))
    const first = asked
    expect(first).toBeLessThan(5)
    await failure(() => read(shared, sealed, id))
    expect(asked).toBe(first)
    now += 5001
    await failure(() => read(shared, sealed, id))
    expect(asked).toBe(first + 1)
  })
})

describe('a write', () => {
  it('looks for the primary once a minute, and never waits for an older key that nobody can bring', async () => {
    let now = 0
    const shared = memoryStore({ now: () => now })
    const [one, two] = [generateKey(), generateKey()]
    let asked = 0
    const slow: KeyProvider = {
      place: 'a slow place',
      async load({ keyId }) {
        asked += 1
        return keyId === undefined || keyId === SealingKey.parse(one).id ? [SealingKey.parse(one)] : []
      },
    }
    const { sealed } = await processOn(shared, [slow])
    await shared.addKey({ id: SealingKey.parse(two).id, check: new Uint8Array(), wrapped: null })
    const opened = asked
    now += 60_001
    await connect(shared, sealed, 'ada')
    expect(asked).toBe(opened)
    await shared.makePrimary(SealingKey.parse(two).id)
    now += 60_001
    await Promise.all([connect(shared, sealed, 'bob'), connect(shared, sealed, 'eve')])
    expect(asked).toBeGreaterThan(opened)
    expect(asked).toBeLessThan(opened + 3)
  })
})

describe('retiring', () => {
  it('refuses the primary, and a key that seals something: what, and what to do', async () => {
    const shared = store()
    const { operations, keys, sealed } = await processOn(shared, [keyFile(newPath())])
    const old = keys.current.primary.id
    const primary = await failure(() => operations.retire(old))
    expect([primary.code, primary.message]).toEqual(['key_in_use', expect.stringContaining('keys add')])
    await connect(shared, sealed, 'ada')
    const { id: added } = await operations.add()
    await shared.makePrimary(added)
    const inUse = await failure(() => operations.retire(old))
    expect([inUse.code, inUse.message]).toEqual(['key_in_use', expect.stringContaining('1 connections')])
    const unknown = await failure(() => operations.retire('0000000000000000'))
    expect([unknown.code, unknown.message]).toEqual(['invalid_argument', expect.stringContaining(added)])
  })

  it('waits for pending authorizations, which end by themselves', async () => {
    let now = 0
    const shared = memoryStore({ now: () => now })
    const { operations, keys } = await processOn(shared, [keyFile(newPath())])
    const old = keys.current.primary.id
    await shared.putPending('state', new Uint8Array(40), 600_000, old)
    now += 1
    await operations.add()
    expect((await operations.rotate()).older).toEqual([{ id: old, connections: 0, others: 1 }])
    expect((await failure(() => operations.retire(old))).message).toContain('within minutes')
    now += 600_000
    expect((await operations.retire(old)).retired).toBe(true)
  })

  it('leaves the key itself where it is unless it is told otherwise, now or later', async () => {
    const path = newPath()
    const places = [keyFile(path)]
    const { operations, keys } = await processOn(store(), places)
    const old = keys.current.primary.id
    const { id: added } = await operations.add()
    await operations.rotate()
    const [place] = places.map((provider) => provider.place)
    expect(await operations.retire(old)).toEqual({ id: old, retired: true, deletedFrom: [], leftIn: [place] })
    expect((await keyFile(path).load({})).map(({ id }) => id)).toEqual([added, old])
    expect((await failure(() => operations.retire(old))).code).toBe('invalid_argument')
    expect(await operations.retire(old, { deleteKey: true })).toEqual({
      ...{ id: old, retired: false, deletedFrom: [place], leftIn: [] },
    })
    expect((await keyFile(path).load({})).map(({ id }) => id)).toEqual([added])
    expect((await failure(() => operations.retire(added, { deleteKey: true }))).code).toBe('key_in_use')
    expect((await keyFile(path).load({})).map(({ id }) => id)).toEqual([added])
  })
})

describe('adding', () => {
  it('puts a key above the others into the file, which keeps its mode, its comments and its link', async () => {
    const path = newPath()
    const { operations, keys } = await processOn(store(), [keyFile(path)])
    const old = keys.current.primary.id
    const link = join(folder, 'linked.key')
    symlinkSync(path, link)
    const shared = store()
    const linked = await processOn(shared, [keyFile(link)])
    const { id } = await linked.operations.add()
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readFileSync(path, 'utf8')).toMatch(
      new RegExp(`^# The key of.*\n.*\n# key ${id}\n\\S{43}\n\\S{43}\n$`),
    )
    expect((await keyFile(path).load({})).map((key) => key.id)).toEqual([id, old])
    expect((await operations.list()).map((key) => key.id)).toEqual([old])
  })

  it('by many at the same time loses none', async () => {
    const path = newPath()
    const shared = store()
    const all = await Promise.all(Array.from({ length: 8 }, () => processOn(shared, [keyFile(path)])))
    const added = await Promise.all(all.map(({ operations }) => operations.add()))
    expect(new Set((await keyFile(path).load({})).map(({ id }) => id)).size).toBe(9)
    expect((await all[0]?.operations.list())?.every(({ place }) => place !== undefined)).toBe(true)
    expect(added.every((one) => one.added)).toBe(true)
  })

  it('waits while another process changes the file', async () => {
    const path = newPath()
    const { operations } = await processOn(store(), [keyFile(path)])
    writeFileSync(`${path}.lock`, '')
    setTimeout(() => rmSync(`${path}.lock`), 50)
    expect((await operations.add()).added).toBe(true)
  })

  it('takes a key that is given, in any form, once', async () => {
    const path = newPath()
    const { operations } = await processOn(store(), [keyFile(path)])
    const text = generateKey()
    const { id } = SealingKey.parse(text)
    const hex = Buffer.from(text, 'base64url').toString('hex')
    expect(await operations.add({ key: hex })).toMatchObject({ id, added: true })
    expect(await operations.add({ key: text })).toMatchObject({ id, added: false })
    const wrong = await failure(() => operations.add({ key: 'canary-not-a-key' }))
    expect(wrong.code).toBe('key_invalid')
    expect(inspect(wrong)).not.toContain('canary')
    await expect(operations.add({ key: text, keyId: id })).rejects.toThrow(TypeError)
  })

  it('puts a lost key that the vault knows back into its place', async () => {
    const path = newPath()
    const { operations } = await processOn(store(), [keyFile(path)])
    const text = generateKey()
    const { id } = await operations.add({ key: text })
    await keyFile(path).remove?.(id)
    expect(await operations.list()).toMatchObject([{}, { id, why: expect.stringContaining(path) }])
    expect(await operations.add({ key: text })).toMatchObject({ id, added: false })
    expect(await operations.list()).toMatchObject([{}, { id, place: `the key file ${path}` }])
  })

  it('to a place that somebody else fills says what to do there, and then takes the key that is new there', async () => {
    const shared = store()
    const [one, two, three] = [generateKey(), generateKey(), generateKey()]
    const first = await processOn(shared, [givenKey(one, 'TOOLGRANT_KEY')])
    const error = await failure(() => first.operations.add())
    expect(error.code).toBe('key_missing')
    expect(error.message).toContain('restart every process')
    const both = await processOn(shared, [givenKey(`${one},${two}`, 'TOOLGRANT_KEY')])
    expect(await both.operations.add()).toEqual({
      ...{ id: SealingKey.parse(two).id, place: 'TOOLGRANT_KEY', added: true },
    })
    const all = await processOn(shared, [givenKey(`${generateKey()},${three},${one}`, 'TOOLGRANT_KEY')])
    expect((await failure(() => all.operations.add())).message).toContain('name the one to add')
    expect(await all.operations.add({ keyId: SealingKey.parse(three).id })).toMatchObject({ added: true })
    expect((await failure(() => all.operations.add({ key: generateKey() }))).code).toBe('key_wrong')
  })

  it('goes into the keychain when the present key is there, else into the file', async () => {
    const secrets = new Map<string, string>()
    const chain = keychain({
      entry: async (service, name) => ({
        getPassword: async () => secrets.get(`${service}/${name}`) ?? null,
        setPassword: async (password) => void secrets.set(`${service}/${name}`, password),
        deletePassword: async () => secrets.delete(`${service}/${name}`),
      }),
    })
    const path = newPath()
    const inChain = await processOn(store(), [chain, keyFile(newPath())])
    expect(await inChain.operations.add()).toMatchObject({ place: chain.place })
    const old = inChain.keys.current.primary.id
    await inChain.operations.rotate()
    expect(await inChain.operations.retire(old, { deleteKey: true })).toMatchObject({
      deletedFrom: [chain.place],
    })
    expect(secrets.size).toBe(1)
    const shared = store()
    await processOn(shared, [keyFile(path)])
    const inFile = await processOn(shared, [chain, keyFile(path)])
    expect(await inFile.operations.add()).toMatchObject({ place: keyFile(path).place })
  })
})

describe('rotating', () => {
  it('refuses a key that a fresh look does not find: nothing is changed', async () => {
    const path = newPath()
    const { operations, keys } = await processOn(store(), [keyFile(path)])
    const old = keys.current.primary.id
    const { id } = await operations.add()
    await keyFile(path).remove?.(id)
    const error = await failure(() => operations.rotate())
    expect(error.code).toBe('key_wrong')
    expect(error.message).toContain(id)
    expect(error.message).toContain(path)
    expect(await operations.list()).toMatchObject([{ id: old, primary: true }, { id }])
    expect((await failure(() => operations.rotate({ keyId: '0' }))).code).toBe('invalid_argument')
  })
})

describe('a row that somebody moves within the database', () => {
  it.each([
    ['to another tenant', `tenant = 'acme'`],
    ['to another user', `user = 'eve'`],
    ['to another provider', `provider = 'github'`],
    ['to another account', `account = 'work'`],
    ['to another generation', 'generation = 2'],
    ['to another id', `id = 'other'`],
  ])('%s does not open', async (_, change) => {
    const path = newPath('vault.db')
    const disk = await openSqliteStore(path)
    const { sealed } = await processOn(disk, [givenKey(generateKey())])
    const id = await connect(disk, sealed, 'ada')
    await edited(path, `UPDATE connection SET ${change}`)
    const error = await failure(() => read(disk, sealed, change.startsWith('id') ? 'other' : id))
    expect(error.code).toBe('sealed_data_invalid')
    await disk.close()
  })

  it('to another key id is still opened by the key that its envelope names, which is authenticated', async () => {
    const path = newPath('vault.db')
    const disk = await openSqliteStore(path)
    const { operations, sealed } = await processOn(disk, [keyFile(newPath())])
    const id = await connect(disk, sealed, 'ada')
    const { id: added } = await operations.add()
    await edited(path, `UPDATE connection SET key_id = '${added}'`)
    expect(await read(disk, sealed, id)).toBe('access')

    await edited(
      path,
      `UPDATE connection SET sealed = CAST(substr(sealed, 1, 1) || x'${added}' || substr(sealed, 10) AS BLOB)`,
    )
    expect((await failure(() => read(disk, sealed, id))).code).toBe('sealed_data_invalid')
    await disk.close()
  })
})

async function edited(path: string, sql: string): Promise<void> {
  const database = new DatabaseSync(path)
  database.exec(sql)
  database.close()
}
