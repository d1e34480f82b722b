// What the authorization server in oidc.ts can do besides the code grant, and how oidc-provider is told so.
// Everything is off unless a test asks for it: a test's server offers what the test is about.
import type { BackchannelRequest, Context } from 'oidc-provider'
import { errors } from 'oidc-provider'
import { certificateCallbacks } from './oidc-certificates.ts'
import { devicePages, logoutPages } from './oidc-pages.ts'

/** What the server offers besides the code grant, refresh, revocation, introspection and userinfo. Default: nothing. */
export interface OidcFeatures {
  /** Pushed authorization requests (RFC 9126); `required`: no others are taken. */
  par?: boolean | 'required'
  /** Request objects (JAR, RFC 9101), signed with a client's `privateKey`; `required`: no others are taken. */
  requestObjects?: boolean | 'required'
  /** JARM: response modes `jwt`, `query.jwt`, `fragment.jwt`, `form_post.jwt`. The plain ones are always there. */
  jarm?: boolean
  /** Response types. Default: `code`. `token` alone is nothing that oidc-provider does. */
  responseTypes?: readonly string[]
  /** DPoP (RFC 9449). */
  dpop?:
    | boolean
    | {
        /** Server nonces: `required`; `offered` (taken, and named in answers); default: none. */
        nonces?: 'offered' | 'required'
        /** The same proof may come twice. */
        allowReplay?: boolean
        /** Every ready-made client has to use DPoP. */
        bound?: boolean
      }
  /** Mutual TLS (RFC 8705): a second listener with TLS, named in `mtls_endpoint_aliases`. */
  mtls?:
    | boolean
    | {
        /** `false`: access tokens of the two TLS clients are not bound to the certificate. */
        bound?: boolean
        /** `false`: the metadata do not name the second listener. */
        aliases?: boolean
      }
  /** Device flow (RFC 8628). */
  device?: boolean
  /** CIBA, poll mode. The `login_hint` is a person's name; `nobody` is unknown. See {@link OidcServer.backchannel}. */
  ciba?: boolean
  /** Rich authorization requests (RFC 9396) of these types; `true`: `payment`, `files`. Implies resource indicators. */
  rar?: boolean | readonly string[]
  /** Resource indicators (RFC 8707): the resources and their scopes. Tokens for `jwt` ones are JWTs (RFC 9068). */
  resources?: Readonly<Record<string, { scopes: readonly string[]; format?: 'opaque' | 'jwt' }>>
  /** Dynamic registration (RFC 7591) and management (RFC 7592); an initial access token may be demanded. */
  registration?: boolean | { initialAccessToken?: string; management?: boolean; rotateAccessToken?: boolean }
  /** Client-id metadata documents by their `https` URL: what the server finds there. */
  clientIdDocuments?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  clientCredentials?: boolean
  /** Introspection answers as JWT (RFC 9701) for clients that ask for them. */
  jwtIntrospection?: boolean
  /** Userinfo as a signed JWT for every ready-made client. */
  jwtUserinfo?: boolean
  /** RP-Initiated Logout. */
  logout?: boolean
  /** The `claims` parameter. */
  claims?: boolean
  /** Further features of oidc-provider by their own names. */
  others?: Readonly<Record<string, unknown>>
}

/** What the features' callbacks need of the running server. */
export interface FeatureSwitches {
  /** Asked at each request with a proof. */
  dpopNonceRequired: () => boolean
  nonceSecret: () => Buffer
  onBackchannelRequest: (request: BackchannelRequest) => void
  /** Algorithm that the server signs with. */
  alg: string
}

const off = { enabled: false }
const on = { enabled: true }

/** The audience of rich authorization requests that name no resource. */
export const defaultResource = 'https://api.example.com/'

/** oidc-provider's `features`. */
export function featureConfiguration(features: OidcFeatures, switches: FeatureSwitches) {
  return {
    devInteractions: off,
    revocation: { enabled: true, allowedPolicy: ownTokensOnly },
    introspection: { enabled: true, allowedPolicy: ownTokensOnly },
    userinfo: on,
    pushedAuthorizationRequests: {
      enabled: Boolean(features.par),
      requirePushedAuthorizationRequests: features.par === 'required',
    },
    requestObjects: {
      enabled: Boolean(features.requestObjects),
      requireSignedRequestObject: features.requestObjects === 'required',
    },
    jwtResponseModes: { enabled: Boolean(features.jarm) },
    dPoP: dpop(features.dpop, switches),
    mTLS: mtls(features.mtls),
    deviceFlow: features.device ? { enabled: true, ...devicePages } : off,
    ciba: features.ciba ? ciba(switches) : off,
    resourceIndicators: resourceIndicators(features, switches.alg),
    richAuthorizationRequests: richAuthorizationRequests(features),
    ...registration(features.registration),
    clientIdMetadataDocument: features.clientIdDocuments ? { enabled: true, ack: 'draft-02' } : off,
    clientCredentials: { enabled: Boolean(features.clientCredentials) },
    jwtIntrospection: { enabled: Boolean(features.jwtIntrospection) },
    jwtUserinfo: { enabled: Boolean(features.jwtUserinfo) },
    rpInitiatedLogout: features.logout ? { enabled: true, ...logoutPages } : off,
    claimsParameter: { enabled: Boolean(features.claims) },
    ...features.others,
  }
}

