// How the demo tells its story: a step a line for people, a JSON line a step for machines.
import type { Output } from './output.ts'
import { Spinner } from './spinner.ts'

/** What a step found; no token belongs in here. */
export type StepFacts = Readonly<Record<string, unknown>>

/** Tells steps as they happen, and remembers whether each was checked. */
export class DemoReport {
  readonly #output: Output
  #steps = 0
  #failed = 0
  /** Everything that was told, to search for secrets. */
  told = ''

  constructor(output: Output) {
    this.#output = output
  }

  /** Whether every step so far was checked and held. */
  get ok(): boolean {
    return this.#steps > 0 && this.#failed === 0
  }

  /**
   * One step: awaits the work with a spinner, then tells its outcome. What `work` throws ends the story.
   *
   * @param text what happens, for people; the facts follow in `detail`.
   */
  async step<T extends StepFacts>(
    name: string,
    text: string,
    work: () => Promise<T>,
    detail?: (facts: T) => string,
  ): Promise<T> {
    try {
      const facts = await this.#spin(text, work)
      await this.#tell(name, true, text, facts, detail?.(facts))
      return facts
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      await this.#tell(name, false, text, { error: message }, message)
      throw error
    }
  }

  /** A line between steps, for people only. */
  note(text: string): void {
    this.told += `${text}\n`
    this.#output.note(text)
  }

  async #spin<T>(text: string, work: () => Promise<T>): Promise<T> {
    const spinner = new Spinner(this.#output, text)
    try {
      return await work()
    } finally {
      spinner[Symbol.dispose]()
    }
  }

  async #tell(
    name: string,
    ok: boolean,
    text: string,
    facts: StepFacts,
    detail: string | undefined,
  ): Promise<void> {
    this.#steps += 1
    if (!ok) this.#failed += 1
    const line = JSON.stringify({ step: name, ok, ...facts })
    this.told += `${line}\n${detail ?? ''}\n`
    if (this.#output.json) return this.#output.write(`${line}\n`)
    const mark = ok ? this.#output.style('green', '✓') : this.#output.style('red', '✗')
    const number = this.#output.style('dim', String(this.#steps).padStart(2))
    this.#output.note(`${number} ${mark} ${text}`)
    for (const more of detail?.split('\n') ?? [])
      this.#output.note(`       ${this.#output.style('dim', more)}`)
  }
}

/** A check of the story: throws with `message` when it does not hold. */
export function check(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(`Checked and not so: ${message}`)
}

/** Facts to tell, and things to hand on that are not told. */
export function hidden<Facts extends object, Rest extends object>(facts: Facts, rest: Rest): Facts & Rest {
  const both = { ...facts } as Facts & Rest
  for (const [name, value] of Object.entries(rest))
    Object.defineProperty(both, name, { value, enumerable: false })
  return both
}
