// The vault's key in the system's keychain: macOS Keychain, Windows Credential Manager, Secret Service. [Node]
import { KeyError } from '../errors.ts'
import { generateKey, SealingKey } from '../seal.ts'
import type { KeyProvider } from './keys.ts'

/** One named secret of a keychain; `AsyncEntry` of `@napi-rs/keyring` is one. */
export interface KeychainEntry {
  getPassword(signal?: AbortSignal): Promise<string | null | undefined>
  setPassword(password: string, signal?: AbortSignal): Promise<void>
  deletePassword(signal?: AbortSignal): Promise<unknown>
}

/** Options of {@link keychain}. */
export interface KeychainOptions {
  /** Opens an entry by service and name. Default: `@napi-rs/keyring`. */
  entry?: ((service: string, name: string) => Promise<KeychainEntry>) | undefined
  /** Time limit of one request, in milliseconds; a locked keychain may be asking the person. Default 30 000. */
  timeoutMs?: number | undefined
}

const service = 'toolgrant'

/**
 * Keeps each vault's key in the system's keychain, under the key's id: keys never overwrite one another, and
 * whoever opens the vault asks for exactly the key it was sealed with. Where there is no keychain (a server, a
 * container) it is `key_unavailable`.
 *
 * On Linux only the Secret Service is used; the kernel's keyring, which forgets at a restart, never.
 */
export function keychain(options: KeychainOptions = {}): KeyProvider {
  const { entry = systemEntry, timeoutMs = 30_000 } = options
  const use = <T>(keyId: string, action: (entry: KeychainEntry, signal: AbortSignal) => Promise<T>) =>
    reach(async (signal) => action(await entry(service, `vault key ${keyId}`), signal), timeoutMs)
  const keep = async (text: string) => {
    const kept = await use(SealingKey.parse(text).id, async (made, signal) => {
      await made.setPassword(text, signal)
      return made.getPassword(signal)
    })
    if (kept !== text) throw unavailable('it did not keep a key')
  }
  return {
    place: "the system's keychain",
    optional: true,
    async load({ keyId }) {
      if (keyId === undefined) return []
      const text = await use(keyId, (found, signal) => found.getPassword(signal))
      return text ? [SealingKey.parse(text, `The key ${keyId} in the system's keychain`)] : []
    },
    async create() {
      const text = generateKey()
      await keep(text)
      return SealingKey.parse(text)
    },
    async discard({ id }) {
      await use(id, (unused, signal) => unused.deletePassword(signal)).catch(() => {})
    },
    async keep(text) {
      await keep(text)
      return undefined
    },
    async remove(keyId) {
      return use(keyId, async (found, signal) => {
        if (!(await found.getPassword(signal))) return false
        await found.deletePassword(signal)
        return true
      })
    },
  }
}

async function systemEntry(name: string, key: string): Promise<KeychainEntry> {
  const { AsyncEntry } = await import('@napi-rs/keyring')
  return new AsyncEntry(name, key, { linux: { store: 'secret-service' } })
}

async function reach<T>(action: (signal: AbortSignal) => Promise<T>, timeoutMs: number): Promise<T> {
  const limit = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`no answer within ${timeoutMs} ms; it may be locked`)),
      timeoutMs,
    )
  })
  try {
    return await Promise.race([action(limit.signal), tooLong])
  } catch (error) {
    limit.abort()
    throw error instanceof KeyError
      ? error
      : unavailable(error instanceof Error ? error.message : 'unknown', error)
  } finally {
    clearTimeout(timer)
  }
}

function unavailable(reason: string, cause?: unknown): KeyError {
  return new KeyError('key_unavailable', `It cannot be used (${reason}).`, { cause })
}
