// The exit codes of the command: one for each thing that a script does next. Documented in docs/cli.md.

/** What the command ends with. */
export const exitCodes = {
  /** Done. */
  ok: 0,
  /** It did not work, and none of the others says why: a tool failed, an API answered 4xx, a bug. */
  failure: 1,
  /** The command line or the configuration has to change. */
  usage: 2,
  /** A person has to consent, or has refused. */
  authorization: 3,
  /** The network or the provider is in trouble: try again later. */
  provider: 4,
  /** The store or its key is in trouble. */
  vault: 5,
  /** The terminal went away (SIGHUP). */
  hungUp: 129,
  /** Interrupted by SIGINT (Ctrl-C). */
  interrupted: 130,
  /** Whoever read stdout went away. */
  brokenPipe: 141,
  /** Ended by SIGTERM. */
  terminated: 143,
} as const

/** One of {@link exitCodes}. */
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** The epilogue of `--help`. */
export const exitCodeHelp = `Exit codes:
  0    done
  1    failed: a tool failed, an API answered 4xx, or something unexpected
  2    the command line or the configuration has to change
  3    a person has to consent (toolgrant connect), or has refused
  4    network or provider trouble: try again later
  5    the store or its key is in trouble
  130  interrupted (Ctrl-C); 129, 143: hung up, terminated; 141: the reader of stdout went away`

const byName: Readonly<Record<string, ExitCode>> = {
  ConfigurationError: exitCodes.usage,
  RequestRefusedError: exitCodes.usage,
  ToolUnknownError: exitCodes.usage,
  ToolInputError: exitCodes.usage,
  ListenError: exitCodes.usage,
  ImportError: exitCodes.usage,
  CommanderError: exitCodes.usage,
  InvalidArgumentError: exitCodes.usage,
  AuthorizationRequiredError: exitCodes.authorization,
  AuthorizationDeniedError: exitCodes.authorization,
  CallbackError: exitCodes.authorization,
  TokenExpiredError: exitCodes.authorization,
  ScopeMismatchError: exitCodes.authorization,
  UnauthorizedError: exitCodes.authorization,
  NetworkError: exitCodes.provider,
  TimeoutError: exitCodes.provider,
  TokenEndpointError: exitCodes.provider,
  InvalidResponseError: exitCodes.provider,
  RefreshFailedError: exitCodes.provider,
  StoreError: exitCodes.vault,
  KeyError: exitCodes.vault,
}

/**
 * The exit code for an error. Goes by `name` and `code`, not by class: a tools module may carry its own copy of
 * this package.
 */
export function exitCodeFor(error: unknown): ExitCode {
  if (!(error instanceof Error)) return exitCodes.failure
  if ((error as { code?: unknown }).code === 'invalid_argument') return exitCodes.usage
  if (isFetchFailure(error)) return exitCodes.provider
  // Trying later is of no use: what we told the provider is wrong.
  if (error.name === 'RefreshFailedError' && (error as { retryable?: unknown }).retryable === false)
    return exitCodes.usage
  if (error.name === 'ToolFailedError' && isFromBelow(error.cause)) return exitCodeFor(error.cause)
  return (Object.hasOwn(byName, error.name) ? byName[error.name] : undefined) ?? exitCodes.failure
}

/** What stopped a tool although the tool itself did nothing wrong: its `fetch` could not get a token. */
function isFromBelow(cause: unknown): boolean {
  return cause instanceof Error && ['RefreshFailedError', 'StoreError', 'KeyError'].includes(cause.name)
}

/** The exit code for an API's answer: by what a script would do next. */
export function exitCodeForStatus(status: number): ExitCode {
  if (status < 400) return exitCodes.ok
  if (status === 401) return exitCodes.authorization
  return status === 429 || status >= 500 ? exitCodes.provider : exitCodes.failure
}

/** What `fetch` itself throws when no answer came: a bare TypeError with the reason as its cause. */
export function isFetchFailure(error: Error): boolean {
  return error.name === 'TypeError' && error.message === 'fetch failed'
}
