import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { get, request as httpRequest, type IncomingMessage } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { redirectBack, startTokenEndpoint, type TokenEndpoint } from '../../test/servers/token-endpoint.ts'
import {
  type FlowEvent,
  type FlowRequest,
  type LoopbackOptions,
  loopback,
  type StartedFlow,
} from './index.ts'

const client = { clientId: 'client-1' }
let endpoint: TokenEndpoint
let dataFolder: string
const started: StartedFlow[] = []
const sockets: Socket[] = []

beforeAll(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), 'toolgrant-listener-'))
})
afterAll(() => rm(dataFolder, { recursive: true }))
beforeEach(async () => {
  endpoint = await startTokenEndpoint()
})
afterEach(async () => {
  for (const flow of started.splice(0)) flow.cancel()
  for (const socket of sockets.splice(0)) socket.destroy()
  await endpoint.close()
})

async function start(options: LoopbackOptions & Partial<FlowRequest> = {}): Promise<StartedFlow> {
  const registration = { provider: endpoint.provider, client }
  const listen = { onEvent: () => {}, dataFolder, ...options }
  const flow = await loopback(listen).start({ registration, scopes: ['read'], ...options })
  started.push(flow)
  return flow
}

function portOf(flow: StartedFlow): number {
  return Number(new URL(flow.redirectUri).port)
}

async function peer(flow: StartedFlow): Promise<Socket> {
  const socket = connect(portOf(flow), '127.0.0.1')
  socket.on('error', () => {})
  sockets.push(socket)
  await once(socket, 'connect')
  return socket.resume()
}

async function send(flow: StartedFlow, path: string, options: object = {}): Promise<number> {
  const target = { host: '127.0.0.1', port: portOf(flow), path, agent: false, ...options }
  const sent = httpRequest(target).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  response.resume()
  return response.statusCode ?? 0
}

/** The right callback still works, and only then a token is asked for. */
async function expectStillWaiting(flow: StartedFlow): Promise<void> {
  expect(endpoint.requests).toHaveLength(0)
  expect((await fetch(redirectBack(flow))).status).toBe(200)
  await flow.result()
  expect(endpoint.requests).toHaveLength(1)
}

function callbackPath(flow: StartedFlow): string {
  const { pathname, search } = new URL(redirectBack(flow))
  return pathname + search
}

describe('P13 stray requests', () => {
  it('get a 404 for another path and the favicon', async () => {
    const flow = await start({ path: '/callback' })
    for (const path of ['/favicon.ico', '/', '/callback/', '/callbac', '//callback', '/.well-known/x?y'])
      expect(await send(flow, path)).toBe(404)
    const query = new URL(redirectBack(flow)).search
    expect(await send(flow, `/other${query}`)).toBe(404)
    expect(await send(flow, `http://127.0.0.1/callback${query}`)).toBe(404) // absolute form, as to a proxy
    await expectStillWaiting(flow)
  })

  it.each(['HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])('get a 405 for %s', async (method) => {
    const flow = await start()
    expect(await send(flow, callbackPath(flow), { method })).toBe(405)
    await expectStillWaiting(flow)
  })

  it('are not confused by an upgrade, a body or an expectation', async () => {
    const flow = await start()
    const upgrade = { connection: 'upgrade', upgrade: 'websocket' }
    expect(await send(flow, '/?state=x', { headers: upgrade })).toBe(400)
    expect(await send(flow, '/?state=x', { headers: { expect: 'something' } })).toBe(417)
    const posting = httpRequest({ host: '127.0.0.1', port: portOf(flow), method: 'POST', agent: false })
    posting.on('error', () => {})
    posting.end('x'.repeat(500_000))
    const [response] = (await once(posting, 'response')) as [IncomingMessage]
    expect(response.statusCode).toBe(405)
    response.destroy()
    await expectStillWaiting(flow)
  })
})

describe('a foreign Host header (DNS rebinding)', () => {
  it.each([
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'localhost',
    '127.0.0.1:1',
    '[::2]',
  ])('P9 is refused: %s', async (host) => {
    const flow = await start()
    expect(await send(flow, callbackPath(flow), { headers: { host } })).toBe(403)
    await expectStillWaiting(flow)
  })

  it('is not one of our own names with our port', async () => {
    for (const name of ['127.0.0.1', 'localhost', 'LOCALHOST', '[::1]']) {
      const flow = await start()
      const headers = { host: `${name}:${portOf(flow)}` }
      expect(await send(flow, callbackPath(flow), { headers })).toBe(200)
      await flow.result()
    }
  })
})

