// A client whose id is the URL of its own metadata: nobody has to register it.
// OAuth Client ID Metadata Document (draft-ietf-oauth-client-id-metadata-document) sections 3 and 4.
import { argumentError, ConfigurationError, quote } from '../errors.ts'
import { hostKind } from '../providers/index.ts'
import { parseBody } from './answer-body.ts'
import { type Client, type ClientKey, hideClientSecret } from './client.ts'
import { type ClientMetadata, wireMetadata } from './registered-metadata.ts'
import type { RequestOptions } from './request-options.ts'
import { exchange } from './transport.ts'

/** The document, as it is published. */
export interface ClientMetadataDocument {
  readonly client_id: string
  readonly [member: string]: unknown
}

/** More than that a provider need not read (section 6.6). */
const maxDocumentBytes = 5 * 1024

/** Methods for which there would have to be a secret, which a public document cannot hold (section 4.1). */
const secretMethod = /secret|^json_body$|^signed_/

/** Behind `clientMetadataDocument` of registration.ts, which documents it. */
export function makeDocument(
  clientId: string,
  metadata: ClientMetadata,
  privateKey: ClientKey | undefined,
): { document: ClientMetadataDocument; client: Client } {
  const problem = clientIdProblem(clientId)
  if (problem !== undefined) throw argumentError(`${shown(clientId)} cannot be a client id: ${problem}.`)
  const tokenEndpointAuthMethod =
    metadata.tokenEndpointAuthMethod ?? (privateKey === undefined ? 'none' : 'private_key_jwt')
  const document = { ...wireMetadata({ ...metadata, tokenEndpointAuthMethod }), client_id: clientId }
  const wrong = documentProblem(document, clientId)
  if (wrong !== undefined) throw argumentError(`The client-id metadata document ${wrong}.`)
  const [redirectUri] = metadata.redirectUris ?? []
  const client = hideClientSecret({
    clientId,
    tokenEndpointAuthMethod,
    ...(redirectUri === undefined ? {} : { redirectUri }),
    ...(privateKey === undefined ? {} : { privateKey }),
  })
  return { document: Object.freeze(document), client }
}

/** Behind `fetchClientMetadata` of registration.ts, which documents it. */
export async function readDocument(
  clientId: string,
  options: RequestOptions,
): Promise<ClientMetadataDocument> {
  const problem = clientIdProblem(clientId)
  if (problem !== undefined) throw unusable(clientId, `cannot be a client id: ${problem}`)
  const request = { who: new URL(clientId).host, what: 'client metadata', url: clientId } as const
  const headers = { accept: 'application/json' }
  const answer = await exchange({ ...request, method: 'GET', headers }, options)
  if (answer.status !== 200) throw unusable(clientId, `answers HTTP ${answer.status}`)
  if (!/^application\/([\w.-]+\+)?json\b/i.test(answer.headers.get('content-type') ?? ''))
    throw unusable(clientId, 'is not served as application/json')
  if (new TextEncoder().encode(answer.text).length > maxDocumentBytes)
    throw unusable(clientId, `is longer than ${maxDocumentBytes} bytes`)
  const document = { ...parseBody(answer.text) }
  const wrong = documentProblem(document, clientId)
  if (wrong !== undefined) throw unusable(clientId, wrong)
  return Object.freeze({ ...document, client_id: clientId })
}

/** Section 3: https with a path, no fragment, no user, no dot segments. Loopback is let through, for tests. */
function clientIdProblem(clientId: string): string | undefined {
  if (!URL.canParse(clientId)) return 'it is not a URL'
  const url = new URL(clientId)
  const local = url.protocol === 'http:' && hostKind(url.hostname) === 'loopback'
  if (url.protocol !== 'https:' && !local) return 'it is not https'
  if (url.username !== '' || url.password !== '') return 'it holds a user name or password'
  if (url.pathname === '/') return 'it has no path'
  if (clientId.includes('#')) return 'it has a fragment'
  // Providers compare texts: what a parser would change is another id.
  return url.href === clientId ? undefined : `it is spelled otherwise by URL parsers: ${quote(url.href)}`
}

/** A URL for messages, without the user name and password that should not be in it. */
function shown(url: string): string {
  const { username, password, host } = URL.canParse(url)
    ? new URL(url)
    : { username: '', password: '', host: '' }
  return quote(username === '' && password === '' ? url : host)
}

function documentProblem(document: Readonly<Record<string, unknown>>, clientId: string): string | undefined {
  if (document['client_id'] !== clientId) return 'speaks for another client_id than its own URL'
  if (document['client_secret'] !== undefined) return 'holds a client_secret, for everybody to read'
  const { token_endpoint_auth_method: method, jwks, jwks_uri: jwksUri, redirect_uris: uris } = document
  if (secretMethod.test(String(method ?? 'client_secret_basic')))
    return 'needs a token_endpoint_auth_method without a secret: none or private_key_jwt'
  if (method === 'private_key_jwt' && jwks === undefined && jwksUri === undefined)
    return 'names private_key_jwt without the public keys (jwks or jwks_uri)'
  if (!Array.isArray(uris) || uris.length === 0) return 'has no redirect_uris'
  return undefined
}

function unusable(clientId: string, problem: string): ConfigurationError {
  return new ConfigurationError(
    'discovery_failed',
    `The client-id metadata document ${shown(clientId)} ${problem}. Providers would not take it.`,
  )
}
