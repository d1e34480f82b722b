// Endpoints that differ by tenant or environment: the four that people know from guMCP, and PayPal's two.
import { describe, expect, it } from 'vitest'
import { defineProvider, type Provider, resolveVariables } from './index.ts'

/** Any host of Salesforce's own, as its documentation names them: the common ones, and a My Domain. */
const salesforceHost =
  '(?:login|test)\\.salesforce\\.com|[A-Za-z0-9-]{1,63}(?:\\.sandbox)?\\.my\\.salesforce\\.com'

const rows: Readonly<Record<string, Provider>> = {
  salesforce: defineProvider({
    id: 'salesforce',
    authorizationUrl: 'https://{domain}/services/oauth2/authorize',
    tokenUrl: 'https://{domain}/services/oauth2/token',
    urlVariables: [
      { name: 'domain', from: 'user', default: 'login.salesforce.com', pattern: salesforceHost },
    ],
  }),
  shopify: defineProvider({
    id: 'shopify',
    authorizationUrl: 'https://{subdomain}.myshopify.com/admin/oauth/authorize',
    tokenUrl: 'https://{subdomain}.myshopify.com/admin/oauth/access_token',
    urlVariables: [{ name: 'subdomain', from: 'user', example: 'acme' }],
  }),
  zendesk: defineProvider({
    id: 'zendesk',
    authorizationUrl: 'https://{subdomain}.zendesk.com/oauth/authorizations/new',
    tokenUrl: 'https://{subdomain}.zendesk.com/oauth/tokens',
    urlVariables: [{ name: 'subdomain', from: 'user', example: 'acme' }],
  }),
  snowflake: defineProvider({
    id: 'snowflake',
    authorizationUrl: 'https://{subdomain}.snowflakecomputing.com/oauth/authorize',
    tokenUrl: 'https://{subdomain}.snowflakecomputing.com/oauth/token-request',
    urlVariables: [{ name: 'subdomain', from: 'user', example: 'myorg-account1' }],
  }),
}

function tokenHost(id: string, variables?: Record<string, string>): string {
  const { [id]: row } = rows
  if (row === undefined) throw new RangeError(id)
  return new URL(resolveVariables(row, variables).tokenUrl ?? '').host
}

describe('endpoints of a tenant (P57)', () => {
  it('Salesforce defaults to login.salesforce.com, and takes a domain of its own', () => {
    expect(tokenHost('salesforce')).toBe('login.salesforce.com')
    for (const domain of [
      'test.salesforce.com',
      'acme.my.salesforce.com',
      'acme--dev.sandbox.my.salesforce.com',
    ])
      expect(tokenHost('salesforce', { domain })).toBe(domain)
  })

  it.each([
    ['shopify', 'acme.myshopify.com'],
    ['zendesk', 'acme.zendesk.com'],
    ['snowflake', 'acme.snowflakecomputing.com'],
  ])('%s takes one host label', (id, host) => {
    expect(tokenHost(id, { subdomain: 'acme' })).toBe(host)
    expect(() => tokenHost(id)).toThrow(/needs a value for \{subdomain\}/)
  })

  it.each([
    'evil.example/',
    'evil.example#',
    'evil.example?',
    'a.b',
    'a@evil.example',
    'a:443',
    '',
    ' ',
    'a%2eb',
    'a\\b',
    'ä',
    'x'.repeat(64),
    '../..',
  ])('takes no %j in the place of a label', (value) => {
    for (const id of ['shopify', 'zendesk', 'snowflake'])
      expect(() => tokenHost(id, { subdomain: value })).toThrow(/not valid|not allowed|cannot use|needs|must/)
  })

  it.each([
    'evil.example',
    'login.salesforce.com.evil.example',
    'my.salesforce.com',
    '127.0.0.1',
    'localhost',
  ])('Salesforce takes no %j', (domain) => {
    expect(() => tokenHost('salesforce', { domain })).toThrow()
  })
})

describe('sandbox and production (P55)', () => {
  const paypal = defineProvider({
    id: 'paypal',
    tokenUrl: 'https://{environment}.paypal.com/v1/oauth2/token',
    apiBaseUrl: 'https://{environment}.paypal.com',
    refresh: 'client-credentials',
    urlVariables: [
      {
        name: 'environment',
        from: 'user',
        default: 'api-m',
        enum: ['api-m', 'api-m.sandbox'],
        pattern: 'api-m(\\.sandbox)?',
      },
    ],
  })
  const urls = (variables?: Record<string, string>) => {
    const { tokenUrl, apiBaseUrl } = resolveVariables(paypal, variables)
    return [tokenUrl, apiBaseUrl]
  }

  it('are a variable of the client, production unless it says otherwise', () => {
    expect(urls()).toEqual(['https://api-m.paypal.com/v1/oauth2/token', 'https://api-m.paypal.com'])
    expect(urls({ environment: 'api-m.sandbox' })).toEqual([
      'https://api-m.sandbox.paypal.com/v1/oauth2/token',
      'https://api-m.sandbox.paypal.com',
    ])
    expect(() => urls({ environment: 'staging' })).toThrow(/environment/)
  })

  it('need no authorization endpoint, which other rows do', () => {
    expect(paypal.authorizationUrl).toBeUndefined()
    const { refresh: _refresh, ...without } = paypal
    expect(() => defineProvider(without as never)).toThrow(/authorizationUrl is missing/)
  })
})
