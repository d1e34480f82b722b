// The form in which a provider wants its requests: form, JSON, query string, GET.
// RFC 6749 section 4.1.3 wants a form; the others are provider data (R5).
import type { Provider } from '../providers/index.ts'
import type { EndpointCall } from './hooks.ts'

/** How parameters travel. */
export type RequestFormat = NonNullable<Provider['tokenRequestFormat']>

/** A request, ready to be sent. */
export interface ShapedRequest {
  url: string
  method: 'GET' | 'POST'
  headers: Headers
  body?: string
}

/** Puts the parameters where the provider reads them. A GET has them in its URL, whatever the format. */
export function shapeRequest(call: EndpointCall, format: RequestFormat): ShapedRequest {
  const headers = new Headers(call.headers)
  if (call.method === 'GET' || format === 'query' || format === 'get') return inQuery(call, headers)
  if (format === 'form') return { url: call.url, method: 'POST', headers, body: call.parameters.toString() }
  headers.set('content-type', 'application/json')
  return { url: call.url, method: 'POST', headers, body: JSON.stringify(members(call.parameters)) }
}

function inQuery({ url, method, parameters }: EndpointCall, headers: Headers): ShapedRequest {
  headers.delete('content-type')
  const target = new URL(url)
  for (const [name, value] of parameters) target.searchParams.append(name, value)
  return { url: target.href, method, headers }
}

/** Parameters as JSON members; a repeated one becomes a list. */
function members(parameters: URLSearchParams): Record<string, string | string[]> {
  const found: Record<string, string | string[]> = {}
  for (const name of new Set(parameters.keys())) {
    const [first = '', ...more] = parameters.getAll(name)
    found[name] = more.length === 0 ? first : [first, ...more]
  }
  return found
}
