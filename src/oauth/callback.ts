// What comes back from the provider with the person, checked before anything of it is used.
// RFC 6749 sections 4.1.2 and 10.12, RFC 9207 (iss).
import { AuthorizationDeniedError, CallbackError, quote } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import { sameIssuer } from './issuer.ts'
import type { PendingAuthorization } from './pending-authorization.ts'
import type { RequestOptions } from './request-options.ts'

/** Where a callback can come from: the whole redirected URL, its query, or its parameters. */
export type Callback = string | URL | URLSearchParams

/** The parameters of a callback. */
function callbackParameters(callback: Callback): URLSearchParams {
  if (callback instanceof URLSearchParams) return callback
  if (callback instanceof URL) return callback.searchParams
  const text = callback.trim()
  if (URL.canParse(text)) return new URL(text).searchParams
  const [beforeFragment = ''] = text.split('#') // Facebook ends every callback with `#_=_`
  const query = beforeFragment.slice(beforeFragment.indexOf('?') + 1)
  if (query.includes('=')) return new URLSearchParams(query)
  throw new CallbackError(
    'callback_invalid',
    'This is not a redirected URL: it has no parameters. Paste the whole address, from http to the end.',
  )
}

/**
 * The `state` of a callback, to find its pending authorization by; `undefined` when missing, empty or doubled.
 *
 * @throws {CallbackError} `callback_invalid` for text that has no parameters at all.
 */
export function callbackState(callback: Callback): string | undefined {
  const states = callbackParameters(callback).getAll('state')
  return states.length === 1 && states[0] !== '' ? states[0] : undefined
}

/** What a callback that passed every check says. */
export interface CallbackAnswer {
  code: string
  /** The further parameters that the provider row lists in `callbackParams` (P29). */
  extra: Record<string, string>
}

/**
 * Checks a callback against its pending authorization: state first, then doubled parameters, expiry, issuer, error (R3).
 * Sends nothing.
 *
 * @throws {CallbackError} it must not be used; the right one may still come.
 * @throws {AuthorizationDeniedError} the person or the provider refused.
 */
export function readCallback(
  provider: Provider,
  pending: PendingAuthorization,
  callback: Callback,
  options: Pick<RequestOptions, 'now'> = {},
): CallbackAnswer {
  const parameters = callbackParameters(callback)
  assertState(parameters, pending)
  assertSingle(parameters, ['code', 'iss', 'error', 'error_description', ...(provider.callbackParams ?? [])])
  assertInTime(pending, options)
  assertIssuer(parameters, pending, provider)
  const error = parameters.get('error')
  if (error) throw denied(provider, error, parameters)
  const code = parameters.get('code')
  if (!code)
    throw new CallbackError(
      'code_missing',
      'The callback has neither a code nor an error. Paste the whole redirected URL.',
    )
  return { code, extra: keptParameters(provider, parameters) }
}

/** @throws {CallbackError} `authorization_expired` when the person took longer than the authorization lives. */
export function assertInTime(pending: PendingAuthorization, options: Pick<RequestOptions, 'now'>): void {
  if ((options.now ?? Date.now)() <= pending.expiresAt) return
  throw new CallbackError('authorization_expired', 'This authorization took too long. Start it again.')
}

function assertState(parameters: URLSearchParams, pending: PendingAuthorization): void {
  assertSingle(parameters, ['state'])
  const state = parameters.get('state')
  if (!state)
    throw new CallbackError(
      'state_missing',
      'The callback has no state, so nobody can tell who began it. It was not used.',
    )
  if (!sameText(state, pending.state))
    throw new CallbackError(
      'state_mismatch',
      'The state of the callback is not the one that was sent. It was not used.',
    )
}

function assertSingle(parameters: URLSearchParams, names: readonly string[]): void {
  for (const name of names)
    if (parameters.getAll(name).length > 1)
      throw new CallbackError(
        'duplicate_parameter',
        `The callback repeats ${quote(name)} (RFC 6749 section 3.1). It was not used.`,
      )
}

/** Compares without telling by its duration where two texts differ. */
function sameText(left: string, right: string): boolean {
  let difference = left.length ^ right.length
  for (let index = 0; index < left.length; index += 1)
    difference |= left.charCodeAt(index) ^ right.charCodeAt(index % Math.max(right.length, 1))
  return difference === 0
}

/** RFC 9207 section 2.4: an `iss` that is present must match; a promised one must be present. */
function assertIssuer(parameters: URLSearchParams, pending: PendingAuthorization, provider: Provider): void {
  const issuer = parameters.get('iss')
  if (issuer === null) {
    if (provider.issParameterSupported !== true) return
    throw new CallbackError(
      'issuer_mismatch',
      `${provider.id} promises iss in the callback, and it is missing. It was not used.`,
    )
  }
  if (provider.issuerVaries === true) return
  if (pending.issuer === undefined) assertAtHome(issuer, provider)
  else if (!sameIssuer(issuer, pending.issuer))
    throw new CallbackError(
      'issuer_mismatch',
      `The callback comes from the issuer ${quote(issuer)}, not from ${quote(pending.issuer)} (RFC 9207). It was not used.`,
    )
}

/**
 * A row that names no issuer still has endpoints: an `iss` from another site than theirs is another server's answer,
 * and its code would go to the wrong one (mix-up, RFC 9700 section 4.4).
 */
function assertAtHome(issuer: string, { id, authorizationUrl, tokenUrl }: Provider): void {
  const homes = [authorizationUrl, tokenUrl].map(siteOf).filter((site) => site !== undefined)
  const site = siteOf(issuer)
  if (homes.length === 0 || (site !== undefined && homes.includes(site))) return
  throw new CallbackError(
    'issuer_mismatch',
    `The callback comes from the issuer ${quote(issuer)}, and the endpoints of ${id} are elsewhere (RFC 9207). It was not used. If that is its issuer, set it in the provider.`,
  )
}

/** The last two labels of a URL's host name; of an address or a single label the whole, with its port. */
function siteOf(url: string | undefined): string | undefined {
  if (url === undefined || !URL.canParse(url)) return undefined
  const { host, hostname } = new URL(url)
  return /[^.]+\.[a-z][a-z0-9-]*$/.exec(hostname)?.[0] ?? host
}

function denied(provider: Provider, error: string, parameters: URLSearchParams): AuthorizationDeniedError {
  return new AuthorizationDeniedError(provider.id, error, parameters.get('error_description') || undefined)
}

function keptParameters(provider: Provider, parameters: URLSearchParams): Record<string, string> {
  const kept = (provider.callbackParams ?? []).map((name) => [name, parameters.get(name)] as const)
  return Object.fromEntries(kept.filter((entry): entry is [string, string] => entry[1] !== null))
}
