// Keys are rotated while processes read at full speed, and the process that rotates is killed half-way:
// `node test/keys/rotation.ts --rows 100000 --store sqlite,postgres` prints a JSON line for each store.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { KeyError } from '../../src/errors.ts'
import type { Vault } from '../../src/vault/index.ts'
import {
  grant,
  openVault,
  type ReaderFigures,
  type RotationNews,
  type RotationSetup,
} from './rotation-process.ts'

const program = fileURLToPath(new URL('./rotation-process.ts', import.meta.url))

/** Where and how large. */
export interface RotationRun {
  url: string
  /** A folder for the key file. */
  folder: string
  rows: number
  /** Processes that read. Default 2. */
  readers?: number
}

/** What came out. */
export interface RotationFigures {
  rows: number
  readers: number
  /** Rows resealed when the process was killed, at least, and by the one that went on. */
  resealedBeforeKill: number
  resealedAfter: number
  /** Of both runs, the kill and the restart included. */
  rowsPerSecond: number
  reads: number
  failedReads: number
  writes: number
  failedWrites: number
  /** The first failure, if any. */
  failure: string | undefined
  /** How long after the rotation the old key could be retired, and how often that took another look. */
  retiredAfterMs: number
  rotatedAgain: number
  /** Connections that a fresh process could not read with the new key alone. */
  unreadable: number
}

/** A child that rotates or reads. */
class Child {
  readonly process: ChildProcess
  readonly #news: RotationNews[] = []
  #wake: () => void = () => {}

  constructor(setup: RotationSetup) {
    this.process = fork(program, { execArgv: [] })
    this.process.on('message', (news: RotationNews) => {
      this.#news.push(news)
      this.#wake()
    })
    this.process.on('exit', () => this.#wake())
    this.process.send(setup)
  }

  /** The next thing that it says; `undefined` once it is gone. */
  async next(): Promise<RotationNews | undefined> {
    while (this.#news.length === 0) {
      if (this.process.exitCode !== null || this.process.signalCode !== null) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const news = this.#news.shift()
    if (typeof news === 'object' && 'failed' in news) throw new Error(news.failed)
    return news
  }

  async kill(): Promise<void> {
    const gone = once(this.process, 'exit')
    this.process.kill('SIGKILL')
    await gone
  }

  async stopReading(): Promise<ReaderFigures> {
    this.process.send('stop')
    for (let news = await this.next(); news !== undefined; news = await this.next())
      if (typeof news === 'object' && 'read' in news) return news.read
    throw new Error('A reader ended without its figures.')
  }
}

/** Fills the vault, rotates its key under load with a kill half-way, and retires the old one. */
export async function measureRotation(run: RotationRun): Promise<RotationFigures> {
  const { rows, readers = 2 } = run
  const setup = { url: run.url, keyFile: join(run.folder, 'vault.key'), rows }
  const vault = await openVault(setup)
  try {
    await fill(vault, rows)
    const [old] = await vault.keys.list()
    const reading = Array.from({ length: readers }, () => new Child({ ...setup, task: 'read' }))
    for (const child of reading) await child.next()
    await vault.keys.add()
    const begun = performance.now()
    const resealedBeforeKill = await rotateAndKill(setup, rows / 2)
    const resealedAfter = await rotateToTheEnd(setup)
    const ms = performance.now() - begun
    const retired = await retire(vault, old?.id ?? '')
    const figures = await Promise.all(reading.map((child) => child.stopReading()))
    return {
      ...{ rows, readers, resealedBeforeKill, resealedAfter, ...sum(figures), ...retired },
      rowsPerSecond: Math.round((resealedBeforeKill + resealedAfter) / (ms / 1000)),
      unreadable: await unreadable(setup),
    }
  } finally {
    await vault.close()
  }
}

async function fill(vault: Vault, rows: number): Promise<void> {
  let next = 0
  const fillOn = async () => {
    for (let row = next++; row < rows; row = next++)
      await vault.save({ user: `user-${row}`, provider: 'acme' }, grant())
  }
  await Promise.all(Array.from({ length: 16 }, fillOn))
}

async function rotateAndKill(setup: Omit<RotationSetup, 'task'>, after: number): Promise<number> {
  const child = new Child({ ...setup, task: 'rotate' })
  for (let news = await child.next(); news !== undefined; news = await child.next())
    if (typeof news === 'object' && 'resealed' in news && news.resealed >= after) {
      await child.kill()
      return news.resealed
    }
  throw new Error('It was done before it could be killed.')
}

async function rotateToTheEnd(setup: Omit<RotationSetup, 'task'>): Promise<number> {
  const child = new Child({ ...setup, task: 'rotate' })
  for (let news = await child.next(); news !== undefined; news = await child.next())
    if (typeof news === 'object' && 'rotated' in news) {
      if (news.rotated.unopened > 0) throw new Error(`${news.rotated.unopened} rows could not be opened.`)
      return news.rotated.resealed
    }
  throw new Error('It ended without a word.')
}

/** Others may have written with the old key for up to a minute: then what is left is sealed anew. */
async function retire(
  vault: Vault,
  keyId: string,
): Promise<Pick<RotationFigures, 'retiredAfterMs' | 'rotatedAgain'>> {
  const begun = performance.now()
  for (let rotatedAgain = 0; ; rotatedAgain += 1) {
    try {
      await vault.keys.retire(keyId, { deleteKey: true })
      return { retiredAfterMs: Math.round(performance.now() - begun), rotatedAgain }
    } catch (error) {
      if (!(error instanceof KeyError) || error.code !== 'key_in_use' || rotatedAgain > 100) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
      await vault.keys.rotate()
    }
  }
}

/** By a process that has only just opened the vault, and finds only the new key. */
async function unreadable({ url, keyFile, rows }: Omit<RotationSetup, 'task'>): Promise<number> {
  const vault = await openVault({ url, keyFile })
  let failed = 0
  for (let row = 0; row < rows; row += 1)
    await vault.token({ user: `user-${row}`, provider: 'acme' }).catch(() => {
      failed += 1
    })
  await vault.close()
  return failed
}

function sum(
  all: readonly ReaderFigures[],
): Omit<ReaderFigures, 'failure'> & Pick<RotationFigures, 'failure'> {
  const total = (name: 'reads' | 'failedReads' | 'writes' | 'failedWrites') =>
    all.reduce((so, figures) => so + figures[name], 0)
  return {
    ...{ reads: total('reads'), failedReads: total('failedReads') },
    ...{ writes: total('writes'), failedWrites: total('failedWrites') },
    failure: all.find(({ failure }) => failure !== undefined)?.failure,
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rows: { type: 'string', default: '100000' },
      store: { type: 'string', default: 'sqlite,postgres' },
    },
  })
  let sound = true
  for (const store of values.store.split(',')) {
    const folder = mkdtempSync(join(tmpdir(), 'toolgrant-rotation-'))
    const { PostgresServer } = await import('../setup/postgres.ts')
    const server = store === 'postgres' ? await PostgresServer.start({ max_connections: '50' }) : undefined
    try {
      const url = server === undefined ? `sqlite:${join(folder, 'vault.db')}` : (await server.database()).url
      const figures = await measureRotation({ url, folder, rows: Number(values.rows) })
      process.stdout.write(`${JSON.stringify({ rotation: store, ...figures })}\n`)
      sound &&= figures.failedReads + figures.failedWrites + figures.unreadable === 0
    } finally {
      await server?.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  }
  process.exitCode = sound ? 0 : 1
}

if (process.argv[1] === import.meta.filename) await main()
