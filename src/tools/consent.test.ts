// Consent around calls, with the real loopback flow and a real vault: up front, at the call, blocking; step-up, refusals.
import { connect as connectSocket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import {
  AuthorizationDeniedError,
  AuthorizationRequiredError,
  ConfigurationError,
  StoreError,
  TimeoutError,
  ToolFailedError,
} from '../errors.ts'
import type { Flow } from '../flows/index.ts'
import { startAuthorizationServer } from '../testing/index.ts'
import { tool } from './index.ts'
import { House } from './toolbox-fixture.contract.ts'

const input = z.object({})

function caller(name: string, scopes: readonly string[], path = '/me', provider = 'acme') {
  return tool({
    name,
    description: `Calls ${path}.`,
    input,
    auth: { provider, scopes },
    run: async (_, { fetch, user }) => ({ user, answer: await (await fetch(path)).json() }),
  })
}
const read = caller('read', ['read'])
const write = caller('write', ['write'])
const admin = caller('admin', ['read'], '/scope/admin')

let house: House

beforeEach(async () => {
  house = await House.open({}, { other: {} })
})
afterEach(() => house.close())

async function required(attempt: Promise<unknown>): Promise<AuthorizationRequiredError & { url: string }> {
  const error = await attempt.then(
    (value) => expect.fail(JSON.stringify(value)),
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(AuthorizationRequiredError)
  expect((error as AuthorizationRequiredError).url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/authorize\?/)
  return error as AuthorizationRequiredError & { url: string }
}

const scopesOf = (url: string) => new URL(url).searchParams.get('scope')?.split(' ')
const authorizations = () => house.server.requests('authorization').length

describe('at the call', () => {
  it('P84 P85 pauses with provider, scopes and URL; the same URL again; the result after consent', async () => {
    const toolbox = house.toolbox([read])
    const first = await required(toolbox.for({ user: 'ada' }).call('read'))
    expect(first).toMatchObject({ code: 'not_connected', provider: 'acme', scopes: ['read'] })
    expect(first.expiresAt?.getTime()).toBeGreaterThan(Date.now() + 500_000)
    const again = await Promise.all(
      [1, 2, 3].map(() => required(toolbox.for({ user: 'ada' }).call('read', '{}'))),
    )
    expect(again.map(({ url }) => url)).toEqual([first.url, first.url, first.url])

    await house.server.browse(first.url)
    expect(await toolbox.for({ user: 'ada' }).call('read')).toEqual({
      user: 'ada',
      answer: expect.objectContaining({ path: '/me', user: 'ada', scopes: ['read'] }),
    })
    expect(house.server.requests('token')).toHaveLength(1)
    expect(house.events.filter(({ type }) => type === 'consent.started')).toHaveLength(1)
    expect(house.events.filter(({ type }) => type === 'consent.finished')).toHaveLength(1)
  })

  it('P85 calls at the same moment start one flow', async () => {
    const toolbox = house.toolbox([read]).for({ user: 'ada' })
    const errors = await Promise.all(Array.from({ length: 20 }, () => required(toolbox.call('read'))))
    expect(new Set(errors.map(({ url }) => url)).size).toBe(1)
    expect(house.events.filter(({ type }) => type === 'consent.started')).toHaveLength(1)
  })

  it('P84 tryCall reports the pause as data', async () => {
    const outcome = await house.toolbox([write]).for({ user: 'ada' }).tryCall('write')
    expect(outcome).toMatchObject({
      ok: false,
      paused: true,
      result: {
        provider: 'acme',
        code: 'not_connected',
        scopes: ['write'],
        missing: ['write'],
        message: 'Open the link to connect ACME: write.',
      },
    })
    if (!outcome.paused) return expect.fail()
    expect(outcome.result.url).toBe(outcome.error.url)
    expect(outcome.required).toEqual([outcome.result])
  })

  it('P85 the grant is saved once even if nobody waits or calls', async () => {
    const save = vi.spyOn(house.vault, 'save')
    const error = await required(house.toolbox([read]).for({ user: 'ada' }).call('read'))
    await house.server.browse(error.url)
    await vi.waitFor(async () =>
      expect(await house.vault.connection({ user: 'ada', provider: 'acme' })).toMatchObject({
        scopes: ['read'],
      }),
    )
    expect(save).toHaveBeenCalledTimes(1)
  })

  it('P90 one user’s consent is not another’s', async () => {
    const toolbox = house.toolbox([read])
    const [ada, bob] = await Promise.all(
      ['ada', 'bob'].map((user) => required(toolbox.for({ user }).call('read'))),
    )
    expect(ada?.url).not.toBe(bob?.url)
    await house.server.browse(String(ada?.url), { user: 'ada' })
    expect(await toolbox.for({ user: 'ada' }).call('read')).toMatchObject({ answer: { user: 'ada' } })
    expect((await required(toolbox.for({ user: 'bob' }).call('read'))).url).toBe(bob?.url)
  })

  it('a tool that needs two providers asks for both at once', async () => {
    const both = tool({
      name: 'both',
      description: 'Uses two.',
      input,
      auth: [
        { provider: 'acme', scopes: ['a'] },
        { provider: 'other', scopes: ['b'] },
      ],
      run: async (_, { auth }) => [
        await (await auth.acme.fetch('/1')).json(),
        await (await auth.other.fetch('/2')).json(),
      ],
    })
    const toolbox = house.toolbox([both]).for({ user: 'ada' })
    const outcome = await toolbox.tryCall('both')
    if (!outcome.paused) return expect.fail()
    expect(outcome.required.map(({ provider }) => provider)).toEqual(['acme', 'other'])
    for (const { url } of outcome.required) await house.server.browse(url)
    expect(await toolbox.call('both')).toMatchObject([
      { path: '/1', scopes: ['a'] },
      { path: '/2', scopes: ['b'] },
    ])
  })

  it('P42 a dead grant pauses with a new URL, which asks for what was granted', async () => {
    await house.connect('ada', ['read', 'extra'])
    house.server.revokeGrants()
    const error = await required(house.toolbox([read]).for({ user: 'ada' }).call('read'))
    expect(error.code).toBe('needs_reconnect')
    expect(scopesOf(error.url)?.toSorted()).toEqual(['extra', 'read'])
  })

  it('a connection made elsewhere ends the pause and frees the port', async () => {
    const toolbox = house.toolbox([read]).for({ user: 'ada' })
    const { url } = await required(toolbox.call('read'))
    const port = Number(new URL(new URL(url).searchParams.get('redirect_uri') ?? '').port)
    await house.connect('ada', ['read'])
    expect(await toolbox.call('read')).toMatchObject({ user: 'ada' })
    await vi.waitFor(() => expect(isFree(port)).resolves.toBe(true))
  })
})

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectSocket(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.on('error', () => resolve(true))
  })
}

