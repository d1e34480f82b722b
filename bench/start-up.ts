// What loading costs before anything is done: the CPU of a whole process, against `node -e 0` in the same run.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { median } from './statistics.ts'

/** CPU milliseconds of one process, and its ratio to the baseline of the same rounds. */
export interface StartUp {
  baseline: 'node -e 0'
  baselineCpuMs: number
  importRootRatio: number
  versionRatio: number
}

const root = fileURLToPath(new URL('..', import.meta.url))

/** Alternates the three commands round by round, `perRound` processes at a time, and compares round by round. */
export function measureStartUp(rounds = 15, perRound = 10): StartUp {
  const script = `/tmp/toolgrant-bench-${process.pid}.mjs`
  writeFileSync(script, `await import(${JSON.stringify(`file://${root}dist/index.js`)})\n`)
  const empty = `/tmp/toolgrant-bench-${process.pid}-empty.mjs`
  writeFileSync(empty, '\n')
  const baseline: number[] = []
  const importRoot: number[] = []
  const version: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const zero = cpuOf(['-e', '0'], perRound)
    baseline.push(zero)
    importRoot.push(cpuOf([script], perRound) / zero)
    version.push(cpuOf([`${root}dist/cli/main.js`, '--version'], perRound) / zero)
  }
  return {
    baseline: 'node -e 0',
    baselineCpuMs: median(baseline),
    importRootRatio: median(importRoot),
    versionRatio: median(version),
  }
}

/** CPU (user and system) of one process in milliseconds, from bash's own accounting of its finished children. */
function cpuOf(args: readonly string[], times: number): number {
  const quoted = [process.execPath, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
  const command = `TIMEFORMAT='%3U %3S'; time (for i in $(seq ${times}); do ${quoted} >/dev/null; done)`
  const { stderr } = spawnSync('bash', ['-c', command], { encoding: 'utf8' })
  const [user = 0, system = 0] = stderr.trim().split(/\s+/).map(Number)
  return ((user + system) * 1000) / times
}
