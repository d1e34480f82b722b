// Text for people in lines of a terminal's width. Without a width lines stay whole: easier on grep.

/** The text in lines, each behind `indent` spaces; `first` stands before the first line in their place. */
export function paragraph(text: string, width: number | undefined, indent = 0, first = ''): string {
  const margin = ' '.repeat(indent)
  const room = Math.max(20, (width ?? Number.POSITIVE_INFINITY) - indent)
  const lines: string[] = []
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > room) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines.map((line, index) => (index === 0 ? first.padEnd(indent) : margin) + line).join('\n')
}
