import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listenerCertificate } from './loopback-certificate.ts'
import { selfSignedForLocalhost } from './loopback-self-signed.ts'

const hourMs = 60 * 60_000
const dayMs = 24 * hourMs
let dataFolder: string

beforeEach(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), 'toolgrant-certificate-'))
})
afterEach(() => rm(dataFolder, { recursive: true, force: true }))

function managed(now?: number) {
  return listenerCertificate({ https: 'managed', dataFolder }, now)
}

describe('P7 the managed certificate', () => {
  it('names localhost, 127.0.0.1 and ::1, is no authority, and serves TLS only', async () => {
    const { cert, kind } = await managed()
    const certificate = new X509Certificate(cert)
    expect(kind).toBe('managed')
    expect(certificate.subjectAltName).toBe('DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1')
    expect(certificate.checkHost('localhost')).toBe('localhost')
    expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1')
    expect(certificate.ca).toBe(false)
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
    expect(certificate.verify(certificate.publicKey)).toBe(true)
    expect(certificate.serialNumber).toMatch(/^[0-9A-F]{16,40}$/) // 64 random bits or more, RFC 5280: at most 20 octets
  })

  it('is accepted by a TLS client that trusts it, by name and by address', async () => {
    const { cert, key } = await managed()
    const server = createServer({ cert, key }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    for (const servername of ['localhost', '']) {
      const socket = connect({ port, host: '127.0.0.1', ca: cert, ...(servername ? { servername } : {}) })
      await once(socket, 'secureConnect')
      expect(socket.authorized).toBe(true)
      socket.destroy()
    }
    server.close()
  })

  it('lies in one file of mode 0600 in a folder of mode 0700, and is used again', async () => {
    const first = await managed()
    const folder = join(dataFolder, 'certificates')
    expect(await readdir(folder)).toEqual(['managed.pem'])
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    expect((await stat(join(folder, 'managed.pem'))).mode & 0o777).toBe(0o600)
    expect(await managed()).toEqual(first)
  })

  it('makes the data folder, for its owner alone', async () => {
    const made = join(dataFolder, 'not', 'there')
    await listenerCertificate({ https: true, dataFolder: made })
    expect((await stat(made)).mode & 0o777).toBe(0o700)
  })

  it('closes a folder and a key that stand open', async () => {
    const folder = join(dataFolder, 'certificates')
    await mkdir(folder, { mode: 0o755 })
    const { cert } = await managed()
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    await chmod(join(folder, 'managed.pem'), 0o644)
    expect((await managed()).cert).toBe(cert)
    expect((await stat(join(folder, 'managed.pem'))).mode & 0o777).toBe(0o600)
  })

  it.each([
    [25 * hourMs, true],
    [24 * hourMs + 2_000, true],
    [24 * hourMs - 2_000, false],
    [-hourMs, false],
  ])('with %d ms left is kept: %s', async (leftMs, kept) => {
    const now = Date.now()
    const { cert } = await managed(now)
    const end = new X509Certificate(cert).validToDate.getTime()
    const later = await managed(end - leftMs)
    expect(later.cert === cert).toBe(kept)
    expect(new X509Certificate(later.cert).validToDate.getTime() - (end - leftMs)).toBeGreaterThan(dayMs)
  })

  it.each(['', 'garbage', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'])(
    'is made anew when its file is damaged (%j)',
    async (text) => {
      await mkdir(join(dataFolder, 'certificates'))
      await writeFile(join(dataFolder, 'certificates', 'managed.pem'), text)
      expect(new X509Certificate((await managed()).cert).checkHost('localhost')).toBe('localhost')
      expect(await readFile(join(dataFolder, 'certificates', 'managed.pem'), 'utf8')).toContain('PRIVATE KEY')
    },
  )

  it('is made anew when key and certificate are no pair', async () => {
    const validity = { notBefore: new Date(0), notAfter: new Date(Date.now() + 99 * dayMs) }
    const [one, two] = await Promise.all([selfSignedForLocalhost(validity), selfSignedForLocalhost(validity)])
    await mkdir(join(dataFolder, 'certificates'))
    await writeFile(join(dataFolder, 'certificates', 'managed.pem'), one.key + two.cert)
    expect((await managed()).cert).not.toBe(two.cert.trim())
  })

  it('is made once by flows that start together', async () => {
    const all = await Promise.all([managed(), managed(), managed()])
    expect(new Set(all.map(({ cert }) => cert)).size).toBe(1)
    expect(await readdir(join(dataFolder, 'certificates'))).toEqual(['managed.pem'])
  })

  it('serves this process alone where the folder cannot be written', async () => {
    await writeFile(join(dataFolder, 'certificates'), 'a file where the folder should be')
    expect((await managed()).cert).toContain('BEGIN CERTIFICATE')
  })
})

describe('certificate files', () => {
  it('P6 that are missing are answered with both mkcert commands and the exact paths', async () => {
    const files = { certFile: join(dataFolder, 'my cert.pem'), keyFile: join(dataFolder, 'key.pem') }
    const error = await listenerCertificate({ https: files }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ name: 'ConfigurationError', code: 'certificate_missing' })
    expect(String(error)).toContain('\n  mkcert -install\n')
    expect(String(error)).toContain(
      `\n  mkcert -cert-file '${files.certFile}' -key-file ${files.keyFile} localhost 127.0.0.1 ::1\n`,
    )
  })

  it('P6 are missing when only one is there', async () => {
    const files = { certFile: join(dataFolder, 'cert.pem'), keyFile: join(dataFolder, 'key.pem') }
    await writeFile(files.certFile, (await selfSigned()).cert)
    await expect(listenerCertificate({ https: files })).rejects.toMatchObject({ code: 'certificate_missing' })
  })

  it('that hold something else are named', async () => {
    const files = { certFile: join(dataFolder, 'cert.pem'), keyFile: join(dataFolder, 'key.pem') }
    await writeFile(files.certFile, (await selfSigned()).cert)
    await writeFile(files.keyFile, (await selfSigned()).key)
    const error = await listenerCertificate({ https: files }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'config_invalid' })
    expect(String(error)).toContain(files.keyFile)
  })

  it('are used as they are', async () => {
    const files = { certFile: join(dataFolder, 'cert.pem'), keyFile: join(dataFolder, 'key.pem') }
    const { cert, key } = await selfSigned()
    await writeFile(files.certFile, cert)
    await writeFile(files.keyFile, key)
    expect(await listenerCertificate({ https: files })).toMatchObject({ cert, key, kind: 'files' })
  })
})

