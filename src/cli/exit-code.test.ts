// One exit code for each thing that a script does next, and the words that go with it.
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import * as errors from '../errors.ts'
import { exitCodeFor, exitCodeForStatus, exitCodes } from './exit-code.ts'
import { explain } from './explanation.ts'

const required = new errors.AuthorizationRequiredError('missing_scope', 'More scopes.', {
  provider: 'slack',
  scopes: ['chat:write', "it's"],
  account: 'work',
})
const cases: [Error, number][] = [
  [new errors.ConfigurationError('client_missing', 'x'), 2],
  [new errors.RequestRefusedError('host_not_allowed', 'x'), 2],
  [new errors.ToolUnknownError('x'), 2],
  [new errors.ToolInputError('x', []), 2],
  [new errors.ListenError('EADDRINUSE', 'x', 1), 2],
  [new errors.ImportError('passphrase_wrong', 'x'), 2],
  [errors.argumentError('x'), 2],
  [required, 3],
  [new errors.AuthorizationDeniedError('slack', 'access_denied'), 3],
  [new errors.CallbackError('state_mismatch', 'x'), 3],
  [new errors.TokenExpiredError('x', new Date(0)), 3],
  [new errors.UnauthorizedError('x', new Response()), 3],
  [new errors.ScopeMismatchError('x', { missing: ['a'], added: [], tokens: undefined }), 3],
  [new errors.NetworkError('x'), 4],
  [new errors.TimeoutError('x', 1), 4],
  [new errors.TokenEndpointError({ provider: 'a', status: 500, error: 'x', request: 'refresh_token' }), 4],
  [new errors.InvalidResponseError('response_not_oauth', 'x'), 4],
  [new errors.RefreshFailedError('x', { retryable: true }), 4],
  [failedBy(new errors.RefreshFailedError('x', { retryable: true })), 4],
  [new errors.RefreshFailedError('our registration', { retryable: false }), 2],
  [failedBy(new errors.StoreError('store_full', 'x')), 5],
  [failedBy(new Error('the tool is wrong')), 1],
  [new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED 127.0.0.1:1') }), 4],
  [new errors.StoreError('store_full', 'x'), 5],
  [new errors.KeyError('key_missing', 'x'), 5],
  [new errors.ToolFailedError('tool_failed', 'x', 'list'), 1],
  [new Error('x'), 1],
]

describe('exitCodeFor', () => {
  it.each(cases)('%o ends with %i', (error, expected) => {
    expect(exitCodeFor(error)).toBe(expected)
  })

  it('knows every error class of the house', () => {
    const classes = Object.values(errors).filter(
      (value): value is typeof errors.ToolgrantError =>
        typeof value === 'function' && value.prototype instanceof errors.ToolgrantError,
    )
    const covered = new Set(cases.map(([error]) => error.constructor))
    expect(classes.filter((value) => !covered.has(value)).map(({ name }) => name)).toEqual([])
  })

  it('knows the errors of another copy of this package, by name', () => {
    const foreign = Object.assign(new Error('Consent first.'), {
      name: 'AuthorizationRequiredError',
      code: 'not_connected',
    })
    expect(exitCodeFor(foreign)).toBe(exitCodes.authorization)
  })

  it.each([
    [200, 0],
    [304, 0],
    [400, 1],
    [401, 3],
    [404, 1],
    [429, 4],
    [503, 4],
  ])('HTTP %i ends with %i', (status, expected) => {
    expect(exitCodeForStatus(status)).toBe(expected)
  })
})

describe('explain', () => {
  it('names the command that helps, safe to paste', () => {
    const { code, next } = explain(required)
    expect(code).toBe('missing_scope')
    expect(next).toBe(`Run: toolgrant connect slack --scopes 'chat:write it'\\''s' --account work`)
  })

  it('names an account only where it is not the one that is meant anyway', () => {
    const dead = new errors.AuthorizationRequiredError('needs_reconnect', 'Dead.', {
      provider: 'slack',
      scopes: [],
      account: 'default',
    })
    expect(explain(dead).next).toBe('Run: toolgrant connect slack')
  })

  it.each([
    [
      new TypeError('fetch failed', { cause: new Error('getaddrinfo ENOTFOUND api.example') }),
      'network',
      'ENOTFOUND',
    ],
    [new TypeError('x is not a function'), 'unexpected', 'x is not a function'],
    [Object.assign(new Error('no entry'), { code: 'ENOENT' }), 'unexpected', 'no entry'],
    ['just text', 'unexpected', 'just text'],
    [undefined, 'unexpected', 'undefined'],
  ])('explains %o', (error, code, text) => {
    const explanation = explain(error)
    expect(explanation.code).toBe(code)
    expect(explanation.message).toContain(text)
    if (code === 'unexpected') expect(explanation.next).toContain('TOOLGRANT_DEBUG=1')
  })

  it('shows why a tool failed, for the developer', () => {
    const cause = new Error('the guild is gone')
    expect(
      explain(new errors.ToolFailedError('tool_failed', 'The tool failed.', 'list', { cause })).message,
    ).toBe('The tool failed. the guild is gone')
  })

  it('takes control characters out', () => {
    expect(inspect(explain(new Error('a\u001b[31mb\u202ec')).message)).not.toMatch(/\\x1b|\\u202e/i)
    const provider = { provider: 'slack', scopes: ['granted\u001b]0;by the provider\u0007'] }
    const error = new errors.AuthorizationRequiredError('missing_scope', 'More scopes.', provider)
    expect(inspect(explain(error, { user: 'a\u202e' }))).not.toMatch(/\\x1b|\\x07|\\u202e/i)
  })
})

/** A tool whose fetch threw this. */
function failedBy(cause: Error): Error {
  return new errors.ToolFailedError('tool_failed', 'x', 'tool', { cause })
}
