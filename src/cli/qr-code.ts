// An address as a QR code for a terminal, two modules a character: for a telephone beside the screen. ISO/IEC 18004.
import type { Output } from './output.ts'

/** White modules around the code; the standard asks for four, and scanners take two. */
const border = 2

/** The bytes of the largest code (version 40, L). An address that a provider chose may be longer. */
const longest = 2953

/**
 * The lines of a QR code of an address (ASCII), or nothing where no code holds it, or the terminal is too narrow for it
 * (unless `forced`). Black on white whatever the terminal's colours are; where colours are unwanted, drawn for a dark
 * terminal.
 */
export async function qrCodeLines(output: Output, text: string, forced: boolean): Promise<string[]> {
  if (text.length > longest) return []
  const { encode } = await import('uqr')
  const { data, size } = encode(text, { ecc: 'L', border })
  if (!forced && (!output.isTerminal || output.columns < size)) return []
  const styled = output.style(['black', 'bgWhiteBright'], 'x') !== 'x'
  const lines: string[] = []
  for (let row = 0; row < size; row += 2) {
    const [upper = [], lower = []] = [data[row], data[row + 1]]
    const characters = upper.map((isDark, column) =>
      halves(isDark === styled, (lower[column] ?? false) === styled),
    )
    lines.push(output.style(['black', 'bgWhiteBright'], characters.join('')))
  }
  return lines
}

function halves(upper: boolean, lower: boolean): string {
  if (upper) return lower ? '█' : '▀'
  return lower ? '▄' : ' '
}
