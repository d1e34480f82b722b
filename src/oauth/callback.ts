// What comes back from the provider with the person, checked before anything of it is used.
// RFC 6749 sections 4.1.2 and 10.12, RFC 9207 (iss), OAuth 2.0 Multiple Response Types (fragment), JARM (signed answers).
import { AuthorizationDeniedError, CallbackError, quote } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import { type Callback, callbackParameters, stateOf } from './callback-parameters.ts'
import type { Client } from './client.ts'
import { resolveEndpoints } from './endpoints.ts'
import { isAtHostOf, sameIssuer } from './issuer.ts'
import type { PendingAuthorization } from './pending-authorization.ts'
import type { RequestOptions } from './request-options.ts'

/**
 * The `state` of a callback, to find its pending authorization by; `undefined` when missing, empty or doubled. Of a
 * signed answer (JARM) the state inside, nothing checked: {@link verifyCallback} does that with what was found.
 *
 * @throws {CallbackError} `callback_invalid` for text that has no parameters at all.
 */
export function callbackState(callback: Callback): string | undefined {
  return stateOf(callback)
}

/** What a callback that passed every check says. */
export interface CallbackAnswer {
  code: string
  /** The further parameters that the provider row lists in `callbackParams` (P29). */
  extra: Record<string, string>
  /** The id_token that came with the code (`code id_token`), checked by {@link verifyCallback}. Secret. */
  idToken?: string
}

/**
 * Checks a callback against its pending authorization: state first, then doubled parameters, expiry, issuer, error (R3).
 * Sends nothing, and so reads no signed answer and no id_token beside a code: {@link verifyCallback} does.
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
  const parameters = plainParameters(provider, pending, callback)
  if (pending.responseType === 'code id_token')
    throw new CallbackError(
      'response_mode_mismatch',
      'This answer has an id_token beside its code. Read it with verifyCallback or authorizationCodeGrant.',
    )
  return answerIn(provider, pending, parameters, options)
}

/**
 * The same for every kind of answer: a signed one (JARM) is read with the keys of the provider's issuer. What the issuer
 * says of itself is known then, too (whether it promises `iss`); a callback with a wrong state causes no request at all.
 *
 * @throws what {@link readCallback} throws; {@link CallbackError} `jwt_invalid`: the signed answer must not be believed.
 * @throws {InvalidResponseError} `id_token_invalid`: an id_token that came with the code is missing or not for it.
 * @throws {NetworkError} {@link TimeoutError} {@link InvalidResponseError}: the issuer's keys cannot be had.
 */
export async function verifyCallback(
  provider: Provider,
  client: Client,
  pending: PendingAuthorization,
  callback: Callback,
  options: RequestOptions = {},
): Promise<CallbackAnswer> {
  const parameters = await verifiedParameters(provider, client, pending, callback, options)
  const answer = answerIn(provider, pending, parameters, options)
  const resolved = await resolveEndpoints(provider, client, options)
  if (resolved !== provider) answerIn(resolved, pending, parameters, options)
  if (pending.responseType !== 'code id_token') return answer
  const { idTokenBeside } = await import('./hybrid-callback.ts')
  return { ...answer, idToken: await idTokenBeside(resolved, client, pending, parameters, options) }
}

/** The parameters of an answer: as they are, or out of the JWT that was signed. Their state is the right one. */
export async function verifiedParameters(
  provider: Provider,
  client: Client,
  pending: PendingAuthorization,
  callback: Callback,
  options: RequestOptions,
): Promise<URLSearchParams> {
  const parameters = callbackParameters(callback, pending)
  if (!parameters.has('response')) return plainParameters(provider, pending, callback)
  assertSingle(parameters, ['response'])
  const { signedParameters } = await import('./signed-callback.ts')
  const response = parameters.get('response') ?? ''
  return signedParameters(provider, client, pending, response, options)
}

