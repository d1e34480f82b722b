// `toolgrant connections`: what is kept, without any secret.
import type { Connection } from '../../vault/index.ts'
import { connectionRecord } from '../connection-record.ts'
import type { CommandContext } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'

/** Options of {@link connections}. */
export interface ConnectionsOptions {
  user?: string
  all?: boolean
}

/** Lists the connections of one user, or of all. Having none is no failure. */
export async function connections(
  context: CommandContext,
  options: ConnectionsOptions,
): Promise<ExitCode | undefined> {
  const { output } = context
  const user = options.all ? undefined : await context.user(options.user)
  const vault = await context.vaultToUse()
  const found = await vault.connections(user === undefined ? {} : { user })
  if (output.json) await output.document(found.map(connectionRecord))
  else await output.table(['PROVIDER', 'ACCOUNT', 'USER', 'STATUS', 'TOKEN UNTIL', 'SCOPES'], found.map(row))
  if (found.length === 0) output.note('Nothing is connected. Begin with: toolgrant connect <provider>')
  return undefined
}

function row(connection: Connection): string[] {
  const { provider, account, user, expiresAt, scopes } = connection
  const until = expiresAt === null ? 'no end' : expiresAt.toISOString().replace(/\.\d+Z$/, 'Z')
  return [provider, account || '-', user, statusText(connection), until, scopes.join(' ') || '-']
}

/** `active, 3 refreshes failed: client_refused`: what the doctor calls failing. */
function statusText({ status, reason, failures = 0 }: Connection): string {
  if (failures === 0) return status
  const failed = failures === 1 ? 'the last refresh failed' : `${failures} refreshes failed`
  return `${status}, ${failed}${reason === undefined ? '' : `: ${reason}`}`
}