describe('up front', () => {
  it('P82 one item for each provider that lacks something, with the union of scopes; satisfied ones are absent', async () => {
    await house.connect('ada', ['x'], { provider: 'other' })
    const tools = [read, write, caller('more', ['read', 'more']), caller('elsewhere', ['x'], '/me', 'other')]
    const toolbox = house.toolbox(tools).for({ user: 'ada' })
    const items = await toolbox.authorize()
    expect(items).toMatchObject([
      {
        provider: 'acme',
        code: 'not_connected',
        scopes: ['read', 'write', 'more'],
        message: expect.stringContaining('ACME'),
      },
    ])
    expect(scopesOf(String(items[0]?.url))).toEqual(['read', 'write', 'more'])
    expect((await toolbox.authorize())[0]?.url).toBe(items[0]?.url)
    // A call that needs less is covered by the same link.
    expect((await required(toolbox.call('write'))).url).toBe(items[0]?.url)
    await house.server.browse(String(items[0]?.url))
    await items[0]?.wait()
    expect(await toolbox.authorize()).toEqual([])
    expect(authorizations()).toBe(1)
  })

  it('P82 further scopes and chosen tools', async () => {
    const toolbox = house.toolbox([read, write]).for({ user: 'ada' })
    const items = await toolbox.authorize({ tools: ['read'], scopes: { acme: ['openid'], other: ['z'] } })
    expect(items.map(({ provider, scopes }) => [provider, scopes])).toEqual([
      ['acme', ['read', 'openid']],
      ['other', ['z']],
    ])
    await expect(toolbox.authorize({ tools: ['nope'] })).rejects.toThrow(/no tool called "nope"/)
  })

  it('P83 wait resolves when all are connected', async () => {
    const toolbox = house.toolbox([read, caller('elsewhere', ['x'], '/me', 'other')]).for({ user: 'ada' })
    const items = await toolbox.authorize()
    const waiting = toolbox.wait()
    for (const { url } of items) await house.server.browse(url)
    expect((await waiting).map(({ provider }) => provider)).toEqual(['acme', 'other'])
    expect(await toolbox.wait()).toEqual([])
  })

  it('P83 wait rejects at once with the provider’s name on denial', async () => {
    const toolbox = house.toolbox([read, caller('elsewhere', ['x'], '/me', 'other')]).for({ user: 'ada' })
    const items = await toolbox.authorize()
    const refused = expect(toolbox.wait()).rejects.toMatchObject({ code: 'access_denied', provider: 'other' })
    const begun = Date.now()
    await house.server.browse(String(items[1]?.url), { approve: false })
    await refused
    expect(Date.now() - begun).toBeLessThan(2000)
  })

  it('P83 wait hears of a denial that came before it', async () => {
    const toolbox = house.toolbox([read]).for({ user: 'ada' })
    const [item] = await toolbox.authorize()
    await house.server.browse(String(item?.url), { approve: false })
    await vi.waitFor(() =>
      expect(house.events.at(-1)).toMatchObject({ type: 'consent.failed', code: 'access_denied' }),
    )
    await expect(toolbox.wait()).rejects.toBeInstanceOf(AuthorizationDeniedError)
  })

  it('P83 wait ends with TimeoutError, and the link stays usable', async () => {
    const toolbox = house.toolbox([read]).for({ user: 'ada' })
    const [item] = await toolbox.authorize()
    await expect(toolbox.wait({ timeoutMs: 20 })).rejects.toBeInstanceOf(TimeoutError)
    await expect(item?.wait({ timeoutMs: 20 })).rejects.toThrow(/acme within 20 ms/)
    await house.server.browse(String(item?.url))
    expect(await item?.wait()).toMatchObject({ provider: 'acme', scopes: ['read'] })
  })

  it('P83 wait stops with its signal', async () => {
    const toolbox = house.toolbox([read]).for({ user: 'ada' })
    await expect(toolbox.wait({ signal: AbortSignal.timeout(20) })).rejects.toMatchObject({
      name: 'TimeoutError',
    })
  })

  it('P88 recommended scopes are off by default and asked for when switched on', async () => {
    const rich = await House.open({}, { rich: { defaultScopes: ['profile', 'email'] } })
    const tools = [caller('read', ['read'], '/me', 'rich')]
    const scopes = async (recommendedScopes?: boolean | Record<string, boolean | readonly string[]>) => {
      const toolbox = rich.toolbox(tools, { recommendedScopes })
      return (await toolbox.for({ user: 'ada' }).authorize())[0]?.scopes
    }
    expect(await scopes()).toEqual(['read'])
    expect(await scopes({ other: true })).toEqual(['read'])
    expect(await scopes({ rich: false })).toEqual(['read'])
    expect(await scopes({ rich: ['more'] })).toEqual(['read', 'more'])
    expect(await scopes(true)).toEqual(['read', 'profile', 'email'])
    await rich.close()
  })

  it('P88 recommended scopes are not insisted on', async () => {
    const toolbox = house.toolbox([read], { recommendedScopes: { acme: ['nice'] } }).for({ user: 'ada' })
    const [item] = await toolbox.authorize()
    await house.server.browse(String(item?.url), { scopes: ['read'] })
    await item?.wait()
    expect(await toolbox.call('read')).toMatchObject({ answer: { scopes: ['read'] } })
  })
})

