// The key file at work: read only when nobody else can, made complete or not at all. [Node, loaded at first use]
import { KeyError } from '../errors.ts'
import { generateKey, SealingKey } from '../seal.ts'

const header = `# The key of a toolgrant vault. Whoever has it and the vault can read the tokens in it.
# Back it up, apart from the vault: without it the vault cannot be opened.
`

/**
 * The keys of a file; empty when there is none.
 *
 * @throws {KeyError} `key_invalid`, `key_unavailable`.
 */
export async function readKeys(path: string): Promise<SealingKey[]> {
  for (let attempt = 1; ; attempt++) {
    const text = await readPrivately(path)
    if (text === undefined) return []
    const lines = text.split('\n').filter((line) => !/^(#|$)/.test(line.trim()))
    if (lines.length > 0) return lines.map((line) => SealingKey.parse(line, `The key file ${path}`))
    // Another process is writing it, on a file system that cannot link.
    if (attempt === 20)
      throw new KeyError('key_invalid', `The key file ${path} is empty. Restore it from a backup.`)
    await new Promise((resolve) => setTimeout(resolve, 15))
  }
}

async function readPrivately(path: string): Promise<string | undefined> {
  const file = await files()
    .open(path, 'r')
    .catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return undefined
      throw unavailable(path, codeOf(error), error)
    })
  if (file === undefined) return undefined
  try {
    const { mode } = await file.stat()
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) throw tooOpen(path, mode)
    return await file.readFile('utf8')
  } catch (error) {
    throw error instanceof KeyError ? error : unavailable(path, codeOf(error), error)
  } finally {
    await file.close()
  }
}

function tooOpen(path: string, mode: number): KeyError {
  const shown = (mode & 0o777).toString(8).padStart(4, '0')
  return new KeyError(
    'key_invalid',
    `The key file ${path} can be read by other users (mode ${shown}). Run: chmod 600 ${path} (and if somebody may have read it, connect again under a new key)`,
  )
}

/**
 * Makes a file with a new key and returns the key that is in it: complete or not at all, and never over an existing
 * file, so that of several processes one wins.
 *
 * @throws {KeyError} `key_unavailable`, `key_invalid`.
 */
export async function makeKey(path: string): Promise<SealingKey> {
  await writeKey(path)
  const [key] = await readKeys(path)
  if (key === undefined) throw unavailable(path, 'it was removed while it was made')
  return key
}

/** Written beside it, flushed, then linked into place. */
async function writeKey(path: string): Promise<void> {
  const { mkdir, unlink } = files()
  const folder = process.getBuiltinModule('node:path').dirname(path)
  const beside = `${path}.${globalThis.crypto.randomUUID()}`
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeFlushed(beside)
    await putInPlace(beside, path)
    await flushFolder(folder)
  } catch (error) {
    throw unavailable(path, codeOf(error), error)
  } finally {
    await unlink(beside).catch(() => {})
  }
}

async function writeFlushed(path: string): Promise<void> {
  const file = await files().open(path, 'wx', 0o600)
  try {
    await file.writeFile(`${header}${generateKey()}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function putInPlace(from: string, to: string): Promise<void> {
  try {
    await files().link(from, to)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(codeOf(error))) throw error
    // No hard links here: create exclusively; a reader waits for the content.
    await writeFlushed(to).catch((again: unknown) => {
      if (codeOf(again) !== 'EEXIST') throw again
    })
  }
}

/** Makes the new name itself durable, where the system lets a folder be opened. */
export async function flushFolder(path: string): Promise<void> {
  const folder = await files()
    .open(path, 'r')
    .catch(() => undefined)
  await folder?.sync().catch(() => {})
  await folder?.close()
}

function files() {
  return process.getBuiltinModule('node:fs/promises')
}

function unavailable(path: string, reason: string, cause?: unknown): KeyError {
  return new KeyError(
    'key_unavailable',
    `The key file ${path} cannot be used (${reason}). Give this user access to it, or set TOOLGRANT_KEY instead.`,
    { cause },
  )
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
}
