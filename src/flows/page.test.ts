import { describe, expect, it } from 'vitest'
import { AuthorizationDeniedError, CallbackError, NetworkError, TokenEndpointError } from '../errors.ts'
import { escapeHtml } from './escape-html.ts'
import { failureOf } from './failure.ts'
import { failurePage, fragmentPage, missingScopes, type Page, successPage } from './page.ts'

const attack = `"'\`><script>alert(1)</script><img src=//evil.example onerror=x>&amp;`
const success = { provider: 'Acme', scopes: ['read'], missingScopes: [] }

function policyOf(page: Page): Record<string, string> {
  const directives = page.headers['content-security-policy']?.split('; ') ?? []
  return Object.fromEntries(directives.map((directive) => directive.split(/ (.*)/).slice(0, 2)))
}

describe('P18 the page that reads a fragment', () => {
  it('runs its own script and no other, loads nothing, and posts to this address alone', () => {
    const page = fragmentPage()
    const policy = policyOf(page)
    const { 'style-src': style, 'script-src': script, ...others } = policy
    expect(others).toEqual({
      'default-src': "'none'",
      'base-uri': "'none'",
      'form-action': "'self'",
      'frame-ancestors': "'none'",
    })
    expect([script, script]).toEqual([style, expect.stringMatching(/^'nonce-[A-Za-z0-9+/]{24}'$/)])
    expect(page.body.match(/<script[^>]*>/g)).toEqual([`<script nonce="${script?.slice(7, -1)}">`])
    expect(page.body).not.toMatch(/https?:|\/\/|innerHTML|console/)
    expect(page.headers).toMatchObject({ 'referrer-policy': 'no-referrer', 'cache-control': 'no-store' })
    expect(policyOf(fragmentPage())).not.toEqual(policy)
  })

  it('takes the answer out of the address before anything else', () => {
    const script = /<script[^>]*>([^<]*)</.exec(fragmentPage().body)?.[1] ?? ''
    expect(script.indexOf('history.replaceState')).toBeLessThan(script.indexOf('createElement'))
  })
})

describe('P18 the built-in pages', () => {
  const pages = {
    success: () =>
      successPage({ provider: attack, account: attack, scopes: [attack], missingScopes: [attack] }),
    denial: () => failurePage(failureOf(new AuthorizationDeniedError('acme', attack, attack), attack)),
    callback: () => failurePage(failureOf(new CallbackError('state_mismatch', attack), attack)),
    network: () => failurePage(failureOf(new NetworkError(attack), attack)),
    foreign: () => failurePage(failureOf(new Error(attack), attack)),
  }

  it.each(Object.entries(pages))('escape every value: %s', async (_name, make) => {
    const { body } = await make()
    expect(body).not.toContain('<script')
    expect(body).not.toContain('<img')
    expect(body.match(/<[^>]*evil\.example/g)).toBeNull()
  })

  it.each(Object.entries(pages))('carry the strict headers: %s', async (_name, make) => {
    const page = await make()
    const policy = policyOf(page)
    expect(policy).toMatchObject({
      'default-src': "'none'",
      'base-uri': "'none'",
      'form-action': "'none'",
      'frame-ancestors': "'none'",
    })
    expect(policy['style-src']).toMatch(/^'nonce-[A-Za-z0-9+/]{24}'$/)
    expect(page.body).toContain(`<style nonce="${policy['style-src']?.slice(7, -1)}">`)
    expect(page.headers).toMatchObject({
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
  })

  it.each(Object.entries(pages))('load nothing and run nothing: %s', async (_name, make) => {
    const { body } = await make()
    expect(body).not.toMatch(/\b(src|href|action|url\(|@import|on\w+)\s*=?["'(]/)
    expect(body).toContain('<html lang="en">')
    expect(body).toMatch(/<title>[^<]+<\/title>/)
  })

  it('have a nonce of their own each time', async () => {
    expect(policyOf(await successPage(success))).not.toEqual(policyOf(await successPage(success)))
  })

  it('say honestly what was granted and what was not', async () => {
    const { body } = await successPage({ provider: 'Acme', scopes: ['read'], missingScopes: ['write'] })
    expect(body).toMatch(/>Granted<\/h2><ul><li><code>read<\/code>/)
    expect(body).toMatch(/Not granted<\/h2><ul><li><code>write<\/code>/)
    const scopes = Array.from({ length: 30 }, (_, index) => `scope-${index}`)
    expect((await successPage({ ...success, scopes })).body).toContain('and 18 more')
  })

  it.each<[string, string[], string[], string[]]>([
    ['what is missing', ['read', 'write'], ['read'], ['write']],
    ['Google', ['email', 'profile'], ['https://www.googleapis.com/auth/userinfo.email'], ['profile']],
    ['Microsoft', ['Mail.Read', 'offline_access'], ['https://graph.microsoft.com/Mail.Read'], []],
    ['another case', ['Channels:Read'], ['channels:read'], []],
    ['a longer name of another kind', ['read'], ['notes.read'], ['read']],
  ])('call missing only what is: %s', (_name, asked, granted, missing) => {
    expect(missingScopes(asked, granted)).toEqual(missing)
  })

  it('give the reason and the next step of each failure', () => {
    const refused = new TokenEndpointError({
      provider: 'acme',
      status: 400,
      error: 'invalid_grant',
      request: 'authorization_code',
    })
    expect(failureOf(refused, 'Acme')).toMatchObject({ status: 502, details: refused.message })
    expect(failureOf(new AuthorizationDeniedError('acme', 'access_denied'), 'Acme')).toMatchObject({
      status: 400,
    })
    expect(failureOf(new AuthorizationDeniedError('acme', 'server_error'), 'Acme').message).toContain(
      'refused',
    )
    expect(failureOf(new CallbackError('code_missing', 'x'), 'Acme').nextStep).toContain('still waiting')
  })
})

describe('P17 pages of the caller', () => {
  it('replace the built-in ones, as text or as a function', async () => {
    expect(await successPage(success, { success: '<p>yes' })).toMatchObject({ status: 200, body: '<p>yes' })
    const own = { failure: async (page: { title: string }) => `<p>${page.title}` }
    const failed = failureOf(new AuthorizationDeniedError('acme', 'access_denied'), 'Acme')
    expect(await failurePage(failed, own)).toMatchObject({ status: 400, body: '<p>Not connected to Acme' })
  })

  it('stay uncached and without referrer', async () => {
    const { headers } = await successPage(success, { success: 'x' })
    expect(headers).toMatchObject({ 'referrer-policy': 'no-referrer', 'cache-control': 'no-store' })
  })

  it('that throw give way to the built-in one, and a warning', async () => {
    const printers = process.listeners('warning')
    const warnings: unknown[] = []
    process.removeAllListeners('warning').on('warning', (warning) => warnings.push(warning))
    const page = await successPage(success, {
      success: () => {
        throw new Error('a mistake in the page')
      },
    })
    await new Promise((resolve) => setImmediate(resolve))
    process.removeAllListeners('warning')
    for (const printer of printers) process.on('warning', printer)
    expect(page.body).toContain('Connected to Acme')
    expect(String(warnings)).toContain('a mistake in the page')
  })
})

it('escapes what HTML could take for its own', () => {
  expect(escapeHtml(`<a href="x" b='y'>&\``)).toBe('&#60;a href=&#34;x&#34; b=&#39;y&#39;&#62;&#38;&#96;')
})