describe('after a refusal', () => {
  it('the next call says so once, and the one after makes a new link', async () => {
    const toolbox = house.toolbox([read]).for({ user: 'ada' })
    const { url } = await required(toolbox.call('read'))
    await house.server.browse(url, { approve: false })
    await vi.waitFor(() => expect(house.events.at(-1)?.type).toBe('consent.failed'))
    await expect(toolbox.call('read')).rejects.toMatchObject({ code: 'access_denied', provider: 'acme' })
    expect((await required(toolbox.call('read'))).url).not.toBe(url)
  })

  it('asking up front forgets it', async () => {
    const toolbox = house.toolbox([read]).for({ user: 'ada' })
    const { url } = await required(toolbox.call('read'))
    await house.server.browse(url, { approve: false })
    await vi.waitFor(() => expect(house.events.at(-1)?.type).toBe('consent.failed'))
    expect((await toolbox.authorize())[0]?.url).not.toBe(url)
  })

  it('a link that ran out is replaced without a word', async () => {
    const toolbox = house.toolbox([read], { consentTimeoutMs: 50 }).for({ user: 'ada' })
    const { url } = await required(toolbox.call('read'))
    await new Promise((resolve) => setTimeout(resolve, 80))
    expect((await required(toolbox.call('read'))).url).not.toBe(url)
  })

  it('a flow that cannot begin says why, to everybody who asked, and leaves nothing behind', async () => {
    const flow: Flow = {
      start: () => Promise.reject(new ConfigurationError('redirect_uri_not_loopback', 'no')),
    }
    const toolbox = house.toolbox([read], { flow }).for({ user: 'ada' })
    const outcomes = await Promise.allSettled([toolbox.call('read'), toolbox.call('read')])
    expect(outcomes).toMatchObject([
      { reason: { code: 'redirect_uri_not_loopback' } },
      { reason: { code: 'redirect_uri_not_loopback' } },
    ])
    await expect(toolbox.call('read')).rejects.toMatchObject({ code: 'redirect_uri_not_loopback' })
  })
})

