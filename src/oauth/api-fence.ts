// Which hosts may receive a provider's token, and what a relative URL means. The rule in one small file:
// a token goes to the provider's API hosts, and nowhere else (RFC 6750 section 5.2, token redirect).
import { ConfigurationError, quote, RequestRefusedError } from '../errors.ts'
import { assertSecureUrl } from './secure-url.ts'

/** Options of {@link ApiFence}. */
export interface ApiFenceOptions {
  apiBaseUrl?: string | undefined
  apiHosts?: readonly string[] | undefined
  /** Provider id, for messages. */
  who?: string | undefined
  /** Lets `http:` beyond loopback through. */
  allowInsecureRequests?: boolean | undefined
}

/** Resolves and checks the targets of an authorised `fetch`. */
export class ApiFence {
  readonly #options: ApiFenceOptions
  /** Origin and path, without a trailing slash. */
  readonly #base: string | undefined
  readonly #patterns: readonly string[]
  /** Whether anything was said about hosts; if not, every secure host may have the token. */
  readonly #restricted: boolean
  /** Origins already let through; a session talks to few. */
  readonly #allowed = new Set<string>()
  /** The last of them, with a slash: what begins with it needs no parsing. */
  #allowedPrefix: string | undefined

  /**
   * Without a base and hosts every secure host is let through: the caller chose the URL. A base or host that still
   * has a `{variable}` in it lets nothing through.
   */
  constructor(options: ApiFenceOptions) {
    const { apiBaseUrl, apiHosts = [] } = options
    this.#options = options
    this.#restricted = apiBaseUrl !== undefined || apiHosts.length > 0
    this.#patterns = apiHosts.filter((host) => !host.includes('{')).map(hostPattern)
    if (apiBaseUrl === undefined || apiBaseUrl.includes('{')) return
    assertSecureUrl(apiBaseUrl, options)
    const { origin, host, pathname } = new URL(apiBaseUrl)
    this.#base = origin + pathname.replace(/\/+$/, '')
    this.#patterns = [host, ...this.#patterns]
  }

  /**
   * The absolute target of a call.
   *
   * @throws {RequestRefusedError} `host_not_allowed`.
   * @throws {ConfigurationError} `provider_invalid` for a relative URL without a base; `insecure_url`.
   */
  resolve(input: string | URL | Request): string | Request {
    if (typeof input === 'string') return this.#resolveText(input)
    // What is checked is what is sent: an object that only looks like a URL, a model's for instance, is text.
    if (!('url' in input)) return this.#resolveText(String(input))
    this.#check(new URL(input.url))
    return input
  }

  #resolveText(text: string): string {
    // The host ends at the slash, so whatever follows cannot change it.
    if (this.#allowedPrefix !== undefined && text.startsWith(this.#allowedPrefix)) return text
    if (!/^[a-z][a-z0-9+.-]*:|^[\\/]{2}/i.test(text)) return this.#belowBase(text)
    const url = new URL(text, this.#base)
    this.#check(url)
    return url.href
  }

  /** `/users` keeps the base's path: `<base>/users`. `//host` and anything with a scheme is absolute. */
  #belowBase(text: string): string {
    if (this.#base !== undefined) return this.#base + (/^(?:[/?#]|$)/.test(text) ? text : `/${text}`)
    const { apiBaseUrl, who = 'this session' } = this.#options
    const problem = apiBaseUrl === undefined ? 'no apiBaseUrl' : `an unfilled apiBaseUrl (${apiBaseUrl})`
    throw new ConfigurationError(
      'provider_invalid',
      `${quote(text)} is relative and ${who} has ${problem}. Set it, or pass an absolute URL.`,
    )
  }

  #check(url: URL): void {
    if (url.username !== '' || url.password !== '')
      throw this.#refused(url, 'carries a user name or password')
    if (this.#allowed.has(url.origin)) return
    assertSecureUrl(url.href, this.#options)
    if (this.#restricted && !this.#patterns.some((pattern) => matches(url, pattern)))
      throw this.#refused(url, `is not among the hosts of ${this.#options.who ?? 'this session'}`)
    if (this.#allowed.size < 1000) this.#allowed.add(url.origin)
    this.#allowedPrefix = `${url.origin}/`
  }

  #refused(url: URL, why: string): RequestRefusedError {
    const hosts = this.#restricted ? ` (${this.#patterns.join(', ') || 'none yet'})` : ''
    const advice =
      "If the token belongs there, add the host to the provider's apiHosts; otherwise use plain fetch."
    return new RequestRefusedError(
      'host_not_allowed',
      `${quote(url.host)} ${why}${hosts}. The token was not sent. ${advice}`,
    )
  }
}

/**
 * A host as `URL` writes it: `api.example.com` (default port), `localhost:8080`, or `*.example.com` for every
 * subdomain.
 *
 * @throws {ConfigurationError} `provider_invalid` for anything else, such as a URL.
 */
function hostPattern(text: string): string {
  const wildcard = text.startsWith('*.') ? '*.' : ''
  const host = text.slice(wildcard.length)
  const url = `https://${host}/`
  if (host !== '' && !/[/\\?#@*\s]/.test(host) && URL.canParse(url)) return wildcard + new URL(url).host
  throw new ConfigurationError(
    'provider_invalid',
    `${quote(text)} in apiHosts is not a host. Write api.example.com, localhost:8080 or *.example.com.`,
  )
}

function matches(url: URL, pattern: string): boolean {
  if (!pattern.startsWith('*.')) return url.host === pattern
  return url.port === '' && url.hostname.endsWith(pattern.slice(1))
}
