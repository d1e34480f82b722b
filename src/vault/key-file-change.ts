// Changing a key file: read, written beside, flushed and put in its place in one step, by one process at a time. What is
// not ours in it, such as comments, stays. [Node, loaded at first use]
import { KeyError } from '../errors.ts'
import { SealingKey } from '../seal.ts'
import { flushFolder } from './key-file-content.ts'

/** The text of a key file. */
export class KeyFileText {
  readonly #lines: readonly string[]

  constructor(text: string) {
    this.#lines = text.split('\n')
  }

  /** The text. */
  get text(): string {
    return this.#lines.join('\n')
  }

  /** Whether there is no key in it. */
  get empty(): boolean {
    return !this.#lines.some(isKey)
  }

  /** With a key above the others, unless it is there. @param text the key. **Secret.** */
  with(keyId: string, text: string): KeyFileText {
    if (this.#lines.some((line) => idOf(line) === keyId)) return this
    const first = this.#lines.findIndex((line) => isKey(line) || line.startsWith(titleStart))
    const at = first === -1 ? this.#lines.length : first
    const before = this.#lines.slice(0, at).join('\n').trimEnd()
    const after = this.#lines.slice(at)
    const added = [titleStart + keyId, text.trim(), ...(after.length === 0 ? [''] : after)]
    return new KeyFileText([...(before === '' ? [] : [before]), ...added].join('\n'))
  }

  /** Without a key. */
  without(keyId: string): KeyFileText {
    const kept = this.#lines.filter((line) => idOf(line) !== keyId && line.trim() !== titleStart + keyId)
    return new KeyFileText(kept.join('\n'))
  }
}

/** The comment above a key says which one it is. */
const titleStart = '# key '

function isKey(line: string): boolean {
  return !/^(#|$)/.test(line.trim())
}

/** The id of the key on a line; a line that holds something else is left to {@link SealingKey.parse} to refuse. */
function idOf(line: string): string | undefined {
  return isKey(line) ? SealingKey.parse(line, 'A line of the key file').id : undefined
}

/** How long another process may hold the file, in milliseconds: a change takes a few. */
const lockLimitMs = 5000

/**
 * Changes a key file, or makes it. A file without a key left is deleted.
 *
 * @throws {KeyError} `key_unavailable`, naming the path and the reason; nothing was changed.
 */
export async function changeKeyFile(path: string, change: (file: KeyFileText) => KeyFileText): Promise<void> {
  try {
    await nodeFiles().mkdir(folderOf(path), { recursive: true, mode: 0o700 })
    const target = await nodeFiles()
      .realpath(path)
      .catch(() => path)
    await locked(`${target}.lock`, async () => {
      await replace(target, change)
      await sweep(target)
    })
  } catch (error) {
    if (error instanceof KeyError) throw error
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
    throw unavailable(
      `The key file ${path} cannot be changed (${code}). Give this user access, or change it by hand and add the key by its id.`,
      error,
    )
  }
}

async function replace(path: string, change: (file: KeyFileText) => KeyFileText): Promise<void> {
  const { readFile, rename, unlink } = nodeFiles()
  const before = await readFile(path, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw error
  })
  const after = change(new KeyFileText(before))
  if (after.text === before) return
  if (after.empty) return unlink(path)
  const beside = `${path}.${globalThis.crypto.randomUUID()}`
  try {
    await writeAs(beside, after.text, path)
    await rename(beside, path)
    await flushFolder(folderOf(path))
  } catch (error) {
    await unlink(beside).catch(() => {})
    throw error
  }
}

/** So old is nothing that somebody is writing, in milliseconds. */
const leftoverMs = 60_000

/** Deletes what processes left beside the file when they were killed: a key in it would outlive its deletion. */
async function sweep(path: string): Promise<void> {
  const { readdir, lstat, unlink } = nodeFiles()
  const start = `${process.getBuiltinModule('node:path').basename(path)}.`
  for (const name of await readdir(folderOf(path)).catch(() => [])) {
    if (
      !name.startsWith(start) ||
      !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name.slice(start.length))
    )
      continue
    const leftover = process.getBuiltinModule('node:path').join(folderOf(path), name)
    const status = await lstat(leftover).catch(() => undefined)
    if (status?.isFile() && Date.now() - status.mtimeMs > leftoverMs) await unlink(leftover).catch(() => {})
  }
}

/** Written and flushed with mode 0600; it belongs to whom the file `like` belongs, for a root that changes it. */
async function writeAs(path: string, text: string, like: string): Promise<void> {
  const owner = await nodeFiles()
    .stat(like)
    .catch(() => undefined)
  const file = await nodeFiles().open(path, 'wx', 0o600)
  try {
    const { uid, gid } = await file.stat()
    if (owner !== undefined && (owner.uid !== uid || owner.gid !== gid))
      await file.chown(owner.uid, owner.gid)
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** A lock that a process left behind is not taken over: who could tell. It is left by a crash within milliseconds. */
async function locked(lock: string, run: () => Promise<void>): Promise<void> {
  const { open, unlink } = nodeFiles()
  for (const end = Date.now() + lockLimitMs; ; ) {
    try {
      await (await open(lock, 'wx', 0o600)).close()
      break
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
      if (Date.now() > end)
        throw unavailable(
          `Another process is changing the key file, or one ended while it did: if none is, delete ${lock}.`,
          error,
        )
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  try {
    await run()
  } finally {
    await unlink(lock).catch(() => {})
  }
}

function folderOf(path: string): string {
  return process.getBuiltinModule('node:path').dirname(path)
}

function nodeFiles() {
  return process.getBuiltinModule('node:fs/promises')
}

function unavailable(message: string, cause: unknown): KeyError {
  return new KeyError('key_unavailable', `${message} Nothing was changed.`, { cause })
}
