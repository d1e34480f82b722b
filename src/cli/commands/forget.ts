// `toolgrant forget <user>`: end everything that a user has, at all providers, and say what could not be ended there.
import { argumentError } from '../../errors.ts'
import type { Disconnected, Forgotten } from '../../vault/index.ts'
import { connectionRecord } from '../connection-record.ts'
import type { CommandContext } from '../context.ts'
import { countText } from '../doctor-vault.ts'
import type { ExitCode } from '../exit-code.ts'
import { type Output, printable } from '../output.ts'
import { whileSpinning } from '../spinner.ts'
import { exitCodeOfEnd } from './disconnect.ts'

/** Options of {@link forget}. */
export interface ForgetOptions {
  /** Do not ask. */
  yes?: boolean
}

/** Forgets a user, after asking on a terminal. Ends as {@link exitCodeOfEnd}. */
export async function forget(
  context: CommandContext,
  { yes = false }: ForgetOptions,
  user = '',
): Promise<ExitCode | undefined> {
  const { output, signal } = context
  if (!yes && !context.interactive)
    throw argumentError('toolgrant forget asks before it acts, and nobody is there to answer. Add --yes.')
  const vault = await context.vaultToUse()
  if (!yes) {
    const connections = await vault.connections({ user })
    const { confirmForgetting } = await import('../prompts.ts')
    if (!(await confirmForgetting(context, user, connections))) {
      output.note('Nothing was changed.')
      return undefined
    }
  }
  const forgotten = await whileSpinning(output, `Forgetting ${printable(user)} …`, () =>
    vault.forget(user, { signal }),
  )
  if (output.json) await output.document(forgottenRecord(forgotten))
  else await tell(output, forgotten)
  return exitCodeOfEnd(forgotten.connections)
}

function forgottenRecord({ user, connections, pending, unrevoked }: Forgotten): Record<string, unknown> {
  return {
    ...{ user, pending, unrevoked },
    connections: connections.map(({ connection, revoked, revocable, confirmed, why }) => ({
      ...connectionRecord(connection),
      revoked,
      revocable,
      confirmed: confirmed ?? null,
      ...(why === undefined ? {} : { why }),
    })),
  }
}

async function tell(output: Output, { user, connections, pending, unrevoked }: Forgotten): Promise<void> {
  await output.table(['PROVIDER', 'ACCOUNT', 'REVOKED', 'CONFIRMED', 'WHY NOT'], connections.map(row))
  const dropped = pending === 0 ? '' : `, and ${countText(pending, 'authorization')} that had been begun`
  if (connections.length === 0 && pending === 0) output.note(`There is nothing of ${printable(user)}.`)
  else
    output.note(
      `${output.style('green', '✓')} ${printable(`Forgot ${user}: ${countText(connections.length, 'connection')}${dropped}.`)}`,
    )
  if (unrevoked.length > 0)
    output.warn(`A grant may live on at ${unrevoked.join(', ')}: end it on the provider's own page.`)
}

function row({ connection, revoked, confirmed, why = '-' }: Disconnected): string[] {
  const found = confirmed === undefined ? 'unknown' : confirmed ? 'yes' : 'no'
  return [connection.provider, connection.account, revoked ? 'yes' : 'no', revoked ? found : '-', why]
}
