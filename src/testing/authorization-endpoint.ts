// The authorization endpoint and its consent page. RFC 6749 sections 3.1, 4.1 and 4.2, RFC 7636 section 4.3, RFC 9126, RFC 9207.
import type { ConsentDecision, ServerBehaviour } from './behaviour.ts'
import { mayRedirectTo } from './clients.ts'
import {
  type Exchange,
  escapeHtml,
  isFault,
  json,
  NO_STORE,
  page,
  type Reply,
  readParameters,
  refusal,
} from './exchange.ts'
import { issueFrontChannel, responseModeOf, responseTypeProblem } from './front-channel.ts'
import { detailsOf, PushedRequests } from './pushed-requests.ts'
import { readPushedRequest, type ServerState } from './token-endpoint.ts'

/** The request header in which {@link AuthorizationServer.consent} carries a decision, as JSON. */
export const DECISION_HEADER = 'x-simulator-decision'

/** A request that may be granted. */
export interface AuthorizationRequest {
  clientId: string
  redirectUri: string
  scopes: readonly string[]
  challenge: string | undefined
  challengeMethod: 'S256' | 'plain'
  nonce: string | undefined
  params: Readonly<Record<string, string>>
  details: readonly unknown[] | undefined
}

/** Asks for consent, and keeps what waits for a button to be pressed. */
export class AuthorizationEndpoint {
  readonly #state: ServerState
  /** Requests whose page is open, by the ticket in its form. */
  readonly #open = new Map<string, AuthorizationRequest>()
  readonly #pushed = new PushedRequests()

  constructor(state: ServerState) {
    this.#state = state
  }

  /** Answers an authorization request: a redirect, or a page. */
  async answer(exchange: Exchange): Promise<Reply> {
    const sent = exchange.method === 'POST' ? new URLSearchParams(exchange.body) : exchange.url.searchParams
    const search = this.#pushed.resolve(this.#state, sent)
    const returnable = typeof search === 'string' ? search : this.#returnable(search)
    if (typeof search === 'string' || typeof returnable === 'string')
      return page('This request cannot be answered', `<p>${escapeHtml(String(returnable))}</p>`, 400)
    const request = this.#check(returnable, search)
    if (isFault(request))
      return this.#redirect(returnable, { error: request.error, error_description: request.description })
    return this.#ask(request, exchange)
  }

  /** Keeps a request that a client pushes, checked as if a browser had brought it (RFC 9126 section 2.1). */
  push(exchange: Exchange): Reply {
    if (this.#state.behaviour().pushedRequests === undefined) return json({ error: 'not_found' }, 404)
    const pushed = readPushedRequest(this.#state, exchange)
    if (isFault(pushed)) return refusal(pushed)
    const { clientId } = pushed.client
    const search = new URLSearchParams(exchange.body)
    for (const name of ['client_secret', 'client_assertion', 'client_assertion_type']) search.delete(name)
    search.set('client_id', clientId)
    const returnable = this.#returnable(search)
    if (typeof returnable === 'string') return refusal(invalid(returnable))
    const request = this.#check(returnable, search)
    if (isFault(request)) return refusal(request)
    return json(this.#pushed.keep(this.#state, clientId, search), 201, NO_STORE)
  }

  /** Answers the form of the consent page. A ticket works once. */
  async decide(exchange: Exchange): Promise<Reply> {
    const form = new URLSearchParams(exchange.body)
    const ticket = form.get('ticket') ?? ''
    const request = this.#open.get(ticket)
    if (request === undefined)
      return page('This page is used up', '<p>Start again in the application.</p>', 400)
    this.#open.delete(ticket)
    return this.#finish(request, { approve: form.get('decision') === 'allow', ...decisionIn(exchange) })
  }

  /** RFC 6749 section 4.1.2.1: without a known client and a redirect URI of its own, nobody is redirected. */
  #returnable(search: URLSearchParams): Record<string, string> | string {
    for (const name of ['client_id', 'redirect_uri', 'state'])
      if (search.getAll(name).length > 1) return `${name} comes twice.`
    const params = Object.fromEntries([...search].filter(([, value]) => value !== ''))
    const client = this.#state.clients.get(params['client_id'])
    if (client === undefined) return 'The client_id is unknown.'
    // OpenID Connect Core section 3.1.2.1 requires it; RFC 6749 section 3.1.2.3 lets a client with one registered URI leave it out.
    const redirectUri = params['redirect_uri']
    if (redirectUri === undefined) return 'The redirect_uri is missing.'
    if (!mayRedirectTo(client, redirectUri)) return 'The redirect_uri is not registered.'
    return params
  }

  #check(params: Readonly<Record<string, string>>, search: URLSearchParams) {
    const behaviour = this.#state.behaviour()
    const doubled = readParameters(search)
    if (isFault(doubled)) return doubled
    const unsupported = responseTypeProblem(params, behaviour, this.#state.clients.get(params['client_id']))
    if (unsupported !== undefined) return unsupported
    const pkce = challengeProblem(params, behaviour)
    if (pkce !== undefined) return invalid(pkce)
    const scopes = (params['scope'] ?? '')
      .split(behaviour.scopeSeparator ?? ' ')
      .filter((scope) => scope !== '')
    const strange = scopes.filter(
      (scope) => behaviour.scopes?.includes(scope) === false || !/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope),
    )
    if (strange.length > 0) return { error: 'invalid_scope', description: 'a scope is unknown or malformed' }
    const details = detailsOf(params, behaviour)
    return isFault(details) ? details : requestOf(params, scopes, details)
  }

  async #ask(request: AuthorizationRequest, exchange: Exchange): Promise<Reply> {
    const told = decisionIn(exchange)
    if (told !== undefined) return this.#finish(request, told)
    const consent = this.#state.behaviour().consent ?? 'approve'
    if (typeof consent === 'function') return this.#finish(request, await consent({ ...request }))
    if (consent === 'page') return this.#page(request)
    return this.#finish(request, { approve: consent === 'approve' })
  }

