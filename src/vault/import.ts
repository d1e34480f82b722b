// Bringing connections in: from a bundle, from another program's files, from JSON. Each connection stands by itself: one
// that cannot be taken says why and keeps no other from coming in. Importing the same again changes nothing.
import { argumentError } from '../errors.ts'
import { codeOf } from './audit-log.ts'
import type { Bytes } from './bundle.ts'
import { ConnectionImporter } from './import-row.ts'
import type { ImportSource } from './import-source.ts'
import type { Interior } from './interior.ts'

/** What connections can be imported from. */
export type ImportKind = 'bundle' | 'gumcp' | 'mcp-remote' | 'json'

/** Options of {@link Vault.import}. */
export interface ImportOptions {
  /** What the source is. Default: found out. */
  from?: ImportKind | undefined
  /** Of a bundle; a function is asked only when the source is one. */
  passphrase?: string | (() => string | Promise<string>) | undefined
  /** Only the connections of this user of the source. */
  user?: string | undefined
  /** Whose they become, instead of the source's user. */
  as?: string | undefined
  /** Whose they become where the source does not say: mcp-remote knows no users, JSON need not name one. */
  defaultUser?: string | undefined
  /** Only connections of these providers. */
  providers?: readonly string[] | undefined
  /**
   * For mcp-remote: the providers whose client may be the one that tokens were issued to. Default: `providers`; without
   * either nothing of mcp-remote can be imported.
   */
  candidates?: readonly string[] | undefined
  /** Puts what is imported in place of another connection that is kept at the same address. Default `false`. */
  replace?: boolean | undefined
  /** Says what would happen, and changes nothing. Default `false`. */
  dryRun?: boolean | undefined
  /** Hears each item, also beyond the ten thousand that the result holds. */
  onItem?: ((item: ImportedItem) => void) | undefined
  /** Stops between two connections. */
  signal?: AbortSignal | undefined
}

/**
 * What became of one connection.
 *
 * - `imported`: it is kept here now (for a dry run: it would be).
 * - `unchanged`: the very same grant is kept here already.
 * - `newer_here`: what is kept here is newer, for it was refreshed or consented to since; it stays.
 * - `refused`: it cannot be taken; `why` says what to do.
 */
export interface ImportedItem {
  outcome: 'imported' | 'unchanged' | 'newer_here' | 'refused'
  /** Where it was found: the file, and what in it. */
  place: string
  user?: string
  provider?: string
  account?: string
  why?: string
  /** What else to know or do. */
  note?: string
}

/** What {@link Vault.import} did. */
export interface Imported {
  /** What the source was. */
  from: ImportKind
  imported: number
  unchanged: number
  newerHere: number
  refused: number
  /** The first ten thousand. */
  items: readonly ImportedItem[]
}

const mostItems = 10_000

/** {@link Vault.import}. */
export async function importConnections(
  inside: Interior,
  source: string | Uint8Array,
  options: ImportOptions,
): Promise<Imported> {
  assertOptions(source, options)
  const result: Imported & { items: ImportedItem[] } = {
    ...{ from: options.from ?? 'json', imported: 0, unchanged: 0, newerHere: 0, refused: 0, items: [] },
  }
  const { withSource } = await import('./import-opening.ts')
  const { audit } = inside
  const detail = () => ({
    ...{ from: result.from, imported: result.imported, unchanged: result.unchanged },
    ...{ newerHere: result.newerHere, refused: result.refused, dryRun: options.dryRun === true },
  })
  try {
    await withSource(inside, source, options, async (kind, opened) => {
      result.from = kind
      await importAll(inside, opened, options, (item) => count(result, item, options))
    })
    audit.record({ action: 'import', outcome: 'ok', detail: detail() })
  } catch (error) {
    audit.record({ action: 'import', outcome: codeOf(error), detail: detail() })
    throw error
  } finally {
    await audit.flush()
  }
  return result
}

function assertOptions(source: string | Uint8Array, options: ImportOptions): void {
  if (!(source instanceof Uint8Array) && (typeof source !== 'string' || source === ''))
    throw argumentError(
      'vault.import: the source is the path of a file or folder, or the bytes of a bundle or JSON.',
    )
  for (const name of ['user', 'as', 'defaultUser'] as const) {
    const value: unknown = options[name]
    if (value !== undefined && (typeof value !== 'string' || value === ''))
      throw argumentError(`vault.import: ${name} must be a non-empty text.`)
  }
}

async function importAll(
  inside: Interior,
  source: ImportSource,
  options: ImportOptions,
  onItem: (item: ImportedItem) => void,
): Promise<void> {
  const importer = await ConnectionImporter.begin(inside, source, options)
  let done = 0
  try {
    for await (const found of source.found()) {
      options.signal?.throwIfAborted()
      const item = await importer.import(found)
      if (item !== undefined) onItem(item)
      done += 1
      if (done % 100 === 0) await importer.settle()
    }
  } catch (error) {
    await importer.settle().catch(() => {}) // What stopped it is what there is to say.
    throw error
  }
  await importer.settle()
}

function count(
  result: Imported & { items: ImportedItem[] },
  item: ImportedItem,
  { onItem }: ImportOptions,
): void {
  const counter = item.outcome === 'newer_here' ? 'newerHere' : item.outcome
  result[counter] += 1
  if (result.items.length < mostItems) result.items.push(item)
  onItem?.(item)
}

/** Where the bytes of an import come from when they are in memory already. */
export function bytesInMemory(bytes: Uint8Array): Bytes {
  return {
    name: 'the source',
    size: bytes.byteLength,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
  }
}
