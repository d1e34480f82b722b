// The passphrase of a bundle: from standard input, the environment, or a person at a terminal. It is never echoed.
import { argumentError } from '../errors.ts'
import type { CommandContext } from './context.ts'
import { readStandardInput } from './standard-input.ts'

/** Options of commands that take one. */
export interface PassphraseOptions {
  passphraseStdin?: boolean
}

const variable = 'TOOLGRANT_PASSPHRASE'

/**
 * The passphrase.
 *
 * @param isNew asks a person twice.
 * @throws {TypeError} `invalid_argument` when there is none, and nobody to ask.
 */
export async function passphraseFor(
  context: CommandContext,
  { passphraseStdin }: PassphraseOptions,
  isNew: boolean,
): Promise<string> {
  if (passphraseStdin) {
    const [line = ''] = new TextDecoder().decode(await readStandardInput()).split(/\r?\n/)
    return line
  }
  const given = process.env[variable]
  if (given !== undefined && given !== '') return given
  if (!context.interactive)
    throw argumentError(
      `The bundle needs a passphrase: set ${variable}, or pass it on standard input with --passphrase-stdin.`,
    )
  const { askForPassphrase } = await import('./prompts.ts')
  return askForPassphrase(context, isNew)
}
