// `toolgrant completion bash|zsh|fish`: a script to be sourced by the shell.
import type { Command } from 'commander'
import { loadConfig } from '../../config/index.ts'
import { providers } from '../../providers/index.ts'
import { completionScript, type Shell } from '../completion-script.ts'
import type { CommandContext } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'

/** Prints the script. A configuration in trouble does not matter here: a shell that starts must not stumble over it. */
export async function completion(
  context: CommandContext,
  program: Command,
  shell: string,
): Promise<ExitCode | undefined> {
  // Without onWarning: what is odd in a file must not be said at each start of a shell.
  const known = await loadConfig()
    .then((config) => config.allProviders())
    .catch(() => providers())
  const ids = known.map(({ id }) => id)
  const script = completionScript(program, shell as Shell, ids)
  if (context.output.json) await context.output.document({ shell, script })
  else await context.output.write(script)
  return undefined
}
