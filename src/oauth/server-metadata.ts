// A provider in the terms of the protocol library, and the endpoint that a request goes to.
// RFC 8414 section 2; RFC 8705 section 5 (aliases for clients with a TLS certificate).
import type * as oauth4webapi from 'oauth4webapi'
import { ConfigurationError } from '../errors.ts'
import type { MtlsEndpoint, Provider } from '../providers/index.ts'

/** The library's names for the endpoints of a provider row. */
const libraryNames: Readonly<Record<MtlsEndpoint, keyof oauth4webapi.AuthorizationServer>> = {
  tokenUrl: 'token_endpoint',
  revocationUrl: 'revocation_endpoint',
  introspectionUrl: 'introspection_endpoint',
  userinfoUrl: 'userinfo_endpoint',
  deviceAuthorizationUrl: 'device_authorization_endpoint',
  pushedAuthorizationUrl: 'pushed_authorization_request_endpoint',
  backchannelAuthenticationUrl: 'backchannel_authentication_endpoint',
  registrationEndpointUrl: 'registration_endpoint',
}

/**
 * A provider in the library's terms. Without an issuer nothing is compared to it: id_tokens are then not validated.
 * With `certificate`, endpoints that have an alias for TLS clients are those aliases (RFC 8705 section 5).
 */
export function serverMetadata(
  provider: Provider,
  { certificate = false }: { certificate?: boolean } = {},
): oauth4webapi.AuthorizationServer {
  const names = Object.keys(libraryNames) as MtlsEndpoint[]
  const endpoints = names.flatMap((member) => {
    const url = (certificate ? provider.mtlsEndpoints?.[member] : undefined) ?? provider[member]
    return url === undefined ? [] : [[libraryNames[member], url] as const]
  })
  const { authorizationUrl, jwksUrl } = provider
  return {
    ...Object.fromEntries(endpoints),
    issuer: issuerOf(provider, endpoints[0]?.[1] ?? authorizationUrl),
    ...(authorizationUrl === undefined ? {} : { authorization_endpoint: authorizationUrl }),
    ...(jwksUrl === undefined ? {} : { jwks_uri: jwksUrl }),
    authorization_response_iss_parameter_supported: provider.issParameterSupported === true,
  }
}

function issuerOf(provider: Provider, url: string | undefined): string {
  if (provider.issuer !== undefined) return provider.issuer
  if (url !== undefined) return new URL(url).origin
  throw noEndpoint(provider, 'tokenUrl')
}

/** @throws {ConfigurationError} `provider_invalid` when the provider has no such endpoint. */
export function assertEndpoint(provider: Provider, endpoint: MtlsEndpoint): void {
  if (provider[endpoint] === undefined) throw noEndpoint(provider, endpoint)
}

function noEndpoint(provider: Provider, endpoint: MtlsEndpoint): ConfigurationError {
  return new ConfigurationError(
    'provider_invalid',
    `${provider.id} has no ${endpoint}. Set it, or an issuer to discover it from.`,
  )
}
