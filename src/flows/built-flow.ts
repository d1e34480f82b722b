// The flow that builder functions describe (P26), carried out by the loopback flow.
// RFC 6749 section 4.1; state and PKCE (RFC 7636) come on top of whatever the builders make.
import { ConfigurationError, InvalidResponseError, quote } from '../errors.ts'
import type { Client, TokenSet } from '../oauth/index.ts'
import { defineProvider, ownParameters } from '../providers/index.ts'
import { startLoopback } from './loopback-start.ts'
import type { OAuthApplication, Parameters, RunOAuthFlowOptions } from './run-oauth-flow.ts'

/** Behind `runOAuthFlow` of run-oauth-flow.ts, which documents it. */
export async function runBuiltFlow(options: RunOAuthFlowOptions): Promise<TokenSet> {
  const { serviceName, authUrlBase, tokenUrl, scopes, userId, oauthConfig = {} } = options
  const { timeoutMs = 120_000, signal, onEvent, openBrowser, port } = options
  const client = clientOf(serviceName, oauthConfig, port)
  const id = serviceName.toLowerCase().replace(/[^a-z0-9._-]+/g, '-')
  const provider = defineProvider({ id, name: serviceName, authorizationUrl: authUrlBase, tokenUrl })
  let redirectUri = ''
  const request = {
    registration: { provider, client },
    scopes: [], // they are in the builder's parameters, under whatever name
    user: userId,
    timeoutMs,
    signal,
    extraParams: (uri: string) => {
      redirectUri = uri
      return withoutOurs(options.authParamsBuilder(oauthConfig, uri, scopes))
    },
    fetch: builtFetch(options, oauthConfig, () => redirectUri),
  }
  const flow = await startLoopback(request, { port, onEvent, openBrowser })
  const tokens = await flow.result()
  return tokens.scopes.length > 0 ? tokens : tokens.with({ scopes })
}

function clientOf(serviceName: string, application: OAuthApplication, port: number | undefined): Client {
  const { client_id: clientId, client_secret: clientSecret, redirect_uri: redirectUri } = application
  if (!clientId)
    throw new ConfigurationError(
      'client_missing',
      `The OAuth application of ${quote(serviceName)} has no client_id. Register an application there and pass its client_id in oauthConfig.`,
    )
  return {
    clientId,
    // The builders authenticate the client; the secret is here to be kept out of error texts.
    tokenEndpointAuthMethod: 'none',
    ...(clientSecret === undefined ? {} : { clientSecret }),
    redirectUri: redirectUri ?? (port === 0 ? 'http://localhost' : `http://localhost:${port ?? 8080}`),
  }
}

function withoutOurs(parameters: Parameters): Parameters {
  return Object.fromEntries(Object.entries(parameters).filter(([name]) => !ownParameters.has(name)))
}

/** A `fetch` that sends the builder's token request in place of the standard one, and hands its answer on, processed. */
function builtFetch(
  options: RunOAuthFlowOptions,
  oauthConfig: OAuthApplication,
  redirectUri: () => string,
): typeof fetch {
  const send = options.fetch ?? ((...args: globalThis.Parameters<typeof fetch>) => globalThis.fetch(...args))
  return async (input, init) => {
    const request = await builderCall(options, () => {
      const standard = new URLSearchParams(typeof init?.body === 'string' ? init.body : '')
      const code = standard.get('code') ?? ''
      const data = options.tokenDataBuilder(oauthConfig, redirectUri(), options.scopes, code)
      const verifier = standard.get('code_verifier')
      const headers = new Headers({
        accept: 'application/json',
        ...options.tokenHeaderBuilder?.(oauthConfig),
      })
      return encoded({ ...data, ...(verifier === null ? {} : { code_verifier: verifier }) }, headers)
    })
    const response = await send(input, { ...init, ...request })
    return response.ok ? processed(response, options) : response
  }
}

function encoded(data: Parameters, headers: Headers): { headers: Headers; body: string } {
  if (headers.get('content-type')?.includes('json') === true) return { headers, body: JSON.stringify(data) }
  headers.set('content-type', 'application/x-www-form-urlencoded')
  return { headers, body: new URLSearchParams(data).toString() }
}

/** A builder that throws is a mistake in the caller's code, and must not look like a broken network. */
async function builderCall<T>({ serviceName }: RunOAuthFlowOptions, call: () => T | Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (cause) {
    throw new ConfigurationError(
      'config_invalid',
      `A builder function of the OAuth flow for ${quote(serviceName)} threw. Its error is the cause.`,
      { cause },
    )
  }
}

async function processed(response: Response, options: RunOAuthFlowOptions): Promise<Response> {
  const { processTokenResponse, serviceName } = options
  if (processTokenResponse === undefined) return response
  const answer = parseAnswer(await readLimited(response, serviceName))
  const standard = await builderCall(options, () => processTokenResponse(answer))
  return Response.json(standard, { status: response.status })
}

/** JSON or a form; anything else comes out empty, and the token reader then says that it is no token answer. */
function parseAnswer(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return Object.fromEntries(new URLSearchParams(text))
  }
}

const maxAnswerBytes = 1024 * 1024

async function readLimited(response: Response, serviceName: string): Promise<string> {
  const decoder = new TextDecoder()
  let size = 0
  let text = ''
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    if (size > maxAnswerBytes)
      throw new InvalidResponseError(
        'response_too_large',
        `${serviceName} answered the token request with more than ${maxAnswerBytes} bytes. Check tokenUrl.`,
        { status: response.status },
      )
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}
