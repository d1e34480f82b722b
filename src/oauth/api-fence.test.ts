import { describe, expect, it } from 'vitest'
import { ConfigurationError, RequestRefusedError } from '../errors.ts'
import { ApiFence, type ApiFenceOptions } from './api-fence.ts'

const base = 'https://api.example.com/v1'

function fence(options: ApiFenceOptions = { apiBaseUrl: base, who: 'acme' }): ApiFence {
  return new ApiFence(options)
}

/** Where `fetch` would really send it. */
function target(options: ApiFenceOptions, input: string): string {
  return new URL(fence(options).resolve(input) as string).href
}

describe('a relative URL', () => {
  it.each([
    ['/users', `${base}/users`],
    ['users', `${base}/users`],
    ['users/7?limit=5#top', `${base}/users/7?limit=5#top`],
    ['/', `${base}/`],
    ['', base],
    ['?limit=5', `${base}?limit=5`],
    ['#top', `${base}#top`],
    ['/a//b', `${base}/a//b`],
    ['/..', 'https://api.example.com/'],
    ['./x', `${base}/x`],
    ['/http://other.example/', `${base}/http://other.example/`],
    ['/@evil.example', `${base}/@evil.example`],
    ['@evil.example', `${base}/@evil.example`],
    [':8443/x', `${base}/:8443/x`],
    ['.evil.example', `${base}/.evil.example`],
    ['\t//evil.example', `${base}///evil.example`],
    ['/\t/evil.example', `${base}//evil.example`],
    ['\u0000//evil.example', `${base}/%00//evil.example`],
    [' https://evil.example', `${base}/%20https://evil.example`],
    ['/users/{id}', `${base}/users/%7Bid%7D`],
  ])('%j keeps the path of the base', (input, expected) => {
    expect(target({ apiBaseUrl: base }, input)).toBe(expected)
  })

  it.each(['https://api.example.com', 'https://api.example.com/'])('works with the base %s', (apiBaseUrl) => {
    for (const input of ['/a', 'a']) expect(target({ apiBaseUrl }, input)).toBe('https://api.example.com/a')
    expect(target({ apiBaseUrl }, '?a')).toBe('https://api.example.com/?a')
    expect(target({ apiBaseUrl }, '.evil.example')).toBe('https://api.example.com/.evil.example')
  })

  it('needs a base', () => {
    expect(() => fence({ who: 'acme' }).resolve('/users')).toThrow(ConfigurationError)
    expect(() => fence({ who: 'acme' }).resolve('/users')).toThrow(
      /"\/users" is relative and acme has no apiBaseUrl/,
    )
    expect(() => fence({ apiBaseUrl: '{instance_url}/v1' }).resolve('/users')).toThrow(/unfilled apiBaseUrl/)
  })
})

describe('the token goes to these', () => {
  it.each<[string, ApiFenceOptions]>([
    ['https://api.example.com/anything', { apiBaseUrl: base }],
    ['HTTPS://API.EXAMPLE.COM/x', { apiBaseUrl: base }],
    ['https://api.example.com:443/x', { apiBaseUrl: base }],
    ['//api.example.com/x', { apiBaseUrl: base }],
    ['https:\\\\api.example.com\\x', { apiBaseUrl: base }],
    ['https://files.example.com/x', { apiBaseUrl: base, apiHosts: ['files.example.com'] }],
    ['https://files.example.com/x', { apiHosts: ['FILES.example.com:443'] }],
    ['https://a.b.example.com/x', { apiHosts: ['*.example.com'] }],
    ['https://bücher.example/x', { apiHosts: ['bücher.example'] }],
    ['https://xn--bcher-kva.example/x', { apiHosts: ['bücher.example'] }],
    ['http://localhost:8080/x', { apiHosts: ['localhost:8080'] }],
    ['http://[::1]:8080/x', { apiHosts: ['[::1]:8080'] }],
    ['http://127.0.0.1:9/x', { apiBaseUrl: 'http://127.0.0.1:9' }],
    ['https://anywhere.example/x', {}],
    ['http://nas.example/x', { allowInsecureRequests: true }],
  ])('%s of %j', (input, options) => {
    expect(target(options, input)).toBe(new URL(input, base).href)
    expect(fence(options).resolve(new URL(input, base))).toBe(new URL(input, base).href)
  })
})

