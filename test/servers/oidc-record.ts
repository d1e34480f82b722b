// What the authorization server in oidc.ts saw: every request with its parameters, proofs and outcome, for assertions.
// Takes notes beside the server; changes nothing.
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Context, Provider } from 'oidc-provider'
import { certificateThumbprint, peerCertificate } from './oidc-certificates.ts'

/** The endpoints by the names that tests use. */
export type OidcEndpoint =
  | 'metadata'
  | 'jwks'
  | 'authorization'
  | 'par'
  | 'token'
  | 'revocation'
  | 'introspection'
  | 'userinfo'
  | 'device_authorization'
  | 'device'
  | 'backchannel'
  | 'registration'
  | 'end_session'
  | 'interaction'
  | 'other'

/** A JWT, read and not verified. */
export interface SeenJwt {
  header: Readonly<Record<string, unknown>>
  payload: Readonly<Record<string, unknown>>
}

/** One request as the server saw it, and what came of it. */
export interface SeenRequest {
  readonly endpoint: OidcEndpoint
  readonly method: string
  /** Path and query. */
  readonly url: string
  /** It came over the listener with TLS. */
  readonly tls: boolean
  readonly headers: IncomingHttpHeaders
  /** The query and the form, together. */
  readonly parameters: URLSearchParams
  /** The body as it came. */
  readonly body: string
  /** The `DPoP` header (RFC 9449). */
  readonly dpop: SeenJwt | undefined
  /** `client_assertion` (RFC 7523). */
  readonly clientAssertion: SeenJwt | undefined
  /** `request` (RFC 9101). */
  readonly requestObject: SeenJwt | undefined
  /** `x5t#S256` of the certificate that the client presented (RFC 8705). */
  readonly certificate: string | undefined
  /** Status of the answer. */
  readonly status: number
  /** Headers of the answer. */
  readonly answerHeaders: Readonly<Record<string, unknown>>
  /** Body of the answer. */
  readonly answer: string
  /** The client that the server recognised. */
  clientId?: string
  /** OAuth error code, when the server refused. */
  error?: string
  /** Why, in the server's words. */
  errorDescription?: string
}

/** An event of oidc-provider (`grant.revoked`, `refresh_token.consumed`, …). */
export interface OidcEvent {
  name: string
  clientId?: string
}

/** Everything that one server saw. */
export class OidcRecord {
  readonly requests: SeenRequest[] = []
  readonly events: OidcEvent[] = []
  readonly #byRequest = new WeakMap<IncomingMessage, SeenRequest>()

  /** Requests at one endpoint, in order. */
  to(endpoint: OidcEndpoint): SeenRequest[] {
    return this.requests.filter((request) => request.endpoint === endpoint)
  }

  /** The last request at one endpoint. @throws when there was none. */
  last(endpoint: OidcEndpoint): SeenRequest {
    const found = this.to(endpoint).at(-1)
    if (found === undefined) throw new Error(`No request came to the ${endpoint} endpoint.`)
    return found
  }

  /** Forgets what was seen so far. */
  clear(): void {
    this.requests.length = 0
    this.events.length = 0
  }

  /** Takes a request down. To be called before anything reads it. */
  note(request: IncomingMessage, response: ServerResponse): void {
    const seen = new Seen(request, response)
    this.requests.push(seen)
    this.#byRequest.set(request, seen)
  }

  /** Takes down what a provider says of itself. */
  listen(provider: Provider): void {
    const emit = provider.emit.bind(provider)
    provider.emit = (name: string, ...values: unknown[]) => {
      this.#event(name, values)
      return emit(name, ...values)
    }
  }

  #event(name: string, values: unknown[]): void {
    const ctx = values.find((value): value is Context => isRecord(value) && 'req' in value)
    const clientId = ctx?.oidc?.client?.clientId
    this.events.push({ name, ...(clientId === undefined ? {} : { clientId }) })
    const seen = ctx === undefined ? undefined : this.#byRequest.get(ctx.req)
    if (seen === undefined) return
    if (clientId !== undefined) seen.clientId = clientId
    const failure = values.find((value) => value instanceof Error) as OidcFailure | undefined
    if (failure === undefined) return
    seen.error = failure.error ?? 'server_error'
    seen.errorDescription = [failure.error_description, failure.error_detail ?? failure.message]
      .filter((text) => text !== undefined)
      .join(': ')
  }
}

