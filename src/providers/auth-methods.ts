// The ways in which a client can prove who it is at a token endpoint: RFC 6749 section 2.3, RFC 7591 section 2.
import type { TokenEndpointAuthMethod } from './provider.ts'

/** Every value of {@link TokenEndpointAuthMethod}. */
export const tokenEndpointAuthMethods = [
  'client_secret_basic',
  'client_secret_post',
  'none',
  'private_key_jwt',
  'client_secret_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
  'json_body',
  'client_assertion_secret',
  'client_secret_hash',
  'client_secret_header',
  'signed_headers',
  'signed_request',
] as const satisfies readonly TokenEndpointAuthMethod[]
