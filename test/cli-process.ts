// The command line as a child process, in a folder and a home of its own, with nothing of this machine's environment.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
/** Spares each process the stripping of types: a third of the time. */
const compileCache = fileURLToPath(new URL('../node_modules/.cache/compile', import.meta.url))

/** How a command ended. */
export interface CliResult {
  code: number | null
  stdout: string
  stderr: string
}

/** A command that runs. */
export interface RunningCli {
  readonly child: ChildProcess
  /** What it has written so far. */
  readonly written: { stdout: string; stderr: string }
  /** Waits until stderr holds what `pattern` describes. Rejects when the command ends first. */
  stderrHas(pattern: RegExp): Promise<RegExpExecArray>
  readonly end: Promise<CliResult>
}

/** A working directory with its own home, vault and key. */
export class CliFolder implements AsyncDisposable {
  readonly path: string
  /** Everything that any command in it wrote to stdout and stderr. */
  readonly output: CliResult[] = []
  readonly #env: Readonly<Record<string, string>>

  private constructor(path: string, env: Readonly<Record<string, string>>) {
    this.path = path
    this.#env = env
  }

  /** @param key base64 of 32 bytes, for TOOLGRANT_KEY. */
  static async make(key = Buffer.alloc(32, 7).toString('base64')): Promise<CliFolder> {
    const path = await mkdtemp(join(tmpdir(), 'toolgrant-cli-'))
    const home = join(path, 'home')
    await mkdir(home)
    const { PATH = '' } = process.env
    return new CliFolder(path, {
      PATH,
      HOME: home,
      TOOLGRANT_DATA: join(path, 'data'),
      TOOLGRANT_KEY: key,
      NODE_COMPILE_CACHE: compileCache,
    })
  }

  /** Writes a file beside the others. */
  write(name: string, text: string, mode = 0o600): Promise<void> {
    return writeFile(join(this.path, name), text, { mode })
  }

  /** Starts a command and does not wait. `input` is all of its standard input; absent: an open pipe. */
  start(
    args: readonly string[],
    options: { env?: Record<string, string>; input?: string; node?: string[] } = {},
  ): RunningCli {
    const env = { ...this.#env, ...options.env }
    const child = spawn(process.execPath, [...(options.node ?? []), main, ...args], { cwd: this.path, env })
    const written = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (text: string) => {
        written[name] += text
      })
    child.stdin.on('error', () => {}) // a command may end before it has read its input
    if (options.input !== undefined) child.stdin.end(options.input)
    const end = new Promise<CliResult>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code) => {
        this.output.push({ code, ...written })
        resolve({ code, ...written })
      })
    })
    return { child, written, end, stderrHas: (pattern) => stderrHas(pattern, child, written, end) }
  }

  /** Runs a command to its end. */
  run(args: readonly string[], options: Parameters<CliFolder['start']>[1] = {}): Promise<CliResult> {
    return this.start(args, { input: '', ...options }).end
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true })
  }
}

async function stderrHas(
  pattern: RegExp,
  child: ChildProcess,
  written: { stderr: string },
  end: Promise<CliResult>,
): Promise<RegExpExecArray> {
  const found = new Promise<RegExpExecArray>((resolve) => {
    const look = () => {
      const match = pattern.exec(written.stderr)
      if (match) resolve(match)
    }
    look()
    child.stderr?.on('data', look)
  })
  const tooEarly = end.then(({ code, stderr }) => {
    const match = pattern.exec(stderr)
    if (match) return match
    throw new Error(`The command ended with ${code} before stderr held ${pattern}:\n${stderr}`)
  })
  return Promise.race([found, tooEarly])
}
