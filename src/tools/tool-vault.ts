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

/** The part of {@link Vault} that a toolbox uses. Any object that does the same will do. */
export interface ToolVault {
  /** Tokens of one connection. Throws {@link AuthorizationRequiredError} from `token()` when a person has to consent. */
  source(address: ToolAddress, options?: { scopes?: readonly string[] }): TokenSource
  connection(address: ToolAddress): Promise<ToolConnection | undefined>
  save(address: ToolAddress, tokens: TokenSet): Promise<ToolConnection>
  registration(providerId: string): Promise<Registration>
}
