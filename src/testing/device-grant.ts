// Grants that wait for a person elsewhere: a code for the program, and its questions until somebody has decided.
// RFC 8628 sections 3.1 to 3.5; OpenID Connect CIBA sections 7, 10.1 and 11 (poll mode).
import type { ConsentDecision, RegisteredClient } from './behaviour.ts'
import {
  type Exchange,
  escapeHtml,
  type Fault,
  isFault,
  json,
  NO_STORE,
  page,
  type Reply,
  refusal,
} from './exchange.ts'
import type { IssuedTokens } from './grants.ts'
import type { ServerState } from './token-endpoint.ts'

interface Device {
  clientId: string
  /** What the person types; on the backchannel, who is asked. */
  userCode: string
  person?: string
  scopes: readonly string[]
  expiresAt: number
  intervalMs: number
  askedAt: number | undefined
  decision: ConsentDecision | undefined
  isUsed: boolean
}

/** RFC 8628 section 6.1: letters that spell no words. */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ'

/** Codes by what the program holds. */
export class Devices {
  readonly #devices = new Map<string, Device>()

  /** Answers a device authorization request of a client that has been read. */
  authorize(state: ServerState, client: RegisteredClient, scope: string | undefined): Reply {
    const { deviceSeconds = 600, deviceIntervalSeconds: interval = 5, scopes: known } = state.behaviour()
    const scopes = (scope ?? '').split(' ').filter((one) => one !== '')
    if (scopes.some((one) => known?.includes(one) === false))
      return refusal({ error: 'invalid_scope', description: 'a scope is unknown' })
    const deviceCode = state.secrets.make('device')
    const userCode = userCodeFrom(deviceCode)
    const fresh = { askedAt: undefined, decision: undefined, isUsed: false }
    const expiresAt = state.clock() + deviceSeconds * 1000
    const { clientId } = client
    this.#devices.set(deviceCode, {
      ...fresh,
      clientId,
      userCode,
      scopes,
      expiresAt,
      intervalMs: interval * 1000,
    })
    const uri = `${state.issuer()}/device`
    return json(
      {
        device_code: deviceCode,
        user_code: userCode,
        verification_uri: uri,
        verification_uri_complete: `${uri}?user_code=${userCode}`,
        expires_in: deviceSeconds,
        interval,
      },
      200,
      NO_STORE,
    )
  }

  /** Answers a backchannel request: exactly one hint, which names the person, and `openid` (CIBA section 7.1). */
  ask(state: ServerState, client: RegisteredClient, parameters: ReadonlyMap<string, string>): Reply {
    const hints = ['login_hint', 'login_hint_token', 'id_token_hint'].filter((name) => parameters.has(name))
    if (hints.length !== 1) return refusal({ error: 'invalid_request', description: 'one hint, no more' })
    const scopes = (parameters.get('scope') ?? '').split(' ').filter((one) => one !== '')
    if (!scopes.includes('openid'))
      return refusal({ error: 'invalid_scope', description: 'openid is missing' })
    const { deviceSeconds = 600, deviceIntervalSeconds: interval = 5 } = state.behaviour()
    const person = parameters.get(hints[0] ?? '') ?? ''
    const id = state.secrets.make('device')
    this.#devices.set(id, {
      ...{ clientId: client.clientId, userCode: person, person, scopes },
      ...{ expiresAt: state.clock() + deviceSeconds * 1000, intervalMs: interval * 1000 },
      ...{ askedAt: undefined, decision: undefined, isUsed: false },
    })
    return json({ auth_req_id: id, expires_in: deviceSeconds, interval }, 200, NO_STORE)
  }

  /** Whether there was such a code, and nobody had decided. */
  decide(userCode: string, decision: ConsentDecision): boolean {
    const found = [...this.#devices.values()].find(
      (device) => device.userCode === userCode && device.decision === undefined,
    )
    if (found !== undefined) found.decision = decision
    return found !== undefined
  }

  /** The short codes that wait for a decision. */
  waiting(now: number): string[] {
    const open = [...this.#devices.values()].filter(
      ({ decision, expiresAt }) => decision === undefined && now < expiresAt,
    )
    return open.map(({ userCode }) => userCode)
  }

  /** Answers the program's question (section 3.5). */
  poll(state: ServerState, clientId: string, deviceCode: string): IssuedTokens | Fault {
    const device = this.#devices.get(deviceCode)
    if (device === undefined || device.clientId !== clientId || device.isUsed)
      return { error: 'invalid_grant', description: 'the device code is unknown, or used' }
    const now = state.clock()
    if (now >= device.expiresAt) return { error: 'expired_token', description: 'the device code has expired' }
    const isTooSoon = device.askedAt !== undefined && now - device.askedAt < device.intervalMs
    device.askedAt = now
    if (isTooSoon) {
      device.intervalMs += 5000
      return { error: 'slow_down', description: 'asked again too soon' }
    }
    const { decision } = device
    if (decision === undefined)
      return { error: 'authorization_pending', description: 'the person has not decided' }
    if (decision.approve === false || decision.error !== undefined)
      return { error: decision.error ?? 'access_denied', description: 'the person said no' }
    device.isUsed = true
    const user = decision.user ?? device.person ?? state.behaviour().user ?? 'ada'
    const scopes = decision.scopes ?? device.scopes
    const asRequested = scopes.join(' ') === device.scopes.join(' ')
    return { ...state.grants.issueTokens(clientId, user, scopes), asRequested }
  }
}

/** The page where a person types the code. */
export function verificationPage(state: ServerState, exchange: Exchange): Reply {
  const typed = exchange.url.searchParams.get('user_code') ?? ''
  if (exchange.method === 'GET')
    return page(
      'Connect a device',
      `<form method="post" action="/device"><p><label>Code <input name="user_code" value="${escapeHtml(typed)}"></label></p>
<button id="allow" name="decision" value="allow">Allow</button> <button id="deny" name="decision" value="deny">Deny</button></form>`,
    )
  const form = new URLSearchParams(exchange.body)
  const approve = form.get('decision') === 'allow'
  const isKnown = state.devices.decide(form.get('user_code') ?? '', { approve })
  return isKnown ? page(approve ? 'Connected' : 'Refused', '') : page('This code is unknown', '', 400)
}

/** The backchannel authentication endpoint (CIBA section 7). */
export function backchannelEndpoint(
  state: ServerState,
  request: { client: RegisteredClient; parameters: ReadonlyMap<string, string> } | Fault,
): Reply {
  return isFault(request) ? refusal(request) : state.devices.ask(state, request.client, request.parameters)
}

/** The device authorization endpoint (RFC 8628 section 3.1). */
export function deviceEndpoint(
  state: ServerState,
  request: { client: RegisteredClient; parameters: ReadonlyMap<string, string> } | Fault,
): Reply {
  if (isFault(request)) return refusal(request)
  return state.devices.authorize(state, request.client, request.parameters.get('scope'))
}

function userCodeFrom(deviceCode: string): string {
  const letters = [...deviceCode].slice(-8).map((one) => LETTERS[one.charCodeAt(0) % LETTERS.length])
  return `${letters.slice(0, 4).join('')}-${letters.slice(4).join('')}`
}
