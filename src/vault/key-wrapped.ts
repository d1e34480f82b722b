// Keys that a key management service wraps: made here, encrypted by it, kept in the store's own table of keys, and
// decrypted by it when a vault opens (envelope encryption, NIST SP 800-57 part 1 section 6.2.2). No SDK in here.
import { argumentError, KeyError, quote } from '../errors.ts'
import { SealingKey } from '../seal.ts'
import type { KeyProvider, KeyRequest } from './keys.ts'

/** What goes with each request to a {@link KeyManagementService}. */
export interface KmsRequest {
  /**
   * Names the vault and the key. Give it to the service as encryption context (associated data): what was wrapped for
   * one vault is then refused for another.
   */
  context: Readonly<Record<string, string>>
  /** Aborted when the time is up, or the caller gives up. */
  signal: AbortSignal
}

/**
 * A key management service: AWS KMS, Google Cloud KMS, Azure Key Vault, Vault's transit engine, an HSM. Both calls
 * reject when the service cannot or will not; a call may be repeated.
 */
export interface KeyManagementService {
  /** Encrypts 32 secret bytes under a master key that never leaves the service. */
  encrypt(plaintext: Uint8Array, request: KmsRequest): Promise<Uint8Array>
  /** Decrypts what {@link KeyManagementService.encrypt} returned, whichever version of the master key that was. */
  decrypt(ciphertext: Uint8Array, request: KmsRequest): Promise<Uint8Array>
}

/** Options of {@link wrappedKey}. */
export interface WrappedKeyOptions {
  /** The service. */
  kms: KeyManagementService
  /** Its name in messages. Default `the key management service`. */
  place?: string | undefined
  /** Time limit of one key, retries included, in milliseconds. Default 10 000. */
  timeoutMs?: number | undefined
  /** How often a call that failed is made, at most. Default 3. */
  attempts?: number | undefined
}

/** A wrapped key is a few hundred bytes at every service known. */
const longestWrapped = 65_536
const firstPauseMs = 100

/**
 * Keys wrapped by a key management service. The service is asked when a vault opens, and when a key is added; never to
 * read a token. While it cannot be reached an open vault goes on, and none can be opened: `key_unavailable`.
 */
export function wrappedKey(options: WrappedKeyOptions): KeyProvider {
  const { place = 'the key management service' } = options
  const service = new Service(options, place)
  return {
    place,
    load: ({ keyId, wrapped, vaultId, signal }) =>
      keyId === undefined || wrapped === undefined
        ? Promise.resolve([])
        : service.unwrap(wrapped, { keyId, vaultId, signal }).then((key) => [key]),
    async keep(text, { vaultId, signal }) {
      const key = SealingKey.parse(text)
      const request = { keyId: key.id, vaultId, signal }
      const wrapped = await service.wrap(Buffer.from(text, 'base64url'), request)
      await service.unwrap(wrapped, request) // what cannot be unwrapped again must never seal anything
      return wrapped
    },
  }
}

type NamedKey = Pick<KeyRequest, 'vaultId' | 'signal'> & { keyId: string }

/** The service with its limits, and its answers checked. */
class Service {
  readonly #kms: KeyManagementService
  readonly #place: string
  readonly #timeoutMs: number
  readonly #attempts: number

  constructor({ kms, timeoutMs = 10_000, attempts = 3 }: WrappedKeyOptions, place: string) {
    if (typeof kms?.encrypt !== 'function' || typeof kms.decrypt !== 'function')
      throw argumentError('wrappedKey: kms must have the methods encrypt and decrypt.')
    this.#kms = kms
    this.#place = place
    this.#timeoutMs = timeoutMs
    this.#attempts = attempts
  }

  async wrap(bytes: Uint8Array, named: NamedKey): Promise<Uint8Array> {
    const wrapped = await this.#ask('encrypt', bytes, named)
    if (wrapped.byteLength < 40 || wrapped.byteLength > longestWrapped || holds(wrapped, bytes))
      throw new KeyError(
        'key_invalid',
        `${this.#place} answered encrypt with something that is no ciphertext. Nothing was kept.`,
      )
    return wrapped
  }

