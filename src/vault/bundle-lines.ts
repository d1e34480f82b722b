// What a bundle holds: JSON lines, one for each connection, between a line that says what it is and one that counts them.
import { ImportError } from '../errors.ts'
import type { ConnectionStatus } from './store.ts'

/** The first line. */
export interface BundleTop {
  toolgrant: 'connections'
  version: 1
  /** When, in ISO 8601. */
  exportedAt: string
  tenant: string
  /** Whether the connections were deleted where they came from. */
  moved: boolean
}

/** One connection in a bundle. Instants are milliseconds since 1970. */
export interface BundledConnection {
  id: string
  user: string
  provider: string
  account: string
  status: Exclude<ConnectionStatus, 'revoked'>
  reason: string | null
  generation: number
  grantedAt: number
  usedAt: number
  createdAt: number
  updatedAt: number
  /** What `TokenSet.serialize()` wrote. */
  tokens: string
}

/** Longest line that is read, in characters. */
export const longestLine = 1_048_576

/** Splits text into lines. The pieces may be cut anywhere; what follows the last line end is the last line. */
export async function* linesOf(texts: AsyncIterable<string>, name: string): AsyncGenerator<string> {
  let rest = ''
  let line = 0
  for await (const text of texts) {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) {
      line += 1
      yield checked(part, name, line)
    }
    checked(rest, name, line + 1)
  }
  if (rest !== '') yield rest
}

function checked(line: string, name: string, number: number): string {
  if (line.length <= longestLine) return line
  throw new ImportError('bundle_invalid', `${name}, line ${number}: longer than ${longestLine} characters.`)
}

/**
 * The connections of a bundle's text.
 *
 * @param onTop hears the first line.
 * @throws {ImportError} `bundle_invalid`.
 */
export async function* readBundleLines(
  texts: AsyncIterable<string>,
  name: string,
  onTop: (top: BundleTop) => void = () => {},
): AsyncGenerator<BundledConnection> {
  let count = -1
  let ended = false
  for await (const line of linesOf(texts, name)) {
    const value = parsed(line)
    if (ended || value === undefined) throw notWhole(name)
    if (count === -1) onTop(topOf(value, name))
    else if ('end' in value) ended = value['end'] === count
    else yield value as unknown as BundledConnection
    if (!ended) count += 1
  }
  if (!ended) throw notWhole(name)
}

function topOf(value: object, name: string): BundleTop {
  const top = value as Partial<BundleTop>
  if (top.toolgrant === 'connections' && top.version === 1) return top as BundleTop
  throw notWhole(name)
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function notWhole(name: string): ImportError {
  return new ImportError('bundle_invalid', `${name} opened, but what is in it is no list of connections.`)
}
