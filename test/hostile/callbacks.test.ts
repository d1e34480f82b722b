// Callbacks that are nearly right: each is refused before anything is sent, and no code or state shows in the error.
// RFC 6749 section 10.12, RFC 9207 section 2.4, RFC 9700 sections 4.2, 4.4, 4.5 and 4.7.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AuthorizationDeniedError, CallbackError } from '../../src/errors.ts'
import {
  authorizationCodeGrant,
  type Callback,
  callbackState,
  implicitGrant,
  type PendingAuthorization,
  readCallback,
} from '../../src/oauth/index.ts'
import type { Provider } from '../../src/providers/index.ts'
import { judged } from './judge.ts'
import { callback, client, issuer, pending, provider } from './operations.ts'

const promising: Provider = { ...provider, issParameterSupported: true }
const state = 'canary-state-0123456789'
const redirect = 'https://app.example/callback'

/** Parameters of a good callback, with some of them changed, taken away (`undefined`) or doubled (lists). */
function callbackWith(changes: Record<string, string | readonly string[] | undefined>): URLSearchParams {
  const all = { code: 'canary-code', state, iss: issuer, ...changes }
  return new URLSearchParams(
    Object.entries(all).flatMap(([name, value]) =>
      [value ?? []].flat().map((one): [string, string] => [name, one]),
    ),
  )
}

/** Runs the whole grant: whatever is refused must be refused before a request leaves. */
async function outcome(what: string, given: Callback, at: PendingAuthorization = pending(), us = promising) {
  const sent: string[] = []
  const fetch = async (url: unknown) => {
    sent.push(String(url))
    return Response.json({ access_token: 'canary-answer-token', token_type: 'Bearer' })
  }
  const options = { fetch: fetch as typeof globalThis.fetch }
  const { value, error } = await judged(what, () => authorizationCodeGrant(us, client, at, given, options))
  return { value, error, sent }
}

async function refused(what: string, given: Callback, at?: PendingAuthorization, us = promising) {
  const { value, error, sent } = await outcome(what, given, at, us)
  if (value !== undefined) throw new Error(`${what}: was accepted`)
  const named = error instanceof CallbackError || error instanceof AuthorizationDeniedError
  expect(named, `${what}: ${error}`).toBe(true)
  expect(sent, what).toEqual([])
}

describe('a callback', () => {
  it('is taken as the provider sent it: a URL, its query, its parameters', async () => {
    for (const given of [callback, new URL(callback), callback.split('?')[1] ?? '', callbackWith({})])
      expect((await outcome('good', given)).sent).toEqual([`${issuer}/token`])
  })

  it.each<[string, Record<string, string | readonly string[] | undefined>]>([
    ['no state', { state: undefined }],
    ['an empty state', { state: '' }],
    ['another state', { state: 'canary-state-9876543210' }],
    ['the state of another case', { state: state.toUpperCase() }],
    ['half a state', { state: state.slice(0, -1) }],
    ['the state and more', { state: `${state}0` }],
    ['the state twice over', { state: `${state}${state}` }],
    ['the state with a space', { state: ` ${state}` }],
    ['the state with a zero', { state: `${state}\0` }],
    ['the state encoded once more', { state: encodeURIComponent(`${state}%`) }],
    ['two states, both right', { state: [state, state] }],
    ['two states, the first right', { state: [state, 'other'] }],
    ['two states, the last right', { state: ['other', state] }],
    ['the state by another name', { state: undefined, State: state }],
    ['the state as a list', { state: undefined, 'state[]': state }],
    ['no issuer where one is promised', { iss: undefined }],
    ['an empty issuer', { iss: '' }],
    ['another issuer (mix-up)', { iss: 'https://evil.example' }],
    ['an issuer that begins alike', { iss: 'https://as.example.evil.example' }],
    ['an issuer below', { iss: 'https://evil.as.example' }],
    ['an issuer with a path', { iss: `${issuer}/evil` }],
    ['an issuer with a port', { iss: 'https://as.example:8443' }],
    ['an issuer without TLS', { iss: 'http://as.example' }],
    ['an issuer behind a user name', { iss: 'https://as.example@evil.example' }],
    ['an issuer with a query', { iss: `${issuer}/?` }],
    ['an issuer with a fragment', { iss: `${issuer}/#evil` }],
    ['an issuer in other letters', { iss: 'https://аs.example' }],
    ['an issuer that is no URL', { iss: 'as.example' }],
    ['two issuers', { iss: [issuer, 'https://evil.example'] }],
    ['two codes', { code: ['canary-code', 'canary-code-2'] }],
    ['two codes, alike', { code: ['canary-code', 'canary-code'] }],
    ['no code', { code: undefined }],
    ['an empty code', { code: '' }],
    ['a code and an error', { error: 'access_denied' }],
    ['two errors', { error: ['access_denied', 'server_error'] }],
    ['a token in the place of a code', { code: undefined, access_token: 'canary-answer-token' }],
  ])('is refused with %s', async (what, changes) => {
    await refused(what, callbackWith(changes))
  })

  it('is refused after its time, and at another pair of provider and client', async () => {
    await refused('late', callback, pending({ expiresAt: Date.now() - 1 }))
    for (const foreign of [{ provider: 'other' }, { clientId: 'client-2' }]) {
      const { error, sent } = await outcome('foreign', callback, pending(foreign))
      expect(error).toMatchObject({ code: 'invalid_argument' })
      expect(sent).toEqual([])
    }
  })

  it('is refused unsigned where a signed one was asked for, its error too (downgrade of JARM)', async () => {
    const at = pending({ responseMode: 'jwt' })
    await refused('unsigned', callback, at)
    await refused('unsigned error', callbackWith({ code: undefined, error: 'access_denied' }), at)
    await refused('in another place', `${redirect}#${callbackWith({})}`, at)
  })

  it('is refused from elsewhere by a server whose issuer varies: its own metadata say so (mix-up)', async () => {
    const home = 'https://as.example/common/v2.0'
    const varying = { ...provider, issuer: home, issuerVaries: true }
    const at = pending({ issuer: home })
    for (const iss of [
      'https://honest.example',
      'https://as.example.evil.example/t/v2.0',
      'as.example',
      'http://as.example/t/v2.0',
    ])
      await refused(iss, callbackWith({ iss }), at, varying)
    const tenant = callbackWith({ iss: 'https://as.example/5b2c/v2.0' })
    expect((await outcome('tenant', tenant, at, varying)).sent).toEqual([`${issuer}/token`])
  })

  it('has its answer in one place: a fragment adds nothing to a query', async () => {
    await refused('state in the fragment', `${redirect}?code=canary-code#state=${state}&iss=${issuer}`)
    const { sent } = await outcome('code in both', `${callback}#code=canary-code-2&state=other`)
    expect(sent).toEqual([`${issuer}/token`])
  })

  it('of the implicit grant is refused in a query, where logs keep it', async () => {
    const at = pending({ responseType: 'token' })
    const answer = callbackWith({
      code: undefined,
      access_token: 'canary-answer-token',
      token_type: 'bearer',
    })
    const { error } = await judged('query', () =>
      implicitGrant(provider, client, at, `${redirect}?${answer}`, {}),
    )
    expect(error).toMatchObject({ code: 'response_mode_mismatch' })
    const other = callbackWith({ code: undefined, access_token: 'canary-answer-token', state: 'other' })
    await judged('state', () => implicitGrant(provider, client, at, `${redirect}#${other}`, {})).then(
      (refusal) => expect(refusal.error).toMatchObject({ code: 'state_mismatch' }),
    )
  })
})

