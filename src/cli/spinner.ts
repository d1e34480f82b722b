// A line that moves while something is awaited. On a terminal only; elsewhere it is silent.
import type { Output } from './output.ts'

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const frameMs = 80
const clearLine = '\r\u001b[2K'

/** Shows `text` with a spinner while `work` runs. */
export async function whileSpinning<Result>(
  output: Output,
  text: string,
  work: () => Promise<Result>,
): Promise<Result> {
  const spinner = new Spinner(output, text)
  try {
    return await work()
  } finally {
    spinner.stop()
  }
}

/** A spinner that runs until it is stopped. */
export class Spinner implements Disposable {
  readonly #output: Output
  #timer: NodeJS.Timeout | undefined
  readonly #text: string
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

  /** Takes the line away. */
  stop(): void {
    if (!this.#timer) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#output.onBeforeLine(undefined)
    this.#output.draw(clearLine)
  }

  [Symbol.dispose](): void {
    this.stop()
  }

  #draw(): void {
    const frame = frames[this.#frame++ % frames.length] ?? ''
    const text = this.#text.slice(0, Math.max(0, this.#output.columns - 3))
    this.#output.draw(`${clearLine}${this.#output.style('cyan', frame)} ${text}`)
  }
}
