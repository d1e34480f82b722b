import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { redirectBack, startTokenEndpoint, type TokenEndpoint } from '../../test/servers/token-endpoint.ts'
import type { FlowEvent } from './flow.ts'
import { type RunOAuthFlowOptions, runOAuthFlow } from './index.ts'

let endpoint: TokenEndpoint
beforeEach(async () => {
  endpoint = await startTokenEndpoint()
})
afterEach(() => endpoint.close())

const urls: string[] = []

function options(changes: Partial<RunOAuthFlowOptions> = {}): RunOAuthFlowOptions {
  return {
    serviceName: 'Acme Notes',
    userId: 'ada',
    scopes: ['read', 'write'],
    authUrlBase: `${endpoint.authorizationUrl}?fixed=1`,
    tokenUrl: endpoint.tokenUrl,
    oauthConfig: { client_id: 'client-1', client_secret: 'canary-secret' },
    authParamsBuilder: (config, redirectUri, scopes) => ({
      client_id: String(config.client_id),
      redirect_uri: redirectUri,
      response_type: 'code',
      user_scope: scopes.join(','),
      state: 'a fixed one, as a careless builder makes it',
      access_type: 'offline',
    }),
    tokenDataBuilder: (config, redirectUri, scopes, code) => ({
      grant_type: 'authorization_code',
      client_id: String(config.client_id),
      client_secret: String(config.client_secret),
      redirect_uri: redirectUri,
      audience: scopes.join(' '),
      code,
    }),
    port: 0,
    openBrowser: (url) => {
      urls.push(url)
      return fetch(redirectBack({ url }))
    },
    onEvent: () => {},
    ...changes,
  }
}

describe('P26 runOAuthFlow', () => {
  it('sends what the builders build, with our state and PKCE on top', async () => {
    const tokens = await runOAuthFlow(options())
    expect(tokens).toMatchObject({ accessToken: 'token-for-code-1', scopes: ['read', 'write'] })
    const asked = new URL(urls.pop() ?? '').searchParams
    expect(asked.get('user_scope')).toBe('read,write')
    expect(asked.has('scope')).toBe(false)
    expect(asked.get('access_type')).toBe('offline')
    expect(asked.get('fixed')).toBe('1')
    expect(asked.get('state')).toMatch(/^[\w-]{22,}$/)
    expect(asked.get('redirect_uri')).toMatch(/^http:\/\/localhost:\d+$/)
    const [request] = endpoint.requests
    const { code_verifier: verifier, ...sent } = Object.fromEntries(request?.parameters ?? [])
    expect(verifier).toMatch(/^[\w.~-]{43,128}$/)
    expect(sent).toEqual({
      grant_type: 'authorization_code',
      client_id: 'client-1',
      client_secret: 'canary-secret',
      redirect_uri: asked.get('redirect_uri'),
      audience: 'read write',
      code: 'code-1',
    })
    expect(request?.headers.authorization).toBeUndefined()
  })

  it('sends the scope as the builder writes it', async () => {
    await runOAuthFlow(
      options({ authParamsBuilder: (_config, _uri, scopes) => ({ scope: scopes.join(',') }) }),
    )
    expect(new URL(urls.pop() ?? '').searchParams.getAll('scope')).toEqual(['read,write'])
  })

  it('sends the headers of their builder, and JSON when they say so', async () => {
    const tokenHeaderBuilder = () => ({ authorization: 'Basic abc', 'content-type': 'application/json' })
    await runOAuthFlow(options({ tokenHeaderBuilder }))
    const [request] = endpoint.requests
    expect(request?.headers).toMatchObject({ authorization: 'Basic abc', 'content-type': 'application/json' })
    expect(JSON.parse(request?.body ?? '')).toMatchObject({ code: 'code-1', audience: 'read write' })
  })

  it('lets processTokenResponse lift a nested token', async () => {
    endpoint.answer = () => ({ body: { ok: true, authed_user: { access_token: 'nested', scope: 'read' } } })
    const processTokenResponse = async (answer: Record<string, unknown>) => answer['authed_user'] as object
    const tokens = await runOAuthFlow(options({ processTokenResponse }))
    expect(tokens).toMatchObject({ accessToken: 'nested', scopes: ['read'] })
  })

  it('does not show refusals to processTokenResponse, and keeps the secret out of the error', async () => {
    endpoint.answer = () => ({
      status: 400,
      body: { error: 'invalid_client', error_description: 'canary-secret' },
    })
    const processTokenResponse = () => {
      throw new Error('called')
    }
    const error = await runOAuthFlow(options({ processTokenResponse })).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ name: 'TokenEndpointError', error: 'invalid_client' })
    expect(String(error)).not.toContain('canary-secret')
  })

  it('tells a mistake in a builder from a broken network', async () => {
    const mistake = new Error('a mistake in the builder')
    const tokenDataBuilder = () => {
      throw mistake
    }
    await expect(runOAuthFlow(options({ tokenDataBuilder }))).rejects.toMatchObject({
      code: 'config_invalid',
      cause: mistake,
    })
  })

  it('limits the answer that it reads', async () => {
    const endless = () =>
      new ReadableStream<Uint8Array>({
        pull: (controller) => controller.enqueue(new Uint8Array(65_536).fill(120)),
      })
    await expect(
      runOAuthFlow(
        options({ processTokenResponse: (answer) => answer, fetch: async () => new Response(endless()) }),
      ),
    ).rejects.toMatchObject({ code: 'response_too_large' })
  })

  it.each([undefined, {}, { client_id: '' }])(
    'names the service when the client id is missing (%o)',
    async (oauthConfig) => {
      await expect(runOAuthFlow(options({ oauthConfig }))).rejects.toMatchObject({
        code: 'client_missing',
        message: expect.stringContaining('"Acme Notes"'),
      })
    },
  )

  it('P28 listens where redirect_uri leads', async () => {
    const events: FlowEvent[] = []
    const oauthConfig = { client_id: 'client-1', redirect_uri: 'http://127.0.0.1/oauth/callback' }
    await runOAuthFlow(options({ oauthConfig, onEvent: (event) => events.push(event) }))
    const hint = events.find(({ type }) => type === 'register-hint')
    expect(hint).toMatchObject({
      redirectUri: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/oauth\/callback$/),
    })
  })

  it('times out after timeoutMs', async () => {
    await expect(runOAuthFlow(options({ timeoutMs: 50, openBrowser: false }))).rejects.toMatchObject({
      code: 'timeout',
      timeoutMs: 50,
    })
  })
})
