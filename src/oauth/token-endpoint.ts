// One request to one of a provider's endpoints: the protocol library builds it, provider data and hooks shape it,
// and whoever asked reads the answer. The one door for every request at which the client says who it is.
// RFC 6749 sections 2.3 and 3.2, RFC 7009, RFC 7662, RFC 8705 section 5, RFC 9126.
import type * as oauth4webapi from 'oauth4webapi'
import { argumentError } from '../errors.ts'
import type { MtlsEndpoint, Provider } from '../providers/index.ts'
import type { Registration } from './client.ts'
import {
  clientAuthentication,
  clientAuthenticationMethod,
  presentsCertificate,
} from './client-authentication.ts'
import { type EndpointAnswer, type EndpointCall, type Hook, type Hooks, runHook } from './hooks.ts'
import type { KeyProof } from './key-proof.ts'
import { defaultTimeoutMs, type EndpointOptions } from './request-options.ts'
import { applyQuirks } from './request-quirks.ts'
import { type RequestFormat, type ShapedRequest, shapeRequest } from './request-shape.ts'
import { type ReadContext, readTokenAnswer, type TokenAnswer } from './response-reader.ts'
import { assertEndpoint, serverMetadata } from './server-metadata.ts'
import { inTime } from './time-limit.ts'
import { type Answer, exchange } from './transport.ts'

export { serverMetadata } from './server-metadata.ts'

type Library = typeof oauth4webapi

/** What a builder of one request is handed: the library, and who talks to whom in the library's terms. */
export interface LibraryCall {
  library: Library
  server: oauth4webapi.AuthorizationServer
  client: oauth4webapi.Client
  authentication: oauth4webapi.ClientAuth
  options: { headers: Headers }
  /** Sends what the library has no function for; it passes through the same door. */
  send: (url: string, request: { headers: Record<string, string>; body?: unknown }) => Promise<Response>
}

/** One request, before it is built. */
export interface EndpointRequest {
  /** `authorization_code`, `refresh_token`, `revocation`: for messages and hooks. */
  name: string
  /** The provider member that holds the URL. Default `tokenUrl`. */
  endpoint?: MtlsEndpoint
  /** Values the request carries that must not come back in an error. */
  secrets: readonly (string | undefined)[]
  /** Default: the provider's `tokenRequestFormat` at the token endpoint, `form` elsewhere. */
  format?: RequestFormat | undefined
  /** Private JWK that the tokens are or will be bound to: the request proves that we hold it (DPoP, RFC 9449 section 5). */
  dpopKey?: JsonWebKey | undefined
  /** `false`: the request is authorised in another way, and the client does not say who it is. Default `true`. */
  authenticated?: boolean
  /** Builds the request with the protocol library. Called again when the request has to be sent once more. */
  build: (call: LibraryCall) => Promise<Response>
}

/** Loads the protocol library at first use, so that nothing of it is paid for at start-up. */
export function protocolLibrary(): Promise<Library> {
  return import('oauth4webapi')
}

/** Sends a request to a token endpoint and understands the answer. Errors as in {@link readTokenAnswer} and {@link exchange}. */
export function requestTokens(
  registration: Registration,
  request: EndpointRequest,
  options: EndpointOptions,
): Promise<TokenAnswer> {
  return sendThroughLibrary(registration, request, options, readTokenAnswer)
}

/**
 * Builds a request with the library, sends it with our transport, and hands the answer to `read`, which throws what
 * is wrong. On the way, in this order: the client's proof, the request hook, the provider's format, the proof of a
 * key; then the response hook.
 *
 * @param registration with the provider's endpoints resolved.
 * @throws {ConfigurationError} `provider_invalid` when the provider has no such endpoint; what {@link exchange}, a
 *   hook and `read` throw.
 */
export async function sendThroughLibrary<T>(
  registration: Registration,
  request: EndpointRequest,
  options: EndpointOptions,
  read: (answer: Answer, context: ReadContext) => T | Promise<T>,
): Promise<T> {
  const { provider, client } = registration
  assertEndpoint(provider, request.endpoint ?? 'tokenUrl')
  const sent = await sendWithProof(registration, request, options)
  const answered = { name: request.name, ...sent.answer }
  const { status, headers, text } = await hooked(hooksFor(request, client.hooks).response, answered, options)
  const now = (options.now ?? Date.now)()
  const expectsDpop = request.dpopKey !== undefined
  const context = { provider, request: request.name, secrets: sent.secrets, now, expectsDpop }
  return read({ status, headers, text }, context)
}

