// What a client proves itself with besides a secret: a private key and a TLS certificate, from files or as they stand.
// RFC 7523 section 2.2 (client assertions), RFC 8705 section 2 (certificates).
import { readFile, realpath } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve, sep } from 'node:path'
import { ConfigurationError } from '../errors.ts'
import type { Client, ClientKey } from '../oauth/index.ts'
import { certificateFetch } from './certificate-fetch.ts'
import { readableByOthers } from './config-file.ts'
import { clientVariableNames, type Environment, readVariable } from './environment.ts'
import { invalid, type Settings } from './settings.ts'

/** Where a client's keys are looked for. */
export interface MaterialSource {
  settings: Settings
  env: Environment
  /** What relative paths in the environment start at. */
  cwd: string
  /** Whether the configuration file was named, not found. */
  named: boolean
  providerId: string
  /** Hears of a key file that others may read. */
  warn: (message: string) => void
}

type Material = Pick<Client, 'privateKey' | 'fetch'>

/** By settings and provider: the same files give the same key and the same connections, so that neither is made twice. */
const known = new WeakMap<Settings, Map<string, { text: string; material: Material }>>()

/**
 * The private key and the certificate that are set for a provider, each as a PEM text or as the path of a file. The key
 * may be a JWK, too.
 *
 * @throws {ConfigurationError} `config_invalid`, naming the place and the key: a file that cannot be read, a text of another
 *   form, a certificate without its key. No value is quoted.
 */
export async function readMaterial(source: MaterialSource): Promise<Material> {
  const read = (key: string) => textOrFile(source, key)
  const [privateKey, cert, certificateKey, ca] = await Promise.all(
    ['private_key', 'certificate', 'certificate_key', 'certificate_ca'].map(read),
  )
  const kid = plainText(source, 'private_key_id')
  const passphrase = plainText(source, 'certificate_passphrase')
  const text = JSON.stringify([privateKey, kid, cert, certificateKey, ca, passphrase])
  const cache = known.get(source.settings) ?? new Map<string, { text: string; material: Material }>()
  known.set(source.settings, cache)
  const before = cache.get(source.providerId)
  if (before?.text === text) return before.material
  const material = {
    ...(privateKey === undefined ? {} : { privateKey: clientKey(source, privateKey, kid) }),
    ...certificate(source, { cert, key: certificateKey, ca, passphrase }),
  }
  cache.set(source.providerId, { text, material })
  return material
}

function clientKey(source: MaterialSource, text: string, kid: string | undefined): ClientKey {
  const named = kid === undefined ? {} : { kid }
  if (/^-----BEGIN PRIVATE KEY-----/.test(text)) return { key: text, ...named }
  const jwk = text.startsWith('{') ? parsed(text) : undefined
  if (jwk !== undefined) return { key: jwk, ...named }
  throw problem(
    source,
    'private_key',
    'must be a PKCS #8 PEM text (-----BEGIN PRIVATE KEY-----), a JWK, or the path of a file that holds one',
  )
}

function parsed(text: string): JsonWebKey | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

interface CertificateTexts {
  cert: string | undefined
  key: string | undefined
  ca: string | undefined
  passphrase: string | undefined
}

function certificate(source: MaterialSource, texts: CertificateTexts): Pick<Client, 'fetch'> {
  const { cert, ca, passphrase } = texts
  if (cert === undefined && texts.key === undefined) return {}
  // One file may hold both.
  const key = texts.key ?? (cert?.includes('PRIVATE KEY-----') ? cert : undefined)
  if (cert === undefined) throw problem(source, 'certificate_key', 'needs certificate beside it')
  if (key === undefined) throw problem(source, 'certificate', 'needs certificate_key beside it')
  try {
    const options = {
      ...(ca === undefined ? {} : { ca }),
      ...(passphrase === undefined ? {} : { passphrase }),
    }
    return { fetch: certificateFetch({ cert, key, ...options }) }
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    throw problem(source, 'certificate', `and certificate_key: ${error.message.replace(/\.$/, '')}`)
  }
}

function plainText({ settings, env, providerId }: MaterialSource, key: string): string | undefined {
  return readVariable(env, clientVariableNames(providerId, key)) ?? settings.text('auth', providerId, key)
}

/** A value that is a PEM text or JSON counts as such; any other is a path. */
async function textOrFile(source: MaterialSource, key: string): Promise<string | undefined> {
  const text = plainText(source, key)
  if (text === undefined || /^(-----BEGIN |\{)/.test(text)) return text?.replaceAll('\\n', '\n')
  const path = pathOf(source, key, text)
  await assertMayName(source, key, path)
  const isSecret = key === 'private_key' || key === 'certificate_key'
  if (isSecret && (await readableByOthers(path)))
    source.warn(`${path} can be read by other users of this machine. Run: chmod 600 ${path}`)
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    const word = String((error as { code?: unknown }).code ?? 'unreadable')
    throw problem(source, key, `is no PEM text, and no file of that name can be read (${word})`)
  }
}

/** A path that is relative starts at the folder of the file that names it. */
function pathOf({ settings, env, cwd, providerId }: MaterialSource, key: string, text: string): string {
  if (text.startsWith('~/')) return join(homedir(), text.slice(2))
  const fromVariable = readVariable(env, clientVariableNames(providerId, key)) !== undefined
  return (fromVariable ? undefined : settings.path('auth', providerId, key)) ?? resolve(cwd, text)
}

/**
 * A file that was only found, as in a folder that somebody else filled, may name files of its own folder and no other:
 * it also says where what they sign is sent.
 */
async function assertMayName(source: MaterialSource, key: string, path: string): Promise<void> {
  const { settings, env, named, providerId } = source
  const file = settings.fileOf('auth', providerId, key)
  if (named || file === undefined || readVariable(env, clientVariableNames(providerId, key)) !== undefined)
    return
  const [folder, real] = await Promise.all([realpath(dirname(file)), realpath(path).catch(() => undefined)])
  // One that is not there is reported by whoever reads it.
  if (real === undefined || real.startsWith(folder.endsWith(sep) ? folder : folder + sep)) return
  throw problem(
    source,
    key,
    'names a file outside the folder of this one. A file that was found may not do that: name it with TOOLGRANT_CONFIG (or --config)',
  )
}

function problem(source: MaterialSource, key: string, what: string): ConfigurationError {
  const { settings, env, providerId } = source
  const [variable = ''] = clientVariableNames(providerId, key)
  const file = settings.fileOf('auth', providerId, key)
  if (file === undefined || readVariable(env, [variable]) !== undefined)
    return invalid(`environment variable ${variable}`, `${key} ${what}`)
  return invalid(file, `[auth.${providerId}] ${key} ${what}`)
}
