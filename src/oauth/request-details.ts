// What an authorization request says besides scopes and security: checked, from options, client and provider row.
// RFC 8707 section 2, RFC 9396 section 2, OAuth 2.0 Multiple Response Types, OpenID Connect Core section 3.1.2.1.
import { argumentError, quote } from '../errors.ts'
import type { Provider, ResponseMode } from '../providers/index.ts'
import type { AuthorizationUrlOptions } from './authorization.ts'
import type { ResponseType } from './authorization-request.ts'
import type { Client } from './client.ts'
import { checkedResources } from './resource-indicators.ts'

/** The details of one request. */
export interface RequestDetails {
  responseMode: ResponseMode | undefined
  /** In seconds. */
  maxAge: number | undefined
  resources: readonly string[]
  authorizationDetails: readonly Readonly<Record<string, unknown>>[]
}

const responseModes: readonly string[] = [
  'query',
  'fragment',
  'form_post',
  'query.jwt',
  'fragment.jwt',
  'form_post.jwt',
  'jwt',
] satisfies ResponseMode[]

/**
 * Gathers and checks them. What was written by hand as an extra parameter counts as well: it has to be known when the
 * answer comes.
 *
 * @throws {TypeError} `invalid_argument` naming the option.
 */
export function requestDetails(
  provider: Provider,
  client: Client,
  responseType: ResponseType,
  options: AuthorizationUrlOptions,
): RequestDetails {
  const { extraParams = {} } = options
  assertClaims(extraParams['claims'])
  const byHand = extraParams['resource']
  const resources = [...(provider.resources ?? []), ...(options.resources ?? []), ...(byHand ? [byHand] : [])]
  return {
    responseMode: responseModeOf(provider, client, responseType, options),
    maxAge: maxAgeOf(options.maxAge ?? extraParams['max_age']),
    resources: checkedResources(resources),
    authorizationDetails: detailsOf(provider, options),
  }
}

function responseModeOf(
  provider: Provider,
  client: Client,
  responseType: ResponseType,
  { responseMode, extraParams }: AuthorizationUrlOptions,
): ResponseMode | undefined {
  const asked = responseMode ?? extraParams?.['response_mode']
  const usual =
    client.responseMode ?? provider.responseMode ?? provider.authorizationParams?.['response_mode']
  const mode = asked ?? usual
  if (mode === undefined || mode === '') return undefined
  const inQuery = responseType !== 'code' && mode.startsWith('query')
  if (inQuery && asked === undefined) return mode.endsWith('jwt') ? 'fragment.jwt' : 'fragment'
  if (inQuery)
    throw argumentError(
      'A token never comes back in a query (OAuth 2.0 Multiple Response Types section 5): leave responseMode out.',
    )
  if (isResponseMode(mode)) return mode
  throw argumentError(`responseMode must be one of ${responseModes.join(', ')}; it is ${quote(mode, 60)}.`)
}

function isResponseMode(mode: string): mode is ResponseMode {
  return responseModes.includes(mode)
}

function maxAgeOf(maxAge: number | string | undefined): number | undefined {
  if (maxAge === undefined || maxAge === '') return undefined
  const seconds = Number(maxAge)
  if (Number.isSafeInteger(seconds) && seconds >= 0) return seconds
  throw argumentError('maxAge must be a whole number of seconds, 0 or more.')
}

function detailsOf(
  provider: Provider,
  { authorizationDetails = [], extraParams = {} }: AuthorizationUrlOptions,
): RequestDetails['authorizationDetails'] {
  const byHand = extraParams['authorization_details'] ? parsed(extraParams['authorization_details']) : []
  if (!Array.isArray(authorizationDetails) || !Array.isArray(byHand)) throw notDetails()
  const details = [...(provider.authorizationDetails ?? []), ...authorizationDetails, ...byHand]
  for (const detail of details)
    if (typeof detail?.['type'] !== 'string' || detail['type'] === '') throw notDetails()
  return details
}

function notDetails(): TypeError {
  return argumentError(
    'authorizationDetails must be a list of objects that name their type, such as [{ type: "payment_initiation" }] (RFC 9396 section 2).',
  )
}

/** OpenID Connect Core section 5.5: a JSON object. A server's refusal of another would say less. */
function assertClaims(claims: string | undefined): void {
  if (claims === undefined || claims === '') return
  const value = parsed(claims)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw argumentError('The parameter claims must be a JSON object (OpenID Connect Core section 5.5).')
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
