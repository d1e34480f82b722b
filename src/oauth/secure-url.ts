// Which URLs may carry secrets: https, and http to this machine.
// RFC 6749 section 3.2 (TLS is required), RFC 8252 section 8.3 (loopback).
import { argumentError, ConfigurationError, quote } from '../errors.ts'
import { hostKind } from '../providers/index.ts'
import type { RequestOptions } from './request-options.ts'

/**
 * Refuses a URL that would carry secrets in the clear (RFC 6749 section 3.2: TLS is required).
 * Loopback is exempt (RFC 8252 section 8.3).
 *
 * @throws {ConfigurationError} `insecure_url`.
 * @throws {TypeError} `invalid_argument` when it is not an absolute URL.
 */
export function assertSecureUrl(
  url: string,
  options: Pick<RequestOptions, 'allowInsecureRequests'> = {},
): void {
  if (!URL.canParse(url)) throw argumentError(`${quote(url)} is not an absolute URL.`)
  const { protocol, hostname } = new URL(url)
  if (protocol === 'https:') return
  if (protocol === 'http:' && (hostKind(hostname) === 'loopback' || options.allowInsecureRequests === true))
    return
  throw new ConfigurationError(
    'insecure_url',
    `${quote(`${protocol}//${hostname}`)} is not safe for secrets: use https. http is accepted on loopback only; a test network needs allowInsecureRequests.`,
  )
}

/**
 * Refuses a URL with a user name or password in it, before a message quotes it.
 *
 * @param what how the message speaks of it: `The issuer`.
 * @throws {ConfigurationError} `discovery_failed`.
 */
export function assertNoUserInfo(what: string, url: string): void {
  const { username, password, host } = new URL(url)
  if (username !== '' || password !== '')
    throw new ConfigurationError(
      'discovery_failed',
      `${what} (${quote(host)}) holds a user name or password. Take it out.`,
    )
}
