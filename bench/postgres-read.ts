// Reading a live token from PostgreSQL by user and provider, opened, against bare `pg`: the same pool, the same columns, a
// named statement, and nothing done with what comes back. Sequential, by the clock: what a caller waits for.
import pg from 'pg'
import { defineProvider, Vault } from '../src/index.ts'
import { benchKey, benchServer, fillPostgresVault } from './postgres-vault.ts'
import { median, quantile } from './statistics.ts'

/** Microseconds a read, and the ratio of the same rounds. */
export interface PostgresRead {
  baseline: string
  rows: number
  bareUs: number
  vaultUs: number
  /** Vault against bare, round by round; the middle one. */
  ratio: number
  bareP99Us: number
  vaultP99Us: number
  bareCpuUs: number
  vaultCpuUs: number
}

const provider = defineProvider({
  id: 'acme',
  authorizationUrl: 'https://acme.example/authorize',
  tokenUrl: 'https://acme.example/token',
})

const select = `SELECT id, account, generation, status, refresh_due_at, retry_at, used_at, sealed FROM toolgrant.connection
  WHERE tenant = $1 AND user_id = $2 AND provider = $3 ORDER BY account`

/** Alternates both, in short rounds, over the same users. */
export async function measurePostgresRead(
  rows = 100_000,
  rounds = 60,
  perRound = 250,
): Promise<PostgresRead> {
  const server = await benchServer()
  try {
    const { url } = await server.database()
    const key = benchKey()
    await fillPostgresVault(url, { rows, key })
    const vault = await Vault.open({ url, key, clients: { acme: { clientId: 'bench', provider } } })
    const pool = new pg.Pool({ connectionString: url, max: 10 })
    const bare = (user: string) =>
      pool.query({ name: 'bench', text: select, values: ['default', user, 'acme'], rowMode: 'array' })
    const ours = (user: string) => vault.token({ user, provider: 'acme' })
    const [bareReads, vaultReads] = [new Reads(bare), new Reads(ours)]
    for (let round = -6; round < rounds; round += 1) {
      const users = Array.from({ length: perRound }, () => `user-${Math.floor(Math.random() * rows)}`)
      // Whoever is second finds the pages in the cache: they take turns.
      for (const reads of round % 2 === 0 ? [bareReads, vaultReads] : [vaultReads, bareReads])
        await reads.round(users, round >= 0)
    }
    await Promise.all([vault.close(), pool.end()])
    return {
      baseline: 'pg.Pool, a named statement, the same columns; not opened',
      rows,
      bareUs: median(bareReads.roundUs),
      vaultUs: median(vaultReads.roundUs),
      ratio: median(vaultReads.roundUs.map((us, index) => us / (bareReads.roundUs[index] ?? Number.NaN))),
      bareP99Us: quantile(bareReads.singleUs, 0.99),
      vaultP99Us: quantile(vaultReads.singleUs, 0.99),
      bareCpuUs: median(bareReads.cpuUs),
      vaultCpuUs: median(vaultReads.cpuUs),
    }
  } finally {
    await server.stop()
  }
}

class Reads {
  readonly #read: (user: string) => Promise<unknown>
  readonly roundUs: number[] = []
  readonly cpuUs: number[] = []
  readonly singleUs: number[] = []

  constructor(read: (user: string) => Promise<unknown>) {
    this.#read = read
  }

  /** @param counts not during warm-up. */
  async round(users: readonly string[], counts: boolean): Promise<void> {
    const cpu = process.cpuUsage()
    const singles: number[] = []
    let last = performance.now()
    const began = last
    for (const user of users) {
      await this.#read(user)
      const now = performance.now()
      singles.push((now - last) * 1000)
      last = now
    }
    if (!counts) return
    const { user, system } = process.cpuUsage(cpu)
    this.roundUs.push(((last - began) * 1000) / users.length)
    this.cpuUs.push((user + system) / users.length)
    this.singleUs.push(...singles)
  }
}
