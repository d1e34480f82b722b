// Connections as JSON that anybody can write: an array, `{ "connections": [ … ] }`, or one object a line.
// The members are those of a token answer (RFC 6749 section 5.1) and whose it is; docs/leaving.md lists them.
import { ImportError } from '../errors.ts'
import type { Bytes } from './bundle.ts'
import { linesOf, longestLine } from './bundle-lines.ts'
import {
  asMembers,
  type Found,
  type ImportSource,
  readInstant,
  readJson,
  tokensFrom,
} from './import-source.ts'

/** A document that is no lines has to be held in memory. */
const documentLimit = 64 * 1_048_576
const pieceSize = 65_536

/** Reads such a file. */
export function jsonSource(bytes: Bytes, now: () => number): ImportSource {
  return { words: 'a JSON file', found: () => readConnections(bytes, now()) }
}

async function* readConnections(bytes: Bytes, now: number): AsyncGenerator<Found> {
  const { name } = bytes
  if (await isLines(bytes)) {
    let line = 0
    for await (const text of linesOf(textOf(bytes), name)) {
      line += 1
      if (text.trim() === '') continue
      const place = `${name}, line ${line}`
      const read = readJson(text)
      yield 'why' in read ? { place, why: 'it is not JSON' } : readConnection(read.value, place, now)
    }
    return
  }
  const list = await readDocument(bytes)
  for (const [index, value] of list.entries()) yield readConnection(value, `${name}, entry ${index + 1}`, now)
}

/** Whether the first line is a connection by itself. */
async function isLines(bytes: Bytes): Promise<boolean> {
  const start = Buffer.from(await bytes.read(0, longestLine))
    .toString('utf8')
    .replace(/^\ufeff?\s*/, '')
  const [first = ''] = start.split('\n')
  const read = readJson(first)
  const members = 'value' in read ? asMembers(read.value) : undefined
  return members !== undefined && !Array.isArray(members['connections'])
}

/** @throws {ImportError} `bundle_invalid` when it is no such document. */
async function readDocument(bytes: Bytes): Promise<readonly unknown[]> {
  const { name, size } = bytes
  if (size > documentLimit)
    throw new ImportError(
      'bundle_invalid',
      `${name} has more than ${documentLimit / 1_048_576} MiB. Write it as JSON lines, one connection a line, and it may be of any size.`,
    )
  let text = ''
  for await (const piece of textOf(bytes)) text += piece
  const read = readJson(text)
  if ('why' in read) throw new ImportError('bundle_invalid', `${name}: ${read.why}. Nothing was imported.`)
  const list = Array.isArray(read.value) ? read.value : asMembers(read.value)?.['connections']
  if (Array.isArray(list)) return list
  throw new ImportError('bundle_invalid', `${name}: expected a list of connections. Nothing was imported.`)
}

async function* textOf(bytes: Bytes): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  try {
    for (let offset = 0; offset < bytes.size; offset += pieceSize)
      yield decoder.decode(await bytes.read(offset, pieceSize), { stream: true })
    yield decoder.decode()
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new ImportError('bundle_invalid', `${bytes.name} is not UTF-8 text. Nothing was imported.`)
  }
}

const known: ReadonlySet<string> = new Set([
  ...['user', 'provider', 'account', 'access_token', 'refresh_token', 'id_token', 'token_type'],
  ...['expires_at', 'expires_in', 'obtained_at', 'scope', 'scopes', 'granted_at', 'client_id', 'extra'],
])

function readConnection(value: unknown, place: string, now: number): Found {
  const members = asMembers(value)
  if (members === undefined) return { place, why: 'it is not a JSON object' }
  const { user, provider, account } = members
  const wrong = problemWith(members)
  if (wrong !== undefined || typeof provider !== 'string')
    return { place, why: wrong ?? 'the member provider is missing' }
  const address = { provider, ...optional('user', user), ...optional('account', account) }
  const tokens = tokensFrom(members, { now, extra: asMembers(members['extra']) })
  if ('why' in tokens) return { place, ...address, why: tokens.why }
  const grantedAt = readInstant(members['granted_at'])
  return {
    ...{ place, ...address, tokens, ...optional('clientId', members['client_id']) },
    ...(typeof grantedAt === 'number' ? { grantedAt } : {}),
  }
}

function problemWith(members: Readonly<Record<string, unknown>>): string | undefined {
  for (const name of ['user', 'provider', 'account', 'client_id'] as const) {
    const value = members[name]
    if (value === undefined && name !== 'provider') continue
    if (typeof value !== 'string' || value === '' || value.length > 1000 || !isPlainText(value))
      return `the member ${name} must be a text of 1 to 1000 characters`
  }
  if (members['extra'] !== undefined && asMembers(members['extra']) === undefined)
    return 'the member extra must be a JSON object'
  if (readInstant(members['granted_at']) === 'wrong') return 'the member granted_at must be a time'
  // A refresh token under another name would be lost without a word.
  const strange = Object.keys(members).find((name) => !known.has(name) && /token|expir|scope/i.test(name))
  if (strange === undefined) return undefined
  const proper = strange.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  return known.has(proper)
    ? `the member is called ${proper}, in small letters`
    : 'it has a member about tokens, ends or scopes that is not known here: see docs/leaving.md'
}

function isPlainText(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}

function optional<Name extends string>(name: Name, value: unknown): { [Key in Name]?: string } {
  return (typeof value === 'string' ? { [name]: value } : {}) as { [Key in Name]?: string }
}
