// Sending an authorization request to the provider first, and the person with a reference to it.
// RFC 9126 sections 2.1 to 2.3.
import { InvalidResponseError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import { parseBody } from './answer-body.ts'
import type { Client } from './client.ts'
import type { PendingAuthorization } from './pending-authorization.ts'
import type { RequestOptions } from './request-options.ts'
import { type ReadContext, throwIfNotSuccess } from './response-reader.ts'
import { type LibraryCall, sendThroughLibrary } from './token-endpoint.ts'
import type { Answer } from './transport.ts'

/** A request that the provider keeps. */
export interface PushedAuthorization {
  requestUri: string
  /** Until when it can be used, in milliseconds since 1970; `undefined`: the provider does not say. */
  expiresAt: number | undefined
}

/**
 * Pushes an authorization request, the client authenticated as at the token endpoint (section 2.1).
 *
 * @throws {TokenEndpointError} refused (section 2.3); its `request` is `pushed_authorization`.
 * @throws {InvalidResponseError} an answer without a usable `request_uri`; NetworkError, TimeoutError.
 */
export async function pushAuthorization(
  provider: Provider,
  client: Client,
  pending: PendingAuthorization,
  parameters: URLSearchParams,
  options: RequestOptions,
): Promise<PushedAuthorization> {
  const request = {
    name: 'pushed_authorization',
    endpoint: 'pushedAuthorizationUrl' as const,
    secrets: [pending.state, pending.nonce, pending.codeVerifier, parameters.get('request') ?? undefined],
    format: 'form' as const,
    dpopKey: pending.dpopKey,
    build: ({ library, server, client: us, authentication, options: callOptions }: LibraryCall) =>
      library.pushedAuthorizationRequest(server, us, authentication, parameters, callOptions),
  }
  return sendThroughLibrary({ provider, client }, request, options, readPushed)
}

function readPushed(answer: Answer, context: ReadContext): PushedAuthorization {
  throwIfNotSuccess(answer, context)
  const body = parseBody(answer.text) ?? {}
  const { request_uri: requestUri, expires_in: expiresIn } = body
  if (typeof requestUri !== 'string' || !/^[\x21-\x7e]+$/.test(requestUri))
    throw new InvalidResponseError(
      'response_not_oauth',
      `${context.provider.id} took the pushed authorization request and answered without a usable request_uri (RFC 9126 section 2.2). Check pushedAuthorizationUrl of the provider, or leave it out.`,
      { status: answer.status },
    )
  const seconds = typeof expiresIn === 'string' ? Number.parseFloat(expiresIn) : expiresIn
  // No more than a `Date` can hold.
  const known = typeof seconds === 'number' && seconds > 0 && seconds < 1e9
  return { requestUri, expiresAt: known ? context.now + seconds * 1000 : undefined }
}
