// What the command writes: data on stdout, everything meant for people on stderr. With `--json`, stdout carries one
// JSON document and stderr JSON lines.
import { styleText } from 'node:util'

type Format = Parameters<typeof styleText>[0]

/** The two streams that a command writes to. */
export class Output {
  /** Whether `--json` was given. */
  readonly json: boolean
  readonly #out: NodeJS.WriteStream
  readonly #err: NodeJS.WriteStream
  /** Of stdout, before tool code is led away from it. */
  readonly #write: NodeJS.WriteStream['write']
  #status: (() => void) | undefined

  constructor(
    json: boolean,
    out: NodeJS.WriteStream = process.stdout,
    err: NodeJS.WriteStream = process.stderr,
  ) {
    this.json = json
    this.#out = out
    this.#write = out.write.bind(out)
    this.#err = err
  }

  /** Whether stderr is a terminal that may be drawn on. */
  get isTerminal(): boolean {
    return this.#err.isTTY === true && !this.json && process.env['TERM'] !== 'dumb'
  }

  /** Ends the last line of data where a terminal's prompt would else stick to it. Pipes get the data as it is. */
  async endLine(lastByte: number | undefined): Promise<void> {
    if (this.#out.isTTY && lastByte !== undefined && lastByte !== 0x0a) await this.write('\n')
  }

  /** Writes data to stdout, and waits until it is gone. */
  write(data: string | Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#write(data, (error) => (error ? reject(error) : resolve()))
    })
  }

  /** Writes the one JSON document of `--json`. */
  document(value: unknown): Promise<void> {
    return this.write(`${jsonText(value, this.#out.isTTY ? 2 : undefined)}\n`)
  }

  /** A sentence for the person. Not written with `--json`. */
  note(text: string): void {
    if (!this.json) this.#line(text)
  }

  /** Something odd that is no error. */
  warn(text: string): void {
    if (this.json) this.record({ warning: text })
    else this.#line(`${this.style('yellow', 'warning:')} ${printable(text)}`)
  }

  /** A line that tool code printed, as it is. */
  toolLine(text: string): void {
    if (this.json) this.record({ log: text })
    else this.#line(text)
  }

  /** A JSON line on stderr; nothing without `--json`. */
  record(value: Readonly<Record<string, unknown>>): void {
    if (this.json) this.#line(jsonText(value))
  }

  /** Text for stderr, coloured when stderr is a terminal that wants colours (NO_COLOR, FORCE_COLOR). */
  style(format: Format, text: string): string {
    return styleText(format, text, { stream: this.#err })
  }

  /** The same for stdout. */
  styleOut(format: Format, text: string): string {
    return styleText(format, text, { stream: this.#out })
  }

  /** Aligned columns on stdout, with a heading on a terminal only: the lines alone are easier on scripts. */
  table(heading: readonly string[], rows: readonly (readonly string[])[]): Promise<void> {
    const cells = rows.map((row) => row.map((cell) => printable(cell).replaceAll('\n', ' ')))
    const shown = this.#out.isTTY ? [heading, ...cells] : cells
    const widths = heading.map((_, column) => Math.max(0, ...shown.map((row) => row[column]?.length ?? 0)))
    const lines = shown.map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    if (this.#out.isTTY) lines[0] = this.styleOut('bold', lines[0] ?? '')
    return lines.length === 0 ? Promise.resolve() : this.write(`${lines.join('\n')}\n`)
  }

  /** Says how to take away what is being drawn (a spinner) before a line is written. */
  onBeforeLine(clear: (() => void) | undefined): void {
    this.#status = clear
  }

  /** Draws on stderr without a line end. Only where {@link isTerminal}. */
  draw(text: string): void {
    this.#err.write(text)
  }

  /** Width of the terminal in columns. */
  get columns(): number {
    return this.#err.columns ?? 80
  }

  /** Width of stdout in columns; `undefined` when it is no terminal, where lines are left as long as they are. */
  get outColumns(): number | undefined {
    return this.#out.isTTY ? (this.#out.columns ?? 80) : undefined
  }

  #line(text: string): void {
    this.#status?.()
    this.#err.write(`${text}\n`)
  }
}

/** JSON in which what a terminal would obey is escaped: it says the same. */
function jsonText(value: unknown, indent?: number): string {
  const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  return `${JSON.stringify(value, null, indent)}`.replace(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    escaped,
  )
}

/** Text that somebody else wrote, without characters that a terminal would obey. */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\t\n]|[\u2028-\u202e\u2066-\u2069]/gu, '\ufffd')
}
