// `toolgrant import <path>`: connections from a bundle, from another program's files, from JSON (row P47).
import { resolve } from 'node:path'
import type { ImportedItem, ImportKind, ImportOptions } from '../../vault/index.ts'
import type { CommandContext } from '../context.ts'
import { type ExitCode, exitCodes } from '../exit-code.ts'
import { printable } from '../output.ts'
import { type PassphraseOptions, passphraseFor } from '../passphrase.ts'

/** Options of {@link importSource}. */
export interface ImportSourceOptions extends PassphraseOptions {
  from?: ImportKind
  user?: string
  as?: string
  provider?: readonly string[]
  replace?: boolean
  dryRun?: boolean
}

/** Imports, and says of each connection what became of it. Fails with 1 when one was refused. */
export async function importSource(
  context: CommandContext,
  options: ImportSourceOptions,
  path = '',
): Promise<ExitCode | undefined> {
  const { output, signal } = context
  const source = resolve(path)
  const vault = await (options.dryRun ? context.vaultToTry() : context.vault())
  const providers = options.provider && (await idsOf(context, options.provider))
  const given: ImportOptions = {
    ...{ from: options.from, user: options.user, as: options.as, providers, signal },
    ...{ replace: options.replace, dryRun: options.dryRun, defaultUser: await context.user(undefined) },
    candidates: providers ?? (await withClient(context)),
    passphrase: () => passphraseFor(context, options, false),
  }
  const onItem = (item: ImportedItem) => say(context, item, options.dryRun === true)
  // No spinner: a person may be asked for the passphrase meanwhile.
  const result = await vault.import(source, { ...given, onItem })
  const { imported, unchanged, newerHere, refused } = result
  const would = options.dryRun ? 'would be ' : ''
  output.note(
    `${output.style(refused > 0 ? 'yellow' : 'green', refused > 0 ? '!' : '✓')} ${imported} ${would}imported, ${unchanged} unchanged, ${newerHere} newer here, ${refused} refused.`,
  )
  if (imported > 0 && result.from !== 'bundle' && !options.dryRun)
    output.note(
      'The files still hold the tokens in the clear, and their program may still renew them: delete them.',
    )
  if (output.json) await output.document(result)
  return refused > 0 ? exitCodes.failure : undefined
}

/** With `--json` all of it is in the document. */
function say(
  { output }: CommandContext,
  { outcome, place, user, provider, account, why, note }: ImportedItem,
  isDryRun: boolean,
): void {
  const what = [provider, account, user === undefined ? undefined : `of ${user}`].filter(Boolean).join(' ')
  const told = [why, note].filter(Boolean).join(' ')
  if (outcome === 'refused' && !output.json) output.warn(`Refused: ${what || place} (${place}). ${told}`)
  else if (outcome !== 'unchanged')
    output.note(
      printable(
        `  ${isDryRun && outcome === 'imported' ? 'would import' : outcome.replace('_', ' ')}: ${what}${told === '' ? '' : `. ${told}`}`,
      ),
    )
}

/** Whose client the tokens of mcp-remote may belong to: every provider that has one here. */
async function withClient(context: CommandContext): Promise<readonly string[]> {
  const config = await context.config()
  const all = await config.allProviders()
  return all.filter(({ id }) => config.hasClient(id)).map(({ id }) => id)
}

/** A former id (`twitter`) is the id (`x`). */
function idsOf(context: CommandContext, named: readonly string[]): Promise<readonly string[]> {
  return Promise.all(named.map(async (id) => (await (await context.config()).provider(id)).id))
}