/**
 * Sends a request, and once more when the server wants its nonce in the proof of our key: built anew, because a
 * client assertion is good for one request only (RFC 7523 section 3, jti). The time limit holds for both together.
 */
async function sendWithProof(
  registration: Registration,
  request: EndpointRequest,
  options: EndpointOptions,
): Promise<Sent> {
  if (request.dpopKey === undefined) return sendOnce(registration, request, options)
  const { keyProof } = await import('./key-proof.ts')
  const proof = await keyProof(request.dpopKey, options)
  const { timeoutMs = defaultTimeoutMs } = options
  const begun = performance.now()
  const first = await sendOnce(registration, request, options, proof)
  if (!proof.again(first.url, first.answer)) return first
  const left = Math.max(1, timeoutMs - (performance.now() - begun))
  const second = await sendOnce(registration, request, { ...options, timeoutMs: left }, proof)
  proof.again(second.url, second.answer)
  return second
}

/** What came of one sending, and what must not be quoted of it. */
interface Sent {
  url: string
  answer: Answer
  secrets: string[]
}

/** What the library hands to its `fetch`: a form, or the JSON text of a registration. */
interface Built {
  url: string
  body?: unknown
  headers: Record<string, string>
}

async function sendOnce(
  registration: Registration,
  request: EndpointRequest,
  options: EndpointOptions,
  proof?: KeyProof,
): Promise<Sent> {
  const library = await protocolLibrary()
  const { provider, client } = registration
  let sent: Sent | undefined
  const send = async (url: string, built: Omit<Built, 'url'>): Promise<Response> => {
    sent = await transmit(registration, request, options, { url, ...built }, proof)
    return new Response(null, { status: 200 })
  }
  await request.build({
    library,
    server: serverMetadata(provider, { certificate: presentsCertificate(registration) }),
    client: { client_id: client.clientId },
    authentication:
      request.authenticated === false
        ? library.None()
        : await clientAuthentication(library, registration, options),
    send,
    options: Object.assign(
      { headers: new Headers(ownHeaders(provider, options)) },
      // `exchange` holds the rule about http, with loopback exempt.
      { [library.customFetch]: send, [library.allowInsecureRequests]: true },
    ),
  })
  if (sent === undefined) throw new TypeError('The protocol library answered without sending the request.')
  return sent
}

async function transmit(
  registration: Registration,
  request: EndpointRequest,
  options: EndpointOptions,
  built: Built,
  proof: KeyProof | undefined,
): Promise<Sent> {
  const { provider, client } = registration
  // The library sets `accept` for itself; a provider's own word about it wins.
  const headers = new Headers({ ...built.headers, ...ownHeaders(provider, options) })
  const shaped = await shapedRequest(registration, request, { ...built, headers }, options)
  await proof?.prove(shaped.url, shaped.method, shaped.headers)
  const { secrets: proofs, ...wire } = shaped
  const answer = await exchange(
    { who: provider.id, what: request.name, ...wire, headers: Object.fromEntries(shaped.headers) },
    { ...options, fetch: options.fetch ?? client.fetch },
  )
  const secrets = [client.clientSecret, ...request.secrets, ...proofs]
  return { url: shaped.url, answer, secrets: secrets.filter((secret) => secret !== undefined) }
}

