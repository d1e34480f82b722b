import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { redirectBack, startTokenEndpoint, type TokenEndpoint } from '../../test/servers/token-endpoint.ts'
import { type FlowEvent, type LoopbackOptions, loopback } from './index.ts'
import { browserOpener } from './loopback-browser.ts'
import { stderrFlowLog } from './loopback-log.ts'

let endpoint: TokenEndpoint
beforeEach(async () => {
  endpoint = await startTokenEndpoint()
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await endpoint.close()
})

async function start(options: LoopbackOptions) {
  const registration = { provider: endpoint.provider, client: { clientId: 'client-1' } }
  return loopback(options).start({ registration, scopes: ['read'] })
}

describe('P22 the browser', () => {
  it('gets the authorization URL', async () => {
    const opened: string[] = []
    const flow = await start({ onEvent: () => {}, openBrowser: (url) => opened.push(url) })
    expect(opened).toEqual([flow.url])
    flow.cancel()
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('no display')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no display'))],
  ])('that %s is reported, the URL is there to read, and the flow goes on', async (_name, openBrowser) => {
    let printed = ''
    const events: FlowEvent[] = []
    const log = stderrFlowLog({
      write: (text) => {
        printed += text
      },
    })
    const onEvent = (event: FlowEvent) => {
      events.push(event)
      log(event)
    }
    const flow = await start({ openBrowser, onEvent })
    await new Promise((resolve) => setImmediate(resolve))
    expect(events).toContainEqual({ type: 'browser-failed', provider: 'acme', message: 'no display' })
    expect(printed).toContain(flow.url)
    expect(printed).toContain('Open the address above yourself')
    await fetch(redirectBack(flow))
    await expect(flow.result()).resolves.toBeDefined()
  })

  it('that takes long holds nothing up', async () => {
    const flow = await start({ onEvent: () => {}, openBrowser: () => new Promise(() => {}) })
    await fetch(redirectBack(flow))
    await expect(flow.result()).resolves.toBeDefined()
  })

  it.each<[string, boolean, Record<string, string>, boolean]>([
    ['not a terminal', false, { DISPLAY: ':0' }, false],
    ['a terminal with a display', true, { DISPLAY: ':0' }, true],
    ['Wayland', true, { WAYLAND_DISPLAY: 'wayland-0' }, true],
    ['no display', true, {}, false],
    ['CI', true, { DISPLAY: ':0', CI: 'true' }, false],
    ['SSH', true, { SSH_CONNECTION: '1 2 3 4' }, false],
    ['SSH with a forwarded display', true, { SSH_CONNECTION: '1 2 3 4', DISPLAY: 'localhost:10' }, true],
  ])('opens by default only where a person sits: %s', (_name, isTTY, env, opens) => {
    for (const name of ['DISPLAY', 'WAYLAND_DISPLAY', 'WSL_DISTRO_NAME', 'CI', 'SSH_CONNECTION', 'SSH_TTY'])
      vi.stubEnv(name, env[name] ?? '')
    const { stderr } = process
    const before = Object.getOwnPropertyDescriptor(stderr, 'isTTY')
    Object.defineProperty(stderr, 'isTTY', { value: isTTY, configurable: true })
    expect(browserOpener(undefined) !== undefined).toBe(opens)
    expect(browserOpener(true)).toBeDefined()
    expect(browserOpener(false)).toBeUndefined()
    if (before === undefined) Reflect.deleteProperty(stderr, 'isTTY')
    else Object.defineProperty(stderr, 'isTTY', before)
  })
})

describe('the log for people', () => {
  it('says what to do and holds no secret but the URL', async () => {
    let printed = ''
    const log = stderrFlowLog({
      name: 'Acme',
      paste: true,
      write: (text) => {
        printed += text
      },
    })
    const flow = await start({ onEvent: log })
    expect(printed).toContain(`register exactly this: ${flow.redirectUri}`)
    expect(printed).toContain(`To connect Acme, open:\n\n  ${flow.url}\n`)
    expect(printed).toContain('Waiting for the answer for up to 5 minutes.')
    expect(printed).toContain('copy the address of that page and paste it here')
    await fetch(redirectBack(flow, { code: 'canary-code' }))
    await flow.result()
    expect(printed).toContain('Connected to Acme.')
    for (const secret of ['canary-code', flow.pending.codeVerifier ?? '?'])
      expect(printed).not.toContain(secret)
  })

  it('counts seconds and minutes', () => {
    const lines: string[] = []
    const log = stderrFlowLog({ write: (text) => void lines.push(text.trim()) })
    for (const timeoutMs of [1_000, 30_000, 180_000, Number.POSITIVE_INFINITY])
      log({ type: 'waiting', provider: 'acme', timeoutMs })
    expect(lines).toEqual([
      'Waiting for the answer for up to 1 second.',
      'Waiting for the answer for up to 30 seconds.',
      'Waiting for the answer for up to 3 minutes.',
      'Waiting for the answer.',
    ])
  })
})
