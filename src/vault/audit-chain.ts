// The hash chain of an audit log: HMAC-SHA-256 (RFC 2104) over the hash before, the line's number, time and text. Its
// key is random, sealed in the store: who can write to the store but has no key of the vault cannot make a line.
import type * as NodeCrypto from 'node:crypto'
import type { CurrentKeyring } from './key-ring.ts'
import { openMeta, sealMeta } from './sealed-meta.ts'
import type { AuditLine, Store } from './store.ts'

/** Name of the sealed value that holds the key. */
const keyName = 'audit_key'

/** Makes and checks the hashes of one tenant's lines. */
export class AuditChain {
  readonly #key: NodeCrypto.KeyObject
  readonly #start: Uint8Array

  /** @param key 32 random bytes. */
  constructor(key: Uint8Array, tenant: string) {
    this.#key = nodeCrypto().createSecretKey(key)
    // The tenant is part of the first hash, so that the log of one tenant is none of another.
    this.#start = this.#hmac().update(`toolgrant audit 1\0${tenant}`).digest()
  }

  /** What stands for the hash before the first line. */
  get start(): Uint8Array {
    return this.#start
  }

  /** The hash of a line that follows the one with the hash `before`. */
  hash(before: Uint8Array, { seq, at, entry }: Omit<AuditLine, 'hash'>): Uint8Array {
    const numbers = Buffer.alloc(16)
    numbers.writeBigUInt64BE(BigInt(seq), 0)
    numbers.writeBigInt64BE(BigInt(at), 8)
    return this.#hmac().update(before).update(numbers).update(entry, 'utf8').digest()
  }

  #hmac(): NodeCrypto.Hmac {
    return nodeCrypto().createHmac('sha256', this.#key)
  }
}

/**
 * The chain of a tenant. Makes the key when the store has none.
 *
 * @throws {KeyError} `sealed_data_invalid`, `key_wrong`; {@link StoreError}.
 */
export async function openChain(store: Store, keyring: CurrentKeyring, tenant: string): Promise<AuditChain> {
  for (;;) {
    const chain = await existingChain(store, keyring, tenant)
    if (chain !== undefined) return chain
    await sealMeta(store, keyring, keyName, Buffer.from(randomKey()).toString('base64url'))
  }
}

/** The chain of a tenant as far as the store has its key. Writes nothing. */
export async function existingChain(
  store: Store,
  keyring: CurrentKeyring,
  tenant: string,
): Promise<AuditChain | undefined> {
  const text = await openMeta(store, keyring, keyName)
  return text === undefined ? undefined : new AuditChain(Buffer.from(text, 'base64url'), tenant)
}

/** A key that nothing was written with. */
export function randomKey(): Uint8Array {
  return nodeCrypto().randomBytes(32)
}

function nodeCrypto(): typeof NodeCrypto {
  return process.getBuiltinModule('node:crypto')
}
