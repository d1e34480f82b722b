// What SQLite's and the file system's error codes mean for whoever runs a vault. [Node]
// https://www.sqlite.org/rescode.html
import { accessSync, closeSync, constants, existsSync, openSync, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { type ErrorCode, StoreError } from '../errors.ts'

const primaryCodes: Readonly<Record<number, ErrorCode>> = {
  3: 'store_permission', // SQLITE_PERM
  5: 'store_busy', // SQLITE_BUSY
  6: 'store_busy', // SQLITE_LOCKED
  8: 'store_read_only', // SQLITE_READONLY
  10: 'store_unavailable', // SQLITE_IOERR
  11: 'store_corrupt', // SQLITE_CORRUPT
  13: 'store_full', // SQLITE_FULL
  14: 'store_unavailable', // SQLITE_CANTOPEN
  15: 'store_unavailable', // SQLITE_PROTOCOL
  23: 'store_permission', // SQLITE_AUTH
  26: 'store_corrupt', // SQLITE_NOTADB
}

const systemCodes: Readonly<Record<string, ErrorCode>> = {
  EACCES: 'store_permission',
  EPERM: 'store_permission',
  EROFS: 'store_read_only',
  ENOSPC: 'store_full',
  EDQUOT: 'store_full',
}

const nextSteps: Partial<Record<ErrorCode, string>> = {
  store_permission: 'Give the user that runs this access to the file and its folder.',
  store_busy: 'Another process holds it locked for too long; look for one that hangs, then try again.',
  store_read_only: 'Make the file and its folder writable, or open another vault.',
  store_full: 'Free some disk space, then try again.',
  store_corrupt:
    'It is not a sound SQLite database: restore it from a backup, or move it away and connect again.',
  store_unavailable: 'Check that the path is right and the disk is sound.',
}

/** Whether SQLite only says that somebody else is writing right now. */
export function isBusy(error: unknown): boolean {
  return [5, 6].includes(primaryCode(error) ?? 0)
}

/** Whether the disk is full (SQLITE_FULL). */
export function isFull(error: unknown): boolean {
  return primaryCode(error) === 13
}

/** Whether something refers to a row that is not there, or is referred to by rows that are (SQLITE_CONSTRAINT_FOREIGNKEY). */
export function isForeignKey(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === 787
}

/** The {@link StoreError} for what SQLite or the file system threw; any other error unchanged. */
export function storeError(error: unknown, path: string): unknown {
  if (isUnsafeNumber(error)) return alteredError(path, error)
  const code = diagnose(error, path)
  if (code === undefined) return error
  const reason = error instanceof Error && 'errstr' in error ? String(error.errstr) : systemCode(error)
  return new StoreError(
    code,
    `The vault at ${path} cannot be used (${reason}). ${nextSteps[code]} Nothing stored was lost.`,
    { cause: error },
  )
}

/** `node:sqlite` reads no integer above 2^53. */
function isUnsafeNumber(error: unknown): boolean {
  return error instanceof RangeError && 'code' in error && error.code === 'ERR_OUT_OF_RANGE'
}

function alteredError(path: string, cause: unknown): StoreError {
  return new StoreError(
    'store_corrupt',
    `A row of the vault at ${path} holds a number that no toolgrant writes: it was damaged, or somebody altered it. Restore a backup, and find out who writes to the file. Nothing was changed.`,
    { cause },
  )
}

/**
 * Refuses what SQLite would open, or wait for, without a word of what it is.
 *
 * @throws {StoreError} with that code: there is something, and it is no file.
 */
export function assertFile(path: string, code: 'store_unavailable' | 'store_corrupt'): void {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined || stats.isFile()) return
  throw new StoreError(code, `${path} is ${kindOf(stats)}, and a vault is a file. Name another path.`)
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a folder'
  if (stats.isFIFO()) return 'a named pipe'
  if (stats.isSocket()) return 'a socket'
  return 'a device'
}

function diagnose(error: unknown, path: string): ErrorCode | undefined {
  const primary = primaryCode(error)
  if (primary === 14) return whyNotOpened(path)
  if (primary !== undefined) return primaryCodes[primary] ?? 'store_unavailable'
  const system = systemCode(error)
  if (system === undefined) return undefined
  const code = systemCodes[system] ?? 'store_unavailable'
  const readable = code === 'store_permission' && whyNot(path, 'r') === undefined
  return readable ? 'store_read_only' : code
}

/** Tried, not asked: `access` answers for the real user, files are opened by the effective one. */
function whyNot(path: string, flags: 'r' | 'r+'): unknown {
  try {
    closeSync(openSync(path, flags))
    return undefined
  } catch (error) {
    return error
  }
}

/** SQLite says only "unable to open"; the file system says why. */
function whyNotOpened(path: string): ErrorCode {
  const reason = existsSync(path) ? whyNot(path, 'r+') : undefined
  return systemCodes[systemCode(reason ?? whyNotWritable(dirname(path))) ?? ''] ?? 'store_unavailable'
}

function whyNotWritable(folder: string): unknown {
  try {
    accessSync(folder, constants.W_OK)
    return undefined
  } catch (error) {
    return error
  }
}

function primaryCode(error: unknown): number | undefined {
  const code = error instanceof Error && 'errcode' in error ? error.errcode : undefined
  return typeof code === 'number' ? code & 0xff : undefined
}

function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'syscall' in error && 'code' in error ? String(error.code) : undefined
}
