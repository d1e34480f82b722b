// The person's browser, as far as a consent needs one: follows redirects, presses Allow, and brings the callback home.
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { DECISION_HEADER } from './authorization-endpoint.ts'
import type { ConsentDecision } from './behaviour.ts'

/** What a browser shows. */
export interface BrowserPage {
  /** Where it ended up. */
  url: string
  status: number
  headers: Readonly<Record<string, string>>
  body: string
}

/** How a page is asked for. */
export interface VisitOptions {
  method?: 'GET' | 'POST'
  headers?: Readonly<Record<string, string>>
  body?: string
}

const LOOPBACK = ['127.0.0.1', '[::1]', 'localhost']

/**
 * Asks for one page, without following redirects. A certificate that nobody vouches for is taken on this machine,
 * as a person does who clicks through the warning.
 */
export function visit(url: string, options: VisitOptions = {}): Promise<BrowserPage> {
  const target = new URL(url)
  const { method = 'GET', headers = {}, body } = options
  const secure = target.protocol === 'https:'
  const rejectUnauthorized = !LOOPBACK.includes(target.hostname)
  const settings = { method, headers: { connection: 'close', ...headers }, agent: false }
  return new Promise((resolve, reject) => {
    const read = (response: IncomingMessage) => readPage(url, response).then(resolve, reject)
    const sent = secure
      ? httpsRequest(target, { ...settings, rejectUnauthorized }, read)
      : httpRequest(target, settings, read)
    sent.on('error', reject).end(body)
  })
}

async function readPage(url: string, response: IncomingMessage): Promise<BrowserPage> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  const headers = Object.entries(response.headers).map(([name, value]) => [name, String(value)])
  const body = Buffer.concat(chunks).toString('utf8')
  return { url, status: response.statusCode ?? 0, headers: Object.fromEntries(headers), body }
}

/**
 * Follows an authorization URL on `origin`, consents, and returns the URL that the browser is sent to, without
 * asking for it.
 *
 * @throws {Error} when the server shows an error page instead of redirecting.
 */
export async function consentAt(origin: string, url: string, decision?: ConsentDecision): Promise<string> {
  const headers: Record<string, string> =
    decision === undefined ? {} : { [DECISION_HEADER]: encodeURIComponent(JSON.stringify(decision)) }
  let shown = await visit(url, { headers })
  const ticket = /name="ticket" value="([^"]+)"/.exec(shown.body)?.[1]
  if (ticket !== undefined) {
    const form = new URLSearchParams({ ticket, decision: decision?.approve === false ? 'deny' : 'allow' })
    const type = { 'content-type': 'application/x-www-form-urlencoded' }
    shown = await visit(`${origin}/consent`, {
      method: 'POST',
      headers: { ...headers, ...type },
      body: `${form}`,
    })
  }
  const { location } = shown.headers
  if (location !== undefined) return new URL(location, url).href
  const text = shown.body
    .replace(/<style>.*<\/style>|<[^>]+>/gs, ' ')
    .replace(/\s+/g, ' ')
    .trim()
  throw new Error(`The simulated server did not redirect: HTTP ${shown.status} ${text.slice(0, 300)}`)
}

/** Asks for a URL and follows redirects, at most ten. */
export async function follow(url: string): Promise<BrowserPage> {
  let shown = await visit(url)
  for (let hops = 0; hops < 10 && shown.status >= 300 && shown.status < 400; hops++) {
    const { location } = shown.headers
    if (location === undefined) break
    shown = await visit(new URL(location, shown.url).href)
  }
  return shown
}
