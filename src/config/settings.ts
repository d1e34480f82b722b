// What the files say, checked: each value has the right type, each unknown key is reported with the name that was
// probably meant. A value is never quoted, because it may be a secret that landed under the wrong key.
import { join, resolve } from 'node:path'
import { ConfigurationError, quote } from '../errors.ts'
import { nearestNames } from '../providers/index.ts'
import type { Layer, Table } from './config-file.ts'
import { type Environment, readVariable } from './environment.ts'

/** The keys of `[auth.<provider>]`; anything else there is a value for one of the provider's URL variables. */
export const clientKeys = [
  'client_id',
  'client_secret',
  'redirect_uri',
  'token_endpoint_auth_method',
  'scopes',
  'strict_scopes',
  'private_key',
  'private_key_id',
  'certificate',
  'certificate_key',
  'certificate_ca',
  'certificate_passphrase',
  'dpop',
  'request_object',
  'response_mode',
] as const

const topLevelKeys = ['auth', 'providers', 'vault', 'tools', 'user', 'callback']
const sectionKeys: Readonly<Record<string, readonly string[]>> = {
  vault: ['url', 'key'],
  callback: ['port', 'https'],
}
/** Top-level keys that are no table: they end up in the section above when written too far down. */
const plainKeys = ['tools', 'user']

/** Reads settings from files laid over each other: the first that has a key wins. */
export class Settings {
  readonly #layers: readonly Layer[]

  /** @throws {ConfigurationError} `config_invalid` when something that must be a table is not. */
  constructor(layers: readonly Layer[], warn: (message: string) => void) {
    this.#layers = layers
    for (const layer of layers) checkLayer(layer, warn)
  }

  /** The names of the tables directly under `[parent.*]`. */
  names(parent: string): readonly string[] {
    return [...new Set(this.#layers.flatMap(({ table }) => Object.keys(asTable(table[parent]) ?? {})))]
  }

  /** One table, with the keys of all files. */
  table(...path: readonly string[]): Table {
    const tables = this.#layers.map(({ table }) => path.reduce(childTable, table))
    return Object.assign(Object.create(null), ...tables.toReversed())
  }

  /** A text, trimmed; empty counts as absent. @throws {ConfigurationError} `config_invalid` when it is none. */
  text(...path: readonly string[]): string | undefined {
    const value = this.#get(path, isText, 'text in "double quotes"')
    return value?.trim() || undefined
  }

  /** `true` or `false`. @throws {ConfigurationError} `config_invalid` when it is neither. */
  flag(...path: readonly string[]): boolean | undefined {
    return this.#get(path, (value) => typeof value === 'boolean', 'true or false, without quotes')
  }

  /** A TCP port. @throws {ConfigurationError} `config_invalid` when it is none. */
  port(...path: readonly string[]): number | undefined {
    return this.#get(path, isPort, 'a port number from 0 to 65535, without quotes')
  }

  /** A list of words: an array of texts, or one text. @throws {ConfigurationError} `config_invalid` when it is neither. */
  words(...path: readonly string[]): readonly string[] | undefined {
    const value = this.#get(path, isWords, 'a list such as ["read", "write"]')
    return typeof value === 'string' ? value.split(/[\s,]+/).filter(Boolean) : value
  }

  /** A path, absolute: one that is relative in a file starts at that file's folder. */
  path(...path: readonly string[]): string | undefined {
    const layer = this.#layer(path)
    const text = this.text(...path)
    return text === undefined || layer === undefined ? undefined : resolve(layer.path, '..', text)
  }

  /** The file that a value comes from. */
  fileOf(...path: readonly string[]): string | undefined {
    return this.#layer(path)?.path
  }

  #layer(path: readonly string[]): Layer | undefined {
    return this.#layers.find(({ table }) => valueAt(table, path) !== undefined)
  }

  #get<T>(path: readonly string[], fits: (value: unknown) => value is T, wanted: string): T | undefined {
    const layer = this.#layer(path)
    const value = layer && valueAt(layer.table, path)
    if (layer === undefined || value === undefined) return undefined
    if (fits(value)) return value
    throw invalid(layer.path, `${keyName(path)} must be ${wanted}`)
  }
}

