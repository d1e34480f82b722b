import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { redirectBack, startTokenEndpoint, type TokenEndpoint } from '../../test/servers/token-endpoint.ts'
import { AuthorizationDeniedError, CallbackError, TokenEndpointError } from '../errors.ts'
import { type FlowEvent, loopback, type PasteInput, type StartedFlow } from './index.ts'
import { pastedUrl } from './loopback-paste.ts'

let endpoint: TokenEndpoint
let events: FlowEvent[]
let flow: StartedFlow

async function start(input?: PasteInput): Promise<StartedFlow> {
  const registration = { provider: endpoint.provider, client: { clientId: 'client-1' } }
  return loopback({ input, onEvent: (event) => events.push(event) }).start({ registration, scopes: ['read'] })
}

beforeEach(async () => {
  endpoint = await startTokenEndpoint()
  events = []
  flow = await start()
})
afterEach(async () => {
  flow.cancel()
  await endpoint.close()
})

describe('P23 submit', () => {
  it('finishes the flow with the pasted address', async () => {
    await flow.submit(redirectBack(flow))
    expect((await flow.result()).accessToken).toBe('token-for-code-1')
    expect(events.map(({ type }) => type).slice(-3)).toEqual(['code-received', 'token-received', 'stopped'])
  })

  it.each([
    ['another state', () => redirectBack(flow, { state: 'forged' }), 'state_mismatch'],
    ['no state', () => redirectBack(flow, { state: undefined }), 'state_missing'],
    ['two states', () => `${redirectBack(flow)}&state=x`, 'duplicate_parameter'],
    ['no code', () => redirectBack(flow, { code: undefined }), 'code_missing'],
    ['the address of the first page', () => flow.url, 'callback_invalid'],
    [
      'another site',
      () => redirectBack(flow).replace(/^http:\/\/[^/]+/, 'https://evil.example'),
      'callback_invalid',
    ],
    ['another path', () => redirectBack(flow).replace('/?', '/other?'), 'callback_invalid'],
    ['the code alone', () => 'code-1', 'callback_invalid'],
    ['nothing', () => '', 'callback_invalid'],
  ])('refuses %s, tells its caller, and keeps waiting', async (_name, address, code) => {
    const error = await flow.submit(address()).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(CallbackError)
    expect(error).toMatchObject({ code })
    expect(endpoint.requests).toHaveLength(0)
    await flow.submit(redirectBack(flow))
    await expect(flow.result()).resolves.toBeDefined()
  })

  it('says what address is meant', async () => {
    await expect(flow.submit(flow.url)).rejects.toThrow(`That one begins with ${flow.redirectUri}`)
  })

  it('ends the flow with a denial, like a real callback', async () => {
    const denied = redirectBack(flow, { code: undefined, error: 'access_denied' })
    await expect(flow.submit(denied)).rejects.toBeInstanceOf(AuthorizationDeniedError)
    await expect(flow.result()).rejects.toBeInstanceOf(AuthorizationDeniedError)
  })

  it('ends the flow with a failed exchange', async () => {
    endpoint.answer = () => ({ status: 400, body: { error: 'invalid_grant' } })
    await expect(flow.submit(redirectBack(flow))).rejects.toBeInstanceOf(TokenEndpointError)
    await expect(flow.result()).rejects.toBeInstanceOf(TokenEndpointError)
  })

  it('takes one address once', async () => {
    const twice = [flow.submit(redirectBack(flow)), flow.submit(redirectBack(flow))]
    const settled = await Promise.allSettled(twice)
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    await expect(flow.submit(redirectBack(flow))).rejects.toMatchObject({ code: 'callback_invalid' })
    expect(endpoint.requests).toHaveLength(1)
  })
})

describe('P23 pasted lines', () => {
  it('are submitted; a bad one is explained and the flow goes on', async () => {
    const input = new PassThrough()
    const pasting = await start(input)
    input.write('\n  \nhello\n')
    input.write(`${redirectBack(pasting, { state: 'forged' })}\n`)
    input.write(`  "${redirectBack(pasting)}"  \r\n`)
    await pasting.result()
    const refused = events.filter((event) => event.type === 'paste-refused')
    expect(refused.map(({ message }) => message)).toEqual([
      expect.stringContaining('not the address the browser was sent to'),
      expect.stringContaining('state'),
    ])
    expect(JSON.stringify(refused)).not.toContain('forged')
  })

  it('are no longer read once the flow has ended, however it ended', async () => {
    for (const end of [(it: StartedFlow) => it.cancel(), (it: StartedFlow) => fetch(redirectBack(it))]) {
      const input = new PassThrough()
      const pasting = await start(input)
      await end(pasting)
      await pasting.result().catch(() => {})
      expect(input.isPaused()).toBe(true)
      expect(input.listenerCount('data')).toBe(0)
    }
  })

  it('may end before the flow does', async () => {
    const input = new PassThrough()
    const pasting = await start(input)
    input.end()
    await new Promise((resolve) => setTimeout(resolve, 20))
    await fetch(redirectBack(pasting))
    await expect(pasting.result()).resolves.toBeDefined()
  })
})

it('cleans what copying adds to an address', () => {
  for (const text of [
    ' http://a/?b=c ',
    '"http://a/?b=c"',
    '<http://a/?b=c>',
    "'http://a/?b=c'\n",
    'http://a/\n?b=c',
  ])
    expect(pastedUrl(text)).toBe('http://a/?b=c')
})
