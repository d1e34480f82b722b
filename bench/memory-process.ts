// The process of the memory benchmark: serves every connection of a vault once, and looks at what it holds.
import { defineProvider, Vault } from '../src/index.ts'
import type { MemoryOrder, MemoryUse, ServedMemory } from './memory.ts'

const provider = defineProvider({
  id: 'acme',
  authorizationUrl: 'https://acme.example/authorize',
  tokenUrl: 'https://acme.example/token',
})
/** The default of the option `cacheSize`. */
const cacheLimit = 1000

process.once('message', async ({ path, key, connections }: MemoryOrder) => {
  const vault = await Vault.open({
    ...{ url: `sqlite:${path}`, key, cacheSize: cacheLimit },
    clients: { acme: { clientId: 'bench', provider } },
  })
  let peak = 0
  const serve = async (from: number, to: number) => {
    for (let index = from; index < to; index += 1) {
      const address = { user: `user-${index}`, provider: 'acme' }
      await vault.token(address)
      await vault.source(address).token()
      if (index % 1000 !== 0) continue
      peak = Math.max(peak, process.memoryUsage.rss())
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const tenth = Math.floor(connections / 10)
  await serve(0, 100)
  const before = await held()
  await serve(0, tenth)
  const afterTenth = await held()
  await serve(tenth, connections)
  const afterAll = await held()
  await vault.close()
  const found: ServedMemory = {
    baseline: 'the same process after a tenth of the connections',
    ...{ connections, cacheLimit, before, afterTenth, afterAll },
    peakRssMb: peak / 2 ** 20,
    grownHeapMb: afterAll.heapMb - afterTenth.heapMb,
  }
  process.send?.(found, () => process.exit())
})

async function held(): Promise<MemoryUse> {
  // What was noticed is written a second later.
  await new Promise((resolve) => setTimeout(resolve, 3000))
  for (let times = 0; times < 3; times += 1) globalThis.gc?.()
  const { rss, heapUsed } = process.memoryUsage()
  return { rssMb: Math.round(rss / 2 ** 20), heapMb: Math.round((heapUsed / 2 ** 20) * 10) / 10 }
}
