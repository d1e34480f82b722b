// Challenges of APIs (WWW-Authenticate) and nonces (DPoP-Nonce): read with tolerance, believed in nothing that matters.
// RFC 9110 section 11.6.1, RFC 6750 section 3, RFC 9449 sections 8 and 9, RFC 9470 section 3, RFC 9728 section 5.1.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AuthorizationRequiredError, UnauthorizedError } from '../../src/errors.ts'
import { discoverProtectedResource, readStepUp, Session, TokenSet } from '../../src/oauth/index.ts'
import { everythingIn, judged } from './judge.ts'
import { provider } from './operations.ts'

const api = 'https://api.example/notes'
const row = { ...provider, apiBaseUrl: 'https://api.example' }
const { privateKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign'])
const dpopKey = await crypto.subtle.exportKey('jwk', privateKey)
const plain = new TokenSet({ accessToken: 'canary-access-token', scopes: ['notes.read'] })
const bound = plain.with({ tokenType: 'DPoP', dpopKey })

/** Calls an API that refuses with these headers; says how often it was asked, and with which proofs. */
async function call(status: number, headers: Record<string, string>, tokens = plain) {
  const proofs: string[] = []
  let asked = 0
  const fetch = async (_: unknown, init?: RequestInit) => {
    asked += 1
    proofs.push(new Headers(init?.headers).get('dpop') ?? '')
    return new Response('{}', { status, headers })
  }
  const refusal = new Response('{}', { status, headers })
  expect((await judged('readStepUp', () => readStepUp(refusal, row))).error).toBeUndefined()
  const session = new Session(tokens, { provider: row, fetch: fetch as typeof globalThis.fetch })
  const { value, error } = await judged(JSON.stringify(headers).slice(0, 200), () => session.fetch(api))
  return { value, error, asked, proofs }
}

const fields: Readonly<Record<string, string>> = {
  nothing: '',
  'commas alone': ','.repeat(10_000),
  'quotes without end': `Bearer scope="${'"'.repeat(9999)}`,
  'backslashes without end': `Bearer scope="${'\\'.repeat(9999)}`,
  'equal signs without end': `Bearer ${'='.repeat(10_000)}`,
  'spaces without end': `Bearer ${' '.repeat(50_000)}error="insufficient_scope"`,
  'words without end': 'a '.repeat(20_000),
  'schemes without end': 'Bearer, '.repeat(8000),
  'parameters without end': `Bearer ${'a=b, '.repeat(12_000)}`,
  'a word without end': `Bearer ${'a'.repeat(60_000)}=`,
  'prototype names': 'Bearer __proto__="x", constructor="y", toString=z, error="__proto__"',
  'scopes without end': `Bearer error="insufficient_scope", scope="${'admin '.repeat(9000)}"`,
  'a scope that is the token':
    'Bearer error="insufficient_scope", scope="canary-access-token", acr_values="canary-access-token"',
  'an address with the token':
    'Bearer error="insufficient_scope", resource_metadata="https://api.example/canary-access-token"',
  'a control sequence': 'Bearer error="insufficient_scope", scope="\t\t", error_description="x"',
  'an age without end': `Bearer error="insufficient_user_authentication", max_age=${'9'.repeat(500)}`,
  'an age below zero': 'Bearer error="insufficient_user_authentication", max_age=-1',
  'an address inside': 'Bearer error="insufficient_scope", resource_metadata="http://169.254.169.254/"',
  'a script': 'Bearer error="insufficient_scope", resource_metadata="javascript:alert(1)"',
}

describe('a challenge', () => {
  it.each(Object.entries(fields))('of %s ends in a documented error, at once', async (_, field) => {
    for (const status of [401, 403])
      for (const tokens of [plain, bound]) {
        const { error, asked } = await call(status, { 'www-authenticate': field }, tokens)
        expect(asked).toBeLessThanOrEqual(2)
        if (!(error instanceof AuthorizationRequiredError)) continue
        expect(error.scopes.length).toBeLessThan(30)
        expect(error.message.length).toBeLessThan(2000)
        expect(everythingIn(error)).not.toMatch(/169\.254|javascript:/)
      }
  })

  it('asks for consent only where it names the one error for that, and never for fewer scopes', async () => {
    const { error } = await call(403, {
      'www-authenticate': 'Bearer error="insufficient_scope", scope="notes.write"',
    })
    expect(error).toMatchObject({ code: 'insufficient_scope', scopes: ['notes.read', 'notes.write'] })
    for (const word of ['insufficient', 'insufficient_scope_x', 'invalid_token', '']) {
      const { error: other } = await call(401, {
        'www-authenticate': `Bearer error="${word}", scope="admin"`,
      })
      expect(other).toBeInstanceOf(UnauthorizedError)
    }
  })

  it('is a documented error or an answer, whatever it says', async () => {
    const words = fc.constantFrom(
      'Bearer',
      'DPoP',
      'error',
      'scope',
      '"',
      '=',
      ',',
      '\\',
      ' ',
      'insufficient_scope',
      'use_dpop_nonce',
      'x',
    )
    const property = fc.asyncProperty(
      fc.array(words, { maxLength: 30 }),
      fc.boolean(),
      async (parts, isBound) => {
        const { asked } = await call(401, { 'www-authenticate': parts.join('') }, isBound ? bound : plain)
        expect(asked).toBeLessThanOrEqual(2)
      },
    )
    await fc.assert(property, { numRuns: 200, seed: 13 })
  })

  it('leads to no address but a page of the API itself', async () => {
    const asked: string[] = []
    const fetch = async (url: unknown) => {
      asked.push(String(url))
      return Response.json({ resource: api, authorization_servers: ['https://as.example'] })
    }
    for (const url of ['http://10.0.0.1/', 'file:///x', 'https://ada:b@evil.example/', 'https://[::1]/']) {
      const challenge = `Bearer resource_metadata="${url}"`
      const options = { fetch: fetch as typeof globalThis.fetch, challenge }
      expect((await judged(url, () => discoverProtectedResource(api, options))).error).toBeDefined()
    }
    expect(asked).toEqual([])
  })
})

describe('a nonce', () => {
  it('is used once more and not for ever, whatever it is', async () => {
    const wants = { 'www-authenticate': 'DPoP error="use_dpop_nonce"' }
    for (const nonce of ['n', 'x'.repeat(8000), '"\\"', 'a b', '__proto__', '.'.repeat(2000)]) {
      const { error, asked, proofs } = await call(401, { ...wants, 'dpop-nonce': nonce }, bound)
      expect(asked).toBeLessThanOrEqual(2)
      expect(error).toBeInstanceOf(UnauthorizedError)
      expect(new Set(proofs).size).toBe(proofs.length) // never the same proof twice
    }
  })

  it('of an API is not sent to another one', async () => {
    const seen: [string, unknown][] = []
    const fetch = async (url: unknown, init?: RequestInit) => {
      const [, payload = ''] = (new Headers(init?.headers).get('dpop') ?? '').split('.')
      seen.push([new URL(String(url)).host, JSON.parse(Buffer.from(payload, 'base64url').toString()).nonce])
      return new Response('{}', { headers: { 'dpop-nonce': `of-${new URL(String(url)).host}` } })
    }
    const open = { ...provider, apiHosts: ['a.example', 'b.example'] }
    const session = new Session(bound, { provider: open, fetch: fetch as typeof globalThis.fetch })
    for (const host of ['a', 'b', 'a', 'b']) await session.fetch(`https://${host}.example/`)
    expect(seen.slice(2)).toEqual([
      ['a.example', 'of-a.example'],
      ['b.example', 'of-b.example'],
    ])
    expect(seen[1]?.[1]).not.toBe('of-a.example')
  })
})
