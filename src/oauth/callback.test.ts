import { describe, expect, it } from 'vitest'
import { AuthorizationDeniedError, CallbackError } from '../errors.ts'
import { defineProvider, type ProviderFacts } from '../providers/index.ts'
import { callbackState, readCallback } from './callback.ts'
import type { Callback } from './callback-parameters.ts'
import { type PendingAuthorization, pendingAuthorization } from './pending-authorization.ts'

const now = Date.parse('2026-03-01T12:00:00Z')
const issuer = 'https://as.example'

function pendingWith(changes: Partial<PendingAuthorization> = {}): PendingAuthorization {
  return pendingAuthorization({
    version: 1,
    provider: 'acme',
    clientId: 'client-1',
    state: 'canary-state-1',
    codeVerifier: 'canary-verifier',
    redirectUri: 'http://127.0.0.1:4711/callback',
    scopes: ['read'],
    issuer,
    createdAt: now,
    expiresAt: now + 600_000,
    ...changes,
  })
}

function read(
  callback: Callback,
  facts: Partial<ProviderFacts> = {},
  pending = pendingWith(),
  elapsedMs = 1000,
) {
  const endpoints = { authorizationUrl: `${issuer}/authorize`, tokenUrl: `${issuer}/token` }
  const provider = defineProvider({ id: 'acme', ...facts, ...endpoints })
  return readCallback(provider, pending, callback, { now: () => now + elapsedMs })
}

const state = 'state=canary-state-1'

describe('R3 a callback is read', () => {
  it.each<[string, Callback]>([
    ['a whole URL', `http://127.0.0.1:4711/callback?code=c-1&${state}`],
    ['a URL with a fragment (Facebook)', `http://127.0.0.1:4711/callback?code=c-1&${state}#_=_`],
    ['a URL object', new URL(`https://x.example/?${state}&code=c-1`)],
    ['its parameters', new URLSearchParams(`code=c-1&${state}`)],
    ['its query', `?code=c-1&${state}`],
    ['its query without the question mark', `code=c-1&${state}`],
    ['its query with a fragment', `?code=c-1&${state}#_=_`],
    ['path and query', `/callback?code=c-1&${state}`],
    ['a pasted URL with white space around', ` http://127.0.0.1:4711/callback?code=c-1&${state}\n`],
    ['an address without a scheme', `localhost:4711/callback?code=c-1&${state}`],
    ['a URL broken over two lines', `http://127.0.0.1:4711/callback?code=c-1\r\n   &${state}`],
    ['a URL in quotes', `"http://127.0.0.1:4711/callback?code=c-1&${state}"`],
    ['a URL in angle brackets', `<http://127.0.0.1:4711/callback?code=c-1&${state}>`],
    ['a URL out of the source of a page', `http://127.0.0.1:4711/callback?code=c-1&amp;${state}`],
    ['the same with numbers', `?code=c-1&#38;${state}&#x26;x=1`],
    ['a URL encoded once more', encodeURIComponent(`http://127.0.0.1:4711/callback?code=c-1&${state}`)],
    ['a query encoded once more', encodeURIComponent(`code=c-1&${state}`)],
    ['a code by another name (Alipay)', `?app_id=7&auth_code=c-1&${state}`],
    ['a code by another name (DingTalk)', `?authCode=c-1&${state}`],
    ['a code that comes under two names (TikTok)', `?auth_code=c-1&code=c-1&${state}`],
    ['a code beside an error code that is none', `?code=c-1&error_code=0&error_message=&${state}`],
    ['an error that is none', `?code=c-1&error=null&error_description=null&${state}`],
    ['an empty error', `?code=c-1&${state}&error=&error_description=`],
    ['unknown parameters, even doubled', `?code=c-1&${state}&authuser=0&x=1&x=2&scope=read`],
    ['the right issuer', `?code=c-1&${state}&iss=https%3A%2F%2Fas.example`],
    [
      'the right issuer, spelled with the slash that a bare host has anyway',
      `?code=c-1&${state}&iss=https%3A%2F%2Fas.example%2F`,
    ],
  ])('from %s', (_, callback) => {
    expect(read(callback)).toEqual({ code: 'c-1', extra: {} })
  })

  it('as code and state, which is how some pages show them to be copied', () => {
    expect(read(' 4/0AbCd#canary-state-1\n').code).toBe('4/0AbCd')
    expect(() => read('4/0AbCd#canary-state-2')).toThrow(expect.objectContaining({ code: 'state_mismatch' }))
  })

  it('decodes the code once', () => {
    expect(read(`?code=4%2F0A%2Bx%2520&${state}`).code).toBe('4/0A+x%20')
  })

  it('up to the last millisecond of its life', () => {
    expect(read(`?code=c&${state}`, {}, pendingWith(), 600_000).code).toBe('c')
  })
})

