import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defineProvider } from '../providers/index.ts'
import {
  type AuthorizationServer,
  type ProviderOverrides,
  startAuthorizationServer,
} from '../testing/index.ts'
import { probeProvider } from './probes.ts'
import type { ProbeOptions } from './provider-probe.ts'

let server: AuthorizationServer

beforeEach(async () => {
  server = await startAuthorizationServer({ clients: [{ redirectUris: ['http://127.0.0.1:41539/'] }] })
})

afterEach(() => server.close())

function probe(overrides: ProviderOverrides = {}, options: ProbeOptions = {}, client = server.client()) {
  return probeProvider({ provider: defineProvider(server.provider(overrides)), client }, options)
}

describe('probing a provider', () => {
  it('says that it answers, how fast, and what its clock shows', async () => {
    server.advance(7200)
    const found = await probe()
    expect(found).toMatchObject({ provider: 'simulated', state: 'answers', status: 405 })
    expect(found.ms).toBeLessThan(5000)
    expect(Math.abs((found.clockOffsetMs ?? 0) - 7_200_000)).toBeLessThan(2000)
  })

  it('sends nothing secret, and issues nothing', async () => {
    server.configure({ consent: 'page' })
    await probe({}, { redirectUri: 'http://127.0.0.1:41539/' })
    const sent = JSON.stringify(server.requests())
    for (const secret of server.issuedSecrets().filter((one) => !one.startsWith('canary_ticket')))
      expect(sent).not.toContain(secret)
    expect(
      server
        .requests()
        .map(({ endpoint, method }) => `${method} ${endpoint}`)
        .sort(),
    ).toEqual(['GET authorization', 'GET token'])
    expect(server.consents()).toEqual([])
  })

  it.each([
    ['HTTP 503', { status: 503 }, { state: 'failing', status: 503 }],
    ['HTTP 429', { retryAfter: 5 }, { state: 'failing', status: 429 }],
    ['silence', { hang: true }, { state: 'unreachable', problem: expect.stringContaining('in time') }],
    ['a cut connection', { drop: true }, { state: 'unreachable' }],
    ['an answer cut off', { bytes: 5_000_000 }, { state: 'answers' }],
  ] as const)('takes %s for a result', async (_name, step, expected) => {
    server.script('token', [step])
    expect(await probe({}, { timeoutMs: 300 })).toMatchObject(expected)
  })

  it('names the system’s word when there is no connection', async () => {
    const tokenUrl = `${server.url}/token`
    await server.close()
    expect(await probe({ tokenUrl })).toMatchObject({ state: 'unreachable', cause: 'ECONNREFUSED' })
  })

  it.each([
    ['a redirect URI that is not registered', 'http://127.0.0.1:41539/other', 'redirect_uri'],
    ['a redirect URI that is', 'http://127.0.0.1:41539/', undefined],
  ])('tells %s', async (_name, redirectUri, refused) => {
    expect((await probe({}, { redirectUri })).refused).toBe(refused)
  })

  it('tells a client that the provider does not know', async () => {
    const redirectUri = 'http://127.0.0.1:41539/'
    const client = { ...server.client(), clientId: 'gone' }
    expect(await probe({}, { redirectUri }, client)).toMatchObject({ refused: 'client' })
  })

  it('reads Google’s error page, whose reason is in base64', async () => {
    const authError = Buffer.from('\n\u0015redirect_uri_mismatch\u0012…').toString('base64url')
    const location = `${server.url}/signin/oauth/error?authError=${authError}`
    server.script('authorization', [{ status: 302, headers: { location } }])
    expect(await probe({}, { redirectUri: 'http://127.0.0.1:41539/' })).toMatchObject({
      state: 'answers',
      refused: 'redirect_uri',
    })
  })

  it('asks for published metadata alone when told so', async () => {
    expect(await probe({}, { extent: 'metadata' })).toMatchObject({ state: 'answers', status: 404 })
    expect(server.requests().map(({ endpoint }) => endpoint)).toEqual(['metadata'])
    expect(await probe({ issuer: undefined }, { extent: 'metadata' })).toEqual({
      provider: 'simulated',
      state: 'not_asked',
    })
  })

  it('ends with the caller’s reason', async () => {
    const signal = AbortSignal.abort(new Error('stopped'))
    await expect(probe({}, { signal })).rejects.toThrow('stopped')
  })
})
