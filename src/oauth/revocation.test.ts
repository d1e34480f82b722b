import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ScriptedServer, startScriptedServer } from '../../test/servers/scripted-http.ts'
import { TokenEndpointError } from '../errors.ts'
import { defineProvider, type ProviderFacts } from '../providers/index.ts'
import type { Client } from './client.ts'
import { canRevoke } from './endpoints.ts'
import { isTransient } from './refresh-failure.ts'
import { type RevocationOptions, revokeToken } from './revocation.ts'

const client: Client = { clientId: 'client-1', clientSecret: 'canary-client-secret' }
let server: ScriptedServer

beforeEach(async () => {
  server = await startScriptedServer(() => (response) => response.end())
})

afterEach(() => server.close())

function providerWith(facts: Partial<ProviderFacts> = {}) {
  const endpoints = { authorizationUrl: `${server.origin}/authorize`, tokenUrl: `${server.origin}/token` }
  return defineProvider({ id: 'acme', revocationUrl: `${server.origin}/revoke`, ...facts, ...endpoints })
}

function revoke(facts: Partial<ProviderFacts> = {}, options: RevocationOptions = {}) {
  return revokeToken(providerWith(facts), client, 'canary-token', options)
}

describe('R16 revocation', () => {
  it('is a form with the client authentication of the token endpoint; an empty 200 is a success', async () => {
    await revoke({}, { tokenTypeHint: 'refresh_token', extraParams: { reason: 'logout' } })
    const [request] = server.requests
    expect(request).toMatchObject({ method: 'POST', url: '/revoke' })
    expect(Object.fromEntries(new URLSearchParams(request?.body))).toEqual({
      token: 'canary-token',
      token_type_hint: 'refresh_token',
      reason: 'logout',
    })
    expect(request?.headers.authorization).toMatch(/^Basic /)
  })

  it('R5 takes repeated parameters and further headers; its own are not replaced', async () => {
    await revoke({}, { extraParams: { resource: ['a', 'b'], token: 'x' }, extraHeaders: { 'X-Tenant': '7' } })
    const [request] = server.requests
    expect(new URLSearchParams(request?.body).getAll('resource')).toEqual(['a', 'b'])
    expect(new URLSearchParams(request?.body).getAll('token')).toEqual(['canary-token'])
    expect(request?.headers).toMatchObject({ 'x-tenant': '7' })
    const headers = { Authorization: 'Basic canary' }
    await expect(revoke({}, { extraHeaders: headers })).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(server.requests).toHaveLength(1)
  })

  it('R17 goes through the hooks and the fetch of the client, whatever its format', async () => {
    for (const revocationFormat of ['form', 'json', 'bearer'] as const) {
      const heard: string[] = []
      const hooked: Client = {
        ...client,
        authenticate: () => void heard.push('authenticate'),
        fetch: (input, init) => {
          heard.push('fetch')
          return fetch(input, init)
        },
        hooks: {
          revocationRequest: ({ name }) => void heard.push(`${name} request`),
          revocationResponse: ({ status }) => void heard.push(`status ${status}`),
        },
      }
      await revokeToken(providerWith({ revocationFormat }), hooked, 'canary-token')
      const proof = revocationFormat === 'bearer' ? [] : ['authenticate']
      expect(heard).toEqual([...proof, 'revocation request', 'fetch', 'status 200'])
    }
  })

  it('stays a form where token requests are JSON, unless the row says otherwise', async () => {
    await revoke({ tokenRequestFormat: 'json' })
    expect(server.requests[0]?.body).toBe('token=canary-token')
  })

  it('is JSON for Notion', async () => {
    await revoke({ revocationFormat: 'json', tokenRequestHeaders: { 'notion-version': '2026-03-11' } })
    const [request] = server.requests
    expect(JSON.parse(request?.body ?? '')).toEqual({ token: 'canary-token' })
    expect(request?.headers).toMatchObject({
      'content-type': 'application/json',
      'notion-version': '2026-03-11',
    })
  })

  it('is an empty request that the token authorises for Slack and Dropbox', async () => {
    await revoke({ revocationFormat: 'bearer' })
    const [request] = server.requests
    expect(request).toMatchObject({ method: 'POST', body: '' })
    expect(request?.headers.authorization).toBe('Bearer canary-token')
    expect(request?.headers['content-type']).toBeUndefined()
  })

  it.each(['form', 'json', 'bearer'] as const)(
    'unsupported_token_type is typed (%s)',
    async (revocationFormat) => {
      server.answer = () => ({
        status: 400,
        body: { error: 'unsupported_token_type', error_description: 'canary-token' },
      })
      const failure = await revoke({ revocationFormat }).catch((error: unknown) => error)
      expect(failure).toBeInstanceOf(TokenEndpointError)
      expect(failure).toMatchObject({
        error: 'unsupported_token_type',
        errorDescription: '[redacted]',
        request: 'revocation',
      })
    },
  )

  it.each(['form', 'json', 'bearer'] as const)('503 is worth another try (%s)', async (revocationFormat) => {
    server.answer = () => ({ status: 503, headers: { 'retry-after': '30' }, body: '' })
    const failure = await revoke({ revocationFormat }).catch((error: unknown) => error)
    expect(failure).toMatchObject({ status: 503, retryAfterSeconds: 30 })
    expect(isTransient(failure)).toBe(true)
  })

  it.each([
    ['form', 'invalid_token', true],
    ['json', 'invalid_token', true],
    ['bearer', 'token_revoked', true],
    ['bearer', 'invalid_token', false],
    ['bearer', 'token_expired', false],
    ['form', 'invalid_client', false],
  ] as const)('by %s, %s means that the token is dead: %s', async (revocationFormat, error, dead) => {
    server.answer = () => ({ status: 400, body: { error } })
    const outcome = await revoke({ revocationFormat }).then(
      () => true,
      () => false,
    )
    expect(outcome).toBe(dead)
  })

  it('needs an endpoint', async () => {
    const { revocationUrl: _, ...without } = providerWith()
    expect([await canRevoke(providerWith()), await canRevoke(without)]).toEqual([true, false])
    await expect(revokeToken(without, client, 'canary-token')).rejects.toMatchObject({
      code: 'provider_invalid',
      message: expect.not.stringContaining('canary'),
    })
  })

  it('stops at a signal', async () => {
    const reason = new Error('stop')
    await expect(revoke({}, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(server.requests).toHaveLength(0)
  })
})
