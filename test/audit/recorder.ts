// A process of its own that uses tools, one use after the other, and says which it has recorded. Run by test/audit.test.ts.
import { setTimeout } from 'node:timers/promises'
import { keyFile, Vault } from '../../src/vault/index.ts'

/** What a recorder is told. */
export interface RecorderTask {
  url: string
  /** Path of the key file. */
  key: string
  /** Begins the names of its tools. */
  name: string
  count: number
  everyMs: number
}

process.on('message', async ({ url, key, name, count, everyMs }: RecorderTask) => {
  const vault = await Vault.open({ url, key: keyFile(key), clients: {}, actor: name })
  for (let index = 1; index <= count; index += 1) {
    vault.audit.record({ action: 'tool', outcome: 'ok', user: 'ada', tool: `${name}_${index}` })
    process.send?.({ recorded: index })
    if (everyMs > 0) await setTimeout(everyMs)
    else if (index % 50 === 0) await setTimeout(1)
  }
  await vault.close()
  process.disconnect()
})
