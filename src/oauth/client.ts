// A client: us, as registered at one provider.
// RFC 6749 section 2.
import type { Provider, ResponseMode, TokenEndpointAuthMethod } from '../providers/index.ts'
import type { EndpointCall, Hooks } from './hooks.ts'

/** Us, as registered at one provider. */
export interface Client {
  /** RFC 6749 section 2.2. */
  clientId: string
  /** Absent for a public client, which is then protected by PKCE alone. */
  clientSecret?: string
  /** Overrides the provider's `tokenEndpointAuthMethod`. */
  tokenEndpointAuthMethod?: TokenEndpointAuthMethod
  /** The redirect URI as registered. A flow that listens uses its port and path. */
  redirectUri?: string
  /**
   * Our private key: signs client assertions (`private_key_jwt`, RFC 7523), request objects (RFC 9101) and JWT grants.
   * Never sent.
   */
  privateKey?: ClientKey
  /**
   * Adds the client's proof to a request in a way that no method of ours does. Wins over `tokenEndpointAuthMethod`.
   * Awaited before each request that authenticates the client; `client_id` is among its parameters already.
   */
  authenticate?: (call: EndpointCall) => void | Promise<void>
  /**
   * What requests of this client are sent with: a `fetch` that presents a TLS client certificate (RFC 8705; see
   * `certificateFetch` of `toolgrant/config`), or goes through a proxy. An option `fetch` of a call wins.
   */
  fetch?: typeof fetch
  /** Asks for tokens that are bound to a key (DPoP, RFC 9449). Default: where the provider row says `required`. */
  dpop?: boolean
  /** Signs authorization requests with `privateKey` (JAR, RFC 9101). Default: where the provider row says `required`. */
  requestObject?: boolean
  /** Overrides the provider's `responseMode`. */
  responseMode?: ResponseMode
  /** The algorithm registered for id_tokens (`id_token_signed_response_alg`). Default: any that the issuer's JWKS has. */
  idTokenSigningAlg?: string
  /** `strict`: a grant with other scopes than were asked for is a {@link ScopeMismatchError}. Default `report` (R9). */
  scopes?: 'strict' | 'report'
  /** The caller's own code around requests (R17). */
  hooks?: Hooks
  /** Values for the provider's `{variables}`, e.g. `{ tenant: 'organizations' }`. */
  variables?: Readonly<Record<string, string>>
}

/** A private key of ours. */
export interface ClientKey {
  /** A JWK, a PKCS #8 PEM text, or a key of Web Crypto. A symmetric key is none. */
  key: JsonWebKey | string | CryptoKey
  /** `kid` of the registered public key. Default: the JWK's own. */
  kid?: string
  /** JWS algorithm. Default: the JWK's own, else what fits the key (`ES256`, `RS256`, `Ed25519`). */
  alg?: string
  /** Further header members of what it signs, such as `x5t#S256`, by which Microsoft Entra knows a certificate's key. */
  header?: Readonly<Record<string, unknown>>
}

/** Keeps `inspect` (and so `console.log`) and `JSON.stringify` from showing the secrets of a client. Returns the client. */
export function hideClientSecret(client: Client): Client {
  if (client.clientSecret === undefined && client.privateKey === undefined) return client
  const hidden = (name: 'clientSecret' | 'privateKey') =>
    client[name] === undefined ? {} : { [name]: '[redacted]' }
  const shown = () => ({ ...client, ...hidden('clientSecret'), ...hidden('privateKey') })
  return Object.defineProperties(client, {
    toJSON: { value: shown, enumerable: false },
    [Symbol.for('nodejs.util.inspect.custom')]: { value: shown, enumerable: false },
  })
}

/** A provider and us at it: what every token operation needs. */
export interface Registration {
  provider: Provider
  client: Client
}

/** Finds our registration at a provider: from configuration, the environment, or a plain record. */
export interface RegistrationSource {
  /**
   * @throws {ConfigurationError} `client_missing`, naming every place where the missing key may be set;
   *   `provider_unknown`.
   */
  registration(providerId: string): Promise<Registration>
}
