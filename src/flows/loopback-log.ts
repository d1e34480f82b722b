// What a person reads on standard error while a flow waits. Standard output stays empty: it belongs to the program.
import type { FlowEvent, FlowListener } from './flow.ts'

/** Options of {@link stderrFlowLog}. */
export interface FlowLogOptions {
  /** Provider's name for people. Default: the provider's id. */
  name?: string
  /** Whether a redirected URL may be pasted, which the text then says. Default `false`. */
  paste?: boolean
  /** Takes one piece of text. Default: `process.stderr.write`. */
  write?: (text: string) => void
}

/** The default listener of a loopback flow: tells a person what to do, on standard error only. No secret but the URL's state. */
export function stderrFlowLog(options: FlowLogOptions = {}): FlowListener {
  const write = options.write ?? ((text: string) => void process.stderr.write(text))
  return (event) => {
    const text = textOf(event, options)
    if (text !== undefined) write(`${text}\n`)
  }
}

function textOf(
  event: FlowEvent,
  { name = event.provider, paste = false }: FlowLogOptions,
): string | undefined {
  switch (event.type) {
    case 'listening':
      return event.certificate === 'managed'
        ? 'The browser will warn that it does not know the certificate of localhost: it was made on this computer. Continue there.'
        : undefined
    case 'register-hint':
      return `If ${name} does not know the redirect URI, register exactly this: ${event.redirectUri}${
        event.registerUrl === undefined ? '' : ` (at ${event.registerUrl})`
      }`
    case 'authorize-url':
      return `To connect ${name}, open${within(event.expiresAt)}:\n\n  ${event.url}\n`
    case 'device-code':
      return `To connect ${name}, open on any device:\n\n  ${event.url}\n\nand type the code ${event.userCode}\n`
    case 'browser-failed':
      return `The browser could not be opened (${event.message}). Open the address above yourself.`
    case 'waiting':
      return waitingText(event.timeoutMs, paste)
    case 'paste-refused':
      return `That address cannot be used: ${event.message}`
    case 'token-received':
      return `Connected to ${name}.`
    default:
      return undefined
  }
}

/** A pushed request (RFC 9126) is taken for a minute or so; then there is nothing behind its URL. */
function within(expiresAt: Date | undefined): string {
  return expiresAt === undefined ? '' : ` within ${duration(expiresAt.getTime() - Date.now())}`
}

function waitingText(timeoutMs: number, paste: boolean): string {
  const limit = Number.isFinite(timeoutMs) ? ` for up to ${duration(timeoutMs)}` : ''
  const hint = paste
    ? '\nIs the browser on another computer? Its last page will not load: copy the address of that page and paste it here.'
    : ''
  return `Waiting for the answer${limit}.${hint}`
}

function duration(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000))
  if (seconds < 120) return seconds === 1 ? '1 second' : `${seconds} seconds`
  return `${Math.round(seconds / 60)} minutes`
}
