// URLs of PostgreSQL vaults: what is understood, what stands in for what they leave out, what they never give away.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { ConfigurationError } from '../errors.ts'
import { type PostgresPlace, parsePostgresUrl, placeName } from './postgres-url.ts'

const folder = mkdtempSync(join(tmpdir(), 'toolgrant-url-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const authority = join(folder, 'root.pem')
writeFileSync(authority, 'an authority')

describe('a PostgreSQL url', () => {
  const defaults = { host: 'localhost', port: 5432, schema: 'toolgrant', poolSize: 10, prepare: true }

  it.each([
    ['postgres://ada:secret@db/app', { host: 'db', user: 'ada', database: 'app', port: 5432 }],
    ['postgresql://ada@db:6432/app?schema=mine', { host: 'db', port: 6432, schema: 'mine' }],
    ['postgres://[::1]:5433/app', { host: '::1', port: 5433 }],
    ['postgres://ada@/app', { ...defaults, user: 'ada', database: 'app' }],
    ['postgresql:///app?host=%2Frun%2Fpostgresql', { host: '/run/postgresql', database: 'app' }],
    ['postgres://db?dbname=app&user=ada', { host: 'db', database: 'app', user: 'ada' }],
    ['postgres://a%40b:secret@db/with%20space', { user: 'a@b', database: 'with space' }],
    ['postgres://ada@db', { database: 'ada' }],
    ['postgres://db', { user: userInfo().username, database: userInfo().username }],
    ['postgres://db/x?pool=3&prepare=false', { poolSize: 3, prepare: false }],
    ['postgres://db/x?connect_timeout=2', { connectTimeoutMs: 2000 }],
    ['postgres://db/x?connect_timeout=0', { connectTimeoutMs: 5000 }],
    ['postgres://db/x', { applicationName: 'toolgrant', listen: undefined }],
  ])('%s is understood', (url, expected) => {
    expect(parsePostgresUrl(url)).toMatchObject(expected)
  })

  it('is completed by libpq’s variables, which it wins over', () => {
    const env = {
      PGHOST: 'elsewhere',
      PGPORT: '7',
      PGUSER: 'eve',
      PGPASSWORD: 'from env',
      PGDATABASE: 'data',
    }
    const place = parsePostgresUrl('postgresql://', env)
    expect(place).toMatchObject({ host: 'elsewhere', port: 7, user: 'eve', database: 'data' })
    expect(place.password?.()).toBe('from env')
    expect(parsePostgresUrl('postgres://ada:own@db:8/app', env)).toMatchObject({
      ...{ host: 'db', port: 8, user: 'ada', database: 'app' },
    })
    expect(parsePostgresUrl('postgres://ada:own@db:8/app', env).password?.()).toBe('own')
  })

  it('keeps its password from whatever prints a place', () => {
    const place = parsePostgresUrl('postgres://ada:p%40ss%23canary@db/app?listen=other')
    expect(place.password?.()).toBe('p@ss#canary')
    for (const shown of [
      inspect(place, { depth: 9, showHidden: true }),
      JSON.stringify(place),
      placeName(place),
    ])
      expect(shown).not.toContain('canary')
  })

  it('is named by host, port, database and a schema of one’s own', () => {
    const name = (url: string) => placeName(parsePostgresUrl(url))
    expect(name('postgres://ada:secret@db/app')).toBe('postgres://db:5432/app')
    expect(name('postgres://[::1]/app?schema=mine')).toBe('postgres://[::1]:5432/app?schema=mine')
    expect(name('postgresql:///app?host=/run/x')).toBe('postgres://%2Frun%2Fx:5432/app')
  })

  it('may name another place to listen at', () => {
    const place = parsePostgresUrl('postgres://ada:secret@pooler:6432/app?schema=mine&listen=db:5433')
    expect(place.listen).toMatchObject({
      host: 'db',
      port: 5433,
      user: 'ada',
      database: 'app',
      schema: 'mine',
    })
    expect(passwordToListen(place)).toBe('secret')
    const other = encodeURIComponent('postgres://eve:other@db/app?sslmode=disable')
    const apart = parsePostgresUrl(`postgres://ada:secret@pooler/app?schema=mine&listen=${other}`)
    expect(apart.listen).toMatchObject({ host: 'db', user: 'eve', schema: 'mine' })
    expect(passwordToListen(apart)).toBe('other')
  })

  it.each([
    ['postgres://ada:canary#x@db/app', 'percent-encoding'],
    ['postgres://ada:x@db/app#canary', '%23'],
    ['postgres://ada:can/ary@db/app', 'percent-encoding'],
    ['postgres://ada:canary%zz@db/app', '%25'],
    ['postgres://ada:canary@one,two/app', 'several hosts'],
    ['postgres://ada:canary@db/app?sslmod=require', '"sslmode"'],
    ['postgres://ada:canary@db/app?canary=1', 'unknown parameter'],
    ['postgres://ada:canary@db/app?pool=0', 'pool'],
    ['postgres://ada:canary@db/app?pool=many', 'pool'],
    ['postgres://ada:canary@db/app?prepare=yes', 'prepare'],
    ['postgres://ada:canary@db/app?connect_timeout=-1', 'connect_timeout'],
    ['postgres://ada:canary@db/app?schema=Mine', 'schema'],
    ['postgres://ada:canary@db/app?schema=a.b', 'schema'],
    ['postgres://ada:canary@db/app?schema=pg_temp', 'schema'],
    ['postgres://ada:canary@db:99999/app', 'not a URL'],
  ])('%s is refused: %s', (url, reason) => {
    const error = refusal(url)
    expect(error.message).toContain(reason)
    expect(inspect(error)).not.toContain('canary')
  })
})

describe('sslmode', () => {
  const of = (parameters: string, host = 'db') =>
    parsePostgresUrl(`postgres://ada@${host}/app?${parameters}`).encryption

  it.each([
    ['db', '', { tls: { rejectUnauthorized: false }, orPlain: true }],
    ['localhost', '', { tls: undefined, orPlain: false }],
    ['127.0.0.1', '', { tls: undefined, orPlain: false }],
    ['localhost', 'sslmode=require', { tls: { rejectUnauthorized: false }, orPlain: false }],
    ['db', 'sslmode=disable', { tls: undefined, orPlain: false }],
    ['db', 'sslmode=allow', { tls: { rejectUnauthorized: false }, orPlain: true }],
    ['db', 'sslmode=prefer', { tls: { rejectUnauthorized: false }, orPlain: true }],
    ['db', 'sslmode=require', { tls: { rejectUnauthorized: false }, orPlain: false }],
    ['db', 'sslmode=verify-full', { tls: { rejectUnauthorized: true }, orPlain: false }],
    ['db', 'sslmode=verify-full&sslrootcert=system', { tls: { rejectUnauthorized: true }, orPlain: false }],
  ])('at %s, "%s" means what libpq means', (host, parameters, expected) => {
    expect(of(parameters, host)).toMatchObject(expected)
  })

  it.each([
    ['sslmode=require', 'prefer'],
    ['sslmode=require&channel_binding=require', 'require'],
    ['channel_binding=require', 'require'],
    ['sslmode=require&channel_binding=disable', 'disable'],
    ['sslmode=disable', 'disable'],
  ])('with "%s" ties the password to the connection: %s', (parameters, binding) => {
    expect(of(parameters).binding).toBe(binding)
    if (binding === 'require') expect(of(parameters).orPlain).toBe(false)
  })

  it('trusts the named authority alone, for any host unless it is verify-full', () => {
    const full = of(`sslmode=verify-full&sslrootcert=${authority}`).tls
    expect(full).toEqual({ rejectUnauthorized: true, ca: 'an authority' })
    for (const mode of ['require', 'verify-ca']) {
      const { tls } = of(`sslmode=${mode}&sslrootcert=${authority}`)
      expect(tls).toMatchObject({ rejectUnauthorized: true, ca: 'an authority' })
      expect(tls?.checkServerIdentity?.()).toBeUndefined()
    }
  })

  it('sends a certificate of ours, whose key nothing prints', () => {
    const { tls } = of(`sslmode=verify-full&sslcert=${authority}&sslkey=${authority}`)
    expect(tls).toMatchObject({ cert: 'an authority' })
    expect(tls?.key).toBe('an authority')
    expect(Object.keys(tls ?? {})).not.toContain('key')
  })

  it('is read from PGSSLMODE, too', () => {
    const { encryption } = parsePostgresUrl('postgres://db/app', { PGSSLMODE: 'verify-full' })
    expect(encryption.tls).toEqual({ rejectUnauthorized: true })
  })

  it.each([
    ['sslmode=always', 'sslmode is one of'],
    ['sslmode=verify-ca', 'sslrootcert'],
    ['sslmode=disable&channel_binding=require', 'sslmode'],
    ['channel_binding=maybe', 'channel_binding'],
    ['sslmode=require&sslrootcert=system', 'verify-full'],
    ['sslmode=verify-full&sslrootcert=/nowhere.pem', '/nowhere.pem'],
  ])('"%s" is refused', (parameters, reason) => {
    expect(refusal(`postgres://db/app?${parameters}`).message).toContain(reason)
  })
})

function passwordToListen({ listen }: PostgresPlace): string | undefined {
  return typeof listen === 'object' ? listen.password?.() : undefined
}

function refusal(url: string): ConfigurationError {
  try {
    parsePostgresUrl(url)
  } catch (error) {
    if (error instanceof ConfigurationError && error.code === 'config_invalid') return error
    throw error
  }
  throw new Error('nothing was thrown')
}