/** A vault URL whose path, when relative, starts at `folder`; `~/` is the home folder. Other URLs stay as they are. */
export function absoluteVaultUrl(url: string, folder: string, home: string): string {
  const [, scheme = '', path = ''] = /^(sqlite:(?:\/\/(?=.))?)?(.*)$/s.exec(url) ?? []
  if (path === '' || path === ':memory:' || (!scheme && /^[a-z][a-z0-9+.-]+:/i.test(path))) return url
  const expanded = path.startsWith('~/') ? join(home, path.slice(2)) : path
  return (scheme && 'sqlite:') + resolve(folder, expanded)
}

/** A variable that says yes or no. @throws {ConfigurationError} `config_invalid` when it says neither. */
export function flagFrom(env: Environment, name: string): boolean | undefined {
  const text = readVariable(env, [name])?.toLowerCase()
  if (text === undefined) return undefined
  if (['true', '1', 'yes', 'on'].includes(text)) return true
  if (['false', '0', 'no', 'off'].includes(text)) return false
  throw invalid(`environment variable ${name}`, `${quote(text, 20)} is neither true nor false`)
}

/** A {@link ConfigurationError} `config_invalid` about one file. */
export function invalid(file: string, problem: string, options?: { cause?: unknown }): ConfigurationError {
  return new ConfigurationError('config_invalid', `${file}: ${problem}.`, options)
}

function checkLayer({ path, table }: Layer, warn: (message: string) => void): void {
  for (const [key, value] of Object.entries(table)) {
    if (!topLevelKeys.includes(key)) warn(unknownKey(path, key, topLevelKeys))
    else if (key === 'auth' || key === 'providers') checkGroup(path, key, value, warn)
    else if (sectionKeys[key]) checkSection(path, [key], value, sectionKeys[key], warn)
  }
}

function checkGroup(path: string, group: string, value: unknown, warn: (message: string) => void): void {
  if (!asTable(value)) throw invalid(path, `${group} must be tables such as [${group}.acme]`)
  for (const [id, row] of Object.entries(asTable(value) ?? {})) {
    if (group === 'auth') checkClient(path, id, row, warn)
    else if (!asTable(row)) throw invalid(path, `[providers.${id}] must be a table`)
  }
}

function checkSection(
  path: string,
  section: readonly string[],
  value: unknown,
  known: readonly string[],
  warn: (message: string) => void,
): void {
  const table = asTable(value)
  if (!table) throw invalid(path, `[${section.join('.')}] must be a table`)
  for (const key of Object.keys(table)) if (!known.includes(key)) warn(unknownKey(path, key, known, section))
}

function checkClient(path: string, id: string, value: unknown, warn: (message: string) => void): void {
  const table = asTable(value)
  if (!table) throw invalid(path, `[auth.${id}] must be a table, with client_id in it`)
  for (const key of Object.keys(table)) {
    const known: readonly string[] = clientKeys
    // Other keys may be URL variables, which only the provider knows: `registration` checks them.
    if (known.includes(key) || (nearestNames(key, known).length === 0 && !plainKeys.includes(key))) continue
    warn(unknownKey(path, key, known, ['auth', id]))
  }
}

/** The sentence about a key that nothing reads. */
export function unknownKey(
  file: string,
  key: string,
  known: readonly string[],
  section: readonly string[] = [],
): string {
  const place = section.length ? `[${section.join('.')}] ` : ''
  if (section.length && plainKeys.includes(key))
    return `${file}: ${key} stands in ${place.trim()}; move it above the first [section].`
  const near = nearestNames(key, known)[0]
  return `${file}: nothing reads ${place}${key}.${near ? ` Did you mean ${near}?` : ` Known: ${known.join(', ')}.`}`
}

function keyName(path: readonly string[]): string {
  const section = path.slice(0, -1).join('.')
  return section ? `[${section}] ${path.at(-1)}` : String(path.at(-1))
}

function valueAt(table: Table, path: readonly string[]): unknown {
  return path.slice(0, -1).reduce(childTable, table)[path.at(-1) ?? '']
}

function childTable(table: Table, key: string): Table {
  return (Object.hasOwn(table, key) && asTable(table[key])) || Object.create(null)
}

function asTable(value: unknown): Table | undefined {
  const table =
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
  return table ? (value as Table) : undefined
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 65_535
}

function isWords(value: unknown): value is string | readonly string[] {
  return isText(value) || (Array.isArray(value) && value.every(isText))
}
