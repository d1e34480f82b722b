// Pushed requests and details at the simulated server, against the texts.
import { afterEach, describe, expect, it } from 'vitest'
import { type AuthorizationServer, type ServerBehaviour, startAuthorizationServer } from './index.ts'

let server: AuthorizationServer
afterEach(() => server.close())

const request = {
  response_type: 'code',
  redirect_uri: 'http://127.0.0.1:7/callback',
  scope: 'read',
  state: 'a-state',
}

async function start(behaviour: ServerBehaviour): Promise<void> {
  server = await startAuthorizationServer({ requirePkce: false, ...behaviour })
}

function basic({ clientId, clientSecret } = server.client()): string {
  return `Basic ${btoa(`${clientId}:${clientSecret}`)}`
}

async function post(path: string, form: Record<string, string>, authorization = basic()) {
  const body = new URLSearchParams(form)
  const response = await fetch(server.url + path, { method: 'POST', body, headers: { authorization } })
  return { status: response.status, body: await response.json() }
}

function urlWith(parameters: Record<string, string>): string {
  const named = new URLSearchParams({ client_id: server.client().clientId, ...parameters })
  return `${server.url}/authorize?${named}`
}

describe('RFC 9126', () => {
  it('keeps a request for a minute, for one use, and by its own client', async () => {
    await start({ pushedRequests: 'supported' })
    const { status, body } = await post('/par', request)
    expect([status, body.expires_in]).toEqual([201, 60])
    const url = urlWith({ request_uri: body.request_uri, scope: 'write', state: 'changed on the way' })
    const callback = new URL(await server.consent(url))
    expect(callback.searchParams.get('state')).toBe('a-state')
    expect(server.consents()).toEqual([])
    await expect(server.consent(url)).rejects.toThrow(/used up or over/)
    const over = (await post('/par', request)).body.request_uri
    server.advance(60)
    await expect(server.consent(urlWith({ request_uri: over }))).rejects.toThrow(/used up or over/)
    const foreign = (await post('/par', request)).body.request_uri
    const other = server.register().clientId
    await expect(server.consent(urlWith({ request_uri: foreign, client_id: other }))).rejects.toThrow(
      /another/,
    )
  })

  it('refuses what a browser could not bring either, and clients that do not prove themselves', async () => {
    await start({ pushedRequests: 'supported', scopes: ['read'] })
    expect(await post('/par', { ...request, scope: 'write' })).toMatchObject({
      status: 400,
      body: { error: 'invalid_scope' },
    })
    expect(await post('/par', request, 'Basic d3Jvbmc6d3Jvbmc=')).toMatchObject({ status: 401 })
    expect(await post('/par', { ...request, request_uri: 'urn:x' })).toMatchObject({ status: 400 })
    expect(new URL(await server.consent(urlWith(request))).searchParams.has('code')).toBe(true)
  })

  it('takes no others where they are required, and has no such endpoint by default', async () => {
    await start({ pushedRequests: 'required' })
    await expect(server.consent(urlWith(request))).rejects.toThrow(/pushed requests only/)
    const metadata = await (await fetch(`${server.url}/.well-known/oauth-authorization-server`)).json()
    expect(metadata).toMatchObject({
      pushed_authorization_request_endpoint: `${server.url}/par`,
      require_pushed_authorization_requests: true,
    })
    server.configure({ pushedRequests: undefined })
    expect((await post('/par', request)).status).toBe(404)
  })
})

describe('RFC 9396', () => {
  const details = (type: string) => ({ authorization_details: JSON.stringify([{ type, amount: '1' }]) })
  const tokens = async (callback: string) =>
    (
      await post('/token', {
        grant_type: 'authorization_code',
        code: new URL(callback).searchParams.get('code') ?? '',
        redirect_uri: request.redirect_uri,
      })
    ).body

  it('grants details of the types it knows, and says so in the token answer', async () => {
    await start({ detailTypes: ['payment'] })
    const callback = await server.consent(urlWith({ ...request, ...details('payment') }))
    expect((await tokens(callback)).authorization_details).toEqual([{ type: 'payment', amount: '1' }])
    const refused = await server.consent(urlWith({ ...request, ...details('unknown') }))
    expect(new URL(refused).searchParams.get('error')).toBe('invalid_authorization_details')
    const broken = await server.consent(urlWith({ ...request, authorization_details: '{' }))
    expect(new URL(broken).searchParams.get('error')).toBe('invalid_authorization_details')
  })

  it('ignores them by default', async () => {
    await start({})
    const callback = await server.consent(urlWith({ ...request, ...details('payment') }))
    expect(await tokens(callback)).not.toHaveProperty('authorization_details')
  })
})
