// What the smoke suite talks to: the simulated authorization server behind one loopback origin that also serves the
// page of the browser and answers for cross-origin calls, as a real provider's API does.
import { createHash, createPublicKey, type JsonWebKey, verify } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AuthorizationServer, startAuthorizationServer } from '../../src/testing/index.ts'

/** A running stage. */
export interface Stage {
  /** `http://127.0.0.1:<port>`: what a smoke program is told. */
  origin: string
  /** The simulated server behind it. */
  server: AuthorizationServer
  /** Modules and pages to serve, by path. */
  files: Map<string, string>
  close(): Promise<void>
}

/** Starts the stage on a free port. */
export async function startStage(): Promise<Stage> {
  const server = await startAuthorizationServer({
    openid: true,
    grantTypes: ['authorization_code', 'refresh_token', 'client_credentials'],
  })
  const files = new Map<string, string>()
  const http = createServer((request, response) => {
    answer({ server, files, origin: originOf(request) }, request, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error))
    })
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const address = http.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    origin: `http://127.0.0.1:${port}`,
    server,
    files,
    close: async () => {
      http.closeAllConnections()
      await Promise.all([new Promise((resolve) => http.close(resolve)), server.close()])
    },
  }
}

type Scene = Pick<Stage, 'server' | 'files' | 'origin'>

const originOf = ({ headers }: IncomingMessage) => `http://${headers.host}`

async function answer(scene: Scene, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', scene.origin)
  const body = await textOf(request)
  if (request.method === 'OPTIONS') return void response.writeHead(204, openToAll).end()
  const file = scene.files.get(url.pathname)
  if (file !== undefined) {
    const type = url.pathname.endsWith('.js') ? 'text/javascript' : 'text/html; charset=utf-8'
    return void response.writeHead(200, { 'content-type': type }).end(file)
  }
  const own = ownAnswers[url.pathname]
  if (own !== undefined) {
    const value = await own(scene, url, request, body)
    return void response
      .writeHead(200, { ...openToAll, 'content-type': 'application/json' })
      .end(JSON.stringify(value))
  }
  await forward(scene, url, request, body, response)
}

const openToAll = {
  'access-control-allow-origin': '*',
  'access-control-allow-headers': '*, authorization',
  'access-control-allow-methods': '*',
  'access-control-expose-headers': '*, www-authenticate',
}

/** What only the stage answers, by path. */
const ownAnswers: Record<
  string,
  (scene: Scene, url: URL, request: IncomingMessage, body: string) => unknown
> = {
  // What a provider's documentation and a registration give a developer.
  '/facts': ({ server, origin }) => ({ provider: facadeOf(server, origin), client: server.client() }),
  // A browser shows no script where a redirect leads, so the person's part is done here.
  '/consent': ({ server }, url) =>
    server.consent((url.searchParams.get('url') ?? '').replace(url.origin, server.url)),
  '/expire': ({ server }) => server.expireAccessTokens() ?? null,
  '/counts': ({ server }) => server.counts,
  '/jwt-token': (_, url, __, body) => tokenForAssertion(url, new URLSearchParams(body)),
  '/proved': (_, url, { method, headers }) => assertProof(url, method, headers),
  '/.well-known/oauth-authorization-server': (_, { origin }) => ({
    issuer: origin,
    authorization_endpoint: `${origin}/authorize`,
    token_endpoint: `${origin}/token`,
    code_challenge_methods_supported: ['S256'],
  }),
}

/** RFC 7523 section 3: signed by the key of the query, for this URL, not over yet. */
function tokenForAssertion(url: URL, parameters: URLSearchParams): unknown {
  const key: JsonWebKey = JSON.parse(url.searchParams.get('jwk') ?? '')
  const { payload } = verifiedJwt(parameters.get('assertion') ?? '', key)
  const isInTime = Number(payload['exp']) * 1000 > Date.now() && Number(payload['iat']) * 1000 <= Date.now()
  if (payload['aud'] !== url.href || !isInTime) throw new Error('The assertion is not for here and now.')
  return { access_token: `for-${payload['sub']}`, token_type: 'Bearer', expires_in: 60 }
}

/** RFC 9449 section 4.3: method, URL, access token and the proof's own key. */
function assertProof(url: URL, method: string | undefined, headers: IncomingMessage['headers']): unknown {
  const [scheme, token = ''] = headers.authorization?.split(' ') ?? []
  const { header, payload } = verifiedJwt(String(headers['dpop']))
  const hash = createHash('sha256').update(token).digest('base64url')
  const fits = payload['htm'] === method && payload['htu'] === url.origin + url.pathname
  if (scheme !== 'DPoP' || header['typ'] !== 'dpop+jwt' || !fits || payload['ath'] !== hash)
    throw new Error('The proof is for another request.')
  return { jkt: (header['jwk'] as JsonWebKey).x }
}

/** A JWT signed with ES256, by this key or the one in its header. */
function verifiedJwt(jwt: string, key?: JsonWebKey) {
  const [head = '', body = '', signature = ''] = jwt.split('.')
  const [header, payload]: Record<string, unknown>[] = [head, body].map((part) =>
    JSON.parse(Buffer.from(part, 'base64url').toString()),
  )
  if (header === undefined || payload === undefined) throw new Error('That is no JWT.')
  const publicKey = createPublicKey({ key: key ?? (header['jwk'] as JsonWebKey), format: 'jwk' })
  const signed = Buffer.from(`${head}.${body}`)
  const isValid = verify(
    'sha256',
    signed,
    { key: publicKey, dsaEncoding: 'ieee-p1363' },
    Buffer.from(signature, 'base64url'),
  )
  if (!isValid) throw new Error('The signature does not fit.')
  return { header, payload }
}

/** The provider as data, each endpoint at the stage's origin; the issuer stays the simulated server's own. */
function facadeOf(server: AuthorizationServer, origin: string): unknown {
  const { issuer, ...endpoints } = server.provider({ id: 'stage' })
  return { issuer, ...JSON.parse(JSON.stringify(endpoints).replaceAll(server.url, origin)) }
}

async function forward(
  { server }: Scene,
  url: URL,
  request: IncomingMessage,
  body: string,
  response: ServerResponse,
): Promise<void> {
  const { host: _, connection: __, 'content-length': ___, ...headers } = request.headers
  const answered = await fetch(server.url + url.pathname + url.search, {
    method: request.method ?? 'GET',
    headers: headers as Record<string, string>,
    ...(body === '' ? {} : { body }),
    redirect: 'manual',
  })
  const type = answered.headers.get('content-type') ?? 'text/plain'
  const challenge = answered.headers.get('www-authenticate')
  response.writeHead(answered.status, {
    ...openToAll,
    'content-type': type,
    ...(challenge === null ? {} : { 'www-authenticate': challenge }),
  })
  response.end(await answered.text())
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}
