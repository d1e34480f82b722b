// `npm run bench`: figures as ratios against a named baseline in the same run. One JSON line a figure on stdout;
// `npm run bench -- read race` runs only those, `--full` the sizes that take minutes. The bounds are goals that are printed beside; nothing fails here.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { measureAudit } from './audit.ts'
import { measureDueTick } from './due-tick.ts'
import { measureLockStall } from './lock-stall.ts'
import { measureLoopbackFlow } from './loopback-flow.ts'
import { measureMemory } from './memory.ts'
import { measurePostgresRead } from './postgres-read.ts'
import { measurePostgresTick } from './postgres-tick.ts'
import { measureRefreshRace } from './refresh-race.ts'
import { measureProvedFetch, measureSessionFetch } from './session-fetch.ts'
import { measureStartUp } from './start-up.ts'
import { measureVaultRead } from './vault-read.ts'

const full = process.argv.includes('--full')
const million = full ? 1_000_000 : 100_000

const benchmarks: Record<string, { goal: string; measure: () => unknown }> = {
  start: {
    goal: 'importRootRatio <= 1.3, versionRatio <= 1.35',
    measure: () => {
      execFileSync(process.execPath, [fileURLToPath(new URL('../scripts/build.ts', import.meta.url))])
      return measureStartUp()
    },
  },
  session: { goal: 'ratios <= 1.05', measure: () => measureSessionFetch() },
  proved: { goal: 'ratios <= 1.2', measure: () => measureProvedFetch() },
  read: { goal: 'ratio <= 1.3', measure: () => measureVaultRead(500) },
  readCold: { goal: 'ratio <= 1.3', measure: () => measureVaultRead(10_000) },
  readMany: { goal: 'ratio <= 1.3', measure: () => measureVaultRead(million, million) },
  due: {
    goal: 'ratio <= 1.2',
    measure: () => measureDueTick(full ? [10_000, 100_000, 1_000_000] : [10_000, 100_000]),
  },
  lock: {
    goal: 'storeRefusalMs <= 20, storeStallMs <= 20 where idleStallMs is',
    measure: () => measureLockStall(),
  },
  memory: { goal: 'grownHeapMb <= 10', measure: () => measureMemory(million) },
  race1: { goal: '1 refresh, 0 failed', measure: () => measureRefreshRace(1, 200) },
  race4: { goal: '1 refresh, 0 failed', measure: () => measureRefreshRace(4, 200) },
  slow4: { goal: '1 refresh, 0 failed', measure: () => measureRefreshRace(4, 2000) },
  postgresRead: {
    goal: 'ratio <= 1.15; p99 printed',
    measure: () => measurePostgresRead(full ? 1_000_000 : 100_000),
  },
  postgresTick: {
    goal: 'ratio <= 1.2, idleRatio <= 1.2',
    measure: () => measurePostgresTick(full ? [10_000, 100_000, 1_000_000] : [10_000, 100_000]),
  },
  audit: { goal: 'recordUs <= 5', measure: () => measureAudit() },
  flow: { goal: 'printed', measure: () => measureLoopbackFlow() },
}

if (process.argv.includes('--help')) {
  console.log(`Usage: npm run bench -- [names] [--full]
  names   which benchmarks (default: all): one JSON line each, with the goal beside the figures
  --full  the sizes that take minutes

${Object.entries(benchmarks)
  .map(([name, { goal }]) => `  ${name.padEnd(13)}goal: ${goal}`)
  .join('\n')}`)
  process.exit(0)
}
const wanted = process.argv.slice(2).filter((name) => name !== '--full')
const unknown = wanted.filter((name) => !Object.hasOwn(benchmarks, name))
if (unknown.length > 0) {
  console.error(
    `There is no benchmark ${unknown.join(', ')}. There are: ${Object.keys(benchmarks).join(', ')}.`,
  )
  process.exit(2)
}
for (const [name, { goal, measure }] of Object.entries(benchmarks)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const figures = (await measure()) as Record<string, unknown>
  console.log(JSON.stringify({ bench: name, goal, node: process.version, ...round(figures) }))
}

function round(figures: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(figures).map(([name, value]) => [
      name,
      typeof value === 'number' ? Math.round(value * 1000) / 1000 : value,
    ]),
  )
}
