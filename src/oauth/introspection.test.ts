import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ScriptedServer, startScriptedServer } from '../../test/servers/scripted-http.ts'
import { defineProvider } from '../providers/index.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../testing/index.ts'
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

function introspect(facts: { introspectionUrl?: undefined; revocationFormat?: 'json' } = {}) {
  const endpoints = { authorizationUrl: `${server.origin}/authorize`, tokenUrl: `${server.origin}/token` }
  const introspectionUrl = `${server.origin}/introspect`
  const members = Object.entries({ introspectionUrl, ...facts }).filter(([, value]) => value !== undefined)
  const provider = defineProvider({ id: 'acme', ...Object.fromEntries(members), ...endpoints })
  return introspectToken(provider, client, 'canary-token', { tokenTypeHint: 'refresh_token' })
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
