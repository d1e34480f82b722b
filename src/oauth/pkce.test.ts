import { describe, expect, it } from 'vitest'
import { generateCodeChallenge, generateCodeVerifier, randomState } from './pkce.ts'

describe('PKCE', () => {
  it('P11 makes the challenge of RFC 7636 appendix B', async () => {
    expect(await generateCodeChallenge('dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk')).toBe(
      'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    )
  })

  it('P11 makes verifiers of 64 characters of the RFC 7636 alphabet, each another', () => {
    const verifiers = Array.from({ length: 200 }, generateCodeVerifier)
    for (const verifier of verifiers) expect(verifier).toMatch(/^[A-Za-z0-9._~-]{64}$/)
    expect(new Set(verifiers).size).toBe(200)
    expect(new Set(verifiers.join('')).size).toBe(64) // every character of the alphabet turns up
  })

  it('P9 makes states of more than 128 bits, each another', () => {
    const states = Array.from({ length: 200 }, randomState)
    for (const state of states) expect(state).toMatch(/^[A-Za-z0-9_-]{32}$/)
    expect(new Set(states).size).toBe(200)
  })
})
