// `toolgrant disconnect <provider>`: revoke at the provider, then forget (row P54).
import type { Disconnected } from '../../vault/index.ts'
import { connectionRecord } from '../connection-record.ts'
import type { AddressOptions, CommandContext } from '../context.ts'
import { type ExitCode, exitCodes } from '../exit-code.ts'
import { printable } from '../output.ts'
import { whileSpinning } from '../spinner.ts'

/** Forgets a connection even when the provider cannot be asked to revoke it, says so, and ends as {@link exitCodeOfEnd}. */
export async function disconnect(
  context: CommandContext,
  options: AddressOptions,
  provider = '',
): Promise<ExitCode | undefined> {
  const { output, signal } = context
  const address = await context.address(provider, options)
  const vault = await context.vaultToUse()
  const ended = await whileSpinning(output, `Revoking the grant at ${address.provider} …`, () =>
    vault.disconnect(address, { signal }),
  )
  const { connection, revoked, revocable, confirmed, why } = ended
  const who = `${provider} for ${address.user}`
  if (revoked && confirmed !== false) {
    const outcome =
      confirmed === true ? 'the grant is revoked, as a look at it confirmed' : 'the grant is revoked'
    output.note(`${output.style('green', '✓')} ${printable(`Disconnected ${who}; ${outcome}.`)}`)
  } else if (revoked)
    output.warn(`Disconnected ${who}, but something of the grant still works: ${why ?? 'unknown'}`)
  else output.warn(`Disconnected ${who}, but the grant was not revoked there: ${why ?? 'unknown'}`)
  if (output.json)
    await output.document({
      ...connectionRecord(connection),
      revoked,
      revocable,
      ...(confirmed === undefined ? {} : { confirmed }),
      ...(why === undefined ? {} : { why }),
    })
  return exitCodeOfEnd([ended])
}

/** 4 when a provider that revokes did not take a revocation, or the grant still works; what is not revocable is 0. */
export function exitCodeOfEnd(ended: readonly Disconnected[]): ExitCode {
  const livesOn = ended.some(
    ({ revoked, revocable, confirmed }) => revocable && (!revoked || confirmed === false),
  )
  return livesOn ? exitCodes.provider : exitCodes.ok
}
