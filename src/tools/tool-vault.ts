// What a toolbox asks of a vault, and nothing more.
import type { Registration, TokenSet, TokenSource } from '../oauth/index.ts'

/** Whose connection, and to what. */
export interface ToolAddress {
  user: string
  provider: string
  account?: string
}

/** What a toolbox reads of a connection. */
export interface ToolConnection {
  readonly provider: string
  readonly account: string
  readonly scopes: readonly string[]
}

/** Requests of a call that went alike. */
export interface UsedRequest {
  /** With its port when that is not the usual one; `-` when the URL was refused, `*` when there were too many kinds. */
  host: string
  method: string
  status?: number
  /** An error's code, when there was no answer. */
  error?: string
  /** Another host, that redirects led to without the token. */
  redirectedTo?: string
  count: number
  /** All of them together, in milliseconds. */
  ms: number
}

/** What a call did with somebody's authorization. */
export interface ToolUse {
  action: 'tool'
  /** `ok`, or an error's code. */
  outcome: string
  user: string
  tool: string
  thread?: string | undefined
  connections: readonly { provider: string; account?: string | undefined }[]
  requests: readonly UsedRequest[]
  tokenGiven?: true | undefined
  ms: number
}

/** The part of {@link Vault} that a toolbox uses. Any object that does the same will do. */
export interface ToolVault {
  /** Tokens of one connection. Throws {@link AuthorizationRequiredError} from `token()` when a person has to consent. */
  source(address: ToolAddress, options?: { scopes?: readonly string[] }): TokenSource
  connection(address: ToolAddress): Promise<ToolConnection | undefined>
  save(address: ToolAddress, tokens: TokenSet): Promise<ToolConnection>
  registration(providerId: string): Promise<Registration>
  /** Writes down each call of a tool that has `auth`. */
  readonly audit?: { record(use: ToolUse): void } | undefined
}
