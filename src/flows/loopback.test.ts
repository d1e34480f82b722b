import { createServer, type Server } from 'node:net'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { redirectBack, startTokenEndpoint, type TokenEndpoint } from '../../test/servers/token-endpoint.ts'
import {
  AuthorizationDeniedError,
  InvalidResponseError,
  ListenError,
  NetworkError,
  StoreError,
  TimeoutError,
  TokenEndpointError,
} from '../errors.ts'
import { type Client, generateCodeChallenge, generateCodeVerifier } from '../oauth/index.ts'
import { defineProvider } from '../providers/index.ts'
import {
  authorize,
  type FlowEvent,
  type FlowRequest,
  type LoopbackOptions,
  loopback,
  type StartedFlow,
} from './index.ts'

const client: Client = { clientId: 'client-1', clientSecret: 'canary-client-secret' }
const silent = () => {}

let endpoint: TokenEndpoint
const started: StartedFlow[] = []

beforeEach(async () => {
  endpoint = await startTokenEndpoint()
})

afterEach(async () => {
  for (const flow of started.splice(0)) flow.cancel()
  await endpoint.close()
})

async function start(options: LoopbackOptions & Partial<FlowRequest> & { client?: Client } = {}) {
  const registration = { provider: endpoint.provider, client: options.client ?? client }
  const flow = await loopback({ onEvent: silent, ...options }).start({
    registration,
    scopes: ['read'],
    ...options,
  })
  started.push(flow)
  return flow
}

/** What the flow's end looks like, without a rejection. */
function outcome(flow: StartedFlow): Promise<unknown> {
  return flow.result().catch((error: unknown) => error)
}

function portOf(flow: StartedFlow): number {
  return Number(new URL(flow.redirectUri).port)
}

function listen(port: number, host = '127.0.0.1'): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen({ port, host }, () => resolve(server))
  })
}

