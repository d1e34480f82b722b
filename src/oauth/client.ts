// A client: us, as registered at one provider.
// RFC 6749 section 2.
import type { Provider, TokenEndpointAuthMethod } from '../providers/index.ts'

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
  /** Values for the provider's `{variables}`, e.g. `{ tenant: 'organizations' }`. */
  variables?: Readonly<Record<string, string>>
}

/** Keeps `inspect` (and so `console.log`) and `JSON.stringify` from showing the secret of a client. Returns the client. */
export function hideClientSecret(client: Client): Client {
  if (client.clientSecret === undefined) return client
  const shown = () => ({ ...client, clientSecret: '[redacted]' })
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
