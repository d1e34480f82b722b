// The processes of one race: started, told what to do, killed.
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Place } from './contender.ts'
import type { RacerTask, Tally } from './racer.ts'

/** Racers of one contender. */
export class Team {
  readonly #racers: ChildProcess[] = []

  /** Starts so many processes, which join. */
  static async start(contender: string, place: Place, size: number): Promise<Team> {
    const team = new Team()
    for (let index = 0; index < size; index += 1) {
      const racer = fork(fileURLToPath(new URL('./racer.ts', import.meta.url)), {
        ...{ execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] },
        env: { ...process.env, NODE_NO_WARNINGS: '1' },
      })
      team.#racers.push(racer)
    }
    await Promise.all(team.#racers.map((racer) => ask(racer, { join: { contender, place } })))
    return team
  }

  /** All of them call at once; their tallies are added up. */
  async call(callers: number, tries = 1, pauseMs = 500): Promise<Tally> {
    const tallies = await Promise.all(
      this.#racers.map((racer) => ask(racer, { call: { callers, tries, pauseMs } }) as Promise<Tally>),
    )
    const sum = (of: (tally: Tally) => number) => tallies.reduce((total, tally) => total + of(tally), 0)
    const told = tallies.find((tally) => tally.told !== undefined)?.told
    return {
      ...{ served: sum(({ served }) => served), calls: sum(({ calls }) => calls) },
      consentsAsked: sum(({ consentsAsked }) => consentsAsked),
      ...(told === undefined ? {} : { told }),
    }
  }

  /** SIGSTOP: they stand still. */
  stop(): void {
    for (const racer of this.#racers) racer.kill('SIGSTOP')
  }

  /** SIGCONT. */
  resume(): void {
    for (const racer of this.#racers) racer.kill('SIGCONT')
  }

  /** SIGKILL for all of them. */
  async kill(): Promise<void> {
    await Promise.all(
      this.#racers.map(
        (racer) =>
          new Promise((resolve) => {
            if (racer.exitCode !== null || racer.signalCode !== null) return resolve(undefined)
            racer.once('exit', resolve)
            racer.kill('SIGKILL')
          }),
      ),
    )
  }
}

function ask(racer: ChildProcess, task: RacerTask): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null, signal: string | null) =>
      reject(new Error(`A racing process ended (${signal ?? code}).`))
    racer.once('exit', onExit)
    racer.once('message', (message: { answer?: unknown; error?: string }) => {
      racer.off('exit', onExit)
      if (message.error === undefined) resolve(message.answer)
      else reject(new Error(message.error))
    })
    racer.send(task)
  })
}
