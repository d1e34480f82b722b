// The table that the harness prints, and its one line of totals.
import { graceWindows } from './scenario.ts'
import { failureSteps, refreshSteps } from './steps.ts'
import type { Verdict } from './verdict.ts'

/** Everything added up. */
export interface Totals {
  runs: number
  kills: number
  lost: number
  excused: number
  /** Runs in which something was wrong. */
  wrong: number
  reuseViolations: number
  asked: number
  served: number
  told: number
}

/** Adds verdicts up. */
export function totalsOf(verdicts: readonly Verdict[]): Totals {
  const sum = (of: (verdict: Verdict) => number) =>
    verdicts.reduce((total, verdict) => total + of(verdict), 0)
  return {
    runs: verdicts.length,
    kills: sum(({ kills }) => kills),
    lost: sum((verdict) => (isLost(verdict) ? 1 : 0)),
    excused: sum(({ excused }) => (excused === undefined ? 0 : 1)),
    wrong: sum(({ violations }) => (violations.length > 0 ? 1 : 0)),
    reuseViolations: sum(({ reuseViolations }) => reuseViolations),
    asked: sum(({ asked }) => asked),
    served: sum(({ served }) => served),
    told: sum(({ told }) => told),
  }
}

/** One row a fault and grace window. */
export function table(store: string, verdicts: readonly Verdict[]): string {
  const faults = [
    ...new Set(verdicts.map(({ fault }) => (/successor/.test(fault) ? successors : fault))),
  ].sort(byOrder)
  const rows = faults.flatMap((fault) =>
    graceWindows.flatMap((grace) => {
      const cell = verdicts.filter(
        (verdict) =>
          verdict.scenario.graceSeconds === grace &&
          (fault === successors ? /successor/.test(verdict.fault) : verdict.fault === fault),
      )
      return cell.length === 0 ? [] : [rowOf(store, fault, grace, cell)]
    }),
  )
  return columns([heading, ...rows])
}

const successors = 'killed, and its successor too'
const heading = [
  'store',
  'fault',
  'grace',
  'runs',
  'kills',
  'requests',
  'after',
  'reuse',
  'lost',
  'served',
  'told',
  'why lost',
]

function rowOf(store: string, fault: string, grace: number, cell: readonly Verdict[]): string[] {
  const { runs, kills, lost, reuseViolations, asked, served, told } = totalsOf(cell)
  const requests = cell.map((verdict) => verdict.requests)
  const after = cell.flatMap(({ requestsAfter }) => (requestsAfter === undefined ? [] : [requestsAfter]))
  const why = [...new Set(cell.flatMap(({ excused }) => excused ?? []))].join('; ')
  return [
    ...[store, fault, graceName(grace), `${runs}`, `${kills}`, spread(requests), spread(after)],
    ...[`${reuseViolations}`, `${lost}`, `${served}/${asked}`, `${told}`, why],
  ]
}

/** The faults that were not to be, one line each. */
export function violationsOf(verdicts: readonly Verdict[]): string[] {
  return verdicts.flatMap(({ fault, scenario, violations }) =>
    violations.map(
      (line) => `${fault}, grace ${graceName(scenario.graceSeconds)}, ${scenario.latencyMs} ms: ${line}`,
    ),
  )
}

function isLost({ requestsAfter }: Verdict): boolean {
  return requestsAfter === undefined
}

function graceName(seconds: number): string {
  return seconds < 60 ? `${seconds} s` : `${seconds / 60} min`
}

/** `1`, or `1.4 (1–2)`. */
function spread(values: readonly number[]): string {
  if (values.length === 0) return '–'
  const [least, most] = [Math.min(...values), Math.max(...values)]
  if (least === most) return `${least}`
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return `${mean.toFixed(1)} (${least}–${most})`
}

/** As the faults are listed: by kind, and within it by the step of the refresh. */
function byOrder(left: string, right: string): number {
  return rank(left) - rank(right)
}

function rank(name: string): number {
  const kind = ['no fault', 'killed', 'stopped briefly', 'stopped', 'connection cut'].findLastIndex((start) =>
    name.startsWith(start),
  )
  const step = [...refreshSteps, ...failureSteps, 'any time', 'too'].findIndex((end) => name.endsWith(end))
  return kind * 100 + step
}

/** Text in columns. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
