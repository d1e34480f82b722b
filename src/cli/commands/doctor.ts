// `toolgrant doctor [provider]`: what is wrong, why, and what to do. Changes nothing: a vault that would have to be made
// or migrated is not opened.
import type { Config } from '../../config/index.ts'
import { AuthorizationRequiredError, argumentError, StoreError } from '../../errors.ts'
import type { ExplainOptions, Explanation } from '../../vault/index.ts'
import type { AddressOptions, CommandContext } from '../context.ts'
import { deviationsRecord, deviationsText } from '../doctor-deviations.ts'
import { examineProviders, type ProbeExtent } from '../doctor-providers.ts'
import { type DoctorReport, exitCodeOfReport, type Finding, sorted } from '../doctor-report.ts'
import { reportText } from '../doctor-text.ts'
import { examineVault, trouble } from '../doctor-vault.ts'
import { type ExitCode, exitCodes } from '../exit-code.ts'
import { exitCodeOf, explanationRecord, explanationText } from '../explanation-text.ts'
import { whileSpinning } from '../spinner.ts'

/** Options of {@link doctor}. */
export interface DoctorOptions extends AddressOptions {
  /** Ask no provider anything. */
  offline?: boolean
  /** `false`: read what providers publish, and ask nothing else. */
  probe?: boolean
  /** How the answers of this provider differed from the RFCs. */
  provider?: string
}

/** Looks at everything, or explains one connection. */
export async function doctor(
  context: CommandContext,
  options: DoctorOptions,
  which?: string,
): Promise<ExitCode | undefined> {
  if (options.provider !== undefined) return showDeviations(context, options.provider, which)
  return which === undefined ? examine(context, options) : explainOne(context, options, which)
}

async function showDeviations(context: CommandContext, id: string, which?: string): Promise<ExitCode> {
  const { output } = context
  if (which !== undefined)
    throw argumentError('doctor takes a connection to explain, or --provider with a provider, not both.')
  const provider = await (await context.config()).provider(id)
  await assertReady(context, provider.id)
  const found = await (await context.vault()).deviations(provider.id)
  if (output.json) await output.document(deviationsRecord(found))
  else await output.write(deviationsText(found, output))
  return exitCodes.ok
}

async function examine(context: CommandContext, options: DoctorOptions): Promise<ExitCode> {
  const { output } = context
  const report = await whileSpinning(output, 'Looking …', () => makeReport(context, options))
  if (output.json) await output.document({ ...report, findings: report.findings.map(withoutExitCode) })
  else await output.write(reportText(report, output))
  return exitCodeOfReport(report)
}

function withoutExitCode({ exitCode: _, ...finding }: Finding): Omit<Finding, 'exitCode'> {
  return finding
}

async function makeReport(context: CommandContext, options: DoctorOptions): Promise<DoctorReport> {
  const findings: Finding[] = []
  const config = await context.config().catch((error: unknown): Config | undefined => {
    findings.push(trouble(error, 'configuration'))
    return undefined
  })
  // Without a configuration nobody knows which vault is meant.
  const vault = config === undefined ? undefined : await examineVault(context)
  findings.push(...(vault?.findings ?? []))
  const providers = config && (await examineProviders(context, config, vault?.survey, extentOf(options)))
  findings.push(...(providers?.findings ?? []))
  for (const text of config?.warnings ?? [])
    findings.push({ severity: 'warning', code: 'config_warning', about: 'configuration', text })
  return {
    version: 1,
    at: new Date(),
    healthy: findings.every(({ severity }) => severity !== 'error'),
    vault: vault?.section ?? { opened: false },
    configuration: { file: config?.file ?? null, secretsFile: config?.secretsFile ?? null },
    providers: providers?.sections ?? [],
    findings: sorted(findings),
  }
}

function extentOf({ offline = false, probe = true }: DoctorOptions): ProbeExtent {
  if (offline) return 'nothing'
  return probe ? 'endpoints' : 'metadata'
}

async function explainOne(context: CommandContext, options: DoctorOptions, which: string): Promise<ExitCode> {
  const { output, signal } = context
  const probe = extentOf(options) === 'endpoints'
  const explanation = await whileSpinning(output, 'Looking …', () =>
    explanationOf(context, options, which, { probe, signal }),
  )
  if (output.json) await output.document(explanationRecord(explanation))
  else await output.write(explanationText(explanation, output))
  return exitCodeOf(explanation)
}

/** The form of a connection's id. */
const connectionId = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

async function explanationOf(
  context: CommandContext,
  options: DoctorOptions,
  which: string,
  asked: ExplainOptions,
): Promise<Explanation> {
  const target = connectionId.test(which) ? which : await context.address(which, options)
  await assertReady(context, which)
  return (await context.vault()).explain(target, asked)
}

/** Opening makes a vault where there is none, and brings an older one up to date: neither is for a doctor to do. */
async function assertReady(context: CommandContext, which: string): Promise<void> {
  const { lookAtVault } = await import('../../vault/index.ts')
  const { exists, name, schema = 0, knownSchema = 0 } = await lookAtVault({ url: await context.vaultUrl() })
  if (!exists)
    throw new AuthorizationRequiredError(
      'not_connected',
      `Nothing is connected: there is no vault yet at ${name}.`,
      { provider: which, scopes: [] },
    )
  if (schema < knownSchema)
    throw new StoreError(
      'store_unavailable',
      `The vault at ${name} has schema ${schema}, and this toolgrant knows ${knownSchema}. Any other command brings it up to date; the doctor changes nothing.`,
    )
}
