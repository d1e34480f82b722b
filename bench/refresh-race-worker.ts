// One process of the race: opens the vault, waits for the word, asks for the token many times at once.
import { defineProvider, Vault } from '../src/index.ts'
import type { RaceOrder } from './refresh-race.ts'

process.once('message', async (order: RaceOrder) => {
  const provider = defineProvider(order.definition)
  const client = {
    clientId: order.clientId,
    ...(order.clientSecret === undefined ? {} : { clientSecret: order.clientSecret }),
  }
  const vault = await Vault.open({
    url: `sqlite:${order.path}`,
    key: order.key,
    clients: { [provider.id]: { ...client, provider } },
  })
  process.once('message', async () => {
    const asked = Array.from({ length: order.callers }, () =>
      vault.token({ user: 'ada', provider: provider.id }),
    )
    const outcomes = await Promise.allSettled(asked)
    const served = outcomes.filter(({ status }) => status === 'fulfilled').length
    process.send?.({ served, failed: outcomes.length - served })
  })
  process.send?.('ready')
})
