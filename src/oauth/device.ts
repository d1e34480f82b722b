// The device authorization grant: the person decides in a browser elsewhere, by a short code.
// RFC 8628 sections 3.1 to 3.5.
import { InvalidResponseError } from '../errors.ts'
import { hostKind, joinScopes, type Provider } from '../providers/index.ts'
import { type JsonObject, parseBody } from './answer-body.ts'
import type { Client } from './client.ts'
import { resolveEndpoints } from './endpoints.ts'
import { grantTokens } from './grant.ts'
import { type PollingOptions, pollForTokens, type Waiting } from './polling.ts'
import { type EndpointOptions, parametersOf } from './request-options.ts'
import { withResources } from './resource-indicators.ts'
import { type ReadContext, throwIfNotSuccess } from './response-reader.ts'
import { type LibraryCall, sendThroughLibrary } from './token-endpoint.ts'
import type { TokenSet } from './token-set.ts'
import type { Answer } from './transport.ts'

/** Options of `deviceAuthorization`. */
export interface DeviceAuthorizationOptions extends EndpointOptions {
  /** Default: the provider's `defaultScopes`. */
  scopes?: readonly string[] | undefined
  /** Which APIs the token is for (RFC 8707). Default: the provider's `resources`. */
  resources?: readonly string[] | undefined
}

/** Options of `deviceCodeGrant`. */
export interface DeviceCodeOptions extends PollingOptions {}

/** A device authorization that waits for its person. Plain JSON in and out. `deviceCode` is secret. */
export interface DeviceAuthorization {
  /** Provider id. */
  readonly provider: string
  /** What the tokens are fetched with. Secret: show it to nobody. */
  readonly deviceCode: string
  /** What the person types. */
  readonly userCode: string
  /** Where the person types it. */
  readonly verificationUri: string
  /** The same with the code in it, for a QR code or a link; not every provider has one. */
  readonly verificationUriComplete?: string
  /** Milliseconds since 1970: when the code ends. */
  readonly expiresAt: number
  /** How long it lives in all, in seconds. */
  readonly lifetimeSeconds: number
  /** Least time between two requests, in seconds. */
  readonly intervalSeconds: number
  /** The scopes that were asked for. */
  readonly scopes: readonly string[]
  /** Resource indicators (RFC 8707), repeated in the token request. */
  readonly resources?: readonly string[]
}

const grantType = 'urn:ietf:params:oauth:grant-type:device_code'
/** RFC 8628 section 3.2. */
const defaultIntervalSeconds = 5
/** RFC 8628 requires `expires_in`; where it is left out. */
const assumedLifetimeSeconds = 600

/** Behind `deviceAuthorization` of grants.ts, which documents it. */
export async function requestDeviceAuthorization(
  provider: Provider,
  client: Client,
  options: DeviceAuthorizationOptions,
): Promise<DeviceAuthorization> {
  const resolved = await resolveEndpoints(provider, client, options, ['deviceAuthorizationUrl'])
  const { scopes = resolved.defaultScopes ?? [], resources = resolved.resources ?? [] } = options
  const parameters = parametersOf(options.extraParams)
  if (scopes.length > 0) parameters.set(resolved.scopeParam ?? 'scope', joinScopes(resolved, scopes))
  withResources(parameters, resources)
  const asked = { scopes, ...(resources.length === 0 ? {} : { resources }) }
  return sendThroughLibrary(
    { provider: resolved, client },
    {
      name: 'device_authorization',
      endpoint: 'deviceAuthorizationUrl',
      secrets: [],
      build: ({ library, server, client: us, authentication, options: call }) =>
        library.deviceAuthorizationRequest(server, us, authentication, parameters, call),
    },
    options,
    (answer, context) => readAuthorization(answer, context, asked),
  )
}

