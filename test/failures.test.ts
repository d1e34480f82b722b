// What can go wrong around a consent and a connection, a row each, from the root door: the typed, documented error
// within its time limit, and nothing stored is lost: what was connected before works when the fault is gone. In depth:
// src/flows/loopback*.test.ts, src/oauth/transport.test.ts and response-reader.test.ts, test/vault-store-faults.test.ts.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  AuthorizationDeniedError,
  authorize,
  CallbackError,
  defineProvider,
  InvalidResponseError,
  KeyError,
  ListenError,
  loopback,
  NetworkError,
  type Provider,
  RefreshFailedError,
  StoreError,
  TimeoutError,
  TokenSet,
  Toolbox,
  type ToolgrantError,
  tool,
  Vault,
} from '../src/index.ts'
import { authorizationCodeGrant, authorizationUrl } from '../src/oauth/index.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../src/testing/index.ts'
import { limitDisk, unmount, unprivileged } from './vault/trouble.ts'

const root = mkdtempSync(join(tmpdir(), 'toolgrant-failures-'))
chmodSync(root, 0o755)
afterAll(() => rmSync(root, { recursive: true, force: true }))

const ada = { user: 'ada', provider: 'acme' }
const key = Buffer.alloc(32, 9)
let server: AuthorizationServer
let provider: Provider
let folder: string
let before: TokenSet
const servers: Server[] = []

/** A connection from before, in a closed vault, with an hour to live. */
beforeEach(async () => {
  server = await startAuthorizationServer()
  provider = defineProvider(server.provider({ id: 'acme', name: 'Acme' }))
  folder = mkdtempSync(join(root, 'vault-'))
  before = granted()
  await using vault = await open()
  await vault.save(ada, before)
})
afterEach(async () => {
  vi.useRealTimers()
  for (const each of servers.splice(0)) each.close()
  await server.close()
})

const path = () => join(folder, 'vault.db')

function open(options: { key?: Uint8Array } = {}): Promise<Vault> {
  return Vault.open({ url: path(), key, clients: { acme: { ...server.client(), provider } }, ...options })
}

function granted(user = 'ada'): TokenSet {
  const { accessToken, refreshToken } = server.grant({ user, scopes: ['read'] })
  return new TokenSet({
    ...{ accessToken, refreshToken, scopes: ['read'] },
    expiresAt: new Date(Date.now() + 3_600_000),
  })
}

/** The fault is gone: the connection is as it was, and it can be renewed. */
async function expectNothingLost(): Promise<void> {
  server.clearScript()
  await using vault = await open()
  const tokens = await vault.token(ada)
  expect([tokens.accessToken, tokens.refreshToken]).toEqual([before.accessToken, before.refreshToken])
  expect((await vault.connections({ user: 'ada' })).map(({ status }) => status)).toEqual(['active'])
  const renewed = await vault.token(ada, { rejected: tokens.accessToken })
  expect(server.isActive(renewed.accessToken)).toBe(true)
  expect(server.counts).toMatchObject({ refreshes: 1, reuseViolations: 0 })
}

