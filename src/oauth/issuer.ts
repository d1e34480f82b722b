// When two issuer identifiers are the same, and which ones are a provider's.
// RFC 8414 section 3.3 and RFC 9207 section 2.4 ask for equal strings; URLs that differ in spelling only count as equal.
import type { Provider } from '../providers/index.ts'

/**
 * Whether two issuers are the same URL: equal strings, or equal after what every URL parser does (case of the host,
 * default port, the slash after a bare host). A slash after a path is a difference.
 */
export function sameIssuer(left: string, right: string): boolean {
  if (left === right) return true
  return URL.canParse(left) && URL.canParse(right) && new URL(left).href === new URL(right).href
}

/**
 * Whether the `iss` of a JWT is the provider's: the issuer in any spelling, without its scheme (Google), or, where it
 * differs by tenant, with the tenant of the JWT (`tid`, as Microsoft documents it) in the place of the one in the
 * path. An issuer that varies without a `tid` is whatever the JWT says, as long as it is a URL.
 *
 * @param issuer whom to compare with. Default: the provider's. Without either nothing is an issuer.
 */
export function isIssuerOf(
  provider: Pick<Provider, 'issuer' | 'issuerVaries'>,
  claims: Readonly<Record<string, unknown>>,
  issuer: string | undefined = provider.issuer,
): boolean {
  const { iss, tid } = claims
  if (typeof iss !== 'string' || issuer === undefined) return false
  if (sameIssuer(iss, issuer) || sameIssuer(`https://${iss}`, issuer)) return true
  if (provider.issuerVaries !== true) return false
  if (typeof tid !== 'string') return URL.canParse(iss)
  const path = new URL(issuer).pathname.replace(/^\/[^/]+/, () => `/${encodeURIComponent(tid)}`)
  return sameIssuer(iss, new URL(path, issuer).href)
}

/**
 * An issuer that differs by tenant or region does so at its own host or below it. That it varies may be what its own
 * metadata say, and must not let another server's answer in (mix-up).
 */
export function isAtHostOf(issuer: string, home = ''): boolean {
  if (!URL.canParse(issuer) || !URL.canParse(home)) return false
  const [there, here] = [new URL(issuer), new URL(home)]
  const below = there.hostname.endsWith(`.${here.hostname}`)
  return there.protocol === here.protocol && (there.host === here.host || below)
}
