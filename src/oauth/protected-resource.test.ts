import { describe, expect, it } from 'vitest'
import { NetworkError } from '../errors.ts'
import { discoverProtectedResource } from './endpoints.ts'

const wellKnown = '/.well-known/oauth-protected-resource'

/** Documents by URL, and what was asked for. */
function web(documents: Record<string, unknown>) {
  const asked: string[] = []
  const fetch: typeof globalThis.fetch = async (url, init) => {
    asked.push(String(url))
    expect(new Headers(init?.headers).has('authorization')).toBe(false)
    const document = documents[String(url)]
    return document === undefined ? new Response('no', { status: 404 }) : Response.json(document)
  }
  return { asked, fetch }
}

describe('an API says about itself', () => {
  it('whose tokens it takes, and which', async () => {
    const resource = 'https://api.example'
    const { fetch } = web({
      [`${resource}${wellKnown}`]: {
        resource,
        authorization_servers: ['https://as.example', 'https://login.example/tenant'],
        scopes_supported: ['read', 7, 'write'],
        resource_name: 'Notes',
        resource_documentation: 'https://api.example/docs',
        dpop_bound_access_tokens_required: true,
        tls_client_certificate_bound_access_tokens: true,
        authorization_details_types_supported: ['payment'],
        signed_metadata: 'a.b.c',
      },
    })
    expect(await discoverProtectedResource(resource, { fetch })).toEqual({
      resource,
      authorizationServers: ['https://as.example', 'https://login.example/tenant'],
      scopes: ['read', 'write'],
      name: 'Notes',
      documentationUrl: 'https://api.example/docs',
      dpopRequired: true,
      certificateBoundTokens: true,
      authorizationDetailsTypes: ['payment'],
    })
    const script = { resource, resource_documentation: 'javascript:alert(1)', resource_name: 7 }
    expect(await discoverProtectedResource(resource, web({ [`${resource}${wellKnown}`]: script }))).toEqual({
      resource,
      authorizationServers: [],
    })
    const bare = web({ [`${resource}${wellKnown}`]: { resource } })
    expect(await discoverProtectedResource(resource, bare)).toEqual({ resource, authorizationServers: [] })
  })

  it.each([
    ['https://api.example', ['']],
    ['https://api.example/', ['']],
    ['https://api.example/v1/mcp', ['/v1/mcp', '']],
    ['https://api.example/v1?tenant=7', ['/v1?tenant=7', '']],
  ])('of %s at the well-known places %j', async (resource, places) => {
    const { asked, fetch } = web({})
    await expect(discoverProtectedResource(resource, { fetch })).rejects.toMatchObject({
      code: 'discovery_failed',
    })
    expect(asked).toEqual(places.map((path) => `https://api.example${wellKnown}${path}`))
  })

  it('below a path, or for the host as a whole', async () => {
    const called = 'https://api.example/v1/mcp'
    const own = web({ [`https://api.example${wellKnown}/v1/mcp`]: { resource: called } })
    expect((await discoverProtectedResource(called, own)).resource).toBe(called)
    const host = web({ [`https://api.example${wellKnown}`]: { resource: 'https://api.example' } })
    expect((await discoverProtectedResource(called, host)).resource).toBe('https://api.example')
  })

  it.each([
    ['Bearer resource_metadata="https://api.example/about"', 'https://api.example/v1'],
    ['Bearer error="invalid_token", resource_metadata=https://api.example/about', 'https://api.example/v1'],
    [
      'Basic realm="x", DPoP algs="ES256", resource_metadata="https://api.example/about"',
      'https://api.example',
    ],
    ['Bearer resource_metadata="https://api.example/about"', 'https://api.example/v1/notes/7'],
  ])('where a challenge %s points', async (challenge, resource) => {
    const { asked, fetch } = web({ 'https://api.example/about': { resource } })
    const called = 'https://api.example/v1/notes/7'
    const found = await discoverProtectedResource(called, { fetch, challenge })
    expect([found.resource, asked]).toEqual([resource, ['https://api.example/about']])
  })

  it('at the well-known places where the challenge does not say', async () => {
    const { fetch } = web({ [`https://api.example${wellKnown}`]: { resource: 'https://api.example' } })
    for (const challenge of ['Bearer error="invalid_token"', '', null])
      await expect(
        discoverProtectedResource('https://api.example', { fetch, challenge }),
      ).resolves.toBeDefined()
  })

  it.each([
    ['another host', 'https://evil.example'],
    ['another scheme', 'http://api.example'],
    ['another path', 'https://api.example/v2'],
    ['a path that begins alike', 'https://api.example/v'],
    ['a path below', 'https://api.example/v1/notes/7/more'],
    ['a fragment', 'https://api.example/v1#x'],
    ['another tenant', 'https://api.example/v1?tenant=8'],
    ['nothing', undefined],
    ['a list', ['https://api.example/v1']],
  ])('but not for %s', async (_, resource) => {
    const called = 'https://api.example/v1/notes/7'
    const { fetch } = web({ 'https://api.example/about': { resource } })
    const options = { fetch, metadataUrl: 'https://api.example/about' }
    await expect(discoverProtectedResource(called, options)).rejects.toMatchObject({
      code: 'discovery_failed',
      message: expect.stringMatching(/RFC 9728/),
    })
  })

  it('at its own place for nothing but itself', async () => {
    const { fetch } = web({ [`https://api.example${wellKnown}/v1`]: { resource: 'https://api.example' } })
    await expect(discoverProtectedResource('https://api.example/v1', { fetch })).rejects.toMatchObject({
      code: 'discovery_failed',
    })
  })

  it('or cannot be asked now', async () => {
    const fetch = () => Promise.reject(new TypeError('fetch failed'))
    await expect(discoverProtectedResource('https://api.example/v1', { fetch })).rejects.toBeInstanceOf(
      NetworkError,
    )
    const stop = new AbortController()
    stop.abort(new Error('enough'))
    const signal = stop.signal
    await expect(discoverProtectedResource('https://api.example', { signal })).rejects.toThrow('enough')
    await expect(discoverProtectedResource('http://api.example')).rejects.toMatchObject({
      code: 'insecure_url',
    })
  })

  it('on this machine, in a test', async () => {
    const resource = 'http://127.0.0.1:9'
    const { fetch } = web({
      [resource + wellKnown]: { resource, authorization_servers: ['http://localhost:10'] },
    })
    expect(await discoverProtectedResource(resource, { fetch })).toMatchObject({ resource })
  })
})
