// One HTTP exchange as plain data: what came in, what goes out, and the OAuth errors. RFC 6749 sections 5.1 and 5.2.
import type { EndpointName } from './behaviour.ts'

/** A request that has been read whole. */
export interface Exchange {
  endpoint: EndpointName
  method: string
  url: URL
  /** By lower-case name. A repeated header is joined by commas, as Node does for all that matter here. */
  headers: Readonly<Record<string, string | undefined>>
  body: string
}

/** An answer that has not been sent. */
export interface Reply {
  status: number
  headers: Readonly<Record<string, string>>
  body: string
}

/** A refusal: what RFC 6749 section 5.2 and RFC 6750 section 3.1 call an error. */
export interface Fault {
  error: string
  description: string
  /** Default: 400. */
  status?: number
}

/** Whether an outcome is a refusal. */
export function isFault(outcome: unknown): outcome is Fault {
  return typeof outcome === 'object' && outcome !== null && 'error' in outcome && 'description' in outcome
}

/** Required on any answer with tokens or other secrets (RFC 6749 section 5.1). */
export const NO_STORE = { 'cache-control': 'no-store', pragma: 'no-cache' } as const

/** A JSON answer. */
export function json(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(value) }
}

/** A refusal as RFC 6749 section 5.2 writes it. A 401 names the Basic scheme. */
export function refusal(fault: Fault): Reply {
  const status = fault.status ?? 400
  const challenge: Record<string, string> =
    status === 401 ? { 'www-authenticate': 'Basic realm="simulator"' } : {}
  return json({ error: fault.error, error_description: fault.description }, status, {
    ...NO_STORE,
    ...challenge,
  })
}

/** A small page. The text is escaped. */
export function page(title: string, body: string, status = 200): Reply {
  const html = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title>
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem}button{font:inherit;padding:.4rem 1.2rem}</style>
<h1>${escapeHtml(title)}</h1>${body}</html>`
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
      ...NO_STORE,
    },
    body: html,
  }
}

/** Text that cannot end an element or attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/**
 * Parameters as RFC 6749 section 3.1 wants them: those without a value count as absent, and none may come twice but
 * those that name targets (RFC 8693 section 2.1, RFC 8707 section 2), of which this has the first.
 */
export function readParameters(search: URLSearchParams): Map<string, string> | Fault {
  const parameters = new Map<string, string>()
  for (const [name, value] of search) {
    if (value === '') continue
    if (parameters.has(name) && (name === 'resource' || name === 'audience')) continue
    if (parameters.has(name))
      return { error: 'invalid_request', description: `the parameter ${name} comes twice` }
    parameters.set(name, value)
  }
  return parameters
}

/** The body of a token, revocation or introspection request: form-encoded, or JSON where the server is told so. */
export function readBody(exchange: Exchange, format: 'form' | 'json'): Map<string, string> | Fault {
  const wanted = format === 'json' ? 'application/json' : 'application/x-www-form-urlencoded'
  const sent = exchange.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (sent !== wanted) return { error: 'invalid_request', description: `the content type must be ${wanted}` }
  if (exchange.url.search !== '')
    return { error: 'invalid_request', description: 'parameters must be in the body, not in the URL' }
  return format === 'form' ? readParameters(new URLSearchParams(exchange.body)) : readJson(exchange.body)
}

function readJson(body: string): Map<string, string> | Fault {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return { error: 'invalid_request', description: 'the body is not JSON' }
  }
  if (typeof value !== 'object' || value === null)
    return { error: 'invalid_request', description: 'the body is not a JSON object' }
  const texts = Object.entries(value).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  )
  return new Map(texts.filter(([, text]) => text !== ''))
}
