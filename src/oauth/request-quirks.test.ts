// Requests as providers of the dataset want them, as the wire shows them.
import { createHash } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ScriptedServer, startScriptedServer } from '../../test/servers/scripted-http.ts'
import { defineProvider, type ProviderFacts } from '../providers/index.ts'
import type { Client } from './client.ts'
import {
  authorizationCodeGrant,
  authorizationUrl,
  pendingAuthorization,
  refreshTokenGrant,
  revokeToken,
  TokenSet,
} from './index.ts'

const client: Client = {
  clientId: 'client-1',
  clientSecret: 'secret',
  redirectUri: 'https://app.example/back',
}
let server: ScriptedServer

beforeEach(async () => {
  server = await startScriptedServer(() => ({ body: { access_token: 'token' } }))
})
afterEach(() => server.close())

function providerWith(facts: Partial<ProviderFacts>) {
  const at = (path: string) => `${server.origin}/${path}`
  const endpoints = { authorizationUrl: at('a'), tokenUrl: at('t'), revocationUrl: at('r') }
  return defineProvider({ id: 'acme', tokenEndpointAuthMethod: 'client_secret_post', ...facts, ...endpoints })
}

/** What a request carried, wherever it carried it. */
function carried(): Record<string, string> {
  const { body = '', url = '' } = server.requests[0] ?? {}
  if (body.startsWith('{')) return JSON.parse(body)
  return Object.fromEntries(new URLSearchParams(body || new URL(url, server.origin).search))
}

async function exchanged(facts: Partial<ProviderFacts>, changes: Partial<Client> = {}) {
  const pending = pendingAuthorization({
    ...{ version: 1, provider: 'acme', clientId: 'client-1', state: 'the-state' },
    ...{ codeVerifier: 'v'.repeat(43), redirectUri: 'https://app.example/back', scopes: [] },
    ...{ createdAt: 0, expiresAt: Number.MAX_SAFE_INTEGER },
  })
  const callback = new URLSearchParams({ code: 'the-code', state: 'the-state' })
  await authorizationCodeGrant(providerWith(facts), { ...client, ...changes }, pending, callback)
  return carried()
}

async function refreshed(facts: Partial<ProviderFacts>, changes: Partial<Client> = {}) {
  const tokens = new TokenSet({ accessToken: 'old', refreshToken: 'refresh' })
  await refreshTokenGrant(providerWith(facts), { ...client, ...changes }, tokens)
  return carried()
}

const plain = {
  grant_type: 'authorization_code',
  code: 'the-code',
  redirect_uri: 'https://app.example/back',
  code_verifier: 'v'.repeat(43),
  client_id: 'client-1',
  client_secret: 'secret',
}

