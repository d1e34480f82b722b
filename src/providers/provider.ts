// What toolgrant knows about one authorization server: plain data, no behaviour.
// Field by field the vocabulary of the facts dataset, in camelCase; each field is read in one place.

/** How the client proves who it is at the token endpoint (RFC 6749 section 2.3, RFC 7591 section 2). */
export type TokenEndpointAuthMethod =
  | 'client_secret_basic'
  | 'client_secret_post'
  | 'none'
  | 'private_key_jwt'
  | 'client_secret_jwt'
  | 'tls_client_auth'
  | 'self_signed_tls_client_auth'
  | 'json_body'
  | 'client_assertion_secret'
  | 'client_secret_hash'
  | 'client_secret_header'
  | 'signed_headers'
  | 'signed_request'

/** How the answer of an authorization request travels back (OAuth Multiple Response Types, form_post, JARM). */
export type ResponseMode =
  | 'query'
  | 'fragment'
  | 'form_post'
  | 'query.jwt'
  | 'fragment.jwt'
  | 'form_post.jwt'
  | 'jwt'

/** Endpoints that may have an alias for clients with a TLS certificate (RFC 8705 section 5). */
export type MtlsEndpoint =
  | 'tokenUrl'
  | 'revocationUrl'
  | 'introspectionUrl'
  | 'userinfoUrl'
  | 'deviceAuthorizationUrl'
  | 'pushedAuthorizationUrl'
  | 'backchannelAuthenticationUrl'
  | 'registrationEndpointUrl'

/** One `{name}` in a provider's URLs. */
export interface UrlVariable {
  name: string
  /** A value as it would look. */
  example?: string
  /** Who supplies it. */
  from: 'user' | 'callback' | 'token_response' | 'post_connect'
  /** Used when nobody supplies one. */
  default?: string
  /** The only values allowed, when the provider lists them. */
  enum?: readonly string[]
  /** A regular expression that the whole value must match; default: one host label (`[A-Za-z0-9-]{1,63}`). */
  pattern?: string
}