/** Errors of oidc-provider. */
interface OidcFailure extends Error {
  error?: string
  error_description?: string
  error_detail?: string
}

class Seen implements SeenRequest {
  readonly endpoint: OidcEndpoint
  readonly method: string
  readonly url: string
  readonly tls: boolean
  readonly headers: IncomingHttpHeaders
  readonly certificate: string | undefined
  readonly #response: ServerResponse
  readonly #body: Buffer[] = []
  readonly #answer: Buffer[] = []
  clientId?: string
  error?: string
  errorDescription?: string

  constructor(request: IncomingMessage, response: ServerResponse) {
    const certificate = peerCertificate(request)
    this.method = request.method ?? ''
    this.url = request.url ?? ''
    this.endpoint = endpointOf(this.url.split('?')[0] ?? '')
    this.tls = 'encrypted' in request.socket
    this.headers = request.headers
    this.certificate = certificate === undefined ? undefined : certificateThumbprint(certificate)
    this.#response = response
    tapRequest(request, this.#body)
    tapResponse(response, this.#answer)
  }

  get body(): string {
    return Buffer.concat(this.#body).toString('utf8')
  }

  get parameters(): URLSearchParams {
    const form = this.headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true
    const query = new URLSearchParams(this.url.split('?')[1])
    return new URLSearchParams([...query, ...new URLSearchParams(form ? this.body : '')])
  }

  get status(): number {
    return this.#response.statusCode
  }

  get answer(): string {
    return Buffer.concat(this.#answer).toString('utf8')
  }

  get answerHeaders(): Readonly<Record<string, unknown>> {
    return this.#response.getHeaders()
  }

  get dpop(): SeenJwt | undefined {
    const { dpop } = this.headers
    return typeof dpop === 'string' ? readJwt(dpop) : undefined
  }

  get clientAssertion(): SeenJwt | undefined {
    return readJwt(this.parameters.get('client_assertion'))
  }

  get requestObject(): SeenJwt | undefined {
    return readJwt(this.parameters.get('request'))
  }
}

const endpoints: readonly (readonly [string, OidcEndpoint])[] = [
  ['/.well-known/', 'metadata'],
  ['/jwks', 'jwks'],
  ['/auth', 'authorization'],
  ['/request', 'par'],
  ['/token/revocation', 'revocation'],
  ['/token/introspection', 'introspection'],
  ['/token', 'token'],
  ['/me', 'userinfo'],
  ['/device/auth', 'device_authorization'],
  ['/device', 'device'],
  ['/backchannel', 'backchannel'],
  ['/reg', 'registration'],
  ['/session/end', 'end_session'],
  ['/interaction/', 'interaction'],
]

function endpointOf(path: string): OidcEndpoint {
  return endpoints.find(([start]) => path.startsWith(start))?.[1] ?? 'other'
}

/** Reads a JWT without believing it. `undefined` when it is none. */
export function readJwt(text: string | null): SeenJwt | undefined {
  try {
    const [header, payload] = (text ?? '').split('.', 2).map((part) => JSON.parse(fromBase64Url(part)))
    return isRecord(header) && isRecord(payload) ? { header, payload } : undefined
  } catch {
    return undefined
  }
}

function fromBase64Url(text: string): string {
  return Buffer.from(text, 'base64url').toString('utf8')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** Node's HTTP parser pushes the body in, after the listeners of `request` have run: whoever reads it, it passes here. */
function tapRequest(request: IncomingMessage, chunks: Buffer[]): void {
  const push = request.push.bind(request)
  request.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk instanceof Buffer) chunks.push(Buffer.from(chunk))
    return push(chunk, encoding)
  }
}

function tapResponse(response: ServerResponse, chunks: Buffer[]): void {
  const end = response.end.bind(response) as (...values: unknown[]) => ServerResponse
  response.end = (...values: unknown[]) => {
    if (typeof values[0] === 'string' || values[0] instanceof Buffer) chunks.push(Buffer.from(values[0]))
    return end(...values)
  }
}
