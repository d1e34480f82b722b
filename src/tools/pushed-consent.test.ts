// Links of a toolbox at a provider that takes, or demands, pushed authorization requests (RFC 9126): such a link lives for
// a minute, and a person in a conversation may take longer to open it.
import { afterEach, describe, expect, it, vi } from 'vitest'
import { AuthorizationRequiredError } from '../errors.ts'
import { tool } from './index.ts'
import { House } from './toolbox-fixture.contract.ts'

const read = tool({
  name: 'read',
  description: 'Reads.',
  input: { type: 'object', properties: {} },
  auth: { provider: 'acme', scopes: ['read'] },
  run: async (_, { fetch }) => (await fetch('/me')).json(),
})
let house: House
afterEach(async () => {
  vi.useRealTimers()
  await house.close()
})

async function linkOf(toolbox: ReturnType<House['toolbox']>) {
  const error = await toolbox
    .for({ user: 'ada' })
    .call('read')
    .catch((thrown: unknown) => thrown)
  if (!(error instanceof AuthorizationRequiredError) || error.url === undefined) return expect.fail()
  return { url: error.url, expiresAt: error.expiresAt?.getTime() ?? 0 }
}

describe('P85 the link of a consent', () => {
  it('is not pushed where it need not be: it lives as long as the flow', async () => {
    house = await House.open({ pushedRequests: 'supported' })
    const { url, expiresAt } = await linkOf(house.toolbox([read]))
    expect(new URL(url).searchParams.has('code_challenge')).toBe(true)
    expect(expiresAt).toBeGreaterThan(Date.now() + 500_000)
  })

  it('is pushed where it must be, says how long it lives, and is made anew when that is over', async () => {
    house = await House.open({ pushedRequests: 'required' })
    const toolbox = house.toolbox([read])
    const first = await linkOf(toolbox)
    expect([...new URL(first.url).searchParams.keys()]).toEqual(['client_id', 'request_uri'])
    expect(first.expiresAt).toBeLessThanOrEqual(Date.now() + 60_000)
    expect(await linkOf(toolbox)).toEqual(first)
    vi.useFakeTimers({ now: Date.now() + 61_000, toFake: ['Date'] })
    const second = await linkOf(toolbox)
    expect(second.url).not.toBe(first.url)
    vi.useRealTimers()
    await house.server.browse(second.url)
    expect(await toolbox.for({ user: 'ada' }).call('read')).toMatchObject({ user: 'ada' })
  })
})
