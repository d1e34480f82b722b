// The same promise on PostgreSQL: a vault refreshes without a pause, the whole server is killed, started again, and asked
// for every token set that somebody had seen.
import { execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generateKey } from '../../src/seal.ts'
import { Vault } from '../../src/vault/index.ts'
import { PostgresServer } from '../setup/postgres.ts'
import { type Announced, missingIn } from './announced.ts'
import type { WriterOrder } from './writer.ts'

/** How often, and with which settings of the server. */
export interface CrashOptions {
  crashes: number
  /** How many token sets are announced before each. */
  after: number
  settings?: Record<string, string>
  leaveItToTheServer?: boolean
}

/** What was found. */
export interface CrashFigures {
  crashes: number
  announced: number
  /** What was not there after a crash. */
  missing: string[]
}

/** Runs it on a server of its own. */
export async function crashPostgres(options: CrashOptions): Promise<CrashFigures> {
  const { crashes, after, settings, leaveItToTheServer } = options
  const server = await PostgresServer.start({ max_connections: '50', ...settings })
  const figures: CrashFigures = { crashes: 0, announced: 0, missing: [] }
  try {
    const { url } = await server.database()
    const order = { url, key: generateKey(), connections: 4, rounds: 1_000_000, leaveItToTheServer }
    for (; figures.crashes < crashes; figures.crashes += 1) {
      const announced = await writeUntilCrash(server, order, after)
      figures.announced += announced.length
      await server.resume()
      await using vault = await Vault.open({ url, key: order.key, clients: {} })
      const newest = new Map(announced.map((one) => [one.user, one])).values()
      figures.missing.push(...(await missingIn(vault, newest)))
    }
    return figures
  } finally {
    await server.stop()
  }
}

/** What the writer announced before it and the server were killed. */
async function writeUntilCrash(
  server: PostgresServer,
  order: WriterOrder,
  after: number,
): Promise<Announced[]> {
  const file = fileURLToPath(new URL('./writer.ts', import.meta.url))
  const writer = spawn(process.execPath, [file, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const gone = new Promise((resolve) => writer.once('close', resolve))
  let said = ''
  const lines = () => said.split('\n').slice(0, -1)
  writer.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  while (lines().length < after && writer.exitCode === null)
    await new Promise((resolve) => setTimeout(resolve, 5))
  killAll(server)
  writer.kill('SIGKILL')
  await gone
  return lines().map((line): Announced => JSON.parse(line))
}

/** SIGKILL for the server and all its processes: what they had not yet given to the system is gone. */
function killAll(server: PostgresServer): void {
  const head = Number.parseInt(readFileSync(join(server.folder, 'postmaster.pid'), 'utf8'), 10)
  const all = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n')
  const pairs = all.map((line) => line.trim().split(/\s+/).map(Number))
  const children = pairs.flatMap(([child = 0, parent]) => (parent === head ? [child] : []))
  for (const id of [head, ...children])
    try {
      process.kill(id, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
}
