// Starts the harness's processes, asks them, kills them, and hears each step that they reach.
import { type ChildProcess, fork } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Step } from './steps.ts'
import type { Answer, Ask, WorkerSetup, WorkerTask } from './worker.ts'

/** A step that a process has reached. */
export interface Reached {
  connectionId: string
  step: Step
  /** Milliseconds since 1970. */
  at: number
}

/** A process with a vault. */
export class FaultProcess {
  readonly #child: ChildProcess
  readonly #answers = new Map<
    number,
    { resolve: (answer: unknown) => void; reject: (error: Error) => void }
  >()
  readonly #listeners = new Set<(reached: Reached) => void>()
  #asked = 0
  /** Every step it reached; complete once {@link gone} resolves. */
  readonly steps: Reached[] = []
  /** Resolves when it has ended, with the signal that ended it. */
  readonly gone: Promise<string | undefined>

  /** Starts a process; it opens its vault when it is told where. */
  constructor() {
    const env = {
      ...process.env,
      NODE_NO_WARNINGS: '1',
      NODE_COMPILE_CACHE: join(tmpdir(), 'toolgrant-faults-cache'),
    }
    this.#child = fork(fileURLToPath(new URL('./worker.ts', import.meta.url)), {
      ...{ execArgv: [], env },
      stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'ipc'],
    })
    this.gone = new Promise((resolve) =>
      this.#child.once('close', (_code, signal) => resolve(signal ?? undefined)),
    )
    this.#child.once('exit', (code, signal) => this.#ended(signal ?? String(code)))
    this.#child.on('message', (message: { number: number; answer?: unknown; error?: string }) => {
      const waiting = this.#answers.get(message.number)
      this.#answers.delete(message.number)
      if (message.error !== undefined) waiting?.reject(new Error(message.error))
      else waiting?.resolve(message.answer)
    })
    const lines = createInterface({ input: this.#child.stdio[3] as Readable })
    lines.on('line', (line) => this.#reached(line))
  }

  /** Its number in the system. */
  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Whether it is there. */
  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Opens its vault. */
  async setUp(setup: WorkerSetup): Promise<void> {
    await this.#send({ setup })
  }

  /** Asks for tokens; `undefined` when it dies over it. */
  async ask(ask: Ask): Promise<Answer | undefined> {
    try {
      return (await this.#send({ ask })) as Answer
    } catch (error) {
      if (this.isRunning) throw error
      await this.gone // and with it all that it wrote
      return undefined
    }
  }

  /** Lets it go on from a step that it was to hold at. */
  async go(): Promise<void> {
    await this.#send({ go: true })
  }

  /** Sends a signal, unless it has ended. */
  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    if (this.isRunning) this.#child.kill(signal)
  }

  /** Resolves when it reaches that step of the connection, or ends. */
  async reaches(connectionId: string, step: Step): Promise<void> {
    const matches = (reached: Reached) => reached.connectionId === connectionId && reached.step === step
    if (this.steps.some(matches)) return
    let listener: (reached: Reached) => void = () => {}
    const seen = new Promise<void>((resolve) => {
      listener = (reached) => {
        if (matches(reached)) resolve()
      }
      this.#listeners.add(listener)
    })
    await Promise.race([seen, this.gone])
    this.#listeners.delete(listener)
  }

  /** SIGKILL, and waits until it is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.gone
  }

  #send(task: WorkerTask): Promise<unknown> {
    const number = ++this.#asked
    return new Promise((resolve, reject) => {
      if (!this.isRunning) return reject(new Error('The process has ended.'))
      this.#answers.set(number, { resolve, reject })
      this.#child.send({ number, task }, (error) => error && reject(error))
    })
  }

  #ended(why: string): void {
    for (const { reject } of this.#answers.values()) reject(new Error(`A process ended (${why}).`))
    this.#answers.clear()
  }

  #reached(line: string): void {
    const [connectionId, step] = JSON.parse(line) as [string, Step]
    const reached = { connectionId, step, at: Date.now() }
    this.steps.push(reached)
    for (const listener of this.#listeners) listener(reached)
  }
}