function ownTokensOnly(_ctx: unknown, client: { clientId: string }, token: { clientId: string }): boolean {
  return token.clientId === client.clientId
}

function dpop(feature: OidcFeatures['dpop'], switches: FeatureSwitches) {
  if (!feature) return off
  const { nonces, allowReplay = false } = feature === true ? {} : feature
  return {
    enabled: true,
    allowReplay,
    requireNonce: () => switches.dpopNonceRequired(),
    ...(nonces === undefined ? {} : { nonceSecret: switches.nonceSecret() }),
  }
}

function mtls(feature: OidcFeatures['mtls']) {
  if (!feature) return off
  return {
    enabled: true,
    certificateBoundAccessTokens: true,
    selfSignedTlsClientAuth: true,
    tlsClientAuth: true,
    ...certificateCallbacks,
  }
}

function ciba(switches: FeatureSwitches) {
  return {
    enabled: true,
    deliveryModes: ['poll'],
    processLoginHint: (_ctx: unknown, hint: string) => (hint === 'nobody' ? undefined : hint),
    processLoginHintToken: () => undefined,
    verifyUserCode: () => undefined,
    validateRequestContext: () => undefined,
    validateBindingMessage: () => undefined,
    triggerAuthenticationDevice: (_ctx: unknown, request: BackchannelRequest) =>
      switches.onBackchannelRequest(request),
  }
}

function resourceIndicators(features: OidcFeatures, alg: string) {
  if (!features.resources && !features.rar) return off
  const resources = { [defaultResource]: { scopes: [] }, ...features.resources } as NonNullable<
    OidcFeatures['resources']
  >
  return {
    enabled: true,
    defaultResource: (ctx: Context, _client: unknown, oneOf?: readonly string[]) => {
      if (oneOf !== undefined) return oneOf[0]
      return ctx.oidc.params?.authorization_details === undefined ? undefined : defaultResource
    },
    getResourceServerInfo: (_ctx: unknown, resource: string) => {
      const known = resources[resource]
      if (known === undefined) throw new errors.InvalidTarget('resource indicator is unknown')
      return {
        scope: known.scopes.join(' '),
        audience: resource,
        accessTokenFormat: known.format ?? 'opaque',
        ...(known.format === 'jwt' ? { jwt: { sign: { alg } } } : {}),
      }
    },
  }
}

/** The types of rich authorization requests that the server and its clients know. */
export function detailTypes({ rar }: OidcFeatures): readonly string[] {
  return rar === true ? ['payment', 'files'] : rar || []
}

function richAuthorizationRequests(features: OidcFeatures) {
  if (!features.rar) return off
  const types = detailTypes(features)
  const validate = (_ctx: unknown, detail: Record<string, unknown>) => {
    if (detail.refuse) throw new errors.InvalidAuthorizationDetails('refused as asked')
  }
  return {
    enabled: true,
    types: Object.fromEntries(types.map((type) => [type, { validate }])),
    authorizationDetailsForGrantSource: (ctx: Context) => ctx.oidc.grant.rar,
    authorizationDetailsForAccessToken: (ctx: Context, _token: unknown, source?: { rar?: unknown }) =>
      asked(ctx) ?? source?.rar,
    authorizationDetailsForIntrospection: (_ctx: unknown, token: { rar?: unknown }) => token.rar,
  }
}

function asked(ctx: Context): unknown {
  const text = ctx.oidc.params?.authorization_details
  return text === undefined ? undefined : JSON.parse(text)
}

function registration(feature: OidcFeatures['registration']) {
  if (!feature) return { registration: off, registrationManagement: off }
  const { initialAccessToken, management = true, rotateAccessToken = true } = feature === true ? {} : feature
  return {
    registration: { enabled: true, initialAccessToken: initialAccessToken ?? false },
    registrationManagement: { enabled: management, rotateRegistrationAccessToken: rotateAccessToken },
  }
}
