// The file that `export` writes: connections, encrypted with a passphrase. scrypt (RFC 7914), HKDF (RFC 5869) and
// AES-256-GCM (NIST SP 800-38D) over chunks that are numbered and whose last one says so, as in STREAM (Hoang, Reyhanitabar,
// Rogaway, Vizár 2015): a bundle that was cut off, reordered or altered in any bit does not open.
//
// Four lines of text, then chunks of 64 KiB and a tag each:
//   toolgrant bundle 1
//   {"kdf":"scrypt","N":131072,"r":8,"p":1,"salt":"…"}
//   HMAC-SHA-256 of the lines above under a key of the passphrase: tells a wrong one
//   SHA-256 of the lines above: tells damage
import type * as NodeCrypto from 'node:crypto'
import { argumentError, ImportError } from '../errors.ts'

/** How expensive a guess of the passphrase is (RFC 7914 section 2). */
export interface ScryptCost {
  N: number
  r: number
  p: number
}

/** For new bundles: 128 MiB of memory and some tenths of a second for each guess. */
export const defaultCost: ScryptCost = { N: 2 ** 17, r: 8, p: 1 }
/** What a bundle may demand of whoever opens it: 1 GiB, and 16 times the work of a new one. */
const mostMemory = 2 ** 30
const mostWork = 2 ** 24
const shortestPassphrase = 8

const magic = 'toolgrant bundle '
const version = 1
const headerLimit = 1024
const chunkSize = 65_536
const tagSize = 16

/** Bytes that can be read at any place: a file, or memory. */
export interface Bytes {
  /** Where they come from, for messages. */
  readonly name: string
  readonly size: number
  /** At most `length` bytes from `offset` on; fewer at the end only. */
  read(offset: number, length: number): Promise<Uint8Array>
}

/** Whether these are the first bytes of a bundle, of whatever version. */
export function isBundle(start: Uint8Array): boolean {
  return Buffer.from(start).subarray(0, magic.length).toString('latin1') === magic
}

/**
 * Checks a passphrase for a new bundle.
 *
 * @throws {TypeError} `invalid_argument`; it is not quoted.
 */
export function assertPassphrase(passphrase: unknown): asserts passphrase is string {
  if (typeof passphrase !== 'string' || passphrase.length < shortestPassphrase)
    throw argumentError(
      `The passphrase of a bundle is a text of at least ${shortestPassphrase} characters; longer is better.`,
    )
}

/** The bundle of some text, piece by piece. */
export async function* sealBundle(
  passphrase: string,
  texts: AsyncIterable<string>,
  cost: ScryptCost = defaultCost,
): AsyncGenerator<Uint8Array> {
  const crypto = nodeCrypto()
  const salt = crypto.randomBytes(32)
  const parameters = { kdf: 'scrypt', ...cost, salt: salt.toString('base64url') }
  const keys = await deriveKeys(passphrase, salt, cost)
  const top = `${magic}${version}\n${JSON.stringify(parameters)}\n`
  const checked = `${top}${keys.check(top)}\n`
  const header = `${checked}${sha256(checked)}\n`
  yield Buffer.from(header, 'latin1')
  const chunks = new Chunks(keys.payload, header)
  let parts: Uint8Array[] = []
  let size = 0
  for await (const text of texts) {
    parts.push(Buffer.from(text, 'utf8'))
    size += parts.at(-1)?.byteLength ?? 0
    // A whole chunk stays back until more comes: the last one has to say that it is.
    if (size <= chunkSize) continue
    let rest = Buffer.concat(parts)
    for (; rest.byteLength > chunkSize; rest = rest.subarray(chunkSize))
      yield chunks.seal(rest.subarray(0, chunkSize), false)
    parts = [Buffer.from(rest)]
    size = rest.byteLength
  }
  yield chunks.seal(Buffer.concat(parts), true)
}

/** A bundle whose passphrase was right. */
export class OpenBundle {
  readonly #bytes: Bytes
  readonly #header: string
  readonly #payload: Uint8Array

  constructor(bytes: Bytes, header: string, payload: Uint8Array) {
    this.#bytes = bytes
    this.#header = header
    this.#payload = payload
  }

