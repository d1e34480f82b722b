// Sealing: round trip, what must fail and how, and that no key is ever shown.
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { KeyError } from './errors.ts'
import { canonicalKey, fingerprint, generateKey, Keyring, SealingKey, sealedKeyId } from './seal.ts'

const bytes = Uint8Array.from({ length: 32 }, (_, index) => index + 1)
const key = new SealingKey(bytes)
const other = SealingKey.parse(generateKey())

function thrown(run: () => unknown): KeyError {
  try {
    run()
  } catch (error) {
    if (error instanceof KeyError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('Keyring', () => {
  const ring = new Keyring(key)

  it.each(['', 'x', 'grüße 🔑', 'a'.repeat(100_000)])('opens what it sealed (case %#)', (text) => {
    expect(ring.open(ring.seal(text, 'place'), 'place')).toBe(text)
  })

  it('P50 seals the same text differently each time, and never in the clear', () => {
    const first = Buffer.from(ring.seal('canary-plaintext', 'place'))
    expect(first.equals(ring.seal('canary-plaintext', 'place'))).toBe(false)
    expect(first.includes('canary')).toBe(false)
    expect(first.byteLength).toBe(1 + 8 + 12 + 'canary-plaintext'.length + 16)
  })

  it('opens from any offset of a larger buffer', () => {
    const sealed = ring.seal('text', 'place')
    const larger = new Uint8Array(sealed.byteLength + 10)
    larger.set(sealed, 5)
    expect(ring.open(larger.subarray(5, 5 + sealed.byteLength), 'place')).toBe('text')
  })

  it('refuses other associated data', () => {
    expect(thrown(() => ring.open(ring.seal('text', 'row 1'), 'row 2')).code).toBe('sealed_data_invalid')
  })

  it('refuses an envelope with any one byte altered', () => {
    const sealed = ring.seal('text', 'place')
    for (let index = 0; index < sealed.byteLength; index++) {
      const altered = Uint8Array.from(sealed)
      altered[index] = (altered[index] ?? 0) ^ 1
      const code = thrown(() => ring.open(altered, 'place')).code
      expect(code).toBe(index >= 1 && index < 9 ? 'key_wrong' : 'sealed_data_invalid')
    }
  })

  it.each([0, 1, 36])('refuses an envelope cut to %i bytes', (length) => {
    const sealed = ring.seal('text', 'place')
    expect(thrown(() => ring.open(sealed.subarray(0, length), 'place')).code).toBe('sealed_data_invalid')
  })

  it('refuses an envelope whose key id was exchanged for that of another key on the ring', () => {
    const both = new Keyring(key, [other])
    const sealed = Uint8Array.from(both.seal('text', 'place'))
    sealed.set(Buffer.from(other.id, 'hex'), 1)
    expect(thrown(() => both.open(sealed, 'place')).code).toBe('sealed_data_invalid')
  })

  it('seals with the primary and opens with an older key', () => {
    const before = new Keyring(key).seal('text', 'place')
    const after = new Keyring(other, [key])
    expect(after.open(before, 'place')).toBe('text')
    expect(sealedKeyId(after.seal('text', 'place'))).toBe(other.id)
    expect(after.ids).toEqual([other.id, key.id])
    expect(after.has(key.id)).toBe(true)
  })

  it('names the key that is missing', () => {
    const error = thrown(() => new Keyring(other).open(ring.seal('text', 'place'), 'place'))
    expect(error.code).toBe('key_wrong')
    expect(error.keyId).toBe(key.id)
    expect(error.message).toContain(key.id)
    expect(error.message).toContain(other.id)
  })
})

describe('SealingKey', () => {
  const buffer = Buffer.from(bytes)

  it.each([
    ['base64', buffer.toString('base64')],
    ['base64url', buffer.toString('base64url')],
    ['hexadecimal', buffer.toString('hex')],
    ['hexadecimal in capitals', buffer.toString('hex').toUpperCase()],
    ['white space around', `\n ${buffer.toString('base64')} \n`],
  ])('reads %s', (_name, text) => {
    expect(SealingKey.parse(text).id).toBe(key.id)
  })

  it.each(['', 'canary-password', 'a'.repeat(42), 'a'.repeat(44), '0'.repeat(63), `${'a'.repeat(42)}!`])(
    'refuses %j without quoting it, and says how to make a key',
    (text) => {
      const error = thrown(() => SealingKey.parse(text, 'TOOLGRANT_KEY'))
      expect(error.code).toBe('key_invalid')
      expect(error.message).toMatch(/^TOOLGRANT_KEY is not a key.*openssl rand -base64 32/)
      if (text !== '') expect(error.message).not.toContain(text)
    },
  )

  it('refuses bytes of another length', () => {
    expect(thrown(() => new SealingKey(bytes.subarray(1))).code).toBe('key_invalid')
  })

  it('P59 shows only its id', () => {
    const secrets = ['hex', 'base64', 'base64url'].map((encoding) => buffer.toString(encoding as 'hex'))
    const ring = new Keyring(key)
    for (const shown of [
      inspect([key, ring], { depth: 9, showHidden: true }),
      JSON.stringify([key, ring]),
      inspect({ ...key }),
    ]) {
      expect(shown).not.toContain('<Buffer')
      for (const secret of secrets) expect(shown).not.toContain(secret)
    }
  })

  it('has an id that depends on the key alone', () => {
    expect(new SealingKey(Uint8Array.from(bytes)).id).toBe(key.id)
    expect(other.id).not.toBe(key.id)
    expect(key.id).toMatch(/^[0-9a-f]{16}$/)
  })
})

it('writes a key of any form in one', () => {
  const text = generateKey()
  const bytes = Buffer.from(text, 'base64url')
  for (const form of [text, `${text}=`, bytes.toString('base64'), bytes.toString('hex'), bytes])
    expect(canonicalKey(form)).toBe(text)
  for (const form of ['canary', bytes.subarray(1)]) expect(() => canonicalKey(form)).toThrow(KeyError)
  expect(() => canonicalKey('canary')).not.toThrow(/canary/)
})

it('makes a different key each time', () => {
  expect(generateKey()).not.toBe(generateKey())
})

it('recognises a secret by its fingerprint', () => {
  expect(fingerprint('abc')).toBe('ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0')
})
