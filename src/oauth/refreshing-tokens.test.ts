import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ScriptedServer, startScriptedServer } from '../../test/servers/scripted-http.ts'
import { AuthorizationRequiredError, RefreshFailedError, TokenExpiredError } from '../errors.ts'
import { defineProvider } from '../providers/index.ts'
import { leewayOf, plainTokens, type RefreshingTokensOptions, refreshingTokens } from './refreshing-tokens.ts'
import { TokenSet, type TokenSetFields } from './token-set.ts'

const start = Date.parse('2026-03-01T12:00:00Z')
let time: number
let server: ScriptedServer
/** Refresh token that the server takes next; any other has been used, and kills the grant. */
let current: number

beforeEach(async () => {
  time = start
  current = 0
  server = await startScriptedServer(({ body }) => {
    const used = new URLSearchParams(body).get('refresh_token')
    if (used !== `refresh-${current}`) return { status: 400, body: { error: 'invalid_grant' } }
    current += 1
    return {
      body: { access_token: `access-${current}`, refresh_token: `refresh-${current}`, expires_in: 3600 },
    }
  })
})

afterEach(() => server.close())

function tokensAt(secondsLeft: number, fields: Partial<TokenSetFields> = {}): TokenSet {
  return new TokenSet({
    accessToken: 'access-0',
    refreshToken: 'refresh-0',
    expiresAt: new Date(start + secondsLeft * 1000),
    receivedAt: new Date(start + secondsLeft * 1000 - 3_600_000),
    scopes: ['read'],
    ...fields,
  })
}

function sourceOf(tokens: TokenSet, options: RefreshingTokensOptions = {}) {
  const provider = defineProvider({
    id: 'acme',
    authorizationUrl: `${server.origin}/authorize`,
    tokenUrl: `${server.origin}/token`,
  })
  return refreshingTokens(provider, { clientId: 'client-1' }, tokens, { now: () => time, ...options })
}

const failing = (status: number, body: unknown) => () => ({ status, body })

describe('R13 a refreshing source', () => {
  it('answers at once, without a promise, while the token is good', () => {
    const tokens = tokensAt(61)
    expect(sourceOf(tokens).token()).toBe(tokens)
  })

  it.each([
    ['an hour left', 3600, undefined, 0],
    ['61 seconds left', 61, undefined, 0],
    ['60 seconds left', 60, undefined, 1],
    ['expired', -5, undefined, 1],
    ['a leeway of its own, met', 301, 300, 0],
    ['a leeway of its own, not met', 300, 300, 1],
    ['no leeway, a second left', 1, 0, 0],
    ['no leeway, nothing left', 0, 0, 1],
  ])('refreshes when it has to: %s', async (_, left, leewaySeconds, refreshes) => {
    await sourceOf(tokensAt(left), leewaySeconds === undefined ? {} : { leewaySeconds }).token()
    expect(server.requests).toHaveLength(refreshes)
  })

  it('P34 never refreshes a token without an end', () => {
    const tokens = tokensAt(0, { expiresAt: null })
    expect(sourceOf(tokens).token({ validForSeconds: 1e6 })).toBe(tokens)
  })

  it.each([
    ['one hour', 3600, 60],
    ['one minute: a fifth', 60, 12],
    ['nothing', 0, 0],
    ['less than nothing', -100, 0],
  ])('the leeway of a lifetime of %s', (_, seconds, leeway) => {
    const tokens = new TokenSet({
      accessToken: 'a',
      receivedAt: new Date(start),
      expiresAt: new Date(start + seconds * 1000),
    })
    expect(leewayOf(tokens, 60)).toBe(leeway)
  })

  it('gives what a caller asks for', async () => {
    const source = sourceOf(tokensAt(600))
    await source.token({ validForSeconds: 500 })
    expect(server.requests).toHaveLength(0)
    await source.token({ validForSeconds: 601 })
    expect(server.requests).toHaveLength(1)
  })

  it('does not refresh at every call for more than a token can give', async () => {
    const source = sourceOf(tokensAt(0))
    for (let call = 0; call < 5; call += 1) await source.token({ validForSeconds: 86_400 })
    expect(server.requests).toHaveLength(1)
  })

  it('uses what it got: refresh, rotation, refresh', async () => {
    const source = sourceOf(tokensAt(0))
    expect((await source.token()).accessToken).toBe('access-1')
    time += 3_600_000
    expect((await source.token()).accessToken).toBe('access-2')
    expect(server.requests.map(({ body }) => new URLSearchParams(body).get('refresh_token'))).toEqual([
      'refresh-0',
      'refresh-1',
    ])
  })
})

