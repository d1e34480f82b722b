// Bundles as files: written beside their place and put there whole, durable, readable by their owner alone; read at any
// place without being held in memory. [Node]
import { randomUUID } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { type FileHandle, link, lstat, open, rename, stat, unlink } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { argumentError, StoreError } from '../errors.ts'
import type { Bytes } from './bundle.ts'
import type { BundleSink } from './export-sink.ts'

/**
 * Begins a file. It has its name only once it is whole and on disk; what was there before stays until then.
 *
 * @throws {TypeError} `invalid_argument` when there is something and `overwrite` is not set, or no such folder;
 *   {@link StoreError} `store_permission`, `store_read_only`, `store_full`.
 */
export async function createBundleFile(path: string, overwrite: boolean): Promise<BundleSink> {
  const target = resolve(path)
  if (!overwrite && (await statusOf(target)) !== undefined) throw exists(target)
  // Replacing goes by name: a device or a pipe would be gone.
  if ((await stat(target).catch(() => undefined))?.isFile() === false)
    throw argumentError(`${target} is no file. Choose another name.`)
  const partial = `${target}.${randomUUID()}.partial`
  const file = await open(partial, 'wx', 0o600).catch((error: unknown) => {
    throw explained(error, target)
  })
  let isOpen = true
  const close = async () => {
    if (isOpen) await file.close()
    isOpen = false
  }
  return {
    write: (part) => writeWhole(file, part, target),
    async commit() {
      await file.sync().catch((error: unknown) => {
        throw explained(error, target)
      })
      await close()
      await putInPlace(partial, target, overwrite)
      await syncFolder(dirname(target))
    },
    async discard() {
      await close()
      await unlink(partial).catch(() => {
        // It has its name already, or the disk went away.
      })
    },
  }
}

async function writeWhole(file: FileHandle, part: Uint8Array, target: string): Promise<void> {
  try {
    for (let written = 0; written < part.byteLength; )
      written += (await file.write(part, written, part.byteLength - written)).bytesWritten
  } catch (error) {
    throw explained(error, target)
  }
}

/** A link never replaces what is there, in one step; not every file system has them. */
async function putInPlace(partial: string, target: string, overwrite: boolean): Promise<void> {
  try {
    if (overwrite) return await rename(partial, target)
    await link(partial, target)
    await unlink(partial)
  } catch (error) {
    if (overwrite || codeOf(error) === 'EEXIST') throw explained(error, target)
    if ((await statusOf(target)) !== undefined) throw exists(target)
    await rename(partial, target).catch((cause: unknown) => {
      throw explained(cause, target)
    })
  }
}

/** Makes the name durable, where folders can be synced. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, constants.O_RDONLY)
    await folder.sync().finally(() => folder.close())
  } catch {
    // Windows opens no folders; there the name is durable with the file.
  }
}

/** A file to read from; close it. */
export interface ByteFile extends Bytes {
  /** Whether every user of this machine may write to it. */
  readonly openToAll: boolean
  close(): Promise<void>
}

/**
 * Opens a file for reading.
 *
 * @throws {TypeError} `invalid_argument` when there is none, or it is none.
 */
export async function openByteFile(path: string): Promise<ByteFile> {
  // A pipe that nobody writes to would be waited for, for ever.
  const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)
  const file = await open(path, flags).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') throw argumentError(`There is no such file: ${path}.`)
    throw argumentError(`${path} cannot be read (${codeOf(error)}).`)
  })
  const status = await file.stat()
  if (!status.isFile()) {
    await file.close()
    throw argumentError(`${path} is no file.`)
  }
  return {
    name: path,
    size: status.size,
    openToAll: process.platform !== 'win32' && (status.mode & 0o002) !== 0,
    async read(offset, length) {
      const buffer = Buffer.alloc(length)
      let filled = 0
      while (filled < length) {
        const { bytesRead } = await file.read(buffer, filled, length - filled, offset + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return buffer.subarray(0, filled)
    },
    close: () => file.close(),
  }
}

async function statusOf(path: string): Promise<Stats | undefined> {
  return lstat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw explained(error, path)
  })
}

function exists(path: string): TypeError {
  return argumentError(
    `${path} is there already. Choose another name, or let it be replaced: --force (in code: overwrite).`,
  )
}

function explained(cause: unknown, path: string): Error {
  const code = codeOf(cause)
  if (code === 'EEXIST') return exists(path)
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return argumentError(`There is no folder ${dirname(path)}: make it first.`)
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new StoreError('store_full', `The disk of ${path} is full. Nothing was exported.`, { cause })
  if (code === 'EROFS')
    return new StoreError('store_read_only', `${path} is on a read-only disk. Choose another.`, { cause })
  if (code === 'EACCES' || code === 'EPERM')
    return new StoreError('store_permission', `${path} may not be written by this user. Choose another.`, {
      cause,
    })
  return new StoreError('store_unavailable', `${path} cannot be written (${code}).`, { cause })
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}