/** Members that any provider may have, whichever way its endpoints are known. */
export interface ProviderFacts {
  /** Lowercase slug, unique: `^[a-z0-9][a-z0-9._-]*$`. */
  id: string
  /** Name for people. Default: the id. */
  name?: string
  /** The provider's page about the flow. */
  docsUrl?: string
  /** Where a person registers a client. */
  registerUrl?: string
  refreshUrl?: string
  revocationUrl?: string
  /**
   * How revocation is asked for: `form` (RFC 7009, the default), `json` (the same members as JSON), or `bearer`
   * (an empty POST that the token itself authorises).
   */
  revocationFormat?: 'form' | 'json' | 'bearer'
  introspectionUrl?: string
  userinfoUrl?: string
  deviceAuthorizationUrl?: string
  jwksUrl?: string
  /** RFC 9126: authorization requests are pushed here. Used whenever it is known. */
  pushedAuthorizationUrl?: string
  /** RFC 9126 section 5: the server takes no other authorization requests. */
  pushedAuthorizationRequired?: boolean
  /** OpenID Connect CIBA section 4: where a person is asked on another device. */
  backchannelAuthenticationUrl?: string
  /** RFC 7591: where clients register themselves. */
  registrationEndpointUrl?: string
  /** OpenID Connect RP-Initiated Logout: where a person is sent to end their session. */
  endSessionUrl?: string
  /** RFC 8705 section 5: the endpoints to use instead with a TLS client certificate, by their names here. */
  mtlsEndpoints?: Readonly<Partial<Record<MtlsEndpoint, string>>>
  /** Authorization requests are signed (JAR, RFC 9101): `required`, `supported`; default: only when the client asks for it. */
  requestObject?: 'required' | 'supported'
  /** Response mode that the provider wants. Default: none sent (`query`). */
  responseMode?: ResponseMode
  /** RFC 9449: `required`, `supported` (then used when the client asks for it). */
  dpop?: 'required' | 'supported'
  /** RFC 8705 section 3: access tokens are bound to the client's certificate, and API calls have to present it. */
  certificateBoundTokens?: boolean
  /** Resource indicators (RFC 8707) that every request names, as URIs without a fragment. */
  resources?: readonly string[]
  /** RFC 9396 `authorization_details` that every authorization request carries, as JSON. */
  authorizationDetails?: readonly Readonly<Record<string, unknown>>[]
  /** OpenID Connect Discovery: algorithms of id_tokens. Default: the one the client registered, else `RS256` and whatever the JWKS holds. */
  idTokenSigningAlgs?: readonly string[]
  /** RFC 8628, CIBA, client credentials and others: grant types that the server names; `undefined`: it does not say. */
  grantTypes?: readonly string[]
  /** OpenID Connect or RFC 8414 issuer. */
  issuer?: string
  /** The issuer in tokens differs by tenant (Microsoft `common`), so it is compared as a template. */
  issuerVaries?: boolean
  /** The server promises `iss` in the callback (RFC 9207): a callback without it is refused. */
  issParameterSupported?: boolean
  /** Joins scopes before encoding. Default: one space. */
  scopeSeparator?: string
  /** Name of the scope parameter. Default: `scope`. */
  scopeParam?: string
  /** Name of a second scope list (Slack: `user_scope`). */
  userScopeParam?: string
  defaultScopes?: readonly string[]
  /** `required`, `supported`, `unsupported` (then not sent), `null`: no evidence (then sent). */
  pkce?: 'required' | 'supported' | 'unsupported' | 'plain-only' | null
  /** Default: `client_secret_basic` (RFC 6749 section 2.3.1) with a secret, `none` without. `null`: no evidence. */
  tokenEndpointAuthMethod?: TokenEndpointAuthMethod | null
  /** Default: `form`. */
  tokenRequestFormat?: 'form' | 'json' | 'query' | 'get'
  /** Headers added to token, refresh and revocation requests. */
  tokenRequestHeaders?: Readonly<Record<string, string>>
  /** Fixed extra parameters of the authorization URL. */
  authorizationParams?: Readonly<Record<string, string>>
  tokenParams?: Readonly<Record<string, string>>
  refreshParams?: Readonly<Record<string, string>>
  urlVariables?: readonly UrlVariable[]
  /** Dotted path to the object that holds the token. */
  tokenResponsePath?: string
  /** Dotted path to a second token, the person's own, used when the answer has no other (Slack: `authed_user`). */
  userTokenPath?: string
  /** Standard field -> the vendor's field (dotted path). */
  tokenResponseAliases?: Readonly<Record<string, string>>
  /** Unit of `expires_in`. Default: seconds. */
  expiresInUnit?: 'seconds' | 'milliseconds' | 'epoch-seconds' | 'iso8601'
  /** Seconds that a token is assumed to live when the answer does not say. Default: it does not expire. */
  assumedLifetimeSeconds?: number
  /** `true`: each refresh returns a new refresh token; `false`: the old one stays; `null`: no evidence. */
  refreshTokenRotation?: boolean | null
  /** A refresh token that was not used for so long ends; each refresh starts that anew. `null`: it does not end by idleness. */
  refreshTokenIdleSeconds?: number | null
  /** A grant ends so long after the consent, however much it was used; no refresh starts that anew. */
  refreshTokenLifetimeSeconds?: number
  /** As {@link refreshTokenLifetimeSeconds}, while the app is in the provider's own test mode. For explanations only. */
  refreshTokenTestingSeconds?: number
  /** For how long a refresh token that was replaced is answered once more. */
  refreshTokenGraceSeconds?: number
  /**
   * How an access token is renewed; `null`: no evidence. `client-credentials`: the client asks for another one, there
   * is no person. `session`: an empty POST to `refreshUrl` that the refresh token itself authorises.
   */
  refresh?:
    | 'standard'
    | 'none'
    | 'exchange-long-lived'
    | 'client-credentials'
    | 'session'
    | 'nonstandard'
    | null
  /**
   * Session tokens in the place of OAuth (Bluesky): how the request to `tokenUrl` names the person and their app
   * password. With `refresh: 'session'`.
   */
  sessionToken?: Readonly<{ username: string; password: string }>
  /** Header for API calls when it is not `Authorization: Bearer`; `Name: Scheme` when only the scheme differs. */
  accessTokenHeader?: string
  /** Query parameter that carries the access token on API calls, where the provider knows no header. */
  accessTokenQueryParam?: string
  /**
   * Form parameter that carries the access token on API calls whose body is a form, or that may have one and have no
   * body (RFC 6750 section 2.2). Other calls carry it in the header or query parameter.
   */
  accessTokenFormParam?: string
  /** Headers that every API call needs (Notion: `notion-version`). */
  apiHeaders?: Readonly<Record<string, string>>
  /** Base for relative URLs of API calls; its path is kept (`/users` -> `<base>/users`). */
  apiBaseUrl?: string
  /** Hosts that may receive the access token besides the host of `apiBaseUrl`; `*.example.com` covers subdomains. */
  apiHosts?: readonly string[]
  /** Callback parameters beyond `code`, `state`, `error*`, `iss` that are kept, under `extra`. */
  callbackParams?: readonly string[]
  /** Token-answer fields beyond the standard ones that are kept, under `extra`: dotted paths. */
  tokenFields?: readonly string[]
  /** Machine tags of the facts dataset that no field covers. */
  quirks?: readonly string[]
  /** Where the facts come from. */
  sources?: readonly string[]
  /** How many sources agree on the endpoints. */
  agreement?: number
  /** Field -> losing value -> its sources. */
  conflicts?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>
}

/**
 * A provider whose endpoints are known, or whose OpenID Connect / RFC 8414 `issuer` is, from which they are
 * discovered at first use. Made by {@link defineProvider} or looked up with {@link provider}.
 */
export type Provider = ProviderFacts & {
  authorizationUrl?: string
  tokenUrl?: string
}

/**
 * What {@link defineProvider} takes: both endpoints, or an issuer; the `tokenUrl` alone where no person is sent
 * anywhere (`refresh: 'client-credentials'` or `'session'`). Leaving one out otherwise is a type error.
 */
export type ProviderDefinition = ProviderFacts &
  (
    | { authorizationUrl: string; tokenUrl: string }
    | { issuer: string; authorizationUrl?: string; tokenUrl?: string }
    | { refresh: 'client-credentials' | 'session'; tokenUrl: string; authorizationUrl?: string }
  )
