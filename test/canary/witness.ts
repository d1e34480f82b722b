// Loaded into a process before it starts (`--import`): writes down every secret that its HTTP servers receive or send, one
// JSON line each, into the file that CANARY_WITNESS names. So a program whose secrets nobody knows can be searched for them.
import { appendFileSync } from 'node:fs'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'

const file = process.env['CANARY_WITNESS'] ?? ''
const names = /^(access_token|refresh_token|id_token|code|code_verifier|client_secret|state|nonce)$/

function note(name: string, value: unknown): void {
  if (typeof value === 'string' && value.length >= 16)
    appendFileSync(file, `${JSON.stringify({ name, value })}\n`)
}

function noteParameters(parameters: Iterable<[string, unknown]>): void {
  for (const [name, value] of parameters) if (names.test(name)) note(name, value)
}

/** A form or a JSON object. */
function noteBody(body: string): void {
  try {
    noteParameters(Object.entries(JSON.parse(body)))
  } catch {
    noteParameters(new URLSearchParams(body))
  }
}

function noteCredentials(authorization = ''): void {
  const [scheme = '', credentials = ''] = authorization.split(' ')
  if (/^bearer$/i.test(scheme)) note('bearer token', credentials)
  if (/^basic$/i.test(scheme))
    note('basic secret', Buffer.from(credentials, 'base64').toString().split(':')[1])
}

function noteUrl(url: string): void {
  noteParameters(new URL(url, 'http://x').searchParams)
}

const { push } = http.IncomingMessage.prototype
http.IncomingMessage.prototype.push = function (this: IncomingMessage, chunk: unknown, ...rest) {
  if (chunk instanceof Uint8Array) noteBody(Buffer.from(chunk).toString())
  return Reflect.apply(push, this, [chunk, ...rest])
}

const { emit } = http.Server.prototype
http.Server.prototype.emit = function (this: http.Server, event: string, ...values: unknown[]) {
  if (event === 'request') watch(...(values as [IncomingMessage, ServerResponse]))
  return Reflect.apply(emit, this, [event, ...values])
} as typeof emit

function watch(request: IncomingMessage, response: ServerResponse): void {
  noteCredentials(request.headers.authorization)
  noteUrl(request.url ?? '')
  const { end } = response
  response.end = function (this: ServerResponse, chunk: unknown, ...rest: unknown[]) {
    const location = this.getHeader('location')
    if (typeof location === 'string') noteUrl(location)
    if (typeof chunk === 'string' || chunk instanceof Uint8Array)
      noteBody(Buffer.from(chunk as string).toString())
    return Reflect.apply(end, this, [chunk, ...rest])
  } as typeof end
}