  #page(request: AuthorizationRequest): Reply {
    if (request.params['prompt'] === 'none')
      return this.#redirect(request.params, {
        error: 'interaction_required',
        error_description: 'consent is needed',
      })
    const ticket = this.#state.secrets.make('ticket')
    this.#open.set(ticket, request)
    const scopes = request.scopes.map((scope) => `<li>${escapeHtml(scope)}</li>`).join('')
    return page(
      'Allow access?',
      `<p><b>${escapeHtml(request.clientId)}</b> asks for:</p><ul>${scopes}</ul>
<form method="post" action="/consent"><input type="hidden" name="ticket" value="${ticket}">
<button id="allow" name="decision" value="allow">Allow</button> <button id="deny" name="decision" value="deny">Deny</button></form>`,
    )
  }

  async #finish(request: AuthorizationRequest, decision: ConsentDecision): Promise<Reply> {
    if (decision.approve === false || decision.error !== undefined) {
      const error = decision.error ?? 'access_denied'
      return this.#redirect(request.params, {
        error,
        error_description: 'the person said no',
        ...decision.params,
      })
    }
    const user = decision.user ?? request.params['login_hint'] ?? this.#state.behaviour().user ?? 'ada'
    const scopes = decision.scopes ?? request.scopes
    const issued = await issueFrontChannel(this.#state, request, user, scopes)
    return this.#redirect(request.params, { ...issued, ...decision.params })
  }

  #redirect(params: Readonly<Record<string, string>>, answer: Readonly<Record<string, string>>): Reply {
    const location = new URL(params['redirect_uri'] ?? '')
    const inFragment = responseModeOf(params) === 'fragment'
    const search = inFragment ? new URLSearchParams() : location.searchParams
    for (const [name, value] of Object.entries(answer)) search.set(name, value)
    if (params['state'] !== undefined) search.set('state', params['state'])
    if (this.#state.behaviour().issParameter ?? true) search.set('iss', this.#state.issuer())
    if (inFragment) location.hash = search.toString()
    return { status: 303, headers: { location: location.href, ...NO_STORE }, body: '' }
  }
}

function requestOf(
  params: Readonly<Record<string, string>>,
  scopes: readonly string[],
  details: AuthorizationRequest['details'],
): AuthorizationRequest {
  return {
    clientId: params['client_id'] ?? '',
    redirectUri: params['redirect_uri'] ?? '',
    scopes,
    challenge: params['code_challenge'],
    challengeMethod: params['code_challenge_method'] === 'S256' ? 'S256' : 'plain',
    nonce: params['nonce'],
    params,
    details,
  }
}

function challengeProblem(
  params: Readonly<Record<string, string>>,
  behaviour: ServerBehaviour,
): string | undefined {
  const challenge = params['code_challenge']
  if (!params['response_type']?.split(' ').includes('code')) return undefined
  if (challenge === undefined) {
    if (params['code_challenge_method'] !== undefined) return 'code_challenge is missing'
    return (behaviour.requirePkce ?? true) ? 'code_challenge is required' : undefined
  }
  const method = params['code_challenge_method'] ?? 'plain'
  if (method !== 'S256' && !(method === 'plain' && behaviour.allowPlainPkce === true))
    return 'transform algorithm not supported'
  return /^[A-Za-z0-9._~-]{43,128}$/.test(challenge) ? undefined : 'code_challenge is malformed'
}

function decisionIn(exchange: Exchange): ConsentDecision | undefined {
  const header = exchange.headers[DECISION_HEADER]
  return typeof header === 'string' ? JSON.parse(decodeURIComponent(header)) : undefined
}

function invalid(description: string) {
  return { error: 'invalid_request', description }
}
