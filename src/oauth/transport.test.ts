import { getEventListeners } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type Server, type Socket } from 'node:net'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ScriptedServer, startScriptedServer } from '../../test/servers/scripted-http.ts'
import { ConfigurationError, InvalidResponseError, NetworkError, TimeoutError } from '../errors.ts'
import type { RequestOptions } from './request-options.ts'
import { assertSecureUrl } from './secure-url.ts'
import { exchange } from './transport.ts'

let server: ScriptedServer
const rawServers: Server[] = []

beforeEach(async () => {
  server = await startScriptedServer()
})

afterEach(async () => {
  await server.close()
  for (const raw of rawServers.splice(0)) raw.close()
})

function send(options: RequestOptions = {}, url = `${server.origin}/token`) {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const request = {
    who: 'acme',
    what: 'token',
    url,
    method: 'POST',
    headers,
    body: 'code=canary-code',
  } as const
  return exchange(request, options)
}

/** A peer that speaks TCP by hand. */
async function rawPeer(onRequest: (socket: Socket) => void): Promise<string> {
  const raw = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => onRequest(socket))
  })
  rawServers.push(raw)
  await new Promise<void>((resolve) => raw.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(raw.address() as AddressInfo).port}/token`
}

const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n'

describe('R6 one exchange', () => {
  it('hands over status, headers and text as they came', async () => {
    server.answer = () => ({ status: 418, headers: { 'x-a': 'b' }, body: 'grün' })
    const answer = await send()
    expect([answer.status, answer.headers.get('x-a'), answer.text]).toEqual([418, 'b', 'grün'])
    expect(server.requests).toMatchObject([{ method: 'POST', url: '/token', body: 'code=canary-code' }])
  })

  it.each<[string, (url: string) => Error]>([
    ['Bun', (path) => Object.assign(new TypeError('Unable to connect.'), { code: 'ECONNREFUSED', path })],
    ['Deno', (url) => new TypeError(`error sending request for url (${url})`, { cause: { code: 'X' } })],
    [
      'a proxy of the caller’s',
      (url) => new Error('No.', { cause: new Error(decodeURIComponent(new URL(url).search)) }),
    ],
  ])('leaves out what the runtime says where that quotes a secret of the query: %s', async (_, failure) => {
    const url = `${server.origin}/token?client_secret=canary%2B1&code=canary-code`
    const refuse: typeof fetch = async () => Promise.reject(failure(url))
    const error = await send({ fetch: refuse }, url).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(NetworkError)
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain('canary')
    const plain = await send({ fetch: refuse }).catch((thrown: Error) => thrown)
    expect((plain as Error).cause).toBeInstanceOf(Error)
  })

  it('leaves the system’s word in place of what quotes a secret', async () => {
    const refused = { code: 'ECONNREFUSED', path: `${server.origin}/token?code=canary` }
    const refuse: typeof fetch = async () => Promise.reject(Object.assign(new TypeError('No.'), refused))
    const error = await send({ fetch: refuse }, refused.path).catch((thrown: Error) => thrown)
    expect(error).toMatchObject({
      message: expect.stringContaining('(ECONNREFUSED)'),
      cause: { code: 'ECONNREFUSED' },
    })
  })

  it.each([301, 302, 303, 307, 308])(
    'refuses a redirect with status %i, and the other server sees nothing',
    async (status) => {
      await using other = await startScriptedServer()
      server.answer = () => ({ status, headers: { location: `${other.origin}/steal` } })
      const refusal = expect.objectContaining({ code: 'redirect_refused', status })
      await expect(send()).rejects.toThrow(refusal)
      expect(server.requests).toHaveLength(1)
      expect(other.requests).toHaveLength(0)
    },
  )

  it('is sent through the fetch that was handed in', async () => {
    const seen: unknown[] = []
    const answer = await send({
      fetch: async (url, init) => {
        seen.push([url, init?.redirect])
        return new Response('injected')
      },
    })
    expect(answer.text).toBe('injected')
    expect(seen).toEqual([[`${server.origin}/token`, 'manual']])
  })

  it('refuses a redirect that a browser hides', async () => {
    const opaque = Object.defineProperty(new Response(null), 'type', { value: 'opaqueredirect' })
    await expect(send({ fetch: async () => opaque })).rejects.toMatchObject({ code: 'redirect_refused' })
  })
})

describe('the size limit', () => {
  const tooLarge = { code: 'response_too_large' }
  const tenMegabytes = 10 * 1024 * 1024

  it('stops a 10 MB answer that declares its length, without reading it', async () => {
    let written = 0
    server.answer = () => (response) => {
      response.writeHead(200, { 'content-length': tenMegabytes })
      response.write('{', () => {
        written += 1
      })
    }
    await expect(send()).rejects.toMatchObject(tooLarge)
    expect(written).toBeLessThanOrEqual(1)
  })

  it('stops a 10 MB answer of undeclared length', async () => {
    server.answer = () => (response) => response.end(' '.repeat(tenMegabytes))
    await expect(send()).rejects.toMatchObject(tooLarge)
  })

  it('stops an endless answer', async () => {
    server.answer = () => (response) => {
      const timer = setInterval(() => response.write('x'.repeat(200_000)), 1)
      response.on('close', () => clearInterval(timer))
    }
    await expect(send()).rejects.toMatchObject(tooLarge)
  })

  it('stops a small answer that unpacks to much', async () => {
    const bomb = gzipSync(' '.repeat(tenMegabytes))
    server.answer = () => (response) => response.setHeader('content-encoding', 'gzip').end(bomb)
    await expect(send()).rejects.toMatchObject(tooLarge)
  })

  it('takes an answer of exactly 1 MiB', async () => {
    server.answer = () => ({ body: 'x'.repeat(1024 * 1024) })
    expect((await send()).text).toHaveLength(1024 * 1024)
    server.answer = () => ({ body: 'x'.repeat(1024 * 1024 + 1) })
    await expect(send()).rejects.toMatchObject(tooLarge)
  })

  it('reads characters that arrive in pieces', async () => {
    server.answer = () => (response) => {
      const bytes = Buffer.from('{"a":"€"}')
      response.write(bytes.subarray(0, 7))
      setTimeout(() => response.end(bytes.subarray(7)), 5)
    }
    expect((await send()).text).toBe('{"a":"€"}')
  })
})

describe('the time limit', () => {
  it.each([
    ['silence', () => () => {}],
    ['headers and then silence', () => (response: { flushHeaders(): void }) => response.flushHeaders()],
  ])('ends %s', async (_, answer) => {
    server.answer = answer as ScriptedServer['answer']
    const begun = performance.now()
    const failure = await send({ timeoutMs: 60 }).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(TimeoutError)
    expect(failure).toMatchObject({ timeoutMs: 60, message: expect.stringMatching(/acme.*token.*60 ms/) })
    expect(performance.now() - begun).toBeLessThan(310)
  })

  it('ends a slow drip: the whole exchange has one limit', async () => {
    server.answer = () => (response) => {
      const timer = setInterval(() => response.write(' '), 10)
      response.on('close', () => clearInterval(timer))
    }
    await expect(send({ timeoutMs: 80 })).rejects.toBeInstanceOf(TimeoutError)
  })

  it('closes the connection when the time is up', async () => {
    const closed = new Promise((resolve) => {
      server.answer = () => (response) => response.on('close', resolve)
    })
    await expect(send({ timeoutMs: 40 })).rejects.toBeInstanceOf(TimeoutError)
    await closed
  })

  it.each([
    ['fetch', () => new Promise<Response>(() => {})],
    ['body', async () => new Response(new ReadableStream())],
  ])('holds when an injected %s ignores its signal', async (_, stalled) => {
    await expect(send({ timeoutMs: 40, fetch: stalled })).rejects.toBeInstanceOf(TimeoutError)
  })

  it('lets go of a body that an injected fetch never ends', async () => {
    let reason: unknown = 'not cancelled'
    const body = new ReadableStream({
      cancel: (why) => {
        reason = why
      },
    })
    const sent = send({ timeoutMs: 30, fetch: async () => new Response(body) })
    await expect(sent).rejects.toBeInstanceOf(TimeoutError)
    expect(reason).toBeUndefined()
  })

  it('may be infinite, or longer than a timer can be', async () => {
    for (const timeoutMs of [Infinity, 2 ** 40]) expect((await send({ timeoutMs })).status).toBe(200)
  })

  it.each([0, -1, Number.NaN, '5'])('refuses %s for a limit', async (timeoutMs) => {
    const refusal = { code: 'invalid_argument', message: expect.stringMatching(/timeoutMs/) }
    await expect(send({ timeoutMs: timeoutMs as number })).rejects.toMatchObject(refusal)
    expect(server.requests).toHaveLength(0)
  })
})

describe("the caller's signal", () => {
  const reason = new RangeError('I changed my mind')

  it('that is aborted already sends nothing', async () => {
    await expect(send({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(server.requests).toHaveLength(0)
  })

  it('ends the wait for the headers with its own reason', async () => {
    const controller = new AbortController()
    server.answer = () => {
      controller.abort(reason)
      return () => {}
    }
    await expect(send({ signal: controller.signal })).rejects.toBe(reason)
  })

  it('ends the wait for the rest of the body with its own reason', async () => {
    const controller = new AbortController()
    server.answer = () => (response) => {
      response.write('{')
      setTimeout(() => controller.abort(reason), 20)
    }
    await expect(send({ signal: controller.signal })).rejects.toBe(reason)
  })

  it('ends the wait for an injected fetch that ignores it', async () => {
    const controller = new AbortController()
    const sent = send({ signal: controller.signal, fetch: () => new Promise<Response>(() => {}) })
    controller.abort(reason)
    await expect(sent).rejects.toBe(reason)
  })

  it('without a reason of its own rejects with an AbortError', async () => {
    const controller = new AbortController()
    const sent = send({ signal: controller.signal, fetch: () => new Promise<Response>(() => {}) })
    controller.abort()
    await expect(sent).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('loses against a time limit that passed before it, and wins otherwise', async () => {
    server.answer = () => () => {}
    const late = new AbortController()
    const tooLate = send({ signal: late.signal, timeoutMs: 40 })
    setTimeout(() => late.abort(reason), 200).unref()
    await expect(tooLate).rejects.toBeInstanceOf(TimeoutError)
    const early = send({ signal: AbortSignal.timeout(20), timeoutMs: 400 })
    await expect(early).rejects.toMatchObject({ constructor: DOMException, name: 'TimeoutError' })
  })

  it('that aborts after the answer changes nothing', async () => {
    const controller = new AbortController()
    const answer = await send({ signal: controller.signal })
    controller.abort(reason)
    expect(answer.status).toBe(200)
  })

  it('carries no listener of ours afterwards, however the exchange ended', async () => {
    const { signal } = new AbortController()
    for (let round = 0; round < 5; round += 1) {
      await send({ signal })
      await send({ signal }, 'http://127.0.0.1:1/').catch(() => {})
      await send({ signal, timeoutMs: 10, fetch: () => new Promise<Response>(() => {}) }).catch(() => {})
    }
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })
})

describe('a broken connection', () => {
  it('that nobody answers is a NetworkError that names the cause and the host', async () => {
    const url = await rawPeer(() => {})
    for (const raw of rawServers.splice(0)) await new Promise((resolve) => raw.close(resolve))
    const failure = await send({}, url).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(NetworkError)
    expect(failure).toMatchObject({
      message: expect.stringMatching(
        /127\.0\.0\.1:\d+\) got no answer \(ECONNREFUSED\)\. Check the URL and the network/,
      ),
    })
  })

  it('that is reset before the headers is a NetworkError', async () => {
    const url = await rawPeer((socket) => socket.resetAndDestroy())
    await expect(send({}, url)).rejects.toBeInstanceOf(NetworkError)
    await expect(send({}, url)).rejects.toThrow(/the outcome is unknown.*client certificate/)
  })

  it.each(['DEPTH_ZERO_SELF_SIGNED_CERT', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'ERR_TLS_CERT_ALTNAME_INVALID'])(
    'over a certificate that is not trusted (%s) says where an authority goes',
    async (code) => {
      const fetch = () =>
        Promise.reject(new TypeError('fetch failed', { cause: Object.assign(new Error(), { code }) }))
      await expect(send({ fetch })).rejects.toThrow(
        new RegExp(`\\(${code}\\)\\. .*certificateFetch.*NODE_EXTRA_CA_CERTS`),
      )
    },
  )

  it('that speaks no HTTP is a NetworkError', async () => {
    const url = await rawPeer((socket) => socket.end('SSH-2.0-OpenSSH_9.9\r\n'))
    await expect(send({}, url)).rejects.toBeInstanceOf(NetworkError)
  })

  it.each([
    ['before the declared length', `${head}content-length: 100\r\n\r\n{"access_token":"a"}`],
    ['in the middle of a chunk', `${head}transfer-encoding: chunked\r\n\r\n40\r\n{"access_token":"a"}`],
    ['before the last chunk', `${head}transfer-encoding: chunked\r\n\r\n14\r\n{"access_token":"a"}\r\n`],
  ])('that ends %s is a truncated answer, although the text looks whole', async (_, bytes) => {
    const url = await rawPeer((socket) => socket.end(bytes))
    await expect(send({}, url)).rejects.toMatchObject({ code: 'response_truncated', status: 200 })
  })

  it('that is reset in the body is a truncated answer', async () => {
    const url = await rawPeer((socket) => {
      socket.write(`${head}content-length: 100\r\n\r\n{"acc`, () =>
        setTimeout(() => socket.resetAndDestroy(), 20),
      )
    })
    await expect(send({}, url)).rejects.toBeInstanceOf(InvalidResponseError)
  })
})

