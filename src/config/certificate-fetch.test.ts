// A fetch with a client certificate, against a TLS server that demands one. Rows R4, R6, R22.
import { once } from 'node:events'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { inspect } from 'node:util'
import { Agent, fetch as plainFetch } from 'undici'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { makeCertificates, type TestCertificates } from '../../test/servers/oidc-certificates.ts'
import { NetworkError } from '../errors.ts'
import { refreshTokenGrant, TokenSet } from '../oauth/index.ts'
import { defineProvider } from '../providers/index.ts'
import { type ClientCertificate, certificateFetch } from './certificate-fetch.ts'
import { publicFetch } from './public-fetch.ts'

interface Seen {
  method: string
  headers: Record<string, unknown>
  body: string
  subject: string
  connection: number
}

let made: TestCertificates
let server: Server
let origin = ''
let seen: Seen[] = []

beforeAll(async () => {
  made = await makeCertificates()
  const { cert, key } = made.server
  server = createServer({
    cert,
    key,
    ca: [made.ca, made.selfSigned.cert],
    requestCert: true,
    rejectUnauthorized: true,
  })
  const connections: unknown[] = []
  server.on('request', async (request, response) => {
    let body = ''
    for await (const chunk of request.setEncoding('latin1')) body += chunk
    const socket = request.socket as TLSSocket
    if (!connections.includes(socket)) connections.push(socket)
    const { method = '', headers } = request
    const subject = String(socket.getPeerCertificate().subject['CN'])
    seen.push({ method, headers, body, subject, connection: connections.indexOf(socket) })
    if (request.url === '/moved') response.writeHead(302, { location: 'https://elsewhere.example/' }).end()
    else if (request.url === '/empty') response.writeHead(204).end()
    else response.setHeader('content-type', 'application/json').end('{"access_token":"bound"}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(() => {
  server.closeAllConnections()
  server.close()
})

beforeEach(() => {
  seen = []
})

const ours = (changes: Partial<ClientCertificate> = {}) =>
  certificateFetch({ ...made.client, ca: made.ca, ...changes })

describe('R4 certificateFetch', () => {
  it.each(['client', 'selfSigned'] as const)('presents the certificate: %s', async (name) => {
    const answer = await certificateFetch({ ...made[name], ca: made.ca })(`${origin}/t`)
    expect([answer.status, await answer.json()]).toEqual([200, { access_token: 'bound' }])
    expect(seen[0]?.subject).toBe(name === 'client' ? 'toolgrant-client' : 'toolgrant-self-signed')
  })

  it('takes bytes as well as texts, and a list of authorities', async () => {
    const bytes = (text: string) => new TextEncoder().encode(text)
    const { cert, key } = made.client
    const send = certificateFetch({
      cert: bytes(cert),
      key: bytes(key),
      ca: [made.selfSigned.cert, bytes(made.ca)],
    })
    expect((await send(new URL(`${origin}/t`))).status).toBe(200)
  })

  it('is refused with a certificate that the server does not know, and without one', async () => {
    await expect(certificateFetch({ ...made.stranger, ca: made.ca })(origin)).rejects.toThrow()
    const dispatcher = new Agent({ connect: { ca: made.ca } })
    await expect(plainFetch(origin, { dispatcher })).rejects.toThrow()
    expect(seen).toEqual([])
    await dispatcher.close()
  })

  it('sends nothing to a server of another authority, or of none that is known', async () => {
    for (const send of [ours({ ca: made.selfSigned.cert }), certificateFetch(made.client)])
      await expect(send(`${origin}/t`, { method: 'POST', body: 'canary' })).rejects.toThrow()
    expect(seen).toEqual([])
  })

  it('checks the server’s certificate, whatever the environment says', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    try {
      const sends = [ours({ ca: made.selfSigned.cert }), publicFetch({ except: ['127.0.0.1'] })]
      for (const send of sends)
        await expect(send(origin)).rejects.toMatchObject({
          cause: { code: expect.stringMatching(/UNABLE_TO_VERIFY|SELF_SIGNED|UNABLE_TO_GET_ISSUER/) },
        })
    } finally {
      vi.unstubAllEnvs()
    }
    expect(seen).toEqual([])
  })

  it('R6 as the fetch of a client: what a token request says, and why one failed', async () => {
    const provider = defineProvider({ id: 'acme', authorizationUrl: `${origin}/a`, tokenUrl: `${origin}/t` })
    const old = new TokenSet({ accessToken: 'old', refreshToken: 'refresh' })
    const client = { clientId: 'us', tokenEndpointAuthMethod: 'tls_client_auth', fetch: ours() } as const
    expect((await refreshTokenGrant(provider, client, old)).accessToken).toBe('bound')
    expect(seen[0]).toMatchObject({ method: 'POST', subject: 'toolgrant-client' })
    expect(Object.fromEntries(new URLSearchParams(seen[0]?.body))).toMatchObject({ client_id: 'us' })
    const stranger = { ...client, fetch: ours({ ca: made.selfSigned.cert }) }
    const failure = await refreshTokenGrant(provider, stranger, old).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(NetworkError)
    expect(String(failure)).toMatch(/UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT|UNABLE_TO_GET_ISSUER/)
  })
})

describe('R21 certificateFetch is a fetch', () => {
  it('for Request objects, forms and streams of the runtime', async () => {
    const send = ours()
    await send(new Request(`${origin}/t`, { method: 'PUT', body: 'one', headers: { 'x-a': '1' } }))
    const form = new FormData()
    form.set('name', 'zwei')
    await send(`${origin}/t`, { method: 'POST', body: form })
    const body = new Blob(['drei']).stream()
    await send(`${origin}/t`, {
      method: 'POST',
      body,
      duplex: 'half',
      headers: new Headers({ 'x-b': '2' }),
    } as RequestInit)
    await send(`${origin}/t`, { method: 'POST', body: new URLSearchParams({ vier: '4' }) })
    expect(seen.map(({ method, body: text }) => [method, text.includes('zwei') ? 'zwei' : text])).toEqual([
      ['PUT', 'one'],
      ['POST', 'zwei'],
      ['POST', 'drei'],
      ['POST', 'vier=4'],
    ])
    expect(seen[0]?.headers).toMatchObject({ 'x-a': '1' })
    expect(String(seen[1]?.headers['content-type'])).toMatch(/^multipart\/form-data; boundary=/)
    expect(seen[2]?.headers).toMatchObject({ 'x-b': '2' })
  })

  it('keeps its connection, stops at a signal and leaves redirects to the caller', async () => {
    const send = ours()
    for (const path of ['/1', '/2', '/3', '/4']) {
      await (await send(origin + path)).text()
      await new Promise(setImmediate)
    }
    expect(new Set(seen.map(({ connection }) => connection)).size).toBeLessThan(4)
    const reason = new Error('stop')
    await expect(send(origin, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const moved = await send(`${origin}/moved`, { redirect: 'manual' })
    expect([moved.status, moved.headers.get('location')]).toEqual([302, 'https://elsewhere.example/'])
  })

  it('answers with the runtime’s own Response, whose body can wait', async () => {
    const answer = await ours()(`${origin}/t`)
    expect(answer).toBeInstanceOf(Response)
    expect(answer).toMatchObject({ url: `${origin}/t`, redirected: false, ok: true, type: 'default' })
    expect(answer.headers.get('content-type')).toBe('application/json')
    const copy = answer.clone()
    expect(await Promise.all([answer.json(), copy.text()])).toEqual([
      { access_token: 'bound' },
      '{"access_token":"bound"}',
    ])
    const empty = await ours()(`${origin}/empty`)
    expect([empty.status, empty.body]).toEqual([204, null])
  })
})

describe('R22 certificateFetch keeps its key to itself', () => {
  it.each<[string, () => ClientCertificate]>([
    ['a key of another certificate', () => ({ ...made.client, key: made.stranger.key })],
    ['no certificate', () => ({ cert: 'canary', key: made.client.key })],
    ['no key', () => ({ cert: made.client.cert, key: 'canary' })],
  ])('refuses %s at once, and quotes nothing', (_, certificate) => {
    const make = () => certificateFetch(certificate())
    expect(make).toThrow(expect.objectContaining({ code: 'config_invalid' }))
    expect(make).not.toThrow(/canary|BEGIN/)
  })

  it('in inspect, JSON and errors', async () => {
    const send = ours()
    const failure = await ours({ ca: made.selfSigned.cert })(origin).catch((error: unknown) => error)
    const shown = [send, { clientId: 'us', fetch: send }, failure].map((value) =>
      inspect(value, { depth: null, showHidden: true }),
    )
    const body = made.client.key.split('\n')[1] ?? 'none'
    expect(body.length).toBeGreaterThan(20)
    for (const text of shown) expect(text).not.toContain(body)
  })
})
