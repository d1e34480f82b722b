import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { Output } from './output.ts'
import { qrCodeLines } from './qr-code.ts'

describe('a QR code', () => {
  const output = new Output(
    false,
    ...([new PassThrough(), new PassThrough()] as unknown[] as [NodeJS.WriteStream, NodeJS.WriteStream]),
  )
  const address = (length: number) => 'https://acme.example/'.padEnd(length, 'a')

  it('holds the longest address that there is a code for', async () => {
    expect(await qrCodeLines(output, address(2953), true)).toHaveLength(91)
  })

  it('is left out where the address of a provider is longer, and the code can be typed all the same', async () => {
    expect(await qrCodeLines(output, address(2954), true)).toEqual([])
  })
})