describe('R15 many callers', () => {
  it('share one refresh, and none fails', async () => {
    const source = sourceOf(tokensAt(0))
    const results = await Promise.all(Array.from({ length: 100 }, () => source.token()))
    expect(new Set(results.map(({ accessToken }) => accessToken))).toEqual(new Set(['access-1']))
    expect(server.requests).toHaveLength(1)
  })

  it('who were refused the same token share one refresh, and late ones need none', async () => {
    const source = sourceOf(tokensAt(3000))
    await Promise.all(Array.from({ length: 20 }, () => source.token({ rejected: 'access-0' })))
    expect((await source.token({ rejected: 'access-0' })).accessToken).toBe('access-1')
    expect(server.requests).toHaveLength(1)
  })

  it('may give up alone', async () => {
    const source = sourceOf(tokensAt(0))
    const reason = new Error('enough')
    const controller = new AbortController()
    const first = source.token({ signal: controller.signal })
    const second = source.token()
    controller.abort(reason)
    await expect(first).rejects.toBe(reason)
    expect((await second).accessToken).toBe('access-1')
    await expect(sourceOf(tokensAt(0)).token({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(server.requests).toHaveLength(1)
  })

  it('leave no listener on their signals', async () => {
    const { signal } = new AbortController()
    const source = sourceOf(tokensAt(0))
    await Promise.all(Array.from({ length: 10 }, () => source.token({ signal })))
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  it('all hear of a failure, and the next call tries again', async () => {
    const answer = server.answer
    server.answer = failing(503, {})
    const source = sourceOf(tokensAt(0))
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => source.token()))
    expect(new Set(results.map(({ status }) => status))).toEqual(new Set(['rejected']))
    expect(server.requests).toHaveLength(1)
    server.answer = answer
    expect((await source.token()).accessToken).toBe('access-1')
  })
})

describe('R11 saving', () => {
  it('comes before anybody sees the new token', async () => {
    const order: string[] = []
    const onRefresh = async (tokens: TokenSet) => {
      await new Promise((resolve) => setTimeout(resolve, 10))
      order.push(`saved ${tokens.refreshToken}`)
    }
    const source = sourceOf(tokensAt(0), { onRefresh })
    await Promise.all(
      [1, 2].map(async (caller) => {
        await source.token()
        order.push(`caller ${caller}`)
      }),
    )
    expect(order[0]).toBe('saved refresh-1')
    expect(order).toHaveLength(3)
  })

  it('that fails is tried again before the tokens are handed out, and no second refresh is sent', async () => {
    const saved: (string | undefined)[] = []
    let broken = 2
    const source = sourceOf(tokensAt(0), {
      onRefresh: (tokens) => {
        broken -= 1
        if (broken >= 0) throw new Error('disk full')
        saved.push(tokens.refreshToken)
      },
    })
    await expect(source.token()).rejects.toThrow('disk full')
    await expect(source.token()).rejects.toThrow('disk full')
    expect((await source.token()).accessToken).toBe('access-1')
    expect([saved, server.requests.length]).toEqual([['refresh-1'], 1])
    expect(source.token()).toMatchObject({ accessToken: 'access-1' })
  })

  it('that fails does not bring the old token back, even a valid one', async () => {
    const source = sourceOf(tokensAt(30), { onRefresh: () => Promise.reject(new Error('disk full')) })
    await expect(source.token()).rejects.toThrow('disk full')
  })
})

describe('P41 a refresh that fails', () => {
  it('leaves a token that is still valid in use', async () => {
    server.answer = failing(503, {})
    const tokens = tokensAt(30)
    expect(await sourceOf(tokens).token()).toBe(tokens)
  })

  it('is an error once the token has expired', async () => {
    server.answer = failing(503, {})
    await expect(sourceOf(tokensAt(0)).token()).rejects.toMatchObject({
      name: 'RefreshFailedError',
      retryable: true,
    })
  })

  it('never gives back a token that an API refused, even to who joined a refresh of others', async () => {
    server.answer = failing(503, {})
    const source = sourceOf(tokensAt(30))
    const other = source.token()
    const refused = source.token({ rejected: 'access-0' })
    await expect(refused).rejects.toBeInstanceOf(RefreshFailedError)
    expect((await other).accessToken).toBe('access-0')
    expect(server.requests).toHaveLength(1)
  })

  it('the other way round: who began it was refused, who joined was not', async () => {
    server.answer = failing(503, {})
    const source = sourceOf(tokensAt(30))
    const refused = source.token({ rejected: 'access-0' })
    const other = source.token()
    await expect(refused).rejects.toBeInstanceOf(RefreshFailedError)
    expect((await other).accessToken).toBe('access-0')
  })

  it('P42 for good asks for consent, and is not tried again', async () => {
    server.answer = failing(400, { error: 'invalid_grant' })
    const source = sourceOf(tokensAt(0))
    for (let call = 0; call < 3; call += 1)
      await expect(source.token()).rejects.toMatchObject({
        name: 'AuthorizationRequiredError',
        code: 'needs_reconnect',
        scopes: ['read'],
      })
    expect(server.requests).toHaveLength(1)
  })

  it('P42 for good still leaves a valid token in use', async () => {
    server.answer = failing(400, { error: 'invalid_grant' })
    const source = sourceOf(tokensAt(30))
    for (let call = 0; call < 3; call += 1) expect((await source.token()).accessToken).toBe('access-0')
    await expect(source.token({ rejected: 'access-0' })).rejects.toBeInstanceOf(AuthorizationRequiredError)
    expect(server.requests).toHaveLength(1)
  })

  it('for want of a refresh token says so', async () => {
    const source = sourceOf(tokensAt(0, { refreshToken: undefined }))
    await expect(source.token()).rejects.toMatchObject({ code: 'refresh_unsupported' })
  })

  it('causes no unhandled rejection when nobody waits', async () => {
    server.answer = failing(503, {})
    const controller = new AbortController()
    const source = sourceOf(tokensAt(0))
    const waiting = source.token({ signal: controller.signal })
    controller.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
    await expect.poll(() => server.requests.length).toBe(1)
    await new Promise((resolve) => setTimeout(resolve, 20))
  })

  it('a refresh that returns the same access token is not repeated for ever', async () => {
    server.answer = () => ({ body: { access_token: 'access-0', expires_in: 3600 } })
    expect((await sourceOf(tokensAt(0)).token({ rejected: 'access-0' })).accessToken).toBe('access-0')
    expect(server.requests).toHaveLength(1)
  })
})

describe('R11 a plain token set as a source', () => {
  const source = plainTokens(tokensAt(60), () => time)

  it('answers until its end, then says so before anything is sent', () => {
    expect(source.token()).toMatchObject({ accessToken: 'access-0' })
    time = start + 60_000
    expect(() => source.token()).toThrow(TokenExpiredError)
    expect(() => source.token()).toThrow(expect.objectContaining({ expiredAt: new Date(start + 60_000) }))
  })

  it('never hands out a token that was refused', () => {
    expect(() => source.token({ rejected: 'access-0' })).toThrow(TokenExpiredError)
    expect(source.token({ rejected: 'another' })).toMatchObject({ accessToken: 'access-0' })
  })

  it('keeps the margin that is asked for', () => {
    expect(source.token({ validForSeconds: 59 })).toMatchObject({ accessToken: 'access-0' })
    expect(() => source.token({ validForSeconds: 60 })).toThrow(TokenExpiredError)
  })

  it('copes with an end at the end of time', () => {
    for (const end of [8.64e15, -8.64e15]) {
      const tokens = new TokenSet({ accessToken: 'a', expiresAt: new Date(end) })
      const outcome = () => plainTokens(tokens, () => time).token()
      if (end > 0) expect(outcome()).toBe(tokens)
      else expect(outcome).toThrow(TokenExpiredError)
    }
  })
})
