// One process of a race: joins with a contender, then calls the API when it is told to.
import type { Contender, Place, Racer } from './contender.ts'

/** What a racing process is told, one after the other. */
export type RacerTask =
  | { join: { contender: string; place: Place } }
  /** So many callers at once, each up to `tries` times until it is served. */
  | { call: { callers: number; tries: number; pauseMs: number } }

/** How the calls went. */
export interface Tally {
  served: number
  calls: number
  /** What the first caller who was not served was told. */
  told?: string
  consentsAsked: number
}

let racer: Racer | undefined

process.on('message', (task: RacerTask) => {
  handle(task).then(
    (answer) => process.send?.({ answer }),
    (error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) }),
  )
})

async function handle(task: RacerTask): Promise<unknown> {
  if ('join' in task) {
    const module: { contender: Contender } = await import(`./contenders/${task.join.contender}.ts`)
    racer = await module.contender.join(task.join.place)
    return 'ready'
  }
  const { callers, tries, pauseMs } = task.call
  const asked = racer?.consentsAsked() ?? 0
  const ends = await Promise.all(Array.from({ length: callers }, () => served(tries, pauseMs)))
  const tally: Tally = {
    ...{ served: ends.filter((told) => told === undefined).length, calls: callers },
    consentsAsked: (racer?.consentsAsked() ?? 0) - asked,
  }
  const told = ends.find((end) => end !== undefined)
  return told === undefined ? tally : { ...tally, told }
}

/** `undefined`: served; else what the caller was told last. */
async function served(tries: number, pauseMs: number): Promise<string | undefined> {
  for (let left = tries; ; ) {
    const told = await once()
    left -= 1
    if (told === undefined || left === 0) return told
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

async function once(): Promise<string | undefined> {
  try {
    const status = await racer?.call()
    return status === 200 ? undefined : `status ${status}`
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  }
}
