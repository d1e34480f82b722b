// A process that refreshes connections again and again, and announces each token set that a caller has been given, by its
// fingerprint. The provider is in the process: no network in a record of what it does.
import { writeSync } from 'node:fs'
import { Vault } from '../../src/vault/index.ts'
import { seenBy } from './announced.ts'
import { atProvider, consented } from './provider.ts'
import { leaveItToTheServer, type Synchronous, weaken } from './weaken.ts'

/** What it is told, as JSON in its first argument. */
export interface WriterOrder {
  /** Of the vault. */
  url: string
  key: string
  connections: number
  rounds: number
  /** SQLite's setting of that name, in place of the vault's own. */
  synchronous?: Synchronous | undefined
  /** The store leaves it to a PostgreSQL server whether a commit waits for the disk. */
  leaveItToTheServer?: boolean | undefined
}

const order = JSON.parse(process.argv[2] ?? '') as WriterOrder
if (order.synchronous !== undefined) weaken(order.synchronous)
if (order.leaveItToTheServer === true) leaveItToTheServer()
const vault = await Vault.open({ url: order.url, key: order.key, ...atProvider })
const users = Array.from({ length: order.connections }, (_, index) => `user-${index}`)
for (const user of users) {
  await vault.save({ user, provider: 'acme' }, consented())
  await announce(user)
}
for (let round = 0; round < order.rounds; round += 1)
  for (const user of users) {
    const address = { user, provider: 'acme' }
    const { accessToken } = await vault.token(address)
    await vault.token(address, { rejected: accessToken })
    await announce(user)
  }
// Closing empties the log into the file: that is cut short, too.
await vault.close()
process.exit(0)

async function announce(user: string): Promise<void> {
  writeSync(1, `${JSON.stringify(await seenBy(vault, user))}\n`)
}
