// Where the endpoints of oidc.ts are, by the names that provider rows have for them.
// RFC 8414 section 2, RFC 8705 section 5.
import type { OidcFeatures } from './oidc-features.ts'

/** Endpoints that the server always has. */
export interface OidcEndpoints {
  authorizationUrl: string
  tokenUrl: string
  revocationUrl: string
  introspectionUrl: string
  userinfoUrl: string
  jwksUrl: string
}

/** Endpoints of features; those that are off answer 404. */
export interface FeatureEndpoints {
  pushedAuthorizationUrl: string
  deviceAuthorizationUrl: string
  backchannelAuthenticationUrl: string
  registrationEndpointUrl: string
  endSessionUrl: string
}

/** Endpoints of the listener with TLS. */
export type MtlsEndpoints = Omit<OidcEndpoints, 'authorizationUrl' | 'jwksUrl'> &
  Omit<FeatureEndpoints, 'endSessionUrl'>

/** Endpoints that the server always has. */
export function endpointsOf(issuer: string): OidcEndpoints {
  return {
    authorizationUrl: `${issuer}/auth`,
    tokenUrl: `${issuer}/token`,
    revocationUrl: `${issuer}/token/revocation`,
    introspectionUrl: `${issuer}/token/introspection`,
    userinfoUrl: `${issuer}/me`,
    jwksUrl: `${issuer}/jwks`,
  }
}

/** Endpoints of features. */
export function featureEndpointsOf(issuer: string): FeatureEndpoints {
  return {
    pushedAuthorizationUrl: `${issuer}/request`,
    deviceAuthorizationUrl: `${issuer}/device/auth`,
    backchannelAuthenticationUrl: `${issuer}/backchannel`,
    registrationEndpointUrl: `${issuer}/reg`,
    endSessionUrl: `${issuer}/session/end`,
  }
}

/** Endpoints of the listener with TLS. */
export function mtlsEndpointsOf(origin: string): MtlsEndpoints {
  const { tokenUrl, revocationUrl, introspectionUrl, userinfoUrl } = endpointsOf(origin)
  const { endSessionUrl: _, ...others } = featureEndpointsOf(origin)
  return { tokenUrl, revocationUrl, introspectionUrl, userinfoUrl, ...others }
}

/** `mtls_endpoint_aliases` for the metadata. */
export function aliasesOf(features: OidcFeatures, origin: string): Record<string, string> | undefined {
  if (typeof features.mtls === 'object' && features.mtls.aliases === false) return undefined
  const at = mtlsEndpointsOf(origin)
  return {
    token_endpoint: at.tokenUrl,
    revocation_endpoint: at.revocationUrl,
    introspection_endpoint: at.introspectionUrl,
    userinfo_endpoint: at.userinfoUrl,
    ...(features.par ? { pushed_authorization_request_endpoint: at.pushedAuthorizationUrl } : {}),
    ...(features.device ? { device_authorization_endpoint: at.deviceAuthorizationUrl } : {}),
    ...(features.ciba ? { backchannel_authentication_endpoint: at.backchannelAuthenticationUrl } : {}),
    ...(features.registration ? { registration_endpoint: at.registrationEndpointUrl } : {}),
  }
}
