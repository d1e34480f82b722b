// Export and import: everything comes along, nothing is lost or doubled, and a move leaves no second copy of a refresh
// token that is in use.
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { StoreError } from '../errors.ts'
import { TokenSet } from '../oauth/index.ts'
import { defineProvider } from '../providers/index.ts'
import { generateKey } from '../seal.ts'
import type { ScryptCost } from './bundle.ts'
import type { ConnectionAddress } from './connection.ts'
import { explainConnection } from './explain.ts'
import { type Exported, type ExportOptions, exportConnections } from './export.ts'
import { markForgotten, personKey } from './forgotten.ts'
import { readHistoryNote } from './history-note.ts'
import { type Imported, type ImportOptions, importConnections } from './import.ts'
import { furnish, type Interior } from './interior.ts'
import { saveGrant } from './new-grant.ts'
import { openParts } from './open.ts'
import type { ConnectionRow, Store } from './store.ts'

const folder = mkdtempSync(join(tmpdir(), 'toolgrant-leaving-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const passphrase = 'correct horse battery'
const cheap: ScryptCost = { N: 2, r: 1, p: 1 }
const start = Date.UTC(2026, 0, 1)
const provider = (id: string) =>
  defineProvider({
    id,
    authorizationUrl: `https://${id}.test/authorize`,
    tokenUrl: `https://${id}.test/token`,
  })
const clients = {
  acme: { clientId: 'client-of-acme', provider: provider('acme') },
  umbra: { clientId: 'client-of-umbra', provider: provider('umbra') },
}
let now = start
let files = 0
const newPath = (suffix = '') => join(folder, `${++files}${suffix}`)
const opened: Interior[] = []
afterEach(async () => {
  now = start
  for (const { audit, store } of opened.splice(0)) {
    await audit.close()
    await store.close()
  }
})

async function open(url = 'memory:', changes: { wrap?: (store: Store) => Store } = {}): Promise<Interior> {
  const options = {
    url,
    key: generateKey(),
    clients,
    now: () => now,
    random: () => 0.5,
    audit: 'all' as const,
  }
  const parts = await openParts(options)
  const inside = await furnish({ ...parts, store: changes.wrap?.(parts.store) ?? parts.store })
  opened.push(inside)
  return inside
}

const tokens = (name: string, changes: ConstructorParameters<typeof TokenSet>[0] | object = {}) =>
  new TokenSet({
    ...{ accessToken: `access-${name}`, refreshToken: `refresh-${name}`, scopes: ['a', 'b'] },
    ...{ receivedAt: new Date(now), expiresAt: new Date(now + 3_600_000), ...changes },
  })

const ada = { user: 'ada', provider: 'acme' }

async function connect(
  inside: Interior,
  name: string,
  address: ConnectionAddress = ada,
): Promise<ConnectionRow> {
  const { id } = await saveGrant(inside, address, tokens(name))
  return rowOf(inside, id)
}

async function rowOf({ store }: Interior, id: string): Promise<ConnectionRow> {
  const row = await store.get(id)
  if (row === undefined) throw new Error('no row')
  return row
}

async function only(inside: Interior): Promise<ConnectionRow> {
  const [row, ...others] = await inside.store.list({ tenant: inside.tenant })
  if (row === undefined || others.length > 0) throw new Error(`expected one row, got ${1 + others.length}`)
  return row
}

const exported = (inside: Interior, to: string, options: Partial<ExportOptions> = {}): Promise<Exported> =>
  exportConnections(inside, { passphrase, to, ...options }, cheap)

const imported = (
  inside: Interior,
  from: string | Uint8Array,
  options: ImportOptions = {},
): Promise<Imported> => importConnections(inside, from, { passphrase, ...options })

const json = (...connections: object[]) => Buffer.from(JSON.stringify(connections))

async function failure(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  return promise.then(
    (value) => expect.fail(JSON.stringify(value)),
    (error: unknown) => error as Error,
  )
}

describe('a round trip', () => {
  it.each(['memory:', 'sqlite'])('brings every member along (%s)', async (kind) => {
    const url = () => (kind === 'sqlite' ? `sqlite:${newPath('.db')}` : kind)
    const one = await open(url())
    const full = tokens('full', {
      ...{ idToken: 'id-token', tokenType: 'DPoP', scopes: ['x', 'ä'], extra: { team: { id: 'T1' }, n: 1 } },
      raw: { access_token: 'access-full', nested: [1, null, 'ä😀'] },
    })
    await saveGrant(one, { user: 'ada\n"', provider: 'acme', account: 'wörk' }, full)
    now += 1000
    await saveGrant(
      one,
      { user: 'bob', provider: 'umbra' },
      tokens('endless', { expiresAt: null, refreshToken: undefined }),
    )
    const bundle = newPath()
    expect(await exported(one, bundle)).toEqual({ exported: 2, moved: 0, notExported: [], notMoved: [] })
    const other = await open(url())
    now += 60_000
    expect(await imported(other, bundle)).toMatchObject({ from: 'bundle', imported: 2, refused: 0 })
    const before = await one.store.list({ tenant: 'default' })
    const after = await other.store.list({ tenant: 'default' })
    expect(after).toHaveLength(2)
    for (const [index, row] of after.entries()) {
      const source = before[index]
      if (source === undefined) throw new Error('no row')
      const { user, account, scopes, expiresAt, receivedAt, refreshDueAt, status } = source
      expect(row).toMatchObject({ user, account, scopes, expiresAt, receivedAt, refreshDueAt, status })
      expect(other.sealed.open(row).serialize()).toBe(one.sealed.open(source).serialize())
      const [entry] = await other.store.history(row.id)
      expect(entry && readHistoryNote(entry, 'connected')).toMatchObject({
        importedFrom: 'a toolgrant bundle (a copy stayed behind)',
        ...{ grantedAt: source.grantedAt, createdAt: source.createdAt },
      })
    }
  })

  it('keeps a dead grant dead, without asking the provider', async () => {
    const one = await open()
    const { id } = await connect(one, '1')
    await one.store.acquireLease(id, 1, 'me', 1000)
    await one.store.markNeedsReconnect(id, 'me', 1, 'interrupted')
    const bundle = newPath()
    await exported(one, bundle)
    const other = await open()
    await imported(other, bundle)
    expect(await only(other)).toMatchObject({ status: 'needs_reconnect', reason: 'interrupted' })
  })

  it('takes only what is asked for, at both ends', async () => {
    const one = await open()
    for (const user of ['ada', 'bob'])
      for (const id of ['acme', 'umbra']) await connect(one, `${user}-${id}`, { user, provider: id })
    const bundle = newPath()
    expect(await exported(one, bundle, { filter: { user: 'ada' } })).toMatchObject({ exported: 2 })
    const other = await open()
    expect(await imported(other, bundle, { providers: ['umbra'] })).toMatchObject({ imported: 1, refused: 0 })
    expect(await only(other)).toMatchObject({ user: 'ada', provider: 'umbra' })
    expect(await imported(await open(), bundle, { user: 'bob' })).toMatchObject({ imported: 0 })
    const third = await open()
    expect(await imported(third, bundle, { as: 'eve' })).toMatchObject({ imported: 2 })
    expect((await third.store.list({ tenant: 'default' })).map(({ user }) => user)).toEqual(['eve', 'eve'])
  })

  it('through vault.export and vault.import, to a stream and from bytes', async () => {
    const { Vault } = await import('./vault.ts')
    await using vault = await Vault.open({ url: 'memory:', clients, now: () => now })
    await vault.save(ada, tokens('1'))
    const parts: Uint8Array[] = []
    const to = new WritableStream<Uint8Array>({ write: (part) => void parts.push(part) })
    expect(await vault.export({ passphrase, to })).toMatchObject({ exported: 1 })
    await using other = await Vault.open({ url: 'memory:', clients, now: () => now })
    expect(await other.import(Buffer.concat(parts), { passphrase })).toMatchObject({ imported: 1 })
    expect((await other.token(ada)).accessToken).toBe('access-1')
  })

  it('wants a passphrase that is one', async () => {
    const inside = await open()
    for (const word of ['', 'short', undefined])
      expect(await failure(exported(inside, newPath(), { passphrase: word as string }))).toMatchObject({
        code: 'invalid_argument',
      })
  })

  it('is written down, connection by connection, without a secret', async () => {
    const one = await open()
    const { id } = await connect(one, 'secret')
    const bundle = newPath()
    await exported(one, bundle)
    await imported(one, bundle)
    await failure(imported(one, bundle, { passphrase: 'wrong passphrase' }))
    const lines = await one.audit.recent()
    expect(
      lines.map(({ action, outcome, connections, detail }) => [
        action,
        outcome,
        connections?.[0]?.id,
        detail,
      ]),
    ).toEqual([
      ['consent', 'ok', id, { scopes: 'a b' }],
      ['export', 'ok', id, { move: false }],
      ['export', 'ok', undefined, { connections: 1, moved: 0 }],
      [
        'import',
        'ok',
        undefined,
        { from: 'bundle', imported: 0, unchanged: 1, newerHere: 0, refused: 0, dryRun: false },
      ],
      ['import', 'passphrase_wrong', undefined, expect.anything()],
    ])
    expect(JSON.stringify(lines)).not.toMatch(/access-|refresh-|passphrase_w.*horse/)
  })
})

describe('the file', () => {
  it('is there whole or not at all, for its owner alone, and replaces nothing unasked', async () => {
    const inside = await open()
    await connect(inside, '1')
    const path = newPath()
    await exported(inside, path)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const before = readFileSync(path)
    expect((await failure(exported(inside, path))).message).toMatch(/is there already/)
    expect(readFileSync(path)).toEqual(before)
    await exported(inside, path, { overwrite: true })
    expect(readFileSync(path)).not.toEqual(before)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const link = newPath()
    symlinkSync('/nonexistent', link)
    expect((await failure(exported(inside, link))).message).toMatch(/is there already/)
    expect((await failure(exported(inside, join(folder, 'no', 'such')))).message).toMatch(
      /There is no folder/,
    )
    expect(readdirSync(folder).filter((name) => name.endsWith('.partial'))).toEqual([])
  })

  it('replaces files alone, whoever asks: no folder, no pipe, no device', async () => {
    const inside = await open()
    await connect(inside, '1')
    const [pipe, link, inner] = [newPath(), newPath(), newPath()]
    execFileSync('mkfifo', [pipe])
    symlinkSync('/dev/null', link)
    mkdirSync(inner)
    for (const path of [pipe, link, inner])
      expect((await failure(exported(inside, path, { overwrite: true }))).message).toMatch(/is no file/)
    expect(lstatSync(pipe).isFIFO()).toBe(true)
    expect(lstatSync(link).isSymbolicLink()).toBe(true)
    expect(readdirSync(folder).filter((name) => name.endsWith('.partial'))).toEqual([])
  })

  it('is taken back when the export fails or is stopped', async () => {
    const down = () => {
      throw new StoreError('store_unavailable', 'The store is down.')
    }
    const inside = await open('memory:', { wrap: (store) => withMethod(store, 'list', down) })
    const path = newPath()
    expect(await failure(exported(inside, path))).toMatchObject({ code: 'store_unavailable' })
    const stopped = AbortSignal.abort(new Error('stopped'))
    expect((await failure(exported(await open(), path, { signal: stopped }))).message).toBe('stopped')
    expect(existsSync(path)).toBe(false)
    expect(readdirSync(folder).filter((name) => name.endsWith('.partial'))).toEqual([])
  })
})

describe('a move', () => {
  it('deletes what is in the bundle, without asking the provider for anything', async () => {
    const one = await open()
    const { id } = await connect(one, '1')
    const told: string[] = []
    one.events.subscribe(({ type }) => void told.push(type))
    const bundle = newPath()
    expect(await exported(one, bundle, { move: true })).toEqual({
      ...{ exported: 1, moved: 1, notExported: [], notMoved: [] },
    })
    expect(await one.store.list({ tenant: 'default' })).toEqual([])
    expect(told).toEqual(['revoked'])
    const [, gone] = [undefined, (await one.store.history(id)).at(-1)]
    expect(gone).toMatchObject({ type: 'revoked', note: '{"by":"move","revoked":false}' })
    const other = await open()
    await imported(other, bundle)
    const [entry] = await other.store.history((await only(other)).id)
    expect(entry && readHistoryNote(entry, 'connected')?.importedFrom).toBe('a toolgrant bundle')
    expect(other.sealed.open(await only(other)).refreshToken).toBe('refresh-1')
  })

  it('lets nobody refresh what is on its way', async () => {
    const one = await open()
    const { id } = await connect(one, '1')
    let leased: unknown = 'not asked'
    const to = new WritableStream<Uint8Array>({
      close: async () => {
        leased = await one.store.acquireLease(id, 1, 'another', 1000)
      },
    })
    await exportConnections(one, { passphrase, to, move: true }, cheap)
    expect(leased).toBeUndefined()
    expect(await one.store.list({ tenant: 'default' })).toEqual([])
  })

  it('holds what is on its way for as long as it lives, and not much longer', async () => {
    const one = await open()
    const { id } = await connect(one, '1')
    const left: number[] = []
    const to = new WritableStream<Uint8Array>({
      close: async () => {
        const look = async () => left.push(((await rowOf(one, id)).leaseUntil ?? 0) - now)
        await look()
        now += 50_000
        await vi.waitFor(async () => expect(((await rowOf(one, id)).leaseUntil ?? 0) - now).toBe(60_000))
        await look()
      },
    })
    expect(await exportConnections(one, { passphrase, to, move: true }, cheap, 5)).toMatchObject({ moved: 1 })
    expect(left).toEqual([60_000, 60_000])
  })

  it('that was killed keeps nobody waiting long: the next one takes all', async () => {
    const one = await open()
    const rows = [await connect(one, '1'), await connect(one, '2', { ...ada, user: 'bob' })]
    for (const { id } of rows) await one.store.acquireLease(id, 1, 'export-killed', 60_000)
    const again = exported(one, newPath(), { move: true })
    setTimeout(() => (now += 60_001), 150)
    expect(await again).toMatchObject({ exported: 2, moved: 2, notExported: [] })
  })

  it('that cannot delete says that its bundle is whole, and what to do; that works', async () => {
    let broken = true
    const wrap = (store: Store) =>
      withMethod(store, 'deleteRevoked', (id: string) =>
        broken ? Promise.reject(new StoreError('store_full', 'No room.')) : store.deleteRevoked(id),
      )
    const one = await open('memory:', { wrap })
    await connect(one, '1')
    await connect(one, '2', { ...ada, user: 'bob' })
    const bundle = newPath()
    const error = await failure(exported(one, bundle, { move: true }))
    expect(error).toMatchObject({ name: 'StoreError', code: 'store_full' })
    expect(error.message).toContain(`The bundle ${bundle} is whole: keep it. Of its 2 connections 0 are gone`)
    const [left] = await one.store.list({ tenant: 'default', user: 'ada' })
    const { status, next } = await explainConnection(one, left?.id ?? '')
    expect([status, next]).toEqual([
      'disconnecting',
      [{ who: 'operator', text: expect.stringContaining('import the bundle of that move') }],
    ])
    broken = false
    now += 60_001
    const second = await exported(one, newPath(), { move: true })
    expect(second).toMatchObject({ exported: 1, moved: 1, notExported: [{ user: 'ada' }] })
    expect(second.notExported[0]?.why).toMatch(/move of it was killed, and its bundle has it/)
    expect(await imported(one, bundle)).toMatchObject({ imported: 2 })
    const third = newPath()
    expect(await exported(one, third, { move: true })).toMatchObject({ moved: 2, notExported: [] })
    expect(await imported(await open(), third)).toMatchObject({ imported: 2 })
  })

  it('replaces no bundle: it may hold what an interrupted one has taken already', async () => {
    const one = await open()
    const path = newPath()
    await connect(one, '1')
    expect(await exported(one, path, { move: true })).toMatchObject({ moved: 1 })
    await connect(one, '2')
    const again = await failure(exported(one, path, { move: true, overwrite: true }))
    expect(again.message).toMatch(/is a bundle, and may be the only place/)
    expect(await imported(await open(), path)).toMatchObject({ imported: 1 })
  })

  it('that can take nothing does not replace a bundle', async () => {
    const one = await open()
    const path = newPath()
    const { id } = await connect(one, '1')
    await exported(one, path)
    const before = readFileSync(path)
    await one.store.markRevoked(id)
    expect(await failure(exported(one, path, { overwrite: true }))).toMatchObject({
      code: 'store_busy',
      message: expect.stringMatching(/nothing was replaced.*being disconnected/i),
    })
    expect(readFileSync(path)).toEqual(before)
  })

  it('keeps everything, and its leases free, when the bundle cannot be made durable', async () => {
    const one = await open()
    const { id } = await connect(one, '1')
    const to = new WritableStream<Uint8Array>({
      close: () => {
        throw new Error('the disk is gone')
      },
    })
    const attempt = exportConnections(one, { passphrase, to, move: true }, cheap)
    expect((await failure(attempt)).message).toBe('the disk is gone')
    expect(await one.store.acquireLease(id, 1, 'another', 1000)).toMatchObject({ status: 'active' })
  })

  it('leaves a grant that a person renewed meanwhile, and says so', async () => {
    const one = await open()
    const { id } = await connect(one, '1')
    const to = new WritableStream<Uint8Array>({ close: async () => void (await connect(one, '2')) })
    const result = await exportConnections(one, { passphrase, to, move: true }, cheap)
    expect(result).toMatchObject({
      exported: 1,
      moved: 0,
      notMoved: [{ id, why: expect.stringMatching(/stays/) }],
    })
    expect(one.sealed.open(await rowOf(one, id)).refreshToken).toBe('refresh-2')
  })

  it('puts back a grant that was renewed at the very last moment', async () => {
    let inside: Interior | undefined
    const wrap = (store: Store) =>
      withMethod(store, 'markRevoked', async (id: string) => {
        if (inside !== undefined) await connect(inside, '2')
        return store.markRevoked(id)
      })
    inside = await open('memory:', { wrap })
    const { id } = await connect(inside, '1')
    const result = await exported(inside, newPath(), { move: true })
    expect(result).toMatchObject({ moved: 0, notMoved: [{ id }] })
    const row = await rowOf(inside, id)
    expect(row).toMatchObject({ status: 'active', generation: 3 })
    expect(inside.sealed.open(row).refreshToken).toBe('refresh-2')
  })

  it('waits for a refresh that is under way, and takes what it brought', async () => {
    const one = await open()
    const { id } = await connect(one, '1')
    const owner = 'a refresh'
    await one.store.acquireLease(id, 1, owner, 60_000)
    await one.store.writeIntent(id, owner, 1, 'hash', 60_000)
    setTimeout(async () => {
      const place = { ...(await rowOf(one, id)), generation: 2 }
      await one.store.saveTokens(id, owner, 1, one.sealed.seal(place, tokens('2')))
    }, 150)
    const bundle = newPath()
    expect(await exported(one, bundle, { move: true })).toMatchObject({ exported: 1, moved: 1 })
    const other = await open()
    await imported(other, bundle)
    expect(other.sealed.open(await only(other)).refreshToken).toBe('refresh-2')
  })

  it('gives up what a dead one leaves behind when it may have been spent', async () => {
    const one = await open('memory:')
    await connect(one, '1')
    const { id } = await only(one)
    await one.store.acquireLease(id, 1, 'crashed', 1000)
    await one.store.writeIntent(id, 'crashed', 1, 'hash', 1000)
    now += 2000
    const work = exported(one, newPath(), { move: true, signal: AbortSignal.timeout(400) })
    expect((await failure(work)).name).toBe('TimeoutError')
    expect(await rowOf(one, id)).toMatchObject({ status: 'active', leaseOwner: null, intentHash: 'hash' })
  })
})

describe('importing again', () => {
  it('changes nothing', async () => {
    const one = await open()
    await connect(one, '1')
    const bundle = newPath()
    await exported(one, bundle)
    const other = await open()
    await imported(other, bundle)
    const before = await only(other)
    expect(await imported(other, bundle)).toMatchObject({
      imported: 0,
      unchanged: 1,
      newerHere: 0,
      refused: 0,
    })
    expect(await imported(other, bundle, { replace: true })).toMatchObject({ unchanged: 1 })
    expect(await only(other)).toEqual(before)
  })

  it('leaves what was refreshed here since', async () => {
    const one = await open()
    await connect(one, '1')
    const bundle = newPath()
    await exported(one, bundle)
    const other = await open()
    await imported(other, bundle)
    const row = await only(other)
    now += 60_000
    await other.store.acquireLease(row.id, 1, 'me', 1000)
    await other.store.saveTokens(row.id, 'me', 1, other.sealed.seal({ ...row, generation: 2 }, tokens('2')))
    expect(await imported(other, bundle)).toMatchObject({ imported: 0, newerHere: 1 })
    expect(other.sealed.open(await only(other)).refreshToken).toBe('refresh-2')
  })

  it('takes a newer state of what was imported and not touched here', async () => {
    const one = await open()
    await connect(one, '1')
    const [first, second] = [newPath(), newPath()]
    await exported(one, first)
    now += 60_000
    await connect(one, '2')
    await exported(one, second)
    const other = await open()
    await imported(other, first)
    expect(await imported(other, second)).toMatchObject({ imported: 1 })
    expect(await imported(other, first)).toMatchObject({ newerHere: 1 })
    expect(other.sealed.open(await only(other)).refreshToken).toBe('refresh-2')
  })

  it('does not take the place of a grant that was given here, unless it is told to', async () => {
    const inside = await open()
    const row = await connect(inside, 'mine')
    now += 60_000
    const source = json({ user: 'ada', provider: 'acme', access_token: 'x', refresh_token: 'theirs' })
    const result = await imported(inside, source)
    expect(result).toMatchObject({ refused: 1, imported: 0 })
    expect(result.items[0]?.why).toMatch(/^Another grant is kept here.*replacing it/)
    expect(await imported(inside, source, { replace: true, dryRun: true })).toMatchObject({ imported: 1 })
    expect(await only(inside)).toEqual(row)
    expect(await imported(inside, source, { replace: true })).toMatchObject({ imported: 1 })
    expect(inside.sealed.open(await only(inside)).refreshToken).toBe('theirs')
    expect(await only(inside)).toMatchObject({ id: row.id, generation: 2 })
  })

  it('takes the place of a dead grant', async () => {
    const inside = await open()
    const { id } = await connect(inside, '1')
    await inside.store.acquireLease(id, 1, 'me', 1000)
    await inside.store.markNeedsReconnect(id, 'me', 1, 'refused')
    const obtained_at = (start - 60_000) / 1000
    const source = json({ user: 'ada', provider: 'acme', access_token: 'x', refresh_token: 'y', obtained_at })
    expect(await imported(inside, source)).toMatchObject({ imported: 1 })
    expect(await rowOf(inside, id)).toMatchObject({ status: 'active', generation: 2 })
  })

  it('brings back what a move was killed over: half gone is not unchanged', async () => {
    const killed = () => Promise.reject(new StoreError('store_unavailable', 'gone'))
    const inside = await open('memory:', { wrap: (store) => withMethod(store, 'deleteRevoked', killed) })
    const { id } = await connect(inside, '1')
    const bundle = newPath()
    expect(await failure(exported(inside, bundle, { move: true }))).toMatchObject({ name: 'StoreError' })
    expect(await rowOf(inside, id)).toMatchObject({ status: 'revoked' })
    expect(await imported(inside, bundle)).toMatchObject({ imported: 1, unchanged: 0 })
    const row = await rowOf(inside, id)
    expect(row).toMatchObject({ status: 'active', generation: 2 })
    expect(inside.sealed.open(row).refreshToken).toBe('refresh-1')
  })
})

describe('a person who is forgotten while their connections come in', () => {
  it('is not brought back', async () => {
    const one = await open()
    for (const user of ['ada', 'bob']) await connect(one, user, { user, provider: 'acme' })
    const bundle = newPath()
    await exported(one, bundle)
    const other = await open()
    const onItem = ({ user }: { user?: string }) => {
      if (user === 'ada') void markForgotten(other.store, personKey('default', 'ada'))
    }
    await imported(other, bundle, { onItem })
    expect(await only(other)).toMatchObject({ user: 'bob' })
  })

  it('is not brought back by an import that is stopped, either', async () => {
    const one = await open()
    for (const user of ['ada', 'bob']) await connect(one, user, { user, provider: 'acme' })
    const bundle = newPath()
    await exported(one, bundle)
    const other = await open()
    const stop = new AbortController()
    const onItem = () => {
      void markForgotten(other.store, personKey('default', 'ada'))
      stop.abort()
    }
    expect((await failure(imported(other, bundle, { onItem, signal: stop.signal }))).name).toBe('AbortError')
    expect(await other.store.list({ tenant: 'default' })).toEqual([])
  })
})

describe('a bundle that is not right', () => {
  it('changes nothing, wherever it is cut off', async () => {
    const one = await open()
    for (let index = 0; index < 20; index += 1)
      await connect(one, `${index}`, { user: `u${index}`, provider: 'acme' })
    const path = newPath()
    await exported(one, path)
    const whole = readFileSync(path)
    const other = await open()
    for (let length = 0; length < whole.byteLength; length += 97) {
      const error = await failure(imported(other, whole.subarray(0, length), { from: 'bundle' }))
      expect(error).toMatchObject({ name: 'ImportError', code: 'bundle_invalid' })
    }
    expect(await other.store.list({ tenant: 'default' })).toEqual([])
    writeFileSync(path, whole.subarray(0, -1))
    expect((await failure(imported(other, path))).message).toMatch(/cut off or altered/)
    expect(await failure(imported(other, whole, { passphrase: 'another one' }))).toMatchObject({
      code: 'passphrase_wrong',
    })
    expect(await imported(other, whole)).toMatchObject({ imported: 20 })
  })
})

/** The same store with another method. */
function withMethod<Name extends keyof Store>(store: Store, name: Name, method: unknown): Store {
  return new Proxy(store, {
    get(target, property) {
      if (property === name) return method
      const value: unknown = Reflect.get(target, property, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