describe('step-up', () => {
  it('P86 tools that need only the old scopes keep working while it is pending, and after it is abandoned', async () => {
    await house.connect('ada', ['read'])
    const toolbox = house.toolbox([read, write]).for({ user: 'ada' })
    const error = await required(toolbox.call('write'))
    expect(error.code).toBe('missing_scope')
    expect(scopesOf(error.url)).toEqual(['read', 'write'])
    const outcome = await toolbox.tryCall('write')
    expect(outcome).toMatchObject({
      paused: true,
      result: { missing: ['write'], scopes: ['read', 'write'], account: 'default' },
    })
    expect(await toolbox.call('read')).toMatchObject({ answer: { scopes: ['read'] } })
    await house.server.browse(error.url, { approve: false })
    await vi.waitFor(() => expect(house.events.at(-1)?.type).toBe('consent.failed'))
    expect(await toolbox.call('read')).toMatchObject({ answer: { scopes: ['read'] } })
    await expect(toolbox.call('write')).rejects.toMatchObject({ code: 'access_denied' })
    expect(await toolbox.call('read')).toMatchObject({ answer: { scopes: ['read'] } })
    expect(await house.vault.connection({ user: 'ada', provider: 'acme' })).toMatchObject({
      status: 'active',
      scopes: ['read'],
    })
  })

  it('P86 after consent both work with one connection', async () => {
    await house.connect('ada', ['read'])
    const toolbox = house.toolbox([read, write]).for({ user: 'ada' })
    await house.server.browse((await required(toolbox.call('write'))).url)
    expect(await toolbox.call('write')).toMatchObject({ answer: { scopes: ['read', 'write'] } })
    expect(await toolbox.call('read')).toMatchObject({ answer: { scopes: ['read', 'write'] } })
    expect(await house.vault.connections({ user: 'ada' })).toHaveLength(1)
  })

  it('P86 a wider consent ends a narrower one, which could only take something away', async () => {
    const toolbox = house.toolbox([read, write]).for({ user: 'ada' })
    const narrow = await required(toolbox.call('read'))
    const wide = (await toolbox.authorize())[0]
    expect(wide?.url).not.toBe(narrow.url)
    await house.server.browse(String(wide?.url))
    await wide?.wait()
    await expect(house.server.browse(narrow.url)).rejects.toThrow()
    expect(await house.vault.connection({ user: 'ada', provider: 'acme' })).toMatchObject({
      scopes: ['read', 'write'],
    })
  })

  it('P87 a partial grant affects only the tool that needs what is missing', async () => {
    const toolbox = house.toolbox([read, write]).for({ user: 'ada' })
    const [item] = await toolbox.authorize()
    await house.server.browse(String(item?.url), { scopes: ['read'] })
    expect(await item?.wait()).toMatchObject({ scopes: ['read'] })
    expect(await toolbox.call('read')).toMatchObject({ answer: { scopes: ['read'] } })
    expect(await required(toolbox.call('write'))).toMatchObject({
      code: 'missing_scope',
      scopes: ['read', 'write'],
    })
  })

  it('P87 an API’s insufficient_scope asks for the scopes it names, and the call then works', async () => {
    await house.connect('ada', ['read'])
    const toolbox = house.toolbox([admin]).for({ user: 'ada' })
    const error = await required(toolbox.call('admin'))
    expect(error).toMatchObject({ code: 'missing_scope', scopes: ['read', 'admin'] })
    expect(scopesOf(error.url)).toEqual(['read', 'admin'])
    expect((await required(toolbox.call('admin'))).url).toBe(error.url)
    await house.server.browse(error.url)
    expect(await toolbox.call('admin')).toMatchObject({ answer: { path: '/scope/admin' } })
  })

  it('P87 nobody but the API itself is asked which scopes a person should grant', async () => {
    await house.connect('ada', ['read'])
    await using stranger = await startAuthorizationServer()
    const challenge = 'Bearer error="insufficient_scope", scope="delete_everything"'
    stranger.script('api', [{ status: 403, headers: { 'www-authenticate': challenge } }])
    house.server.script('api', [{ status: 302, headers: { location: `${stranger.url}/api/x` } }])
    const look = tool({
      name: 'look',
      description: 'Follows whatever link there is.',
      input,
      auth: { provider: 'acme', scopes: ['read'] },
      run: async (_, { fetch }) => (await fetch('/link')).status,
    })
    expect(await house.toolbox([look]).for({ user: 'ada' }).call('look')).toBe(403)
    expect(stranger.requests('api').map(({ headers }) => headers['authorization'])).toEqual([undefined])
  })

  it('P87 an API that wants another scope each time does not take every port', async () => {
    await house.connect('ada', ['read'])
    const toolbox = house.toolbox([read])
    const other = await required(toolbox.for({ user: 'bob' }).call('read'))
    const urls: string[] = []
    for (let n = 0; n < 12; n += 1) {
      const challenge = `Bearer error="insufficient_scope", scope="s${n}"`
      house.server.script('api', [{ status: 403, headers: { 'www-authenticate': challenge } }])
      urls.push((await required(toolbox.for({ user: 'ada' }).call('read'))).url)
    }
    const port = (url: string) => Number(new URL(new URL(url).searchParams.get('redirect_uri') ?? '').port)
    await vi.waitFor(async () => {
      const free = await Promise.all([...urls, other.url].map((url) => isFree(port(url))))
      expect(free).toEqual([true, true, ...Array(11).fill(false)])
    })
  })

  it('P87 insufficient_scope with everything granted is a plain failure, not a circle', async () => {
    await house.connect('ada', ['read', 'admin'])
    house.server.script('api', [
      { status: 403, headers: { 'www-authenticate': 'Bearer error="insufficient_scope", scope="admin"' } },
      { status: 403, headers: { 'www-authenticate': 'Bearer error="insufficient_scope"' } },
    ])
    const toolbox = house.toolbox([admin]).for({ user: 'ada' })
    for (const _ of [1, 2])
      await expect(toolbox.call('admin')).rejects.toMatchObject({
        code: 'tool_failed',
        message: expect.stringContaining('although all of them were granted'),
      })
    expect(authorizations()).toBe(0)
  })

  it('P87 insufficient_scope after the person left the scope out is a plain failure too', async () => {
    await house.connect('ada', ['read'])
    const toolbox = house.toolbox([admin]).for({ user: 'ada' })
    await house.server.browse((await required(toolbox.call('admin'))).url, { scopes: ['read'] })
    await expect(toolbox.call('admin')).rejects.toMatchObject({
      code: 'tool_failed',
      message: expect.stringContaining('asked for and not granted'),
    })
    // Somebody asks on purpose: then the person may be asked again.
    await toolbox.authorize()
    await required(toolbox.call('admin'))
  })

  it('P87 a tool that swallows what its fetch threw is paused all the same', async () => {
    await house.connect('ada', ['read'])
    const wrapping = tool({
      name: 'wrapping',
      description: 'Wraps errors.',
      input,
      auth: { provider: 'acme', scopes: ['read'] },
      run: async (_, { fetch }) => {
        await fetch('/scope/admin').catch(() => {
          throw new Error('it did not work')
        })
      },
    })
    await required(house.toolbox([wrapping]).for({ user: 'ada' }).call('wrapping'))
  })

  it('P87 a 403 for another reason is the tool’s own business', async () => {
    await house.connect('ada', ['read'])
    house.server.script('api', [{ status: 403, body: { error: 'quota' } }])
    expect(await house.toolbox([read]).for({ user: 'ada' }).call('read')).toMatchObject({
      answer: { error: 'quota' },
    })
  })

  it('a grant that dies during the run pauses the call', async () => {
    await house.connect('ada', ['read'])
    const dying = tool({
      name: 'dying',
      description: 'Outlives its grant.',
      input,
      auth: { provider: 'acme', scopes: ['read'] },
      run: async (_, { fetch }) => {
        await fetch('/1')
        house.server.revokeGrants()
        return (await fetch('/2')).json()
      },
    })
    expect(await required(house.toolbox([dying]).for({ user: 'ada' }).call('dying'))).toMatchObject({
      code: 'needs_reconnect',
    })
  })
})

