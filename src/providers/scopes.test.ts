// Scopes with each provider's separator, both ways.
import { describe, expect, it } from 'vitest'
import { joinScopes, splitScopes } from './index.ts'

describe('joinScopes', () => {
  it('P24 joins with the separator of the provider and drops doubles', () => {
    expect(joinScopes({}, ['a', 'b', 'a'])).toBe('a b')
    expect(joinScopes({ scopeSeparator: ',' }, ['a:read', 'b'])).toBe('a:read,b')
    expect(joinScopes({}, [])).toBe('')
  })

  it('P24 takes a string that is already joined', () => {
    expect(joinScopes({ scopeSeparator: ',' }, 'a b')).toBe('a,b')
    expect(joinScopes({}, ' a  b ')).toBe('a b')
  })

  it.each([[''], ['a b'], ['a\nb'], ['ä'], [7]])('refuses the scope %j', (scope) => {
    expect(() => joinScopes({}, [scope as string])).toThrow(
      expect.objectContaining({ code: 'invalid_argument' }),
    )
  })

  it('refuses a scope that holds the separator', () => {
    expect(() => joinScopes({ scopeSeparator: ',' }, ['a,b'])).toThrow(/own array element/)
    expect(joinScopes({}, ['a,b'])).toBe('a,b')
  })
})

describe('splitScopes', () => {
  it.each([
    [{}, 'a b', ['a', 'b']],
    [{}, 'repo,user', ['repo', 'user']],
    [{ scopeSeparator: ',' }, 'read write', ['read', 'write']],
    [{ scopeSeparator: ',' }, 'a, b,,a', ['a', 'b']],
    [{ scopeSeparator: ';' }, 'a;b', ['a', 'b']],
    [{ scopeSeparator: ':' }, 'a:b', ['a', 'b']],
    [{}, 'https://www.googleapis.com/auth/drive openid', ['https://www.googleapis.com/auth/drive', 'openid']],
    [{}, '  ', []],
  ])('R8 splits with %j: %j', (rules, text, scopes) => {
    expect(splitScopes(rules, text)).toEqual(scopes)
  })
})
