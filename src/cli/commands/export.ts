// `toolgrant export --out <file>`: connections, taken along in an encrypted bundle.
import { resolve } from 'node:path'
import type { NotExported } from '../../vault/index.ts'
import type { CommandContext } from '../context.ts'
import { type ExitCode, exitCodes } from '../exit-code.ts'
import { type PassphraseOptions, passphraseFor } from '../passphrase.ts'
import { whileSpinning } from '../spinner.ts'

/** Options of {@link exportBundle}. */
export interface ExportBundleOptions extends PassphraseOptions {
  out: string
  user?: string
  provider?: string
  move?: boolean
  force?: boolean
}

/** Writes the bundle. Fails with 1 when something that was asked for is not in it, or stayed although it was a move. */
export async function exportBundle(
  context: CommandContext,
  options: ExportBundleOptions,
): Promise<ExitCode | undefined> {
  const { output, signal } = context
  const move = options.move === true
  const provider = options.provider && (await (await context.config()).provider(options.provider)).id
  const filter = { ...(options.user ? { user: options.user } : {}), ...(provider ? { provider } : {}) }
  const vault = await context.vaultToUse()
  const passphrase = await passphraseFor(context, options, true)
  const to = resolve(options.out)
  const overwrite = options.force === true
  const { exported, moved, notExported, notMoved } = await whileSpinning(output, 'Exporting …', () =>
    vault.export({ passphrase, to, filter, move, overwrite, signal }),
  )
  const gone =
    move && exported > 0
      ? `; ${moved === exported ? 'no longer here' : `${moved} of them no longer here`}`
      : ''
  output.note(
    `${output.style('green', '✓')} Exported to ${to}: ${exported} connection${exported === 1 ? '' : 's'}${gone}.`,
  )
  if (exported + notExported.length === 0) output.warn('No connection is like that: the bundle is empty.')
  for (const each of notExported) output.warn(`Not exported: ${words(each)}`)
  for (const each of notMoved) output.warn(`Not moved: ${words(each)}`)
  if (!move && exported > 0)
    output.warn(
      'The connections stay here, too. Where a provider renews refresh tokens, the first vault to renew one locks the other out: use --move, or disconnect here.',
    )
  if (output.json)
    await output.document({
      file: to,
      exported,
      moved,
      notExported: [...notExported],
      notMoved: [...notMoved],
    })
  return notExported.length + notMoved.length > 0 ? exitCodes.failure : undefined
}

function words({ user, provider, account, why }: NotExported): string {
  return `${provider} ${account} of ${user}. ${why}`
}