describe('several accounts', () => {
  it('P86 what happens at one account leaves the consent for another alone', async () => {
    const toolbox = house.toolbox([read])
    const work = await required(toolbox.for({ user: 'ada', account: 'work' }).call('read'))
    const first = await required(toolbox.for({ user: 'ada' }).call('read'))
    expect(first.url).not.toBe(work.url)
    await house.server.browse(first.url)
    expect(await toolbox.for({ user: 'ada' }).call('read')).toMatchObject({ user: 'ada' })
    expect((await required(toolbox.for({ user: 'ada', account: 'work' }).call('read'))).url).toBe(work.url)
    await house.server.browse(work.url, { user: 'ada-at-work' })
    expect(await toolbox.for({ user: 'ada', account: 'work' }).call('read')).toMatchObject({
      answer: { user: 'ada-at-work' },
    })
    expect(await house.vault.connections({ user: 'ada' })).toHaveLength(2)
  })

  it('a refusal at one account is not told to the tools of another', async () => {
    const toolbox = house.toolbox([read])
    const work = await required(toolbox.for({ user: 'ada', account: 'work' }).call('read'))
    await house.server.browse(work.url, { approve: false })
    await vi.waitFor(() => expect(house.events.at(-1)?.type).toBe('consent.failed'))
    await required(toolbox.for({ user: 'ada' }).call('read'))
    await required(toolbox.for({ user: 'bob' }).call('read'))
    await expect(toolbox.for({ user: 'ada', account: 'work' }).call('read')).rejects.toMatchObject({
      code: 'access_denied',
    })
  })
})

