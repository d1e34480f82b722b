// The address that the browser ends at, pasted by a person whose browser cannot reach this computer (row P23).
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import type { StartedFlow } from '../flows/index.ts'
import type { CommandContext } from './context.ts'

/**
 * Hands every pasted line to the flow, until the returned function is called. On a terminal nothing is echoed: the address holds a code,
 * and the line belongs to the spinner. `ended` is called when the input ends before that.
 */
export function readPastedAddresses(
  context: CommandContext,
  started: StartedFlow,
  ended: () => void,
): () => void {
  const { stdin } = process
  // Readline's own line editing, because the system's cuts lines at 4096 bytes (1024 on macOS).
  const terminal = stdin.isTTY === true
  const lines = createInterface({
    input: stdin,
    terminal,
    output: new Writable({ write: (_chunk, _encoding, done) => done() }),
  })
  lines.on('line', (line) => {
    if (line.trim() !== '') void submit(context, started, line)
  })
  // In that mode Ctrl-C arrives as a key.
  lines.on('SIGINT', context.interrupt)
  lines.on('close', ended)
  return () => {
    lines.off('close', ended)
    lines.close()
    stdin.unref?.()
  }
}

async function submit({ output }: CommandContext, started: StartedFlow, line: string): Promise<void> {
  try {
    await started.submit(line)
  } catch (error) {
    // Whatever ended the flow is told by its result; this is about addresses that leave it waiting.
    if (error instanceof Error && error.name === 'CallbackError') output.warn(error.message)
  }
}
