// What the vault says when a person has to consent, and why.
import { AuthorizationRequiredError, ConfigurationError, quote } from '../errors.ts'
import { unionScopes } from './granted-scopes.ts'
import type { RowAddress } from './store.ts'

type Place = Pick<RowAddress, 'provider' | 'account'>

/** Nothing is connected at that address. */
export function notConnected(
  address: { provider: string; account?: string | undefined },
  scopes: readonly string[] = [],
): AuthorizationRequiredError {
  const { provider, account } = address
  const which = account === undefined ? '' : ` (account ${quote(account)})`
  return new AuthorizationRequiredError(
    'not_connected',
    `${provider} is not connected for this user${which}. The person has to consent first.`,
    { provider, scopes, ...(account === undefined ? {} : { account }) },
  )
}

/** `vault.forget` ran while the connection was being made, and has the last word. */
export function forgottenMeanwhile({ provider, account }: Place): AuthorizationRequiredError {
  return new AuthorizationRequiredError(
    'not_connected',
    `This user was forgotten while the connection to ${provider} was being made, so it was ended again. Connect it anew if that is wanted.`,
    { provider, account, scopes: [] },
  )
}

/** The grant lacks scopes; the error carries those it has too, so that a consent to all of them loses nothing. */
export function missingScope(
  row: Place,
  granted: readonly string[],
  missing: readonly string[],
): AuthorizationRequiredError {
  return new AuthorizationRequiredError(
    'missing_scope',
    `The connection to ${row.provider} was not granted ${missing.map((scope) => quote(scope)).join(', ')}. The person has to consent to that too.`,
    { provider: row.provider, account: row.account, scopes: unionScopes(granted, missing) },
  )
}

const reconnectReasons: Readonly<Record<string, string>> = {
  refused: 'accepts the grant no longer: it was revoked, ran out, or its refresh token was used elsewhere',
  interrupted:
    'accepts the refresh token no longer, after a refresh that was interrupted between sending and saving',
  expired: 'let the access token expire and issued no refresh token (ask for offline access when connecting)',
  not_renewable: 'does not renew access tokens, and this one has ended',
  rejected: 'refused the access token and issued no refresh token to renew it with',
}

/** The grant is dead, or ended without a way to renew it. The error asks for `scopes`. */
export function needsReconnect(
  { provider, account }: Place,
  reason: string,
  scopes: readonly string[],
  cause?: unknown,
): AuthorizationRequiredError {
  const why = reconnectReasons[reason] ?? 'accepts the grant no longer'
  return new AuthorizationRequiredError(
    'needs_reconnect',
    `${provider} ${why}. The person has to connect again.`,
    { provider, account, scopes },
    { cause },
  )
}

/** Several accounts, and none of them is the default one. */
export function ambiguousAccount(provider: string, accounts: readonly string[]): ConfigurationError {
  const labels = accounts.map((account) => quote(account)).join(', ')
  return new ConfigurationError(
    'account_ambiguous',
    `This user has several accounts at ${provider}: ${labels}. Name one: { account: … }.`,
  )
}
