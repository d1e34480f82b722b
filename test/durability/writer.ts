// A process whose file system calls are recorded: it refreshes connections again and again, and announces each token set
// that a caller has been given, by its fingerprint. The provider is in the process: no network in the record.
import { writeSync } from 'node:fs'
import { TokenSet } from '../../src/oauth/index.ts'
import { defineProvider } from '../../src/providers/index.ts'
import { fingerprint } from '../../src/seal.ts'
import { Vault } from '../../src/vault/index.ts'
import { type Synchronous, weaken } from './weaken.ts'

/** What it is told, as JSON in its first argument. */
export interface WriterOrder {
  path: string
  key: string
  connections: number
  rounds: number
  /** SQLite's setting of that name, in place of the vault's own. */
  synchronous?: Synchronous | undefined
  /** Closes the vault at the end, which empties the log into the file. */
  close: boolean
}

/** A token set that somebody has seen, as it is announced. */
export interface Announced {
  user: string
  generation: number
  fingerprint: string
}

const order = JSON.parse(process.argv[2] ?? '') as WriterOrder
if (order.synchronous !== undefined) weaken(order.synchronous)
let issued = 0
const vault = await Vault.open({
  ...{ url: order.path, key: order.key },
  clients: {
    acme: {
      clientId: 'client',
      provider: defineProvider({
        id: 'acme',
        authorizationUrl: 'http://127.0.0.1/a',
        tokenUrl: 'http://127.0.0.1/t',
      }),
    },
  },
  fetch: async () => Response.json(answer(), { headers: { 'cache-control': 'no-store' } }),
})
const users = Array.from({ length: order.connections }, (_, index) => `user-${index}`)
for (const user of users) {
  const { access_token: accessToken, refresh_token: refreshToken } = answer()
  await vault.save(
    { user, provider: 'acme' },
    new TokenSet({ accessToken, refreshToken, expiresAt: inAnHour() }),
  )
  await announce(user)
}
for (let round = 0; round < order.rounds; round += 1)
  for (const user of users) {
    const address = { user, provider: 'acme' }
    const { accessToken } = await vault.token(address)
    await vault.token(address, { rejected: accessToken })
    await announce(user)
  }
if (order.close) await vault.close()
process.exit(0)

function answer() {
  issued += 1
  return {
    ...{ access_token: `access-${issued}`, refresh_token: `refresh-${issued}` },
    token_type: 'Bearer',
    expires_in: 3600,
  }
}

function inAnHour(): Date {
  return new Date(Date.now() + 3_600_000)
}

async function announce(user: string): Promise<void> {
  const connection = await vault.connection({ user, provider: 'acme' })
  const { refreshToken = '' } = await vault.token({ user, provider: 'acme' })
  const announced: Announced = {
    ...{ user, generation: connection?.generation ?? 0 },
    fingerprint: fingerprint(refreshToken),
  }
  writeSync(1, `${JSON.stringify(announced)}\n`)
}
