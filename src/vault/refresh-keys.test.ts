// Refreshing while the keys change: an answer of the provider is never let go because its row has another key by now.
import { describe, expect, it } from 'vitest'
import { ada, vaultFixture } from '../../test/vault/fixture.ts'
import { generateKey, SealingKey } from '../seal.ts'
import { givenKey, type KeyProvider } from './keys.ts'

const fixture = vaultFixture()

/** A place that is filled later. */
function place(...texts: string[]): KeyProvider & { texts: string[] } {
  return { place: 'a place', texts, load: async () => texts.map((text) => SealingKey.parse(text)) }
}

describe('a refresh whose key is retired while the provider answers', () => {
  it('is saved with the present key, once that is found', async () => {
    const [one, two] = [generateKey(), generateKey()]
    const url = fixture.newUrl()
    const ours = place(one)
    const rotator = await fixture.open({ url, key: givenKey(`${one},${two}`) })
    const rotate = async () => {
      await rotator.keys.add({ keyId: SealingKey.parse(two).id })
      await rotator.keys.rotate({ keyId: SealingKey.parse(two).id })
      await rotator.keys.retire(SealingKey.parse(one).id)
      setTimeout(() => ours.texts.push(two), 150)
    }
    const vault = await fixture.open({
      ...{ url, key: ours },
      async fetch(...request: Parameters<typeof fetch>) {
        const answer = await fetch(...request)
        await rotate()
        return answer
      },
    })
    await vault.save(ada, fixture.granted())
    fixture.pass(4000)
    const fresh = await vault.token(ada)
    expect(fixture.server.counts.refreshes).toBe(1)
    expect((await rotator.token(ada)).accessToken).toBe(fresh.accessToken)
    expect(fixture.eventTypes).toContain('refreshed')
  })
})