describe('a callback is refused', () => {
  it.each<[string, string, string, Partial<ProviderFacts>?, number?]>([
    ['P9 without a state', '?code=c', 'state_missing'],
    ['P9 with an empty state', '?code=c&state=', 'state_missing'],
    ['P9 with another state', '?code=c&state=canary-state-2', 'state_mismatch'],
    ['P9 with the beginning of the state', '?code=c&state=canary-state', 'state_mismatch'],
    ['P9 with more than the state', '?code=c&state=canary-state-11', 'state_mismatch'],
    ['P9 with the state in capitals', '?code=c&state=CANARY-STATE-1', 'state_mismatch'],
    ['R3 with two states', `?code=c&${state}&${state}`, 'duplicate_parameter'],
    ['R3 with two codes', `?code=c&code=d&${state}`, 'duplicate_parameter'],
    ['R3 with the same code twice', `?code=c&code=c&${state}`, 'duplicate_parameter'],
    ['R3 with two codes of another name', `?auth_code=c&auth_code=d&${state}`, 'duplicate_parameter'],
    ['R3 that is signed, which takes keys', `?response=a.b.c`, 'response_mode_mismatch'],
    ['R3 with two issuers', `?code=c&iss=a&iss=b&${state}`, 'duplicate_parameter'],
    ['R3 with two errors', `?error=a&error=b&${state}`, 'duplicate_parameter'],
    [
      'P29 with a kept parameter twice',
      `?code=c&realmId=1&realmId=2&${state}`,
      'duplicate_parameter',
      { callbackParams: ['realmId'] },
    ],
    ['too late', `?code=c&${state}`, 'authorization_expired', {}, 600_001],
    ['P30 from another issuer', `?code=c&iss=https://evil.example&${state}`, 'issuer_mismatch'],
    ['P30 with an empty issuer', `?code=c&iss=&${state}`, 'issuer_mismatch'],
    ['P30 from another path of the issuer', `?code=c&iss=https://as.example/b&${state}`, 'issuer_mismatch'],
    [
      'P30 without the issuer that was promised',
      `?code=c&${state}`,
      'issuer_mismatch',
      { issParameterSupported: true },
    ],
    [
      'P30 an error without the issuer that was promised',
      `?error=access_denied&${state}`,
      'issuer_mismatch',
      { issParameterSupported: true },
    ],
    ['without a code', `?${state}`, 'code_missing'],
    ['with a code that is the word for none', `?code=null&${state}`, 'code_missing'],
    ['with an empty code', `?code=&${state}`, 'code_missing'],
    ['without parameters', 'hello', 'callback_invalid'],
    ['that is empty', '', 'callback_invalid'],
    ['that is a bare code', '4/0AbCdEf', 'callback_invalid'],
    ['that is the address alone', 'http://127.0.0.1:4711/callback', 'state_missing'],
    ['with everything in the fragment', `http://127.0.0.1:4711/callback#code=c&${state}`, 'state_missing'],
  ])('%s', (_, callback, code, facts, elapsedMs) => {
    const reading = () => read(callback, facts, pendingWith(), elapsedMs)
    expect(reading).toThrow(CallbackError)
    expect(reading).toThrow(expect.objectContaining({ code }))
    expect(reading).not.toThrow(/canary-state|canary-verifier/)
  })

  it('R3 state comes before everything else', () => {
    const wrong = '?state=other-state&code=a&code=b&error=access_denied&iss=https://evil.example'
    expect(() => read(wrong, {}, pendingWith(), 700_000)).toThrow(
      expect.objectContaining({ code: 'state_mismatch' }),
    )
  })

  it('the issuer comes before the error: nobody else may say that the person refused', () => {
    const foreign = `?error=access_denied&iss=https://evil.example&${state}`
    expect(() => read(foreign)).toThrow(expect.objectContaining({ code: 'issuer_mismatch' }))
  })

  it('not for an issuer that varies, or one that nobody knows', () => {
    const callback = `?code=c&iss=https://eu.as.example&${state}`
    expect(read(callback, { issuerVaries: true }).code).toBe('c')
    const { issuer: _, ...unknown } = pendingWith()
    expect(read(callback, {}, unknown).code).toBe('c')
  })
})