describe('the certificate that mkcert made in the data folder', () => {
  async function asMkcert(notAfter: Date): Promise<string> {
    const folder = join(dataFolder, 'certificates')
    await mkdir(folder)
    const { cert, key } = await selfSigned(notAfter)
    await writeFile(join(folder, 'localhost.pem'), cert)
    await writeFile(join(folder, 'localhost-key.pem'), key)
    return cert
  }

  it('is used where it is present, unless ours is demanded', async () => {
    const cert = await asMkcert(new Date(Date.now() + dayMs))
    expect(await listenerCertificate({ https: true, dataFolder })).toMatchObject({ cert, kind: 'mkcert' })
    expect(await managed()).toMatchObject({ kind: 'managed' })
  })

  it('is passed over once it has expired', async () => {
    await asMkcert(new Date(Date.now() - 1_000))
    expect(await listenerCertificate({ https: true, dataFolder })).toMatchObject({ kind: 'managed' })
  })
})

it('writes dates beyond 2049 as RFC 5280 section 4.1.2.5 wants them', async () => {
  const { cert } = await selfSigned(new Date('2061-07-08T09:10:11Z'))
  expect(new X509Certificate(cert).validToDate.toISOString()).toBe('2061-07-08T09:10:11.000Z')
})

function selfSigned(notAfter = new Date(Date.now() + 30 * dayMs)) {
  return selfSignedForLocalhost({ notBefore: new Date('2020-01-01T00:00:00Z'), notAfter })
}
