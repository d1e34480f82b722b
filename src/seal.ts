// Sealing: AES-256-GCM with a key id in every envelope and associated data that ties it to its place.
// NIST SP 800-38D; the nonce is random, so one key is good for 2^32 envelopes (section 8.3). [Node]
import type * as NodeCrypto from 'node:crypto'
import { ConfigurationError, KeyError } from './errors.ts'

// Envelope: version (1 byte) · key id (8) · nonce (12) · ciphertext · tag (16).
const VERSION = 1
const KEY_ID_BYTES = 8
const NONCE_BYTES = 12
const TAG_BYTES = 16
const NONCE_START = 1 + KEY_ID_BYTES
const TEXT_START = NONCE_START + NONCE_BYTES
const KEY_BYTES = 32

let crypto: typeof NodeCrypto | undefined

/** `node:crypto`, loaded at first use: importing this module costs nothing and works where there is no Node. */
function nodeCrypto(): typeof NodeCrypto {
  crypto ??= globalThis.process?.getBuiltinModule?.('node:crypto')
  if (crypto === undefined)
    throw new ConfigurationError(
      'runtime_unsupported',
      'Sealing needs node:crypto: run this on Node 22.18 or newer.',
    )
  return crypto
}

/**
 * One AES-256 key. The material is held in a private field as a `KeyObject`: `inspect`, `JSON.stringify` and a
 * spread show the id alone.
 */
export class SealingKey {
  /** Sixteen hexadecimal characters derived from the key by a one-way hash: safe to show, the same for the same key. */
  readonly id: string
  readonly #key: NodeCrypto.KeyObject
  readonly #idBytes: Uint8Array

  /** @throws {KeyError} `key_invalid` unless `bytes` are 32 bytes. They are copied. */
  constructor(bytes: Uint8Array) {
    if (!(bytes instanceof Uint8Array) || bytes.byteLength !== KEY_BYTES)
      throw new KeyError('key_invalid', `A key is ${KEY_BYTES} random bytes. ${HOW_TO_MAKE_A_KEY}`)
    const { createHash, createSecretKey } = nodeCrypto()
    this.id = createHash('sha256')
      .update('toolgrant sealing key id\0')
      .update(bytes)
      .digest('hex')
      .slice(0, KEY_ID_BYTES * 2)
    this.#idBytes = Buffer.from(this.id, 'hex')
    this.#key = createSecretKey(bytes)
  }

  /**
   * Reads a key from text: 32 bytes in base64, base64url (43 characters, padding optional) or hexadecimal (64).
   * White space around it is ignored.
   *
   * @param where names the place of the text in the error, e.g. `TOOLGRANT_KEY`.
   * @throws {KeyError} `key_invalid`; the text is not quoted.
   */
  static parse(text: string, where = 'The key'): SealingKey {
    return new SealingKey(keyBytes(text, where))
  }

  /** Whether an envelope names this key; authentic only once it was opened. */
  sealed(envelope: Uint8Array): boolean {
    if (envelope.byteLength < TEXT_START + TAG_BYTES || envelope[0] !== VERSION) return false
    for (let at = 0; at < KEY_ID_BYTES; at += 1) if (envelope[at + 1] !== this.#idBytes[at]) return false
    return true
  }

  /** Seals with this key; {@link Keyring.seal} is the way in. */
  encrypt(plaintext: string, associatedData: string): Uint8Array {
    const { createCipheriv, randomBytes } = nodeCrypto()
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: TAG_BYTES })
    cipher.setAAD(boundTo(this.id, associatedData))
    const ciphertext = cipher.update(plaintext, 'utf8')
    cipher.final()
    return Buffer.concat([Uint8Array.of(VERSION), this.#idBytes, nonce, ciphertext, cipher.getAuthTag()])
  }

  /** Opens an envelope that this key sealed; {@link Keyring.open} is the way in. */
  decrypt(sealed: Uint8Array, associatedData: string): string {
    const tagStart = sealed.byteLength - TAG_BYTES
    const decipher = nodeCrypto().createDecipheriv(
      'aes-256-gcm',
      this.#key,
      sealed.subarray(NONCE_START, TEXT_START),
      { authTagLength: TAG_BYTES },
    )
    decipher.setAAD(boundTo(this.id, associatedData))
    decipher.setAuthTag(sealed.subarray(tagStart))
    const plaintext = decipher.update(sealed.subarray(TEXT_START, tagStart))
    decipher.final() // throws unless every byte, the associated data included, is authentic
    return plaintext.toString('utf8')
  }
}

function keyBytes(text: string, where: string): Uint8Array {
  const trimmed = text.trim()
  const base64 = trimmed.replace(/=+$/, '')
  if (/^[0-9a-fA-F]{64}$/.test(trimmed)) return Buffer.from(trimmed, 'hex')
  if (/^[A-Za-z0-9+/_-]{43}$/.test(base64)) return Buffer.from(base64, 'base64')
  throw new KeyError(
    'key_invalid',
    `${where} is not a key: expected 32 random bytes in base64, base64url or hexadecimal, got ${trimmed.length} other characters. ${HOW_TO_MAKE_A_KEY}`,
  )
}

const HOW_TO_MAKE_A_KEY = 'Make one with: openssl rand -base64 32'

/** The version and the key id are authenticated too. */
function boundTo(keyId: string, associatedData: string): Buffer {
  return Buffer.from(`${VERSION}:${keyId}:${associatedData}`, 'utf8')
}

/**
 * The keys of one vault: the primary seals, all of them open. Which key an envelope needs is written on it, so
 * that a key can be replaced while what the older one sealed is still read.
 */
export class Keyring {
  /** The key that seals. */
  readonly primary: SealingKey
  readonly #keys: ReadonlyMap<string, SealingKey>