describe('several calls of one turn', () => {
  it('P86 ask the person once', async () => {
    const toolbox = house.toolbox([read, write]).for({ user: 'ada' })
    const answer = await toolbox.answerAnthropic({
      content: [
        { type: 'tool_use', id: '1', name: 'read', input: {} },
        { type: 'tool_use', id: '2', name: 'write', input: {} },
      ],
    })
    expect(answer.paused).toBe(true)
    expect(answer.required).toHaveLength(1)
    expect(scopesOf(String(answer.required[0]?.url))).toEqual(['read', 'write'])
  })
})

describe('connect', () => {
  it('blocks until the person is back, and returns at once when all is there', async () => {
    const toolbox = house.toolbox([read, write]).for({ user: 'ada' })
    const connection = await toolbox.connect('acme', {
      onConsent: ({ url }) => void house.server.browse(url),
    })
    expect(connection).toMatchObject({ provider: 'acme', account: 'default', scopes: ['read', 'write'] })
    expect(await toolbox.connect('acme')).toMatchObject({ scopes: ['read', 'write'] })
    expect(authorizations()).toBe(1)
    await toolbox.connect('acme', { force: true, onConsent: ({ url }) => void house.server.browse(url) })
    expect(authorizations()).toBe(2)
  })

  it('takes scopes and an account of its own', async () => {
    const toolbox = house.toolbox([]).for({ user: 'ada' })
    await toolbox.connect('acme', {
      scopes: ['z'],
      account: 'work',
      onConsent: ({ url }) => void house.server.browse(url),
    })
    expect(await house.vault.connection({ user: 'ada', provider: 'acme', account: 'work' })).toMatchObject({
      scopes: ['z'],
    })
  })

  it('frees the port when nobody comes, or the caller gives up, or the person says no', async () => {
    const toolbox = house.toolbox([read]).for({ user: 'ada' })
    const ports: number[] = []
    const onConsent = ({ url }: { url: string }) =>
      void ports.push(Number(new URL(new URL(url).searchParams.get('redirect_uri') ?? '').port))
    await expect(toolbox.connect('acme', { timeoutMs: 30, onConsent })).rejects.toBeInstanceOf(TimeoutError)
    await expect(
      toolbox.connect('acme', { signal: AbortSignal.timeout(30), onConsent }),
    ).rejects.toMatchObject({ name: 'TimeoutError' })
    await expect(
      toolbox.connect('acme', {
        onConsent: (item) => {
          onConsent(item)
          void house.server.browse(item.url, { approve: false })
        },
      }),
    ).rejects.toBeInstanceOf(AuthorizationDeniedError)
    expect(ports).toHaveLength(3)
    await vi.waitFor(async () => expect(await Promise.all(ports.map(isFree))).toEqual([true, true, true]))
  })
})

