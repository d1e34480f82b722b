// The clients that the simulated server knows, and how one proves who it is. RFC 6749 section 2.3, RFC 8252 section 7.3.
import { timingSafeEqual } from 'node:crypto'
import type { RegisteredClient } from './behaviour.ts'
import { type Exchange, type Fault, isFault } from './exchange.ts'
import type { Secrets } from './secrets.ts'

/** Clients by id. */
export class Clients {
  readonly #clients = new Map<string, RegisteredClient>()
  readonly #secrets: Secrets

  constructor(secrets: Secrets) {
    this.#secrets = secrets
  }

  /** Registers a client and makes up what is missing. `tokenEndpointAuthMethod: 'none'` makes a public one. */
  register(wanted: Partial<RegisteredClient>): RegisteredClient {
    const method = wanted.tokenEndpointAuthMethod ?? 'client_secret_basic'
    const hasSecret = method !== 'none' && method !== 'private_key_jwt'
    const secret = hasSecret ? (wanted.clientSecret ?? this.#secrets.make('secret')) : undefined
    if (wanted.clientSecret !== undefined) this.#secrets.remember(wanted.clientSecret)
    const client: RegisteredClient = {
      ...wanted,
      clientId: wanted.clientId ?? this.#secrets.make('client'),
      tokenEndpointAuthMethod: method,
      ...(secret === undefined ? {} : { clientSecret: secret }),
    }
    this.#clients.set(client.clientId, client)
    return client
  }

  /** Forgets a client, as providers do with registrations that nobody used for long. */
  unregister(clientId: string): boolean {
    return this.#clients.delete(clientId)
  }

  /** The client of that id. */
  get(clientId: string | undefined): RegisteredClient | undefined {
    return clientId === undefined ? undefined : this.#clients.get(clientId)
  }

  /** Who sent this request, proved in exactly the way the client is registered for. */
  authenticate(exchange: Exchange, parameters: ReadonlyMap<string, string>): RegisteredClient | Fault {
    const header = exchange.headers.authorization
    const posted = parameters.get('client_secret')
    if (header !== undefined && posted !== undefined)
      return { error: 'invalid_request', description: 'the client must not authenticate in two ways' }
    const claimed =
      header === undefined ? { id: parameters.get('client_id'), secret: posted } : readBasic(header)
    if (isFault(claimed)) return claimed
    const bodyId = parameters.get('client_id')
    if (bodyId !== undefined && bodyId !== claimed.id)
      return invalidClient('client_id differs from the one in the header')
    const client = this.get(claimed.id)
    if (client === undefined) return invalidClient('the client is unknown')
    const used =
      header !== undefined ? 'client_secret_basic' : posted !== undefined ? 'client_secret_post' : 'none'
    if (used !== client.tokenEndpointAuthMethod)
      return invalidClient(`the client is registered for ${client.tokenEndpointAuthMethod}, not ${used}`)
    return used === 'none' || same(claimed.secret ?? '', client.clientSecret ?? '')
      ? client
      : invalidClient('the client secret is wrong')
  }
}

/** Whether a redirect URI is one the client may use. */
export function mayRedirectTo(client: RegisteredClient, redirectUri: string): boolean {
  if (!URL.canParse(redirectUri) || redirectUri.includes('#')) return false
  if (client.redirectUris === undefined) return true
  return client.redirectUris.some((allowed) => allowed === redirectUri || sameLoopback(allowed, redirectUri))
}

/** RFC 8252 section 7.3: the port of a loopback address may be any at the time of the request. */
function sameLoopback(allowed: string, asked: string): boolean {
  const [one, other] = [new URL(allowed), new URL(asked)]
  if (one.protocol !== 'http:' || !['127.0.0.1', '[::1]'].includes(one.hostname)) return false
  one.port = ''
  other.port = ''
  return one.href === other.href
}

/** RFC 6749 section 2.3.1: both halves are form-encoded before they are joined. */
function readBasic(header: string): { id: string; secret: string } | Fault {
  const encoded = /^Basic ([A-Za-z0-9+/]+=*)$/i.exec(header)?.[1]
  if (encoded === undefined) return invalidClient('the Authorization header is not Basic')
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon === -1) return invalidClient('the Authorization header has no colon')
  try {
    return { id: formDecode(text.slice(0, colon)), secret: formDecode(text.slice(colon + 1)) }
  } catch {
    return invalidClient('the Authorization header is not form-encoded')
  }
}

function formDecode(text: string): string {
  return decodeURIComponent(text.replaceAll('+', '%20'))
}

function same(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}

function invalidClient(description: string): Fault {
  return { error: 'invalid_client', description, status: 401 }
}
