// How the client proves who it is at the token, revocation and introspection endpoints.
// RFC 6749 section 2.3; explicit, never probed by sending a code twice.
import type * as oauth4webapi from 'oauth4webapi'
import { ConfigurationError } from '../errors.ts'
import type { TokenEndpointAuthMethod } from '../providers/index.ts'
import type { Registration } from './client.ts'

type Library = typeof oauth4webapi

/** Methods that are nothing without a secret. */
const secretMethods = new Set<TokenEndpointAuthMethod>([
  'client_secret_basic',
  'client_secret_post',
  'json_body',
  'client_secret_jwt',
])

/**
 * The method in force: the client's own choice, else the provider's, else `client_secret_basic` with a secret
 * (RFC 6749 section 2.3.1). A client without a secret is a public one: `none`, unless it chose otherwise itself.
 *
 * @throws {ConfigurationError} `client_missing` when the client itself chose a method that needs a secret, and has none.
 */
export function clientAuthenticationMethod({ provider, client }: Registration): TokenEndpointAuthMethod {
  const method = client.tokenEndpointAuthMethod ?? provider.tokenEndpointAuthMethod ?? 'client_secret_basic'
  if (client.clientSecret || !secretMethods.has(method)) return method
  if (client.tokenEndpointAuthMethod === undefined) return 'none'
  throw new ConfigurationError(
    'client_missing',
    `The client for ${provider.id} has tokenEndpointAuthMethod ${method} and no clientSecret. Set the secret, or tokenEndpointAuthMethod: "none" for a public client.`,
  )
}

/**
 * Adds the client's proof to a request.
 *
 * @throws {ConfigurationError} `provider_invalid` for a method that this version does not speak.
 */
export function clientAuthentication(library: Library, registration: Registration): oauth4webapi.ClientAuth {
  const method = clientAuthenticationMethod(registration)
  const secret = registration.client.clientSecret ?? ''
  switch (method) {
    case 'none':
      return library.None()
    case 'client_secret_post':
    case 'json_body':
      return library.ClientSecretPost(secret)
    case 'client_secret_basic':
      return basic(secret, registration.provider.quirks?.includes('basic-auth-unencoded') === true)
    case 'client_secret_jwt':
      return library.ClientSecretJwt(secret)
    default:
      throw new ConfigurationError(
        'provider_invalid',
        `${registration.provider.id} authenticates clients by ${method}, which this version does not speak. Set tokenEndpointAuthMethod on the client if the provider accepts another method.`,
      )
  }
}

/**
 * HTTP Basic with id and secret form-encoded first (RFC 6749 section 2.3.1, appendix B). Written here because
 * the library also encodes `-`, `.` and `_`, which form encoding leaves alone and many servers do not decode.
 */
function basic(secret: string, unencoded: boolean): oauth4webapi.ClientAuth {
  const encode = unencoded ? (text: string) => text : formEncode
  return (_server, client, _body, headers) => {
    const credentials = `${encode(client.client_id)}:${encode(secret)}`
    headers.set('authorization', `Basic ${btoa(latin1(credentials))}`)
  }
}

function formEncode(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}

/** `btoa` takes bytes: the UTF-8 of a text as one character a byte. */
function latin1(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text))
}
