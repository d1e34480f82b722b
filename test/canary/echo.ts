// A server that says back what it was sent, in every way that careless servers do; otherwise it passes requests on.
import { type ScriptedAnswer, type ScriptedRequest, startScriptedServer } from '../servers/scripted-http.ts'

/** What arrived, as a careless error message would quote it. */
function quoted({ url, headers, body }: ScriptedRequest): string {
  const sent = body || url.slice(url.indexOf('?') + 1)
  return `${sent} with ${headers.authorization ?? 'no authorization'}`
}

/** The values that arrived, decoded, and the two halves of Basic credentials. */
function values({ url, headers, body }: ScriptedRequest): string[] {
  const query = new URL(url, 'http://x').searchParams
  const credentials = headers.authorization?.replace(/^\w+ /, '') ?? ''
  const basic = Buffer.from(credentials, 'base64').toString()
  const sent = body.startsWith('{')
    ? Object.values<string>(JSON.parse(body))
    : [...new URLSearchParams(body).values()]
  return [...sent, ...query.values(), credentials, basic, ...basic.split(':').map(decoded)].filter(
    (text) => text !== '',
  )
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}

const escaped = (text: string) => text.replace(/[&<>"']/g, (each) => `&#${each.charCodeAt(0)};`)
const named = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
const html = { 'content-type': 'text/html' }
const fresh = () => `canary_answer_${crypto.randomUUID()}`

/** Answers that hold what was asked, and answers whose own secrets are in the wrong place. Those end with `canary_answer_…`. */
export const echoes: Readonly<Record<string, (request: ScriptedRequest) => ScriptedAnswer>> = {
  'a description that quotes the request': (request) => ({
    status: 400,
    body: { error: 'invalid_request', error_description: `You sent ${quoted(request)}.` },
  }),
  'a description that quotes each value': (request) => ({
    status: 400,
    body: { error: 'invalid_grant', error_description: values(request).join(' | ') },
  }),
  'a description that quotes the end of each value': (request) => ({
    status: 400,
    body: {
      error: 'invalid_request',
      error_description: values(request)
        .map((text) => `'${text}'`)
        .join(''),
    },
  }),
  'an error that is the request': (request) => ({ status: 400, body: { error: quoted(request) } }),
  'an error in a form': (request) => ({
    status: 400,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      error: 'invalid_request',
      error_description: values(request).join(' '),
    }).toString(),
  }),
  'the request as a form': (request) => ({ status: 400, body: `error=unknown&sent=${quoted(request)}` }),
  'an error object': (request) => ({
    status: 401,
    body: { error: { message: `Bad: ${quoted(request)}`, type: 'OAuthException', code: 190 } },
  }),
  'a list of errors': (request) => ({
    status: 400,
    body: { errors: [{ errorType: 'invalid_client', message: values(request).join(',') }] },
  }),
  'JSON within JSON': (request) => ({
    status: 400,
    body: { error: 'invalid_request', error_description: JSON.stringify({ sent: values(request) }) },
  }),
  'an error inside a success': (request) => ({ body: { ok: false, error: values(request).join(' ') } }),
  'a page': (request) => ({ status: 502, headers: html, body: `<h1>Error</h1><p>${quoted(request)}</p>` }),
  'a page with each value': (request) => ({
    status: 500,
    headers: html,
    body: `<html><body>${values(request)
      .map((text) => `<li>${named(text)}</li>`)
      .join('')}</body></html>`,
  }),
  'a page with each value by number': (request) => ({
    headers: html,
    body: `<html><body>${values(request)
      .map((text) => `<li>${escaped(text)}</li>`)
      .join('')}</body></html>`,
  }),
  'plain words': (request) => ({
    status: 503,
    headers: { 'content-type': 'text/plain' },
    body: `No: ${quoted(request)}`,
  }),
  'plain words with each value': (request) => ({
    status: 400,
    body: `Rejected! ${values(request).join(' and ')}`,
  }),
  'a redirect': (request) => ({ status: 302, headers: { location: `/?${quoted(request)}` } }),
  'headers full of it': (request) => ({
    status: 429,
    headers: {
      'retry-after': encodeURIComponent(quoted(request)),
      'www-authenticate': `Basic realm="${encodeURIComponent(quoted(request))}"`,
    },
    body: { error: 'slow_down' },
  }),
  'members named after it': (request) => ({
    body: Object.fromEntries(values(request).map((text) => [text, text])),
  }),
  'a token type that is the token': () => {
    const token = fresh()
    return { body: { access_token: token, token_type: `urn:${token}` } }
  },
  'a token with a line break': () => ({ body: { access_token: `${fresh()}\n`, token_type: 'bearer' } }),
  'a token beside an error': () => {
    const token = fresh()
    return {
      status: 400,
      body: { access_token: token, error: 'invalid_request', error_description: `${token} is no token` },
    }
  },
  'a nested token beside an error': () => {
    const token = fresh()
    return {
      body: {
        ok: false,
        error: `bad ${token}`,
        authed_user: { access_token: token },
        error_description: token,
      },
    }
  },
  'a token cut off': () => ({ body: `{"access_token":"${fresh()}","refresh_token":"${fresh()}` }),
  'tokens in a list': () => ({ body: [{ access_token: fresh() }, { access_token: fresh() }] }),
  'a token in plain words': () => ({ body: `access_token: ${fresh()}` }),
  'an id_token that is none': () => ({
    body: { access_token: fresh(), token_type: 'bearer', id_token: `${fresh()}.x.y` },
  }),
}

/** A proxy in front of an authorization server. */
export interface EchoingProxy {
  /** `http://127.0.0.1:<port>` */
  readonly origin: string
  /** What it answers to everything; `undefined`: it passes requests on. */
  echo: ((request: ScriptedRequest) => ScriptedAnswer) | undefined
  /** Every secret that it made up. */
  secrets(): string[]
  /** What it was sent. */
  readonly requests: readonly ScriptedRequest[]
  close(): Promise<void>
}

/** Starts it in front of `target`, an origin. */
export async function startEchoingProxy(target: string): Promise<EchoingProxy> {
  const made: string[] = []
  const server = await startScriptedServer(async (request) => {
    if (proxy.echo === undefined) return passedOn(target, request)
    const answer = proxy.echo(request)
    made.push(...(JSON.stringify(answer)?.match(/canary_answer_[\w-]+/g) ?? []))
    return answer
  })
  const proxy: EchoingProxy = {
    origin: server.origin,
    echo: undefined,
    secrets: () => made,
    requests: server.requests,
    close: server.close,
  }
  return proxy
}

async function passedOn(
  target: string,
  { method, url, headers, body }: ScriptedRequest,
): Promise<ScriptedAnswer> {
  const names = ['content-type', 'authorization', 'accept'].filter((name) => headers[name] !== undefined)
  const response = await fetch(target + url, {
    method,
    headers: Object.fromEntries(names.map((name) => [name, String(headers[name])])),
    ...(method === 'GET' ? {} : { body }),
  })
  const type = response.headers.get('content-type')
  return {
    status: response.status,
    headers: type === null ? {} : { 'content-type': type },
    body: await response.text(),
  }
}
