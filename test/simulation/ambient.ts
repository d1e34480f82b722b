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

class Timer {
  readonly #step: Step | undefined

  constructor(step: Step | undefined) {
    this.#step = step
  }

  cancel(): void {
    if (this.#step !== undefined) world?.scheduler.cancel(this.#step)
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
    return new Timer(world.scheduler.after(world.trueMs(actor, ms), () => run(...args), actor))
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
  process.emitWarning = () => world?.warned()
  Math.random = () => world?.random() ?? 0.5
  Object.defineProperty(crypto, 'randomUUID', { value: () => world?.uuid() ?? real.uuid() })
}
