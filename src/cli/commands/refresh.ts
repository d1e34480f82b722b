// `toolgrant refresh`: renews what is due, once or from now on; or one connection.
import { AuthorizationRequiredError, argumentError } from '../../errors.ts'
import type { RefreshedDue, SkippedProvider, Vault, VaultEvent } from '../../vault/index.ts'
import { connectionRecord } from '../connection-record.ts'
import type { AddressOptions, CommandContext } from '../context.ts'
import { type ExitCode, exitCodeFor, exitCodes } from '../exit-code.ts'
import { type Output, printable } from '../output.ts'

/** Options of {@link refresh}. */
export interface RefreshCommandOptions extends AddressOptions {
  force?: boolean
  watch?: boolean
}

/** With a provider: that connection. Without: everything that is due; with `--watch` until it is interrupted. */
export async function refresh(
  context: CommandContext,
  options: RefreshCommandOptions,
  provider?: string,
): Promise<ExitCode | undefined> {
  const { user, account, force, watch } = options
  if (provider !== undefined && watch === true)
    throw argumentError('--watch keeps everything fresh: leave the provider out.')
  if (provider === undefined && (user ?? account ?? force) !== undefined)
    throw argumentError('--user, --account and --force are about one connection: name its provider.')
  if (provider !== undefined) return refreshOne(context, options, provider)
  return watch === true ? keepFresh(context) : refreshDue(context)
}

async function refreshOne(
  context: CommandContext,
  options: RefreshCommandOptions,
  provider: string,
): Promise<undefined> {
  const { output, signal } = context
  const address = await context.address(provider, options)
  const vault = await context.vaultToRead()
  if (vault === undefined)
    throw new AuthorizationRequiredError('not_connected', `Nothing is connected to ${provider}.`, {
      ...{ provider: address.provider, scopes: [] },
    })
  const { connection, refreshed } = await vault.refresh(address, { force: options.force, signal })
  if (output.json) {
    await output.document({ ...connectionRecord(connection), refreshed })
    return undefined
  }
  const until = connection.expiresAt === null ? 'has no end' : `ends at ${instant(connection.expiresAt)}`
  output.note(
    refreshed
      ? `Refreshed ${connection.provider}: the token ${until}.`
      : `Nothing to do: the token ${until}. Refresh it all the same with --force.`,
  )
  return undefined
}

async function refreshDue(context: CommandContext): Promise<ExitCode> {
  const { output, signal } = context
  const vault = await context.vaultToRead()
  if (vault === undefined) {
    await tellPass(output, { due: 0, refreshed: 0, failed: 0, skipped: 0, skippedProviders: [] })
    return exitCodes.ok
  }
  let isDead = false
  let isOurFault = false
  vault.subscribe((event) => {
    if (event.here && event.type === 'needs_reconnect') isDead = true
    if (event.here && event.type === 'refresh_failed')
      isOurFault ||= exitCodeFor(event.error) === exitCodes.usage
    if (!output.json && isTrouble(event)) output.note(lineOf(event))
  })
  const pass = await vault.refreshDue({ signal })
  await tellPass(output, pass)
  if (isDead) return exitCodes.authorization
  if (pass.failed > 0) return isOurFault ? exitCodes.usage : exitCodes.provider
  return pass.skippedProviders.some(({ why }) => why === 'client_missing') ? exitCodes.usage : exitCodes.ok
}

async function tellPass(output: Output, pass: RefreshedDue): Promise<void> {
  if (output.json) return output.document(recordOf(pass))
  const { due, refreshed, failed, skipped } = pass
  await output.write(`due ${due}, refreshed ${refreshed}, failed ${failed}, left to others ${skipped}\n`)
  for (const one of pass.skippedProviders) output.note(wordsFor(one))
}

/** Prints an event a line, until the command is interrupted. */
async function keepFresh(context: CommandContext): Promise<undefined> {
  const { output, signal } = context
  const vault = await context.vault()
  vault.subscribe((event) => void tell(context, event))
  output.note('Keeping connections fresh. Stop with Ctrl-C.')
  await watching(vault, context)
  signal.throwIfAborted()
}

function watching(vault: Vault, { output, signal }: CommandContext): Promise<void> {
  return vault.keepFresh({
    signal,
    onSkipped: (skipped) => output.warn(wordsFor(skipped)),
    onError: (error) => output.warn(`${error instanceof Error ? error.message : 'unexpected'} Trying again.`),
  }).done
}

async function tell({ output }: CommandContext, event: VaultEvent): Promise<void> {
  const { type, at, connection } = event
  const record = { event: type, at: at.toISOString(), ...connectionRecord(connection) }
  await output.write(`${output.json ? JSON.stringify(record) : lineOf(event)}\n`)
}

function isTrouble({ type }: VaultEvent): boolean {
  return type === 'refresh_failed' || type === 'needs_reconnect'
}

function lineOf({ type, at, connection, error }: VaultEvent): string {
  const { provider, account, user } = connection
  const why = error instanceof Error ? `: ${error.message}` : ''
  return printable(`${instant(at)} ${type} ${provider} ${account} ${user}${why}`)
}

function wordsFor({ provider, why, error }: SkippedProvider): string {
  if (why === 'client_missing')
    return `${provider}: ${error instanceof Error ? error.message : 'we are not registered there.'}`
  if (why === 'provider_down') return `${provider} has not answered for some time; it is tried now and then.`
  return `${provider} renews no access tokens.`
}

function recordOf(pass: RefreshedDue): Record<string, unknown> {
  const { due, refreshed, failed, skipped, skippedProviders } = pass
  return {
    ...{ due, refreshed, failed, skipped },
    skippedProviders: skippedProviders.map(({ provider, why }) => ({ provider, why })),
  }
}

function instant(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z')
}