function readAuthorization(
  answer: Answer,
  context: ReadContext,
  asked: Pick<DeviceAuthorization, 'scopes' | 'resources'>,
): DeviceAuthorization {
  throwIfNotSuccess(answer, context)
  const body = parseBody(answer.text) ?? {}
  const read = (name: string) => textIn(body, name, answer, context)
  const deviceCode = read('device_code')
  // Google says `verification_url`.
  const uri = pageIn(body, ['verification_uri', 'verification_url'])
  if (uri === undefined) throw unusable('a verification_uri', answer, context)
  const complete = pageIn(body, ['verification_uri_complete', 'verification_url_complete'])
  const lifetimeSeconds = secondsIn(body, 'expires_in') ?? assumedLifetimeSeconds
  return hiddenCode({
    provider: context.provider.id,
    deviceCode,
    userCode: read('user_code'),
    verificationUri: uri,
    ...(complete === undefined ? {} : { verificationUriComplete: complete }),
    expiresAt: context.now + lifetimeSeconds * 1000,
    lifetimeSeconds,
    intervalSeconds: secondsIn(body, 'interval') ?? defaultIntervalSeconds,
    ...asked,
  })
}

/** Text on one line that a terminal can show as it is. */
function textIn(body: JsonObject, name: string, answer: Answer, context: ReadContext): string {
  const value = body[name]
  if (typeof value === 'string' && /^[^\p{C}]{1,2000}$/u.test(value)) return value
  throw unusable(`a ${name}`, answer, context)
}

/** A page that a person may be sent to: https, or on this machine. */
function pageIn(body: JsonObject, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = body[name]
    if (typeof value !== 'string' || value.length > 2000 || !URL.canParse(value)) continue
    const { protocol, hostname, href, username, password } = new URL(value)
    if (username !== '' || password !== '') continue // https://known.example@elsewhere.example/
    if (protocol === 'https:' || (protocol === 'http:' && hostKind(hostname) === 'loopback')) return href
  }
  return undefined
}

/** A number of seconds above zero, whether it came as a number or as text. */
export function secondsIn(body: JsonObject, name: string): number | undefined {
  const value = body[name]
  const seconds = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof seconds === 'number' && seconds > 0 && seconds < 1e9 ? seconds : undefined
}

function unusable(
  what: string,
  { status }: Answer,
  { provider, request }: ReadContext,
): InvalidResponseError {
  return new InvalidResponseError(
    'response_not_oauth',
    `${provider.id} answered the ${request} request without ${what} that can be used (RFC 8628 section 3.2). Check its deviceAuthorizationUrl.`,
    { status },
  )
}

/** Keeps `inspect` (and so `console.log`) from showing the device code; JSON still does. */
function hiddenCode(authorization: DeviceAuthorization): DeviceAuthorization {
  const shown = { ...authorization, deviceCode: '[redacted]' }
  const hidden = { value: () => shown, enumerable: false }
  Object.defineProperty(authorization, Symbol.for('nodejs.util.inspect.custom'), hidden)
  return Object.freeze(authorization)
}

/** Behind `deviceCodeGrant` of grants.ts, which documents it. */
export async function pollDeviceCode(
  provider: Provider,
  client: Client,
  device: DeviceAuthorization,
  options: DeviceCodeOptions,
): Promise<TokenSet> {
  const resolved = await resolveEndpoints(provider, client, options)
  const { idTokenCheck } = await import('./id-token.ts')
  const parameters = parametersOf(resolved.tokenParams, options.extraParams)
  withResources(parameters, device.resources ?? [])
  parameters.set('device_code', device.deviceCode)
  const grant = {
    name: grantType,
    secrets: [device.deviceCode],
    scopes: device.scopes,
    idToken: idTokenCheck(resolved, client, {}, options),
    build: ({ library, server, client: us, authentication, options: call }: LibraryCall) =>
      library.genericTokenEndpointRequest(server, us, authentication, grantType, parameters, call),
  }
  return pollForTokens(
    resolved,
    waitingOf(device),
    () => grantTokens(resolved, client, grant, options),
    options,
  )
}

/** What polling needs to know of an authorization of either kind. */
export function waitingOf(
  request: Pick<DeviceAuthorization, 'expiresAt' | 'lifetimeSeconds' | 'intervalSeconds'>,
): Waiting {
  const { intervalSeconds, lifetimeSeconds } = request
  return { intervalSeconds, lifetimeSeconds, expiresAt: new Date(request.expiresAt) }
}
