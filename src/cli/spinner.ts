// A line that moves while something is awaited. On a terminal only; elsewhere it is silent.
import type { Output } from './output.ts'

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const frameMs = 80
const clearLine = '\r\u001b[2K'

/** A spinner that runs until it is disposed of. */
export class Spinner {
  readonly #output: Output
  #timer: NodeJS.Timeout | undefined
  #text: string
  #frame = 0

  constructor(output: Output, text: string) {
    this.#output = output
    this.#text = text
    if (!output.isTerminal) return
    output.onBeforeLine(() => output.draw(clearLine))
    this.#draw()
    this.#timer = setInterval(() => this.#draw(), frameMs)
    this.#timer.unref()
  }

  /** Changes the text. */
  set text(text: string) {
    this.#text = text
  }

  [Symbol.dispose](): void {
    if (!this.#timer) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#output.onBeforeLine(undefined)
    this.#output.draw(clearLine)
  }

  #draw(): void {
    const frame = frames[this.#frame++ % frames.length] ?? ''
    const text = this.#text.slice(0, Math.max(0, this.#output.columns - 3))
    this.#output.draw(`${clearLine}${this.#output.style('cyan', frame)} ${text}`)
  }
}
