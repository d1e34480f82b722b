// One HTTP server behind loopback flows: routes a callback by its `state` (RFC 6749 section 10.12) to the flow that waits
// for it, in a query, a posted form or a fragment, and turns away cheaply whatever is not a callback.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { CallbackError, ListenError } from '../errors.ts'
import { type Callback, callbackState } from '../oauth/index.ts'
import { unknownStatePage } from './failure.ts'
import type { ListenerCertificate } from './loopback-certificate.ts'
import { failurePage, fragmentPage, type Page } from './page.ts'

/** Sends the answer to a callback; resolves when it is handed to the system, or the browser is gone. */
export type Respond = (page: Page) => Promise<void>

/** One waiting flow, as the listener knows it. */
export interface CallbackRoute {
  state: string
  path: string
  /** Where its answer is: in the query, in the fragment (a page of ours posts it), or posted by a page of the provider. */
  answersBy: 'query' | 'fragment' | 'post'
  /** Handles a callback with the right state and path. Must respond, and must not throw. */
  receive(callback: Callback, respond: Respond): Promise<void>
  /** Hears of a callback on this path that has no state, or one that nobody waits for. */
  refused(error: CallbackError): void
}

/** Limits that keep a stray or hostile peer from costing more than a socket for a few seconds. */
const serverOptions = {
  maxHeaderSize: 64 * 1024, // a long code, and whatever cookies other programs left on localhost
  headersTimeout: 10_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 1_000,
}
const maxConnections = 2_000

function createServer(certificate: ListenerCertificate | undefined): Server {
  const server =
    certificate === undefined
      ? process.getBuiltinModule('node:http').createServer(serverOptions)
      : process.getBuiltinModule('node:https').createServer({
          ...serverOptions,
          cert: certificate.cert,
          key: certificate.key,
          minVersion: 'TLSv1.2',
          handshakeTimeout: 10_000,
        })
  server.maxConnections = maxConnections
  return server
}

/** One server on one address. */
export class Listener {
  readonly address: string
  readonly #impliedPort: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #routes = new Map<string, CallbackRoute>()

  constructor(address: string, certificate: ListenerCertificate | undefined) {
    const server = createServer(certificate)
    this.address = address
    this.#impliedPort = certificate === undefined ? 80 : 443
    this.#server = server
    // Raw connections, so that a TCP peer that never speaks TLS is known as well.
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.#answer(request, response).catch(() => response.destroy())
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => reject(listenError(error, port))
      this.#server.once('error', fail)
      // `exclusive`: workers of a cluster must not share the port, or another one may get the callback.
      this.#server.listen({ host: this.address, port, exclusive: true }, () => {
        this.#server.off('error', fail)
        this.#server.on('error', () => {}) // a connection that could not be accepted is the peer's loss
        resolve()
      })
    })
  }

  add(route: CallbackRoute): void {
    this.#routes.set(route.state, route)
  }

  remove(route: CallbackRoute): void {
    this.#routes.delete(route.state)
  }

  /** Stops listening at once and drops every connection; resolves when all are gone. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      for (const socket of this.#sockets) socket.destroy()
    })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refusal = this.#refusal(request)
    if (refusal !== undefined) return send(response, refusal)
    const { path, query } = targetOf(request)
    const posted = request.method === 'POST' ? await postedForm(request) : undefined
    if (posted instanceof Error) return send(response, textPage(413, posted.message))
    const callback = posted ?? new URL(`?${query}`, 'http://localhost')
    const state = callbackState(callback)
    const route = this.#routes.get(state ?? '')
    if (route?.path === path) return route.receive(callback, (page) => send(response, page))
    if (posted === undefined && state === undefined && this.#waits(path, 'fragment'))
      return send(response, fragmentPage())
    this.#reportUnknown(path, state)
    return send(response, await failurePage(unknownStatePage))
  }

  /** What is not a callback at all: told from the request line and the Host header. */
  #refusal(request: IncomingMessage): Page | undefined {
    if (!this.#isOwnHost(request.headers.host)) return textPage(403, 'This host name is not served here.')
    const { path } = targetOf(request)
    if (!this.#waits(path)) return textPage(404, 'There is nothing here.')
    if (request.method === 'GET') return undefined
    const posts = this.#waits(path, 'fragment') || this.#waits(path, 'post')
    if (!posts) return textPage(405, 'Only GET is answered here.', { allow: 'GET' })
    if (request.method !== 'POST')
      return textPage(405, 'Only GET and POST are answered here.', { allow: 'GET, POST' })
    const isForm = /^application\/x-www-form-urlencoded\b/i.test(request.headers['content-type'] ?? '')
    return isForm ? undefined : textPage(415, 'Only a form is read here.')
  }

  /** Whether a flow waits on this path, and for an answer of this kind. */
  #waits(path: string, answersBy?: CallbackRoute['answersBy']): boolean {
    const waiting = [...this.#routes.values()].filter((route) => route.path === path)
    return waiting.some((route) => answersBy === undefined || route.answersBy === answersBy)
  }

  /** A page of the outside world can have its own name point at 127.0.0.1 (DNS rebinding); our names cannot be its. */
  #isOwnHost(host = ''): boolean {
    const [, name, port] = /^(127\.0\.0\.1|localhost|\[::1\])(?::(\d+))?$/i.exec(host) ?? []
    if (name === undefined) return false
    return Number(port ?? this.#impliedPort) === this.port
  }

  #reportUnknown(path: string, state: string | undefined): void {
    const error =
      state === undefined
        ? new CallbackError('state_missing', 'A callback without one state arrived. It was not used.')
        : new CallbackError(
            'state_mismatch',
            'A callback arrived whose state belongs to no waiting flow. It was not used.',
          )
    for (const route of this.#routes.values()) if (route.path === path) route.refused(error)
  }
}

