// The report of `toolgrant doctor` as text.
import type { ConnectionCounts } from '../vault/index.ts'
import type { DoctorReport, Finding, ProviderSection, Severity, VaultSection } from './doctor-report.ts'
import { countText } from './doctor-vault.ts'
import { type Output, printable } from './output.ts'
import { paragraph } from './paragraphs.ts'
import { bytesText, spanOfClock } from './time-text.ts'

/** The whole report. */
export function reportText(report: DoctorReport, output: Output): string {
  const { vault, configuration, providers, findings } = report
  const files = [configuration.file, configuration.secretsFile].filter((file) => file !== null)
  const sections = [
    section(output, 'Vault', vaultLines(vault)),
    section(
      output,
      'Configuration',
      files.length === 0 ? ['no toolgrant.toml: environment and defaults'] : files,
    ),
    section(output, 'Providers', providers.map(providerLine)),
    findings.length === 0
      ? output.styleOut('green', 'Nothing wrong was found.')
      : [
          output.styleOut('bold', 'Findings'),
          ...findings.map((finding) => findingText(finding, output)),
        ].join('\n'),
  ]
  return `${sections.filter((text) => text !== '').join('\n\n')}\n`
}

function section(output: Output, title: string, lines: readonly string[]): string {
  if (lines.length === 0) return ''
  const { outColumns: width } = output
  // The rest of a line that is too long stands two further in.
  const shown = lines.map((line) => paragraph(printable(line), width, 4).slice(2))
  return [output.styleOut('bold', title), ...shown].join('\n')
}

function vaultLines({ place, opened, clockOffsetMs = 0, keys = [], connections }: VaultSection): string[] {
  if (place === undefined) return ['its place cannot be looked at']
  const { kind, name, exists, schema, file, server, databaseBytes } = place
  const facts = [
    kind === 'postgres' ? `PostgreSQL ${server ?? ''}`.trim() : kind === 'sqlite' ? 'SQLite' : undefined,
    exists ? `schema ${schema}` : 'not there yet',
    file && `mode ${file.mode}`,
    file && bytesText(file.bytes),
    file && file.walBytes > 0 ? `log ${bytesText(file.walBytes)}` : undefined,
    file && `${bytesText(file.freeBytes)} free`,
    databaseBytes === undefined ? undefined : bytesText(databaseBytes),
    Math.abs(clockOffsetMs) < 1000 ? undefined : `its clock is ${spanOfClock(clockOffsetMs)} this machine's`,
    opened || !exists ? undefined : 'not opened',
  ].filter((fact) => fact !== undefined)
  return [
    name,
    facts.join(', '),
    ...keys.map(
      ({ id, primary, place: where, connections: sealed }) =>
        `key ${id}${primary ? ', primary' : ''}: ${where ?? 'not found'}; seals ${countText(sealed, 'connection')}`,
    ),
    ...(connections === undefined ? [] : [`connections: ${countsText(connections)}`]),
  ]
}

/** `3 active, 1 failing; 2 due`. */
function countsText(counts: ConnectionCounts): string {
  const { active, failing, needsReconnect, disconnecting, unreadable, due, overdue } = counts
  const shown = [
    `${active} active`,
    failing > 0 && `${failing} failing`,
    needsReconnect > 0 && `${needsReconnect} to be connected again`,
    disconnecting > 0 && `${disconnecting} being disconnected`,
    unreadable > 0 && `${unreadable} unreadable`,
  ].filter((one) => one !== false)
  const late = overdue > 0 ? `, ${overdue} of them overdue` : ''
  return `${shown.join(', ')}${due > 0 ? `; ${due} due${late}` : ''}`
}

function providerLine(provider: ProviderSection): string {
  const { id, client, secret, redirectUri, listensAt, connections, probe } = provider
  const facts = [
    client ? 'client id set' : 'no client id',
    client && secret !== 'not_needed' ? `secret ${secret}` : undefined,
    client && redirectUri !== undefined ? `redirect URI ${redirectUri}` : undefined,
    client && listensAt !== undefined ? `no redirect URI set: connect listens at ${listensAt}` : undefined,
    connections === undefined ? 'no connection' : countsText(connections),
    probe && probeText(probe),
  ].filter((fact) => fact !== undefined)
  return `${id}: ${facts.join('; ')}`
}

function probeText({ state, status, ms }: NonNullable<ProviderSection['probe']>): string {
  if (state === 'not_asked') return 'not asked'
  if (state === 'unreachable') return 'no answer'
  return `${state === 'answers' ? 'answers' : `answers HTTP ${status}`} in ${ms} ms`
}

const colors: Readonly<Record<Severity, 'red' | 'yellow' | 'cyan'>> = {
  error: 'red',
  warning: 'yellow',
  info: 'cyan',
}

function findingText({ severity, about, text, next, code }: Finding, output: Output): string {
  const { outColumns: width } = output
  const label = `  ${severity}`
  const body = paragraph(printable(`${about}: ${text} [${code}]`), width, 11, label)
  const colored = body.replace(label, output.styleOut(colors[severity], label))
  if (next === undefined) return colored
  // A command stands alone and whole, so that it can be copied.
  const step = /^(?:toolgrant|chmod) /.test(next)
    ? `${' '.repeat(13)}${output.styleOut('cyan', printable(next))}`
    : paragraph(printable(next), width, 13, ' '.repeat(13))
  return `${colored}\n${step}`
}
