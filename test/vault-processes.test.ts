// Several processes on one SQLite vault and a real HTTP server that rotates refresh tokens and detects reuse.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TokenSet } from '../src/oauth/index.ts'
import { generateKey } from '../src/seal.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../src/testing/index.ts'
import { Vault } from '../src/vault/index.ts'
import { VaultProcess } from './vault/process.ts'
import type { WorkerSetup } from './vault/worker.ts'

const folder = mkdtempSync(join(tmpdir(), 'toolgrant-processes-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0

let server: AuthorizationServer
let setup: WorkerSetup
let text: string
let processes: VaultProcess[]

beforeEach(async () => {
  server = await startAuthorizationServer()
  text = generateKey()
  processes = []
  setup = {
    ...{ url: `sqlite:${join(folder, `${++files}`, 'vault.db')}`, key: { text }, leaseMs: 1000 },
    ...{ definition: server.provider({ issuer: undefined }), client: server.client() },
  }
})
afterEach(async () => {
  for (const each of processes) await each.kill()
  await server.close()
})

async function start(changes: Partial<WorkerSetup> = {}): Promise<VaultProcess> {
  const started = await VaultProcess.start({ ...setup, ...changes })
  processes.push(started)
  return started
}

/** Ada is connected, and her access token has ended. */
async function connect(): Promise<void> {
  await using vault = await Vault.open({ url: setup.url, key: text, clients: {} })
  const { accessToken, refreshToken } = server.grant({ user: 'ada', scopes: ['a'] })
  const ended = { receivedAt: new Date(Date.now() - 3_600_000), expiresAt: new Date(Date.now() - 1000) }
  await vault.save(
    { user: 'ada', provider: 'simulated' },
    new TokenSet({ accessToken, refreshToken, scopes: ['a'], ...ended }),
  )
}

async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !condition(); ) {
    if (Date.now() > end) throw new Error('it did not happen')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const refreshing = () => until(() => server.counts.requests.refresh === 1)

describe('four processes with 25 calls each', () => {
  it('cost a server that takes 2 s one refresh, and all 100 are served', async () => {
    server.configure({ latencyMs: { refresh: 2000 } })
    await connect()
    const four = await Promise.all(Array.from({ length: 4 }, () => start()))
    const answers = (await Promise.all(four.map((each) => each.tokens('ada', 25)))).flat()
    expect(answers).toHaveLength(100)
    const tokens = new Set(
      answers.map((answer) => ('accessToken' in answer ? answer.accessToken : answer.message)),
    )
    expect(tokens.size).toBe(1)
    expect(server.isActive([...tokens].join())).toBe(true)
    expect(server.counts.requests.refresh).toBe(1)
    expect(server.counts).toMatchObject({ refreshes: 1, reuseViolations: 0 })
  })

  it('that an API rejected cost one refresh too', async () => {
    server.configure({ latencyMs: { refresh: 300 } })
    await connect()
    const four = await Promise.all(Array.from({ length: 4 }, () => start()))
    const [first] = (await four[0]?.tokens('ada', 1)) ?? []
    if (first === undefined || !('accessToken' in first)) throw new Error('no token')
    const answers = (await Promise.all(four.map((each) => each.tokens('ada', 25, first.accessToken)))).flat()
    const tokens = new Set(
      answers.map((answer) => ('accessToken' in answer ? answer.accessToken : answer.message)),
    )
    expect(tokens.size).toBe(1)
    expect(tokens.has(first.accessToken)).toBe(false)
    expect(server.counts).toMatchObject({ refreshes: 2, reuseViolations: 0 })
  })
})

describe('a process that dies in the middle of a refresh', () => {
  it('before the server acted: another one recovers when the lease ends', async () => {
    server.script('refresh', [{ hang: true }])
    await connect()
    const [victim, other] = [await start(), await start()]
    const lost = victim.tokens('ada', 1).catch(() => undefined)
    await refreshing()
    const waiting = other.tokens('ada', 25)
    await victim.kill()
    await lost
    const answers = await waiting
    expect(new Set(answers.map((answer) => 'accessToken' in answer)).has(false)).toBe(false)
    expect(server.counts).toMatchObject({ refreshes: 1, reuseViolations: 0 })
    expect(server.counts.requests.refresh).toBe(2)
  })

  it('after the server acted: within its grace window nothing is lost', async () => {
    server.configure({ rotationGraceSeconds: 30 })
    server.script('refresh', [{ hang: 'answer' }])
    await connect()
    const [victim, other] = [await start(), await start()]
    const lost = victim.tokens('ada', 1).catch(() => undefined)
    await refreshing()
    await victim.kill()
    await lost
    const [answer] = await other.tokens('ada', 1)
    expect(answer).toHaveProperty('accessToken')
    expect(server.counts.reuseViolations).toBe(0)
    expect(await other.connections()).toMatchObject([{ status: 'active', generation: 2 }])
  })

  it('after the server acted, without a grace window: "interrupted", one probe, nothing deleted', async () => {
    server.script('refresh', [{ hang: 'answer' }])
    await connect()
    const [victim, other] = [await start(), await start()]
    const lost = victim.tokens('ada', 1).catch(() => undefined)
    await refreshing()
    await victim.kill()
    await lost
    const [answer] = await other.tokens('ada', 1)
    expect(answer).toMatchObject({ code: 'needs_reconnect', message: expect.stringContaining('interrupted') })
    await other.tokens('ada', 5)
    expect(server.counts.requests.refresh).toBe(2)
    expect(await other.connections()).toMatchObject([{ status: 'needs_reconnect', reason: 'interrupted' }])
  })
})

it('a process that stood still (SIGSTOP) past its lease neither loses the grant nor the newer token', async () => {
  server.configure({ rotationGraceSeconds: 60, latencyMs: { refresh: 500 } })
  await connect()
  const [sleeper, other] = [await start(), await start()]
  const late = sleeper.tokens('ada', 1)
  await refreshing()
  sleeper.stop()
  const [answer] = await other.tokens('ada', 1)
  expect(answer).toHaveProperty('accessToken')
  sleeper.resume()
  const [lateAnswer] = await late
  expect(lateAnswer).toHaveProperty('accessToken')
  expect(server.counts.reuseViolations).toBe(0)
  const [after] = await other.tokens('ada', 1)
  if (after === undefined || !('accessToken' in after)) throw new Error('no token')
  expect(server.isActive(after.accessToken)).toBe(true)
  expect(await other.connections()).toMatchObject([{ status: 'active' }])
})

it('many processes that open a new vault at the same time agree on schema and key', async () => {
  const key = { file: join(folder, 'first-run', 'vault.key') }
  const many = await Promise.all(Array.from({ length: 6 }, () => start({ key })))
  expect(await Promise.all(many.map((each) => each.connections()))).toEqual(Array(6).fill([]))
  const again = await start({ key })
  expect(await again.connections()).toEqual([])
})