  /**
   * The text, piece by piece, each of them authentic. Only at the end is it known that nothing is missing.
   *
   * @throws {ImportError} `bundle_invalid`.
   */
  async *texts(): AsyncGenerator<string> {
    const chunks = new Chunks(this.#payload, this.#header)
    const decoder = new TextDecoder('utf-8', { fatal: true })
    const whole = chunkSize + tagSize
    let offset = this.#header.length
    for (let last = false; !last; offset += whole) {
      last = offset + whole >= this.#bytes.size
      const sealed = await this.#bytes.read(offset, whole)
      const plain = chunks.open(sealed, last)
      if (plain === undefined) throw damaged(this.#bytes.name, `at byte ${offset}`)
      yield decoder.decode(plain, { stream: !last })
    }
  }
}

/** Turns a passphrase into keys; tests remember the result, for it is meant to take long. */
export type DeriveKeys = typeof deriveKeys

/**
 * Opens a bundle: reads its header and checks the passphrase.
 *
 * @throws {ImportError} `passphrase_wrong`; `bundle_invalid` when the header is damaged, or of another version.
 */
export async function openBundle(
  bytes: Bytes,
  passphrase: string,
  derive: DeriveKeys = deriveKeys,
): Promise<OpenBundle> {
  const start = Buffer.from(await bytes.read(0, headerLimit)).toString('latin1')
  const [, first, second, third, sum] = /^([^\n]*\n)([^\n]*\n)([^\n]*)\n([^\n]*)\n/.exec(start) ?? []
  assertVersion(bytes.name, start)
  if (first === undefined || second === undefined || sha256(`${first}${second}${third}\n`) !== sum)
    throw damaged(bytes.name, 'in its header')
  const { salt, ...cost } = readParameters(bytes.name, second)
  const keys = await derive(passphrase, salt, cost)
  if (keys.check(first + second) !== third)
    throw new ImportError(
      'passphrase_wrong',
      `${bytes.name} was made with another passphrase. Nothing was changed.`,
    )
  return new OpenBundle(bytes, `${first}${second}${third}\n${sum}\n`, keys.payload)
}

function assertVersion(name: string, start: string): void {
  const [, found] = /^toolgrant bundle (\d{1,6})\n/.exec(start) ?? []
  if (found !== undefined && Number(found) > version)
    throw new ImportError(
      'bundle_invalid',
      `${name} is a bundle of version ${found}; this toolgrant knows version ${version}. Update toolgrant.`,
    )
}

function readParameters(name: string, line: string): ScryptCost & { salt: Buffer } {
  let value: { kdf?: unknown; N?: unknown; r?: unknown; p?: unknown; salt?: unknown }
  try {
    value = JSON.parse(line)
  } catch {
    throw damaged(name, 'in its header')
  }
  const { kdf, N, r, p, salt } = value ?? {}
  const numbers = [N, r, p].every(
    (number) => typeof number === 'number' && Number.isInteger(number) && number > 0,
  )
  if (kdf !== 'scrypt' || !numbers || typeof salt !== 'string') throw damaged(name, 'in its header')
  const cost = { N: Number(N), r: Number(r), p: Number(p) }
  // RFC 7914 section 2: N blocks of 128 r bytes, and p more.
  const tooMuch = 128 * cost.r * (cost.N + cost.p) > mostMemory || cost.N * cost.r * cost.p > mostWork
  if (Math.log2(cost.N) % 1 !== 0 || cost.N < 2 || tooMuch)
    throw new ImportError(
      'bundle_invalid',
      `${name} demands more memory or time to be opened than a bundle may, or its numbers are none of scrypt's.`,
    )
  return { ...cost, salt: Buffer.from(salt, 'base64url') }
}

/** Two keys of one passphrase: for the content, and to recognise the passphrase by. */
export async function deriveKeys(
  passphrase: string,
  salt: Uint8Array,
  { N, r, p }: ScryptCost,
): Promise<{ payload: Uint8Array; check: (text: string) => string }> {
  const crypto = nodeCrypto()
  // One passphrase, however a keyboard composed its characters.
  const text = passphrase.normalize('NFKC')
  const maxmem = 128 * N * r + 128 * r * p + 2 ** 20
  const master = await new Promise<Buffer>((resolve, reject) =>
    crypto.scrypt(text, salt, 32, { N, r, p, maxmem }, (error, key) =>
      error ? reject(error) : resolve(key),
    ),
  )
  const both = Buffer.from(crypto.hkdfSync('sha256', master, '', 'toolgrant bundle 1', 64))
  const checkKey = both.subarray(32)
  return {
    payload: both.subarray(0, 32),
    check: (checked) => crypto.createHmac('sha256', checkKey).update(checked).digest('hex'),
  }
}

/** Seals or opens chunks in their order. A key is used for one bundle only, so counting makes every nonce new. */
class Chunks {
  readonly #key: NodeCrypto.KeyObject
  readonly #header: Buffer
  #count = 0

  constructor(key: Uint8Array, header: string) {
    this.#key = nodeCrypto().createSecretKey(key)
    this.#header = Buffer.from(sha256(header), 'hex')
  }

  seal(plain: Uint8Array, last: boolean): Uint8Array {
    const cipher = nodeCrypto().createCipheriv('aes-256-gcm', this.#key, this.#nonce(last), {
      authTagLength: tagSize,
    })
    cipher.setAAD(this.#header)
    const sealed = cipher.update(plain)
    cipher.final()
    return Buffer.concat([sealed, cipher.getAuthTag()])
  }

  /** `undefined`: not authentic at this place. */
  open(sealed: Uint8Array, last: boolean): Buffer | undefined {
    const end = sealed.byteLength - tagSize
    if (end < 0) return undefined
    const decipher = nodeCrypto().createDecipheriv('aes-256-gcm', this.#key, this.#nonce(last), {
      authTagLength: tagSize,
    })
    decipher.setAAD(this.#header)
    decipher.setAuthTag(sealed.subarray(end))
    const plain = decipher.update(sealed.subarray(0, end))
    try {
      decipher.final()
      return plain
    } catch {
      return undefined
    }
  }

  #nonce(last: boolean): Buffer {
    const nonce = Buffer.alloc(12)
    nonce.writeBigUInt64BE(BigInt(this.#count), 3)
    nonce[11] = last ? 1 : 0
    this.#count += 1
    return nonce
  }
}

function damaged(name: string, where: string): ImportError {
  return new ImportError(
    'bundle_invalid',
    `${name} is no whole bundle: it was cut off or altered ${where}. Nothing of it was imported. Export again, or copy the file again.`,
  )
}

function sha256(text: string): string {
  return nodeCrypto().createHash('sha256').update(text, 'latin1').digest('hex')
}

function nodeCrypto(): typeof NodeCrypto {
  return process.getBuiltinModule('node:crypto')
}
