// The certificate of https loopback flows: from files, made by mkcert, or our own, kept in the data folder.
// RFC 5280 (certificates), RFC 9525 (the names in subjectAltName count). No openssl is called.
import { dataFolder } from '../config/index.ts'
import { ConfigurationError } from '../errors.ts'
import type { CertificateFiles, LoopbackOptions } from './loopback-options.ts'
import { type SelfSigned, selfSignedForLocalhost, type Validity } from './loopback-self-signed.ts'

/** What a TLS listener needs. */
export interface ListenerCertificate {
  /** PEM. */
  cert: string
  /** PEM. Secret. */
  key: string
  kind: 'managed' | 'mkcert' | 'files'
  /** Equal for two flows that may share a port. */
  identity: string
}

const dayMs = 24 * 60 * 60_000
/** A managed certificate is replaced when it has less than this left. */
const renewalMs = dayMs
/** Lifetime of a managed certificate. */
const lifetimeMs = 365 * dayMs

/**
 * The certificate that the options ask for.
 *
 * @throws {ConfigurationError} `certificate_missing`, with the mkcert commands that make the files; `config_invalid`
 *   when a file holds something else.
 */
export async function listenerCertificate(
  { https, dataFolder: data = dataFolder(process.env) }: Pick<LoopbackOptions, 'https' | 'dataFolder'>,
  now: number = Date.now(),
): Promise<ListenerCertificate> {
  const folder = process.getBuiltinModule('node:path').join(data, 'certificates')
  if (typeof https === 'object') return readFiles(https)
  const mkcert = https === 'managed' ? undefined : await readMkcert(folder, now)
  return mkcert ?? managedCertificate(folder, now)
}

async function readFiles(files: CertificateFiles): Promise<ListenerCertificate> {
  const [cert, key] = await Promise.all([readText(files.certFile), readText(files.keyFile)])
  if (cert === undefined || key === undefined) throw certificateMissing(files)
  const certificate = { cert, key, kind: 'files', identity: `${files.certFile}\n${files.keyFile}` } as const
  try {
    process.getBuiltinModule('node:tls').createSecureContext(certificate)
  } catch (cause) {
    throw new ConfigurationError(
      'config_invalid',
      `${files.certFile} and ${files.keyFile} are not a PEM certificate and its key. Make both anew:\n${mkcertCommands(files)}`,
      { cause },
    )
  }
  return certificate
}

function certificateMissing(files: CertificateFiles): ConfigurationError {
  return new ConfigurationError(
    'certificate_missing',
    `The certificate for https is missing (${files.certFile}, ${files.keyFile}). Make it with mkcert ` +
      `(https://github.com/FiloSottile/mkcert):\n${mkcertCommands(files)}\nor set https to 'managed' for a certificate of our own.`,
  )
}

/** The two commands, ready to paste into a shell. */
function mkcertCommands({ certFile, keyFile }: CertificateFiles): string {
  const { resolve } = process.getBuiltinModule('node:path')
  return `  mkcert -install\n  mkcert -cert-file ${shellWord(resolve(certFile))} -key-file ${shellWord(resolve(keyFile))} localhost 127.0.0.1 ::1`
}

function shellWord(text: string): string {
  if (/^[\w@%+=:,./\\-]+$/.test(text)) return text
  return process.platform === 'win32' ? `"${text}"` : `'${text.replaceAll("'", "'\\''")}'`
}

/** `localhost.pem` and `localhost-key.pem` as mkcert makes them, unless they have expired. */
async function readMkcert(folder: string, now: number): Promise<ListenerCertificate | undefined> {
  const { join } = process.getBuiltinModule('node:path')
  const files = { certFile: join(folder, 'localhost.pem'), keyFile: join(folder, 'localhost-key.pem') }
  const cert = await readText(files.certFile)
  if (cert === undefined || lifetimeLeft(cert, now) <= 0) return undefined
  return { ...(await readFiles(files)), kind: 'mkcert' }
}

/** One promise for each folder, so that flows that start together make one certificate. */
const underway = new Map<string, Promise<ListenerCertificate>>()

function managedCertificate(folder: string, now: number): Promise<ListenerCertificate> {
  const known = underway.get(folder)
  if (known !== undefined) return known
  const made = readOrMake(folder, now).finally(() => underway.delete(folder))
  underway.set(folder, made)
  return made
}

async function readOrMake(folder: string, now: number): Promise<ListenerCertificate> {
  const file = process.getBuiltinModule('node:path').join(folder, 'managed.pem')
  const kept = readBundle(await readText(file), now)
  const bundle = kept ?? (await selfSignedForLocalhost(validityFrom(now)))
  if (kept === undefined) await keepBundle(folder, file, bundle)
  else await makePrivate(file)
  return { ...bundle, kind: 'managed', identity: file }
}

/** From a day ago, for a browser whose clock is behind (a virtual machine that slept). */
function validityFrom(now: number): Validity {
  return { notBefore: new Date(now - dayMs), notAfter: new Date(now + lifetimeMs) }
}

/** Key and certificate live in one file, so that one rename replaces both. `undefined`: make a new one. */
function readBundle(text: string | undefined, now: number): SelfSigned | undefined {
  const [cert] = text?.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/) ?? []
  const [key] = text?.match(/-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n/) ?? []
  if (cert === undefined || key === undefined || lifetimeLeft(cert, now) < renewalMs) return undefined
  try {
    process.getBuiltinModule('node:tls').createSecureContext({ cert, key })
    return { cert, key }
  } catch {
    return undefined // damaged, or not a pair
  }
}

/** Milliseconds until a certificate ends; negative when it has, or cannot be read. */
function lifetimeLeft(cert: string, now: number): number {
  try {
    const { X509Certificate } = process.getBuiltinModule('node:crypto')
    return new X509Certificate(cert).validToDate.getTime() - now
  } catch {
    return -1
  }
}

/**
 * Writes the bundle beside its place, durable and readable by its owner alone, then renames it. Where the folder cannot
 * be written the certificate serves this process only: the flow matters more than the next browser warning.
 */
async function keepBundle(folder: string, file: string, { cert, key }: SelfSigned): Promise<void> {
  const { chmod, mkdir, open, rename, rm } = process.getBuiltinModule('node:fs').promises
  const draft = `${file}.${crypto.randomUUID()}`
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await chmod(folder, 0o700) // one that was there before, too
    const handle = await open(draft, 'wx', 0o600)
    try {
      await handle.writeFile(key + cert)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(draft, file)
  } catch {
    await rm(draft, { force: true }).catch(() => {})
  }
}

/** A key that others could read since it was written, by a careless copy for instance, is closed again. */
async function makePrivate(file: string): Promise<void> {
  const { chmod } = process.getBuiltinModule('node:fs').promises
  await chmod(file, 0o600).catch(() => {})
}

/** `undefined` when there is no such file, or it cannot be read. */
async function readText(path: string): Promise<string | undefined> {
  const { readFile } = process.getBuiltinModule('node:fs').promises
  return readFile(path, 'utf8').catch(() => undefined)
}
