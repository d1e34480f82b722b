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
  endQuietlyWithoutReader(interruption)
  endTidilyAfterCrash(output, interruption)
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
  /** Asks the command to stop and to leave everything tidy, for another reason than a signal. */
  end: (exitCode: ExitCode, reason: unknown) => void
  /** The exit code of what stopped the command, if something did. */
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

/** Signals within so many milliseconds are one: npx passes on the Ctrl-C that the terminal sends to both. */
const oneSignalMs = 250

/** The first signal asks the command to stop and to leave everything tidy; the second ends it at once. */
function watchSignals(output: Output): Interruption {
  const controller = new AbortController()
  let exitCode: ExitCode | undefined
  let signalledAt: number | undefined
  const end = (code: ExitCode, reason: unknown) => {
    exitCode ??= code
    controller.abort(reason)
  }
  const stop = (code: ExitCode) => {
    if (signalledAt !== undefined && performance.now() - signalledAt < oneSignalMs) return
    if (signalledAt !== undefined) process.exit(code)
    signalledAt = performance.now()
    output.record({ error: { code: 'interrupted', message: 'Interrupted.' } })
    output.note('\nInterrupted.')
    end(code, new DOMException('Interrupted.', 'AbortError'))
  }
  const interrupt = () => stop(exitCodes.interrupted)
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', () => stop(exitCodes.terminated))
  process.on('SIGHUP', () => stop(exitCodes.hungUp))
  return {
    signal: controller.signal,
    interrupt,
    end,
    get exitCode() {
      return exitCode
    },
  }
}

/**
 * `toolgrant … | head -1` is no error: whoever read has read enough. A refresh that is under way is waited for all the
 * same. A terminal that went away (EIO) sends SIGHUP, too.
 */
function endQuietlyWithoutReader({ end }: Interruption): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') end(exitCodes.brokenPipe, error)
    })
}

/** A tools module may throw behind everybody's back: even then the answer to a refresh that was sent is saved. */
function endTidilyAfterCrash(output: Output, interruption: Interruption): void {
  process.on('uncaughtException', (error) => {
    if (interruption.exitCode === undefined) interruption.end(report(error, output, {}), error)
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
