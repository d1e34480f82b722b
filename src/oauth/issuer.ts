// When two issuer identifiers are the same.
// RFC 8414 section 3.3 and RFC 9207 section 2.4 ask for equal strings; URLs that differ in spelling only count as equal.

/**
 * Whether two issuers are the same URL: equal strings, or equal after what every URL parser does (case of the host,
 * default port, the slash after a bare host). A slash after a path is a difference.
 */
export function sameIssuer(left: string, right: string): boolean {
  if (left === right) return true
  return URL.canParse(left) && URL.canParse(right) && new URL(left).href === new URL(right).href
}
