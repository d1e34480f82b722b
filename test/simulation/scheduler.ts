// Virtual time: what happens when, and to which process. One step at a time: a step runs something and then everything
// that follows from it without time passing (all promises that are ready), before the next step is looked at.
// So the order of things is the scheduler's alone, and a seed determines it.

/** Who a step belongs to. A step of one that crashed never happens; of one that is stopped, once it goes on. */
export interface Actor {
  readonly name: string
  crashed: boolean
  /** In true time; in the past when it runs. */
  stoppedUntil: number
}

/** Something that is to happen. */
export interface Step {
  at: number
  /** When it would happen if its actor ran. */
  readonly due: number
  order: number
  actor: Actor | undefined
  run: (() => void) | undefined
}

const { setImmediate } = globalThis

/** Everything that follows without time passing has happened. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** The order of all things in a simulated world. */
export class Scheduler {
  /** True time, in milliseconds since the world began. */
  ms = 0
  /** Steps so far. */
  steps = 0
  /** Whose step it is. */
  current: Actor | undefined
  readonly #heap: Step[] = []
  #order = 0

  /** @param actor without one it is the world's own: no process can run because of it. */
  after(ms: number, run: () => void, actor?: Actor): Step {
    this.#order += 1
    const at = this.ms + Math.max(0, ms)
    const step = { at, due: at, order: this.#order, actor, run }
    this.#push(step)
    return step
  }

  /** It will not happen. */
  cancel(step: Step): void {
    step.run = undefined
  }

  /** Resolves after that time, in a step of the actor. */
  wait(ms: number, actor: Actor): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve, actor))
  }

  /** What an actor that stood still has not done yet is due now. */
  goOn(actor: Actor): void {
    actor.stoppedUntil = Math.min(actor.stoppedUntil, this.ms)
    for (const step of this.#heap) if (step.actor === actor) step.at = Math.max(this.ms, step.due)
    this.#heap.sort((one, other) => (isBefore(one, other) ? -1 : 1))
  }

  /** Steps that are to come yet, for an actor. */
  pendingOf(actor: Actor): number {
    return this.#heap.filter((step) => step.actor === actor && step.run !== undefined).length
  }

  /** Runs until nothing is to come, or `isOver`. */
  async run(isOver: () => boolean): Promise<void> {
    for (;;) {
      const step = this.#pop()
      if (step === undefined) return
      const { actor, run } = step
      if (run === undefined || actor?.crashed) continue
      if (actor !== undefined && actor.stoppedUntil > step.at) {
        step.at = actor.stoppedUntil
        this.#push(step)
        continue
      }
      this.ms = step.at
      this.steps += 1
      step.run = undefined
      this.current = actor
      run()
      if (actor !== undefined) await settled()
      this.current = undefined
      if (isOver()) return
    }
  }

  #push(step: Step): void {
    const heap = this.#heap
    let at = heap.push(step) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent]
      if (above === undefined || isBefore(above, step)) break
      heap[at] = above
      at = parent
    }
    heap[at] = step
  }

  #pop(): Step | undefined {
    const heap = this.#heap
    const [first] = heap
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      const [left, right] = [heap[child], heap[child + 1]]
      if (left === undefined) break
      if (right !== undefined && isBefore(right, left)) child += 1
      const next = heap[child]
      if (next === undefined || isBefore(last, next)) break
      heap[at] = next
      at = child
    }
    heap[at] = last
    return first
  }
}

function isBefore(one: Step, other: Step): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}
