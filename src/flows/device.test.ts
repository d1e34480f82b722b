// The device flow beside its whole-flow tests: what it tells, how long it waits, how it ends.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defineProvider, type Provider } from '../providers/index.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../testing/index.ts'
import { device, type FlowEvent, type FlowRequest, stderrFlowLog } from './index.ts'

let server: AuthorizationServer
let provider: Provider

beforeEach(async () => {
  server = await startAuthorizationServer({
    grantTypes: ['refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
    deviceIntervalSeconds: 0.02,
  })
  provider = defineProvider(server.provider({ id: 'acme', name: 'Acme' }))
})
afterEach(() => server.close())

async function start(request: Partial<FlowRequest> = {}) {
  const events: FlowEvent[] = []
  const registration = { provider, client: server.client() }
  const flow = await device({ onEvent: (event) => events.push(event) }).start({ registration, ...request })
  return { flow, events }
}

describe('device()', () => {
  it('tells code and address, waits, saves, and says that it has stopped', async () => {
    const saved: string[] = []
    const { flow, events } = await start({
      scopes: 'read write',
      user: 'ada',
      account: 'work',
      save: (tokens) => saved.push(tokens.accessToken),
    })
    expect(flow).toMatchObject({
      url: `${server.url}/device?user_code=${flow.userCode}`,
      verificationUri: `${server.url}/device`,
      redirectUri: '',
      scopes: ['read', 'write'],
      pending: { provider: 'acme', user: 'ada', account: 'work', state: '' },
    })
    expect(flow.expiresAt.getTime() - Date.now()).toBeGreaterThan(590_000)
    server.decideDevice(flow.userCode)
    const tokens = await flow.result()
    expect(saved).toEqual([tokens.accessToken])
    expect(events.map(({ type }) => type)).toEqual([
      'start',
      'device-code',
      'waiting',
      'token-received',
      'stopped',
    ])
    expect(events[1]).toMatchObject({ provider: 'acme', userCode: flow.userCode, completeUrl: flow.url })
    expect(JSON.stringify(events)).not.toContain('canary_')
    expect(server.requests('device')[0]?.params['scope']).toBe('read write')
  })

  it('waits no longer than the request says, and asks nothing afterwards', async () => {
    const { flow, events } = await start({ timeoutMs: 70 })
    await expect(flow.result()).rejects.toMatchObject({ code: 'timeout', timeoutMs: 70 })
    const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
    await pause(40) // a request that had left by then may still arrive
    const asked = server.counts.requests.token
    await pause(60)
    expect(server.counts.requests.token).toBe(asked)
    expect(events.at(-1)?.type).toBe('stopped')
  })

  it('ends with the reason of the signal, and with what saving threw', async () => {
    const stop = new AbortController()
    const { flow } = await start({ signal: stop.signal })
    stop.abort(new Error('gone'))
    await expect(flow.result()).rejects.toThrow('gone')
    const failing = await start({
      save: () => {
        throw new Error('full')
      },
    })
    server.decideDevice(failing.flow.userCode)
    await expect(failing.flow.result()).rejects.toThrow('full')
  })

  it.each([
    { responseMode: 'form_post' },
    { authorizationDetails: [{ type: 'payment' }] },
    { userScopes: ['read'] },
    { maxAge: 60 },
    { timeoutMs: 0 },
  ] satisfies Partial<FlowRequest>[])('refuses %j before anything is sent', async (request) => {
    await expect(start(request)).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(server.requests()).toEqual([])
  })

  it('passes on what the provider refuses, and says that it has stopped', async () => {
    server.configure({ scopes: ['read'] })
    const events: string[] = []
    const registration = { provider, client: server.client() }
    const flow = device({ onEvent: ({ type }) => events.push(type) })
    await expect(flow.start({ registration, scopes: ['admin'] })).rejects.toMatchObject({
      error: 'invalid_scope',
    })
    expect(events).toEqual(['start', 'stopped'])
  })

  it('says what to do in the default log', () => {
    const lines: string[] = []
    const log = stderrFlowLog({ name: 'Acme', write: (text) => lines.push(text) })
    log({ type: 'device-code', provider: 'acme', userCode: 'AB-CD', url: 'https://acme.example/go' })
    expect(lines.join('')).toContain('https://acme.example/go')
    expect(lines.join('')).toContain('AB-CD')
  })
})
