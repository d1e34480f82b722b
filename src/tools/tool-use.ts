// What a call did with somebody's authorization, for the audit log: hosts, methods, outcomes, durations. Never a path, a
// query, an argument, a result or a token.
import { RequestRefusedError, ToolgrantError, UnauthorizedError } from '../errors.ts'
import type { UsedRequest } from './tool-vault.ts'

/** So many kinds of requests of one call are told apart; further ones are counted together. */
const mostKinds = 20

/** Fills while a tool runs. */
export class UseTrace {
  #tokenGiven = false
  readonly #requests = new Map<string, UsedRequest>()

  /** Whether the tool took the token itself. */
  get tokenGiven(): boolean {
    return this.#tokenGiven
  }

  /** The tool takes the token itself: where it goes will not be known. */
  give(): void {
    this.#tokenGiven = true
  }

  /** What was requested so far, alike requests together. */
  get requests(): UsedRequest[] {
    return [...this.#requests.values()]
  }

  /** A request that was answered. */
  answered(
    asked: string,
    method: string | undefined,
    { status, redirected, url }: Response,
    ms: number,
  ): void {
    const host = hostOf(asked)
    const led = redirected ? hostOf(url) : host
    this.#add(
      { host, method: methodName(method), status, ...(led === host ? {} : { redirectedTo: led }) },
      ms,
    )
  }

  /** A request that was not answered, or whose answer is an error. */
  failed(asked: string, method: string | undefined, error: unknown, ms: number): void {
    if (error instanceof UnauthorizedError) {
      this.answered(asked, method, error.response, ms)
      return
    }
    // A host that was refused is only text, and may hold what the model wanted to send there.
    const host = error instanceof RequestRefusedError ? refusedHost : hostOf(asked)
    this.#add({ host, method: methodName(method), error: codeOf(error) }, ms)
  }

  #add(kind: Omit<UsedRequest, 'count' | 'ms'>, ms: number): void {
    const { host, method, status, error, redirectedTo } = kind
    let key = `${host} ${method} ${status ?? error} ${redirectedTo}`
    let known = this.#requests.get(key)
    if (known === undefined && this.#requests.size >= mostKinds) {
      key = ''
      known = this.#requests.get(key)
    }
    if (known === undefined) this.#requests.set(key, { ...(key === '' ? furtherKinds : kind), count: 1, ms })
    else {
      known.count += 1
      known.ms += ms
    }
  }
}

const refusedHost = '-'
const furtherKinds = { host: '*', method: '*' }

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : refusedHost
}

function methodName(method = 'GET'): string {
  return /^[a-z]{1,20}$/i.test(method) ? method.toUpperCase() : '*'
}

function codeOf(error: unknown): string {
  if (error instanceof ToolgrantError) return error.code
  if (error instanceof Error && error.name === 'AbortError') return 'aborted'
  return error instanceof TypeError ? 'network' : 'failed'
}
