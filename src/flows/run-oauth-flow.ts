// One OAuth flow described by builder functions instead of a provider row: the shape guMCP's services use (P26).
// Over the loopback flow, so that state and PKCE (RFC 7636) come on top of whatever the builders make.
import type { TokenSet } from '../oauth/index.ts'
import type { FlowListener } from './flow.ts'
import type { LoopbackOptions } from './loopback-options.ts'

/** An OAuth application, with the member names of guMCP's `oauth.json`. */
export interface OAuthApplication {
  client_id?: string
  client_secret?: string
  /** Default: `http://localhost:<port>`. Must lead to this machine. */
  redirect_uri?: string
  [member: string]: unknown
}

/** Parameters of a request, by name. */
export type Parameters = Readonly<Record<string, string>>

/** Options of {@link runOAuthFlow}. */
export interface RunOAuthFlowOptions {
  /** Names the service in errors, pages and logs. */
  serviceName: string
  /** Who this is for. Recorded, never sent. */
  userId: string
  scopes: readonly string[]
  authUrlBase: string
  tokenUrl: string
  /** The application's id, secret and whatever else the builders want of it. */
  oauthConfig?: OAuthApplication | undefined
  /** Parameters of the authorization URL, scopes included. State, PKCE and the redirect URI are added, and win. */
  authParamsBuilder: (
    oauthConfig: OAuthApplication,
    redirectUri: string,
    scopes: readonly string[],
  ) => Parameters
  /** Body of the token request. The PKCE verifier is added. Sent as JSON when a header says so, else as a form. */
  tokenDataBuilder: (
    oauthConfig: OAuthApplication,
    redirectUri: string,
    scopes: readonly string[],
    code: string,
  ) => Parameters
  /** Turns the service's answer into a standard one, lifting nested tokens, asking for more. Gets answers with a 2xx status only. */
  processTokenResponse?: (answer: Record<string, unknown>) => object | Promise<object>
  /** Headers of the token request, such as `authorization`. */
  tokenHeaderBuilder?: (oauthConfig: OAuthApplication) => Parameters
  /** Default 8080; `0`: any free port. */
  port?: number | undefined
  /** How long the person has, in milliseconds. Default 120 000. */
  timeoutMs?: number | undefined
  signal?: AbortSignal | undefined
  fetch?: typeof fetch | undefined
  onEvent?: FlowListener | undefined
  openBrowser?: LoopbackOptions['openBrowser']
}

/**
 * Runs a whole authorization code flow on `http://localhost:8080`, with the requests that the builder functions make.
 *
 * @throws {ConfigurationError} `client_missing` when `oauthConfig` has no `client_id`; what the loopback flow throws.
 */
export async function runOAuthFlow(options: RunOAuthFlowOptions): Promise<TokenSet> {
  const { runBuiltFlow } = await import('./built-flow.ts')
  return runBuiltFlow(options)
}
