// Global set-up of the whole level: dist/ as the sources are, and what the machine must have besides npm packages, which is
// a Chromium. Installed from Debian's packages where that is possible; otherwise the run stops and says what to do.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chromiumPath } from './chromium.ts'
import { buildOnce } from './dist.ts'

/** Runs once before the first test file of the level. */
export function setup(): void {
  buildOnce()
  installChromium()
}

function installChromium(): void {
  if (chromiumPath() !== undefined) return
  if (!canInstall())
    throw new Error(advice('This machine has no Chromium, and it cannot be installed from here.'))
  process.stderr.write('Installing chromium with apt-get, once, for the browser tests …\n')
  aptGet('update')
  aptGet('install', '--yes', '--no-install-recommends', 'chromium')
  if (chromiumPath() === undefined)
    throw new Error(advice('apt-get installed chromium, but it is not there.'))
}

function canInstall(): boolean {
  return process.env.CHROMIUM_PATH === undefined && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')
}

function aptGet(...args: string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const { status, stderr, error } = spawnSync('apt-get', ['--quiet', ...args], { env, encoding: 'utf8' })
  if (status === 0) return
  const why = error?.message ?? stderr.trim().split('\n').slice(-5).join('\n')
  throw new Error(advice(`"apt-get ${args.join(' ')}" failed:\n${why}`))
}

function advice(problem: string): string {
  return `${problem}
The tests in test/ open a real browser. Do one of these, then run them again:
  Debian, Ubuntu:  sudo apt-get install chromium
  anything else:   install Chromium or Chrome and set CHROMIUM_PATH to its executable
The fast tests need no browser: npm run test:fast`
}
