import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { TokenSet, type TokenSetFields } from './token-set.ts'

const now = Date.parse('2026-03-01T12:00:00Z')
const secrets = ['canary-access-1', 'canary-refresh-2', 'canary-id-3', 'canary-raw-4', 'canary-extra-5']

const full: TokenSetFields = {
  accessToken: 'canary-access-1',
  refreshToken: 'canary-refresh-2',
  idToken: 'canary-id-3',
  tokenType: 'Bearer',
  expiresAt: new Date(now + 3_600_000),
  receivedAt: new Date(now),
  scopes: ['read', 'write'],
  extra: { webhook: 'https://hooks.example.com/canary-extra-5', workspace: { id: 7 } },
  raw: { access_token: 'canary-access-1', note: 'canary-raw-4' },
}

describe('a token set', () => {
  it.each([
    ['the last instant', 0, 3_600_000, false],
    ['one millisecond before it', 0, 3_599_999, true],
    ['exactly the seconds asked for', 60, 3_540_000, false],
    ['a millisecond more than asked for', 60, 3_539_999, true],
    ['a millisecond less than asked for', 60, 3_540_001, false],
    ['after its end', 0, 4_000_000, false],
    ['a negative margin, after its end', -10, 3_605_000, true],
  ])('R13 is valid up to a boundary: %s', (_, seconds, elapsedMs, valid) => {
    expect(new TokenSet(full).validFor(seconds, now + elapsedMs)).toBe(valid)
  })

  it('P34 without an end is valid for ever', () => {
    const tokens = new TokenSet({ accessToken: 'a' })
    expect(tokens.expiresAt).toBeNull()
    expect(tokens.validFor(1e9, now)).toBe(true)
  })

  it('survives serialize and parse', () => {
    const parsed = TokenSet.parse(new TokenSet(full).serialize())
    for (const name of Object.keys(full) as (keyof TokenSetFields)[]) expect(parsed[name]).toEqual(full[name])
    expect(parsed).toEqual(new TokenSet(full))
  })

  it('survives serialize and parse with nothing but an access token', () => {
    const tokens = new TokenSet({ accessToken: 'a', receivedAt: new Date(now) })
    const parsed = TokenSet.parse(tokens.serialize())
    expect(parsed).toMatchObject({
      tokenType: 'Bearer',
      expiresAt: null,
      receivedAt: new Date(now),
      scopes: [],
    })
    expect([parsed.refreshToken, parsed.idToken, parsed.raw, parsed.extra]).toEqual([
      undefined,
      undefined,
      {},
      {},
    ])
  })

  it.each([
    ['text', 'no json canary-access-1'],
    ['null', 'null'],
    ['a list', '[]'],
    ['another version', '{"v":2,"a":"canary-access-1"}'],
    ['no scopes', '{"v":1,"a":"canary-access-1","t":"Bearer","e":null,"n":1}'],
    ['no token', '{"v":1,"t":"Bearer","e":null,"n":1,"s":[]}'],
    ['no instant', '{"v":1,"a":"canary-access-1","t":"Bearer","e":"soon","n":1,"s":[]}'],
  ])('R22 refuses to parse %s, and does not quote it', (_, text) => {
    const parse = () => TokenSet.parse(text)
    expect(parse).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
    expect(parse).not.toThrow(/canary/)
  })

  it.each([
    ['inspect', (tokens: TokenSet) => inspect(tokens, { depth: null, showHidden: true, getters: false })],
    ['JSON', (tokens: TokenSet) => JSON.stringify({ tokens })],
    ['a spread', (tokens: TokenSet) => inspect({ ...tokens }, { depth: null })],
    ['text', (tokens: TokenSet) => String(tokens)],
    ['Object.entries', (tokens: TokenSet) => inspect(Object.entries(tokens), { depth: null })],
  ])('R22 P59 shows no secret by %s', (_, show) => {
    const shown = show(new TokenSet(full))
    for (const secret of secrets) expect(shown).not.toContain(secret)
  })

  it.each([
    ['empty', ''],
    ['with a space', 'a b'],
    ['with a line break', 'a\nb'],
    ['with a null character', 'a\u0000'],
    ['with an umlaut', 'ä'],
    ['a number', 7],
    ['undefined', undefined],
  ])('R8 refuses an access token that is %s', (_, accessToken) => {
    expect(() => new TokenSet({ accessToken: accessToken as string })).toThrow(/needs an accessToken/)
  })

  it('refuses a date that is none', () => {
    expect(() => new TokenSet({ accessToken: 'a', expiresAt: new Date('never') })).toThrow(/expiresAt/)
    expect(() => new TokenSet({ accessToken: 'a', receivedAt: new Date(Number.NaN) })).toThrow(/receivedAt/)
  })

  it('cannot be changed from outside', () => {
    const scopes = ['read']
    const expiresAt = new Date(now)
    const tokens = new TokenSet({ accessToken: 'a', scopes, expiresAt })
    scopes.push('admin')
    expiresAt.setFullYear(2999)
    expect(tokens.scopes).toEqual(['read'])
    expect(tokens.expiresAt).toEqual(new Date(now))
    expect(Object.isFrozen(tokens)).toBe(true)
  })

  it('makes a changed copy, everything else kept', () => {
    const copy = new TokenSet(full).with({ accessToken: 'other', expiresAt: null })
    expect([copy.accessToken, copy.expiresAt, copy.refreshToken]).toEqual(['other', null, 'canary-refresh-2'])
    expect([copy.idToken, copy.raw, copy.extra]).toEqual([full.idToken, full.raw, full.extra])
  })
})
