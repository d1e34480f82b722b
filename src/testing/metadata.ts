// What the simulated server says about itself. RFC 8414, OpenID Connect Discovery section 3.
import { grantTypesOf } from './behaviour.ts'
import { json, type Reply } from './exchange.ts'
import { responseTypesOf } from './front-channel.ts'
import { jwks } from './id-token.ts'
import type { ServerState } from './token-endpoint.ts'

/** Where each endpoint is, below the server's origin. */
export const PATHS = {
  authorization: '/authorize',
  pushed: '/par',
  consent: '/consent',
  token: '/token',
  revocation: '/revoke',
  introspection: '/introspect',
  device: '/device_authorization',
  verification: '/device',
  backchannel: '/backchannel',
  userinfo: '/userinfo',
  jwks: '/jwks.json',
  api: '/api',
} as const

/** RFC 8414 metadata, and OpenID configuration where the server has OpenID Connect. */
export function metadataEndpoint(state: ServerState, path: string): Reply {
  const { openid = false, metadata = {} } = state.behaviour()
  if (path === '/.well-known/openid-configuration' && !openid) return json({ error: 'not_found' }, 404)
  return json({ ...oauthMetadata(state), ...(openid ? openidMetadata(state) : {}), ...metadata })
}

function oauthMetadata(state: ServerState) {
  const {
    issParameter = true,
    allowPlainPkce = false,
    scopes,
    pushedRequests,
    detailTypes,
    dpop,
  } = state.behaviour()
  const methods = ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none']
  return {
    issuer: state.issuer(),
    authorization_endpoint: state.issuer() + PATHS.authorization,
    token_endpoint: state.issuer() + PATHS.token,
    revocation_endpoint: state.issuer() + PATHS.revocation,
    introspection_endpoint: state.issuer() + PATHS.introspection,
    ...(grantTypesOf(state.behaviour()).includes('urn:ietf:params:oauth:grant-type:device_code')
      ? { device_authorization_endpoint: state.issuer() + PATHS.device }
      : {}),
    ...(grantTypesOf(state.behaviour()).includes('urn:openid:params:grant-type:ciba')
      ? {
          backchannel_authentication_endpoint: state.issuer() + PATHS.backchannel,
          backchannel_token_delivery_modes_supported: ['poll'],
        }
      : {}),
    response_types_supported: responseTypesOf(state.behaviour()),
    grant_types_supported: grantTypesOf(state.behaviour()),
    token_endpoint_auth_methods_supported: methods,
    revocation_endpoint_auth_methods_supported: methods,
    code_challenge_methods_supported: allowPlainPkce ? ['S256', 'plain'] : ['S256'],
    authorization_response_iss_parameter_supported: issParameter,
    ...(pushedRequests === undefined
      ? {}
      : {
          pushed_authorization_request_endpoint: state.issuer() + PATHS.pushed,
          require_pushed_authorization_requests: pushedRequests === 'required',
        }),
    ...(dpop === undefined ? {} : { dpop_signing_alg_values_supported: ['ES256'] }),
    ...(detailTypes === undefined ? {} : { authorization_details_types_supported: detailTypes }),
    ...(scopes === undefined ? {} : { scopes_supported: scopes }),
  }
}

function openidMetadata(state: ServerState) {
  return {
    userinfo_endpoint: state.issuer() + PATHS.userinfo,
    jwks_uri: state.issuer() + PATHS.jwks,
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
  }
}

/** The keys that sign id_tokens. */
export async function jwksEndpoint(): Promise<Reply> {
  return json(await jwks())
}
