// Builds dist/ from src/ with tsc, and marks the command line executable.
// Runs as `prepare` too, so that `npm ci` leaves a checkout in which `npx .` works.
import { execFileSync } from 'node:child_process'
import { chmodSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))

rmSync(`${root}/dist`, { recursive: true, force: true })
execFileSync(process.execPath, [tsc, '-p', `${root}/tsconfig.build.json`], { stdio: 'inherit' })
chmodSync(`${root}/dist/cli/main.js`, 0o755)
