// Where a vault is: its URL understood, and the data folder that is used when none is named.
// XDG Base Directory Specification on Linux; the system's own convention elsewhere.
import { ConfigurationError, quote } from '../errors.ts'

/** Environment variables, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>

/** A vault's place, understood. */
export type Location = { kind: 'memory' } | { kind: 'sqlite'; path: string }

/**
 * Understands `sqlite:path`, a plain path and `memory:`. Relative paths start at the working directory.
 *
 * @throws {ConfigurationError} `config_invalid` for another kind of URL. The URL is not quoted: it may hold a password.
 */
export function parseLocation(url: string): Location {
  if (url === 'memory:' || url === ':memory:' || url === 'sqlite::memory:') return { kind: 'memory' }
  const [, scheme] = /^([a-z][a-z0-9+.-]+):/i.exec(url) ?? []
  const path = url.slice(scheme === undefined ? 0 : scheme.length + 1).replace(/^\/\/(?=.)/, '')
  if (scheme !== undefined && scheme.toLowerCase() !== 'sqlite')
    throw new ConfigurationError(
      'config_invalid',
      `This version of toolgrant opens sqlite:<path> and memory: vaults, not ${quote(`${scheme}:`, 20)}. Change the url of Vault.open(), [vault] url or TOOLGRANT_VAULT.`,
    )
  if (path === '')
    throw new ConfigurationError(
      'config_invalid',
      'The vault url names no file. Use sqlite:<path> or memory:.',
    )
  return { kind: 'sqlite', path: nodePath().resolve(path) }
}

/**
 * The folder for what belongs to the person: the default vault and its key file. `TOOLGRANT_DATA` names another one.
 * Default: `$XDG_DATA_HOME/toolgrant` or `~/.local/share/toolgrant`; `~/Library/Application Support/toolgrant` on macOS;
 * `%LOCALAPPDATA%\toolgrant` on Windows. It is not created here.
 */
export function dataFolder(env: Environment, platform: string = process.platform): string {
  const { join, resolve, isAbsolute } = nodePath()
  const named = env['TOOLGRANT_DATA']
  if (named) return resolve(named)
  const home = process.getBuiltinModule('node:os').homedir()
  if (platform === 'darwin') return join(home, 'Library', 'Application Support', 'toolgrant')
  if (platform === 'win32') return join(env['LOCALAPPDATA'] || join(home, 'AppData', 'Local'), 'toolgrant')
  const xdg = env['XDG_DATA_HOME']
  // The specification: a relative path in it is to be ignored.
  return join(xdg && isAbsolute(xdg) ? xdg : join(home, '.local', 'share'), 'toolgrant')
}

/** The vault that `Vault.open()` opens when nothing names another. */
export function defaultLocation(env: Environment): Location {
  return { kind: 'sqlite', path: nodePath().join(dataFolder(env), 'vault.db') }
}

function nodePath() {
  return process.getBuiltinModule('node:path')
}
