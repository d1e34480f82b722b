// The options of the loopback flow (RFC 8252): where it listens, what it shows, whom it tells.
import type { FlowListener } from './flow.ts'
import type { FlowPages } from './page.ts'

/** A name of this machine. `localhost` listens on 127.0.0.1 and, where IPv6 exists, on ::1. */
export type LoopbackHost = '127.0.0.1' | 'localhost' | '::1'

/** A certificate and its key, as PEM files. */
export interface CertificateFiles {
  certFile: string
  keyFile: string
}

/** Where pasted lines come from: `process.stdin`, or any readable stream. */
export interface PasteInput {
  readonly isTTY?: boolean
  on(event: string, listener: (...values: never[]) => void): unknown
  pause(): unknown
  resume(): unknown
}

/** Opens a URL for a person; what it throws is reported, and the flow goes on. */
export type BrowserOpener = (url: string) => unknown

/**
 * Options of the loopback flow. A client's own `redirectUri` decides scheme, host, port and path where these options
 * do not.
 */
export interface LoopbackOptions {
  /**
   * The port to listen on; `0`: any free one. Default: the client's `redirectUri`, else 41539 for https and any free
   * one for http. Flows of one process may share a port; the state of each callback tells them apart.
   */
  port?: number | undefined
  /** Default: the client's `redirectUri`, else `localhost` for https and `127.0.0.1` for http (RFC 8252 section 8.3). */
  host?: LoopbackHost | undefined
  /** The path of the redirect URI. Default: the client's `redirectUri`, else `/`. */
  path?: string | undefined
  /**
   * `true`: the certificate that mkcert made in the data folder, when there is one, else a managed one.
   * `'managed'`: always our own, made and renewed in the data folder; browsers warn of it once. Files: exactly these.
   * Default: as the client's `redirectUri` says, else `false` (http is safe on loopback, RFC 8252 section 8.3).
   */
  https?: boolean | 'managed' | CertificateFiles | undefined
  /** Where certificates are kept, in a folder `certificates`. Default: `TOOLGRANT_DATA`, else toolgrant's folder among the user's data. */
  dataFolder?: string | undefined
  /**
   * Opens the person's browser, or a function that does. Default: only where a person is likely to sit: standard error
   * is a terminal, there is a display, and it is neither CI nor SSH.
   */
  openBrowser?: boolean | BrowserOpener | undefined
  /** Hears what happens. Default: {@link stderrFlowLog}, which tells a person what to do, on standard error only. */
  onEvent?: FlowListener | undefined
  /** Your own final pages. */
  pages?: FlowPages | undefined
  /**
   * A stream whose lines are redirected URLs, pasted by a person whose browser runs elsewhere: `process.stdin`. The
   * flow reads it while it waits, then pauses it, so that it does not keep the process alive. One flow at a time.
   */
  input?: PasteInput | undefined
}
