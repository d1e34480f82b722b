// Where a loopback flow listens and which redirect URI it sends: from the options, the client's registered redirect
// URI and the defaults, in that order. RFC 8252 section 7.3 (loopback redirection) and section 8.3 (its addresses).
import { argumentError, ConfigurationError, quote } from '../errors.ts'
import type { Client } from '../oauth/index.ts'
import { defaultHttpsPort } from './loopback.ts'
import type { LoopbackHost, LoopbackOptions } from './loopback-options.ts'

/** Where a flow listens. */
export interface CallbackAddress {
  https: boolean
  /** `0`: any free port. */
  port: number
  /** The path that is answered, exactly. */
  path: string
  /** The addresses to bind. Those marked optional may be missing on a machine without IPv6. */
  binds: readonly { address: string; optional: boolean }[]
  /** The redirect URI, once the port is known. One that is registered is kept character by character. */
  redirectUri(port: number): string
}

interface Registered {
  scheme: 'http' | 'https'
  authority: string
  host: LoopbackHost
  /** Absent: the URI names none. */
  port: number | undefined
  /** Path and query as written. */
  rest: string
}

/**
 * Decides where to listen.
 *
 * @throws {ConfigurationError} `redirect_uri_not_loopback` when the client's redirect URI leads to another machine.
 * @throws {TypeError} `invalid_argument` for an option that no listener can have.
 */
export function callbackAddress(client: Client, options: LoopbackOptions): CallbackAddress {
  checkOptions(options)
  const registered = client.redirectUri === undefined ? undefined : readRegistered(client.redirectUri)
  const https = options.https === undefined ? registered?.scheme === 'https' : options.https !== false
  const host = options.host ?? registered?.host ?? (https ? 'localhost' : '127.0.0.1')
  const rest = options.path ?? registered?.rest ?? '/'
  const asRegistered = options.port === undefined && host === registered?.host
  return {
    https,
    port: options.port ?? registeredPort(registered) ?? (https ? defaultHttpsPort : 0),
    path: new URL(rest || '/', 'http://localhost').pathname,
    binds: bindsOf(host),
    redirectUri: (port) => {
      const keep = asRegistered && registered !== undefined && registeredPort(registered) === port
      const authority = keep ? registered.authority : `${host === '::1' ? '[::1]' : host}:${port}`
      return `${https ? 'https' : 'http'}://${authority}${rest}`
    },
  }
}

function checkOptions({ port, host, path }: LoopbackOptions): void {
  if (port !== undefined && (!Number.isInteger(port) || port < 0 || port > 65_535))
    throw argumentError('The port of a loopback flow must be a whole number from 0 (any free port) to 65535.')
  if (host !== undefined && !isLoopbackHost(host))
    throw argumentError('The host of a loopback flow must be "127.0.0.1", "localhost" or "::1".')
  if (path !== undefined && !/^\/(?!\/)[^\s#?]*$/.test(path))
    throw argumentError(
      'The path of a loopback flow must begin with one "/" and have no query, fragment or space.',
    )
}

function isLoopbackHost(host: string): host is LoopbackHost {
  return host === '127.0.0.1' || host === 'localhost' || host === '::1'
}

/** `http` without a port means any port (RFC 8252 section 7.3); `https` without one means 443. */
function registeredPort(registered: Registered | undefined): number | undefined {
  if (registered === undefined || registered.port !== undefined) return registered?.port
  return registered.scheme === 'https' ? 443 : 0
}

function readRegistered(redirectUri: string): Registered {
  const [, scheme, authority = '', rest = ''] = /^(https?):\/\/([^/?#]*)([^#]*)$/i.exec(redirectUri) ?? []
  const url = URL.canParse(redirectUri) ? new URL(redirectUri) : undefined
  const host = url?.hostname === '[::1]' ? '::1' : url?.hostname
  if (scheme === undefined || host === undefined || !isLoopbackHost(host) || authority.includes('@'))
    throw notLoopback(redirectUri)
  const port = /:(\d+)$/.exec(authority)?.[1]
  return {
    scheme: scheme.toLowerCase() === 'https' ? 'https' : 'http',
    authority,
    host,
    port: port === undefined ? undefined : Number(port),
    rest,
  }
}

function notLoopback(redirectUri: string): ConfigurationError {
  return new ConfigurationError(
    'redirect_uri_not_loopback',
    `The client's redirect URI ${quote(redirectUri)} does not lead to this machine, so nothing here can listen for it. ` +
      'Either register http://127.0.0.1/ or https://localhost:41539/ at the provider and set it as redirectUri (redirect_uri ' +
      'in toolgrant.toml), or leave redirectUri out; or keep it and mount the callback in your own web server: pass each ' +
      'callback URL that arrives there to vault.finish(url).',
  )
}

function bindsOf(host: LoopbackHost): CallbackAddress['binds'] {
  if (host === '::1') return [{ address: '::1', optional: false }]
  const ipv4 = { address: '127.0.0.1', optional: false }
  // Browsers try ::1 first for `localhost`. If it were left free, another program could take the code there.
  return host === '127.0.0.1' ? [ipv4] : [ipv4, { address: '::1', optional: true }]
}
