// The folder for what toolgrant keeps for a person.
// XDG Base Directory Specification on Linux; the system's own convention elsewhere.
import type { Environment } from './environment.ts'

/**
 * The folder for what belongs to the person: the default vault, its key file, certificates. `TOOLGRANT_DATA` names another one.
 * Default: `$XDG_DATA_HOME/toolgrant` or `~/.local/share/toolgrant`; `~/Library/Application Support/toolgrant` on macOS;
 * `%LOCALAPPDATA%\toolgrant` on Windows. It is not created here.
 */
export function dataFolder(env: Environment, platform: string = process.platform): string {
  const { isAbsolute, join, resolve } = process.getBuiltinModule('node:path')
  const named = env['TOOLGRANT_DATA']
  if (named) return resolve(named)
  const home = process.getBuiltinModule('node:os').homedir()
  if (platform === 'darwin') return join(home, 'Library', 'Application Support', 'toolgrant')
  if (platform === 'win32') return join(env['LOCALAPPDATA'] || join(home, 'AppData', 'Local'), 'toolgrant')
  const xdg = env['XDG_DATA_HOME']
  // The specification: a relative path in it is to be ignored.
  return join(xdg && isAbsolute(xdg) ? xdg : join(home, '.local', 'share'), 'toolgrant')
}