describe('R5 a code exchange as the provider wants it', () => {
  it('is the one of RFC 6749 without a word to the contrary', async () => {
    expect(await exchanged({})).toEqual(plain)
  })

  it.each<[string, Partial<ProviderFacts>, Record<string, string>, string[]]>([
    ['TikTok', { quirks: ['client-id-param:client_key'] }, { client_key: 'client-1' }, ['client_id']],
    [
      'WeChat',
      { quirks: ['client-id-param:appid', 'client-secret-param:secret'], tokenRequestFormat: 'get' },
      { appid: 'client-1', secret: 'secret' },
      ['client_id', 'client_secret'],
    ],
    [
      'TikTok Ads',
      {
        quirks: [
          'client-id-param:app_id',
          'client-secret-param:secret',
          'code-param:auth_code',
          'no-grant-type',
        ],
        tokenEndpointAuthMethod: 'json_body',
      },
      { app_id: 'client-1', secret: 'secret', auth_code: 'the-code' },
      ['client_id', 'client_secret', 'code', 'grant_type'],
    ],
    [
      'TikTok Shop',
      { tokenParams: { grant_type: 'authorized_code' }, quirks: ['code-param:auth_code'] },
      { grant_type: 'authorized_code', auth_code: 'the-code' },
      ['code'],
    ],
    ['World ID', { quirks: ['redirect-uri-forbidden-in-token-request'] }, {}, ['redirect_uri']],
    [
      'Untappd',
      { quirks: ['redirect-uri-param:redirect_url'], tokenRequestFormat: 'get' },
      { redirect_url: plain.redirect_uri, redirect_uri: plain.redirect_uri },
      [],
    ],
    ['Dropbox Sign', { quirks: ['state-in-token-request'] }, { state: 'the-state' }, []],
    [
      'DingTalk',
      { quirks: ['camelcase-token-request'], tokenEndpointAuthMethod: 'json_body' },
      { clientId: 'client-1', clientSecret: 'secret', grantType: 'authorization_code', code: 'the-code' },
      ['client_id', 'client_secret', 'grant_type'],
    ],
    [
      'Azure DevOps',
      {
        tokenEndpointAuthMethod: 'client_assertion_secret',
        quirks: ['code-param:assertion', 'client-secret-param:client_assertion'],
        tokenParams: {
          assertion: '{code}',
          client_assertion: '{client_secret}',
          grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        },
      },
      {
        assertion: 'the-code',
        client_assertion: 'secret',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      },
      ['code', 'client_secret'],
    ],
    ['nobody in particular', { tokenParams: { note: '' }, quirks: ['omit-empty-params'] }, {}, ['note']],
  ])('%s', async (_, facts, present, absent) => {
    const request = await exchanged(facts)
    expect(request).toMatchObject(present)
    expect(Object.keys(request).filter((name) => absent.includes(name))).toEqual([])
  })

  it('a value from elsewhere that looks like a placeholder stays what it is', async () => {
    const pending = pendingAuthorization({
      ...{ version: 1, provider: 'acme', clientId: 'client-1', state: 'the-state' },
      ...{
        redirectUri: 'https://app.example/back',
        scopes: [],
        createdAt: 0,
        expiresAt: Number.MAX_SAFE_INTEGER,
      },
    })
    const callback = new URLSearchParams({ code: '{client_secret}', state: 'the-state' })
    const provider = providerWith({ tokenParams: { other: '{client_id}' } })
    await authorizationCodeGrant(provider, client, pending, callback)
    expect(carried()).toMatchObject({ code: '{client_secret}', other: 'client-1' })
  })
})

describe('R5 a refresh as the provider wants it', () => {
  it.each<[string, Partial<ProviderFacts>, Record<string, string>]>([
    ['Yahoo', { quirks: ['refresh-needs-redirect-uri'] }, { redirect_uri: 'https://app.example/back' }],
    [
      'a placeholder of the dataset',
      { refreshParams: { back: '{redirect_uri}' } },
      { back: 'https://app.example/back' },
    ],
    ['a grant type of its own', { refreshParams: { grant_type: 'renew' } }, { grant_type: 'renew' }],
    [
      'TikTok',
      { quirks: ['client-id-param:client_key'] },
      { client_key: 'client-1', grant_type: 'refresh_token' },
    ],
    ['Clover', { quirks: ['no-grant-type'] }, { grant_type: 'refresh_token' }],
  ])('%s', async (_, facts, present) => {
    expect(await refreshed(facts)).toMatchObject(present)
  })

  it('leaves out a placeholder that nothing fills', async () => {
    const { redirectUri: _, ...without } = client
    const tokens = new TokenSet({ accessToken: 'old', refreshToken: 'refresh' })
    await refreshTokenGrant(providerWith({ refreshParams: { back: '{redirect_uri}' } }), without, tokens)
    expect(carried()).not.toHaveProperty('back')
  })
})

