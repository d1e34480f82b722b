// Finds toolgrant.toml, reads it and the .secrets.toml beside it. Nothing is ever created here.
import type { Stats } from 'node:fs'
import { lstat, readFile, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { ConfigurationError } from '../errors.ts'

/** A TOML table: keys as written. */
export type Table = Readonly<Record<string, unknown>>

/** One file of settings, parsed. */
export interface Layer {
  /** Absolute path. */
  path: string
  table: Table
}

/** Name of the file that is looked for. */
export const configFileName = 'toolgrant.toml'

/** Name of the file beside it, for what must not be committed. */
export const secretsFileName = '.secrets.toml'

/** Where the search ended. */
export interface FoundConfig {
  /** Absolute path of `toolgrant.toml`, if one was found. */
  file: string | undefined
  /** Files that were passed over, each with the reason. */
  ignored: readonly string[]
}

/**
 * Looks for `toolgrant.toml` in `cwd` and upwards, up to and including `home`, or else the root of the file system.
 * A file is passed over when somebody else could have put it there: it names code to run (`tools`) and servers
 * that get secrets.
 */
export async function findConfigFile(
  cwd: string,
  home: string,
  user: number | undefined = process.getuid?.(),
): Promise<FoundConfig> {
  const ignored: string[] = []
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    const file = join(folder, configFileName)
    const found = await trust(file, user)
    if (found === 'trusted') return { file, ignored }
    if (found !== 'absent')
      ignored.push(`${file} ${found.why}. Name it with TOOLGRANT_CONFIG (or --config) to use it.`)
    if (folder === resolve(home) || folder === dirname(folder)) return { file: undefined, ignored }
  }
}

/** Whether a file is there, and whether only this user or root can have put it there and can change it. POSIX. */
export async function trust(
  path: string,
  user: number | undefined = process.getuid?.(),
): Promise<'absent' | 'trusted' | { why: string }> {
  const [link, target] = await Promise.all([lstat(path), stat(path)]).catch(() => [])
  if (!link || !target?.isFile()) return 'absent'
  if (user === undefined) return 'trusted'
  for (const { uid } of [link, target])
    if (uid !== user && uid !== 0) return { why: `was ignored: it belongs to another user (uid ${uid})` }
  return target.mode & 0o002 ? { why: 'was ignored: everybody may write to it' } : 'trusted'
}

/**
 * Reads one TOML file.
 *
 * @throws {ConfigurationError} `config_invalid` naming file, line and column. The text of the file is never quoted.
 */
export async function readLayer(path: string): Promise<Layer> {
  const text = await readText(path)
  const { parse } = await import('smol-toml')
  try {
    return { path, table: parse(text) }
  } catch (error) {
    // No `cause`: smol-toml's error carries the lines around the mistake, and with them secrets.
    throw new ConfigurationError('config_invalid', syntaxMessage(path, error))
  }
}

/**
 * The tables that a file holds under `auth` and `providers`, such as `auth.slack`; none when there is no file.
 *
 * @throws {ConfigurationError} `config_invalid` when the file is no TOML.
 */
export async function configSections(path: string): Promise<readonly string[]> {
  if ((await trust(path)) === 'absent') return []
  const { table } = await readLayer(path)
  return ['auth', 'providers'].flatMap((group) => {
    const rows = table[group]
    return typeof rows === 'object' && rows !== null ? Object.keys(rows).map((id) => `${group}.${id}`) : []
  })
}

/** Whether others than the owner may read a file. Always `false` where modes mean nothing. */
export async function readableByOthers(path: string): Promise<boolean> {
  const stats: Stats | undefined = await stat(path).catch(() => undefined)
  return process.platform !== 'win32' && stats !== undefined && (stats.mode & 0o077) !== 0
}

async function readText(path: string): Promise<string> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (error) {
    const code = errorCode(error)
    const advice = code === 'ENOENT' ? 'There is no such file' : `It cannot be read (${code})`
    throw new ConfigurationError('config_invalid', `${path}: ${advice}.`, { cause: error })
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new ConfigurationError('config_invalid', `${path}: It is not UTF-8 text, which TOML demands.`)
  }
}

function errorCode(error: unknown): string {
  return String((error as { code?: unknown } | undefined)?.code ?? 'unknown error')
}

function syntaxMessage(path: string, error: unknown): string {
  const { line, column, message } = error as { line?: number; column?: number; message?: string }
  const first = String(message).split('\n')[0]?.replace('Invalid TOML document: ', '') ?? ''
  // smol-toml's reasons are fixed sentences; anything else might hold a piece of the file.
  const reason = /^[a-z ,:.-]+$/i.test(first) && first.length < 90 ? first : 'invalid TOML'
  return `${path}:${line ?? '?'}:${column ?? '?'}: ${reason}. Texts stand in "double quotes", on one line.`
}
