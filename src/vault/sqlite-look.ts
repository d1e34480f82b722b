// A vault file looked at from outside: what the file system says, and three numbers of its first page. [Node]
// That page is described at https://www.sqlite.org/fileformat2.html; nothing is locked or written.
import { statSync } from 'node:fs'
import { open, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { StoreError } from '../errors.ts'
import { assertFile } from './sqlite-errors.ts'
import { applicationId, migrations } from './sqlite-schema.ts'
import type { VaultFile, VaultPlace } from './vault-place.ts'

/** Looks at a file. */
export async function lookAtFile(path: string): Promise<VaultPlace> {
  const place = { kind: 'sqlite', name: path, knownSchema: migrations.length } as const
  const stats = await found(path)
  if (stats === undefined) return { ...place, exists: false }
  // A pipe or a device: nothing to read, and nobody should change its mode.
  assertFile(path, 'store_corrupt')
  const file = await describe(path)
  if (stats.size === 0) return { ...place, exists: false, file }
  const schema = file.walBytes > 0 ? await schemaThroughLog(path) : await schemaInHeader(path)
  return { ...place, exists: schema !== 0, schema, file }
}

async function found(path: string) {
  try {
    return await stat(path)
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw unreadable(path, error)
  }
}

async function describe(path: string): Promise<VaultFile> {
  const folder = dirname(path)
  const [stats, around, disk] = await Promise.all([stat(path), stat(folder), statfs(folder)])
  return {
    path,
    mode: modeOf(stats.mode),
    folderMode: modeOf(around.mode),
    own: process.getuid === undefined || stats.uid === process.getuid(),
    bytes: stats.size,
    walBytes: statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0,
    freeBytes: disk.bavail * disk.bsize,
  }
}

function modeOf(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, '0')
}

/** The header, and that of the tree of all tables behind it. */
const headerBytes = 108
/** Where a leaf of a tree of tables has its type, and what that is; where it has the number of its entries. */
const [treeAt, leafTree, entriesAt] = [100, 0x0d, 103]

async function schemaInHeader(path: string): Promise<number> {
  let header: Uint8Array
  try {
    await using file = await open(path, 'r')
    header = (await file.read(new Uint8Array(headerBytes), 0, headerBytes, 0)).buffer
  } catch (error) {
    throw unreadable(path, error)
  }
  if (!new TextDecoder().decode(header).startsWith('SQLite format 3\0')) throw noVault(path)
  const numbers = new DataView(header.buffer)
  const empty = numbers.getUint8(treeAt) === leafTree && numbers.getUint16(entriesAt) === 0
  return checked(path, numbers.getUint32(60), numbers.getUint32(68), empty)
}

/** While it is in use, or after a crash, the newest header is in the log: SQLite itself has to read it. */
async function schemaThroughLog(path: string): Promise<number> {
  const { DatabaseSync } = await import('node:sqlite')
  try {
    const database = new DatabaseSync(path, { readOnly: true })
    try {
      const number = (statement: string) => Number(Object.values(database.prepare(statement).get() ?? {})[0])
      const empty = number('SELECT count(*) FROM sqlite_schema') === 0
      return checked(path, number('PRAGMA user_version'), number('PRAGMA application_id'), empty)
    } finally {
      database.close()
    }
  } catch (error) {
    if (error instanceof StoreError) throw error
    throw unreadable(path, error)
  }
}

/** @param empty whether the database has no table: then a vault can be made in it. */
function checked(path: string, version: number, application: number, empty: boolean): number {
  const unclaimed = version === 0 && application === 0 && empty
  if (application !== applicationId && !unclaimed) throw noVault(path)
  return version
}

function noVault(path: string): StoreError {
  return new StoreError(
    'store_corrupt',
    `${path} is no vault: it is damaged, or another program's. Restore a backup, or choose another file.`,
  )
}

function unreadable(path: string, cause: unknown): StoreError {
  return new StoreError('store_permission', `${path} cannot be read. Correct owner and mode.`, { cause })
}
