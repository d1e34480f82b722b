// What a person is asked, as data: for a program to show, for a model to pass on.
import { AuthorizationRequiredError } from '../errors.ts'
import type { ToolConnection } from './tool-vault.ts'

/** One consent that is missing. */
export interface ConsentRequest {
  /** Provider id. */
  readonly provider: string
  /** The account label, when one was named. */
  readonly account: string | undefined
  /** Why: nothing is connected, the grant lacks scopes, or the grant is dead. */
  readonly code: 'not_connected' | 'missing_scope' | 'needs_reconnect'
  /** Send this person there, and nobody else. The same until it expires, however often it is asked for. */
  readonly url: string
  /** Everything the consent covers, what is granted already included. */
  readonly scopes: readonly string[]
  /** What of it has not been granted yet. */
  readonly missing: readonly string[]
  /** A sentence for the person. */
  readonly message: string
  /** Until when `url` can be used. */
  readonly expiresAt: Date
}

/** Options of {@link PendingConsent.wait}. */
export interface WaitOptions {
  /** How long to wait, in milliseconds. Default 300 000. The link stays usable after that. */
  timeoutMs?: number | undefined
  /** Stops waiting; the link stays usable. */
  signal?: AbortSignal | undefined
}

/** A consent that is under way. */
export interface PendingConsent extends ConsentRequest {
  /**
   * Resolves when the person has consented and the connection is saved. Nobody has to wait: saving happens anyway.
   *
   * @throws {AuthorizationDeniedError} at once, when the person or the provider says no.
   * @throws {TimeoutError} when nothing happened in time.
   */
  wait(options?: WaitOptions): Promise<ToolConnection>
}

/** The sentence of {@link ConsentRequest.message}. */
export function consentMessage(
  providerName: string,
  account: string | undefined,
  code: ConsentRequest['code'],
  missing: readonly string[],
  signIn = false,
): string {
  const which =
    account === undefined || account === 'default' ? providerName : `${providerName} (account "${account}")`
  const scopes = missing.length === 0 ? '' : `: ${missing.join(', ')}`
  if (signIn) return `Open the link to sign in at ${which} again: it wants that for what this app is to do.`
  if (code === 'missing_scope') return `Open the link to let this app do more at ${which}${scopes}.`
  if (code === 'needs_reconnect')
    return `The connection to ${which} has ended. Open the link to connect again.`
  return `Open the link to connect ${which}${scopes}.`
}

/** The error that a paused call throws. */
export function consentError(consent: ConsentRequest, cause?: unknown): AuthorizationRequiredError {
  const { provider, scopes, url, account, expiresAt, code } = consent
  return new AuthorizationRequiredError(
    code,
    `${consent.message} Send the person to \`url\`, then repeat the same call.`,
    { provider, scopes, url, expiresAt, ...(account === undefined ? {} : { account }) },
    { cause },
  )
}
