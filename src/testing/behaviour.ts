// How the simulated authorization server behaves: what a test chooses, and the defaults of a strict, rotating server.

/** The endpoints that latency, scripts and counters know. `refresh` is the token endpoint with `grant_type=refresh_token`. */
export type EndpointName =
  | 'authorization'
  | 'pushed'
  | 'consent'
  | 'token'
  | 'refresh'
  | 'revocation'
  | 'introspection'
  | 'device'
  | 'verification'
  | 'backchannel'
  | 'metadata'
  | 'jwks'
  | 'userinfo'
  | 'api'

/** A grant that the server can be told to take. `implicit` is a response type (`token`), and legacy. */
export type GrantType =
  | 'authorization_code'
  | 'refresh_token'
  | 'implicit'
  | 'password'
  | 'client_credentials'
  | 'urn:ietf:params:oauth:grant-type:jwt-bearer'
  | 'urn:ietf:params:oauth:grant-type:token-exchange'
  | 'urn:ietf:params:oauth:grant-type:device_code'
  | 'urn:openid:params:grant-type:ciba'

/** What the consent is asked about, for a `consent` function. */
export interface ConsentRequest {
  clientId: string
  scopes: readonly string[]
  redirectUri: string
  /** Every parameter of the authorization request. */
  params: Readonly<Record<string, string>>
}

/** What the person decides. */
export interface ConsentDecision {
  /** Default: `true`. */
  approve?: boolean
  /** Who signed in. Default: the request's `login_hint`, else the server's `user`. */
  user?: string
  /** The scopes the person leaves ticked. Default: all that were requested. */
  scopes?: readonly string[]
  /** The error of a refusal. Default: `access_denied`. */
  error?: string
  /** Further parameters of the callback (`realmId=…`). */
  params?: Readonly<Record<string, string>>
}

/** How a token answer departs from RFC 6749 section 5.1. */
export interface TokenAnswerShape {
  /** Default: `json`. `form` answers form-encoded text. */
  format?: 'json' | 'form'
  /** The `Content-Type`, whatever the format. */
  contentType?: string
  /** Status of a success. Default: 200. */
  status?: number
  /** Dotted path to put the answer under. */
  path?: string
  /** Standard field -> the name to answer it under (dotted path). */
  aliases?: Readonly<Record<string, string>>
  /** Default: `Bearer`. `null`: leave it out. */
  tokenType?: string | null
  /** How `expires_in` is written; the unit in the last four. Default: `number`. */
  expiresIn?:
    | 'number'
    | 'string'
    | 'float'
    | 'null'
    | 'omit'
    | 'milliseconds'
    | 'epoch-seconds'
    | 'iso8601'
    | 'zero'
  /** How `scope` is written. Default: `space`; `changed` leaves it out when what was granted is what was asked. */
  scope?: 'space' | 'comma' | 'array' | 'null' | 'omit' | 'changed'
  /** Further members of the answer. They replace standard ones of the same name. */
  extra?: Readonly<Record<string, unknown>>
  /** `in-200`: errors come with status 200; `ok-false`: Slack's `{"ok":false,"error":…}` with status 200. Default: `standard`. */
  errors?: 'standard' | 'in-200' | 'ok-false'
}

/** How an id_token departs from OpenID Connect Core section 2. */
export interface IdTokenShape {
  /** Claims to add or replace; `undefined` removes one. */
  claims?: Readonly<Record<string, unknown>>
  /** Default: `valid`. `wrong-key` signs with a key that the JWKS does not have; `none` does not sign. */
  signature?: 'valid' | 'wrong-key' | 'none'
}

/** A call that reached `/api/…` with a live token. */
export interface ApiCall {
  method: string
  /** Below `/api`, without the query. */
  path: string
  query: URLSearchParams
  headers: Readonly<Record<string, string>>
  body: string
  /** Who the token is for. */
  user: string
  scopes: readonly string[]
}

