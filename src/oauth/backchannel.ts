// Client-initiated backchannel authentication, poll mode: the person is asked on a device of theirs.
// OpenID Connect CIBA Core sections 7.1, 7.3, 10.1 and 11.
import { argumentError, InvalidResponseError } from '../errors.ts'
import { joinScopes, type Provider } from '../providers/index.ts'
import { parseBody } from './answer-body.ts'
import type { Client } from './client.ts'
import { definedMembers } from './client-credentials.ts'
import { secondsIn, waitingOf } from './device.ts'
import { resolveEndpoints } from './endpoints.ts'
import { grantTokens } from './grant.ts'
import { type PollingOptions, pollForTokens } from './polling.ts'
import { type EndpointOptions, type ExtraParams, parametersOf } from './request-options.ts'
import { withResources } from './resource-indicators.ts'
import { type ReadContext, throwIfNotSuccess } from './response-reader.ts'
import { type LibraryCall, sendThroughLibrary } from './token-endpoint.ts'
import { isToken, type TokenSet } from './token-set.ts'
import type { Answer } from './transport.ts'

/** Who is to be asked: exactly one hint (CIBA section 7.1). */
export interface BackchannelPerson {
  /** A name, an address, a number that the provider knows the person by. */
  loginHint?: string | undefined
  /** A token with a hint, as the provider defines it. */
  loginHintToken?: string | undefined
  /** An id_token of the person's that this provider issued. */
  idTokenHint?: string | undefined
}

/** Options of `backchannelAuthentication`. */
export interface BackchannelOptions extends EndpointOptions {
  /** `openid` is added. Default: the provider's `defaultScopes`. */
  scopes?: readonly string[] | undefined
  /** Which APIs the token is for (RFC 8707). Default: the provider's `resources`. */
  resources?: readonly string[] | undefined
  /** A few characters shown on both devices, so that the person sees that they belong together. */
  bindingMessage?: string | undefined
  /** A secret of the person's that keeps strangers from asking them, where the provider wants one. */
  userCode?: string | undefined
  /** `acr_values`: how strong the sign-in should be, the best first. */
  acrValues?: readonly string[] | undefined
  /** How long the person should have, in seconds. Default: the provider's choice. */
  requestedExpirySeconds?: number | undefined
}

/** Options of `backchannelGrant`. */
export interface BackchannelGrantOptions extends PollingOptions {}

/** A request that waits for its person. Plain JSON in and out. `authReqId` is secret. */
export interface BackchannelRequest {
  /** Provider id. */
  readonly provider: string
  /** What the tokens are fetched with. Secret. */
  readonly authReqId: string
  /** Milliseconds since 1970: when the request ends. */
  readonly expiresAt: number
  /** How long it lives in all, in seconds. */
  readonly lifetimeSeconds: number
  /** Least time between two requests, in seconds. */
  readonly intervalSeconds: number
  /** The scopes that were asked for. */
  readonly scopes: readonly string[]
}

const grantType = 'urn:openid:params:grant-type:ciba'
/** CIBA section 7.3. */
const defaultIntervalSeconds = 5
/** CIBA section 7.3 requires `expires_in`; where it is left out. */
const assumedLifetimeSeconds = 300

/** Behind `backchannelAuthentication` of grants.ts, which documents it. */
export async function requestBackchannelAuthentication(
  provider: Provider,
  client: Client,
  person: BackchannelPerson,
  options: BackchannelOptions,
): Promise<BackchannelRequest> {
  const hint = hintParameters(person)
  assertPollMode(options.extraParams)
  const resolved = await resolveEndpoints(provider, client, options, ['backchannelAuthenticationUrl'])
  const scopes = [...new Set(['openid', ...(options.scopes ?? resolved.defaultScopes ?? [])])]
  const parameters = parametersOf(options.extraParams, hint, requestParameters(options))
  parameters.set('scope', joinScopes(resolved, scopes))
  withResources(parameters, options.resources ?? resolved.resources ?? [])
  return sendThroughLibrary(
    { provider: resolved, client },
    {
      name: 'backchannel_authentication',
      endpoint: 'backchannelAuthenticationUrl',
      secrets: [person.loginHintToken, person.idTokenHint, options.userCode],
      build: ({ library, server, client: us, authentication, options: call }) =>
        library.backchannelAuthenticationRequest(server, us, authentication, parameters, call),
    },
    options,
    (answer, context) => readRequest(answer, context, scopes),
  )
}

