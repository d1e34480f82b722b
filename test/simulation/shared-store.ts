// The store as one process sees it: the real store in memory, each step of which may be late, refused, applied with its
// answer lost, or the last thing that the process does. The real store decides; the witness judges each step that it took.
import { StoreError } from '../../src/errors.ts'
import type { HistoryEntry, Store } from '../../src/vault/store.ts'
import type { Fate } from './chaos.ts'
import type { VaultProcess } from './vault-process.ts'
import type { World } from './world.ts'

type Method = (...args: unknown[]) => unknown

/** The store for one process. */
export function storeOf(process: VaultProcess, world: World): Store {
  const steps = new StoreSteps(process, world)
  const own: Record<string, unknown> = {
    name: 'the simulated store',
    now: () => world.storeClock(),
    close: () => {},
    ...(world.parameters.watch ? { watch: watchOf(process, world) } : { watch: undefined }),
  }
  const methods = new Map<string, Method>()
  return new Proxy(world.store, {
    get(_target, name) {
      if (typeof name !== 'string') return undefined
      if (name in own) return own[name]
      const known = methods.get(name)
      if (known !== undefined) return known
      const method: Method = (...args) => steps.step(name, args)
      methods.set(name, method)
      return method
    },
  })
}

class StoreSteps {
  readonly #process: VaultProcess
  readonly #world: World

  constructor(process: VaultProcess, world: World) {
    this.#process = process
    this.#world = world
  }

  step(name: string, args: readonly unknown[]): unknown {
    const fate = this.#world.chaos.storeStep({ process: this.#process.place, step: name })
    if (fate.fault !== undefined) this.#world.count(`fault: ${fate.fault}`)
    return this.#world.parameters.store === 'machine'
      ? this.#atOnce(name, args, fate)
      : this.#overThere(name, args, fate)
  }

  /** One file on one machine: nothing happens between the call and its end. */
  #atOnce(name: string, args: readonly unknown[], fate: Fate): unknown {
    const { fault } = fate
    const process = this.#process
    if (fault === 'store_refuses' || fault === 'store_slow' || fault === 'store_loses_answer')
      throw this.#refusal(name, args)
    if (fault === 'crash_before') return this.#crash(`before ${name}`)
    if (fault === 'lease_lost') this.#loseLease(args)
    if (fault === 'stop_before') {
      process.stop(fate, `before ${name}`)
      return this.#onceRunning(() => this.#apply(name, args))
    }
    const result = this.#apply(name, args)
    if (fault === 'crash_after') return this.#crash(`after ${name}`)
    if (fault !== 'stop_after') return result
    process.stop(fate, `after ${name}`)
    return this.#onceRunning(() => result)
  }

  /** A database server: the way there takes time, and the way back. */
  #overThere(name: string, args: readonly unknown[], fate: Fate): Promise<unknown> {
    const { fault } = fate
    const process = this.#process
    if (fault === 'store_refuses') return Promise.reject(this.#refusal(name, args))
    if (fault === 'crash_before') return this.#crash(`before ${name}`)
    if (fault === 'lease_lost') this.#loseLease(args)
    if (fault === 'stop_before') {
      process.stop(fate, `before ${name}`)
      return this.#onceRunning(() => this.#overThere(name, args, { ...fate, fault: undefined }))
    }
    const answer = this.#send(name, args, fate)
    if (fault === 'stop_after') process.stop(fate, `after ${name}`)
    return answer
  }

  #send(name: string, args: readonly unknown[], { fault, toMs, backMs }: Fate): Promise<unknown> {
    const { scheduler, troubles } = this.#world
    const process = this.#process
    const isSlow = toMs + backMs > this.#world.parameters.leaseMs / 4
    if (isSlow) troubles.add(process, args[0])
    return new Promise((resolve, reject) => {
      const apply = () => {
        process.underWay.delete(underWay)
        const outcome = this.#outcome(name, args)
        if (process.crashed) return
        if (fault === 'crash_after') return void this.#crash(`after ${name}`)
        const answered = () => {
          if (isSlow) troubles.add(process, args[0])
          if (fault === 'store_loses_answer') reject(this.#refusal(name, args))
          else if ('error' in outcome) reject(outcome.error)
          else resolve(outcome.result)
        }
        if (backMs === 0 && toMs === 0) answered()
        else scheduler.after(backMs, answered, process)
      }
      const underWay = { drop: () => {} }
      if (toMs === 0) return apply()
      // What is on its way when a process dies arrives in half of the cases: as often as it takes an odd time.
      const step = scheduler.after(toMs, apply)
      underWay.drop = () => {
        if (toMs % 2 === 0) scheduler.cancel(step)
      }
      process.underWay.add(underWay)
    })
  }

  #outcome(name: string, args: readonly unknown[]): { result: unknown } | { error: unknown } {
    try {
      return { result: this.#apply(name, args) }
    } catch (error) {
      return { error }
    }
  }

  #apply(name: string, args: readonly unknown[]): unknown {
    return this.#world.storeWitness.applied(this.#process, name, args)
  }

  #refusal(name: string, args: readonly unknown[]): StoreError {
    this.#world.troubles.add(this.#process, args[0])
    this.#world.note(this.#process, () => `store.${name} is refused`)
    return new StoreError('store_unavailable', 'The simulated store refuses.')
  }

  #crash(why: string): Promise<never> {
    this.#process.crash(why)
    // A new one each time: what waits for a promise is held by it.
    return new Promise(() => {})
  }

  #loseLease(args: readonly unknown[]): void {
    const [id] = args
    if (typeof id === 'string') this.#world.storeWitness.loseLease(id)
  }

  #onceRunning<T>(run: () => T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const go = () => {
        try {
          resolve(run())
        } catch (error) {
          reject(error)
        }
      }
      this.#world.scheduler.after(0, go, this.#process)
    })
  }
}

/** Steps of a process with the store that did not go smoothly: by then it may have lost a lease. */
export class Troubles {
  readonly #latest = new Map<string, number>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** @param first what the step is about: the id of a row, or anything else. */
  add(process: VaultProcess, first: unknown): void {
    this.#latest.set(process.name, this.#now())
    if (typeof first === 'string') this.#latest.set(`${process.name} ${first}`, this.#now())
  }

  /** Whether the process had trouble with the store since then, with that row or with any. */
  since(process: VaultProcess, ms: number, id?: string): boolean {
    const latest = this.#latest.get(id === undefined ? process.name : `${process.name} ${id}`)
    return latest !== undefined && latest >= ms
  }
}

type Listener = (entry: HistoryEntry) => void

/** The store's own telling of changes: each process hears of them in order, after a while; sometimes it misses some. */
function watchOf(process: VaultProcess, world: World) {
  return async (listener: Listener, onGap: () => void): Promise<() => Promise<void>> => {
    process.hearing = {
      tell: (entry) => listener(entry as HistoryEntry),
      gap: onGap,
    }
    world.note(process, () => 'watches the store')
    return async () => {
      process.hearing = undefined
    }
  }
}
