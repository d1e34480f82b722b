// Where the browser of the whole level is. No vitest import, so that scripts may ask too.
import { accessSync, constants } from 'node:fs'

/** Places where Chromium usually is; the first is where Debian's package puts it. */
const places = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
]

/** The path of an installed Chromium or Chrome; the environment variable `CHROMIUM_PATH` wins. `undefined` when there is none. */
export function chromiumPath(): string | undefined {
  const chosen = process.env.CHROMIUM_PATH
  return (chosen ? [chosen] : places).find(isExecutable)
}

/** Flags for a quiet, throw-away browser: no sandbox (containers run as root), no traffic of its own. */
export const chromiumFlags: readonly string[] = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
