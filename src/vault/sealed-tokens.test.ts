// Sealed token sets: nothing of a row's place can change under them; when a renewal is due.
import { describe, expect, it } from 'vitest'
import { KeyError } from '../errors.ts'
import { TokenSet } from '../oauth/index.ts'
import { generateKey, Keyring, SealingKey } from '../seal.ts'
import { SealedTokens } from './sealed-tokens.ts'
import type { ConnectionRow } from './store.ts'

const sealed = new SealedTokens(new Keyring(SealingKey.parse(generateKey())), 300)
const receivedAt = new Date(Date.UTC(2026, 0, 1))
const after = (seconds: number) => new Date(receivedAt.getTime() + seconds * 1000)
const tokens = new TokenSet({
  ...{ accessToken: 'canary-access', refreshToken: 'canary-refresh', idToken: 'canary-id' },
  ...{ expiresAt: after(3600), receivedAt, scopes: ['a', 'b'], extra: { team: 'T1' }, raw: { x: 1 } },
})
const place = { tenant: 't', id: 'id', user: 'ada', provider: 'slack', account: 'default', generation: 3 }
const row = { ...place, ...sealed.seal(place, tokens) } as ConnectionRow

describe('a sealed token set', () => {
  it('P49 comes back whole: expiry, scopes, extra, raw', () => {
    const opened = sealed.open(row)
    expect(opened).toEqual(tokens)
    expect(opened.serialize()).toBe(tokens.serialize())
  })

  it('P50 does not hold its tokens in the clear', () => {
    expect(Buffer.from(row.sealed).includes('canary')).toBe(false)
    expect(JSON.stringify(row)).not.toContain('canary')
  })

  it.each([
    ['tenant', 'other'],
    ['id', 'other'],
    ['user', 'bob'],
    ['provider', 'github'],
    ['account', 'work'],
    ['generation', 4],
    ['generation', 2],
  ])('does not open on a row with another %s', (name, value) => {
    try {
      sealed.open({ ...row, [name]: value })
    } catch (error) {
      expect(error).toBeInstanceOf(KeyError)
      expect(error).toMatchObject({ code: 'sealed_data_invalid' })
      return
    }
    throw new Error('it opened')
  })

  it('cannot be moved by shifting text between the parts of an address', () => {
    const shifted = { ...row, user: 'ada","slack', provider: 'default' }
    expect(() => sealed.open(shifted)).toThrow(KeyError)
  })
})

describe('what was opened before', () => {
  const remembering = () => {
    const vault = new SealedTokens(new Keyring(SealingKey.parse(generateKey())), 300, 2)
    const at = (id: string) => ({ ...place, id, ...vault.seal({ ...place, id }, tokens) }) as ConnectionRow
    return { vault, at }
  }

  it('is given out again for the very same row, without opening', () => {
    const { vault, at } = remembering()
    const first = at('one')
    const once = vault.open(first)
    const twice = vault.open(first)
    expect(twice).not.toBe(once) // remembered from the second opening on
    expect(vault.open({ ...first, sealed: Uint8Array.from(first.sealed) })).toBe(twice)
  })

  it.each(['tenant', 'user', 'provider', 'account'])('is not given out for another %s', (name) => {
    const { vault, at } = remembering()
    const first = at('one')
    for (let times = 0; times < 3; times += 1) vault.open(first)
    expect(() => vault.open({ ...first, [name]: 'other' })).toThrow(KeyError)
    expect(() => vault.open({ ...first, generation: 4 })).toThrow(KeyError)
  })

  it('is not given out for altered bytes', () => {
    const { vault, at } = remembering()
    const first = at('one')
    for (let times = 0; times < 3; times += 1) vault.open(first)
    const altered = Uint8Array.from(first.sealed)
    altered[altered.length - 1] = (altered.at(-1) ?? 0) ^ 1
    expect(() => vault.open({ ...first, sealed: altered })).toThrow(KeyError)
  })

  it('is bounded, and can be dropped', () => {
    const { vault, at } = remembering()
    const first = at('one')
    const others = Array.from({ length: 20 }, (_, index) => at(`other ${index}`))
    const remembered = () => {
      vault.open(first)
      return vault.open(first)
    }
    const opened = remembered()
    expect(vault.open(first)).toBe(opened)
    for (const other of others) vault.open(other)
    expect(vault.open(first)).toBe(opened) // a walk over many rows drops nothing
    for (const other of others) for (let times = 0; times < 2; times += 1) vault.open(other)
    expect(vault.open(first)).not.toBe(opened)
    const again = remembered()
    vault.forget('one')
    expect(vault.open(first)).not.toBe(again)
    const last = remembered()
    vault.forgetAll()
    expect(vault.open(first)).not.toBe(last)
  })
})

describe('a renewal', () => {
  const dueAfter = (lifetimeSeconds: number, earlySeconds = 300) => {
    const due = new SealedTokens(new Keyring(SealingKey.parse(generateKey())), earlySeconds).dueAt(
      tokens.with({ expiresAt: after(lifetimeSeconds) }),
    )
    return due === undefined ? undefined : (due - receivedAt.getTime()) / 1000
  }

  it.each([
    [3600, 300, 3300],
    [1500, 300, 1200],
    [1000, 300, 800],
    [60, 300, 48],
    [1, 300, 0.8],
    [3600, 0, 3600],
    [0, 300, 0],
    [-10, 300, -10],
  ])(
    'of a token that lives %i s is due, with an early window of %i s, after %d s',
    (lifetime, early, due) => {
      expect(dueAfter(lifetime, early)).toBe(due)
    },
  )

  it('is never due without an end or without a refresh token', () => {
    expect(sealed.dueAt(tokens.with({ expiresAt: null }))).toBeUndefined()
    expect(sealed.dueAt(tokens.with({ refreshToken: undefined }))).toBeUndefined()
    expect(sealed.seal(place, tokens.with({ refreshToken: undefined })).refreshDueAt).toBeNull()
  })
})
