// Where a vault is: its URL understood, and the file that is used when none is named.
import { dataFolder, type Environment } from '../config/index.ts'
import { ConfigurationError, quote } from '../errors.ts'

/** A vault's place, understood. A PostgreSQL URL is looked at when it is opened. */
export type Location =
  | { kind: 'memory' }
  | { kind: 'sqlite'; path: string }
  | { kind: 'postgres'; url: string }

/**
 * Understands `sqlite:path`, a plain path, `postgres://…`, `postgresql://…` and `memory:`. Relative paths start at the
 * working directory, `~/` is the home folder.
 *
 * @throws {ConfigurationError} `config_invalid` for another kind of URL. The URL is not quoted: it may hold a password.
 */
export function parseLocation(url: string): Location {
  if (url === 'memory:' || url === ':memory:' || url === 'sqlite::memory:') return { kind: 'memory' }
  if (/^postgres(ql)?(:(?!\/\/)|\/\/)/i.test(url))
    throw new ConfigurationError(
      'config_invalid',
      "The vault's url lacks :// after postgres: postgres://user:password@host:5432/database.",
    )
  const [, scheme] = /^([a-z][a-z0-9+.-]+):/i.exec(url) ?? []
  if (/^postgres(ql)?$/i.test(scheme ?? '')) return { kind: 'postgres', url }
  const path = url.slice(scheme === undefined ? 0 : scheme.length + 1).replace(/^\/\/(?=.)/, '')
  if (scheme !== undefined && scheme.toLowerCase() !== 'sqlite')
    throw new ConfigurationError(
      'config_invalid',
      `This version of toolgrant opens sqlite:<path>, postgres:// and memory: vaults, not ${quote(`${scheme}:`, 20)}. Change the url of Vault.open(), [vault] url or TOOLGRANT_VAULT.`,
    )
  if (path === '' || path.includes('\0'))
    throw new ConfigurationError(
      'config_invalid',
      'The vault url names no file. Use sqlite:<path>, postgres://… or memory:.',
    )
  // No shell has expanded it behind `--vault=` or `sqlite:`; a folder named `~` is what nobody means.
  const home = path.startsWith('~/') ? process.getBuiltinModule('node:os').homedir() : ''
  return { kind: 'sqlite', path: nodePath().resolve(home, home ? path.slice(2) : path) }
}

/** The vault that `Vault.open()` opens when nothing names another. */
export function defaultLocation(env: Environment): Location {
  return { kind: 'sqlite', path: nodePath().join(dataFolder(env), 'vault.db') }
}

function nodePath() {
  return process.getBuiltinModule('node:path')
}
