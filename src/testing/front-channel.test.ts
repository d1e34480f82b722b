// The implicit grant and the hybrid types of the simulated server against the texts, asked as a browser asks.
import { createHash, createPublicKey, verify } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AuthorizationServer, type ConsentDecision, startAuthorizationServer } from './index.ts'

let server: AuthorizationServer

beforeEach(async () => {
  const grantTypes = ['authorization_code', 'refresh_token', 'implicit'] as const
  server = await startAuthorizationServer({ grantTypes, openid: true, requirePkce: false })
})
afterEach(() => server.close())

async function callback(params: Record<string, string>, decision?: ConsentDecision): Promise<URL> {
  const url = new URL(`${server.url}/authorize`)
  const request = {
    response_type: 'token',
    client_id: server.client().clientId,
    redirect_uri: 'http://127.0.0.1:7/callback?kept=1',
    scope: 'openid read',
    state: 'a-state',
    nonce: 'a-nonce',
    ...params,
  }
  for (const [name, value] of Object.entries(request)) if (value !== '') url.searchParams.set(name, value)
  return new URL(await server.consent(url.href, decision))
}

function fragment(url: URL): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(url.hash.slice(1)))
}

function half(text: string): string {
  return createHash('sha256').update(text).digest().subarray(0, 16).toString('base64url')
}

async function claims(idToken: string | undefined): Promise<Record<string, unknown>> {
  const [header = '', payload = '', signature = ''] = (idToken ?? '').split('.')
  const { keys } = (await (await fetch(`${server.url}/jwks.json`)).json()) as { keys: [JsonWebKey] }
  const key = createPublicKey({ key: { ...keys[0] }, format: 'jwk' })
  const good = verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'))
  expect(good).toBe(true)
  return JSON.parse(Buffer.from(payload, 'base64url').toString())
}

describe('response_type=token', () => {
  it('answers in the fragment, without a refresh token, and the query keeps what it had', async () => {
    const url = await callback({})
    expect(url.search).toBe('?kept=1')
    const answer = fragment(url)
    expect(answer).toEqual({
      access_token: expect.stringMatching(/^canary_access_/),
      token_type: 'Bearer',
      expires_in: '3600',
      state: 'a-state',
      iss: server.url,
    })
    expect(server.isActive(answer['access_token'] ?? '')).toBe(true)
  })

  it('names the scopes only when they differ from what was asked for', async () => {
    expect(fragment(await callback({}, { scopes: ['read'] }))).toMatchObject({ scope: 'read' })
  })

  it('refuses in the fragment too', async () => {
    const url = await callback({}, { approve: false })
    expect(url.search).toBe('?kept=1')
    expect(fragment(url)).toMatchObject({ error: 'access_denied', state: 'a-state' })
    expect(fragment(await callback({ response_mode: 'query' }))).toMatchObject({ error: 'invalid_request' })
  })

  it('is not taken unless the server, and the client, have the grant', async () => {
    const registered = server.register({ grantTypes: ['authorization_code'] })
    const other = await callback({ client_id: registered.clientId })
    expect(fragment(other)).toMatchObject({ error: 'unauthorized_client' })
    server.configure({ grantTypes: undefined })
    expect(fragment(await callback({}))).toMatchObject({ error: 'unsupported_response_type' })
  })
})

describe('id_tokens from the authorization endpoint', () => {
  it('bind the access token, or the code, by its hash', async () => {
    const both = fragment(await callback({ response_type: 'token id_token' }))
    expect(await claims(both['id_token'])).toMatchObject({
      nonce: 'a-nonce',
      at_hash: half(both['access_token'] ?? ''),
    })
    const hybrid = fragment(await callback({ response_type: 'code id_token' }))
    expect(await claims(hybrid['id_token'])).toMatchObject({ c_hash: half(hybrid['code'] ?? '') })
    expect(hybrid).not.toHaveProperty('access_token')
  })

  it('are refused without a nonce', async () => {
    const refused = fragment(await callback({ response_type: 'id_token token', nonce: '' }))
    expect(refused).toMatchObject({
      error: 'invalid_request',
      error_description: 'nonce is required with an id_token',
    })
  })
})

it('says in its metadata what it takes', async () => {
  const metadata = async () => (await fetch(`${server.url}/.well-known/oauth-authorization-server`)).json()
  expect(await metadata()).toMatchObject({
    response_types_supported: ['code', 'token', 'id_token', 'id_token token', 'code id_token'],
    grant_types_supported: ['authorization_code', 'refresh_token', 'implicit'],
  })
  server.configure({ grantTypes: undefined })
  expect(await metadata()).toMatchObject({
    response_types_supported: ['code'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
  })
})