function targetOf(request: IncomingMessage): { path: string; query: string } {
  const target = request.url ?? ''
  const mark = target.indexOf('?')
  return mark < 0
    ? { path: target, query: '' }
    : { path: target.slice(0, mark), query: target.slice(mark + 1) }
}

/** No answer is longer, in bytes; the same goes for one in a query (`maxHeaderSize`). */
const maxFormBytes = 64 * 1024

/** The body of a posted answer; an `Error` says that it is too large. */
async function postedForm(request: IncomingMessage): Promise<URLSearchParams | Error> {
  let size = 0
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength
    if (size > maxFormBytes) return new Error('This form is too large.')
    text += decoder.decode(chunk, { stream: true })
  }
  return new URLSearchParams(text + decoder.decode())
}

function textPage(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Page {
  return {
    status,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      ...headers,
    },
    body: `${text}\n`,
  }
}

/** How long a browser that does not read may hold up the end of a flow, in milliseconds. */
const sendLimitMs = 1_000

/**
 * The answer to the callback is the page itself, not a redirect to an address without the code: the page would then
 * need the port for longer than the flow, and a browser that came too late would meet a closed port instead of the
 * good news. The code in the address bar is spent, was useless without the PKCE verifier, and goes nowhere: no
 * referrer, no cache, nothing loaded.
 */
function send(response: ServerResponse, page: Page): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed || response.socket?.destroyed !== false) return resolve()
    const limit = setTimeout(resolve, sendLimitMs)
    response.once('close', () => {
      clearTimeout(limit)
      resolve()
    })
    const length = String(new TextEncoder().encode(page.body).byteLength)
    response.writeHead(page.status, { ...page.headers, 'content-length': length, connection: 'close' })
    response.end(page.body)
  })
}

function listenError(error: Error & { code?: string }, port: number): ListenError {
  const elsewhere = 'another one with the option port (--port on the command line)'
  if (error.code === 'EADDRINUSE')
    return new ListenError(
      'EADDRINUSE',
      `Port ${port} is in use by another program. Stop that program, or choose ${elsewhere} and register its redirect URI.`,
      port,
      { cause: error },
    )
  if (error.code === 'EACCES')
    return new ListenError(
      'EACCES',
      `The system does not let this program listen on port ${port}. Choose ${elsewhere}; from 1024 up no privilege is needed.`,
      port,
      { cause: error },
    )
  const options = { cause: error }
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT')
    return new ListenError(
      'EADDRNOTAVAIL',
      'This machine lacks that loopback address. Use host 127.0.0.1.',
      port,
      options,
    )
  return new ListenError(
    'listen_failed',
    `Listening on port ${port} failed. Choose ${elsewhere}.`,
    port,
    options,
  )
}