/** What an `api` function answers. */
export interface ApiAnswer {
  /** Default: 200. */
  status?: number
  headers?: Readonly<Record<string, string>>
  /** Text as it is, anything else as JSON. */
  body?: unknown
}

/** Everything that may be changed while the server runs, with {@link AuthorizationServer.configure}. */
export interface ServerBehaviour {
  /** Milliseconds between doing what a request asks and answering it. Default: 0. `refresh` overrides `token`. */
  latencyMs?: number | Readonly<Partial<Record<EndpointName, number>>>
  /** Who consents. Default: `ada`. */
  user?: string
  /** Default: `approve`. `page` shows a small page with two buttons. */
  consent?:
    | 'approve'
    | 'deny'
    | 'page'
    | ((request: ConsentRequest) => ConsentDecision | Promise<ConsentDecision>)
  /** The grants that are taken. Default: `authorization_code` and `refresh_token`. */
  grantTypes?: readonly GrantType[]
  /** Names and passwords of those who may use the password grant. Default: nobody. */
  passwords?: Readonly<Record<string, string>>
  /** Audiences and resources that a token exchange may name; others are answered `invalid_target`. Default: any. */
  audiences?: readonly string[]
  /** Whether authorization requests may, or must, be pushed first (RFC 9126). Default: there is no such endpoint. */
  pushedRequests?: 'supported' | 'required'
  /** Types of `authorization_details` that are granted (RFC 9396); others are refused. Default: details are ignored. */
  detailTypes?: readonly string[]
  /** Seconds that a device code, or a question on the backchannel, lives. Default: 600. */
  deviceSeconds?: number
  /** Least seconds between two requests with it. Default: 5. */
  deviceIntervalSeconds?: number
  /** The scopes that exist; others are answered `invalid_scope`. Default: any. */
  scopes?: readonly string[]
  /** Between scopes in requests. Default: one space; RFC 6749 section 3.3 knows no other. */
  scopeSeparator?: string
  /** Whether a request without PKCE is refused. Default: true. */
  requirePkce?: boolean
  /** Whether `code_challenge_method=plain` is taken. Default: false. */
  allowPlainPkce?: boolean
  /** Whether the callback has `iss` (RFC 9207). Default: true. */
  issParameter?: boolean
  /** Seconds that a code lives. Default: 60. */
  codeSeconds?: number
  /** Seconds that an access token lives. Default: 3600. `null`: for ever, and no `expires_in`. */
  accessTokenSeconds?: number | null
  /** Seconds that a refresh token lives. Default: for ever. */
  refreshTokenSeconds?: number
  /** Whether refresh tokens are issued. Default: `always`; `offline_access`: only with that scope. */
  refreshTokens?: 'always' | 'offline_access' | 'never'
  /** Whether each refresh replaces the refresh token. Default: true. */
  rotation?: boolean
  /** Seconds in which a replaced refresh token still works and leads to its successor. Default: 0. */
  rotationGraceSeconds?: number
  /** Whether using a replaced refresh token kills the whole grant. Default: true. Counted either way. */
  reuseRevokesGrant?: boolean
  /** Without rotation: whether the refresh answer leaves `refresh_token` out. Default: true. */
  omitRefreshToken?: boolean
  /** Body of token requests. Default: `form`. */
  tokenRequestFormat?: 'form' | 'json'
  /** Revocation requests. Default: `form` (RFC 7009). `bearer`: an empty POST with the access token ends its grant. */
  revocationFormat?: 'form' | 'json' | 'bearer'
  tokenAnswer?: TokenAnswerShape
  /** Whether there is OpenID Connect: metadata, JWKS, an id_token with scope `openid`. Default: false. */
  openid?: boolean
  idToken?: IdTokenShape
  /** Members of the metadata to add or replace; `undefined` removes one. */
  metadata?: Readonly<Record<string, unknown>>
  /**
   * Whether tokens are bound to the key that a request proves (DPoP, RFC 9449), or have to be. Default: no proof is
   * looked at, and every token is a bearer token.
   */
  dpop?: 'supported' | 'required'
  /** Whether proofs need a nonce of the server's. Default: false. */
  dpopNonces?: boolean
  /** How the API takes the token. Default: `Authorization: Bearer`. */
  tokenPlacement?: { header?: string; scheme?: string; query?: string }
  /** Answers calls to `/api/…` that carry a live token. Default: a JSON echo. */
  api?: (call: ApiCall) => ApiAnswer | Promise<ApiAnswer>
  /** Seconds that the server's clock is ahead of `now`. Default: 0. */
  clockSkewSeconds?: number
}

