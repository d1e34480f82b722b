// The simulated server's HTTP side: reads requests, sends each to its endpoint, and answers as the script allows.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AuthorizationEndpoint } from './authorization-endpoint.ts'
import { type EndpointName, latencyOf, type ScriptedAnswer } from './behaviour.ts'
import { backchannelEndpoint, deviceEndpoint, verificationPage } from './device-grant.ts'
import { type Exchange, json, type Reply } from './exchange.ts'
import { jwksEndpoint, metadataEndpoint, PATHS } from './metadata.ts'
import type { RequestLog } from './request-log.ts'
import { apiEndpoint, userinfoEndpoint } from './resource-endpoints.ts'
import { deliver, isCarriedOut, madeUpReply, type Script } from './script.ts'
import {
  CIBA,
  DEVICE_CODE,
  introspectionEndpoint,
  readDeviceRequest,
  revocationEndpoint,
  type ServerState,
  tokenEndpoint,
} from './token-endpoint.ts'

const MAX_BODY_BYTES = 1_048_576

/** Listens on 127.0.0.1 and answers. */
export class HttpListener {
  readonly #server: Server
  readonly #state: ServerState
  readonly #log: RequestLog
  readonly #script: Script
  readonly #authorization: AuthorizationEndpoint
  #port = 0

  constructor(state: ServerState, log: RequestLog, script: Script) {
    this.#state = state
    this.#log = log
    this.#script = script
    this.#authorization = new AuthorizationEndpoint(state)
    this.#server = createServer((request, response) => void this.#serve(request, response))
    this.#server.keepAliveTimeout = 60_000
  }

  /** The port that is, or was, listened on. */
  get port(): number {
    return this.#port
  }

  /** Begins to listen; 0 takes any free port. */
  async open(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(port, '127.0.0.1', resolve)
    })
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** Cuts every connection and frees the port. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined)
    response.sendDate = false
    const url = new URL(request.url ?? '/', 'http://127.0.0.1')
    const endpoint = endpointAt(url.pathname)
    const body = await readAll(request)
    if (body === undefined) return deliver(response, json({ error: 'request_too_large' }, 413), {})
    if (endpoint === undefined) return deliver(response, json({ error: 'not_found' }, 404), {})
    const exchange = { endpoint, method: request.method ?? 'GET', url, headers: plainHeaders(request), body }
    const { params } = this.#log.record(exchange, this.#state.clock())
    const refresh = endpoint === 'token' && params['grant_type'] === 'refresh_token'
    const answer = () => this.#answer(exchange, refresh ? ['refresh', 'token'] : [endpoint], response)
    await (refresh ? this.#log.refreshing(answer) : answer())
  }

  async #answer(
    exchange: Exchange,
    names: readonly [EndpointName, ...EndpointName[]],
    response: ServerResponse,
  ): Promise<void> {
    const step = this.#script.next(names)
    const reply = await this.#reply(exchange, step)
    const date = new Date(this.#state.clock()).toUTCString()
    await pause(latencyOf(this.#state.behaviour(), names[0]) + (step.delayMs ?? 0))
    await deliver(response, { ...reply, headers: { date, ...reply.headers } }, step)
  }

  async #reply(exchange: Exchange, step: ScriptedAnswer): Promise<Reply> {
    if (!isCarriedOut(step)) return madeUpReply(step) ?? { status: 200, headers: {}, body: '' }
    const allowed = methodsOf(exchange.endpoint)
    if (allowed !== undefined && !allowed.includes(exchange.method))
      return json({ error: 'invalid_request' }, 405, { allow: allowed.join(', ') })
    try {
      return await this.#route(exchange)
    } catch (error) {
      return json({ error: 'server_error', error_description: String(error) }, 500)
    }
  }

  #route(exchange: Exchange): Reply | Promise<Reply> {
    switch (exchange.endpoint) {
      case 'authorization':
        return this.#authorization.answer(exchange)
      case 'pushed':
        return this.#authorization.push(exchange)
      case 'consent':
        return this.#authorization.decide(exchange)
      case 'revocation':
        return revocationEndpoint(this.#state, exchange)
      case 'introspection':
        return introspectionEndpoint(this.#state, exchange)
      case 'device':
        return deviceEndpoint(this.#state, readDeviceRequest(this.#state, exchange, DEVICE_CODE))
      case 'backchannel':
        return backchannelEndpoint(this.#state, readDeviceRequest(this.#state, exchange, CIBA))
      case 'verification':
        return verificationPage(this.#state, exchange)
      case 'metadata':
        return metadataEndpoint(this.#state, exchange.url.pathname)
      case 'jwks':
        return jwksEndpoint()
      case 'userinfo':
        return userinfoEndpoint(this.#state, exchange)
      case 'api':
        return apiEndpoint(this.#state, exchange)
      default:
        return tokenEndpoint(this.#state, exchange)
    }
  }
}

function endpointAt(path: string): EndpointName | undefined {
  if (path === PATHS.api || path.startsWith(`${PATHS.api}/`)) return 'api'
  if (path === '/.well-known/oauth-authorization-server' || path === '/.well-known/openid-configuration')
    return 'metadata'
  for (const [endpoint, at] of Object.entries(PATHS)) if (at === path) return endpoint as EndpointName
  return undefined
}

function methodsOf(endpoint: EndpointName): readonly string[] | undefined {
  if (endpoint === 'api') return undefined
  if (['authorization', 'userinfo', 'verification'].includes(endpoint)) return ['GET', 'POST']
  return endpoint === 'metadata' || endpoint === 'jwks' ? ['GET', 'HEAD'] : ['POST']
}

/** The body, or nothing when it is too long or never ends. */
async function readAll(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of request) {
      length += chunk.length
      if (length > MAX_BODY_BYTES) return undefined
      chunks.push(chunk)
    }
  } catch {
    return undefined
  }
  return Buffer.concat(chunks).toString('utf8')
}

function pause(milliseconds: number): Promise<void> | undefined {
  if (milliseconds <= 0) return undefined
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref()
  })
}

/** Repeated headers joined by commas (RFC 9110 section 5.3). */
function plainHeaders({ headers }: IncomingMessage): Record<string, string | undefined> {
  const plain: Record<string, string | undefined> = {}
  for (const [name, value] of Object.entries(headers))
    plain[name] = Array.isArray(value) ? value.join(', ') : value
  return plain
}
