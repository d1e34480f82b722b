// One OAuth flow described by builder functions instead of a provider row: the shape guMCP's services use (P26).
// Over the loopback flow, so that state and PKCE (RFC 7636) come on top of whatever the builders make.
import { ConfigurationError, InvalidResponseError, quote } from '../errors.ts'
import type { Client, TokenSet } from '../oauth/index.ts'
import { defineProvider, ownParameters } from '../providers/index.ts'
import type { FlowListener } from './flow.ts'
import type { LoopbackOptions } from './loopback-options.ts'

/** An OAuth application, with the member names of guMCP's `oauth.json`. */
export interface OAuthApplication {
  client_id?: string
  client_secret?: string
  /** Default: `http://localhost:<port>`. Must lead to this machine. */
  redirect_uri?: string
  [member: string]: unknown
}

type Parameters = Readonly<Record<string, string>>

/** Options of {@link runOAuthFlow}. */
export interface RunOAuthFlowOptions {
  /** Names the service in errors, pages and logs. */
  serviceName: string
  /** Who this is for. Recorded, never sent. */
  userId: string
  scopes: readonly string[]
  authUrlBase: string
  tokenUrl: string
  /** The application's id, secret and whatever else the builders want of it. */
  oauthConfig?: OAuthApplication | undefined
  /** Parameters of the authorization URL, scopes included. State, PKCE and the redirect URI are added, and win. */
  authParamsBuilder: (
    oauthConfig: OAuthApplication,
    redirectUri: string,
    scopes: readonly string[],
  ) => Parameters
  /** Body of the token request. The PKCE verifier is added. Sent as JSON when a header says so, else as a form. */
  tokenDataBuilder: (
    oauthConfig: OAuthApplication,
    redirectUri: string,
    scopes: readonly string[],
    code: string,
  ) => Parameters
  /** Turns the service's answer into a standard one, lifting nested tokens, asking for more. Gets answers with a 2xx status only. */
  processTokenResponse?: (answer: Record<string, unknown>) => object | Promise<object>
  /** Headers of the token request, such as `authorization`. */
  tokenHeaderBuilder?: (oauthConfig: OAuthApplication) => Parameters
  /** Default 8080; `0`: any free port. */
  port?: number | undefined
  /** How long the person has, in milliseconds. Default 120 000. */
  timeoutMs?: number | undefined
  signal?: AbortSignal | undefined
  fetch?: typeof fetch | undefined
  onEvent?: FlowListener | undefined
  openBrowser?: LoopbackOptions['openBrowser']
}

/**
 * Runs a whole authorization code flow on `http://localhost:8080`, with the requests that the builder functions make.
 *
 * @throws {ConfigurationError} `client_missing` when `oauthConfig` has no `client_id`; what the loopback flow throws.
 */
export async function runOAuthFlow(options: RunOAuthFlowOptions): Promise<TokenSet> {
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
  const { startLoopback } = await import('./loopback-start.ts')
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
