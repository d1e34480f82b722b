// A `fetch` that presents a TLS client certificate: how a client proves who it is, and what its tokens are bound to.
// RFC 8705 sections 2 and 3. Over undici, which is loaded at the first request.
import type * as undici from 'undici'
import { ConfigurationError } from '../errors.ts'

/** A certificate of ours, and what goes with it: PEM texts, or bytes. */
export interface ClientCertificate {
  /** The certificate, with its intermediates after it where there are any. */
  cert: string | Uint8Array
  /** Its private key. Secret. */
  key: string | Uint8Array
  /** Certificate authorities that the server's certificate may come from, instead of the usual ones. */
  ca?: string | Uint8Array | readonly (string | Uint8Array)[]
  /** Opens an encrypted `key`. Secret. */
  passphrase?: string
}

type Undici = typeof undici

/**
 * A `fetch` that presents a client certificate wherever the server asks for one. Put it on {@link Client.fetch}: then
 * token requests, and sessions over certificate-bound tokens, go out with it. Connections are kept for reuse. The server's
 * certificate is always checked, whatever `NODE_TLS_REJECT_UNAUTHORIZED` says.
 *
 * @throws {ConfigurationError} `config_invalid`: certificate and key do not belong together, or cannot be read. Neither
 *   is quoted.
 */
export function certificateFetch(certificate: ClientCertificate): typeof fetch {
  const { cert, key, ca, passphrase } = certificate
  const connect = {
    cert: bytesOf(cert),
    key: bytesOf(key),
    ...(ca === undefined ? {} : { ca: [ca].flat().map(bytesOf) }),
    ...(passphrase === undefined ? {} : { passphrase }),
  }
  assertUsable(connect)
  // Said, so that NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment does not unsay it: `ca` is the way to an own authority.
  const checked = { ...connect, rejectUnauthorized: true }
  let loaded: Promise<{ library: Undici; dispatcher: undici.Agent }> | undefined
  return async (input, init) => {
    loaded ??= import('undici').then((library) => ({
      library,
      dispatcher: new library.Agent({ connect: checked }),
    }))
    const { library, dispatcher } = await loaded
    const { url, ...request } = await plainRequest(input, init)
    return ownResponse(await library.fetch(url, { ...request, dispatcher } as undici.RequestInit))
  }
}

interface TlsMaterial {
  cert: string | Buffer
  key: string | Buffer
  ca?: (string | Buffer)[]
  passphrase?: string
}

function bytesOf(value: string | Uint8Array): string | Buffer {
  return typeof value === 'string' ? value : Buffer.from(value)
}

/** Node tells now what would otherwise be a failed connection later. */
function assertUsable(material: TlsMaterial): void {
  try {
    process.getBuiltinModule('node:tls').createSecureContext(material)
  } catch (error) {
    const word = String((error as { code?: unknown }).code ?? 'unreadable')
    throw new ConfigurationError(
      'config_invalid',
      `The TLS client certificate cannot be used (${word}). It takes PEM texts: a certificate, the private key that belongs to it, and the passphrase of an encrypted key.`,
    )
  }
}

/**
 * undici knows its own `Request`, `Headers` and `FormData` only, so those of the runtime are taken apart: the URL, and
 * members that both know.
 */
export async function plainRequest(
  input: Parameters<typeof fetch>[0],
  init: RequestInit = {},
): Promise<RequestInit & { url: string }> {
  const base = input instanceof Request ? membersOf(input) : {}
  const merged: RequestInit = { ...base, ...init }
  const headers = new Headers(merged.headers)
  const url = input instanceof Request ? input.url : String(input)
  if (!(merged.body instanceof FormData)) return { ...merged, headers: [...headers], url }
  const form = new Response(merged.body)
  headers.set('content-type', form.headers.get('content-type') ?? '')
  return { ...merged, body: await form.arrayBuffer(), headers: [...headers], url }
}

function membersOf(request: Request): RequestInit {
  const { method, headers, body, signal, redirect } = request
  return { method, headers, signal, redirect, ...(body === null ? {} : { body, duplex: 'half' as const }) }
}

/** undici lets a body go when its response is collected: that one lives as long as ours. */
const sources = new WeakMap<Response, undici.Response>()

/** The runtime's own `Response`, for whoever asks `instanceof`. */
function ownResponse(answer: undici.Response): Response {
  const { status, statusText, url, redirected } = answer
  const body = [204, 205, 304].includes(status) ? null : (answer.body as unknown as BodyInit | null)
  const response = new Response(body, { status, statusText, headers: [...answer.headers] })
  sources.set(response, answer)
  return Object.defineProperties(response, { url: { value: url }, redirected: { value: redirected } })
}