describe('P30 the issuer of a provider that names none', () => {
  const endpoints = {
    authorizationUrl: 'https://login.acme.example/o',
    tokenUrl: 'https://api.acme.example/t',
  }
  const { issuer: _, ...unknown } = pendingWith()
  const from = (given: string, at = endpoints) =>
    readCallback(
      defineProvider({ id: 'acme', ...at }),
      unknown,
      `?code=c&${state}&iss=${encodeURIComponent(given)}`,
      { now: () => now },
    ).code

  it.each(['https://acme.example', 'https://login.acme.example/', 'https://id.eu.acme.example/x'])(
    'may be at the site of its endpoints: %s',
    (issuer) => expect(from(issuer)).toBe('c'),
  )

  it.each([
    'https://honest.example',
    'https://acme.example.evil.test',
    'https://127.0.0.1',
    'acme.example',
    '',
  ])('is no other server, whose code would go astray: %j', (issuer) => {
    expect(() => from(issuer)).toThrow(expect.objectContaining({ code: 'issuer_mismatch' }))
  })

  it.each([
    ['https://login.acme.co.uk/o', 'https://acme.co.uk', 'https://honest.co.uk'],
    ['https://acme.auth0.com/authorize', 'https://acme.auth0.com/', 'https://honest.auth0.com/'],
    ['https://acme.okta.com/oauth2', 'https://acme.okta.com', 'https://honest.okta.com'],
    ['https://acme.fly.dev/o', 'https://acme.fly.dev', 'https://honest.fly.dev'],
  ])('is no neighbour below a name that many share: %s', (endpoint, own, neighbour) => {
    const at = { authorizationUrl: endpoint, tokenUrl: endpoint }
    expect(from(own, at)).toBe('c')
    expect(() => from(neighbour, at)).toThrow(expect.objectContaining({ code: 'issuer_mismatch' }))
  })

  it('is told apart by port on one machine', () => {
    const local = { authorizationUrl: 'http://127.0.0.1:1/a', tokenUrl: 'http://127.0.0.1:1/t' }
    expect(from('http://127.0.0.1:1', local)).toBe('c')
    expect(() => from('http://127.0.0.1:2', local)).toThrow(/endpoints of acme are elsewhere/)
  })
})

describe('P15 a callback with an error', () => {
  it.each([
    ['access_denied', 'access_denied', /was denied.*Start again/],
    ['invalid_scope', 'authorization_failed', /refused the authorization request/],
  ])('%s is a person or a provider who refuses', (error, code, message) => {
    const reading = () => read(`?error=${error}&error_description=No+%22thanks%22&${state}&code=c`)
    expect(reading).toThrow(AuthorizationDeniedError)
    expect(reading).toThrow(message)
    expect(reading).toThrow(
      expect.objectContaining({ code, error, errorDescription: 'No "thanks"', provider: 'acme' }),
    )
  })

  it.each([
    ['Facebook', '?error_code=1349048&error_message=No', '1349048', 'No'],
    [
      'Facebook, in full',
      '?error_reason=user_denied&error=access_denied&error_description=No',
      'access_denied',
      'No',
    ],
    ['TikTok', '?errCode=-2&error_type=access_denied', '-2', undefined],
  ])('is understood in the words of %s', (_, callback, error, errorDescription) => {
    const reading = () => read(`${callback}&${state}`)
    expect(reading).toThrow(AuthorizationDeniedError)
    expect(reading).toThrow(expect.objectContaining({ error, errorDescription }))
  })

  it('has its text quoted in the message', () => {
    const text = encodeURIComponent('line\n\u001b[31mred\u202e')
    const reading = () => read(`?error=x&error_description=${text}&${state}`)
    expect(reading).toThrow(/"line\\n\\u001b\[31mred\\u202e"/)
  })
})

describe('P12 P29 further parameters', () => {
  const callback = `?code=c&${state}&realmId=4711&access_token=evil&code_verifier=evil&expires_in=1&shop=`

  it('are kept under extra if the provider row lists them, and nothing else is', () => {
    const facts = { callbackParams: ['realmId', 'shop', 'absent'] }
    expect(read(callback, facts)).toEqual({ code: 'c', extra: { realmId: '4711', shop: '' } })
    expect(read(callback)).toEqual({ code: 'c', extra: {} })
  })
})

describe('the state of a callback', () => {
  it.each([
    ['one', '?state=a&code=c', 'a'],
    ['none', '?code=c', undefined],
    ['an empty one', '?state=&code=c', undefined],
    ['two', '?state=a&state=b', undefined],
    ['two that agree', '?state=a&state=a', undefined],
    ['in a fragment', 'https://x.example/cb#state=a&code=c', 'a'],
    ['in a signed answer', `?response=e30.${btoa('{"state":"a"}')}.x`, 'a'],
    ['in two signed answers', `?response=e30.${btoa('{"state":"a"}')}.x&response=y`, undefined],
    ['in a signed answer that is none', '?response=x', undefined],
    ['a number in a signed answer', `?response=e30.${btoa('{"state":7}')}.x`, undefined],
  ])('%s', (_, callback, expected) => {
    expect(callbackState(callback)).toBe(expected)
  })

  it('needs parameters to be read from', () => {
    expect(() => callbackState('hello')).toThrow(expect.objectContaining({ code: 'callback_invalid' }))
  })
})
