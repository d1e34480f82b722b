// Starts and drives the workers of the vault tests.
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { WorkerAnswer, WorkerSetup, WorkerTask } from './worker.ts'

/** A process with a vault. */
export class VaultProcess {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** Starts a process and opens its vault. */
  static async start(setup: WorkerSetup): Promise<VaultProcess> {
    const child = fork(fileURLToPath(new URL('./worker.ts', import.meta.url)), { execArgv: [] })
    const started = new VaultProcess(child)
    const answer = await started.#ask({ setup })
    if (answer !== 'ready') throw new Error(`A worker did not start: ${JSON.stringify(answer)}`)
    return started
  }

  /** So many tokens at once. */
  async tokens(user: string, times: number, rejected?: string): Promise<WorkerAnswer[]> {
    const token = rejected === undefined ? { user, times } : { user, times, rejected }
    return (await this.#ask({ token })) as WorkerAnswer[]
  }

  /** Its connections. */
  async connections(): Promise<Record<string, unknown>[]> {
    return (await this.#ask({ connections: true })) as Record<string, unknown>[]
  }

  /** SIGKILL, and waits until it is gone. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGKILL')
    await gone
  }

  /** SIGSTOP: it stands still, its lease runs on. */
  stop(): void {
    this.#child.kill('SIGSTOP')
  }

  /** SIGCONT. */
  resume(): void {
    this.#child.kill('SIGCONT')
  }

  #ask(message: { setup: WorkerSetup } | WorkerTask): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null, signal: string | null) =>
        reject(new Error(`A worker ended (${signal ?? code}).`))
      this.#child.once('exit', onExit)
      this.#child.once('message', ({ answer }: { answer: unknown }) => {
        this.#child.off('exit', onExit)
        resolve(answer)
      })
      this.#child.send(message)
    })
  }
}
