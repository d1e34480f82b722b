import { describe, expect, it } from 'vitest'
import { ConfigurationError } from '../errors.ts'
import { callbackAddress } from './loopback-address.ts'
import type { LoopbackOptions } from './loopback-options.ts'

const both = [
  { address: '127.0.0.1', optional: false },
  { address: '::1', optional: true },
]
const ipv4 = [{ address: '127.0.0.1', optional: false }]

describe('where a loopback flow listens', () => {
  it.each<[string, LoopbackOptions, string | undefined, object, string]>([
    // name, options, registered redirect URI, address, redirect URI on the port (55555 for any)
    [
      'P5 by default',
      {},
      undefined,
      { port: 0, https: false, path: '/', binds: ipv4 },
      'http://127.0.0.1:55555/',
    ],
    [
      'P3 with https',
      { https: true },
      undefined,
      { port: 41539, https: true, binds: both },
      'https://localhost:41539/',
    ],
    [
      'P3 with https and a port',
      { https: true, port: 4000 },
      undefined,
      { port: 4000 },
      'https://localhost:4000/',
    ],
    ['P4 with port 0', { https: true, port: 0 }, undefined, { port: 0 }, 'https://localhost:55555/'],
    ['with a path', { path: '/a/b' }, undefined, { path: '/a/b' }, 'http://127.0.0.1:55555/a/b'],
    [
      'with a host',
      { host: '::1' },
      undefined,
      { binds: [{ address: '::1', optional: false }] },
      'http://[::1]:55555/',
    ],
    [
      'P28 as registered',
      {},
      'http://127.0.0.1:8080/cb',
      { port: 8080, path: '/cb' },
      'http://127.0.0.1:8080/cb',
    ],
    [
      'P28 without a slash',
      {},
      'http://localhost:8080',
      { port: 8080, path: '/', binds: both },
      'http://localhost:8080',
    ],
    [
      'P28 with https',
      {},
      'https://localhost:41539/',
      { https: true, port: 41539 },
      'https://localhost:41539/',
    ],
    ['P28 with a query', {}, 'http://127.0.0.1:81/cb?a=b', { path: '/cb' }, 'http://127.0.0.1:81/cb?a=b'],
    [
      'P28 over IPv6',
      {},
      'http://[::1]:8080/',
      { binds: [{ address: '::1', optional: false }] },
      'http://[::1]:8080/',
    ],
    ['P28 in capitals', {}, 'HTTP://LOCALHOST:8080/', { port: 8080, https: false }, 'http://LOCALHOST:8080/'],
    ['P28 without a port: any', {}, 'http://127.0.0.1/cb', { port: 0 }, 'http://127.0.0.1:55555/cb'],
    ['P28 with port 80 written', {}, 'http://127.0.0.1:80/cb', { port: 80 }, 'http://127.0.0.1:80/cb'],
    ['P28 https without a port', {}, 'https://localhost/cb', { port: 443 }, 'https://localhost/cb'],
    ['P28 with another port', { port: 9 }, 'http://127.0.0.1:8080/cb', { port: 9 }, 'http://127.0.0.1:9/cb'],
    ['P28 with port 0', { port: 0 }, 'http://127.0.0.1:8080', { port: 0 }, 'http://127.0.0.1:55555'],
    [
      'P28 with https off',
      { https: false },
      'https://localhost:7/',
      { https: false, port: 7 },
      'http://localhost:7/',
    ],
  ])('%s', (_name, options, redirectUri, address, sent) => {
    const client = redirectUri === undefined ? { clientId: 'c' } : { clientId: 'c', redirectUri }
    const found = callbackAddress(client, options)
    expect(found).toMatchObject(address)
    expect(found.redirectUri(found.port === 0 ? 55_555 : found.port)).toBe(sent)
  })

  it.each([
    'https://app.example/callback',
    'http://127.0.0.2:8080/',
    'http://192.168.1.5:8080/',
    'http://0.0.0.0:8080/',
    'http://localhost.evil.example/',
    'http://localhost@evil.example/',
    'http://user@localhost:8080/',
    'http://localhost:8080/#here',
    'com.acme.app:/callback',
    'urn:ietf:wg:oauth:2.0:oob',
    'nonsense',
  ])('P28 refuses %s and names the ways out', (redirectUri) => {
    const attempt = () => callbackAddress({ clientId: 'c', redirectUri }, {})
    expect(attempt).toThrow(ConfigurationError)
    expect(attempt).toThrow(expect.objectContaining({ code: 'redirect_uri_not_loopback' }))
    expect(attempt).toThrow(/vault\.finish/)
    expect(attempt).toThrow(/redirect_uri in toolgrant\.toml/)
  })

  it.each<[string, object]>([
    ['port', { port: -1 }],
    ['port', { port: 65_536 }],
    ['port', { port: 1.5 }],
    ['host', { host: '0.0.0.0' }],
    ['host', { host: 'example.com' }],
    ['path', { path: 'callback' }],
    ['path', { path: '//evil.example' }],
    ['path', { path: '/a?b' }],
    ['path', { path: '/a#b' }],
  ])('refuses a %s that cannot be: %o', (name, options) => {
    expect(() => callbackAddress({ clientId: 'c' }, options)).toThrow(TypeError)
    expect(() => callbackAddress({ clientId: 'c' }, options)).toThrow(`The ${name} of a loopback flow`)
  })
})
