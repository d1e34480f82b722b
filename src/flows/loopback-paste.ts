// Reading redirected URLs that a person pastes, where the browser cannot reach this machine's loopback (P23).
import type { Readable } from 'node:stream'
import type { PasteInput } from './loopback-options.ts'

/**
 * Hands each line that is not empty to `submit`. The returned function stops reading and pauses the input, so that a
 * paused standard input does not keep the process alive.
 */
export function readPastes(input: PasteInput, submit: (line: string) => void): () => void {
  const terminal = input.isTTY === true
  const lines = process.getBuiltinModule('node:readline').createInterface({
    input: input as unknown as Readable,
    // On a terminal readline edits the line itself: the system's own line mode cuts lines at 1024 (macOS) or 4096 bytes.
    ...(terminal ? { output: process.stderr, terminal } : {}),
    prompt: '',
  })
  lines.on('line', (line) => {
    if (line.trim() !== '') submit(line)
  })
  // In that mode Ctrl-C arrives as a key; give it back its meaning.
  lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  return () => lines.close()
}

/** A pasted address without what copying adds: quotes, angle brackets, white space, line breaks in the middle. */
export function pastedUrl(text: string): string {
  return text
    .replace(/\s+/g, '')
    .replace(/^["'<]+/, '')
    .replace(/["'>]+$/, '')
}
