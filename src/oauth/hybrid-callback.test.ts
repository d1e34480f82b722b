import { describe, expect, it } from 'vitest'
import { defineProvider } from '../providers/index.ts'
import { assertSamePerson, idTokenBeside } from './hybrid-callback.ts'
import { pendingAuthorization } from './pending-authorization.ts'

const provider = defineProvider({ id: 'acme', issuer: 'https://as.example' })

function idToken(claims: object): string {
  const part = (value: object) => btoa(JSON.stringify(value)).replace(/=+$/, '')
  return `${part({ alg: 'ES256' })}.${part(claims)}.x`
}

describe('the id_token beside the code', () => {
  it('is refused where nobody can say whether it is for that code (no hash for its algorithm)', async () => {
    const now = 1_800_000_000
    const claims = { iss: 'https://as.example', aud: 'us', sub: 'ada', nonce: 'n', iat: now, exp: now + 60 }
    const part = (value: object) => btoa(JSON.stringify(value)).replace(/=+$/, '')
    const beside = `${part({ alg: 'ML-DSA-44' })}.${part({ ...claims, c_hash: 'of-another-code' })}.x`
    const signed = defineProvider({
      ...{ id: 'acme', issuer: 'https://as.example', jwksUrl: 'https://as.example/jwks' },
      ...{ authorizationUrl: 'https://as.example/a', tokenUrl: 'https://as.example/t' },
    })
    const pending = pendingAuthorization({
      ...{ version: 1, provider: 'acme', clientId: 'us', state: 'state-state', nonce: 'n' },
      ...{ redirectUri: 'https://us.example/', scopes: [], createdAt: 0, expiresAt: now * 2000 },
    })
    const parameters = new URLSearchParams({ code: 'injected', id_token: beside })
    const fetch: typeof globalThis.fetch = async () => Response.json({ keys: [] })
    const options = { fetch, now: () => now * 1000 }
    const refused = idTokenBeside(signed, { clientId: 'us' }, pending, parameters, options)
    await expect(refused).rejects.toMatchObject({
      code: 'id_token_invalid',
      message: expect.stringContaining('nobody can check its c_hash'),
    })
  })
})

describe('the id_token of the token endpoint, after one beside the code', () => {
  const beside = idToken({ iss: 'https://as.example', sub: 'ada', nonce: 'n' })

  it.each([
    ['is about the same person', idToken({ iss: 'https://as.example', sub: 'ada' })],
    ['may be missing', undefined],
  ])('%s', (_, later) => {
    expect(() => assertSamePerson(provider, beside, later)).not.toThrow()
  })

  it.each([
    ['another person', idToken({ iss: 'https://as.example', sub: 'eve' })],
    ['the same name at another issuer', idToken({ iss: 'https://evil.example', sub: 'ada' })],
    ['nobody', idToken({ iss: 'https://as.example' })],
    ['nothing that can be read', 'x.y.z'],
  ])('is refused when it is about %s', (_, later) => {
    expect(() => assertSamePerson(provider, beside, later)).toThrow(
      expect.objectContaining({ code: 'id_token_invalid' }),
    )
  })
})
