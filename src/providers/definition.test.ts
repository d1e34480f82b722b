// Definitions: what is accepted, what each fault says, and that nothing can be changed afterwards.
import { describe, expect, it } from 'vitest'
import { ConfigurationError } from '../errors.ts'
import { defineProvider, extendProvider, type ProviderDefinition, provider } from './index.ts'

const acme = {
  id: 'acme',
  authorizationUrl: 'https://acme.example/oauth/authorize',
  tokenUrl: 'https://acme.example/oauth/token',
} as const

function fault(definition: unknown): string {
  try {
    defineProvider(definition as ProviderDefinition)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(error).toMatchObject({ code: 'provider_invalid' })
    return (error as Error).message
  }
  throw new Error('nothing was thrown')
}

describe('defineProvider', () => {
  it('P1 takes both endpoints and adds nothing', () => {
    expect(defineProvider(acme)).toEqual(acme)
  })

  it('P1 takes an issuer alone', () => {
    expect(defineProvider({ id: 'acme', issuer: 'https://acme.example' }).issuer).toBe('https://acme.example')
  })

  it('P1 names the missing endpoint, with an example', () => {
    expect(fault({ id: 'acme', authorizationUrl: acme.authorizationUrl })).toBe(
      'The provider definition "acme" is not valid: tokenUrl is missing: add it, such as "https://acme.example/oauth/token", or give the issuer.',
    )
    expect(fault({ id: 'acme', tokenUrl: acme.tokenUrl })).toContain('authorizationUrl is missing')
    expect(fault({ authorizationUrl: acme.authorizationUrl, tokenUrl: acme.tokenUrl })).toContain(
      'id is missing',
    )
    expect(fault({ ...acme, tokenUrl: undefined })).toContain('tokenUrl is missing')
  })

  it('P1 makes a missing endpoint a compile error too', () => {
    // @ts-expect-error tokenUrl is missing and there is no issuer
    expect(() => defineProvider({ id: 'acme', authorizationUrl: acme.authorizationUrl })).toThrow(/tokenUrl/)
    // @ts-expect-error authorizationUrl is missing and there is no issuer
    expect(() => defineProvider({ id: 'acme', tokenUrl: acme.tokenUrl })).toThrow(/authorizationUrl/)
    // @ts-expect-error unknown member
    expect(() => defineProvider({ ...acme, scopeSeperator: ',' })).toThrow(/scopeSeparator/)
  })

  it('lists every fault at once', () => {
    const message = fault({ id: 'acme', tokenUrl: 'nowhere', pkce: 'yes' })
    expect(message.split('\n').slice(1)).toEqual([
      expect.stringContaining('- authorizationUrl is missing'),
      expect.stringContaining('- tokenUrl must be an absolute URL'),
      expect.stringContaining('- pkce must be one of'),
    ])
  })

  it.each([
    ['scopeSeperator', 'scopeSeparator'],
    ['token_url', 'tokenUrl'],
    ['refreshurl', 'refreshUrl'],
    ['authorisationUrl', 'authorizationUrl'],
  ])('reports the unknown member %s and offers %s', (wrong, right) => {
    expect(fault({ ...acme, [wrong]: 'x' })).toContain(
      `${wrong} is not a member of a provider definition; did you mean ${right}`,
    )
  })

  it('never repeats the value of an unknown member or of a URL with credentials', () => {
    const message = fault({
      ...acme,
      clientSecret: 'canary-1',
      tokenUrl: 'https://u:canary-2@acme.example/token',
    })
    expect(message).toContain('clientSecret is not a member')
    expect(message).toContain('tokenUrl must not hold a user name or password')
    expect(message).not.toContain('canary')
  })

  it.each([
    ['id', 'Acme', 'lowercase'],
    ['id', '../acme', 'lowercase'],
    ['id', 7, 'it is a number'],
    ['tokenUrl', 'http://acme.example/token', 'must begin with https://'],
    ['tokenUrl', 'ftp://acme.example/token', 'must begin with https://'],
    ['tokenUrl', '/oauth/token', 'absolute URL'],
    ['tokenUrl', 'https://acme.example/token#now', 'no fragment'],
    ['tokenUrl', 'https://10.0.0.8/token', 'private network'],
    ['tokenUrl', 'https://169.254.169.254/token', 'private network'],
    ['tokenUrl', 'https://[fd00::1]/token', 'private network'],
    ['tokenUrl', 'https://[::ffff:192.168.0.1]/token', 'private network'],
    ['tokenUrl', 'https://0x0a000001/token', 'private network'],
    ['issuer', 'https://acme.example?tenant=a', 'no query'],
    ['scopeSeparator', '', '1 to 3'],
    ['scopeSeparator', '\n', '1 to 3'],
    ['defaultScopes', 'read write', 'must be an array'],
    ['defaultScopes', ['read write'], '[0]'],
    ['pkce', true, 'it is a boolean'],
    ['tokenEndpointAuthMethod', 'basic', '"client_secret_basic"'],
    ['tokenRequestFormat', 'xml', '"form", "json"'],
    ['authorizationParams', { state: 'fixed' }, '["state"] is set by toolgrant'],
    ['authorizationParams', { code_challenge_method: 'plain' }, 'is set by toolgrant'],
    ['authorizationParams', { max_age: 3600 }, 'must be a string'],
    ['authorizationParams', ['a'], 'must be an object'],
    ['tokenRequestHeaders', { authorization: 'Basic abc' }, 'is set by toolgrant'],
    ['apiHeaders', { 'x-a': 'b\r\nc: d' }, 'printable ASCII'],
    ['apiHeaders', { 'bad name': 'b' }, 'no header name'],
    ['apiHosts', ['https://acme.example'], 'bare host'],
    ['apiHosts', ['*.example'], 'two labels'],
    ['apiHosts', ['*'], 'bare host'],
    ['apiHosts', ['192.168.1.1'], 'private network'],
    ['apiHosts', ['acme.example/path'], 'bare host'],
    ['assumedLifetimeSeconds', -1, 'above 0'],
    ['refreshTokenIdleSeconds', 0, 'above 0'],
    ['refreshTokenLifetimeSeconds', null, 'above 0'],
    ['refreshTokenGraceSeconds', '30', 'above 0'],
    ['assumedLifetimeSeconds', Number.NaN, 'above 0'],
    ['expiresInUnit', 'minutes', '"epoch-seconds"'],
    ['tokenFields', ['team..id'], '[0]'],
    ['urlVariables', [{ name: 'tenant' }], '[0] misses from'],
    ['urlVariables', [{ name: 'tenant', from: 'user', patern: 'x' }], 'has no member "patern"'],
    ['urlVariables', [{ name: 'tenant', from: 'user', pattern: '(' }], 'regular expression'],
    ['urlVariables', [{ name: 'tenant', from: 'user', default: 'a.b' }], '"a.b" is not an allowed value'],
    ['conflicts', { tokenUrl: { 'https://x.example': 'nango' } }, 'must be an array'],
  ])('refuses %s: %j', (member, value, expected) => {
    const message = fault({ ...acme, [member]: value })
    expect(message).toContain(member)
    expect(message).toContain(expected)
  })

  it('takes plain http on this machine, and only there', () => {
    for (const origin of ['http://127.0.0.1:8080', 'http://localhost:8080', 'http://[::1]:8080'])
      expect(defineProvider({ ...acme, tokenUrl: `${origin}/token` }).tokenUrl).toBe(`${origin}/token`)
    expect(fault({ ...acme, tokenUrl: 'http://localhost.acme.example/token' })).toContain('https://')
  })

  it('demands a declaration for each {variable}, and a pattern for one that begins a URL', () => {
    expect(fault({ ...acme, tokenUrl: 'https://{shop}.acme.example/token' })).toContain(
      'tokenUrl uses {shop}, which urlVariables does not declare: add { name: "shop", from: "user" }',
    )
    const leading = {
      ...acme,
      apiBaseUrl: '{instance}/api',
      urlVariables: [{ name: 'instance', from: 'user' }],
    }
    expect(fault(leading)).toContain('apiBaseUrl begins with {instance}')
    expect(defineProvider({ ...acme, userinfoUrl: 'https://acme.example/me/{access_token}' })).toBeDefined()
  })

  it('copies and freezes, all the way down', () => {
    const params = { access_type: 'offline' }
    const made = defineProvider({ ...acme, authorizationParams: params, apiHosts: ['files.acme.example'] })
    params.access_type = 'online'
    expect(made.authorizationParams).toEqual({ access_type: 'offline' })
    for (const part of [made, made.authorizationParams, made.apiHosts])
      expect(Object.isFrozen(part)).toBe(true)
    expect(Object.isFrozen(params)).toBe(false)
  })

  it('refuses what is not an object', () => {
    for (const value of [undefined, null, 'slack', []]) expect(fault(value)).toContain('must be an object')
  })
})

describe('extendProvider', () => {
  it('P1 changes members of a working provider without repeating the others', async () => {
    const slack = await provider('slack')
    const mine = extendProvider(slack, {
      id: 'slack-mine',
      defaultScopes: ['chat:write'],
      docsUrl: undefined,
    })
    expect(mine).toMatchObject({ id: 'slack-mine', tokenUrl: slack.tokenUrl, defaultScopes: ['chat:write'] })
    expect(mine).not.toHaveProperty('docsUrl')
    expect(() => extendProvider(slack, { tokenUrl: undefined })).toThrow(/tokenUrl is missing/)
  })
})