describe('anything like a callback', () => {
  const names = fc.constantFrom('code', 'state', 'iss', 'error', 'response', 'access_token', 'x', '__proto__')
  const values = fc.oneof(
    fc.string({ maxLength: 30 }),
    fc.constantFrom(state, issuer, 'canary-code', '', '%', '%00', 'null'),
  )
  const parameters = fc.array(fc.tuple(names, values), { maxLength: 6 })

  it('is accepted only with the one right state and issuer', async () => {
    const property = fc.asyncProperty(parameters, fc.constantFrom('?', '#', ''), async (entries, mark) => {
      const search = new URLSearchParams(entries)
      const given = mark === '' ? search : `${redirect}${mark}${search}`
      const { value } = await judged(String(search), () => readCallback(promising, pending(), given))
      if (value === undefined) return
      expect([search.getAll('state'), search.getAll('code').length]).toEqual([[state], 1])
      expect(search.getAll('iss').map((iss) => new URL(iss).href)).toEqual([`${issuer}/`])
    })
    await fc.assert(property, { numRuns: 500, seed: 3 })
  })

  it('is a CallbackError when it is any text', async () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.webUrl({ withFragments: true, withQueryParameters: true }),
      fc.constantFrom(
        '',
        '?',
        '#',
        '=',
        '&&&',
        'javascript:alert(1)?state=x',
        'http://',
        `?${'state=x&'.repeat(20_000)}`,
      ),
    )
    const property = fc.asyncProperty(texts, async (text) => {
      const { value, error } = await judged('text', () => readCallback(provider, pending(), text))
      expect(value).toBeUndefined()
      expect(error instanceof CallbackError || error instanceof AuthorizationDeniedError).toBe(true)
      const { error: noState } = await judged('state', () => callbackState(text))
      if (noState !== undefined) expect(noState).toBeInstanceOf(CallbackError)
    })
    await fc.assert(property, { numRuns: 300, seed: 5 })
  })

  it('is refused with one character of its state changed', async () => {
    const property = fc.asyncProperty(
      fc.nat(state.length - 1),
      fc.string({ minLength: 1, maxLength: 1 }),
      async (at, by) => {
        fc.pre(by !== state[at])
        await refused('changed', callbackWith({ state: state.slice(0, at) + by + state.slice(at + 1) }))
      },
    )
    await fc.assert(property, { numRuns: 100, seed: 9 })
  })

  it('takes no time in a megabyte of parameters', async () => {
    for (const text of [
      `?${'a=b&'.repeat(250_000)}`,
      `?state=${'x'.repeat(1_000_000)}`,
      '%'.repeat(1_000_000),
    ])
      await judged('large', () => readCallback(provider, pending(), text))
    for (const text of [
      `${' '.repeat(500_000)}x`,
      `${'"'.repeat(500_000)}x`,
      '\n'.repeat(500_000),
      `"${'<'.repeat(500_000)}`,
    ])
      await judged('copied', () => readCallback(provider, pending(), text))
  })
})
