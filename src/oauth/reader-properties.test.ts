import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ToolgrantError } from '../errors.ts'
import { defineProvider } from '../providers/index.ts'
import { callbackState, readCallback } from './callback.ts'
import { pendingAuthorization } from './pending-authorization.ts'
import { readTokenAnswer, throwIfNotSuccess } from './response-reader.ts'
import { isToken, TokenSet } from './token-set.ts'

// Whatever arrives: a usable token or a typed error, and a callback only with its state.
const provider = defineProvider({
  id: 'acme',
  authorizationUrl: 'https://as.example/authorize',
  tokenUrl: 'https://as.example/token',
  tokenResponsePath: 'data',
  userTokenPath: 'authed_user',
  tokenFields: ['team.id', 'constructor', '__proto__.x'],
})
/** Nothing is known of it: the reader has to find out by itself. */
const bare = defineProvider({
  id: 'bare',
  authorizationUrl: 'https://as.example/authorize',
  tokenUrl: 'https://as.example/token',
})
const contexts = [provider, bare].map((one) => ({
  ...{ provider: one, request: 'refresh_token', secrets: ['canary-secret'], now: 0 },
}))
const options = { numRuns: 400, seed: 1 }

const names = fc.constantFrom(
  ...[
    'access_token',
    'refresh_token',
    'token_type',
    'expires_in',
    'expires_at',
    'expires',
    'scope',
    'error',
    'errors',
  ],
  ...[
    'ok',
    'success',
    'code',
    'status',
    'message',
    'data',
    'authed_user',
    '__proto__',
    'constructor',
    'toString',
  ],
)
const values = fc.oneof(
  fc.jsonValue(),
  fc.string(),
  fc.double(),
  fc.constantFrom('a', '', null, 0, -1, 1e308, 'canary-secret'),
)
const records = fc.array(fc.tuple(names, fc.oneof(values, fc.dictionary(names, values))), { maxLength: 8 })
const json = records.map(
  (entries) =>
    `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value) ?? 'null'}`)}}`,
)
const forms = records.map((entries) =>
  new URLSearchParams(
    entries.map(([name, value]) => [name, typeof value === 'string' ? value : (JSON.stringify(value) ?? '')]),
  ).toString(),
)
const texts = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string(),
  json,
  forms,
  json.map((text) => text.slice(0, -2)),
)

describe('any answer', () => {
  it('is a usable token or a typed error without the secrets of the request', () => {
    const statuses = fc.constantFrom(200, 201, 204, 400, 401, 500)
    const property = fc.property(texts, statuses, fc.constantFrom(...contexts), (text, status, context) => {
      const answer = { status, headers: new Headers(), text }
      try {
        throwIfNotSuccess(answer, context)
      } catch (error) {
        expect(error).toBeInstanceOf(ToolgrantError)
      }
      try {
        const read = readTokenAnswer(answer, context)
        expect(status).toBeLessThan(300)
        expect(isToken(read.accessToken)).toBe(true)
        const expiresAt = typeof read.expiresAt === 'number' ? new Date(read.expiresAt) : null
        const tokens = new TokenSet({ ...read, expiresAt })
        expect(TokenSet.parse(tokens.serialize()).accessToken).toBe(read.accessToken)
      } catch (error) {
        expect(error).toBeInstanceOf(ToolgrantError)
        expect(String(error)).not.toContain('canary-secret')
      }
    })
    fc.assert(property, options)
    expect(Object.keys(Object.prototype)).toEqual([])
  })
})

describe('any answer with an error in it', () => {
  const codes = fc.constantFrom('invalid_grant', 'x', '190', 'Bad credentials')
  const errors = fc.oneof(
    codes.map((error) => ({ error })),
    codes.map((type) => ({ error: { type } })),
    codes.map((code) => ({ errors: [{ code }] })),
    fc.integer({ min: 1, max: 199 }).map((errcode) => ({ errcode })),
    fc.constant({ ok: false }),
    fc.constant({ success: 'false' }),
  )
  const wrap = fc.constantFrom(
    (text: string) => text,
    (text: string) => `callback(${text});`,
    (text: string) => `)]}'\n${text}`,
    (text: string) => `[${text}]`,
    (text: string) => `${text}\n{"access_token":"late"}`,
    (text: string) => JSON.stringify(text),
  )

  it('is no token, wherever a token stands beside it, and whatever is around it', () => {
    const good = { access_token: 'a', token_type: 'Bearer' }
    const placed = fc.constantFrom<object>(
      good,
      { data: good },
      { authed_user: good },
      { result: { token: good } },
    )
    const property = fc.property(
      errors,
      placed,
      wrap,
      fc.constantFrom(...contexts),
      (error, tokens, around, context) => {
        const text = around(JSON.stringify({ ...tokens, ...error }))
        expect(() => readTokenAnswer({ status: 200, headers: new Headers(), text }, context)).toThrow(
          ToolgrantError,
        )
      },
    )
    fc.assert(property, options)
  })
})

describe('any callback', () => {
  const pending = pendingAuthorization({
    version: 1,
    provider: 'acme',
    clientId: 'c',
    state: 'the-one-state',
    redirectUri: 'https://app.example/',
    scopes: [],
    createdAt: 0,
    expiresAt: 1,
  })
  const parts = fc.constantFrom(
    'state',
    'code',
    'iss',
    'error',
    '=',
    '&',
    '?',
    '#',
    '%',
    'the-one-state',
    'https://x/',
  )
  const callbacks = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.webUrl({ withQueryParameters: true, withFragments: true }),
    fc.array(fc.oneof(parts, fc.string()), { maxLength: 14 }).map((some) => some.join('')),
  )

  it('is read only with its own state, once, and otherwise ends in a typed error', () => {
    const property = fc.property(callbacks, (callback) => {
      try {
        const { code } = readCallback(provider, pending, callback, { now: () => 0 })
        expect(code).not.toBe('')
        expect(callbackState(callback)).toBe('the-one-state')
      } catch (error) {
        expect(error).toBeInstanceOf(ToolgrantError)
      }
    })
    fc.assert(property, options)
  })
})