describe('R4 R16 odd ways of saying who we are', () => {
  it('Weibo takes the token to revoke under a name of its own', async () => {
    await revokeToken(providerWith({ quirks: ['revoke-param:access_token'] }), client, 'dead')
    expect(carried()).toMatchObject({ access_token: 'dead' })
  })

  it.each([
    ['the code', () => exchanged({ tokenEndpointAuthMethod: 'client_secret_hash' }), 'secret|the-code'],
    [
      'the refresh token',
      () => refreshed({ tokenEndpointAuthMethod: 'client_secret_hash' }),
      'secret|refresh',
    ],
  ])('Smartsheet hashes the secret with %s', async (_, send, hashed) => {
    const request = await send()
    expect(request).toMatchObject({
      client_id: 'client-1',
      hash: createHash('sha256').update(hashed).digest('hex'),
    })
    expect(JSON.stringify(server.requests)).not.toContain('"secret"')
  })

  it.each([
    [['client-secret-in-header'], 'secret_key'],
    [['client-secret-in-header:x-app-secret'], 'x-app-secret'],
  ])('Zalo has it in a header (%s)', async (quirks, name) => {
    const all = [...quirks, 'client-id-param:app_id']
    const request = await exchanged({ tokenEndpointAuthMethod: 'client_secret_header', quirks: all })
    expect(request).toMatchObject({ app_id: 'client-1' })
    expect(request).not.toHaveProperty('client_secret')
    expect(server.requests[0]?.headers).toMatchObject({ [name]: 'secret' })
  })

  it('Stripe has it as the user name', async () => {
    const quirks = ['basic-secret-as-username']
    await exchanged({ tokenEndpointAuthMethod: 'client_secret_basic', quirks })
    expect(server.requests[0]?.headers['authorization']).toBe(`Basic ${btoa('secret:')}`)
  })

  it('Shopline and others sign the request in a function of the caller’s', async () => {
    const request = await exchanged(
      { tokenEndpointAuthMethod: 'signed_headers', tokenRequestFormat: 'json' },
      {
        authenticate: (call) => {
          call.headers.set(
            'sign',
            `${call.method} ${new URL(call.url).pathname} ${call.parameters.get('code')}`,
          )
          call.parameters.delete('client_id')
        },
      },
    )
    expect(request).not.toHaveProperty('client_id')
    expect(server.requests[0]?.headers['sign']).toBe('POST /t the-code')
  })
})

describe('R2 an authorization request as the provider reads it', () => {
  const ask = async (quirks: string[], facts: Partial<ProviderFacts> = {}) => {
    const { url } = await authorizationUrl(providerWith({ quirks, ...facts }), client, { scopes: ['a'] })
    return new URL(url)
  }

  it.each<[string, string[], Record<string, string>, string[]]>([
    ['TikTok', ['client-id-param:client_key'], { client_key: 'client-1' }, ['client_id']],
    ['Printful', ['redirect-uri-param:redirect_url'], { redirect_url: plain.redirect_uri }, ['redirect_uri']],
    ['Walmart', ['response-type-param:responseType'], { responseType: 'code' }, ['response_type']],
    ['monday.com', ['response-type-omitted'], { client_id: 'client-1' }, ['response_type']],
  ])('%s', async (_, quirks, present, absent) => {
    const found = Object.fromEntries((await ask(quirks)).searchParams)
    expect(found).toMatchObject({ ...present, state: expect.any(String), code_challenge_method: 'S256' })
    expect(Object.keys(found).filter((name) => absent.includes(name))).toEqual([])
  })

  it('WeChat wants a fragment at its end', async () => {
    expect((await ask(['authorize-url-fragment:wechat_redirect'])).hash).toBe('#wechat_redirect')
    expect((await ask([])).hash).toBe('')
  })
})

it('docs/providers.md names each tag that is read, and no other', () => {
  const root = new URL('../', import.meta.url)
  const sources = globSync('**/*.ts', { cwd: root })
    .filter((file) => !file.endsWith('.test.ts'))
    .map((file) => readFileSync(new URL(file, root), 'utf8'))
  const calls = /(?:(?:hasQuirk|quirkValue)\([^()']*|quirks\?*\.includes\()'([a-z-]+)'/g
  const read = new Set(sources.flatMap((text) => [...text.matchAll(calls)].map(([, tag]) => tag)))
  const page = readFileSync(new URL('../docs/providers.md', root), 'utf8').split('\n## Quirks\n')[1] ?? ''
  const named = new Set([...page.matchAll(/^\| `([a-z-]+)/gm)].map(([, tag]) => tag))
  expect([...named].sort()).toEqual([...read].sort())
})
