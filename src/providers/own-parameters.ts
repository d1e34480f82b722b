// The parameters of an authorization request that carry its security: set by toolgrant for each request, never by data.
// RFC 6749 section 4.1.1, RFC 7636 section 4.3, RFC 9101 section 5, RFC 9449 section 10, OpenID Connect Core section 3.1.2.1.

/** Names that neither a provider row nor extra parameters may set. */
export const ownParameters: ReadonlySet<string> = new Set([
  'response_type',
  'client_id',
  'redirect_uri',
  'state',
  'nonce',
  'code_challenge',
  'code_challenge_method',
  'request',
  'request_uri',
  'dpop_jkt',
])
