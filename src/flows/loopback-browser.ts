// Opening the person's browser on the authorization URL (RFC 8252 section 4.1): only where that can work.
import type { BrowserOpener, LoopbackOptions } from './loopback-options.ts'

/** Who opens the URL; `undefined`: nobody. */
export function browserOpener(option: LoopbackOptions['openBrowser']): BrowserOpener | undefined {
  if (typeof option === 'function') return option
  return (option ?? personIsHere()) ? openInBrowser : undefined
}

/** Whether a person with a display is likely to sit here: a terminal, no CI, no SSH without a forwarded display. */
export function personIsHere(): boolean {
  const { env, platform, stderr } = process
  if (stderr.isTTY !== true || env['CI']) return false
  const display = Boolean(env['DISPLAY'] || env['WAYLAND_DISPLAY'] || env['WSL_DISTRO_NAME'])
  if (platform === 'linux' || env['SSH_CONNECTION'] || env['SSH_TTY']) return display
  return true
}

/** What a browser starter says when it could not. */
const noBrowser = 'no browser could be started'

/** Starts the system's browser. Resolves once it runs, or has handed the URL on; rejects when it could not. */
async function openInBrowser(url: string): Promise<void> {
  const { default: open } = await import('open')
  const starter = await open(url)
  // The starter (xdg-open, open, PowerShell) tells by its exit code whether it found a browser. One that stays is the browser.
  await new Promise<void>((resolve, reject) => {
    const patience = setTimeout(resolve, 5_000)
    patience.unref()
    starter.once('error', () => reject(new Error(noBrowser)))
    starter.once('exit', (code) => {
      clearTimeout(patience)
      if (code === 0 || code === null) resolve()
      else reject(new Error(noBrowser))
    })
  })
}
