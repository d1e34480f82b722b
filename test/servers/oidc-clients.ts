// Clients that oidc.ts has registered, one for each way of authenticating, with what they need to prove who they are.
// RFC 6749 section 2.3, RFC 7591 section 2, RFC 8705 section 2.
import { generateKeyPair, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { type CertificatePair, certificateJwk, type TestCertificates } from './oidc-certificates.ts'
import { detailTypes, type OidcFeatures } from './oidc-features.ts'

/** Every way of authenticating at the token endpoint that oidc-provider has. */
export const authMethods = [
  'none',
  'client_secret_basic',
  'client_secret_post',
  'client_secret_jwt',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
] as const

/** One of them. */
export type AuthMethod = (typeof authMethods)[number]

/** A registered client: what `Client` of toolgrant/oauth takes, and a certificate. */
export interface ReadyClient {
  clientId: string
  clientSecret?: string
  tokenEndpointAuthMethod: AuthMethod
  /** Registered in the client's JWKS, for every client: `private_key_jwt`, request objects. ES256. */
  privateKey: { key: JsonWebKey; kid: string; alg: string }
}

/** A ready-made client with what the server was told of it. */
export interface RegisteredClient {
  client: ReadyClient
  metadata: Readonly<Record<string, unknown>>
  /** For the two ways with TLS. */
  certificate?: CertificatePair
}

/** Redirect URIs of native clients; the port is any (RFC 8252 section 7.3). */
export const loopbackRedirects = ['', 'callback', 'oauth/callback'].flatMap((path) => [
  `http://127.0.0.1/${path}`,
  `http://localhost/${path}`,
  `http://[::1]/${path}`,
])

const cibaGrant = 'urn:openid:params:grant-type:ciba'
const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code'

/** Facts that all ready-made clients share, as oidc-provider wants them for the features that are on. */
export function commonMetadata(features: OidcFeatures, alg: string): Record<string, unknown> {
  const responseTypes = features.responseTypes ?? ['code']
  const implicit = responseTypes.some((type) => /token/.test(type))
  return {
    response_types: responseTypes,
    grant_types: [
      'authorization_code',
      'refresh_token',
      ...(implicit ? ['implicit'] : []),
      ...(features.device ? [deviceGrant] : []),
      ...(features.ciba ? [cibaGrant] : []),
      ...(features.clientCredentials ? ['client_credentials'] : []),
    ],
    ...(features.ciba ? { backchannel_token_delivery_mode: 'poll' } : {}),
    ...(features.jarm ? { authorization_signed_response_alg: alg } : {}),
    ...(features.jwtUserinfo ? { userinfo_signed_response_alg: alg } : {}),
    ...(features.jwtIntrospection ? { introspection_signed_response_alg: alg } : {}),
    ...(features.logout ? { post_logout_redirect_uris: loopbackRedirects } : {}),
    ...(features.rar ? { authorization_details_types: detailTypes(features) } : {}),
    ...(typeof features.dpop === 'object' && features.dpop.bound ? { dpop_bound_access_tokens: true } : {}),
  }
}

/** Makes the clients for every method that the features allow; `certificates` for those with TLS. */
export async function readyClients(
  common: Readonly<Record<string, unknown>>,
  features: OidcFeatures,
  certificates: TestCertificates | undefined,
): Promise<Map<AuthMethod, RegisteredClient>> {
  const methods = authMethods.filter((method) => certificates !== undefined || !method.includes('tls'))
  const made = await Promise.all(
    methods.map((method) => registeredClient(method, common, features, certificates)),
  )
  return new Map(made.map((registered) => [registered.client.tokenEndpointAuthMethod, registered]))
}

async function registeredClient(
  method: AuthMethod,
  common: Readonly<Record<string, unknown>>,
  features: OidcFeatures,
  certificates: TestCertificates | undefined,
): Promise<RegisteredClient> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
  const named = { kid: `key-of-${method}`, alg: 'ES256' }
  const client: ReadyClient = {
    clientId: `toolgrant-${method.replaceAll('_', '-')}`,
    ...(method.startsWith('client_secret') ? { clientSecret: randomBytes(32).toString('base64url') } : {}),
    tokenEndpointAuthMethod: method,
    privateKey: { ...named, key: { ...privateKey.export({ format: 'jwk' }), ...named } as JsonWebKey },
  }
  const certificate =
    method === 'tls_client_auth' ? certificates?.client : tlsSelfSigned(method, certificates)
  const keys: unknown[] = [{ ...publicKey.export({ format: 'jwk' }), ...named, use: 'sig' }]
  if (certificate !== undefined && method === 'self_signed_tls_client_auth')
    keys.push(certificateJwk(certificate.cert))
  return {
    client,
    ...(certificate === undefined ? {} : { certificate }),
    metadata: {
      ...common,
      ...(method === 'none' ? { grant_types: withoutClientCredentials(common.grant_types) } : {}),
      application_type: 'native',
      redirect_uris: loopbackRedirects,
      client_id: client.clientId,
      ...(client.clientSecret === undefined ? {} : { client_secret: client.clientSecret }),
      token_endpoint_auth_method: method,
      jwks: { keys },
      ...(certificate === undefined ? {} : tlsMetadata(method, features)),
    },
  }
}

function tlsSelfSigned(
  method: AuthMethod,
  certificates: TestCertificates | undefined,
): CertificatePair | undefined {
  return method === 'self_signed_tls_client_auth' ? certificates?.selfSigned : undefined
}

function tlsMetadata(method: AuthMethod, features: OidcFeatures): Record<string, unknown> {
  const bound = typeof features.mtls !== 'object' || features.mtls.bound !== false
  return {
    use_mtls_endpoint_aliases: true,
    ...(bound ? { tls_client_certificate_bound_access_tokens: true } : {}),
    ...(method === 'tls_client_auth' ? { tls_client_auth_subject_dn: 'CN=toolgrant-client' } : {}),
  }
}

function withoutClientCredentials(grantTypes: unknown): unknown {
  return (grantTypes as string[]).filter((type) => type !== 'client_credentials')
}