async function freePort(): Promise<number> {
  const server = await listen(0)
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function expectFree(port: number): Promise<void> {
  const server = await listen(port)
  await new Promise((resolve) => server.close(resolve))
}

describe('a loopback flow', () => {
  it('P2 resolves with the token set in one call', async () => {
    let url = ''
    const tokens = await authorize(endpoint.provider, client, {
      timeoutMs: 30_000,
      scopes: 'read write',
      onEvent: (event) => {
        if (event.type === 'authorize-url') url = event.url
        if (event.type === 'waiting') void fetch(redirectBack({ url }))
      },
    })
    expect(tokens).toMatchObject({
      accessToken: 'token-for-code-1',
      refreshToken: 'refresh-for-code-1',
      scopes: ['read', 'write'],
      raw: { access_token: 'token-for-code-1' },
    })
    expect(tokens.expiresAt?.getTime()).toBeGreaterThan(Date.now() + 3_500_000)
  })

  it('P2 waits five minutes by default, and for ever only when asked', async () => {
    const before = Date.now()
    const flow = await start()
    expect(flow.expiresAt.getTime() - before).toBeGreaterThanOrEqual(300_000)
    expect(flow.expiresAt.getTime() - before).toBeLessThan(305_000)
    expect((await start({ timeoutMs: Number.POSITIVE_INFINITY })).expiresAt.getTime()).toBe(8.64e15)
    await expect(start({ timeoutMs: 0 })).rejects.toThrow('timeoutMs must be a positive number')
    await expect(start({ timeoutMs: Number.NaN })).rejects.toThrow(TypeError)
  })

  it('P4 P5 listens on a free port over plain http and names it in both requests', async () => {
    const flow = await start({ path: '/oauth/callback' })
    expect(flow.redirectUri).toMatch(/^http:\/\/127\.0\.0\.1:\d{2,5}\/oauth\/callback$/)
    expect(new URL(flow.url).searchParams.get('redirect_uri')).toBe(flow.redirectUri)
    expect((await fetch(redirectBack(flow))).status).toBe(200)
    await flow.result()
    expect(endpoint.requests[0]?.parameters.get('redirect_uri')).toBe(flow.redirectUri)
  })

  it('P8 tells what happens in order', async () => {
    const events: FlowEvent[] = []
    const flow = await start({ onEvent: (event) => events.push(event), timeoutMs: 20_000 })
    await fetch(redirectBack(flow))
    await flow.result()
    expect(events).toEqual([
      { type: 'start', provider: 'acme' },
      { type: 'listening', provider: 'acme', url: new URL(flow.redirectUri).origin },
      { type: 'register-hint', provider: 'acme', redirectUri: flow.redirectUri },
      { type: 'authorize-url', provider: 'acme', url: flow.url },
      { type: 'waiting', provider: 'acme', timeoutMs: 20_000 },
      { type: 'code-received', provider: 'acme' },
      { type: 'token-received', provider: 'acme' },
      { type: 'stopped', provider: 'acme' },
    ])
  })

  it('goes on when an event listener throws', async () => {
    const warnings: unknown[] = []
    const printers = process.listeners('warning')
    process.removeAllListeners('warning').on('warning', (warning) => warnings.push(warning))
    const flow = await start({
      onEvent: () => {
        throw new Error('a mistake in the listener')
      },
    })
    await fetch(redirectBack(flow))
    await expect(flow.result()).resolves.toMatchObject({ accessToken: 'token-for-code-1' })
    await new Promise((resolve) => setImmediate(resolve))
    process.removeAllListeners('warning')
    for (const printer of printers) process.on('warning', printer)
    expect(String(warnings[0])).toContain('a mistake in the listener')
  })

  it('P9 refuses a wrong, missing, doubled or reused state, and still succeeds on the right callback', async () => {
    const port = await freePort()
    const other = await start({ port })
    const flow = await start({ port })
    const state = flow.pending.state
    for (const parameters of [
      { state: 'wrong' },
      { state: undefined },
      { state: '' },
      { state: `${state}x` },
    ]) {
      const answer = await fetch(redirectBack(flow, parameters))
      expect(answer.status).toBe(400)
      expect(await answer.text()).toContain('Nothing is waiting for this answer')
    }
    expect((await fetch(`${redirectBack(flow)}&state=${state}`)).status).toBe(400)
    expect((await fetch(`${redirectBack(flow)}&state=other`)).status).toBe(400)
    expect(endpoint.requests).toHaveLength(0)
    expect((await fetch(redirectBack(flow))).status).toBe(200)
    await flow.result()
    expect((await fetch(redirectBack(flow))).status).toBe(400) // reused, while `other` keeps the port open
    expect(endpoint.requests).toHaveLength(1)
    other.cancel()
  })

  it('P9 P10 sends a fresh state of at least 128 bits and a S256 challenge each time, and never the verifier', async () => {
    const flows = await Promise.all([start(), start()])
    const [first, second] = flows.map((flow) => new URL(flow.url).searchParams)
    expect(first?.get('state')).toMatch(/^[\w-]{22,}$/)
    expect(first?.get('state')).not.toBe(second?.get('state'))
    expect(first?.get('code_challenge')).not.toBe(second?.get('code_challenge'))
    expect(first?.get('code_challenge_method')).toBe('S256')
    for (const flow of flows) {
      const verifier = flow.pending.codeVerifier ?? ''
      expect(verifier.length).toBeGreaterThanOrEqual(43)
      expect(flow.url + flow.redirectUri + inspect(flow, { depth: 9 })).not.toContain(verifier)
    }
  })

  it('P11 makes verifiers of 64 characters and the challenge of RFC 7636 appendix B', async () => {
    const verifiers = Array.from({ length: 50 }, generateCodeVerifier)
    for (const verifier of verifiers) expect(verifier).toMatch(/^[A-Za-z0-9._~-]{64}$/)
    expect(new Set(verifiers).size).toBe(50)
    expect(await generateCodeChallenge('dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk')).toBe(
      'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    )
  })

  it('P12 never uses a verifier or token of the callback', async () => {
    const flow = await start()
    await fetch(
      redirectBack(flow, { code_verifier: 'forged', access_token: 'forged', refresh_token: 'forged' }),
    )
    const tokens = await flow.result()
    expect(tokens.accessToken).toBe('token-for-code-1')
    expect(JSON.stringify(tokens.raw)).not.toContain('forged')
    expect(endpoint.requests[0]?.parameters.get('code_verifier')).toBe(flow.pending.codeVerifier)
  })

  it('P13 P14 times out within 250 ms of its value, without a token request', async () => {
    const first = await start()
    await fetch(redirectBack(first))
    await first.result()
    const before = performance.now()
    const second = await start({ timeoutMs: 200 })
    const error = await outcome(second)
    const took = performance.now() - before
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error).toMatchObject({ code: 'timeout', timeoutMs: 200 })
    expect(took).toBeGreaterThan(190)
    expect(took).toBeLessThan(450)
    expect(endpoint.requests).toHaveLength(1)
    await expectFree(portOf(second))
  })

  it('P13 counts the time of discovery, too', async () => {
    const silence = await listen(0)
    const { port } = silence.address() as { port: number }
    const provider = defineProvider({ id: 'mute', issuer: `http://127.0.0.1:${port}` })
    const callbackPort = await freePort()
    const before = performance.now()
    const starting = loopback({ onEvent: silent, port: callbackPort }).start({
      registration: { provider, client },
      timeoutMs: 150,
    })
    await expect(starting).rejects.toMatchObject({ code: 'timeout', timeoutMs: 150 })
    expect(performance.now() - before).toBeLessThan(400)
    await expectFree(callbackPort)
    silence.close()
  })

  it('lets a token request that has begun finish after the time is up: the grant must not be lost', async () => {
    endpoint.answer = () => ({ body: { access_token: 'late', token_type: 'bearer' }, delayMs: 300 })
    const flow = await start({ timeoutMs: 150 })
    const page = await fetch(redirectBack(flow))
    expect(page.status).toBe(200)
    await expect(flow.result()).resolves.toMatchObject({ accessToken: 'late' })
  })

  it('P15 rejects with what the provider said when the person denies', async () => {
    const flow = await start()
    const denied = { code: undefined, error: 'access_denied', error_description: 'She <b>said</b> no' }
    const page = await fetch(redirectBack(flow, denied))
    expect(page.status).toBe(400)
    expect(await page.text()).toContain('access_denied: She &#60;b&#62;said&#60;/b&#62; no')
    const error = await outcome(flow)
    expect(error).toBeInstanceOf(AuthorizationDeniedError)
    expect(error).toMatchObject({ error: 'access_denied', errorDescription: 'She <b>said</b> no' })
    expect(endpoint.requests).toHaveLength(0)
    await expectFree(portOf(flow))
  })

  it('P15 ignores an error whose state is not ours', async () => {
    const flow = await start()
    const forged = { code: undefined, state: 'forged', error: 'access_denied' }
    expect((await fetch(redirectBack(flow, forged))).status).toBe(400)
    expect((await fetch(redirectBack(flow))).status).toBe(200)
    await expect(flow.result()).resolves.toBeDefined()
  })

  it('P16 sends the success page only after the exchange', async () => {
    endpoint.answer = () => ({ body: { access_token: 'slow', token_type: 'bearer' }, delayMs: 120 })
    const events: string[] = []
    const flow = await start({ onEvent: ({ type }) => events.push(type) })
    const page = await fetch(redirectBack(flow))
    expect(events).toContain('token-received')
    expect(page.status).toBe(200)
    expect(await page.text()).toContain('Connected to Acme')
    await flow.result()
  })

  it.each([
    [
      'a refusal',
      { status: 400, body: { error: 'invalid_grant', error_description: 'no such code' } },
      TokenEndpointError,
    ],
    ['a proxy page', { status: 502, body: '<html>Bad gateway</html>' }, InvalidResponseError],
  ])('P16 shows the failure page after %s', async (_name, answer, kind) => {
    endpoint.answer = () => answer
    const flow = await start()
    const page = await fetch(redirectBack(flow))
    expect(page.status).toBe(502)
    expect(await page.text()).toContain('Not connected to Acme')
    expect(await outcome(flow)).toBeInstanceOf(kind)
    await expectFree(portOf(flow))
  })

  it('P16 shows the failure page when the token endpoint cannot be reached', async () => {
    const flow = await start()
    await endpoint.close()
    const page = await fetch(redirectBack(flow))
    expect(page.status).toBe(502)
    expect(await page.text()).toContain('could not be reached')
    expect(await outcome(flow)).toBeInstanceOf(NetworkError)
    endpoint = await startTokenEndpoint()
  })

  it('P16 sends the success page only after the tokens are kept', async () => {
    const order: string[] = []
    const save = async ({ scopes }: { scopes: readonly string[] }) => {
      await new Promise((resolve) => setTimeout(resolve, 60))
      order.push(`kept ${scopes.join(' ')}`)
    }
    const flow = await start({ save })
    const page = await fetch(redirectBack(flow))
    order.push(`page ${page.status}`)
    expect(order).toEqual(['kept read', 'page 200'])
  })

  it('P16 shows the failure page when the tokens cannot be kept, and says why to the caller', async () => {
    const full = new StoreError('store_full', 'The disk is full.')
    const flow = await start({ save: () => Promise.reject(full) })
    const page = await fetch(redirectBack(flow))
    expect(page.status).toBe(502)
    expect(await page.text()).toContain('Not connected to Acme')
    expect(await outcome(flow)).toBe(full)
    await expectFree(portOf(flow))
  })

  it('P20 names the port and the option when the port is taken', async () => {
    const taken = await listen(0)
    const { port } = taken.address() as { port: number }
    const error = await start({ port }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ListenError)
    expect(error).toMatchObject({ code: 'EADDRINUSE', port })
    expect(String(error)).toContain(`Port ${port}`)
    expect(String(error)).toContain('option port (--port on the command line)')
    taken.close()
  })

  it('P21 keeps ten people on one port apart', async () => {
    const port = await freePort()
    const flows = await Promise.all(
      Array.from({ length: 10 }, (_, index) => start({ port, user: `user-${index}` })),
    )
    const order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    await Promise.all(
      order.map(async (index) => {
        const flow = flows[index]
        if (flow !== undefined) await fetch(redirectBack(flow, { code: `code-of-${index}` }))
      }),
    )
    for (const [index, flow] of flows.entries()) {
      expect(portOf(flow)).toBe(port)
      expect((await flow.result()).accessToken).toBe(`token-for-code-of-${index}`)
      expect(flow.pending.user).toBe(`user-${index}`)
    }
    expect(endpoint.requests).toHaveLength(10)
    await expectFree(port)
  })

  it('P21 P19 keeps the port while one flow waits, frees it with the last, and takes it again at once', async () => {
    const port = await freePort()
    const [first, second] = await Promise.all([start({ port }), start({ port })])
    await fetch(redirectBack(first))
    await first.result()
    await expect(expectFree(port)).rejects.toThrow('EADDRINUSE')
    second.cancel()
    await outcome(second)
    for (let round = 0; round < 20; round += 1) {
      const flow = await start({ port })
      flow.cancel()
      await outcome(flow)
      await expectFree(port)
    }
  })

  it('P21 lets flows with different paths share a port, each on its own', async () => {
    const port = await freePort()
    const slack = await start({ port, path: '/slack' })
    const github = await start({ port, path: '/github' })
    const crossed = redirectBack(slack).replace('/slack', '/github')
    expect((await fetch(crossed)).status).toBe(400)
    expect((await fetch(redirectBack(slack))).status).toBe(200)
    expect((await fetch(redirectBack(github))).status).toBe(200)
    await Promise.all([slack.result(), github.result()])
  })

  it('P24 takes scopes as text or list, joins with the delimiter of the provider and encodes once', async () => {
    const spaced = await start({ scopes: 'a:b c/d' })
    expect(spaced.scopes).toEqual(['a:b', 'c/d'])
    expect(spaced.url).toContain('scope=a%3Ab+c%2Fd')
    const commas = await startTokenEndpoint({ scopeSeparator: ',' })
    const registration = { provider: commas.provider, client }
    const flow = await loopback({ onEvent: silent }).start({ registration, scopes: ['one', 'two'] })
    expect(new URL(flow.url).searchParams.get('scope')).toBe('one,two')
    expect(flow.scopes).toEqual(['one', 'two'])
    flow.cancel()
    await commas.close()
  })

  it('P27 accepts a public client, which PKCE protects', async () => {
    const flow = await start({ client: { clientId: 'public-1' } })
    await fetch(redirectBack(flow))
    await flow.result()
    const [request] = endpoint.requests
    expect(request?.parameters.get('client_id')).toBe('public-1')
    expect(request?.headers.authorization).toBeUndefined()
    expect(request?.parameters.get('code_verifier')).toBe(flow.pending.codeVerifier)
  })

  it('P28 listens where the registered redirect URI leads, and sends it unchanged', async () => {
    const port = await freePort()
    const redirectUri = `http://127.0.0.1:${port}`
    const flow = await start({ client: { ...client, redirectUri } })
    expect(flow.redirectUri).toBe(redirectUri)
    expect(new URL(flow.url).searchParams.get('redirect_uri')).toBe(redirectUri)
    expect((await fetch(redirectBack(flow))).status).toBe(200)
    await flow.result()
  })

  it('P29 keeps only the callback parameters that the provider lists, under extra', async () => {
    await endpoint.close()
    endpoint = await startTokenEndpoint({ callbackParams: ['realmId'] })
    const flow = await start()
    await fetch(redirectBack(flow, { realmId: '4711', accessToken: 'x', other: 'y' }))
    const tokens = await flow.result()
    expect(tokens.extra).toEqual({ realmId: '4711' })
    expect(tokens.accessToken).toBe('token-for-code-1')
  })

  it('P30 refuses a callback of another issuer and keeps waiting', async () => {
    await endpoint.close()
    endpoint = await startTokenEndpoint({ issuer: 'https://acme.example', issParameterSupported: true })
    const flow = await start()
    expect((await fetch(redirectBack(flow, { iss: 'https://evil.example' }))).status).toBe(400)
    expect((await fetch(redirectBack(flow))).status).toBe(400) // promised, and missing
    expect(endpoint.requests).toHaveLength(0)
    expect((await fetch(redirectBack(flow, { iss: 'https://acme.example' }))).status).toBe(200)
    await flow.result()
  })

  it('refuses doubled parameters and a callback without a code, and keeps waiting', async () => {
    const events: FlowEvent[] = []
    const flow = await start({ onEvent: (event) => events.push(event) })
    expect((await fetch(`${redirectBack(flow)}&code=second`)).status).toBe(400)
    expect((await fetch(redirectBack(flow, { code: undefined }))).status).toBe(400)
    expect(endpoint.requests).toHaveLength(0)
    expect((await fetch(redirectBack(flow))).status).toBe(200)
    await flow.result()
    const refused = events.filter((event) => event.type === 'callback-refused')
    expect(refused.map(({ code }) => code)).toEqual(['duplicate_parameter', 'code_missing'])
  })

  it('answers a second callback while the first is exchanged with a page, not with a second token request', async () => {
    endpoint.answer = () => ({ body: { access_token: 'one', token_type: 'bearer' }, delayMs: 150 })
    const flow = await start()
    const first = fetch(redirectBack(flow))
    await new Promise((resolve) => setTimeout(resolve, 50))
    const second = await fetch(redirectBack(flow))
    expect(second.status).toBe(409)
    expect(await second.text()).toContain('Already on its way')
    expect((await first).status).toBe(200)
    await flow.result()
    expect(endpoint.requests).toHaveLength(1)
  })

  describe('P31 an AbortSignal', () => {
    it('stops a flow before it begins', async () => {
      const port = await freePort()
      await expect(start({ port, signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
      await expectFree(port)
    })

    it('stops a flow that waits, and frees the port', async () => {
      const controller = new AbortController()
      const flow = await start({ signal: controller.signal })
      controller.abort()
      expect(await outcome(flow)).toMatchObject({ name: 'AbortError' })
      await expectFree(portOf(flow))
    })

    it('stops discovery', async () => {
      const silence = await listen(0)
      const { port } = silence.address() as { port: number }
      const provider = defineProvider({ id: 'mute', issuer: `http://127.0.0.1:${port}/abort` })
      const reason = new Error('the person left')
      const signal = AbortSignal.any([AbortSignal.timeout(10_000), abortAfter(50, reason)])
      const starting = loopback({ onEvent: silent }).start({ registration: { provider, client }, signal })
      await expect(starting).rejects.toBe(reason)
      silence.close()
    })

    it('stops the token request, tells the browser, and rejects with its reason', async () => {
      endpoint.answer = () => ({ body: {}, delayMs: 60_000 })
      const controller = new AbortController()
      const reason = new Error('the person left')
      const flow = await start({ signal: controller.signal })
      const page = fetch(redirectBack(flow))
      await untilRequested()
      controller.abort(reason)
      expect(await outcome(flow)).toBe(reason)
      expect((await page).status).toBe(400)
      await expectFree(portOf(flow))
    })

    it('ends the flow although a fetch of the caller ignores it', async () => {
      const deaf: typeof fetch = () => new Promise(() => {})
      const flow = await start({ signal: abortAfter(100), fetch: deaf })
      const page = fetch(redirectBack(flow))
      expect(await outcome(flow)).toMatchObject({ name: 'AbortError' })
      expect((await page).status).toBe(400)
    })
  })

  it('is cancelled once, with a reason or an AbortError', async () => {
    const flow = await start()
    flow.cancel()
    flow.cancel(new Error('too late'))
    expect(await outcome(flow)).toMatchObject({ name: 'AbortError' })
    const other = await start()
    const reason = new Error('changed my mind')
    other.cancel(reason)
    expect(await outcome(other)).toBe(reason)
  })

  it('leaves no unhandled rejection when nobody looks', async () => {
    const unhandled: unknown[] = []
    const hear = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', hear)
    const flow = await start()
    flow.cancel()
    await new Promise((resolve) => setTimeout(resolve, 50))
    process.off('unhandledRejection', hear)
    expect(unhandled).toEqual([])
    expect(await outcome(flow)).toMatchObject({ name: 'AbortError' })
  })

  it('P59 lets no code, verifier, secret or token into events, errors or inspect', async () => {
    const events: FlowEvent[] = []
    endpoint.answer = ({ parameters }) => ({
      status: 400,
      body: {
        error: 'invalid_grant',
        error_description: `bad ${parameters.get('code')} ${parameters.get('code_verifier')}`,
      },
    })
    const flow = await start({ onEvent: (event) => events.push(event) })
    const page = await (await fetch(redirectBack(flow, { code: 'canary-code' }))).text()
    const error = await outcome(flow)
    const said =
      [events, error, flow].map((value) => inspect(value, { depth: 9 })).join() + page + String(error)
    for (const secret of ['canary-code', 'canary-client-secret', flow.pending.codeVerifier ?? ''])
      expect(said).not.toContain(secret)
    expect(page).not.toContain(flow.pending.state)
  })

  async function untilRequested(): Promise<void> {
    while (endpoint.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  }
})

function abortAfter(ms: number, reason?: unknown): AbortSignal {
  const controller = new AbortController()
  setTimeout(() => controller.abort(reason), ms)
  return controller.signal
}
