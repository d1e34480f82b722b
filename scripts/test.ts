// The whole test command: format, lint and types first, then both levels, then one closing line that machines read.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = (name: string) => join(root, 'node_modules', '.bin', name)

function run(command: string, args: readonly string[]): number {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (error !== undefined) throw error
  return status ?? 1
}

const checks = run(bin('biome'), ['check', '.']) || run(bin('tsc'), ['--noEmit'])
const folder = mkdtempSync(join(tmpdir(), 'toolgrant-test-'))
const report = join(folder, 'report.json')
const tests = run(bin('vitest'), [
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
])

let passed = 0
let failed = 0
if (existsSync(report)) {
  const summary = JSON.parse(readFileSync(report, 'utf8'))
  passed = summary.numPassedTests
  failed = summary.numTotalTests - summary.numPassedTests
  // A file that cannot be loaded has no tests to count, and is a failure all the same.
  failed += summary.testResults.filter(
    (file: { status: string; assertionResults: unknown[] }) =>
      file.status === 'failed' && file.assertionResults.length === 0,
  ).length
}
rmSync(folder, { recursive: true, force: true })
if (checks !== 0)
  console.error('Format, lint or types are not clean: run `npm run format`, then `npm run check`.')
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = checks !== 0 || tests !== 0 || passed === 0 || failed > 0 ? 1 : 0
