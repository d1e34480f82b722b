import { describe, expect, it } from 'vitest'
import { defineProvider } from '../providers/index.ts'
import { assertSamePerson } from './hybrid-callback.ts'

const provider = defineProvider({ id: 'acme', issuer: 'https://as.example' })

function idToken(claims: object): string {
  const part = (value: object) => btoa(JSON.stringify(value)).replace(/=+$/, '')
  return `${part({ alg: 'ES256' })}.${part(claims)}.x`
}

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
