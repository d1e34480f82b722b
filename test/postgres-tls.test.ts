// sslmode against a real server with TLS and one without: what is encrypted, and whom it takes for the server.
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generate } from 'selfsigned'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openPostgresStore } from '../src/vault/postgres-store.ts'
import { thrown } from '../src/vault/store-fixture.contract.ts'
import { PostgresServer, type TestDatabase, testDatabase } from './setup/postgres.ts'

const folder = mkdtempSync(join(tmpdir(), 'toolgrant-tls-'))
let server: PostgresServer
let database: TestDatabase
let authority: string
let stranger: string

beforeAll(async () => {
  const own = await certificate('server')
  authority = own.cert
  stranger = (await certificate('stranger')).cert
  chmodSync(folder, 0o755)
  server = await PostgresServer.start({
    ssl: 'on',
    ssl_cert_file: own.cert,
    ssl_key_file: own.key,
    fsync: 'off',
  })
  database = await server.database()
})
afterAll(async () => {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** A certificate for `localhost` that signs itself. */
async function certificate(name: string): Promise<{ cert: string; key: string }> {
  const made = await generate([{ name: 'commonName', value: 'localhost' }], {
    keySize: 2048,
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] },
    ],
  })
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)]
  writeFileSync(cert, made.cert)
  writeFileSync(key, made.private, { mode: 0o600 })
  // The server runs as another user when this process is root; a key of root's may be read by its group.
  if (process.getuid?.() === 0) {
    chownSync(key, 0, Number(execFileSync('id', ['-g', 'postgres'], { encoding: 'utf8' })))
    chmodSync(key, 0o640)
  }
  return { cert, key }
}

/** Puts a line at the top of the server's pg_hba.conf. */
async function addRule(line: string): Promise<void> {
  const file = join(server.folder, 'pg_hba.conf')
  writeFileSync(file, `${line}\n${readFileSync(file, 'utf8')}`)
  await database.sql('SELECT pg_reload_conf()')
  await expect
    .poll(
      async () =>
        (
          await database.sql('SELECT 1 FROM pg_hba_file_rules WHERE rule_number = 1 AND auth_method = $1', [
            line.split(' ').at(-1),
          ])
        ).length,
    )
    .toBe(1)
  await new Promise((resolve) => setTimeout(resolve, 100))
}

/** Whether a vault's own connections are encrypted there. */
async function encrypted(host: string, parameters: string): Promise<boolean> {
  const url = new URL(database.url)
  url.hostname = host
  const store = await openPostgresStore(`${url.href}?${parameters}&application_name=tls`)
  await store.keys()
  const [row] = await database.sql(
    `SELECT bool_and(ssl) AS ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'tls'`,
  )
  await store.close()
  return row?.['ssl'] === true
}

describe('a server with TLS', () => {
  it.each([
    ['localhost', '', false],
    ['localhost', 'sslmode=disable', false],
    ['localhost', 'sslmode=prefer', true],
    ['localhost', 'sslmode=require', true],
  ])('at %s with "%s" is spoken to in secret: %s', async (host, parameters, expected) => {
    expect(await encrypted(host, parameters)).toBe(expected)
  })

  it('is known by the authority that is named', async () => {
    for (const mode of ['require', 'verify-ca', 'verify-full'])
      expect(await encrypted('localhost', `sslmode=${mode}&sslrootcert=${authority}`)).toBe(true)
  })

  it('of another name is refused by verify-full alone', async () => {
    expect(await encrypted('127.0.0.1', `sslmode=verify-ca&sslrootcert=${authority}`)).toBe(true)
    const error = await thrown(() => encrypted('127.0.0.1', `sslmode=verify-full&sslrootcert=${authority}`))
    expect(error).toMatchObject({ code: 'store_unavailable', message: expect.stringContaining('host name') })
  })

  it.each(['require', 'verify-ca', 'verify-full'])(
    'that the named authority did not sign is refused: %s',
    async (mode) => {
      const error = await thrown(() => encrypted('localhost', `sslmode=${mode}&sslrootcert=${stranger}`))
      expect(error).toMatchObject({
        code: 'store_unavailable',
        message: expect.stringContaining('sslrootcert'),
      })
    },
  )

  it('that no authority of the system signed is refused by verify-full', async () => {
    for (const parameters of ['sslmode=verify-full', 'sslmode=verify-full&sslrootcert=system'])
      expect(await thrown(() => encrypted('localhost', parameters))).toMatchObject({
        ...{ code: 'store_unavailable', message: expect.stringContaining('sslrootcert') },
      })
  })

  it('proves that it is the one that the password is for', async () => {
    expect(await encrypted('localhost', 'sslmode=require&channel_binding=require')).toBe(true)
    expect(await encrypted('localhost', 'sslmode=require&channel_binding=disable')).toBe(true)
  })

  it('that asks for the password itself, or for none, is refused where the proof is required', async () => {
    const role = `clear_${process.pid}`
    await database.sql(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD 'role-canary-81'`)
    const url = Object.assign(new URL(database.url), { username: role, password: 'role-canary-81' })
    url.hostname = 'localhost'
    for (const method of ['password', 'trust']) {
      await addRule(`host all ${role} 127.0.0.1/32 ${method}`)
      await (await openPostgresStore(`${url.href}?sslmode=require`)).close()
      const error = await thrown(() =>
        openPostgresStore(`${url.href}?sslmode=require&channel_binding=require`),
      )
      expect(error).toMatchObject({
        code: 'store_unavailable',
        message: expect.stringContaining('channel_binding'),
      })
    }
  })

  it('is listened to in the same way', async () => {
    const store = await openPostgresStore(`${database.url}?sslmode=require&application_name=listener`)
    const stop = await store.watch?.(
      () => {},
      () => {},
    )
    expect(stop).toBeDefined()
    await store.close()
  })
})

it('a Unix socket is taken for what it is: this machine', async () => {
  const { username, password, pathname } = new URL(database.url)
  const folder = encodeURIComponent(server.folder)
  const url = `postgresql://${username}:${password}@${pathname}?host=${folder}&port=${server.port}`
  const store = await openPostgresStore(`${url}&sslmode=require`)
  expect(await store.keys()).toEqual([])
  expect(store.name).toContain(folder)
  await store.close()
})

describe('a server without TLS', () => {
  it('is spoken to in the clear where that is allowed, and refused elsewhere', async () => {
    const other = await testDatabase()
    await (await openPostgresStore(`${other.url}?sslmode=prefer`)).close()
    expect(await thrown(() => openPostgresStore(`${other.url}?sslmode=require`))).toMatchObject({
      ...{ code: 'store_unavailable', message: expect.stringContaining('sslmode') },
    })
    await other.drop()
  })
})
