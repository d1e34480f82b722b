// Whether a connection to PostgreSQL is encrypted, and whom it trusts: sslmode as libpq means it.
// https://www.postgresql.org/docs/current/libpq-ssl.html
//
// `pg` has its own reading of a URL (8.23: prefer, require and verify-ca are all verify-full, with a warning on stderr;
// without sslmode nothing is encrypted), so it never sees one: it gets what is worked out here.
import { ConfigurationError, quote } from '../errors.ts'

/** What `pg` takes as `ssl`: options of `tls.connect`, or none. */
export interface TlsOptions {
  rejectUnauthorized: boolean
  ca?: string
  cert?: string
  key?: string
  /** Set where the certificate may be another host's (`verify-ca`). */
  checkServerIdentity?: () => undefined
}

/** How connections are encrypted. */
export interface Encryption {
  /** `undefined`: in the clear. */
  tls: TlsOptions | undefined
  /** Whether the server's having no TLS is a reason to go without (`prefer`, `allow`). */
  orPlain: boolean
  /**
   * Whether the password's proof is tied to this very TLS connection (SCRAM-SHA-256-PLUS), so that nobody in between can
   * pass it on: where the server offers it, or else not at all (`channel_binding=require`). RFC 5929 section 4.
   */
  binding: 'disable' | 'prefer' | 'require'
}

/** Parameters of the URL that this file reads, and the variables that stand in for them. */
export const tlsParameters: Readonly<Record<string, string>> = {
  sslmode: 'PGSSLMODE',
  sslrootcert: 'PGSSLROOTCERT',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  channel_binding: 'PGCHANNELBINDING',
}

const modes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full']

/**
 * Works out the encryption. Without `sslmode`: `prefer`, as libpq; on the loopback and on Unix sockets `disable`.
 *
 * @param read gives a parameter of the URL, or the variable in its place.
 * @throws {ConfigurationError} `config_invalid`, naming the parameter.
 */
export function encryptionOf(host: string, read: (name: string) => string | undefined): Encryption {
  const mode = read('sslmode') ?? (isLocal(host) ? 'disable' : 'prefer')
  if (!modes.includes(mode)) throw invalid(`sslmode is one of ${modes.join(', ')}, not ${quote(mode, 20)}.`)
  const binding = bindingOf(read('channel_binding'))
  const plain = mode === 'disable' || host.startsWith('/')
  if (plain && binding === 'require') throw invalid('channel_binding=require needs sslmode=require or more.')
  if (plain) return { tls: undefined, orPlain: false, binding: 'disable' }
  const root = read('sslrootcert')
  const verifies = mode.startsWith('verify-') || (mode === 'require' && root !== undefined)
  if (root === 'system' && mode !== 'verify-full')
    throw invalid('sslrootcert=system trusts many authorities: it needs sslmode=verify-full.')
  if (mode === 'verify-ca' && root === undefined)
    throw invalid(
      'sslmode=verify-ca needs sslrootcert, the file of the authority to trust; or use verify-full.',
    )
  const tls: TlsOptions = { rejectUnauthorized: verifies }
  if (verifies && root !== undefined && root !== 'system') tls.ca = readPem('sslrootcert', root)
  if (verifies && mode !== 'verify-full') tls.checkServerIdentity = () => undefined
  const [cert, key] = [read('sslcert'), read('sslkey')]
  if (cert !== undefined) tls.cert = readPem('sslcert', cert)
  if (key !== undefined)
    Object.defineProperty(tls, 'key', { value: readPem('sslkey', key), enumerable: false })
  return { tls, orPlain: ['allow', 'prefer'].includes(mode) && binding !== 'require', binding }
}

function bindingOf(text = 'prefer'): Encryption['binding'] {
  if (text === 'disable' || text === 'prefer' || text === 'require') return text
  throw invalid(`channel_binding is disable, prefer or require, not ${quote(text, 20)}.`)
}

/** Whether nothing leaves this machine on the way to a host. */
function isLocal(host: string): boolean {
  return /^(\/.*|localhost|127(\.\d+){3}|::1)$/.test(host)
}

function readPem(name: string, path: string): string {
  try {
    return process.getBuiltinModule('node:fs').readFileSync(path, 'utf8')
  } catch (cause) {
    throw invalid(`The file of ${name} cannot be read: ${quote(path)}.`, cause)
  }
}

/** A fault in the URL of a PostgreSQL vault: {@link ConfigurationError} `config_invalid`. */
export function invalid(problem: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError(
    'config_invalid',
    `The PostgreSQL vault's url cannot be used. ${problem} See "PostgreSQL" in docs/vault.md.`,
    { cause },
  )
}