describe('the token goes to no other host', () => {
  const hosts = { apiBaseUrl: base, apiHosts: ['*.cdn.example', 'localhost:8080'], who: 'acme' }

  it.each([
    'https://evil.example/x',
    'https://api.example.com@evil.example/x',
    'https://api.example.com%40evil.example/x',
    'https://api.example.com:secret@evil.example/x',
    '//evil.example/x',
    '\\\\evil.example/x',
    '/\\evil.example/x',
    '\\/evil.example/x',
    'https:evil.example/../../..//evil.example',
    'https:\\\\evil.example',
    'https:/\\evil.example',
    'https://api.example.com.evil.example/x',
    'https://api.example.com./x',
    'https://api-example.com/x',
    'https://example.com/x',
    'https://xapi.example.com/x',
    'https://api.example.com:8443/x',
    'https://cdn.example/x',
    'https://evilcdn.example/x',
    'https://a.cdn.example:8443/x',
    'https://a.cdn.example./x',
    'https://аpi.example.com/x',
    'https://localhost/x',
    'https://127.0.0.1/x',
    'HTTPS://EVIL.EXAMPLE/x',
    'ht\ttps://evil.example/x',
  ])('%j', (input) => {
    let sent: string | undefined
    try {
      sent = target(hosts, input)
    } catch (error) {
      expect(error).toBeInstanceOf(Error)
      expect(error).not.toMatchObject({ message: expect.stringContaining('secret') })
    }
    if (sent !== undefined) expect(new URL(sent).host).toBe('api.example.com')
  })

  it.each([
    [
      'https://evil.example/x',
      /"evil\.example" is not among the hosts of acme \(api\.example\.com, \*\.cdn\.example/,
    ],
    ['https://user@api.example.com/x', /carries a user name or password/],
    ['https://:pass@api.example.com/x', /carries a user name or password/],
  ])('%s says why, and what to do', (input, message) => {
    const guard = fence(hosts)
    guard.resolve('https://api.example.com/known')
    for (const form of [input, new URL(input)]) {
      expect(() => guard.resolve(form)).toThrow(RequestRefusedError)
      expect(() => guard.resolve(form)).toThrow(message)
      expect(() => guard.resolve(form)).toThrow(expect.objectContaining({ code: 'host_not_allowed' }))
    }
  })

  it('nor as a Request', () => {
    expect(() => fence(hosts).resolve(new Request('https://evil.example/x'))).toThrow(RequestRefusedError)
    const request = new Request(`${base}/x`)
    expect(fence(hosts).resolve(request)).toBe(request)
  })

  it('nor to what only looks like a URL: a model may have chosen it', () => {
    const guard = fence(hosts)
    guard.resolve('https://api.example.com/known')
    const posed = { origin: 'https://api.example.com', host: 'api.example.com', username: '', password: '' }
    const lookalike = { ...posed, href: 'https://evil.example/x' } as URL
    expect(new URL(guard.resolve(lookalike) as string).host).toBe('api.example.com')
  })

  it.each([
    'http://api.example.com/x',
    'ftp://api.example.com/x',
    'data:,x',
    'file:///etc/passwd',
    'javascript:1',
  ])('nor in the clear, or elsewhere: %s', (input) => {
    for (const options of [hosts, {}])
      expect(() => fence(options).resolve(input)).toThrow(/not safe for secrets/)
  })

  it.each<[string, ApiFenceOptions]>([
    ['an unfilled base', { apiBaseUrl: '{instance_url}/v1' }],
    ['an unfilled host', { apiHosts: ['{shop}.example.com'] }],
    [
      'an unfilled base and other hosts',
      { apiBaseUrl: 'https://{shop}.example.com', apiHosts: ['a.example'] },
    ],
  ])('nor anywhere, with %s', (_, options) => {
    for (const input of ['https://evil.example/', 'https://shop.example.com/'])
      expect(() => fence(options).resolve(input)).toThrow(RequestRefusedError)
  })

  it('what was let through once opens nothing else', () => {
    const guard = fence({ apiHosts: ['api.example.com'] })
    guard.resolve('https://api.example.com/x')
    for (const input of [
      'https://api.example.com.evil.example/',
      'https://api.example.com@evil.example/',
      'http://api.example.com/',
    ])
      expect(() => guard.resolve(input)).toThrow()
    expect(guard.resolve('https://api.example.com/@evil.example')).toBe(
      'https://api.example.com/@evil.example',
    )
  })
})

describe('what is written wrongly is said at once', () => {
  it.each([
    'https://api.example.com',
    'api.example.com/v1',
    '*',
    '*.',
    'a b',
    '',
    'user@api.example.com',
    'a.*.example',
  ])('apiHosts: %j', (host) => {
    expect(() => fence({ apiHosts: [host] })).toThrow(/in apiHosts is not a host/)
  })

  it('apiBaseUrl', () => {
    expect(() => fence({ apiBaseUrl: 'http://api.example.com' })).toThrow(
      expect.objectContaining({ code: 'insecure_url' }),
    )
    expect(() => fence({ apiBaseUrl: 'api.example.com' })).toThrow(/not an absolute URL/)
  })
})
