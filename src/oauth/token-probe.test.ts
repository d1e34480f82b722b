import { afterEach, beforeEach, expect, it } from 'vitest'
import {
  type ScriptedAnswer,
  type ScriptedServer,
  startScriptedServer,
} from '../../test/servers/scripted-http.ts'
import { defineProvider } from '../providers/index.ts'
import { startAuthorizationServer } from '../testing/index.ts'
import { probeAccessToken } from './probes.ts'
import { TokenSet } from './token-set.ts'

let server: ScriptedServer

beforeEach(async () => {
  server = await startScriptedServer()
})

afterEach(() => server.close())

const provider = (userinfoUrl = `${server.origin}/me`) =>
  defineProvider({ id: 'acme', issuer: server.origin, userinfoUrl })

const answers: [string, ScriptedAnswer, string][] = [
  ['a person', { body: { sub: 'ada' } }, 'works'],
  ['401', { status: 401, body: { error: 'invalid_token' } }, 'refused'],
  ['Slack’s refusal in a success', { body: { ok: false, error: 'token_revoked' } }, 'refused'],
  ['another refusal in a success', { body: { ok: false, error: 'missing_scope' } }, 'unknown'],
  ['403, which is about scopes', { status: 403 }, 'unknown'],
  ['a provider in trouble', { status: 503 }, 'unknown'],
  ['a wrong method', { status: 405 }, 'unknown'],
  ['a redirect', { status: 302, headers: { location: 'https://elsewhere.example/' } }, 'unknown'],
]

it.each(answers)('understands %s', async (_name, answer, expected) => {
  server.answer = () => answer
  expect(await probeAccessToken(provider(), new TokenSet({ accessToken: 'canary-token' }))).toBe(expected)
  expect(server.requests).toMatchObject([
    { method: 'GET', headers: { authorization: 'Bearer canary-token' } },
  ])
})

it('does not ask with a token that has ended, or of nobody, or forever', async () => {
  const ended = new TokenSet({ accessToken: 'canary-token', expiresAt: new Date(1) })
  expect(await probeAccessToken(provider(), ended)).toBe('unknown')
  const plain = defineProvider({ id: 'acme', issuer: server.origin })
  expect(await probeAccessToken(plain, new TokenSet({ accessToken: 'canary-token' }))).toBe('unknown')
  expect(server.requests).toEqual([])
  server.answer = () => () => {}
  const tokens = new TokenSet({ accessToken: 'canary-token' })
  expect(await probeAccessToken(provider(), tokens, { timeoutMs: 50 })).toBe('unknown')
})

it('tells a token that works from a revoked one at a real server', async () => {
  await using real = await startAuthorizationServer()
  const tokens = new TokenSet({ accessToken: real.grant().accessToken })
  const ask = () => probeAccessToken(defineProvider(real.provider()), tokens)
  expect(await ask()).toBe('works')
  real.revokeGrants()
  expect(await ask()).toBe('refused')
})
