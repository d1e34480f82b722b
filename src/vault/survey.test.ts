import { describe, expect, it } from 'vitest'
import { ada, failure, vaultFixture } from '../../test/vault/fixture.ts'
import { generateKey } from '../seal.ts'
import { memoryStore } from './memory-store.ts'

const world = vaultFixture()

describe('a survey', () => {
  it('of nothing is all zeros', async () => {
    const vault = await world.open()
    expect(await vault.survey()).toEqual({
      ...{ tenant: 'default', store: 'the store in memory', clockOffsetMs: 0, providers: [] },
      connections: {
        ...{ active: 0, failing: 0, needsReconnect: 0, disconnecting: 0, unreadable: 0, due: 0, overdue: 0 },
      },
    })
  })

  it('counts each connection once, by provider, and says since when refreshes fail', async () => {
    const store = memoryStore({ now: () => world.now })
    const vault = await world.open({ store, key: generateKey() })
    const ids: Record<string, string> = {}
    for (const user of ['fine', 'failing', 'dead', 'leaving', 'ended']) {
      if (user === 'ended') world.server.configure({ refreshTokens: 'never' })
      ids[user] = (await vault.save({ ...ada, user }, world.granted())).id
    }
    world.pass(3601)
    await vault.token({ ...ada, user: 'fine' })
    world.server.script('refresh', [{ error: 'invalid_client', status: 401 }, { error: 'invalid_grant' }])
    await failure(() => vault.token({ ...ada, user: 'failing' }))
    await failure(() => vault.token({ ...ada, user: 'dead' }))
    await store.markRevoked(ids['leaving'] ?? '')
    const { connections, providers } = await vault.survey()
    const counts = { active: 1, failing: 1, needsReconnect: 2, disconnecting: 1, unreadable: 0 }
    expect(connections).toMatchObject(counts)
    expect(providers).toMatchObject([
      {
        ...{ provider: 'simulated', ...counts, failingSince: new Date(world.now) },
        failure: { reason: 'client_refused', error: '"invalid_client"' },
      },
    ])
    expect(providers[0]?.examples[0]).toBe(ids['failing'])
    expect(providers[0]?.examples).toHaveLength(3)
  })

  it('tells what is due, and what is so late that no scheduler seems to run', async () => {
    const vault = await world.open()
    await vault.save(ada, world.granted())
    expect((await vault.survey()).connections).toMatchObject({ due: 0, overdue: 0 })
    world.pass(3600)
    expect((await vault.survey()).connections).toMatchObject({ active: 1, due: 1, overdue: 0 })
    world.pass(3600)
    expect((await vault.survey()).connections).toMatchObject({ active: 1, due: 1, overdue: 1 })
  })

  it('lets others have a turn', async () => {
    const store = memoryStore({ now: () => world.now })
    const vault = await world.open({ store, key: generateKey() })
    await vault.save(ada, world.granted())
    const [row] = await store.list({ tenant: 'default' })
    if (row === undefined) throw new Error('no row')
    let pages = 2000
    store.list = () => (pages-- > 0 ? Array.from({ length: 500 }, () => row) : [])
    let turns = 0
    const timer = setInterval(() => (turns += 1))
    expect((await vault.survey()).connections.active).toBe(1_000_000)
    clearInterval(timer)
    expect(turns).toBeGreaterThan(0)
  })

  it('goes through many pages, and keeps to its tenant', async () => {
    const store = memoryStore({ now: () => world.now })
    const key = generateKey()
    const vault = await world.open({ store, key })
    const tokens = world.granted()
    for (let index = 0; index < 1001; index += 1) await vault.save({ ...ada, user: `${index}` }, tokens)
    expect((await vault.survey()).connections.active).toBe(1001)
    const other = await world.open({ store, key, tenant: 'other' })
    expect((await other.survey()).providers).toEqual([])
  })
})
