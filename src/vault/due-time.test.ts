// When a grant is looked at next: boundary cases of the early window, of idleness, and of lives that end.
import { describe, expect, it } from 'vitest'
import { TokenSet } from '../oauth/index.ts'
import { defineProvider, type ProviderDefinition } from '../providers/index.ts'
import { DueTime } from './due-time.ts'

const received = Date.UTC(2026, 0, 1)
const hour = 3_600_000
const day = 24 * hour

const tokens = (lifetimeMs: number | null = hour, refreshToken: string | undefined = 'refresh') =>
  new TokenSet({
    ...{ accessToken: 'access', refreshToken, receivedAt: new Date(received) },
    expiresAt: lifetimeMs === null ? null : new Date(received + lifetimeMs),
  })
const provider = (facts: Partial<ProviderDefinition> = {}) =>
  defineProvider({
    ...{ id: 'acme', authorizationUrl: 'https://acme.test/a', tokenUrl: 'https://acme.test/t' },
    ...facts,
  })
const due = (random = 0) => new DueTime({ random: () => random })

describe('for readers a token is due', () => {
  it.each([
    ['5 minutes before its end', hour, hour - 300_000],
    ['or a fifth of its life, if that is less', 600_000, 480_000],
    ['at once when it has no life at all', 0, 0],
  ])('%s', (_name, lifetimeMs, expected) => {
    expect(due().forReaders(tokens(lifetimeMs))).toBe(received + expected)
  })

  it('never without an end, or without a refresh token', () => {
    expect(due().forReaders(tokens(null))).toBeNull()
    expect(due().forReaders(tokens().with({ refreshToken: undefined }))).toBeNull()
  })
})

describe('for the scheduler a grant is due', () => {
  const life = (facts: Partial<ProviderDefinition> = {}, idleForMs = 0, grantedAgoMs = 0) => ({
    provider: provider(facts),
    usedAt: received - idleForMs,
    grantedAt: received - grantedAgoMs,
  })

  it('in the first half of the early window while it is in use', () => {
    expect(due(0).forScheduler(tokens(), life())).toBe(received + hour - 300_000)
    expect(due(1).forScheduler(tokens(), life())).toBe(received + hour - 150_000)
    expect(due(0).forScheduler(tokens(), life({}, day))).toBe(received + hour - 300_000)
  })

  it('as rarely as the idle lifetime needs when nobody used it for a day, spread by chance', () => {
    const facts = { refreshTokenIdleSeconds: (90 * day) / 1000 }
    expect(due(0).forScheduler(tokens(), life(facts, day + 1))).toBe(received + 60 * day)
    expect(due(1).forScheduler(tokens(), life(facts, day + 1))).toBe(received + 54 * day)
  })

  it('after a week when the provider does not say, and never when idleness ends nothing', () => {
    expect(due().forScheduler(tokens(), life({}, day + 1))).toBe(received + 7 * day)
    expect(due().forScheduler(tokens(), { ...life({}, day + 1), provider: undefined })).toBe(
      received + 7 * day,
    )
    expect(due().forScheduler(tokens(), life({ refreshTokenIdleSeconds: null }, day + 1))).toBeNull()
    expect(due().forScheduler(tokens(), life({ refreshTokenIdleSeconds: null }))).not.toBeNull()
  })

  it('not before a long-lived access token needs it, unless the refresh token ends before', () => {
    expect(due().forScheduler(tokens(60 * day), life({}, day + 1))).toBe(received + 60 * day - 300_000)
    const facts = { refreshTokenIdleSeconds: (30 * day) / 1000 }
    expect(due().forScheduler(tokens(60 * day), life(facts))).toBe(received + 20 * day)
  })

  it('not in vain: never after the grant has ended, whatever is done', () => {
    const facts = { refreshTokenLifetimeSeconds: (365 * day) / 1000 }
    expect(due().forScheduler(tokens(), life(facts, 0, 365 * day - hour))).toBe(received + hour - 300_000)
    expect(due().forScheduler(tokens(), life(facts, 0, 365 * day - hour + 300_000))).toBeNull()
  })

  it('by the store’s clock, which may be another than that of the tokens', () => {
    const ahead = { ...life(), aheadMs: 7000 }
    expect(due().forScheduler(tokens(), ahead)).toBe(received + hour - 300_000 + 7000)
  })

  it('not at once again after a refresh, whatever the clocks and the provider say', () => {
    const renewed = { ...life(), renewedAt: received + 2 * hour }
    expect(due().forScheduler(tokens(), renewed)).toBe(received + 2 * hour + 10_000)
    expect(due().forScheduler(tokens(4000), renewed)).toBe(received + 2 * hour + 2000)
    expect(due().forScheduler(tokens(0), { ...life(), renewedAt: received })).toBe(received + 10_000)
    expect(due().forScheduler(tokens(0), life())).toBe(received)
  })

  it('never where nothing is renewed', () => {
    expect(due().forScheduler(tokens(null), life())).toBeNull()
    expect(due().forScheduler(tokens(), life({ refresh: 'none' }))).toBeNull()
    expect(due().forScheduler(tokens().with({ refreshToken: undefined }), life())).toBeNull()
  })
})
