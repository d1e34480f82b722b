// What `toolgrant doctor` found, as data: the vault, the configuration, each provider, and what is wrong, worst first.
// The form of --json: docs/doctor.md.
import type { ProviderProbe } from '../oauth/index.ts'
import type { ConnectionCounts, ProviderSurvey, VaultKey, VaultPlace } from '../vault/index.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'

/** How bad it is. `error`: something does not work. `warning`: it will not, or a person has to act. */
export type Severity = 'error' | 'warning' | 'info'

/** Something that is worth a line, and what to do about it. */
export interface Finding {
  severity: Severity
  /** One word, documented; an error's code where there is an error. */
  code: string
  /** `vault`, `configuration`, or a provider id. */
  about: string
  text: string
  /** What to do: a sentence, a command line or both. */
  next?: string
  /** What the command ends with because of it, when it is an error. */
  exitCode?: ExitCode
}

/** The vault. */
export interface VaultSection {
  /** Absent when the place itself could not be looked at. */
  place?: VaultPlace
  /** Whether it was opened. */
  opened: boolean
  /** The store's clock minus this machine's, in milliseconds. */
  clockOffsetMs?: number
  keys?: readonly VaultKey[]
  connections?: ConnectionCounts
}

/** One provider: as it is configured, used, and as it answers. */
export interface ProviderSection {
  id: string
  name: string
  /** Whether a client id is set. */
  client: boolean
  /** `not_needed`: a public client. */
  secret: 'set' | 'missing' | 'not_needed'
  /** The redirect URI that is used; absent when none is set, or the one that is set can be none. */
  redirectUri?: string
  /** When none is set: where `connect` listens, the port in words. */
  listensAt?: string
  connections?: ProviderSurvey
  probe?: ProviderProbe
}

/** Everything. */
export interface DoctorReport {
  /** The version of this form. Members may be added without a new one. */
  version: 1
  at: Date
  /** No finding is an error. */
  healthy: boolean
  vault: VaultSection
  configuration: { file: string | null; secretsFile: string | null }
  providers: readonly ProviderSection[]
  /** The worst first. */
  findings: readonly Finding[]
}

const ranks: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 }

/** The worst first, each once; alike ones in the order in which they were found. */
export function sorted(findings: readonly Finding[]): Finding[] {
  const once = new Map(findings.map((finding) => [`${finding.about} ${finding.text}`, finding]))
  return [...once.values()].sort((a, b) => ranks[a.severity] - ranks[b.severity])
}

/** The store comes first: without it nothing works. */
const order: readonly ExitCode[] = [exitCodes.vault, exitCodes.usage, exitCodes.provider]

/** What the command ends with: 0 unless something is an error. */
export function exitCodeOfReport({ findings }: DoctorReport): ExitCode {
  const codes = findings
    .filter(({ severity }) => severity === 'error')
    .map(({ exitCode = exitCodes.failure }) => exitCode)
  if (codes.length === 0) return exitCodes.ok
  return order.find((code) => codes.includes(code)) ?? exitCodes.failure
}
