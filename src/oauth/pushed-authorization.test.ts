import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type ScriptedAnswer,
  type ScriptedServer,
  startScriptedServer,
} from '../../test/servers/scripted-http.ts'
import { InvalidResponseError, TokenEndpointError } from '../errors.ts'
import { defineProvider, type ProviderFacts } from '../providers/index.ts'
import { type AuthorizationUrlOptions, authorizationUrl } from './authorization.ts'

const now = Date.parse('2026-03-01T12:00:00Z')
const client = { clientId: 'us', clientSecret: 'canary-client-secret' }
const good = { request_uri: 'urn:ietf:params:oauth:request_uri:x', expires_in: 90 }
let server: ScriptedServer

beforeEach(async () => {
  server = await startScriptedServer()
})
afterEach(() => server.close())

function push(
  answer: ScriptedAnswer,
  facts: Partial<ProviderFacts> = {},
  options: AuthorizationUrlOptions = {},
) {
  server.answer = () => answer
  const provider = defineProvider({
    id: 'acme',
    authorizationUrl: 'https://as.example/authorize?tenant=7',
    tokenUrl: `${server.origin}/token`,
    pushedAuthorizationUrl: `${server.origin}/par`,
    ...facts,
  })
  const redirectUri = 'http://127.0.0.1:4711/callback'
  return authorizationUrl(provider, client, { redirectUri, now: () => now, ...options })
}

describe('a pushed authorization request is taken', () => {
  it.each<[string, ScriptedAnswer, number | undefined]>([
    ['as RFC 9126 says', { status: 201, body: good }, 90],
    ['with 200', { status: 200, body: good }, 90],
    ['with a lifetime in text', { status: 201, body: { ...good, expires_in: '90' } }, 90],
    ['without a lifetime', { status: 201, body: { request_uri: good.request_uri } }, undefined],
    ['with a lifetime that is none', { status: 201, body: { ...good, expires_in: -1 } }, undefined],
    ['with a lifetime beyond all dates', { status: 201, body: { ...good, expires_in: 1e300 } }, undefined],
    ['with such a one in text', { status: 201, body: { ...good, expires_in: '9e12' } }, undefined],
  ])('%s', async (_, answer, seconds) => {
    const { url, urlExpiresAt, pending } = await push(answer)
    expect(Object.fromEntries(new URL(url).searchParams)).toEqual({
      tenant: '7',
      client_id: 'us',
      request_uri: good.request_uri,
    })
    expect(urlExpiresAt?.getTime()).toBe(seconds === undefined ? undefined : now + seconds * 1000)
    expect(pending.expiresAt).toBe(now + 600_000)
  })

  it('always as a form, whatever the token endpoint wants, and repeats what comes twice', async () => {
    const resources = ['https://a.example/', 'https://b.example/']
    await push({ status: 201, body: good }, { tokenRequestFormat: 'json' }, { resources })
    const [{ method, headers, body } = { method: '', headers: {}, body: '' }] = server.requests
    expect([method, headers['content-type']]).toEqual([
      'POST',
      expect.stringContaining('application/x-www-form-urlencoded'),
    ])
    const sent = new URLSearchParams(body)
    expect(sent.getAll('resource')).toEqual(resources)
    expect([sent.get('client_id'), sent.has('grant_type')]).toEqual(['us', false])
  })
})

describe('a pushed authorization request is refused', () => {
  it.each<[string, ScriptedAnswer, string]>([
    ['without a request_uri', { status: 201, body: { expires_in: 90 } }, 'response_not_oauth'],
    ['with one that is no text', { status: 201, body: { ...good, request_uri: 7 } }, 'response_not_oauth'],
    [
      'with one with spaces',
      { status: 201, body: { ...good, request_uri: 'urn:x y' } },
      'response_not_oauth',
    ],
    ['by a page', { status: 502, body: '<h1>Bad gateway</h1>' }, 'response_not_oauth'],
    ['by a redirect', { status: 302, headers: { location: '/login' } }, 'redirect_refused'],
  ])('%s', async (_, answer, code) => {
    const refused = push(answer)
    await expect(refused).rejects.toBeInstanceOf(InvalidResponseError)
    await expect(refused).rejects.toMatchObject({ code })
  })

  it.each([400, 401, 403, 413, 429, 200])('with an OAuth error and HTTP %i', async (status) => {
    const error = await push({
      status,
      headers: { 'retry-after': '7' },
      body: { error: 'invalid_request', error_description: 'bad: canary-client-secret' },
    }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(TokenEndpointError)
    expect(error).toMatchObject({ request: 'pushed_authorization', error: 'invalid_request', status })
    expect(String(error)).not.toContain('canary')
    expect(server.requests).toHaveLength(1)
  })

  it('with an error that quotes a PKCE verifier which travels in the clear (plain)', async () => {
    const refused = push({}, { pkce: 'plain-only' })
    server.answer = ({ body }) => ({
      status: 400,
      body: { error: 'invalid_request', error_description: body },
    })
    const error = await refused.catch((thrown: unknown) => thrown)
    const challenge = new URLSearchParams(server.requests[0]?.body).get('code_challenge')
    expect(challenge).toMatch(/^[\w-]{43,}$/)
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain(challenge)
  })
})
