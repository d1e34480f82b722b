// An error in the words of the command line: what happened, and the command that helps.
import { inspect } from 'node:util'
import type { AuthorizationRequiredError } from '../errors.ts'
import { type ExitCode, exitCodeFor, isFetchFailure } from './exit-code.ts'
import { inCommandWords } from './library-words.ts'
import { printable } from './output.ts'

/** What the command line said, as far as a hint can use it. */
export interface CommandHints {
  /** The provider it was about. */
  provider?: string | undefined
  /** `--user`. */
  user?: string | undefined
}

/** What is shown of an error. */
export interface Explanation {
  /** One documented word; `unexpected` for what nobody foresaw, `usage` for a wrong command line. */
  code: string
  message: string
  /** What to do next, when the message does not say it already. */
  next?: string
  exitCode: ExitCode
}

/** Explains any error. No secret is shown that its message does not hold, and ours hold none. */
export function explain(error: unknown, hints: CommandHints = {}): Explanation {
  const exitCode = exitCodeFor(error)
  const code = codeOf(error)
  const next = nextStep(error, code, hints)
  return {
    code,
    message: messageOf(error),
    ...(next === undefined ? {} : { next: printable(next) }),
    exitCode,
  }
}

/** The stack, causes included, for `TOOLGRANT_DEBUG=1`. */
export function stackOf(error: unknown): string {
  return printable(inspect(error, { depth: 4 }))
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unexpected'
  if (isFetchFailure(error)) return 'network'
  const { code } = error as { code?: unknown }
  if (error.name === 'CommanderError' || error.name === 'InvalidArgumentError') return 'usage'
  const ours = typeof code === 'string' && error.name.endsWith('Error') && error.name !== 'Error'
  if (!ours || (error.name === 'TypeError' && code !== 'invalid_argument')) return 'unexpected'
  return code
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return printable(String(error))
  const code = codeOf(error)
  if (code === 'usage') return printable(error.message.replace(/^error: /, ''))
  const cause = isFetchFailure(error) || error.name === 'ToolFailedError' ? causeText(error.cause) : ''
  if (isFetchFailure(error)) return printable(`No answer came: ${cause || 'the request failed'}.`)
  const message = inCommandWords(code, error.message)
  return printable(cause && !message.includes(cause) ? `${message} ${cause}` : message)
}

function causeText(cause: unknown): string {
  if (!(cause instanceof Error)) return ''
  const { code } = cause as { code?: unknown }
  return cause.message || (typeof code === 'string' ? code : '')
}

function nextStep(error: unknown, code: string, hints: CommandHints): string | undefined {
  if (error instanceof Error && error.name === 'AuthorizationRequiredError') {
    const required = error as AuthorizationRequiredError
    const { acrValues, maxAgeSeconds } = required.challenge ?? {}
    // `connect` knows nothing of what the API wants of the sign-in.
    if (acrValues !== undefined || maxAgeSeconds !== undefined) return 'Run the same with --connect.'
    return `Run: ${connectCommand(required, hints)}`
  }
  if (code === 'usage') return `See: ${(error as { helpCommand?: string }).helpCommand ?? 'toolgrant --help'}`
  if (code === 'client_missing') return noClientId(error, hints)
  if (code === 'unauthorized' && hints.provider !== undefined)
    return `Consent again with: ${connectCommand({ provider: hints.provider, scopes: [] }, hints)}`
  if (Object.hasOwn(nextSteps, code)) return nextSteps[code]
  return undefined
}

/** A client whose secret is missing has its section already: its message says it all. */
function noClientId(error: unknown, { provider = '<id>' }: CommandHints): string | undefined {
  if (!(error instanceof Error) || !error.message.startsWith('No client id')) return undefined
  return `Where there is no such section yet, this writes it: toolgrant init --provider ${shellWord(provider)}`
}

/** What helps, by code, where the error's own message cannot know the command line. */
const nextSteps: Readonly<Record<string, string>> = {
  provider_unknown:
    'List the providers with: toolgrant providers. One of your own is defined by [providers.<id>] in toolgrant.toml.',
  host_not_allowed:
    'If the token belongs there: toolgrant fetch --allow-host <host>, or api_hosts in [providers.<id>].',
  network: 'Check the URLs in the configuration, the network and the proxy, then try again.',
  scope_mismatch:
    'Ask for what the provider grants with --scopes, or set strict_scopes = false. What was granted stands at the provider until the person ends it there.',
  EADDRINUSE:
    'Choose another port with --port <number>, if the provider accepts it; --port 0 takes any free one.',
  account_ambiguous: 'List the accounts with: toolgrant connections, then choose one with --account <label>.',
  timeout: 'Try again; where a person needs longer, --timeout <seconds> gives more time.',
  tool_unknown: 'List the tools with: toolgrant tools',
  access_denied: 'Nothing was stored. Run the same command again when the person agrees.',
  unexpected: 'This may be a bug. TOOLGRANT_DEBUG=1 shows where it happened.',
}

function connectCommand(
  {
    provider,
    scopes,
    account,
  }: Pick<AuthorizationRequiredError, 'provider' | 'scopes'> & { account?: string | undefined },
  { user }: CommandHints,
): string {
  const words = ['toolgrant connect', shellWord(provider)]
  if (scopes.length > 0) words.push('--scopes', shellWord(scopes.join(' ')))
  if (account !== undefined && account !== 'default') words.push('--account', shellWord(account))
  if (user !== undefined) words.push('--user', shellWord(user))
  return words.join(' ')
}

/** Quoted for a POSIX shell when it has to be. */
export function shellWord(word: string): string {
  return /^(?:[\w./:@%+,-]+|<\w+>)$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
