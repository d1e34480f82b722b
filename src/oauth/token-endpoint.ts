// One request to a token or revocation endpoint: the protocol library builds it, provider data shapes it,
// the tolerant reader reads the answer.
// RFC 6749 sections 4.1.3, 4.1.4 and 6; RFC 7009.
import type * as oauth4webapi from 'oauth4webapi'
import { ConfigurationError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import type { Registration } from './client.ts'
import { clientAuthentication, clientAuthenticationMethod } from './client-authentication.ts'
import type { RequestOptions } from './request-options.ts'
import { type ReadContext, readTokenAnswer, type TokenAnswer } from './response-reader.ts'
import { type Answer, exchange } from './transport.ts'

type Library = typeof oauth4webapi

/** What a builder of one request is handed: the library, and who talks to whom in the library's terms. */
export interface LibraryCall {
  library: Library
  server: oauth4webapi.AuthorizationServer
  client: oauth4webapi.Client
  authentication: oauth4webapi.ClientAuth
  options: { headers: Headers }
}

/** One request, before it is sent. */
export interface EndpointRequest {
  /** `authorization_code`, `refresh_token`, `revocation`: for messages. */
  name: string
  /** Values the request carries that must not come back in an error. */
  secrets: readonly (string | undefined)[]
  /** Default: the provider's `tokenRequestFormat`. */
  format?: Provider['tokenRequestFormat']
  build: (call: LibraryCall) => Promise<Response>
}

/** Loads the protocol library at first use, so that nothing of it is paid for at start-up. */
export function protocolLibrary(): Promise<Library> {
  return import('oauth4webapi')
}

/** Sends a request to a token endpoint and understands the answer. Errors as in {@link readTokenAnswer} and {@link exchange}. */
export async function requestTokens(
  registration: Registration,
  request: EndpointRequest,
  options: RequestOptions,
): Promise<TokenAnswer> {
  let tokens: TokenAnswer | undefined
  await sendThroughLibrary(registration, request, options, (answer, context) => {
    tokens = readTokenAnswer(answer, context)
  })
  if (tokens === undefined) throw new TypeError('The protocol library answered without sending the request.')
  return tokens
}

/** Builds with the library, sends with our transport, and hands the answer to `read`, which throws what is wrong. */
export async function sendThroughLibrary(
  registration: Registration,
  request: EndpointRequest,
  options: RequestOptions,
  read: (answer: Answer, context: ReadContext) => void,
): Promise<void> {
  const library = await protocolLibrary()
  const { provider, client } = registration
  const format = request.format ?? requestFormat(registration)
  const secrets = [client.clientSecret, ...request.secrets].filter((secret) => secret !== undefined)
  const send = async (
    url: string,
    init: { body?: unknown; headers: Record<string, string> },
  ): Promise<Response> => {
    const body = new URLSearchParams(init.body as URLSearchParams)
    const headers = { ...init.headers, ...Object.fromEntries(new Headers(provider.tokenRequestHeaders)) }
    const shaped = shapeRequest(format, url, body, headers)
    const sender = { ...options, fetch: options.fetch ?? client.fetch }
    const answer = await exchange({ who: provider.id, what: request.name, ...shaped }, sender)
    const sent = [...secrets, ...proofs(body, headers)]
    read(answer, { provider, request: request.name, secrets: sent, now: (options.now ?? Date.now)() })
    return new Response(null, { status: 200 })
  }
  await request.build({
    library,
    server: serverMetadata(provider),
    client: { client_id: client.clientId },
    authentication: clientAuthentication(library, registration),
    options: Object.assign(
      { headers: new Headers(provider.tokenRequestHeaders) },
      // `exchange` holds the rule about http, with loopback exempt.
      { [library.customFetch]: send, [library.allowInsecureRequests]: true },
    ),
  })
}

/** What proves who we are, as it was sent: a careless answer quotes that, too. */
function proofs(body: URLSearchParams, headers: Readonly<Record<string, string>>): string[] {
  const credentials = headers['authorization']?.replace(/^\S+ +/, '')
  return [...body.getAll('client_assertion'), ...(credentials === undefined ? [] : [credentials])]
}

/** A provider in the library's terms. Without an issuer nothing is compared to it: id_tokens are then not validated. */
export function serverMetadata(provider: Provider): oauth4webapi.AuthorizationServer {
  const { tokenUrl } = provider
  if (tokenUrl === undefined)
    throw new ConfigurationError(
      'provider_invalid',
      `${provider.id} has no tokenUrl. Set it, or an issuer to discover it from.`,
    )
  return {
    issuer: provider.issuer ?? new URL(tokenUrl).origin,
    token_endpoint: tokenUrl,
    ...(provider.authorizationUrl === undefined ? {} : { authorization_endpoint: provider.authorizationUrl }),
    ...(provider.revocationUrl === undefined ? {} : { revocation_endpoint: provider.revocationUrl }),
    ...(provider.introspectionUrl === undefined ? {} : { introspection_endpoint: provider.introspectionUrl }),
    authorization_response_iss_parameter_supported: provider.issParameterSupported === true,
  }
}

/** A client that authenticates in a JSON body sends one. */
function requestFormat(registration: Registration): NonNullable<Provider['tokenRequestFormat']> {
  const { tokenRequestFormat } = registration.provider
  if (tokenRequestFormat !== undefined) return tokenRequestFormat
  return clientAuthenticationMethod(registration) === 'json_body' ? 'json' : 'form'
}

interface ShapedRequest {
  url: string
  method: 'GET' | 'POST'
  headers: Record<string, string>
  body?: string
}

/** The form in which a provider wants token requests (R5): form, JSON, query string, GET. */
function shapeRequest(
  format: NonNullable<Provider['tokenRequestFormat']>,
  url: string,
  parameters: URLSearchParams,
  headers: Record<string, string>,
): ShapedRequest {
  const { 'content-type': _, ...others } = headers
  switch (format) {
    case 'form':
      return { url, method: 'POST', headers, body: parameters.toString() }
    case 'json':
      return {
        url,
        method: 'POST',
        headers: { ...others, 'content-type': 'application/json' },
        body: JSON.stringify(grouped(parameters)),
      }
    default: {
      const target = new URL(url)
      for (const [name, value] of parameters) target.searchParams.append(name, value)
      return { url: target.href, method: format === 'get' ? 'GET' : 'POST', headers: others }
    }
  }
}

/** Parameters as JSON members; a repeated one becomes a list. */
function grouped(parameters: URLSearchParams): Record<string, string | string[]> {
  const members: Record<string, string | string[]> = {}
  for (const name of new Set(parameters.keys())) {
    const [first = '', ...more] = parameters.getAll(name)
    members[name] = more.length === 0 ? first : [first, ...more]
  }
  return members
}
