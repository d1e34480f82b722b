// Authorization requests that are pushed first (RFC 9126), and what a request asks for in detail (RFC 9396).
import type { ServerBehaviour } from './behaviour.ts'
import type { Fault } from './exchange.ts'
import type { ServerState } from './token-endpoint.ts'

/** How long a pushed request is kept, in seconds (RFC 9126 section 2.2 suggests 5 to 600). */
const pushedSeconds = 60

interface KeptRequest {
  clientId: string
  search: URLSearchParams
  expiresAt: number
}

/** The requests that wait for a browser. */
export class PushedRequests {
  readonly #kept = new Map<string, KeptRequest>()

  /** Keeps one. Returns the members of the answer (RFC 9126 section 2.2). */
  keep(state: ServerState, clientId: string, search: URLSearchParams) {
    const requestUri = `urn:ietf:params:oauth:request_uri:${state.secrets.make('ticket')}`
    this.#kept.set(requestUri, { clientId, search, expiresAt: state.clock() + pushedSeconds * 1000 })
    return { request_uri: requestUri, expires_in: pushedSeconds }
  }

  /** The parameters that count: those that were pushed, once (section 4), or those in the URL. Text says what is wrong. */
  resolve(state: ServerState, search: URLSearchParams): URLSearchParams | string {
    const requestUri = search.get('request_uri')
    const { pushedRequests } = state.behaviour()
    if (pushedRequests === undefined) return search
    if (requestUri === null)
      return pushedRequests === 'required' ? 'This server takes pushed requests only.' : search
    const kept = this.#kept.get(requestUri)
    this.#kept.delete(requestUri)
    if (kept === undefined || state.clock() >= kept.expiresAt)
      return 'The request_uri is unknown, used up or over.'
    return kept.clientId === search.get('client_id')
      ? kept.search
      : 'The request was pushed by another client.'
  }
}

/** The details that a request asks for; a fault for one of an unknown type (RFC 9396 section 5). */
export function detailsOf(
  params: Readonly<Record<string, string>>,
  { detailTypes }: ServerBehaviour,
): readonly unknown[] | Fault | undefined {
  const text = params['authorization_details']
  if (text === undefined || detailTypes === undefined) return undefined
  const fault = { error: 'invalid_authorization_details', description: 'a detail is unknown or malformed' }
  try {
    const details: unknown = JSON.parse(text)
    const known = (detail: unknown) =>
      typeof detail === 'object' &&
      detail !== null &&
      'type' in detail &&
      detailTypes.some((type) => type === detail.type)
    return Array.isArray(details) && details.every(known) ? details : fault
  } catch {
    return fault
  }
}
