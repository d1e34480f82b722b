// The configuration of oidc-provider for oidc.ts. Every default that the package warns of is replaced by a choice.
import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import { type FeatureSwitches, featureConfiguration, type OidcFeatures } from './oidc-features.ts'

/** An algorithm that the server signs id_tokens, JARM answers, userinfo and introspection answers with. */
export type SigningAlg = 'RS256' | 'PS256' | 'ES256' | 'Ed25519'

/** What {@link oidcConfiguration} makes a configuration of. */
export interface ConfigurationParts {
  adapter: (model: string) => object
  signingKeys: readonly object[]
  cookieKey: string
  clients: readonly Readonly<Record<string, unknown>>[]
  scopes: readonly string[]
  accessTokenSeconds: number
  /** Lifetimes by oidc-provider's names. */
  ttl: Readonly<Record<string, number>>
  rotateRefreshToken: boolean
  features: OidcFeatures
  switches: FeatureSwitches
  /** The second listener's endpoints, by their names in metadata. */
  mtlsAliases: Readonly<Record<string, string>> | undefined
}

/** What `new Provider(issuer, …)` takes. */
export function oidcConfiguration(parts: ConfigurationParts): Record<string, unknown> {
  const { features, switches } = parts
  return {
    adapter: parts.adapter,
    jwks: { keys: parts.signingKeys },
    cookies: { keys: [parts.cookieKey] },
    clients: parts.clients,
    clientDefaults: { id_token_signed_response_alg: switches.alg },
    clientAuthMethods: authMethodsOf(features),
    ...(features.responseTypes === undefined ? {} : { responseTypes: features.responseTypes }),
    ...(parts.mtlsAliases === undefined ? {} : { discovery: { mtls_endpoint_aliases: parts.mtlsAliases } }),
    scopes: ['openid', 'offline_access', 'profile', 'email', ...parts.scopes],
    claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
    clockTolerance: 0,
    pkce: { required: () => true },
    rotateRefreshToken: parts.rotateRefreshToken,
    issueRefreshToken: async (_ctx: unknown, client: { grantTypeAllowed(type: string): boolean }) =>
      client.grantTypeAllowed('refresh_token'),
    clientBasedCORS: () => false,
    fetch: async (url: string | URL) => documentAt(features.clientIdDocuments, String(url)),
    findAccount: (_ctx: unknown, sub: string) => ({ accountId: sub, claims: () => claimsOf(sub) }),
    renderError: renderErrorText,
    interactions: { url: (_ctx: unknown, interaction: { uid: string }) => `/interaction/${interaction.uid}` },
    features: featureConfiguration(features, switches),
    ttl: {
      AccessToken: parts.accessTokenSeconds,
      AuthorizationCode: 60,
      BackchannelAuthenticationRequest: 600,
      ClientCredentials: parts.accessTokenSeconds,
      DeviceCode: 600,
      IdToken: 3600,
      RefreshToken: 14 * 24 * 3600,
      Interaction: 3600,
      Session: 14 * 24 * 3600,
      Grant: 14 * 24 * 3600,
      ...parts.ttl,
    },
  }
}

function authMethodsOf(features: OidcFeatures): string[] {
  const plain = ['none', 'client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt']
  return features.mtls ? [...plain, 'tls_client_auth', 'self_signed_tls_client_auth'] : plain
}

/** The one thing that the server fetches: client-id metadata documents, which a test hands in. */
function documentAt(documents: OidcFeatures['clientIdDocuments'], url: string): Response {
  const found = documents?.[url]
  return found === undefined ? new Response(null, { status: 404 }) : Response.json(found)
}

function claimsOf(sub: string) {
  return { sub, name: sub, email: `${sub}@example.com`, email_verified: true }
}

function renderErrorText(ctx: { type: string; body: string }, out: Record<string, unknown>): void {
  ctx.type = 'text/plain'
  ctx.body = `The authorization server refuses: ${JSON.stringify(out)}\n`
}

/** Makes a key pair for an algorithm, as a private JWK. */
export async function signingKey(alg: SigningAlg, kid: string): Promise<object> {
  const make = promisify(generateKeyPair)
  const { privateKey } =
    alg === 'ES256'
      ? await make('ec', { namedCurve: 'P-256' })
      : alg === 'Ed25519'
        ? await make('ed25519')
        : await make('rsa', { modulusLength: 2048 })
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg, kid }
}
