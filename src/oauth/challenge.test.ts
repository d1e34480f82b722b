import { describe, expect, it } from 'vitest'
import { parseChallenges, stepUpIn, wantsNonce } from './challenge.ts'

describe('a WWW-Authenticate field', () => {
  const cases: [field: string | null, challenges: unknown[]][] = [
    [null, []],
    ['', []],
    [' , ,', []],
    ['Bearer', [{ scheme: 'bearer', parameters: {} }]],
    ['Bearer realm="a b"', [{ scheme: 'bearer', parameters: { realm: 'a b' } }]],
    ['bearer REALM=x , Error="y"', [{ scheme: 'bearer', parameters: { realm: 'x', error: 'y' } }]],
    [
      'Basic realm="a, Bearer error=\\"no\\"", Bearer error = "yes"',
      [
        { scheme: 'basic', parameters: { realm: 'a, Bearer error="no"' } },
        { scheme: 'bearer', parameters: { error: 'yes' } },
      ],
    ],
    // RFC 9110 section 11.6.1
    [
      'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""',
      [
        { scheme: 'basic', parameters: { realm: 'simple' } },
        { scheme: 'newauth', parameters: { realm: 'apps', type: '1', title: 'Login to "apps"' } },
      ],
    ],
    ['Negotiate abc==', [{ scheme: 'negotiate', parameters: {}, token68: 'abc==' }]],
    [
      'Negotiate a/b+c, Bearer, DPoP algs="ES256"',
      [
        { scheme: 'negotiate', parameters: {}, token68: 'a/b+c' },
        { scheme: 'bearer', parameters: {} },
        { scheme: 'dpop', parameters: { algs: 'ES256' } },
      ],
    ],
    // commas, schemes and quotes left out
    ['Bearer error="x" scope="y"', [{ scheme: 'bearer', parameters: { error: 'x', scope: 'y' } }]],
    ['error="x"', [{ scheme: '', parameters: { error: 'x' } }]],
    ['Bearer scope="never ends', [{ scheme: 'bearer', parameters: { scope: 'never ends' } }]],
    ['Bearer a=https://x/?b=c&d=e', [{ scheme: 'bearer', parameters: { a: 'https://x/?b=c&d=e' } }]],
    [
      'Bearer error="x" Basic realm="y"',
      [
        { scheme: 'bearer', parameters: { error: 'x' } },
        { scheme: 'basic', parameters: { realm: 'y' } },
      ],
    ],
    ['Bearer error="first", error="second"', [{ scheme: 'bearer', parameters: { error: 'first' } }]],
    ['Bearer __proto__="x"', [{ scheme: 'bearer', parameters: Object.fromEntries([['__proto__', 'x']]) }]],
    ['"===,,"', []],
  ]
  it.each(cases)('%j', (field, challenges) => {
    const found = parseChallenges(field).map((one) => ({ ...one, parameters: { ...one.parameters } }))
    expect(found).toEqual(challenges)
  })

  it.each(['a=', '"', ' ', 'a ', 'a="\\', ',a="b"', '=', 'Bearer x=="'])(
    'is read in no time, however long: %j',
    (part) => {
      const begun = performance.now()
      expect(parseChallenges(part.repeat(200_000)).length).toBeLessThan(16_385)
      expect(performance.now() - begun).toBeLessThan(500)
    },
  )
})

describe('what an API wants further', () => {
  it('scopes, by whatever scheme and in whatever place (RFC 6750)', () => {
    const field = 'Basic realm="x", DPoP error="insufficient_scope", scope="a b a,c", algs="ES256"'
    expect(stepUpIn(field)).toEqual({
      error: 'insufficient_scope',
      scopes: ['a', 'b', 'c'],
      acrValues: [],
      maxAgeSeconds: undefined,
      resourceMetadata: undefined,
    })
  })

  it('another sign-in (RFC 9470), and where the API describes itself (RFC 9728)', () => {
    const field =
      'Bearer error="insufficient_user_authentication", acr_values="gold silver", max_age="5", resource_metadata="https://api.example/.well-known/oauth-protected-resource"'
    expect(stepUpIn(field)).toMatchObject({
      error: 'insufficient_user_authentication',
      scopes: [],
      acrValues: ['gold', 'silver'],
      maxAgeSeconds: 5,
      resourceMetadata: 'https://api.example/.well-known/oauth-protected-resource',
    })
  })

  it('split as the provider joins them', () => {
    const wanted = stepUpIn('Bearer error=insufficient_scope, scope="a|b"', { scopeSeparator: '|' })
    expect(wanted?.scopes).toEqual(['a', 'b'])
  })

  it.each(['Bearer error="invalid_token"', 'Bearer', 'Bearer scope="a"', null])('nothing: %j', (field) => {
    expect(stepUpIn(field)).toBeUndefined()
  })

  it('never what is no scope, no number, no safe URL, and never without end', () => {
    const many = Array.from({ length: 100 }, (_, n) => `s${n}`).join(' ')
    const wanted = stepUpIn(
      `Bearer error="insufficient_scope", scope="bad\u0007 ${'x'.repeat(300)} ${many}", max_age="-1", resource_metadata="http://evil.example/"`,
    )
    expect(wanted?.scopes).toHaveLength(20)
    expect(wanted?.scopes[0]).toBe('s0')
    expect(wanted).toMatchObject({ maxAgeSeconds: undefined, resourceMetadata: undefined })
  })

  it('a nonce (RFC 9449 section 9)', () => {
    expect(wantsNonce('DPoP error="use_dpop_nonce", error_description="x"')).toBe(true)
    expect(wantsNonce('DPoP error="invalid_token"')).toBe(false)
  })
})
