// Which hosts may receive a provider's token, and what a relative URL means. The rule in one small file:
// a token goes to the provider's API hosts, and nowhere else.
import { ConfigurationError, quote, RequestRefusedError } from '../errors.ts'
import { assertSecureUrl } from './transport.ts'

/** Resolves and checks the targets of an authorised `fetch`. */
export class ApiFence {
  readonly #base: URL | undefined
  readonly #hosts: readonly string[]
  readonly #who: string
  /** Origins already let through; a session talks to few. */
  readonly #allowed = new Set<string>()

  /** Without a base and hosts every secure host is let through: the caller chose the URL. */
  constructor(
    apiBaseUrl: string | undefined,
    apiHosts: readonly string[] | undefined,
    who: string | undefined,
  ) {
    if (apiBaseUrl !== undefined) assertSecureUrl(apiBaseUrl)
    this.#base = apiBaseUrl === undefined ? undefined : new URL(apiBaseUrl)
    this.#hosts = [...(this.#base === undefined ? [] : [this.#base.host]), ...(apiHosts ?? [])]
    this.#who = who ?? 'this session'
  }

  /**
   * The absolute target of a call.
   *
   * @throws {RequestRefusedError} `host_not_allowed`.
   * @throws {ConfigurationError} `provider_invalid` for a relative URL without a base; `insecure_url`.
   */
  resolve(input: string | URL | Request): string | Request {
    if (input instanceof Request) {
      this.#check(new URL(input.url))
      return input
    }
    const url = input instanceof URL ? input : this.#absolute(input)
    this.#check(url)
    return url.href
  }

  /** `/users` keeps the base's path: `<base>/users`. `//host` and anything with a scheme is absolute. */
  #absolute(text: string): URL {
    if (/^[a-z][a-z0-9+.-]*:/i.test(text)) return new URL(text)
    if (this.#base === undefined)
      throw new ConfigurationError(
        'provider_invalid',
        `${quote(text)} is relative and ${this.#who} has no apiBaseUrl. Set it, or pass an absolute URL.`,
      )
    if (/^[\\/]{2}/.test(text)) return new URL(text, this.#base)
    const base = `${this.#base.origin}${this.#base.pathname.replace(/\/+$/, '')}`
    if (text.startsWith('?') || text.startsWith('#') || text === '') return new URL(base + text)
    return new URL(`${base}/${text.replace(/^\/+/, '')}`)
  }

  #check(url: URL): void {
    if (this.#allowed.has(url.origin)) {
      if (url.username !== '' || url.password !== '')
        throw this.#refused(url, 'carries a user name or password')
      return
    }
    assertSecureUrl(url.href)
    if (url.username !== '' || url.password !== '')
      throw this.#refused(url, 'carries a user name or password')
    if (this.#hosts.length > 0 && !this.#hosts.some((host) => hostMatches(url, host)))
      throw this.#refused(url, `is not among the hosts of ${this.#who} (${this.#hosts.join(', ')})`)
    if (this.#allowed.size < 1000) this.#allowed.add(url.origin)
  }

  #refused(url: URL, why: string): RequestRefusedError {
    const advice =
      "If the token belongs there, add the host to the provider's apiHosts; otherwise use plain fetch."
    return new RequestRefusedError(
      'host_not_allowed',
      `${quote(url.host)} ${why}. The token was not sent. ${advice}`,
    )
  }
}

/** `api.example.com` (default port), `localhost:8080`, or `*.example.com` for every subdomain. */
function hostMatches(url: URL, pattern: string): boolean {
  if (!pattern.startsWith('*.')) return url.host === pattern
  return url.port === '' && url.hostname.endsWith(pattern.slice(1))
}
