// `toolgrant audit list|verify|head|export`: what was done with which connection, and whether the record is whole.
import type { AuditFilter, AuditHead, AuditProblem, AuditRecord } from '../../vault/index.ts'
import type { CommandContext } from '../context.ts'
import { type ExitCode, exitCodes } from '../exit-code.ts'

/** Options of {@link exportAudit}. */
export type AuditOptions = Pick<AuditFilter, 'user' | 'provider' | 'tool' | 'since'>

/** Options of {@link listAudit}. */
export interface ListAuditOptions extends AuditOptions {
  limit: number
}

/** `toolgrant audit list` */
export async function listAudit(
  context: CommandContext,
  options: ListAuditOptions,
): Promise<ExitCode | undefined> {
  const { output } = context
  const lines = await (await context.vaultToUse()).audit.recent(await filterOf(context, options))
  const heading = ['LINE', 'AT', 'WHO', 'USER', 'DID', 'WITH', 'HOW', 'OUTCOME', 'MS']
  if (output.json) await output.document(lines.map(record))
  else await output.table(heading, lines.map(row))
  if (lines.length === 0) output.note('No line of the audit log is about that.')
  return undefined
}

/** `toolgrant audit export` */
export async function exportAudit(
  context: CommandContext,
  options: AuditOptions,
): Promise<ExitCode | undefined> {
  const { output, signal } = context
  const { audit } = await context.vaultToUse()
  for await (const line of audit.lines(await filterOf(context, options))) {
    signal.throwIfAborted()
    await output.write(`${JSON.stringify(record(line))}\n`)
  }
  return undefined
}

/** `toolgrant audit head` */
export async function auditHead(context: CommandContext): Promise<ExitCode | undefined> {
  const { output } = context
  const head = await (await context.vaultToUse()).audit.head()
  if (output.json) await output.document(head)
  else await output.write(`${head.seq}:${head.hash}\n`)
  return undefined
}

/** Options of {@link verifyAudit}. */
export interface VerifyAuditOptions {
  expect?: AuditHead
}

/** `toolgrant audit verify`: fails with 1 when a line is not as it was written. */
export async function verifyAudit(
  context: CommandContext,
  { expect }: VerifyAuditOptions,
): Promise<ExitCode | undefined> {
  const { output, signal } = context
  const verdict = await (await context.vaultToUse()).audit.verify({ expect, signal })
  const { intact, lines, problems, problemCount } = verdict
  if (output.json) await output.document(verdict)
  else for (const problem of problems) await output.write(`${words(problem)}\n`)
  if (problemCount > problems.length) output.note(`And ${problemCount - problems.length} more.`)
  output.note(
    intact
      ? `${output.style('green', '✓')} ${lines} line${lines === 1 ? '' : 's'}, each as it was written.`
      : `${output.style('red', '✗')} Somebody changed the audit log.`,
  )
  if (intact && expect === undefined)
    output.note('Whether its end was cut off shows only against an earlier head: --expect.')
  return intact ? undefined : exitCodes.failure
}

function words({ seq, problem, to }: AuditProblem): string {
  const lines = to === undefined ? `line ${seq}` : `lines ${seq} to ${to}`
  const said = { altered: 'altered', missing: 'missing', cut_off: 'cut off', replaced: 'replaced' }[problem]
  return `${lines}: ${said}`
}

/** A former id (`twitter`) is the id (`x`); what is no provider here may still be in the log. */
async function filterOf<Options extends AuditOptions>(
  context: CommandContext,
  options: Options,
): Promise<Options> {
  const { provider } = options
  if (provider === undefined) return options
  const known = await (await context.config()).provider(provider).catch(() => undefined)
  return { ...options, provider: known?.id ?? provider }
}

function record({ at, ...line }: AuditRecord): Record<string, unknown> {
  return { ...line, at: at.toISOString() }
}

/** `exported 3, moved 0`: for lines without a request. */
function detailText({ detail = {} }: AuditRecord): string {
  const said = Object.entries(detail)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name} ${value}`)
  return said.join(', ') || '-'
}

function row(line: AuditRecord): string[] {
  const { seq, at, actor, user = '-', action, tool, connections = [], requests = [], outcome, ms } = line
  return [
    `${seq}`,
    at.toISOString().replace(/\.\d+Z$/, 'Z'),
    actor,
    user,
    tool === undefined ? action : `${action} ${tool}`,
    connections.map(({ provider, account }) => (account ? `${provider}/${account}` : provider)).join(' ') ||
      '-',
    requests
      .map(({ method, host, status, error, count }) => `${count}× ${method} ${host} ${status ?? error}`)
      .join(', ') || detailText(line),
    outcome,
    ms === undefined ? '-' : `${ms}`,
  ]
}
