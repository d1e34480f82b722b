// What `toolgrant doctor <provider>` shows of one connection, and its JSON form. Remote text in it is quoted already.
import type { Cause, Explanation, Forecast, TimelineEntry } from '../vault/index.ts'
import { connectionRecord } from './connection-record.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'
import { type Output, printable } from './output.ts'
import { paragraph } from './paragraphs.ts'
import { instantText, relativeText, spanOfClock } from './time-text.ts'

/** The members that are promised to scripts: docs/doctor.md. */
export function explanationRecord({ connection, ...rest }: Explanation): Record<string, unknown> {
  return { ...rest, ...(connection === undefined ? {} : { connection: connectionRecord(connection) }) }
}

const statusExitCodes: Partial<Readonly<Record<Explanation['status'], ExitCode>>> = {
  needs_reconnect: exitCodes.authorization,
  disconnected: exitCodes.authorization,
  disconnecting: exitCodes.failure,
  unreadable: exitCodes.vault,
}
const oursToMend: ReadonlySet<Cause['code']> = new Set([
  ...(['client_missing', 'client_unknown', 'client_secret_wrong'] as const),
  ...(['redirect_uri_unregistered', 'misconfigured'] as const),
])

/** What a script does next about it: as with any other command. */
export function exitCodeOf({ status, causes }: Explanation): ExitCode {
  const known = statusExitCodes[status]
  if (known !== undefined) return known
  const [cause] = causes
  if (cause !== undefined && oursToMend.has(cause.code)) return exitCodes.usage
  return status === 'failing' ? exitCodes.provider : exitCodes.ok
}

/** The whole explanation as text. */
export function explanationText(explanation: Explanation, output: Output): string {
  const { outColumns: width } = output
  const { summary, causes, timeline, next, upcoming, at } = explanation
  const sections = [
    `${headline(explanation, output)}\n${paragraph(printable(summary), width)}`,
    section(
      output,
      'Why',
      causes.map((cause) => causeText(cause, at, width)),
    ),
    section(
      output,
      'What to do',
      next.map((step) => stepText(step, output)),
    ),
    section(
      output,
      'What happened',
      timeline.map((entry) => entryText(entry, at, width)),
    ),
    section(
      output,
      'What is ahead',
      upcoming.map((one) => forecastText(one, at, width)),
    ),
    section(output, 'Clocks', clocksText(explanation)),
  ]
  return `${sections.filter((text) => text !== '').join('\n\n')}\n`
}

/** `acme for ada (account work): needs_reconnect`. */
function headline(explanation: Explanation, output: Output): string {
  const { provider, user, account, status } = explanation
  const who = printable(`${provider} for ${user}${account === 'default' ? '' : ` (account ${account})`}:`)
  const color = exitCodeOf(explanation) === exitCodes.ok ? 'green' : 'red'
  const narrow = who.length + 1 + status.length > (output.outColumns ?? Number.POSITIVE_INFINITY)
  const title = output.styleOut('bold', paragraph(who, output.outColumns))
  return `${title}${narrow ? '\n' : ' '}${output.styleOut(color, status)}`
}

function section(output: Output, title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : [output.styleOut('bold', title), ...lines].join('\n')
}

function causeText({ code, certainty, text, since, until }: Cause, now: Date, width: number | undefined) {
  const when = [
    since && `since ${instantText(since)}, ${relativeText(since, now)}`,
    until && `until ${instantText(until)}, ${relativeText(until, now)}`,
  ].filter((one) => one !== undefined)
  const more = when.length === 0 ? '' : ` (${when.join('; ')})`
  return paragraph(printable(`${text}${more} [${code}]`), width, 12, `  ${certainty}`)
}

function stepText({ text, command, url }: Explanation['next'][number], output: Output): string {
  // Commands and links stand alone on a line, whole, so that they can be copied.
  return [
    paragraph(printable(text), output.outColumns, 2, '  '),
    ...(command === undefined ? [] : [`    ${output.styleOut('cyan', printable(command))}`]),
    ...(url === undefined ? [] : [`    ${output.styleOut('underline', printable(url))}`]),
  ].join('\n')
}

/** `  2026-01-01T00:00:00Z  3 days ago      ` */
const timeWidth = 42

function entryText({ at, lastAt, count, text }: TimelineEntry, now: Date, width: number | undefined): string {
  const last = count > 1 ? ` Last: ${instantText(lastAt)}, ${relativeText(lastAt, now)}.` : ''
  return timed(at, now, `${text}${last}`, width)
}

function forecastText({ at, text }: Forecast, now: Date, width: number | undefined): string {
  return timed(at, now, text, width)
}

function timed(at: Date, now: Date, text: string, width: number | undefined): string {
  const when = `  ${instantText(at)}  ${relativeText(at, now)}`
  // Narrow terminals get the text below the time.
  if (width !== undefined && width < timeWidth + 30)
    return `${when}\n${paragraph(printable(text), width, 4, '    ')}`
  return paragraph(printable(text), width, timeWidth, when)
}

function clocksText({ clocks: { storeMs, providerMs = 0 } }: Explanation): string[] {
  return [
    ...(Math.abs(storeMs) < 1000 ? [] : [`  The store's clock: ${spanOfClock(storeMs)} this machine's.`]),
    ...(Math.abs(providerMs) < 2000
      ? []
      : [`  The provider's clock: ${spanOfClock(providerMs)} this machine's.`]),
  ]
}
