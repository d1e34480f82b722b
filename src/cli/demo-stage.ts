// What the demo's story is made of: who takes part, and what is shared between its steps.
import type { Client } from '../oauth/index.ts'
import type { Provider } from '../providers/index.ts'
import type { UserToolbox } from '../tools/index.ts'
import type { Vault } from '../vault/index.ts'
import type { DemoApi, TokenCheck } from './demo-api.ts'
import type { DemoModel, ModelEnvironment, Wire } from './demo-model.ts'
import type { DemoReport } from './demo-report.ts'
import type { Output } from './output.ts'

/** The authorization server that the story runs on. */
export interface DemoServer {
  /** For people. */
  readonly name: string
  readonly issuer: string
  readonly client: Client
  /** Who consents when you do not, for people. */
  readonly person: string
  /** Logs in and consents as a browser does, the redirect to our callback included. */
  consent(authorizationUrl: string): Promise<unknown>
  /** What the API asks about a token. */
  readonly accessToken: TokenCheck
  /** Refresh tokens that were used up by rotation so far. */
  rotations(): number
  /** Grants that died because a used refresh token came again. */
  reuseViolations(): number
  close(): Promise<void>
}

/** Options of {@link runDemo}. */
export interface DemoOptions {
  output: Output
  signal: AbortSignal
  /** `accessTokenSeconds`: how long its access tokens must live. */
  startServer(options: { accessTokenSeconds: number; scopes: readonly string[] }): Promise<DemoServer>
  /** The file that is the command line, for the second process. */
  main: string
  /** Opens the person's own browser instead of the headless one. */
  browser?: boolean
  environment?: ModelEnvironment
  /** The wire format of the scripted model. Default: `openai`. */
  wire?: Wire
}

/** How long the demo's access tokens live. */
export const accessTokenSeconds = 5

/** Whose account it is. */
export const user = 'ada'

/** What the story is made of while it runs. */
export interface Stage {
  options: DemoOptions
  report: DemoReport
  server: DemoServer
  api: DemoApi
  model: DemoModel
  vault: Vault
  provider: Provider
  box: UserToolbox
  folder: string
  key: string
  /** Whose notes the API gave; known after the first call. */
  owner?: string | undefined
  /** Every secret seen on the way; none may turn up in what was told, sent to the model or stored. */
  secrets: Set<string>
}