/** CIBA section 7.1: one and only one of the three. */
function hintParameters({
  loginHint,
  loginHintToken,
  idTokenHint,
}: BackchannelPerson): Record<string, string> {
  const hints = Object.entries({
    login_hint: loginHint,
    login_hint_token: loginHintToken,
    id_token_hint: idTokenHint,
  }).filter((entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1] !== '')
  if (hints.length === 1) return Object.fromEntries(hints)
  throw argumentError(
    'backchannelAuthentication needs exactly one of loginHint, loginHintToken and idTokenHint (CIBA section 7.1).',
  )
}

function requestParameters(options: BackchannelOptions): Record<string, string> {
  const { bindingMessage, userCode, acrValues, requestedExpirySeconds: expiry } = options
  if (expiry !== undefined && !(Number.isInteger(expiry) && expiry > 0))
    throw argumentError('backchannelAuthentication: requestedExpirySeconds is a whole number above 0.')
  const parameters = {
    binding_message: bindingMessage,
    user_code: userCode,
    acr_values: acrValues?.join(' '),
    requested_expiry: expiry?.toString(),
  }
  return definedMembers(parameters) as Record<string, string>
}

/** In ping and push mode the provider calls an endpoint of ours (CIBA sections 10.2 and 10.3), and there is none. */
function assertPollMode(extraParams: ExtraParams | undefined): void {
  if (extraParams?.['client_notification_token'] === undefined) return
  throw argumentError(
    'backchannelAuthentication speaks poll mode only: leave client_notification_token out, and register the client with backchannel_token_delivery_mode "poll".',
  )
}

function readRequest(answer: Answer, context: ReadContext, scopes: readonly string[]): BackchannelRequest {
  throwIfNotSuccess(answer, context)
  const body = parseBody(answer.text) ?? {}
  const { auth_req_id: authReqId } = body
  if (!isToken(authReqId))
    throw new InvalidResponseError(
      'response_not_oauth',
      `${context.provider.id} answered the ${context.request} request without an auth_req_id that can be used (CIBA section 7.3). Check its backchannelAuthenticationUrl.`,
      { status: answer.status },
    )
  const lifetimeSeconds = secondsIn(body, 'expires_in') ?? assumedLifetimeSeconds
  return hiddenId({
    provider: context.provider.id,
    authReqId,
    expiresAt: context.now + lifetimeSeconds * 1000,
    lifetimeSeconds,
    intervalSeconds: secondsIn(body, 'interval') ?? defaultIntervalSeconds,
    scopes,
  })
}

/** Keeps `inspect` (and so `console.log`) from showing the request's id; JSON still does. */
function hiddenId(request: BackchannelRequest): BackchannelRequest {
  const shown = { ...request, authReqId: '[redacted]' }
  const hidden = { value: () => shown, enumerable: false }
  Object.defineProperty(request, Symbol.for('nodejs.util.inspect.custom'), hidden)
  return Object.freeze(request)
}

/** Behind `backchannelGrant` of grants.ts, which documents it. */
export async function pollBackchannel(
  provider: Provider,
  client: Client,
  request: BackchannelRequest,
  options: BackchannelGrantOptions,
): Promise<TokenSet> {
  const resolved = await resolveEndpoints(provider, client, options)
  const { idTokenCheck } = await import('./id-token.ts')
  const parameters = parametersOf(resolved.tokenParams, options.extraParams)
  parameters.set('auth_req_id', request.authReqId)
  const grant = {
    name: grantType,
    secrets: [request.authReqId],
    scopes: request.scopes,
    idToken: idTokenCheck(resolved, client, {}, options),
    build: ({ library, server, client: us, authentication, options: call }: LibraryCall) =>
      library.genericTokenEndpointRequest(server, us, authentication, grantType, parameters, call),
  }
  const ask = () => grantTokens(resolved, client, grant, options)
  return pollForTokens(resolved, waitingOf(request), ask, options)
}