  async unwrap(wrapped: Uint8Array, named: NamedKey): Promise<SealingKey> {
    const bytes = await this.#ask('decrypt', wrapped, named)
    if (bytes.byteLength !== 32)
      throw new KeyError(
        'key_invalid',
        `${this.#place} answered decrypt with ${bytes.byteLength} bytes, where the key ${named.keyId} has 32.`,
      )
    const key = new SealingKey(bytes)
    bytes.fill(0)
    if (key.id === named.keyId) return key
    throw new KeyError(
      'key_wrong',
      `${this.#place} unwrapped the key ${key.id}, where ${named.keyId} was asked for.`,
    )
  }

  /** Its answer, in bytes of our own. Tries again until the attempts or the time are used up. */
  async #ask(operation: 'encrypt' | 'decrypt', input: Uint8Array, named: NamedKey): Promise<Uint8Array> {
    named.signal?.throwIfAborted()
    const limit = new AbortController()
    const timer = setTimeout(() => limit.abort(), this.#timeoutMs)
    const signal = named.signal === undefined ? limit.signal : AbortSignal.any([limit.signal, named.signal])
    const request = { context: contextOf(named), signal }
    let refusal: unknown
    try {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return checkedBytes(await orAborted(this.#kms[operation](input.slice(), request), signal))
        } catch (raw) {
          named.signal?.throwIfAborted()
          const error = withoutKey(raw, named.keyId, operation === 'encrypt' ? input : undefined)
          if (limit.signal.aborted) throw this.#tooLate(operation, refusal, error)
          if (attempt >= this.#attempts) throw this.#unavailable(operation, reasonOf(error), error)
          refusal = error
          await orAborted(pause(firstPauseMs * 2 ** (attempt - 1)), signal).catch(() => {})
        }
      }
    } finally {
      clearTimeout(timer)
    }
  }

  /** What it said before the time was up tells more than that it was. */
  #tooLate(operation: string, refusal: unknown, error: unknown): KeyError {
    const reason = refusal === undefined ? `no answer within ${this.#timeoutMs} ms` : reasonOf(refusal)
    return this.#unavailable(operation, reason, refusal ?? error)
  }

  #unavailable(operation: string, reason: string, cause: unknown): KeyError {
    return new KeyError(
      'key_unavailable',
      `${this.#place} did not ${operation} the key (${reason}). See that it can be reached and permits it, then try again.`,
      { cause },
    )
  }
}

/** Without the vault's id, as for a store that has none yet, nothing is bound to a vault. */
function contextOf({ keyId, vaultId = '' }: NamedKey): Readonly<Record<string, string>> {
  return { application: 'toolgrant', vault: vaultId, key: keyId }
}

function checkedBytes(answer: unknown): Uint8Array {
  if (answer instanceof Uint8Array) return Uint8Array.from(answer)
  throw new TypeError('its answer is no Uint8Array')
}

function reasonOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? quote(error.message) : 'it rejected the request'
}

/** The error, or another in its place when it tells the key. */
function withoutKey(error: unknown, keyId: string, key: Uint8Array | undefined): unknown {
  const text = process.getBuiltinModule('node:util').inspect(error, { depth: 5 })
  const tells = (key !== undefined && formsOf(key).some((form) => text.includes(form))) || hasKey(text, keyId)
  return tells ? new Error('it failed, and its complaint repeats the key') : error
}

/** How a key may begin when somebody writes it down; a few bytes tell it from anything else. */
function formsOf(key: Uint8Array): readonly string[] {
  const bytes = Buffer.from(key)
  const [start, hex] = [bytes.subarray(0, 9), bytes.subarray(0, 8).toString('hex')]
  const written = [...start].join(', ')
  const spaced = hex.replace(/..(?=.)/g, '$& ')
  const texts = [start.toString('base64'), start.toString('base64url')]
  return [...texts, hex, hex.toUpperCase(), spaced, written, written.replaceAll(', ', ',')]
}

/** Whether the key of that id, which nobody has here yet, is in a text. */
function hasKey(text: string, keyId: string): boolean {
  const runs = text.match(/[A-Za-z0-9+/_-]{43,}/g) ?? []
  return runs.some((run) =>
    [43, 64].some((length) => [run.slice(0, length), run.slice(-length)].some((part) => isKey(part, keyId))),
  )
}

function isKey(text: string, keyId: string): boolean {
  try {
    return SealingKey.parse(text).id === keyId
  } catch {
    return false
  }
}

function holds(wrapped: Uint8Array, bytes: Uint8Array): boolean {
  return Buffer.from(wrapped).includes(Buffer.from(bytes))
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms * (0.5 + Math.random())))
}

/** Settles as `work` does, or rejects when the signal aborts: not every client library listens to a signal. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