describe('the vault', () => {
  it('a grant that could not be saved is saved by the next call, and never lost', async () => {
    const toolbox = house.toolbox([read]).for({ user: 'ada' })
    const [item] = await toolbox.authorize()
    const save = vi
      .spyOn(house.vault, 'save')
      .mockRejectedValue(new StoreError('store_full', 'The disk is full.'))
    const page = await house.server.browse(String(item?.url))
    expect(page.status).toBe(502) // the person is not told that it worked
    await expect(item?.wait()).rejects.toMatchObject({ code: 'store_full' })
    await expect(toolbox.call('read')).rejects.toMatchObject({ code: 'store_full' })
    save.mockRestore()
    expect(await toolbox.call('read')).toMatchObject({ answer: { scopes: ['read'] } })
    expect(house.server.requests('token')).toHaveLength(1)
  })

  it('a registration that is gone is the operator’s business: nobody is asked to consent again', async () => {
    await house.connect('ada', ['read'])
    house.server.expireAccessTokens()
    house.server.unregister(house.server.client().clientId)
    const error = await house
      .toolbox([read])
      .for({ user: 'ada' })
      .call('read')
      .catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ToolFailedError)
    expect((error as ToolFailedError).cause).toMatchObject({ code: 'refresh_failed' })
    expect(authorizations()).toBe(0)
  })

  it('close ends what is under way and frees the ports', async () => {
    const toolbox = house.toolbox([read])
    const [item] = await toolbox.for({ user: 'ada' }).authorize()
    const waiting = expect(item?.wait()).rejects.toMatchObject({ code: 'closed' })
    const port = Number(new URL(new URL(String(item?.url)).searchParams.get('redirect_uri') ?? '').port)
    expect(await isFree(port)).toBe(false)
    await toolbox.close()
    expect(await isFree(port)).toBe(true)
    await waiting
    await expect(toolbox.for({ user: 'ada' }).call('read')).rejects.toMatchObject({ code: 'closed' })
  })
})
