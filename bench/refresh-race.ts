// A hundred callers find one token expired: how many refreshes does the rotating, reuse-detecting server see,
// and how long until everybody has the new token? In one process, and in four that share one SQLite file.
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineProvider, Vault } from '../src/index.ts'
import { authorizationCodeGrant, authorizationUrl } from '../src/oauth/index.ts'
import { startAuthorizationServer } from '../src/testing/index.ts'

/** One race, run. */
export interface RefreshRace {
  processes: number
  callers: number
  served: number
  failed: number
  refreshesSeenByServer: number
  reuseViolations: number
  serverLatencyMs: number
  untilAllServedMs: number
}

/** What a racing process is told. */
export interface RaceOrder {
  path: string
  key: string
  definition: Parameters<typeof defineProvider>[0]
  clientId: string
  clientSecret: string | undefined
  callers: number
}

/** Runs a hundred callers spread over `processes`. */
export async function measureRefreshRace(
  processes: number,
  latencyMs: number,
  callers = 100,
): Promise<RefreshRace> {
  const folder = mkdtempSync(join(tmpdir(), 'toolgrant-bench-'))
  const server = await startAuthorizationServer({ accessTokenSeconds: 60 })
  try {
    const definition = server.provider()
    const client = server.client()
    const order: RaceOrder = {
      path: join(folder, 'vault.db'),
      key: randomBytes(32).toString('base64'),
      definition,
      clientId: client.clientId,
      clientSecret: client.clientSecret,
      callers: callers / processes,
    }
    await connectExpired(order, server)
    server.configure({ latencyMs: { refresh: latencyMs } })
    const results = await race(order, processes)
    return {
      processes,
      callers,
      ...results,
      refreshesSeenByServer: server.counts.refreshes,
      reuseViolations: server.counts.reuseViolations,
      serverLatencyMs: latencyMs,
    }
  } finally {
    await server.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function connectExpired(
  order: RaceOrder,
  server: Awaited<ReturnType<typeof startAuthorizationServer>>,
) {
  const provider = defineProvider(order.definition)
  const client = server.client()
  const { url, pending } = await authorizationUrl(provider, client, {
    redirectUri: 'http://127.0.0.1:9/callback',
    scopes: ['notes.read'],
  })
  const tokens = await authorizationCodeGrant(provider, client, pending, await server.consent(url))
  await using vault = await Vault.open({
    url: `sqlite:${order.path}`,
    key: order.key,
    clients: { [provider.id]: { ...client, provider } },
  })
  await vault.save(
    { user: 'ada', provider: provider.id },
    tokens.with({ expiresAt: new Date(Date.now() - 1000) }),
  )
}

async function race(order: RaceOrder, processes: number) {
  const workers = Array.from({ length: processes }, () =>
    fork(fileURLToPath(new URL('./refresh-race-worker.ts', import.meta.url))),
  )
  try {
    await Promise.all(workers.map((worker) => message(worker, () => worker.send(order)))) // "ready"
    const started = performance.now()
    const answers = await Promise.all(workers.map((worker) => message(worker, () => worker.send('go'))))
    const tally = answers as { served: number; failed: number }[]
    return {
      served: tally.reduce((sum, { served }) => sum + served, 0),
      failed: tally.reduce((sum, { failed }) => sum + failed, 0),
      untilAllServedMs: Math.round(performance.now() - started),
    }
  } finally {
    for (const worker of workers) worker.kill()
  }
}

function message(worker: ReturnType<typeof fork>, act: () => void): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('exit', (code) => reject(new Error(`A racing process ended early, with code ${code}.`)))
    act()
  })
}
