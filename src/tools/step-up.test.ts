// An API that wants more than a token has, during a tool's call: another sign-in (RFC 9470), scopes, a strict client.
// Real vault, real loopback flow. (Plain scopes: consent.test.ts, "step-up".)
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { AuthorizationRequiredError, ScopeMismatchError } from '../errors.ts'
import { loopback } from '../flows/index.ts'
import { defineProvider } from '../providers/index.ts'
import type { ApiAnswer, ApiCall } from '../testing/index.ts'
import { Vault } from '../vault/index.ts'
import { Toolbox, tool } from './index.ts'
import { House } from './toolbox-fixture.contract.ts'

const caller = (name: string, path: string) =>
  tool({
    name,
    description: `Calls ${path}.`,
    input: z.object({}),
    auth: { provider: 'acme', scopes: ['read'] },
    run: async (_, { fetch }) => (await fetch(path)).json(),
  })
const pay = caller('pay', '/payments')
const look = caller('look', '/look')

let house: House
/** Whether the API takes a sign-in for what it wanted. */
let content: boolean
let challenge: string

const signIns = () =>
  house.server.requests('authorization').filter(({ params }) => params['acr_values'] === 'gold')

function api({ path }: ApiCall): ApiAnswer {
  if (path !== '/payments' || (content && signIns().length > 0)) return { body: { done: path } }
  return { status: 401, headers: { 'www-authenticate': challenge } }
}

beforeEach(async () => {
  content = true
  challenge = 'Bearer error="insufficient_user_authentication", acr_values="gold", max_age="300"'
  house = await House.open({ api })
  await house.connect('ada', ['read'])
})
afterEach(() => house.close())

async function required(attempt: Promise<unknown>): Promise<AuthorizationRequiredError & { url: string }> {
  const error = await attempt.then(
    (value) => expect.fail(JSON.stringify(value)),
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(AuthorizationRequiredError)
  return error as AuthorizationRequiredError & { url: string }
}

describe('an API that wants a stronger or newer sign-in', () => {
  it('makes a link that asks for it; the old grant works meanwhile, and after it the call does', async () => {
    const toolbox = house.toolbox([pay, look]).for({ user: 'ada' })
    const error = await required(toolbox.call('pay'))
    expect(error).toMatchObject({ code: 'missing_scope', scopes: ['read'] })
    expect(error.message).toMatch(/sign in at ACME again/)
    expect(error.cause).toMatchObject({ code: 'insufficient_scope', challenge: { acrValues: ['gold'] } })
    const { searchParams } = new URL(error.url)
    expect([searchParams.get('acr_values'), searchParams.get('max_age')]).toEqual(['gold', '300'])
    // Nothing else is disturbed, and the link stays the same.
    expect(await toolbox.call('look')).toEqual({ done: '/look' })
    expect((await required(toolbox.call('pay'))).url).toBe(error.url)
    await house.server.browse(error.url)
    expect(await toolbox.call('pay')).toEqual({ done: '/payments' })
  })

  it('is asked once: when it wants the same right after, the call fails and says why', async () => {
    content = false
    const toolbox = house.toolbox([pay, look]).for({ user: 'ada' })
    await house.server.browse((await required(toolbox.call('pay'))).url)
    for (const _ of [1, 2])
      await expect(toolbox.call('pay')).rejects.toMatchObject({
        code: 'tool_failed',
        message: expect.stringMatching(/which they just did\. Consent again would not help/),
      })
    expect(signIns()).toHaveLength(1)
    expect(await toolbox.call('look')).toEqual({ done: '/look' })
    // Another wish is another matter, and so is somebody who asks on purpose.
    challenge = 'Bearer error="insufficient_user_authentication", acr_values="platinum"'
    const other = await required(toolbox.call('pay'))
    expect(new URL(other.url).searchParams.get('acr_values')).toBe('platinum')
    challenge = 'Bearer error="insufficient_user_authentication", acr_values="gold", max_age="300"'
    await toolbox.authorize()
    await required(toolbox.call('pay'))
  })

  it('and one that wants a scope besides make two links', async () => {
    const toolbox = house.toolbox([pay, caller('admin', '/scope/admin')]).for({ user: 'ada' })
    const signIn = await required(toolbox.call('pay'))
    const scope = await required(toolbox.call('admin'))
    expect(scope.url).not.toBe(signIn.url)
    expect(new URL(scope.url).searchParams.get('acr_values')).toBeNull()
    await house.server.browse(scope.url)
    expect((await required(toolbox.call('pay'))).message).toMatch(/sign in at ACME again/)
  })
})

it('a tool may read the challenge, and do without', async () => {
  challenge = 'Bearer error="insufficient_scope", scope="pay", resource_metadata="https://api.example/x"'
  const seen: unknown[] = []
  const careful = tool({
    name: 'careful',
    description: 'Looks before it leaps.',
    input: z.object({}),
    auth: { provider: 'acme', scopes: ['read'] },
    run: async (_, { fetch }) => {
      const error = await fetch('/payments').catch((thrown: unknown) => thrown)
      seen.push(error)
      return 'I did without'
    },
  })
  const toolbox = house.toolbox([careful]).for({ user: 'ada' })
  expect(await toolbox.call('careful')).toBe('I did without')
  expect(seen).toMatchObject([
    {
      code: 'insufficient_scope',
      scopes: ['read', 'pay'],
      challenge: { missing: ['pay'], resourceMetadata: 'https://api.example/x' },
    },
  ])
})

it('tools prove the key of tokens that are bound to one, from the first consent on', async () => {
  const bound = await House.open({ dpop: 'required', dpopNonces: true })
  const toolbox = bound.toolbox([look]).for({ user: 'ada' })
  await bound.server.browse((await required(toolbox.call('look'))).url)
  bound.server.rotateDpopNonce()
  expect(await toolbox.call('look')).toMatchObject({ path: '/look', user: 'ada' })
  const sent = bound.server.requests('api').map(({ headers }) => headers['authorization']?.split(' ')[0])
  expect(sent).toEqual(['DPoP', 'DPoP'])
  await bound.close()
})

it('R9 a strict client: other scopes than asked for are an error with the tokens, and nothing is replaced', async () => {
  const provider = defineProvider(house.server.provider({ id: 'acme' }))
  const client = { ...house.server.client(), provider, scopes: 'strict' as const }
  const vault = await Vault.open({ url: 'memory:', clients: { acme: client } })
  const toolbox = new Toolbox({
    vault,
    tools: [look],
    flow: loopback({ openBrowser: false, onEvent: () => {} }),
  })
  const waiting = toolbox.for({ user: 'bob' }).connect('acme', {
    scopes: ['read', 'write'],
    onConsent: ({ url }) => void house.server.browse(url, { user: 'bob', scopes: ['read'] }),
  })
  const error = await waiting.catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ScopeMismatchError)
  expect(error).toMatchObject({ missing: ['write'], tokens: { scopes: ['read'] } })
  expect(await vault.connections()).toEqual([])
  await toolbox.close()
  await vault.close()
})