/** The provider's own names, the caller's proof and hook, then the format; and what of it proves who we are. */
async function shapedRequest(
  registration: Registration,
  request: EndpointRequest,
  { url, body, headers }: Pick<Built, 'url' | 'body'> & { headers: Headers },
  options: EndpointOptions,
): Promise<ShapedRequest & { secrets: string[] }> {
  if (typeof body === 'string') return { url, method: 'POST', headers, body, secrets: [] }
  const { client } = registration
  const { name, endpoint = 'tokenUrl' } = request
  const format = request.format ?? requestFormat(registration, endpoint)
  const parameters = new URLSearchParams(body instanceof URLSearchParams ? body : '')
  const call: EndpointCall = { name, method: format === 'get' ? 'GET' : 'POST', url, headers, parameters }
  applyQuirks(call, registration, endpoint)
  const plain = { headers: new Headers(headers), parameters: new URLSearchParams(call.parameters) }
  const { authenticate } = request.authenticated === false ? {} : client
  if (authenticate !== undefined)
    await inTime(() => authenticate.call(client, call), 'The function authenticate', options)
  const added = authenticate === undefined ? [] : valuesAdded(plain, call)
  const final = await hooked(hooksFor(request, client.hooks).request, call, options)
  return { ...shapeRequest(final, format), secrets: [...proofs(final), ...added] }
}

/** What a hook leaves of a value, within the time that the request has. */
async function hooked<Value extends EndpointCall | EndpointAnswer>(
  hook: Hook<Value> | undefined,
  value: Value,
  options: EndpointOptions,
): Promise<Value> {
  if (hook === undefined) return value
  return inTime(() => runHook(hook, value), `A hook (${value.name})`, options)
}

/** Headers that the row and the caller add, their names in lower case: a later one wins over an earlier one. */
function ownHeaders(provider: Provider, { extraHeaders }: EndpointOptions): Record<string, string> {
  const named = { ...lowerCased(provider.tokenRequestHeaders), ...lowerCased(extraHeaders) }
  if (!Object.hasOwn(named, 'authorization')) return named
  throw argumentError(
    'Neither tokenRequestHeaders nor extraHeaders set authorization: it is the client authentication (tokenEndpointAuthMethod, or authenticate of the client).',
  )
}

function lowerCased(headers: Readonly<Record<string, string>> | undefined): Record<string, string> {
  return Object.fromEntries(new Headers(headers))
}

/** What proves who we are, as it was sent: a careless answer quotes that, too. */
function proofs({ headers, parameters }: EndpointCall): string[] {
  const credentials = headers.get('authorization')?.replace(/^\S+ +/, '')
  const sent = proofNames.flatMap((name) => parameters.getAll(name))
  return credentials === undefined ? sent : [...sent, credentials]
}

/** Parameters that hold a proof: assertions (RFC 7521), secrets, and the hash of one (Smartsheet). */
const proofNames = ['client_assertion', 'clientAssertion', 'client_secret', 'hash']

/** What a caller's own authentication put into a request. */
function valuesAdded(before: Pick<EndpointCall, 'headers' | 'parameters'>, call: EndpointCall): string[] {
  const headers = [...call.headers].filter(([name, value]) => before.headers.get(name) !== value)
  const parameters = [...call.parameters].filter(
    ([name, value]) => !before.parameters.getAll(name).includes(value),
  )
  return [...headers, ...parameters].map(([, value]) => value)
}

interface HookPair {
  request: Hook<EndpointCall> | undefined
  response: Hook<EndpointAnswer> | undefined
}

/** The hooks for one kind of request (R17). Requests that lead to no token and end none have no hook. */
function hooksFor({ name, endpoint = 'tokenUrl' }: EndpointRequest, hooks: Hooks | undefined): HookPair {
  if (endpoint === 'revocationUrl')
    return { request: hooks?.revocationRequest, response: hooks?.revocationResponse }
  if (endpoint === 'introspectionUrl')
    return { request: hooks?.introspectionRequest, response: hooks?.introspectionResponse }
  if (endpoint !== 'tokenUrl') return { request: undefined, response: undefined }
  return name === 'refresh_token'
    ? { request: hooks?.refreshRequest, response: hooks?.refreshResponse }
    : { request: hooks?.tokenRequest, response: hooks?.tokenResponse }
}

/** A client that authenticates in a JSON body sends one; endpoints beside the token endpoint take a form. */
function requestFormat(registration: Registration, endpoint: MtlsEndpoint): RequestFormat {
  if (endpoint !== 'tokenUrl') return 'form'
  const { provider, client } = registration
  if (provider.tokenRequestFormat !== undefined) return provider.tokenRequestFormat
  if (client.authenticate !== undefined) return 'form'
  return clientAuthenticationMethod(registration) === 'json_body' ? 'json' : 'form'
}
