// Asking a provider whether a token still works, and whose it is.
// RFC 7662; RFC 9701 for answers that are signed.
import { ConfigurationError, InvalidResponseError } from '../errors.ts'
import { type Provider, splitScopes } from '../providers/index.ts'
import { isObject, type JsonObject, parseBody } from './answer-body.ts'
import type { Client } from './client.ts'
import { resolveEndpoints } from './endpoints.ts'
import { type EndpointOptions, parametersOf } from './request-options.ts'
import { throwIfNotSuccess } from './response-reader.ts'
import { type EndpointRequest, sendThroughLibrary } from './token-endpoint.ts'
import type { Answer } from './transport.ts'

/** Options of `introspectToken`. */
export interface IntrospectionOptions extends EndpointOptions {
  /** RFC 7662 section 2.1. Default: not sent. */
  tokenTypeHint?: 'access_token' | 'refresh_token' | undefined
  /**
   * Asks for an answer that the issuer signed (RFC 9701), and takes no other. Default `false`: plain JSON is asked for;
   * a JWT that comes all the same is checked.
   */
  signed?: boolean | undefined
}

/** What a provider says of a token. All but `active` is what the provider chose to tell. */
export interface Introspection {
  /** Whether the token is good, here and now. */
  active: boolean
  /** The scopes of the token; `undefined` when the answer does not say. */
  scopes: readonly string[] | undefined
  /** The client that the token was issued to. */
  clientId: string | undefined
  /** A name of the person for people to read. */
  username: string | undefined
  /** Who granted it, as the provider identifies people. */
  subject: string | undefined
  /** When the token ends; `undefined` when the answer does not say. */
  expiresAt: Date | undefined
  /** The whole answer: of a signed one, its `token_introspection`. */
  raw: Readonly<Record<string, unknown>>
}

/** Behind `introspectToken` of probes.ts, which documents it. */
export async function introspectionRequest(
  provider: Provider,
  client: Client,
  token: string,
  options: IntrospectionOptions,
): Promise<Introspection> {
  const resolved = await resolveEndpoints(provider, client, options, ['introspectionUrl'])
  if (resolved.introspectionUrl === undefined)
    throw new ConfigurationError(
      'provider_invalid',
      `${provider.id} has no introspection endpoint. Set introspectionUrl, or an issuer to discover it from.`,
    )
  const request = requestFor(resolved, token, options)
  const body = await sendThroughLibrary(
    { provider: resolved, client },
    request,
    options,
    (answer, context) => {
      throwIfNotSuccess(answer, context)
      return isJwt(answer) || options.signed === true
        ? signedBody(resolved, client, answer, options)
        : parseBody(answer.text)
    },
  )
  return introspectionFrom(resolved, body)
}

function requestFor(provider: Provider, token: string, options: IntrospectionOptions): EndpointRequest {
  const hint = options.tokenTypeHint === undefined ? {} : { token_type_hint: options.tokenTypeHint }
  const additionalParameters = parametersOf(hint, options.extraParams)
  return {
    name: 'introspection',
    endpoint: 'introspectionUrl',
    secrets: [token],
    // Servers that take JSON at one of the two endpoints take it at the other (Notion).
    format: provider.revocationFormat === 'json' ? 'json' : 'form',
    build: ({ library, server, client, authentication, options: callOptions }) =>
      library.introspectionRequest(server, client, authentication, token, {
        ...callOptions,
        additionalParameters,
        requestJwtResponse: options.signed === true,
      }),
  }
}

const mediaType = 'token-introspection+jwt'

function isJwt({ headers }: Answer): boolean {
  return /^application\/(token-introspection\+)?jwt\b/i.test(headers.get('content-type') ?? '')
}

/** RFC 9701 section 5: `iss`, `aud` (us), `iat` and `token_introspection` must be there; there is no `sub` or `exp`. */
async function signedBody(
  provider: Provider,
  client: Client,
  answer: Answer,
  options: IntrospectionOptions,
): Promise<JsonObject> {
  if (!isJwt(answer))
    throw new InvalidResponseError(
      'jwt_invalid',
      `${provider.id} answered the introspection request without signing it. Register the client for signed answers (introspection_signed_response_alg), or leave signed out.`,
      { status: answer.status },
    )
  const { verifyJwt } = await import('./signed-jwt.ts')
  const sender = { ...options, fetch: options.fetch ?? client.fetch }
  const { claims } = await verifyJwt(
    provider,
    answer.text.trim(),
    {
      what: 'an introspection response',
      audience: client.clientId,
      typ: mediaType,
      required: ['iss', 'aud', 'iat', 'token_introspection'],
    },
    sender,
  )
  const inner = claims['token_introspection']
  if (isObject(inner)) return inner
  throw unclear(provider)
}

function introspectionFrom(provider: Provider, body: JsonObject | undefined): Introspection {
  const active = body?.['active']
  const isActive = active === true || active === 'true'
  if (body === undefined || !(isActive || active === false || active === 'false')) throw unclear(provider)
  const text = (name: string) => (typeof body[name] === 'string' ? body[name] : undefined)
  const scopes = body['scope']
  return {
    active: isActive,
    scopes: typeof scopes === 'string' ? splitScopes(provider, scopes) : textsIn(scopes),
    clientId: text('client_id'),
    username: text('username'),
    subject: text('sub'),
    expiresAt: instant(body['exp']),
    raw: body,
  }
}

function textsIn(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : undefined
}

/** Seconds since 1970 (RFC 7519 section 2), as a number or in digits. */
function instant(value: unknown): Date | undefined {
  const seconds = typeof value === 'string' && /^\d{1,12}$/.test(value) ? Number(value) : value
  return typeof seconds === 'number' && seconds >= 0 && seconds < 8.64e12
    ? new Date(seconds * 1000)
    : undefined
}

function unclear(provider: Provider): InvalidResponseError {
  return new InvalidResponseError(
    'response_not_oauth',
    `${provider.id} answered the introspection request without saying whether the token is active. Check its introspectionUrl.`,
  )
}