function plainParameters(
  provider: Provider,
  pending: PendingAuthorization,
  callback: Callback,
): URLSearchParams {
  const parameters = callbackParameters(callback, pending)
  if (parameters.has('response'))
    throw new CallbackError(
      'response_mode_mismatch',
      'This answer is a signed one (JARM). Read it with verifyCallback or authorizationCodeGrant.',
    )
  assertState(parameters, pending)
  if (pending.responseMode?.endsWith('jwt') === true) throw unsigned(provider, parameters)
  return parameters
}

/** A signed answer was promised; an unsigned one may be anybody's, its error too (JARM section 2.4). */
function unsigned({ id }: Provider, parameters: URLSearchParams): CallbackError {
  const error = parameters.get('error')
  const said = error === null ? '' : ` It says ${quote(error, 100)}: perhaps ${id} does not sign its answers.`
  return new CallbackError(
    'response_mode_mismatch',
    `A signed answer was asked for (JARM), and this one is not signed. It was not used.${said}`,
  )
}

/** What every answer is held against once its state is right: doubled parameters, time, issuer, error. */
export function assertAnswer(
  provider: Provider,
  pending: PendingAuthorization,
  parameters: URLSearchParams,
  options: Pick<RequestOptions, 'now'>,
  names: readonly string[] = codeNames,
): void {
  const single = [
    ...names,
    'id_token',
    'iss',
    'error',
    'error_description',
    ...(provider.callbackParams ?? []),
  ]
  assertSingle(parameters, single)
  assertInTime(pending, options)
  assertIssuer(parameters, pending, provider)
  const error = firstOf(parameters, ['error'], noError)
  if (error !== undefined) throw denied(provider, error, parameters)
  if (firstOf(parameters, [...names]) !== undefined) return
  const code = firstOf(parameters, errorNames, noError)
  if (code !== undefined) throw denied(provider, code, parameters)
}

/** Where a code is. `auth_code`: Alipay, TikTok for Business; `authCode`: DingTalk. */
const codeNames = ['code', 'auth_code', 'authCode']

/** How providers say no that do not know `error` (Facebook, TikTok and others), where there is nothing else. */
const errorNames = ['error_code', 'errorCode', 'errCode', 'errcode', 'error_type', 'error_reason']
const descriptionNames = [
  'error_description',
  'error_message',
  'errorMessage',
  'error_msg',
  'errMsg',
  'errmsg',
]

/** What a careless server writes where it has nothing to say. */
const nothing = /^(?:null|undefined)?$/i
const noError = /^(?:null|undefined|none|false|0)?$/i

/** The first of these parameters that says something. */
function firstOf(
  parameters: URLSearchParams,
  names: readonly string[],
  empty: RegExp = nothing,
): string | undefined {
  const values = names.map((name) => parameters.get(name) ?? '')
  return values.find((value) => !empty.test(value.trim()))
}

function answerIn(
  provider: Provider,
  pending: PendingAuthorization,
  parameters: URLSearchParams,
  options: Pick<RequestOptions, 'now'>,
): CallbackAnswer {
  assertAnswer(provider, pending, parameters, options)
  const code = firstOf(parameters, codeNames)
  if (code !== undefined) return { code, extra: keptParameters(provider, parameters) }
  throw new CallbackError(
    'code_missing',
    'The callback has neither a code nor an error. Paste the whole redirected URL.',
  )
}

/** @throws {CallbackError} `authorization_expired` when the person took longer than the authorization lives. */
export function assertInTime(pending: PendingAuthorization, options: Pick<RequestOptions, 'now'>): void {
  if ((options.now ?? Date.now)() <= pending.expiresAt) return
  throw new CallbackError(
    'authorization_expired',
    `This authorization at ${pending.provider} took too long. Start it again.`,
  )
}

