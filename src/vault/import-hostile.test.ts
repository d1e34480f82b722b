// Sources that somebody made up: members of other types, nesting without end, two people at one address, files that are
// none. Each entry stands by itself, and what cannot be taken keeps no other from coming in.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TokenSet } from '../oauth/index.ts'
import { defineProvider } from '../providers/index.ts'
import { generateKey } from '../seal.ts'
import { sealBundle } from './bundle.ts'
import { type Imported, type ImportOptions, importConnections } from './import.ts'
import { furnish, type Interior } from './interior.ts'
import { openParts } from './open.ts'

const folder = mkdtempSync(join(tmpdir(), 'toolgrant-hostile-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const now = Date.UTC(2026, 0, 1)
const passphrase = 'correct horse battery'
const acme = defineProvider({
  ...{ id: 'acme', authorizationUrl: 'https://acme.test/authorize', tokenUrl: 'https://acme.test/token' },
})
const clients = { acme: { clientId: 'c', provider: acme }, google: { clientId: 'g', clientSecret: 's' } }
let inside: Interior
beforeEach(async () => {
  inside = await furnish(await openParts({ url: 'memory:', key: generateKey(), clients, now: () => now }))
})
afterEach(async () => {
  await inside.audit.close()
  await inside.store.close()
})

const imported = (from: string | Uint8Array, options: ImportOptions = {}): Promise<Imported> =>
  importConnections(inside, from, { passphrase, ...options })

const rows = () => inside.store.list({ tenant: 'default' })
const json = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
const outcomes = ({ items }: Imported) => items.map(({ outcome }) => outcome)
const nested = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`

const tokens = (name: string, receivedAt = now - 3_600_000) =>
  new TokenSet({
    ...{ accessToken: name, refreshToken: `refresh-${name}`, receivedAt: new Date(receivedAt) },
    expiresAt: new Date(now + 3_600_000),
  })

function line(name: string, changes: object = {}): object {
  return {
    ...{ id: name, user: name, provider: 'acme', account: 'default', status: 'active', reason: null },
    ...{ generation: 1, grantedAt: now, usedAt: now, createdAt: now, updatedAt: now },
    ...{ tokens: tokens(name).serialize(), ...changes },
  }
}

async function bundleOf(...lines: (object | string)[]): Promise<Uint8Array> {
  const all = [{ toolgrant: 'connections', version: 1, moved: true }, ...lines, { end: lines.length }]
  const text = all.map((each) => (typeof each === 'string' ? each : JSON.stringify(each))).join('\n')
  const parts: Uint8Array[] = []
  async function* texts() {
    yield `${text}\n`
  }
  for await (const part of sealBundle(passphrase, texts(), { N: 2, r: 1, p: 1 })) parts.push(part)
  return Buffer.concat(parts)
}

describe('a bundle that somebody made up', () => {
  const serialized = (changes: object) =>
    JSON.stringify({ v: 1, a: 'x', r: 'y', s: [], e: null, n: now, ...changes })

  it.each([
    ['a user', { user: 5 }],
    ['a user that is none', { user: null }],
    ['a provider', { provider: {} }],
    ['an account', { account: ['x'] }],
    ['a status', { status: 'revoked' }],
    ['tokens', { tokens: 5 }],
    ['a refresh token', { tokens: serialized({ r: 5 }) }],
    ['a token type', { tokens: serialized({ t: {} }) }],
    ['scopes', { tokens: serialized({ s: [1] }) }],
    ['extra members', { tokens: serialized({ x: 'text' }) }],
    ['deep members', { tokens: serialized({}).replace('}', `,"x":${nested(20_000)}}`) }],
  ])('with %s of another kind: it is refused, the others come in', async (_, changes) => {
    const result = await imported(await bundleOf(line('ada', changes), line('bob')))
    expect(outcomes(result)).toEqual(['refused', 'imported'])
    for (const { user, provider, account } of result.items)
      for (const text of [user, provider, account]) expect(['string', 'undefined']).toContain(typeof text)
    expect((await rows()).map(({ user }) => user)).toEqual(['bob'])
  })

  it('with instants and reasons that are none: they are not believed', async () => {
    const instants = { grantedAt: 'x', usedAt: 8e15, createdAt: {} }
    const dead = { status: 'needs_reconnect', reason: { a: 1 } }
    const result = await imported(
      await bundleOf(line('ada', instants), line('bob', dead), line('eve', { ...dead, reason: '\u001b[2J' })),
    )
    expect(outcomes(result)).toEqual(['imported', 'imported', 'imported'])
    expect((await rows()).map(({ status, reason }) => [status, reason])).toEqual([
      ['active', null],
      ['needs_reconnect', 'refused'],
      ['needs_reconnect', 'refused'],
    ])
    const [ada] = await rows()
    expect(ada?.dueAt).toBeGreaterThan(now)
    expect(ada?.dueAt).toBeLessThan(now + 30 * 86_400_000)
    expect((await inside.store.history(ada?.id ?? '')).map(({ note }) => note).join()).not.toContain('"x"')
  })

  it('with a line of endless nesting is refused, and the process lives', async () => {
    const deep = `{"user":${nested(20_000)},"provider":"acme"}`
    expect(outcomes(await imported(await bundleOf(deep, line('bob'))))).toEqual(['refused', 'imported'])
  })
})

describe('two grants for one address', () => {
  it('of two people, given to one: the second is refused, whatever its age', async () => {
    for (const [first, second] of [
      ['bob', 'carol'],
      ['carol', 'bob'],
    ] as const) {
      const at = { bob: now - 7200_000, carol: now - 3600_000 }
      const both = await bundleOf(
        ...[first, second].map((name) => line(name, { tokens: tokens(name, at[name]).serialize() })),
      )
      const user = `ada-${first}`
      const result = await imported(both, { as: user, replace: true })
      expect(outcomes(result)).toEqual(['imported', 'refused'])
      expect(result.items[1]?.why).toMatch(/^An earlier entry .* same address/)
      const [row] = await inside.store.list({ tenant: 'default', user })
      expect(row && inside.sealed.open(row).accessToken).toBe(first)
      // Again, it is the same.
      expect(outcomes(await imported(both, { as: user }))).toEqual(['unchanged', 'refused'])
    }
  })

  it('in one JSON file: the second has to have a label', async () => {
    const entry = { user: 'ada', provider: 'acme', obtained_at: now / 1000 - 7200 }
    const list = [
      { ...entry, access_token: 'work' },
      { ...entry, access_token: 'private', obtained_at: now / 1000 - 60 },
      { ...entry, access_token: 'work' },
    ]
    expect(outcomes(await imported(json(list)))).toEqual(['imported', 'refused', 'unchanged'])
  })
})

describe('JSON that somebody made up', () => {
  const entry = { user: 'ada', provider: 'acme', access_token: 'T' }

  it('with endless nesting: that entry is refused, the others come in', async () => {
    const deep = `[{"user":"eve","provider":"acme","access_token":"T","extra":${nested(20_000)}},${JSON.stringify(entry)}]`
    const result = await imported(json(deep))
    expect(result.items.map(({ outcome, why }) => [outcome, why])).toEqual([
      ['refused', 'The member extra is nested too deeply.'],
      ['imported', undefined],
    ])
  })

  it('that everybody may write to proves nothing', async () => {
    const path = join(folder, 'open.json')
    writeFileSync(path, JSON.stringify([entry]))
    chmodSync(path, 0o666)
    await expect(imported(path)).rejects.toThrow(/open\.json.*everybody on this machine may write to it/)
    chmodSync(path, 0o644)
    expect(outcomes(await imported(path))).toEqual(['imported'])
  })
})

describe('a file that is none', () => {
  it.skipIf(process.platform === 'win32')('is refused at once: a pipe that nobody writes to', async () => {
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    await expect(imported(pipe)).rejects.toThrow(/is no file/)
  })

  it('a folder that is called like a member of every object is a service that nobody knows', async () => {
    const credentials = join(folder, 'guMCP', 'local_auth', 'credentials')
    for (const service of ['__proto__', 'constructor']) {
      mkdirSync(join(credentials, service), { recursive: true })
      writeFileSync(join(credentials, service, 'ada_credentials.json'), '{"access_token":"T"}', {
        mode: 0o600,
      })
    }
    const result = await imported(join(folder, 'guMCP'))
    expect(result.items.map(({ outcome, provider }) => [outcome, provider])).toEqual([
      ['refused', '__proto__'],
      ['refused', 'constructor'],
    ])
  })
})
