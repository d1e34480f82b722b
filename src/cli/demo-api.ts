// The small API of the demo: notes that belong to people, behind bearer tokens. RFC 6750 section 3 for refusals.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Whose token this is, or `undefined` when it is unknown, expired or revoked. */
export type TokenCheck = (
  accessToken: string,
) => Promise<{ user: string; scopes: readonly string[] } | undefined>

/** The API, listening on loopback. */
export interface DemoApi {
  readonly url: string
  /** Answers so far, by HTTP status. */
  readonly answers: Readonly<Record<number, number>>
  close(): Promise<void>
}

const notes = ['Buy oat milk', 'Call the plumber', 'Renew the passport']

/** Starts the API on any free port of 127.0.0.1. `GET /v1/notes?limit=…` needs the scope `notes.read`. */
export async function startDemoApi(check: TokenCheck): Promise<DemoApi> {
  const answers: Record<number, number> = {}
  const server = createServer(async (request, response) => {
    await answer(request, response, check)
    answers[response.statusCode] = (answers[response.statusCode] ?? 0) + 1
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    answers,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, check: TokenCheck): Promise<void> {
  const token = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
  const owner = token === undefined ? undefined : await check(token)
  if (owner === undefined) return refuse(response, 401, 'invalid_token')
  if (!owner.scopes.includes('notes.read')) return refuse(response, 403, 'insufficient_scope')
  const url = new URL(request.url ?? '/', 'http://127.0.0.1')
  if (url.pathname !== '/v1/notes') return refuse(response, 404, 'not_found')
  const limit = Number(url.searchParams.get('limit') ?? '10')
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ owner: owner.user, notes: notes.slice(0, limit) }))
}

function refuse(response: ServerResponse, status: number, error: string): void {
  response.statusCode = status
  if (status !== 404) response.setHeader('www-authenticate', `Bearer error="${error}", scope="notes.read"`)
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ error }))
}