describe('R10 secrets travel by https, or stay on this machine', () => {
  const never: typeof fetch = () => Promise.reject(new Error('sent'))

  it.each([
    'http://as.example/token',
    'http://10.0.0.1/token',
    'http://[fe80::1]/token',
    'http://localhost.example/token',
    'http://127.0.0.1.example/token',
    'ftp://as.example/token',
    'file:///etc/passwd',
    'data:text/plain,a',
    'javascript:alert(1)',
  ])('%s is refused', async (url) => {
    await expect(send({ fetch: never }, url)).rejects.toMatchObject({
      code: 'insecure_url',
      name: 'ConfigurationError',
    })
  })

  it.each([
    'https://as.example/token',
    'http://127.0.0.1:8080/token',
    'http://127.9.9.9/token',
    'http://localhost/token',
    'http://[::1]:80/token',
  ])('%s is let through', async (url) => {
    await expect(send({ fetch: never }, url)).rejects.toBeInstanceOf(NetworkError)
  })

  it('allowInsecureRequests lets http through, and nothing else', () => {
    expect(() => assertSecureUrl('http://as.example/', { allowInsecureRequests: true })).not.toThrow()
    expect(() => assertSecureUrl('ftp://as.example/', { allowInsecureRequests: true })).toThrow(
      ConfigurationError,
    )
    expect(() => assertSecureUrl('/token')).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
  })

  it('R22 a password in the URL is refused before fetch quotes it', async () => {
    const failure = await send({}, 'https://user:canary-password@as.example/token').catch(
      (error: unknown) => error,
    )
    expect(failure).toMatchObject({ code: 'provider_invalid' })
    expect(String(failure)).not.toContain('canary')
  })
})
