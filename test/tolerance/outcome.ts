// What should come of an answer of a provider: the form of the tables in this folder.
// RFC 6749 sections 5.1 and 5.2. `test/tolerance.test.ts` asks the public functions.
import type { ProviderFacts } from '../../src/providers/index.ts'

/** What an answer should become. */
export type Outcome = Tokens | Refused | Junk

/** A token set. What is left out: nothing of that kind came. */
export interface Tokens {
  kind: 'tokens'
  accessToken: string
  refresh?: string
  id?: string
  /** Seconds from now; `null`, the default: the provider named no end. */
  in?: number | null
  /** Default: what was asked for. */
  scopes?: readonly string[]
  /** Default `Bearer`. */
  type?: string
  /** Members of the answer that must be found in `raw`, by dotted path. */
  raw?: Readonly<Record<string, unknown>>
  extra?: Readonly<Record<string, unknown>>
  status?: number
}

/** `dead`: only a person's consent helps. `later`: try again. `ours`: somebody has to mend something. */
export type Verdict = 'dead' | 'later' | 'ours'

/** The provider said no. */
export interface Refused {
  kind: 'refused'
  status: number
  error: string
  description: string | undefined
  verdict: Verdict
  retryAfter?: number
}

/** Not an answer of an authorization server, or no token that can be used. */
export interface Junk {
  kind: 'junk'
  status: number
  code: 'response_not_oauth' | 'response_truncated' | 'token_invalid'
  retryAfter?: number
}

/** The circumstances of a case. */
export interface Given {
  /** Default `authorization_code`. */
  request?: 'authorization_code' | 'refresh_token'
  headers?: Readonly<Record<string, string>>
  /** What a provider row has to say; nothing in most cases. */
  row?: Partial<ProviderFacts>
  /** Where honest engineers could disagree: why it is so. */
  note?: string
}

/** Who sends what, what comes of it, under which circumstances. A body that is no text is sent as JSON. */
export type Case = readonly [name: string, body: unknown, outcome: Outcome, given?: Given]

/** A token set should come of it. */
export function tokens(accessToken: string, rest: Omit<Tokens, 'kind' | 'accessToken'> = {}): Tokens {
  return { kind: 'tokens', accessToken, ...rest }
}

/** It is a refusal. */
export function refused(
  status: number,
  error: string,
  description: string | undefined,
  verdict: Verdict,
  retryAfter?: number,
): Refused {
  return {
    kind: 'refused',
    ...{ status, error, description, verdict },
    ...(retryAfter === undefined ? {} : { retryAfter }),
  }
}

/** It is no answer. */
export function junk(status: number, code: Junk['code'] = 'response_not_oauth', retryAfter?: number): Junk {
  return { kind: 'junk', status, code, ...(retryAfter === undefined ? {} : { retryAfter }) }
}

/** The circumstances of a refresh. */
export const renewal = { request: 'refresh_token' } as const
