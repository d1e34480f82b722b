// `toolgrant disconnect <provider>`: revoke at the provider, then forget (row P54).
import { connectionRecord } from '../connection-record.ts'
import type { AddressOptions, CommandContext } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { printable } from '../output.ts'
import { whileSpinning } from '../spinner.ts'

/** Forgets a connection even when the provider cannot be asked to revoke it, and then says so. */
export async function disconnect(
  context: CommandContext,
  options: AddressOptions,
  provider = '',
): Promise<ExitCode | undefined> {
  const { output, signal } = context
  const address = await context.address(provider, options)
  const vault = await context.vault()
  const { connection, revoked, confirmed, why } = await whileSpinning(
    output,
    `Revoking the grant at ${address.provider} …`,
    () => vault.disconnect(address, { signal }),
  )
  const who = `${provider} for ${address.user}`
  if (revoked && confirmed !== false) {
    const ended =
      confirmed === true ? 'the grant is revoked, as a look at it confirmed' : 'the grant is revoked'
    output.note(`${output.style('green', '✓')} ${printable(`Disconnected ${who}; ${ended}.`)}`)
  } else if (revoked)
    output.warn(`Disconnected ${who}, but something of the grant still works: ${why ?? 'unknown'}`)
  else output.warn(`Disconnected ${who}, but the grant was not revoked there: ${why ?? 'unknown'}`)
  if (output.json)
    await output.document({
      ...connectionRecord(connection),
      revoked,
      ...(confirmed === undefined ? {} : { confirmed }),
      ...(why === undefined ? {} : { why }),
    })
  return undefined
}
