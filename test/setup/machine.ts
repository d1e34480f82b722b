// Global set-up of the whole level: dist/ as the sources are, a PostgreSQL server, and what the machine must have besides
// npm packages: a Chromium, a PgBouncer and, on Linux, strace. Installed from Debian's packages where that is possible; otherwise the run
// stops (no browser) or the tests that need it fail (the others), and it is said what to do.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chromiumPath } from './chromium.ts'
import { buildOnce } from './dist.ts'
import { pgbouncerAdvice, pgbouncerPath } from './pgbouncer.ts'
import { startSharedPostgres } from './postgres.ts'
import { straceAdvice, stracePath } from './strace.ts'

/** Runs once before the first test file of the level; what it returns runs after the last. */
export async function setup(): Promise<() => Promise<void>> {
  const postgres = startSharedPostgres()
  buildOnce()
  installChromium()
  installPgBouncer()
  installStrace()
  return postgres
}

function installChromium(): void {
  if (chromiumPath() !== undefined) return
  if (!canInstall('CHROMIUM_PATH'))
    throw new Error(advice('This machine has no Chromium, and it cannot be installed from here.'))
  const why = aptGetInstall('chromium', 'for the browser tests')
  if (chromiumPath() === undefined)
    throw new Error(advice(why ?? 'apt-get installed chromium, but it is not there.'))
}

function installPgBouncer(): void {
  if (pgbouncerPath() !== undefined) return
  const why = canInstall('PGBOUNCER_PATH') && aptGetInstall('pgbouncer', 'for the tests of a vault behind it')
  if (pgbouncerPath() === undefined)
    process.stderr.write(
      `There is no PgBouncer, and it cannot be installed from here. ${why || ''}\n${pgbouncerAdvice}\n`,
    )
}

function installStrace(): void {
  if (process.platform !== 'linux' || stracePath() !== undefined) return
  const why = canInstall('STRACE_PATH') && aptGetInstall('strace', 'for the durability check')
  if (stracePath() === undefined)
    process.stderr.write(
      `There is no strace, and it cannot be installed from here. ${why || ''}\n${straceAdvice}\n`,
    )
}

function canInstall(pathVariable: string): boolean {
  return process.env[pathVariable] === undefined && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')
}

/** Installs a Debian package. Returns why that did not work, if it did not. */
function aptGetInstall(name: string, what: string): string | undefined {
  process.stderr.write(`Installing ${name} with apt-get, once, ${what} …\n`)
  return aptGet('update') ?? aptGet('install', '--yes', '--no-install-recommends', name)
}

function aptGet(...args: string[]): string | undefined {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const { status, stderr, error } = spawnSync('apt-get', ['--quiet', ...args], { env, encoding: 'utf8' })
  if (status === 0) return undefined
  const why = error?.message ?? stderr.trim().split('\n').slice(-5).join('\n')
  return `"apt-get ${args.join(' ')}" failed:\n${why}`
}

function advice(problem: string): string {
  return `${problem}
The tests in test/ open a real browser. Do one of these, then run them again:
  Debian, Ubuntu:  sudo apt-get install chromium
  anything else:   install Chromium or Chrome and set CHROMIUM_PATH to its executable
The fast tests need no browser: npm run test:fast`
}
