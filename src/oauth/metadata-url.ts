// Where a document that somebody else wrote may send us: not to this machine, not into a private network.
// RFC 9728 section 7.7 (server-side request forgery), for every such document.
import { ConfigurationError, quote } from '../errors.ts'
import { hostKind, isPrivateName } from '../providers/index.ts'
import type { RequestOptions } from './request-options.ts'
import { assertSecureUrl } from './secure-url.ts'

/**
 * Refuses a URL of a metadata document that is not for us to follow: it must be https, without user name and password,
 * and lead to a public host, to the host that the document is about, or to where that one is itself (loopback to
 * loopback, a name of a private network to another). Only what is written is judged: a public name may resolve to
 * a private address, which a `fetch` has to watch (`publicFetch` of `toolgrant/config`).
 *
 * @param name how the message speaks of it: `the issuer's jwks_uri`.
 * @param home the issuer or resource that the document is about.
 * @throws {ConfigurationError} `discovery_failed`; `insecure_url`.
 */
export function assertMetadataUrl(
  name: string,
  value: string,
  home: string,
  options: Pick<RequestOptions, 'allowInsecureRequests'>,
): void {
  if (!URL.canParse(value)) throw failed(`${name} is not a URL.`)
  const { hostname, username, password } = new URL(value)
  if (username !== '' || password !== '') throw failed(`${name} holds a user name or password.`)
  assertSecureUrl(value, options)
  const host = new URL(home).hostname
  if (hostname === host || options.allowInsecureRequests === true || mayLead(host, hostname)) return
  throw failed(`${name} points at ${quote(hostname)}, a private address.`)
}

function mayLead(from: string, to: string): boolean {
  const kind = hostKind(to)
  if (kind === 'loopback') return hostKind(from) === 'loopback'
  return kind === 'public' && (!isPrivateName(to) || isPrivateName(from))
}

function failed(message: string): ConfigurationError {
  return new ConfigurationError('discovery_failed', message)
}
