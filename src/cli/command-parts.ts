// What the files of the program are written with: how a command runs, options that several have, checks of values.
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { CommandContext } from './context.ts'
import type { ExitCode } from './exit-code.ts'

/** A command: its surroundings, its options, its arguments. Without a result it ends with 0. */
export type Action<Options> = (
  context: CommandContext,
  options: Options,
  ...words: string[]
) => Promise<ExitCode | undefined>

/** Makes the action of a command out of what loads it. */
export type Act = <Options>(load: () => Promise<Action<Options>>) => (...values: unknown[]) => Promise<void>

/** `--user` and `--account`. */
export function withAddress(command: Command): Command {
  return command
    .option(
      '--user <id>',
      'whose connection (default: TOOLGRANT_USER, user in the configuration, your login name)',
    )
    .option('--account <label>', 'which of several accounts')
}

/** `--scopes`: a list of words. */
export function scopesOption(description: string): Option {
  return new Option('--scopes <list>', `${description}; separated by spaces or commas`).argParser(
    (list: string) => list.split(/[\s,]+/).filter(Boolean),
  )
}

/** The end of a command's help. */
export function example(...lines: string[]): string {
  return `\n${lines.length > 1 ? 'Examples' : 'Example'}:\n${lines.map((line) => `  ${line}`).join('\n')}`
}

/** The values of an option that may be repeated. */
export function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value]
}

/** A TCP port. */
export function port(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text)
  throw new InvalidArgumentError('It must be a number from 0 to 65535.')
}

/** A number of seconds. */
export function seconds(text: string): number {
  if (/^\d{1,6}(\.\d+)?$/.test(text) && Number(text) > 0) return Number(text)
  throw new InvalidArgumentError('It must be a number of seconds above 0.')
}

/** A whole number above 0. */
export function positive(text: string): number {
  if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Number(text)
  throw new InvalidArgumentError('It must be a whole number above 0.')
}
