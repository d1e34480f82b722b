import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ScriptedServer, startScriptedServer } from '../../test/servers/scripted-http.ts'
import { defineProvider } from '../providers/index.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../testing/index.ts'
import type { IntrospectionOptions } from './introspection.ts'
import { introspectToken } from './probes.ts'

const client = { clientId: 'client-1', clientSecret: 'canary-client-secret' }
let server: ScriptedServer
let simulated: AuthorizationServer

beforeEach(async () => {
  server = await startScriptedServer(() => ({ body: { active: true } }))
  simulated = await startAuthorizationServer()
})

afterEach(async () => {
  await server.close()
  await simulated.close()
})

function introspect(
  facts: { introspectionUrl?: undefined; revocationFormat?: 'json' } = {},
  options: IntrospectionOptions = {},
) {
  const endpoints = { authorizationUrl: `${server.origin}/authorize`, tokenUrl: `${server.origin}/token` }
  const introspectionUrl = `${server.origin}/introspect`
  const members = Object.entries({ introspectionUrl, ...facts }).filter(([, value]) => value !== undefined)
  const provider = defineProvider({ id: 'acme', ...Object.fromEntries(members), ...endpoints })
  return introspectToken(provider, client, 'canary-token', { tokenTypeHint: 'refresh_token', ...options })
}

describe('R16 introspection', () => {
  it('tells a live token from a dead one at a real server', async () => {
    const provider = defineProvider(simulated.provider())
    const { accessToken, refreshToken = '' } = simulated.grant()
    const ask = async (token: string) => (await introspectToken(provider, simulated.client(), token)).active
    expect([await ask(accessToken), await ask(refreshToken), await ask('unknown')]).toEqual([
      true,
      true,
      false,
    ])
    simulated.revokeGrants()
    expect([await ask(accessToken), await ask(refreshToken)]).toEqual([false, false])
  })

  it('is a form with the client authentication of the token endpoint', async () => {
    expect(await introspect()).toMatchObject({ active: true })
    expect(server.requests[0]).toMatchObject({
      method: 'POST',
      url: '/introspect',
      body: 'token_type_hint=refresh_token&token=canary-token',
      headers: { authorization: expect.stringMatching(/^Basic /) },
    })
  })

  it('says whose it is, as far as the answer does', async () => {
    const raw = {
      active: true,
      scope: 'a b',
      client_id: 'c',
      username: 'Ada',
      sub: 'u-1',
      exp: 1_900_000_000,
      x: [1],
    }
    server.answer = () => ({ body: raw })
    expect(await introspect()).toEqual({
      ...{ active: true, scopes: ['a', 'b'], clientId: 'c', username: 'Ada', subject: 'u-1' },
      ...{ expiresAt: new Date(1_900_000_000_000), raw },
    })
    server.answer = () => ({ body: { active: 'false', scope: ['a', 7], exp: 'soon', username: null } })
    expect(await introspect()).toMatchObject({
      ...{ active: false, scopes: ['a'], clientId: undefined, username: undefined, subject: undefined },
      expiresAt: undefined,
    })
  })

  it('R5 takes further parameters and headers', async () => {
    const options = {
      extraParams: { resource: ['a', 'b'], token: 'other' },
      extraHeaders: { 'x-tenant': '7' },
    }
    await introspect({}, options)
    const { body, headers } = server.requests[0] ?? {}
    expect(body).toContain('resource=a&resource=b')
    expect(new URLSearchParams(body).getAll('token')).toEqual(['canary-token'])
    expect(headers).toMatchObject({ 'x-tenant': '7', accept: 'application/json' })
  })

  it('signed: takes no answer that is not', async () => {
    await expect(introspect({}, { signed: true })).rejects.toMatchObject({ code: 'jwt_invalid' })
    expect(server.requests[0]?.headers['accept']).toBe('application/token-introspection+jwt')
  })

  it('is JSON where revocation is', async () => {
    await introspect({ revocationFormat: 'json' })
    expect(JSON.parse(server.requests[0]?.body ?? '')).toMatchObject({ token: 'canary-token' })
  })

  it.each([
    ['an answer that does not say', { body: { token: 'x' } }, 'response_not_oauth'],
    ['a page', { body: '<p>hello' }, 'response_not_oauth'],
    ['a refusal', { status: 403, body: { error: 'access_denied' } }, 'token_request_refused'],
  ])('takes no guess from %s', async (_name, answer, code) => {
    server.answer = () => answer
    await expect(introspect()).rejects.toMatchObject({ code })
  })

  it('needs an endpoint', async () => {
    await expect(introspect({ introspectionUrl: undefined })).rejects.toMatchObject({
      code: 'provider_invalid',
    })
  })
})
