// A plain HTTP server on loopback that records what it is asked and answers as a test says: for tests of one exchange.
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request as it arrived, body and all. */
export interface ScriptedRequest {
  method: string
  /** Path and query. */
  url: string
  headers: IncomingHttpHeaders
  /** Names and values as they came, in order, repetitions included. */
  rawHeaders: string[]
  body: string
}

/** What to answer: a status, headers and body, or a function that does it by hand. */
export type ScriptedAnswer =
  | { status?: number; headers?: Record<string, string>; body?: unknown }
  | ((response: ServerResponse) => void)

/** The server, listening. */
export interface ScriptedServer {
  /** `http://127.0.0.1:<port>` */
  readonly origin: string
  readonly requests: ScriptedRequest[]
  /** Chooses the answer. May be replaced. */
  answer: (request: ScriptedRequest) => ScriptedAnswer | Promise<ScriptedAnswer>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts it. A body that is no string is sent as JSON. */
export async function startScriptedServer(
  answer: ScriptedServer['answer'] = () => ({}),
): Promise<ScriptedServer> {
  const http = createServer()
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const close = async () => {
    http.closeAllConnections()
    await new Promise((resolve) => http.close(resolve))
  }
  const server: ScriptedServer = {
    origin: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    requests: [],
    answer,
    close,
    [Symbol.asyncDispose]: close,
  }
  http.on('request', async (request, response) => {
    let body = ''
    for await (const chunk of request.setEncoding('utf8')) body += chunk
    const { method = '', url = '', headers, rawHeaders } = request
    const recorded = { method, url, headers, rawHeaders, body }
    server.requests.push(recorded)
    const chosen = await server.answer(recorded)
    if (typeof chosen === 'function') chosen(response)
    else send(response, chosen)
  })
  return server
}

function send(
  response: ServerResponse,
  answer: Exclude<ScriptedAnswer, (response: ServerResponse) => void>,
): void {
  response.writeHead(answer.status ?? 200, { 'content-type': 'application/json', ...answer.headers })
  response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body ?? {}))
}