/** @throws {CallbackError} `state_missing`, `state_mismatch`, `duplicate_parameter`. */
export function assertState(parameters: URLSearchParams, pending: PendingAuthorization): void {
  assertSingle(parameters, ['state'])
  const state = parameters.get('state')
  if (!state)
    throw new CallbackError(
      'state_missing',
      `The callback from ${pending.provider} has no state, so nobody can tell who began it. It was not used: start again, from your own page.`,
    )
  if (!sameText(state, pending.state))
    throw new CallbackError(
      'state_mismatch',
      `The state of the callback from ${pending.provider} is not the one that was sent. It was not used. The right one may still come; otherwise start again.`,
    )
}

function assertSingle(parameters: URLSearchParams, names: readonly string[]): void {
  for (const name of names)
    if (parameters.getAll(name).length > 1)
      throw new CallbackError(
        'duplicate_parameter',
        `The callback repeats ${quote(name)} (RFC 6749 section 3.1). It was not used: start again, and if it comes so again, ask the provider.`,
      )
}

/** Compares without telling by its duration where two texts differ. */
function sameText(left: string, right: string): boolean {
  let difference = left.length ^ right.length
  for (let index = 0; index < left.length; index += 1)
    difference |= left.charCodeAt(index) ^ right.charCodeAt(index % Math.max(right.length, 1))
  return difference === 0
}

/** RFC 9207 section 2.4: an `iss` that is present must match; a promised one must be present, unless an id_token says it. */
function assertIssuer(parameters: URLSearchParams, pending: PendingAuthorization, provider: Provider): void {
  const issuer = parameters.get('iss')
  if (issuer === null) {
    const named = parameters.has('id_token') && pending.responseType?.includes('id_token') === true
    if (provider.issParameterSupported !== true || named) return
    throw new CallbackError(
      'issuer_mismatch',
      `${provider.id} promises iss in the callback (RFC 9207), and it is missing. It was not used. If ${provider.id} never sends it, set issParameterSupported: false in the provider.`,
    )
  }
  const varies = provider.issuerVaries === true && isAtHostOf(issuer, pending.issuer)
  if (pending.issuer === undefined) assertAtHome(issuer, provider)
  else if (!varies && !sameIssuer(issuer, pending.issuer))
    throw new CallbackError(
      'issuer_mismatch',
      `The callback comes from the issuer ${quote(issuer)}, not from ${quote(pending.issuer)} (RFC 9207). It was not used. If that is the right one, set issuer in the provider.`,
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

/** Below these everybody can have a name: sign-in services with a host for each customer, and places to host things. */
const sharedHosts =
  /\.(?:(?:auth0|okta|oktapreview|onelogin|amazoncognito|amazonaws|b2clogin|ciamlogin|herokuapp|appspot|onrender)\.com|azurewebsites\.net|(?:github|gitlab)\.io|(?:fly|pages|workers|deno)\.dev|(?:vercel|netlify|web|run|firebaseapp)\.app)$/

/**
 * The last two labels of a URL's host name, three below a second level such as `co.uk`; of an address, a single label or
 * a host below a shared name the whole, with its port.
 */
function siteOf(url: string | undefined): string | undefined {
  if (url === undefined || !URL.canParse(url)) return undefined
  const { host, hostname } = new URL(url)
  if (sharedHosts.test(hostname)) return host
  const site = /(?:[^.]+\.(?=(?:co|com|net|org|gov|edu|ac|or|ne|go)\.[a-z]{2}$))?[^.]+\.[a-z][a-z0-9-]*$/
  return site.exec(hostname)?.[0] ?? host
}

function denied(provider: Provider, error: string, parameters: URLSearchParams): AuthorizationDeniedError {
  return new AuthorizationDeniedError(provider.id, error, firstOf(parameters, descriptionNames))
}

/** Those that the provider row lists (P29). */
export function keptParameters(provider: Provider, parameters: URLSearchParams): Record<string, string> {
  const kept = (provider.callbackParams ?? []).map((name) => [name, parameters.get(name)] as const)
  return Object.fromEntries(kept.filter((entry): entry is [string, string] => entry[1] !== null))
}
