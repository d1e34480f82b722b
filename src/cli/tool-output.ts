// What tool code prints: to stderr, line by line, because stdout belongs to the command's data and the last line of a
// terminal to the spinner.
import { Console } from 'node:console'
import { Writable } from 'node:stream'
import type { Output } from './output.ts'

/**
 * From here on `console`, the console of `node:console` and `process.stdout` write to stderr. `output` keeps the real
 * stdout. A file descriptor that a tool writes to by number is out of reach.
 */
export function redirectToolOutput(output: Output): void {
  const lines = new LineStream((line) => output.toolLine(line))
  const colorMode = output.isTerminal && process.stderr.hasColors()
  globalThis.console = new Console({ stdout: lines, stderr: lines, colorMode })
  process.stdout.write = lines.write.bind(lines) as typeof process.stdout.write
  process.once('exit', () => lines.flush())
}

/** Calls `print` with each line. */
class LineStream extends Writable {
  readonly #print: (line: string) => void
  readonly #decoder = new TextDecoder()
  #rest = ''

  constructor(print: (line: string) => void) {
    super()
    this.#print = print
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#print(line)
    done()
  }

  /** Prints what has no line end yet. */
  flush(): void {
    if (this.#rest !== '') this.#print(this.#rest)
    this.#rest = ''
  }
}
