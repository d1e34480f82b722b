// Templates in URLs: which values are taken, and that no value leads anywhere else.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defineProvider, provider, providers, resolveVariables, type UrlVariable } from './index.ts'

function templated(variable: UrlVariable, templates: { authorizationUrl?: string; tokenUrl?: string } = {}) {
  return defineProvider({
    id: 'acme',
    authorizationUrl: 'https://{shop}.acme.example/authorize',
    tokenUrl: 'https://acme.example/{shop}/token',
    apiBaseUrl: 'https://{shop}.acme.example/api',
    apiHosts: ['*.{shop}.acme.example'],
    authorizationParams: { audience: 'https://{shop}.acme.example', trace: '{random}' },
    urlVariables: [variable],
    ...templates,
  })
}

describe('resolveVariables', () => {
  it('returns a provider without variables as it is', async () => {
    const slack = await provider('slack')
    expect(resolveVariables(slack)).toBe(slack)
  })

  it('fills URLs, hosts and parameters, and leaves what the flow fills', () => {
    const filled = resolveVariables(templated({ name: 'shop', from: 'user' }), { shop: 'blue-1' })
    expect(filled).toMatchObject({
      authorizationUrl: 'https://blue-1.acme.example/authorize',
      tokenUrl: 'https://acme.example/blue-1/token',
      apiBaseUrl: 'https://blue-1.acme.example/api',
      apiHosts: ['*.blue-1.acme.example'],
      authorizationParams: { audience: 'https://blue-1.acme.example', trace: '{random}' },
    })
    expect(Object.isFrozen(filled)).toBe(true)
    expect(resolveVariables(filled, { shop: 'blue-1' })).toEqual(filled)
  })

  it('uses the default, and takes any Microsoft tenant', async () => {
    const microsoft = await provider('microsoft')
    const token = (variables?: Record<string, string>) => resolveVariables(microsoft, variables).tokenUrl
    expect(token()).toBe('https://login.microsoftonline.com/common/oauth2/v2.0/token')
    for (const tenant of ['organizations', 'contoso.onmicrosoft.com', '9188040d-6c67-4c5b-b112-36a304b66dad'])
      expect(token({ tenant })).toBe(`https://login.microsoftonline.com/${tenant}/oauth2/v2.0/token`)
    expect(resolveVariables(microsoft).issuer).toBe('https://login.microsoftonline.com/common/v2.0')
  })

  it('asks for a missing value by name, with an example', () => {
    expect(() => resolveVariables(templated({ name: 'shop', from: 'user', example: 'blue' }))).toThrow(
      'The provider "acme" needs a value for {shop}: set variables: { shop: "blue" } on the client.',
    )
  })

  it('leaves a variable that only an answer can supply', () => {
    const filled = resolveVariables(templated({ name: 'shop', from: 'token_response' }))
    expect(filled.apiBaseUrl).toBe('https://{shop}.acme.example/api')
  })

  it('reports a variable that the provider does not have', async () => {
    const microsoft = await provider('microsoft')
    expect(() => resolveVariables(microsoft, { tennant: 'common' })).toThrow(
      /"tennant"\. Did you mean tenant\?$/,
    )
    expect(() =>
      resolveVariables(defineProvider({ id: 'a', issuer: 'https://a.example' }), { a: 'b' }),
    ).toThrow(/has no variable "a"\. It has none: remove it\./)
  })

  it.each([
    ['enum', { name: 'shop', from: 'user', enum: ['eu', 'us'] }, 'asia', /must be one of "eu", "us"/],
    ['label', { name: 'shop', from: 'user' }, 'a.b', /must match/],
    ['path step', { name: 'shop', from: 'user', pattern: '.+' }, '..', /path step/],
    ['slash', { name: 'shop', from: 'user', pattern: '.+' }, 'evil.example/', /only letters/],
    ['fragment', { name: 'shop', from: 'user', pattern: '.+' }, 'evil.example#', /only letters/],
    ['user part', { name: 'shop', from: 'user', pattern: '.+' }, 'evil.example@', /only letters/],
    ['percent', { name: 'shop', from: 'user', pattern: '.+' }, 'a%2fb', /only letters/],
    ['not text', { name: 'shop', from: 'user' }, 7, /must be a string/],
  ] as const)('refuses a hostile value: %s', (_, variable, value, message) => {
    const acme = templated(variable)
    expect(() => resolveVariables(acme, { shop: value as string })).toThrow(message)
    expect(() => resolveVariables(acme, { shop: value as string })).toThrow(
      expect.objectContaining({ code: 'provider_invalid' }),
    )
  })

  it.each([
    ['127.0.0.1'],
    ['10.0.0.1'],
    ['localhost'],
    ['metadata.google.internal'],
    ['0x7f000001'],
    ['intranet'],
  ])('refuses a whole host that leads inside: %s', (shop) => {
    const acme = templated(
      { name: 'shop', from: 'user', pattern: '.+' },
      { authorizationUrl: 'https://{shop}/authorize' },
    )
    expect(() => resolveVariables(acme, { shop })).toThrow(/private network|not public/)
  })

  it('takes a whole origin only where a pattern allows it', () => {
    const acme = defineProvider({
      id: 'acme',
      authorizationUrl: 'https://acme.example/authorize',
      tokenUrl: '{instance}/token',
      apiHosts: ['{instance}'],
      urlVariables: [{ name: 'instance', from: 'user', pattern: 'https://[a-z0-9.-]+\\.acme\\.example' }],
    })
    expect(resolveVariables(acme, { instance: 'https://eu.acme.example' })).toMatchObject({
      tokenUrl: 'https://eu.acme.example/token',
      apiHosts: ['eu.acme.example'],
    })
    expect(() => resolveVariables(acme, { instance: 'https://eu.acme.example.evil.example' })).toThrow(
      /must match/,
    )
  })

  it('never lets a value leave the hosts of the template', () => {
    const characters = 'abz019.-_~:/\\?#@%[]{}&= \t\n<>"\'évil'
    const values = fc.oneof(
      fc.string({ unit: fc.constantFrom(...characters) }),
      fc.webUrl(),
      fc.domain(),
      fc.ipV4(),
      fc.ipV6(),
      fc.string(),
    )
    const acme = templated({ name: 'shop', from: 'user', pattern: '[^]*' })
    fc.assert(
      fc.property(values, (shop) => {
        let filled: ReturnType<typeof resolveVariables>
        try {
          filled = resolveVariables(acme, { shop })
        } catch (error) {
          expect(error).toMatchObject({ code: 'provider_invalid' })
          return
        }
        const authorization = new URL(filled.authorizationUrl ?? '')
        expect(authorization.host.endsWith('.acme.example')).toBe(true)
        expect(authorization.pathname).toBe('/authorize')
        expect(new URL(filled.tokenUrl ?? '').host).toBe('acme.example')
        expect(new URL(filled.tokenUrl ?? '').pathname).toMatch(/^\/[^/]+\/token$/)
        expect(filled.apiHosts?.[0]?.endsWith('.acme.example')).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  it('never lets a value leave the hosts of a catalogue row', async () => {
    const rows = (await providers()).filter((row) => row.urlVariables !== undefined)
    expect(rows.map(({ id }) => id)).toEqual(['microsoft'])
    fc.assert(
      fc.property(fc.constantFrom(...rows), fc.oneof(fc.string(), fc.domain(), fc.webUrl()), (row, value) => {
        const name = row.urlVariables?.[0]?.name ?? ''
        try {
          const { tokenUrl = '' } = resolveVariables(row, { [name]: value })
          expect(new URL(tokenUrl).host).toBe('login.microsoftonline.com')
        } catch (error) {
          expect(error).toMatchObject({ code: 'provider_invalid' })
        }
      }),
    )
  })
})
