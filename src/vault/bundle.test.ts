// Bundles: nothing gets lost, and nothing that was cut off, altered or locked otherwise is read.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ImportError } from '../errors.ts'
import { type Bytes, deriveKeys, isBundle, openBundle, type ScryptCost, sealBundle } from './bundle.ts'
import { linesOf } from './bundle-lines.ts'

/** Guessing is cheap here: the tests open hundreds. */
const cheap: ScryptCost = { N: 2, r: 1, p: 1 }
const passphrase = 'correct horse battery'

function memory(bytes: Uint8Array): Bytes {
  return {
    name: 'the bundle',
    size: bytes.byteLength,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
  }
}

async function* pieces(...texts: string[]): AsyncGenerator<string> {
  yield* texts
}

async function bundleOf(texts: string[], cost = cheap): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of sealBundle(passphrase, pieces(...texts), cost)) parts.push(part)
  return Buffer.concat(parts)
}

async function textOf(bytes: Uint8Array, word = passphrase): Promise<string> {
  let text = ''
  for await (const part of (await openBundle(memory(bytes), word)).texts()) text += part
  return text
}

async function failure(promise: Promise<unknown>): Promise<ImportError> {
  const error = await promise.then(
    (value) => expect.fail(`it was read: ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(ImportError)
  return error as ImportError
}

describe('a bundle', () => {
  it('gives back the text, whatever it is and wherever chunks end', async () => {
    const long = 'ä€😀'.repeat(30_000)
    for (const texts of [
      [],
      [''],
      ['a'],
      [long],
      ['x'.repeat(65_536)],
      ['x'.repeat(131_072), 'y'],
      [long, '', long],
    ])
      expect(await textOf(await bundleOf(texts))).toBe(texts.join(''))
  })

  it('says what it is in its first line, and its cost in the second', async () => {
    const bundle = await bundleOf(['secret text'])
    const [first, second] = bundle.toString('latin1').split('\n')
    expect(first).toBe('toolgrant bundle 1')
    expect(JSON.parse(second ?? '')).toMatchObject({ kdf: 'scrypt', ...cheap })
    expect(isBundle(bundle)).toBe(true)
    expect(isBundle(Buffer.from('[{"user":"ada"}]'))).toBe(false)
    expect(bundle.includes('secret text')).toBe(false)
  })

  it('costs 128 MiB and more by default', async () => {
    const { value } = await sealBundle(passphrase, pieces('a')).next()
    const { N, r, p } = JSON.parse(
      Buffer.from(value ?? [])
        .toString()
        .split('\n')[1] ?? '',
    )
    expect([N, r, p]).toEqual([2 ** 17, 8, 1])
  })

  it('tells a wrong passphrase from damage', async () => {
    const bundle = await bundleOf(['text'])
    expect(await failure(textOf(bundle, 'another passphrase'))).toMatchObject({ code: 'passphrase_wrong' })
    const damaged = Buffer.from(bundle)
    damaged[40] = (damaged[40] ?? 0) ^ 1
    expect(await failure(textOf(damaged, 'another passphrase'))).toMatchObject({ code: 'bundle_invalid' })
    expect(await failure(textOf(damaged))).toMatchObject({ code: 'bundle_invalid' })
  })

  it('takes a passphrase in whatever form a keyboard composes it', async () => {
    const parts: Uint8Array[] = []
    for await (const part of sealBundle('zürich-grüße', pieces('text'), cheap)) parts.push(part)
    expect(await textOf(Buffer.concat(parts), 'zürich-grüße'.normalize('NFD'))).toBe('text')
  })

  it('is refused at every point where it may be cut off', async () => {
    const bundle = await bundleOf(['x'.repeat(300)])
    for (let length = 0; length < bundle.byteLength; length += 1)
      expect(await failure(textOf(bundle.subarray(0, length))), `${length}`).toMatchObject({
        code: 'bundle_invalid',
      })
  })

  it('is refused with any bit turned over', async () => {
    const bundle = await bundleOf(['x'.repeat(100)])
    for (let bit = 0; bit < bundle.byteLength * 8; bit += 1) {
      const altered = Buffer.from(bundle)
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(await failure(textOf(altered)), `bit ${bit}`).toMatchObject({ code: 'bundle_invalid' })
    }
  })

  it('of several chunks is refused with any of them missing, doubled, exchanged or altered', async () => {
    const bundle = await bundleOf(['abc'.repeat(70_000)])
    const start = bundle.byteLength - (210_000 + 4 * 16)
    const whole = 65_536 + 16
    const chunks = [0, 1, 2, 3].map((index) =>
      bundle.subarray(start + index * whole, start + (index + 1) * whole),
    )
    const header = bundle.subarray(0, start)
    expect(await textOf(Buffer.concat([header, ...chunks]))).toBe('abc'.repeat(70_000))
    const order = fc.array(fc.nat(3), { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(order, async (indices) => {
        fc.pre(indices.join('') !== '0123')
        const mixed = Buffer.concat([header, ...indices.map((index) => chunks[index] ?? Buffer.alloc(0))])
        expect(await failure(textOf(mixed))).toMatchObject({ code: 'bundle_invalid' })
      }),
      { numRuns: 60 },
    )
    await fc.assert(
      fc.asyncProperty(fc.nat(bundle.byteLength * 8 - 1), fc.nat(bundle.byteLength), async (bit, length) => {
        const altered = Buffer.from(bundle)
        altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        expect(await failure(textOf(altered))).toMatchObject({ code: 'bundle_invalid' })
        if (length < bundle.byteLength)
          expect(await failure(textOf(bundle.subarray(0, length)))).toMatchObject({ code: 'bundle_invalid' })
      }),
      { numRuns: 60 },
    )
  })

  it('of a newer version, or one that demands the impossible, is refused for what it is', async () => {
    const newer = Buffer.from('toolgrant bundle 2\n{}\n\n\n')
    expect((await failure(textOf(newer))).message).toMatch(/version 2.*Update toolgrant/)
    const greedy = await bundleOf(['a'], { ...cheap, N: 4 })
    const rewritten = await withParameters(greedy, { kdf: 'scrypt', N: 2 ** 24, r: 8, p: 1, salt: 'AA' })
    expect((await failure(textOf(rewritten))).message).toMatch(/more memory/)
    for (const demand of [
      { N: 2, r: 2 ** 22, p: 16 }, // 8 GiB, of which N tells nothing
      { N: 2 ** 20, r: 8, p: 16 }, // a minute
    ]) {
      const costly = await withParameters(greedy, { kdf: 'scrypt', ...demand, salt: 'AA' })
      const opened = openBundle(memory(costly), passphrase, async () => expect.fail('it was begun'))
      expect((await failure(opened)).message).toMatch(/demands more/)
    }
  })

  it('is made of keys that differ by salt, cost and passphrase', async () => {
    const salt = Buffer.alloc(32)
    const all = await Promise.all([
      deriveKeys('a', salt, cheap),
      deriveKeys('b', salt, cheap),
      deriveKeys('a', Buffer.alloc(32, 1), cheap),
      deriveKeys('a', salt, { ...cheap, N: 4 }),
    ])
    expect(new Set(all.map(({ payload }) => payload.join())).size).toBe(4)
    expect(new Set(all.map(({ check }) => check('x'))).size).toBe(4)
  })
})

describe('lines', () => {
  it('are the same wherever the pieces are cut', async () => {
    const text = fc.stringMatching(/^[ab\n]{0,30}$/)
    await fc.assert(
      fc.asyncProperty(text, fc.array(fc.nat(30)), async (whole, cuts) => {
        const parts: string[] = []
        let from = 0
        for (const cut of [...cuts].sort((a, b) => a - b)) {
          parts.push(whole.slice(from, Math.max(from, cut)))
          from = Math.max(from, cut)
        }
        const lines: string[] = []
        for await (const line of linesOf(pieces(...parts, whole.slice(from)), 'x')) lines.push(line)
        const expected = whole.split('\n')
        if (expected.at(-1) === '') expected.pop()
        expect(lines).toEqual(expected)
      }),
    )
  })
})

/** The same bundle with other parameters and a header whose sum fits: what somebody may hand us on purpose. */
async function withParameters(bundle: Buffer, parameters: object): Promise<Buffer> {
  const lines = bundle.toString('latin1').split('\n')
  lines[1] = JSON.stringify(parameters)
  const { createHash } = await import('node:crypto')
  lines[3] = createHash('sha256')
    .update(`${lines.slice(0, 3).join('\n')}\n`, 'latin1')
    .digest('hex')
  return Buffer.from(lines.join('\n'), 'latin1')
}
