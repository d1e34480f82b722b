// One run of the command: signals, streams, errors and the exit code. Everything that touches the process is here.
import { type ExitCode, exitCodes } from './exit-code.ts'
import { type CommandHints, explain, stackOf } from './explanation.ts'
import { Output } from './output.ts'
import { buildProgram } from './program.ts'

/** Runs the command line in `argv` (with the two words of the interpreter) and ends the process. */
export async function run(argv: readonly string[]): Promise<void> {
  hideWarningAboutSqlite()
  const output = new Output(argv.includes('--json'))
  const interruption = watchSignals(output)
  endQuietlyWithoutReader()
  const exitCode = await execute(argv, output, interruption)
  // Not left to an empty event loop: a tools module may hold the process open.
  for (const stream of [process.stdout, process.stderr])
    await new Promise<unknown>((resolve) => stream.write('', resolve))
  process.exit(interruption.exitCode ?? exitCode)
}

interface Interruption {
  signal: AbortSignal
  /** Does what SIGINT does. */
  interrupt: () => void
  /** The exit code of the signal that came, if one did. */
  readonly exitCode: ExitCode | undefined
}

async function execute(
  argv: readonly string[],
  output: Output,
  interruption: Interruption,
): Promise<ExitCode> {
  const { signal, interrupt } = interruption
  let exitCode: ExitCode = exitCodes.ok
  let hints: CommandHints = {}
  const began = (command: CommandHints) => {
    hints = command
  }
  const done = (code: ExitCode) => {
    exitCode = code
  }
  try {
    await buildProgram({ output, signal, interrupt, began, done }).parseAsync(argv)
    return exitCode
  } catch (error) {
    return interruption.exitCode ?? report(error, output, hints)
  }
}

/** The first signal asks the command to stop and to leave everything tidy; the second ends it at once. */
function watchSignals(output: Output): Interruption {
  const controller = new AbortController()
  let exitCode: ExitCode | undefined
  const stop = (code: ExitCode) => {
    if (exitCode !== undefined) process.exit(code)
    exitCode = code
    output.record({ error: { code: 'interrupted', message: 'Interrupted.' } })
    output.note('\nInterrupted.')
    controller.abort(new DOMException('Interrupted.', 'AbortError'))
  }
  const interrupt = () => stop(exitCodes.interrupted)
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', () => stop(exitCodes.terminated))
  process.on('SIGHUP', () => stop(exitCodes.hungUp))
  return {
    signal: controller.signal,
    interrupt,
    get exitCode() {
      return exitCode
    },
  }
}

/** `toolgrant … | head -1` is no error: whoever read has read enough. A terminal that went away (EIO) sends SIGHUP, too. */
function endQuietlyWithoutReader(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(exitCodes.brokenPipe)
    })
}

function report(error: unknown, output: Output, hints: CommandHints): ExitCode {
  const help = helpShown(error)
  if (help !== undefined) return help
  const { code, message, next, exitCode } = explain(error, hints)
  output.record({ error: { code, message, ...(next === undefined ? {} : { next }) } })
  output.note(`${output.style(['bold', 'red'], 'error:')} ${message}`)
  if (next !== undefined) output.note(next)
  if (process.env['TOOLGRANT_DEBUG']) process.stderr.write(`${stackOf(error)}\n`)
  return exitCode
}

/** Commander ends `--help` by throwing, too, and `toolgrant` alone, which is a usage error that shows the help. */
function helpShown(error: unknown): ExitCode | undefined {
  if (!(error instanceof Error) || error.name !== 'CommanderError') return undefined
  const { exitCode, code } = error as { exitCode?: unknown; code?: unknown }
  if (exitCode === 0) return exitCodes.ok
  return code === 'commander.help' ? exitCodes.usage : undefined
}

/** Node 22 says at each start that node:sqlite is experimental. Other warnings stay. */
function hideWarningAboutSqlite(): void {
  const { emitWarning } = process
  process.emitWarning = ((warning: string | Error, ...rest: unknown[]) => {
    if (rest[0] === 'ExperimentalWarning' && /^SQLite\b/.test(String(warning))) return
    Reflect.apply(emitWarning, process, [warning, ...rest])
  }) as typeof process.emitWarning
}