/** Class and code by docs/errors.md: `store_full` -> `StoreError`. */
const documented = new Map<string, string>()
let documentedClass = ''
for (const [, name = '', code = ''] of readFileSync(
  new URL('../docs/errors.md', import.meta.url),
  'utf8',
).matchAll(/^## (\w+)$|^\| `(\w+)` \|/gm)) {
  documentedClass = name || documentedClass
  if (code !== '') documented.set(code, documentedClass)
}

type ErrorClass = abstract new (...args: never[]) => ToolgrantError

/** Runs what must fail, and checks how and when. */
async function expectFailure(
  run: () => unknown,
  type: ErrorClass,
  code: string,
  limitMs = 2000,
): Promise<void> {
  const began = performance.now()
  const error = await (async () => run())().catch((thrown: unknown) => thrown)
  const tookMs = performance.now() - began
  expect(error).toBeInstanceOf(type)
  expect(error).toMatchObject({ name: type.name, code })
  expect(documented.get(code)).toBe(type.name)
  expect(tookMs).toBeLessThan(limitMs)
}

async function listening(listener: Server): Promise<number> {
  servers.push(listener)
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  return (listener.address() as AddressInfo).port
}

const quiet = { openBrowser: false, onEvent: () => {} }
const start = (options: Parameters<typeof loopback>[0] = {}, timeoutMs = 5_000) =>
  loopback({ ...quiet, dataFolder: folder, ...options }).start({
    registration: { provider, client: server.client() },
    scopes: ['read'],
    timeoutMs,
  })

describe('a callback', () => {
  it('P9 with a wrong state is state_mismatch, and the right one still counts', async () => {
    const flow = await start()
    const callback = await server.consent(flow.url)
    const wrong = callback.replace('state=', 'state=x')
    await expectFailure(() => flow.submit(wrong), CallbackError, 'state_mismatch')
    expect((await fetch(wrong)).status).toBe(400)
    expect(server.counts.requests.token).toBe(0)
    expect((await fetch(callback)).status).toBe(200)
    expect((await flow.result()).scopes).toEqual(['read'])
    await expectNothingLost()
  })

  it('P9 that is replayed is callback_invalid here, authorization_expired at a vault, and no code is sent twice', async () => {
    const flow = await start()
    const callback = await server.consent(flow.url)
    await flow.submit(callback)
    await expectFailure(() => flow.submit(callback), CallbackError, 'callback_invalid')
    await using vault = await open()
    const asked = { redirectUri: 'http://127.0.0.1/', user: 'bob' }
    const { url, pending } = await authorizationUrl(provider, server.client(), asked)
    await vault.putPending(pending)
    const mounted = await server.consent(url)
    await vault.finish(mounted)
    await expectFailure(() => vault.finish(mounted), CallbackError, 'authorization_expired')
    expect(server.counts).toMatchObject({ codesReplayed: 0, grants: { authorization_code: 2 } })
    await expectNothingLost()
  })

  it('P15 with an error is access_denied or authorization_failed, at once', async () => {
    const denied = await start()
    await server.browse(denied.url, { approve: false })
    await expectFailure(() => denied.result(), AuthorizationDeniedError, 'access_denied', 100)
    const refused = await start()
    await server.browse(refused.url, { approve: false, error: 'invalid_scope' })
    await expectFailure(() => refused.result(), AuthorizationDeniedError, 'authorization_failed', 100)
    await expectNothingLost()
  })

  it('P13 on a foreign path is a 404 there and callback_invalid when pasted, and changes nothing', async () => {
    const flow = await start({ path: '/callback' })
    const callback = await server.consent(flow.url)
    const foreign = callback.replace('/callback?', '/elsewhere?')
    expect((await fetch(foreign)).status).toBe(404)
    await expectFailure(() => flow.submit(foreign), CallbackError, 'callback_invalid')
    await flow.submit(callback)
    expect((await flow.result()).accessToken).toMatch(/./)
    await expectNothingLost()
  })
})

describe('a connection to the callback port', () => {
  it('P13 that says nothing does not delay the timeout', async () => {
    const flow = await start({}, 300)
    const peer = connect(Number(new URL(flow.redirectUri).port), '127.0.0.1')
    peer.on('error', () => {})
    await expectFailure(() => flow.result(), TimeoutError, 'timeout', 550)
    peer.destroy()
    expect(server.counts.requests.token).toBe(0)
    await expectNothingLost()
  })

  it('P13 that speaks HTTP where HTTPS is spoken gets no page, and the flow goes on', async () => {
    const flow = await start({ https: 'managed', port: 0 })
    const plain = flow.redirectUri.replace('https:', 'http:')
    await expect(fetch(`${plain}?code=x&state=y`)).rejects.toThrow('fetch failed')
    expect((await server.browse(flow.url)).status).toBe(200)
    expect((await flow.result()).scopes).toEqual(['read'])
    await expectNothingLost()
  })

  it('P20 that cannot be had, because the port is taken, is EADDRINUSE until it is free', async () => {
    const taken = createTcpServer()
    const port = await listening(taken)
    await expectFailure(() => start({ port }), ListenError, 'EADDRINUSE')
    await new Promise((resolve) => taken.close(resolve))
    const flow = await start({ port })
    await server.browse(flow.url)
    expect((await flow.result()).scopes).toEqual(['read'])
    await expectNothingLost()
  })
})

/** What is wrong with an answer; `undefined` for the code in a refresh: the vault wraps it. */
const answers: [string, Parameters<AuthorizationServer['script']>[1][number], ErrorClass, string][] = [
  ['10 MB', { bytes: 10_000_000 }, InvalidResponseError, 'response_too_large'],
  ['a page', { body: '<!doctype html><h1>Welcome</h1>' }, InvalidResponseError, 'response_not_oauth'],
  ['JSON that is cut off', { body: '{"access_token":"abc' }, InvalidResponseError, 'response_truncated'],
  ['half of what it announced', { truncate: true }, InvalidResponseError, 'response_truncated'],
  ['an end of the connection', { drop: true }, NetworkError, 'network'],
  ['silence', { hang: true }, TimeoutError, 'timeout'],
]

describe('a token endpoint that answers with', () => {
  it.each(answers)('R7 %s, to a code', async (_name, step, type, code) => {
    server.script('token', [step])
    const asked = { redirectUri: 'http://127.0.0.1/' }
    const { url, pending } = await authorizationUrl(provider, server.client(), asked)
    const callback = await server.consent(url)
    const exchange = () =>
      authorizationCodeGrant(provider, server.client(), pending, callback, { timeoutMs: 300 })
    await expectFailure(exchange, type, code, 600)
    await expectNothingLost()
  })

  it.each(answers)('R7 %s, to a refresh: the connection is kept', async (_name, step, type, code) => {
    server.configure({ rotationGraceSeconds: 60 }) // an answer that was lost on the way is given again
    let later = 0
    const vault = await Vault.open({
      ...{ url: path(), key, clients: { acme: { ...server.client(), provider } }, refreshTimeoutMs: 200 },
      ...{ now: () => Date.now() + later, random: () => 0 },
    })
    later = 3_601_000
    server.script('refresh', Array(9).fill(step))
    const refresh = vault.token(ada).catch((error: unknown) => error)
    await expectFailure(async () => Promise.reject(await refresh), RefreshFailedError, 'refresh_failed', 3000)
    expect(await refresh).toMatchObject({ retryable: true, cause: { cause: expect.any(type) } })
    expect(((await refresh) as { cause: { cause: unknown } }).cause.cause).toMatchObject({ code })
    server.clearScript()
    expect(server.isActive((await vault.token(ada)).accessToken)).toBe(true)
    await vault.close()
  })

  it('nothing at all for ever: a TCP peer that accepts and says nothing is a timeout in time', async () => {
    const port = await listening(createTcpServer(() => {}))
    const silent = { ...provider, tokenUrl: `http://127.0.0.1:${port}/token` }
    const { url, pending } = await authorizationUrl(silent, server.client(), {
      redirectUri: 'http://127.0.0.1/',
    })
    const callback = await server.consent(url)
    const exchange = () =>
      authorizationCodeGrant(silent, server.client(), pending, callback, { timeoutMs: 300 })
    await expectFailure(exchange, TimeoutError, 'timeout', 550)
    await expectNothingLost()
  })

  it('nothing for 30 s is a timeout without being asked for', async () => {
    const { url, pending } = await authorizationUrl(provider, server.client(), {
      redirectUri: 'http://127.0.0.1/',
    })
    const callback = await server.consent(url)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    let outcome: unknown = 'none yet'
    const asked = new Promise<void>((resolve) => {
      const silence = () => new Promise<never>(() => resolve())
      authorizationCodeGrant(provider, server.client(), pending, callback, { fetch: silence }).catch(
        (error) => {
          outcome = error
        },
      )
    })
    await asked
    await vi.advanceTimersByTimeAsync(29_999)
    expect(outcome).toBe('none yet')
    await vi.advanceTimersByTimeAsync(1)
    vi.useRealTimers()
    expect(outcome).toBeInstanceOf(TimeoutError)
    expect(outcome).toMatchObject({ code: 'timeout', timeoutMs: 30_000 })
    await expectNothingLost()
  })

  it('HTTP where HTTPS is expected is a network error', async () => {
    const port = await listening(createServer())
    const plain = { ...provider, tokenUrl: `https://127.0.0.1:${port}/token` }
    const flow = authorize(plain, server.client(), { ...quiet, openBrowser: (url) => server.browse(url) })
    await expectFailure(() => flow, NetworkError, 'network')
    await expectNothingLost()
  })
})

describe('a store', () => {
  it('on a full disk is store_full; a consent that it cannot take is kept and saved when there is room', async () => {
    rmSync(folder, { recursive: true })
    folder = mkdtempSync(join(root, 'disk-'))
    const free = limitDisk(folder)
    try {
      const vault = await open()
      await vault.save(ada, before)
      const whoami = tool({
        ...{ name: 'whoami', description: 'Says who I am.', auth: { provider: 'acme', scopes: ['read'] } },
        input: { type: 'object', properties: {} },
        run: async (_, { fetch }) => ((await (await fetch('/me')).json()) as { user: string }).user,
      })
      const toolbox = new Toolbox({ vault, tools: [whoami], flow: loopback(quiet) })
      const bob = toolbox.for({ user: 'bob' })
      const [consent] = await bob.authorize()
      const big = granted('eve').with({ raw: { x: 'x'.repeat(3000) } })
      const fill = async () => {
        for (let index = 0; index < 1000; index++) await vault.save({ ...ada, user: `user ${index}` }, big)
      }
      await expectFailure(fill, StoreError, 'store_full')
      const page = await server.browse(consent?.url ?? '', { user: 'bob' })
      expect(page.status).not.toBe(200)
      await expectFailure(() => bob.call('whoami', {}), StoreError, 'store_full')
      free()
      expect(await bob.call('whoami', {})).toBe('bob')
      expect(server.counts.grants).toMatchObject({ authorization_code: 1 })
      await toolbox.close()
      await vault.close()
      await expectNothingLost()
    } finally {
      free()
      unmount(folder)
    }
  })

  it('that is read-only is store_read_only', async () => {
    chmodSync(path(), 0o444)
    chmodSync(folder, 0o555)
    await expectFailure(() => unprivileged(() => open()), StoreError, 'store_read_only')
    chmodSync(folder, 0o755)
    chmodSync(path(), 0o600)
    await expectNothingLost()
  })

  it('that another key sealed is key_wrong', async () => {
    await expectFailure(() => open({ key: Buffer.alloc(32, 1) }), KeyError, 'key_wrong')
    await expectNothingLost()
  })

  it('that is corrupt is store_corrupt, and is not touched: its backup is good', async () => {
    const backup = readFileSync(path())
    const broken = Buffer.from(backup).fill(0x5a, 100)
    writeFileSync(path(), broken)
    await expectFailure(
      async () => {
        await using vault = await open()
        await vault.token(ada)
      },
      StoreError,
      'store_corrupt',
    )
    expect(readFileSync(path()).equals(broken)).toBe(true)
    writeFileSync(path(), backup)
    await expectNothingLost()
  })
})