  /** @param older keys that may still open what they sealed. */
  constructor(primary: SealingKey, older: readonly SealingKey[] = []) {
    this.primary = primary
    this.#keys = new Map([primary, ...older].map((key) => [key.id, key]))
  }

  /** The ids of all keys, the primary's first. */
  get ids(): readonly string[] {
    return [...this.#keys.keys()]
  }

  /** Whether the key of that id is here. */
  has(keyId: string): boolean {
    return this.#keys.has(keyId)
  }

  /**
   * Seals text with the primary key.
   *
   * @param associatedData says where the envelope belongs; {@link Keyring.open} must be given the same. Not stored.
   */
  seal(plaintext: string, associatedData: string): Uint8Array {
    return this.primary.encrypt(plaintext, associatedData)
  }

  /**
   * Opens what a key of this ring sealed for the same place.
   *
   * @throws {KeyError} `key_wrong` when the envelope names a key that is not here; `sealed_data_invalid` when it was
   *   altered, copied from another place, or is no envelope.
   */
  open(sealed: Uint8Array, associatedData: string): string {
    const key = this.primary.sealed(sealed) ? this.primary : this.#keys.get(sealedKeyId(sealed))
    if (key === undefined) throw this.#lacking(sealedKeyId(sealed))
    try {
      return key.decrypt(sealed, associatedData)
    } catch (cause) {
      throw new KeyError(
        'sealed_data_invalid',
        'Sealed data did not pass its authenticity check: it was altered, or copied from another row.',
        { cause },
      )
    }
  }

  #lacking(keyId: string): KeyError {
    return new KeyError(
      'key_wrong',
      `This was sealed with the key ${keyId}; at hand: ${this.ids.join(', ')}. Supply that key; nothing was changed.`,
      { keyId },
    )
  }
}

/**
 * The id of the key that an envelope was sealed with. It is authentic only once the envelope was opened.
 *
 * @throws {KeyError} `sealed_data_invalid` when it is no envelope, or one of a newer version.
 */
export function sealedKeyId(sealed: Uint8Array): string {
  if (sealed.byteLength < TEXT_START + TAG_BYTES || sealed[0] !== VERSION)
    throw new KeyError(
      'sealed_data_invalid',
      'Sealed data is cut off, or was written by a newer version of toolgrant.',
    )
  return Buffer.from(sealed.buffer, sealed.byteOffset + 1, KEY_ID_BYTES).toString('hex')
}

/** A fresh random key as text (base64url, 43 characters), as {@link SealingKey.parse} reads it. **Secret.** */
export function generateKey(): string {
  return nodeCrypto().randomBytes(KEY_BYTES).toString('base64url')
}

/**
 * A key in any of the forms that {@link SealingKey.parse} reads, as {@link generateKey} writes it. **Secret.**
 *
 * @throws {KeyError} `key_invalid`; the text is not quoted.
 */
export function canonicalKey(key: string | Uint8Array, where = 'The key'): string {
  const bytes = typeof key === 'string' ? keyBytes(key, where) : key
  new SealingKey(bytes) // checks the length
  return Buffer.from(bytes).toString('base64url')
}

/**
 * SHA-256 of a secret, base64url: recognises the secret again without holding it. Only for secrets with at least
 * 128 random bits (tokens, states), never for passwords.
 */
export function fingerprint(secret: string): string {
  return nodeCrypto().createHash('sha256').update(secret, 'utf8').digest('base64url')
}
