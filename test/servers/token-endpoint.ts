// A token endpoint that records what it is asked and answers what a test wants: for the fast tests of the flows.
// There is no authorization page: the test plays the person, with `redirectBack`.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { defineProvider, type Provider } from '../../src/providers/index.ts'

/** A token request as it arrived. */
export interface RecordedTokenRequest {
  headers: Record<string, string | string[] | undefined>
  /** The body as sent. */
  body: string
  /** The body read as a form. */
  parameters: URLSearchParams
}

/** What the endpoint answers. */
export interface TokenAnswer {
  status?: number
  body?: unknown
  delayMs?: number
}

/** The endpoint, listening. */
export interface TokenEndpoint {
  readonly provider: Provider
  readonly tokenUrl: string
  readonly authorizationUrl: string
  readonly requests: RecordedTokenRequest[]
  /** Chooses the answer to a request. May be replaced. Default: tokens named after the code. */
  answer: (request: RecordedTokenRequest) => TokenAnswer
  close(): Promise<void>
}

/** Starts it on 127.0.0.1. Each access token is `token-for-<code>`. */
export async function startTokenEndpoint(facts: Partial<Provider> = {}): Promise<TokenEndpoint> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const authorizationUrl = `${origin}/authorize`
  const tokenUrl = `${origin}/token`
  const endpoint: TokenEndpoint = {
    provider: defineProvider({ id: 'acme', name: 'Acme', ...facts, authorizationUrl, tokenUrl }),
    tokenUrl,
    authorizationUrl,
    requests: [],
    answer: ({ parameters }) => ({ body: tokensFor(parameters.get('code') ?? '') }),
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  server.on('request', async (request, response) => {
    let body = ''
    for await (const chunk of request.setEncoding('utf8')) body += chunk
    const recorded = { headers: request.headers, body, parameters: new URLSearchParams(body) }
    endpoint.requests.push(recorded)
    const answer = endpoint.answer(recorded)
    if (answer.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, answer.delayMs))
    response.writeHead(answer.status ?? 200, { 'content-type': 'application/json' })
    response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body))
  })
  return endpoint
}

function tokensFor(code: string) {
  return {
    access_token: `token-for-${code}`,
    refresh_token: `refresh-for-${code}`,
    token_type: 'bearer',
    expires_in: 3600,
  }
}

/** The address a provider would redirect the person to. `undefined` leaves a parameter out. */
export function redirectBack(
  flow: { url: string },
  parameters: Record<string, string | undefined> = {},
): string {
  const asked = new URL(flow.url).searchParams
  const url = new URL(asked.get('redirect_uri') ?? '')
  const all = { code: 'code-1', state: asked.get('state') ?? '', ...parameters }
  for (const [name, value] of Object.entries(all))
    if (value !== undefined) url.searchParams.append(name, value)
  return url.href
}
