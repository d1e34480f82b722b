// What code finds around it without being handed it: timers, clock, chance, identifiers. In this thread they become the
// simulation's, so that the vault runs as it is and still nothing depends on the machine. A timer belongs to the process
// whose step it is. Everything else around it (AES-GCM's nonces, undici's Headers, module loading) takes no part in any
// decision, and completes within the step: promises alone.
import type { Actor, Scheduler, Step } from './scheduler.ts'

/** What the simulated world gives in place of the machine's. */
export interface Ambient {
  scheduler: Scheduler
  /** A process's clock, in milliseconds since 1970. */
  clockOf: (actor: Actor) => number
  /** Its monotonic clock: it stands still while its machine is suspended. In milliseconds. */
  monotonicOf: (actor: Actor) => number
  /** How many milliseconds of true time its `ms` are. */
  trueMs: (actor: Actor, ms: number) => number
  random: () => number
  uuid: () => string
  /** Somebody warned the operator. */
  warned: () => void
}

let world: Ambient | undefined
let isReplaced = false

/** Which world this thread is in from now on; `undefined`: none. */
export function enter(ambient: Ambient | undefined): void {
  world = ambient
}

/** A timer of a process runs by its monotonic clock. */
class Timer {
  readonly #world: Ambient
  readonly #actor: Actor
  readonly #due: number
  readonly #run: () => void
  #step: Step

  constructor(ambient: Ambient, actor: Actor, ms: number, run: () => void) {
    this.#world = ambient
    this.#actor = actor
    this.#due = ambient.monotonicOf(actor) + ms
    this.#run = run
    this.#step = this.#arm(ms)
  }

  #arm(ms: number): Step {
    const { scheduler, trueMs } = this.#world
    return scheduler.after(trueMs(this.#actor, ms), () => this.#fire(), this.#actor)
  }

  /** It was armed for the time without suspensions. */
  #fire(): void {
    const leftMs = this.#due - this.#world.monotonicOf(this.#actor)
    if (leftMs > 1) this.#step = this.#arm(leftMs)
    else this.#run()
  }

  cancel(): void {
    this.#world.scheduler.cancel(this.#step)
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return true
  }
}

/** Replaces them in this thread, for good: only for a thread that does nothing but simulate. */
export function replaceAmbient(): void {
  if (isReplaced) return
  isReplaced = true
  const real = { setTimeout, clearTimeout, now: Date.now, uuid: crypto.randomUUID.bind(crypto) }
  const actorNow = () => world?.scheduler.current
  const virtualTimeout = (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
    const actor = actorNow()
    if (world === undefined || actor === undefined) return real.setTimeout(run, ms, ...args)
    return new Timer(world, actor, ms, () => run(...args))
  }
  const cancelTimeout = (timer: unknown) => {
    if (timer instanceof Timer) timer.cancel()
    else real.clearTimeout(timer as NodeJS.Timeout)
  }
  const forbidden = (name: string) => () => {
    throw new Error(`${name} is not simulated.`)
  }
  Object.assign(globalThis, {
    ...{ setTimeout: virtualTimeout, clearTimeout: cancelTimeout },
    ...{ setInterval: forbidden('setInterval'), setImmediate: forbidden('setImmediate') },
  })
  Date.now = () => {
    const actor = actorNow()
    return world === undefined || actor === undefined ? real.now() : world.clockOf(actor)
  }
  const monotonic = performance.now.bind(performance)
  performance.now = () => {
    const actor = actorNow()
    return world === undefined || actor === undefined ? monotonic() : world.monotonicOf(actor)
  }
  process.emitWarning = () => world?.warned()
  Math.random = () => world?.random() ?? 0.5
  Object.defineProperty(crypto, 'randomUUID', { value: () => world?.uuid() ?? real.uuid() })
}
