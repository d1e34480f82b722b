// The failure taxonomy and the back-off, case by case.
import { describe, expect, it } from 'vitest'
import {
  ConfigurationError,
  InvalidResponseError,
  NetworkError,
  RefreshFailedError,
  TimeoutError,
  TokenEndpointError,
} from '../errors.ts'
import { backOffMs, diagnose, pauseLeftMs } from './refresh-failure.ts'

const refused = (error: string, status = 400, retryAfterSeconds?: number) =>
  new TokenEndpointError({
    ...{ provider: 'p', status, error, request: 'refresh_token' },
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  })
const answered = (code: 'response_not_oauth' | 'response_truncated' | 'redirect_refused', status?: number) =>
  new InvalidResponseError(code, 'x', status === undefined ? {} : { status })
const network = (code: string) =>
  new NetworkError('x', {
    cause: new TypeError('fetch failed', { cause: Object.assign(new Error('y'), { code }) }),
  })

describe('a failed refresh', () => {
  it.each([
    ['invalid_grant', refused('invalid_grant'), 'dead'],
    ["GitHub's word for it", refused('bad_refresh_token', 200), 'dead'],
    ["Slack's word for it", refused('invalid_refresh_token', 200), 'dead'],
    ['invalid_grant inside a 503', refused('invalid_grant', 503), 'transient'],
    ['invalid_client', refused('invalid_client', 401), 'ours'],
    ['unauthorized_client', refused('unauthorized_client'), 'ours'],
    ['an unknown error', refused('teapot', 418), 'ours'],
    ['temporarily_unavailable', refused('temporarily_unavailable'), 'transient'],
    ['429', refused('slow', 429), 'transient'],
    ['500', refused('oops', 500), 'transient'],
    ['HTML with 502', answered('response_not_oauth', 502), 'uncertain'],
    ['JSON with 504', refused('server_error', 504), 'uncertain'],
    ['HTML with 503', answered('response_not_oauth', 503), 'transient'],
    ['HTML with 403 (a proxy)', answered('response_not_oauth', 403), 'transient'],
    ['HTML with 200', answered('response_not_oauth', 200), 'uncertain'],
    ['half an answer', answered('response_truncated', 200), 'uncertain'],
    ['an answer of unknown status', answered('response_truncated'), 'uncertain'],
    ['a redirect', answered('redirect_refused', 302), 'ours'],
    ['no connection', network('ECONNREFUSED'), 'transient'],
    ['no such host', network('ENOTFOUND'), 'transient'],
    ['a bad certificate', network('DEPTH_ZERO_SELF_SIGNED_CERT'), 'transient'],
    ['an expired certificate', network('CERT_HAS_EXPIRED'), 'transient'],
    ['a reset', network('ECONNRESET'), 'uncertain'],
    ['a socket that closed', network('UND_ERR_SOCKET'), 'uncertain'],
    ['a network error of unknown kind', new NetworkError('x'), 'uncertain'],
    ['a time-out', new TimeoutError('x', 1), 'uncertain'],
    ['no client', new ConfigurationError('client_missing', 'x'), 'ours'],
    [
      'discovery without a network',
      new ConfigurationError('discovery_failed', 'x', { cause: network('ENOTFOUND') }),
      'transient',
    ],
    ['no refresh token', new RefreshFailedError('x', { retryable: false }), 'ours'],
    ['a bug', new TypeError('x'), 'uncertain'],
  ])('by %s is sorted', (_name, error, kind) => {
    expect(diagnose(error).kind).toBe(kind)
  })

  it('is the provider’s when every connection would fail the same', () => {
    for (const error of [
      refused('oops', 500),
      refused('invalid_client'),
      refused('teapot', 401),
      network('ENOTFOUND'),
    ])
      expect(diagnose(error).isProviders).toBe(true)
    for (const error of [refused('invalid_grant'), refused('invalid_scope'), refused('teapot', 418)])
      expect(diagnose(error).isProviders).toBe(false)
  })

  it('carries what the provider asked for', () => {
    expect(diagnose(refused('slow', 429, 17)).retryAfterSeconds).toBe(17)
    const html = new InvalidResponseError('response_not_oauth', 'x', { status: 503, retryAfterSeconds: 9 })
    expect(diagnose(html).retryAfterSeconds).toBe(9)
    expect(diagnose(network('ECONNRESET')).retryAfterSeconds).toBeUndefined()
  })
})

describe('the back-off', () => {
  it.each([
    [0, 1000],
    [1, 2000],
    [4, 16_000],
    [9, 300_000],
    [1000, 300_000],
  ])('after %i earlier failures is anything up to %i ms', (failures, limit) => {
    expect(backOffMs(failures, undefined, () => 0)).toBe(0)
    expect(backOffMs(failures, undefined, () => 0.5)).toBe(limit / 2)
    expect(backOffMs(failures, undefined, () => 1)).toBe(limit)
  })

  it('is never less than the provider asked for, up to a day, and not the same for everybody', () => {
    expect(backOffMs(0, 60, () => 0)).toBe(60_000)
    expect(backOffMs(0, 60, () => 1)).toBe(61_000)
    expect(backOffMs(0, 1e9, () => 0)).toBe(86_400_000)
  })

  it('is over when it is longer than any: the clock has gone back since', () => {
    const longest = backOffMs(1000, 1e9, () => 1)
    expect(pauseLeftMs(null, 5)).toBe(0)
    expect(pauseLeftMs(4, 5)).toBe(0)
    expect(pauseLeftMs(5 + longest, 5)).toBe(longest)
    expect(pauseLeftMs(6 + longest, 5)).toBe(0)
  })
})
