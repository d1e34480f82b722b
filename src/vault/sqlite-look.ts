// A vault file looked at from outside: what the file system says, and two numbers of its header. [Node]
// The header is that of https://www.sqlite.org/fileformat2.html#the_database_header; nothing is locked or written.
import { statSync } from 'node:fs'
import { open, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { StoreError } from '../errors.ts'
import { applicationId, migrations } from './sqlite-schema.ts'
import type { VaultFile, VaultPlace } from './vault-place.ts'

/** Looks at a file. */
export async function lookAtFile(path: string): Promise<VaultPlace> {
  const place = { kind: 'sqlite', name: path, knownSchema: migrations.length } as const
  const stats = await found(path)
  if (stats === undefined) return { ...place, exists: false }
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

const headerBytes = 100

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
  return checked(path, numbers.getUint32(60), numbers.getUint32(68))
}

/** While it is in use, or after a crash, the newest header is in the log: SQLite itself has to read it. */
async function schemaThroughLog(path: string): Promise<number> {
  const { DatabaseSync } = await import('node:sqlite')
  try {
    const database = new DatabaseSync(path, { readOnly: true })
    try {
      const number = (name: string) =>
        Number(Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0])
      return checked(path, number('user_version'), number('application_id'))
    } finally {
      database.close()
    }
  } catch (error) {
    if (error instanceof StoreError) throw error
    throw unreadable(path, error)
  }
}

function checked(path: string, version: number, application: number): number {
  if (application !== applicationId && !(version === 0 && application === 0)) throw noVault(path)
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
