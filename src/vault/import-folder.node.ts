// Folders of another program's token files, read with care: nothing is followed out of them, nothing large is read, and a
// file that everybody may write to proves nothing about whose tokens are in it. [Node]
import { constants, type Stats } from 'node:fs'
import { lstat, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { asMembers, readJson } from './import-source.ts'

/** No token file is larger, in bytes. */
const fileLimit = 1_048_576

/** A file of JSON that was read. */
export interface JsonFile {
  members: Readonly<Record<string, unknown>>
  /** When it was last written, in milliseconds since 1970. */
  writtenAt: number
  /** Set when others than its owner may read it. */
  note?: string
}

/** The entries of a folder by name; none when there is no such folder. */
export async function entriesOf(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort()
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) return []
    throw error
  }
}

/** Whether there is a folder of that name, not behind a symbolic link. */
export async function isFolder(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isDirectory() === true
}

/** Whether a path is a folder, links followed: what the caller named is theirs to choose. */
export async function leadsToFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true
}

/** Reads one file; or says why not, quoting nothing of it. */
export async function readJsonFile(folder: string, name: string): Promise<JsonFile | { why: string }> {
  const path = join(folder, name)
  let status: Stats
  let text: string
  try {
    // The link itself is refused, not what it leads to, so that nothing can be exchanged in between.
    const file = await open(
      path,
      constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0),
    )
    try {
      status = await file.stat()
      const problem = problemWith(status)
      if (problem !== undefined) return { why: problem }
      text = await file.readFile('utf8')
    } finally {
      await file.close()
    }
  } catch (error) {
    if (isCode(error, 'ELOOP', 'EMLINK')) return { why: 'it is a symbolic link, which is not followed' }
    return { why: `it cannot be read (${isCode(error, 'EACCES', 'EPERM') ? 'permission denied' : 'error'})` }
  }
  const read = readJson(text)
  if ('why' in read) return read
  const members = asMembers(read.value)
  if (members === undefined) return { why: 'it is not a JSON object' }
  const isShown = process.platform !== 'win32' && (status.mode & 0o077) !== 0
  const note = isShown ? { note: 'others on this machine may read the file: delete it after the import' } : {}
  return { members, writtenAt: Math.floor(status.mtimeMs), ...note }
}

function problemWith(status: Stats): string | undefined {
  if (!status.isFile()) return 'it is no regular file'
  if (status.size > fileLimit) return `it has more than ${fileLimit / 1_048_576} MiB`
  if (process.platform === 'win32') return undefined
  if ((status.mode & 0o002) !== 0)
    return 'everybody on this machine may write to it, so nobody knows whose tokens are in it (chmod o-w, if they are yours)'
  const user = process.geteuid?.()
  return user !== undefined && user !== 0 && status.uid !== user && status.uid !== 0
    ? 'it belongs to another user of this machine'
    : undefined
}

function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}
