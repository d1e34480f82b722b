// A client that registers itself, and what it keeps of that: the way in to what is loaded when it is asked.
// RFC 7591 (registration), RFC 7592 (management), OAuth Client ID Metadata Document.
import type { Provider, TokenEndpointAuthMethod } from '../providers/index.ts'
import { type Client, type ClientKey, hideClientSecret } from './client.ts'
import type { ClientMetadataDocument } from './client-metadata.ts'
import type { ClientMetadata } from './registered-metadata.ts'
import type { RequestOptions } from './request-options.ts'

/**
 * A client as the server registered it. Plain JSON in and out: `JSON.parse(JSON.stringify(registration))` is as good
 * as the original. It holds secrets (`clientSecret`, `managementToken`): seal it. `inspect` does not show them.
 */
export interface ClientRegistration {
  /** Version of this record. */
  version: 1
  /** Provider id. */
  provider: string
  clientId: string
  clientSecret?: string
  /** Milliseconds since 1970; absent: the secret does not end. Register again before, or update. */
  clientSecretExpiresAt?: number
  tokenEndpointAuthMethod?: TokenEndpointAuthMethod
  redirectUris?: readonly string[]
  idTokenSigningAlg?: string
  dpopBound?: boolean
  /** Where the registration can be read, changed and ended (RFC 7592 section 3), where the server lets us. */
  managementUrl?: string
  /** What it takes to do so. Secret. */
  managementToken?: string
  /** The members, by their names on the wire, that the server set otherwise than they were asked for. */
  changed: readonly string[]
  /** The whole answer without its secrets, by names on the wire. */
  metadata: Readonly<Record<string, unknown>>
}

/** Options of {@link registerClient}. */
export interface RegistrationOptions extends RequestOptions {
  /** What lets us register, where not everybody may (RFC 7591 section 3). Secret. */
  initialAccessToken?: string | undefined
}

/**
 * Registers a client at the provider's registration endpoint. Keep the registration, sealed, and take the client out
 * of it with {@link registeredClient} from then on.
 *
 * ```ts
 * const registration = await registerClient(acme, {
 *   clientName: 'Notes for the terminal',
 *   redirectUris: ['http://127.0.0.1/callback'],
 * })
 * const client = registeredClient(registration)
 * ```
 *
 * @throws {ConfigurationError} `provider_invalid`: the provider has no registration endpoint.
 * @throws {TokenEndpointError} refused: `invalid_redirect_uri`, `invalid_client_metadata`, `invalid_token`, …
 * @throws {InvalidResponseError} `response_not_oauth`: not the answer to a registration; NetworkError, TimeoutError.
 * @throws {TypeError} `invalid_argument`: metadata that no server should take.
 */
export async function registerClient(
  provider: Provider,
  metadata: ClientMetadata,
  options: RegistrationOptions = {},
): Promise<ClientRegistration> {
  const { registrationRequest } = await import('./registration-request.ts')
  return registrationRequest(provider, metadata, options)
}

/**
 * Reads a registration as it is now. The server may have replaced secrets: keep what this returns.
 *
 * @throws {TypeError} `invalid_argument`: the server gave no way to manage this registration.
 * @throws {TokenEndpointError} refused, `invalid_token` where the client is gone; NetworkError, TimeoutError.
 */
export async function readRegistration(
  provider: Provider,
  registration: ClientRegistration,
  options: RequestOptions = {},
): Promise<ClientRegistration> {
  const { managementRequest } = await import('./registration-request.ts')
  return managementRequest('GET', provider, registration, undefined, options)
}

/**
 * Changes a registration: the whole of it is sent, with `changes` in the place of what it said. Keep what this returns:
 * the server may have replaced secrets.
 *
 * @throws as {@link readRegistration}, and {@link registerClient}'s refusals.
 */
export async function updateRegistration(
  provider: Provider,
  registration: ClientRegistration,
  changes: ClientMetadata,
  options: RequestOptions = {},
): Promise<ClientRegistration> {
  const { managementRequest } = await import('./registration-request.ts')
  return managementRequest('PUT', provider, registration, changes, options)
}

/**
 * Ends a registration: the client, and every grant made to it, is gone.
 *
 * @throws as {@link readRegistration}.
 */
export async function deleteRegistration(
  provider: Provider,
  registration: ClientRegistration,
  options: RequestOptions = {},
): Promise<void> {
  const { deletionRequest } = await import('./registration-request.ts')
  return deletionRequest(provider, registration, options)
}

/** The client of a registration, as every grant takes it. `privateKey`: the private half of registered keys. */
export function registeredClient(registration: ClientRegistration, privateKey?: ClientKey): Client {
  const { clientId, clientSecret, tokenEndpointAuthMethod, redirectUris, idTokenSigningAlg } = registration
  const [redirectUri] = redirectUris ?? []
  return hideClientSecret({
    clientId,
    ...(clientSecret === undefined ? {} : { clientSecret }),
    ...(tokenEndpointAuthMethod === undefined ? {} : { tokenEndpointAuthMethod }),
    ...(redirectUri === undefined ? {} : { redirectUri }),
    ...(idTokenSigningAlg === undefined ? {} : { idTokenSigningAlg }),
    ...(registration.dpopBound === true ? { dpop: true } : {}),
    ...(privateKey === undefined ? {} : { privateKey }),
  })
}

/**
 * Makes a client-id metadata document: a client that nobody has to register. Publish `document` as JSON at exactly the
 * URL that is its `client_id`, without a redirect; `client` works at every provider that takes such ids (discovery:
 * `clientIdMetadataDocumentSupported`).
 *
 * @param clientId an https URL with a path, of yours.
 * @throws {TypeError} `invalid_argument`: a URL that cannot be a client id, a client with a secret, …
 */
export async function clientMetadataDocument(
  clientId: string,
  metadata: ClientMetadata,
  privateKey?: ClientKey,
): Promise<{ document: ClientMetadataDocument; client: Client }> {
  const { makeDocument } = await import('./client-metadata.ts')
  return makeDocument(clientId, metadata, privateKey)
}

/**
 * Fetches a client-id metadata document as a provider would, and checks it: reachable without a redirect, JSON, at
 * most 5 KiB, speaking of its own URL, without a secret.
 *
 * @throws {ConfigurationError} `discovery_failed`, naming what a provider would not take.
 * @throws {NetworkError} {@link TimeoutError}.
 */
export async function fetchClientMetadata(
  clientId: string,
  options: RequestOptions = {},
): Promise<ClientMetadataDocument> {
  const { readDocument } = await import('./client-metadata.ts')
  return readDocument(clientId, options)
}
