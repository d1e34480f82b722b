// Runs a tool's code within its time limit and turns what goes wrong into one typed error. Nothing here checks input
// or authorization: that has happened.
import { AuthorizationRequiredError, quote, ToolFailedError } from '../errors.ts'
import type { Redactor } from './redactor.ts'
import { bodyOf } from './tool-body.ts'
import type { ToolContext } from './tool-context.ts'

/** Beyond this, timers fire at once; nobody waits that long for a tool. */
const LONGEST_TIMER = 2_147_483_647
const MAX_MESSAGE = 1000

/** Limits of one run. */
export interface RunOptions {
  signal?: AbortSignal | undefined
  /** In milliseconds. Default: the tool's. */
  timeoutMs?: number | undefined
}

/**
 * The tool's result, with the tokens that the redactor knows taken out.
 *
 * @throws {ToolFailedError} `tool_timeout`, or `tool_failed` with the tool's own error as `cause`.
 * @throws {AuthorizationRequiredError} as the tool's `fetch` threw it.
 * @throws the signal's reason.
 */
export async function runTool(
  tool: { name: string; timeoutMs: number },
  input: unknown,
  options: RunOptions,
  redactor: Redactor,
  contextFor: (signal: AbortSignal) => ToolContext<string>,
): Promise<unknown> {
  options.signal?.throwIfAborted()
  const stop = new AbortController()
  const stopped = new Promise<never>((_, reject) => {
    stop.signal.addEventListener('abort', () => reject(stop.signal.reason), { once: true })
  })
  // The loser of the race may reject when nobody listens any more.
  stopped.catch(() => {})
  const release = stopOn(stop, tool.name, options.timeoutMs ?? tool.timeoutMs, options.signal)
  const work = runBody(tool, input, contextFor(stop.signal), redactor)
  work.catch(() => {})
  try {
    return redactor.value(await Promise.race([work, stopped]))
  } catch (error) {
    // A tool that stops when told to reports that with an error of its own.
    if (stop.signal.aborted) throw stop.signal.reason
    throw error
  } finally {
    release()
  }
}

function stopOn(
  stop: AbortController,
  name: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): () => void {
  const timer =
    timeoutMs <= LONGEST_TIMER
      ? setTimeout(() => stop.abort(timedOut(name, timeoutMs)), timeoutMs)
      : undefined
  const giveUp = () => stop.abort(signal?.reason)
  signal?.addEventListener('abort', giveUp, { once: true })
  return () => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', giveUp)
  }
}

function timedOut(name: string, timeoutMs: number): ToolFailedError {
  return new ToolFailedError(
    'tool_timeout',
    `"${name}" did not finish within ${timeoutMs} ms. What it has done so far may have taken effect.`,
    name,
  )
}

async function runBody(
  tool: { name: string },
  input: unknown,
  context: ToolContext<string>,
  redactor: Redactor,
): Promise<unknown> {
  const { run, pipes } = bodyOf(tool)
  let result = await attempt(tool.name, '', redactor, () => run(input as never, context as never))
  for (const [index, pipe] of pipes.entries()) {
    const step = ` at step ${index + 1} behind it${pipe.name === '' ? '' : `, ${pipe.name},`}`
    const before = result
    result = await attempt(tool.name, step, redactor, () => pipe(before as never, context as never))
  }
  return result
}

async function attempt(
  name: string,
  step: string,
  redactor: Redactor,
  work: () => unknown,
): Promise<unknown> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof AuthorizationRequiredError) throw error
    const cause = redactor.value(error)
    if (cause instanceof ToolFailedError) throw cause
    throw new ToolFailedError(
      'tool_failed',
      `"${name}" failed${step}: ${quote(reasonOf(cause), MAX_MESSAGE)}`,
      name,
      { cause },
    )
  }
}

function reasonOf(cause: unknown): string {
  if (cause instanceof Error) return cause.message || cause.name
  return typeof cause === 'string' ? cause : 'no reason given'
}