describe('P13 hostile peers', () => {
  it('that say nothing, half a request or garbage do not delay the timeout', async () => {
    const before = performance.now()
    const flow = await start({ timeoutMs: 400 })
    const silent = await peer(flow)
    const slow = await peer(flow)
    slow.write('GET / HTTP/1.1\r\nHost: ')
    const garbage = await peer(flow)
    garbage.write('\x16\x03\x01\x02\x00\x01garbage\r\n\r\n')
    const error = await flow.result().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'timeout' })
    expect(performance.now() - before).toBeLessThan(650)
    for (const socket of [silent, slow, garbage]) if (!socket.closed) await once(socket, 'close')
  })

  it('with huge headers get a 431', async () => {
    const flow = await start()
    const headers = { cookie: 'c'.repeat(70_000) }
    expect(await send(flow, '/', { headers }).catch(() => 431)).toBe(431)
    await expectStillWaiting(flow)
  })

  it('do not mind the cookies that other programs left on localhost', async () => {
    const flow = await start()
    expect(await send(flow, callbackPath(flow), { headers: { cookie: 'c'.repeat(40_000) } })).toBe(200)
    await flow.result()
  })

  it('in hundreds of connections leave room for the callback, and are gone at the end', async () => {
    const flow = await start()
    const peers = await Promise.all(Array.from({ length: 300 }, () => peer(flow)))
    await expectStillWaiting(flow)
    await Promise.all(peers.map((socket) => (socket.closed ? undefined : once(socket, 'close'))))
    const again = createServer()
    again.listen(portOf(flow), '127.0.0.1')
    await once(again, 'listening')
    again.close()
  })

  it('that send many wrong states cost one event each, and no more', async () => {
    const events: FlowEvent[] = []
    const flow = await start({ onEvent: (event) => events.push(event) })
    await Promise.all(Array.from({ length: 100 }, (_, index) => send(flow, `/?code=x&state=guess-${index}`)))
    expect(events.filter(({ type }) => type === 'callback-refused')).toHaveLength(100)
    await expectStillWaiting(flow)
  })

  it('that do not read the page cannot hold the flow', async () => {
    const flow = await start({ pages: { success: 'x'.repeat(30_000_000) } })
    const socket = await peer(flow)
    socket.pause()
    const before = performance.now()
    socket.write(`GET ${callbackPath(flow)} HTTP/1.1\r\nHost: 127.0.0.1:${portOf(flow)}\r\n\r\n`)
    await flow.result()
    expect(performance.now() - before).toBeLessThan(2_000)
  })

  it('that hang up during the exchange do not stop it', async () => {
    endpoint.answer = () => ({ body: { access_token: 'kept', token_type: 'bearer' }, delayMs: 100 })
    const flow = await start()
    const sent = get(redirectBack(flow), { agent: false }).on('error', () => {})
    while (endpoint.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    sent.destroy()
    await expect(flow.result()).resolves.toMatchObject({ accessToken: 'kept' })
  })
})

describe('https', () => {
  it('P13 is not disturbed by plain http or a silent peer on its port', async () => {
    const before = performance.now()
    const flow = await start({ https: true, port: 0, timeoutMs: 400 })
    const plain = await peer(flow)
    plain.write(`GET / HTTP/1.1\r\nHost: localhost:${portOf(flow)}\r\n\r\n`)
    await once(plain, 'close')
    await peer(flow)
    expect(await getOverTls(flow)).toBe(200)
    await flow.result()
    const other = await start({ https: true, port: 0, timeoutMs: 300 })
    await peer(other)
    await expect(other.result()).rejects.toMatchObject({ code: 'timeout' })
    expect(performance.now() - before).toBeLessThan(2_000)
  })

  it('P13 times out in time with a peer that never shakes hands', async () => {
    const flow = await start({ https: true, port: 0, timeoutMs: 200 })
    await peer(flow)
    const before = performance.now()
    await expect(flow.result()).rejects.toMatchObject({ code: 'timeout' })
    expect(performance.now() - before).toBeLessThan(450)
  })

  it('does not share a port with http, and says so', async () => {
    const flow = await start()
    const port = portOf(flow)
    await expect(start({ port, host: '127.0.0.1', https: true })).rejects.toThrow(
      `A flow of this process already waits on port ${port} with plain http`,
    )
    await expectStillWaiting(flow)
  })

  it('shares a port between flows with one certificate', async () => {
    const first = await start({ https: true, port: 0 })
    const second = await start({ https: true, port: portOf(first) })
    expect(await getOverTls(second)).toBe(200)
    expect(await getOverTls(first)).toBe(200)
    await Promise.all([first.result(), second.result()])
  })

  it('hands the whole success page to the browser before it closes, every time', async () => {
    for (let round = 0; round < 25; round += 1) {
      const flow = await start({ https: true, port: 0 })
      const page = await readOverTls(flow)
      await flow.result()
      expect(page).toContain('</html>')
    }
  })
})

it('hands the whole success page to the browser before it closes, every time', async () => {
  for (let round = 0; round < 40; round += 1) {
    const flow = await start()
    const page = await (await fetch(redirectBack(flow))).text()
    await flow.result()
    expect(page).toContain('</html>')
  }
})

it('listens for localhost on both addresses, so that nobody else gets the code on the other', async () => {
  const flow = await start({ host: 'localhost' })
  const port = portOf(flow)
  const { pathname, search } = new URL(redirectBack(flow))
  const other = createServer().listen({ port, host: '::1' })
  const taken: unknown = await once(other, 'listening').catch((error: unknown) => error)
  other.close()
  if ((taken as { code?: string }).code === 'EADDRNOTAVAIL') return // a machine without IPv6
  expect(taken).toMatchObject({ code: 'EADDRINUSE' })
  const answer = await fetch(`http://[::1]:${port}${pathname}${search}`)
  expect(answer.status).toBe(200)
  await flow.result()
})

async function getOverTls(flow: StartedFlow): Promise<number> {
  return Number((await readOverTls(flow)).slice(9, 12))
}

async function readOverTls(flow: StartedFlow): Promise<string> {
  const { port } = new URL(flow.redirectUri)
  const socket = connectTls({ port: Number(port), host: '127.0.0.1', rejectUnauthorized: false })
  socket.write(`GET ${callbackPath(flow)} HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`)
  let text = ''
  for await (const chunk of socket.setEncoding('utf8')) text += chunk
  return text
}