/** What {@link startAuthorizationServer} takes. */
export interface AuthorizationServerOptions extends ServerBehaviour {
  /** Default: any free one. */
  port?: number
  /** The clients that are registered. Default: one confidential client. Missing members are made up. */
  clients?: readonly Partial<RegisteredClient>[]
  /** Makes ids and secrets the same in each run. Default: random, so that each is a canary of its own. */
  seed?: string
  /** Milliseconds since 1970. Default: `Date.now`. */
  now?: () => number
}

/** A client as the server knows it (RFC 7591 section 2). */
export interface RegisteredClient {
  clientId: string
  /** Absent for a public client. */
  clientSecret?: string
  /** The only way that is taken. Default: `client_secret_basic` with a secret, `none` without. */
  tokenEndpointAuthMethod: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'none'
  /** Compared exactly, but for the port of a loopback address (RFC 8252 section 7.3). Default: any. */
  redirectUris?: readonly string[]
  /** What its JWT assertions are signed with (RFC 7523: grants, and `private_key_jwt`), as public JWKs. Default: none are believed. */
  publicKeys?: readonly (JsonWebKey & { kid?: string })[]
  /** The grants it may use (RFC 7591 section 2). Default: all that the server takes. */
  grantTypes?: readonly GrantType[]
}

/**
 * What happens to one request instead of, or around, the normal answer. `'ok'` is the normal answer.
 * Without `drop`, `hang`, `status`, `body`, `bytes` and `error` the request is carried out and answered normally.
 */
export type ScriptStep = 'ok' | ScriptedAnswer

/** One scripted misbehaviour. */
export interface ScriptedAnswer {
  /** Status of an answer that is made up; the request is not carried out. */
  status?: number
  headers?: Readonly<Record<string, string>>
  /** Body of an answer that is made up: text as it is, anything else as JSON. */
  body?: unknown
  /** An OAuth error, with status 400 unless `status` says otherwise. */
  error?: string
  /** Seconds, as `Retry-After`; status 429 unless `status` says otherwise. */
  retryAfter?: number
  /** A made-up JSON answer of about so many bytes. */
  bytes?: number
  /** Never answers. `answer`: carries the request out first. */
  hang?: true | 'answer'
  /** Cuts the connection. `answer`: carries the request out first, so that only its answer is lost. */
  drop?: true | 'answer'
  /** Carries the request out and cuts the connection in the middle of the answer. */
  truncate?: true
  /** Milliseconds to wait before the rest of this step, on top of the latency. */
  delayMs?: number
}

/** The grants that are taken now. */
export function grantTypesOf({ grantTypes }: ServerBehaviour): readonly GrantType[] {
  return grantTypes ?? ['authorization_code', 'refresh_token']
}

/** Milliseconds of latency of an endpoint. */
export function latencyOf(behaviour: ServerBehaviour, endpoint: EndpointName): number {
  const { latencyMs } = behaviour
  if (latencyMs === undefined || typeof latencyMs === 'number') return latencyMs ?? 0
  return latencyMs[endpoint] ?? (endpoint === 'refresh' ? latencyMs.token : undefined) ?? 0
}
