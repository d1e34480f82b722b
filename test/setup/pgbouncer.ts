// A real PgBouncer between tests and their PostgreSQL server. No vitest import, so that scripts may use it too.
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, chmodSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Where packages put it. */
const places = ['/usr/sbin/pgbouncer', '/usr/local/bin/pgbouncer', '/opt/homebrew/bin/pgbouncer']
/** Whom it runs as when this process is root, which it refuses to be. */
const nobody = 65_534

/** What to do where there is none. */
export const pgbouncerAdvice = `The tests of a vault behind a pooler need PgBouncer. Do one of these, then run them again:
  Debian, Ubuntu:  sudo apt-get install pgbouncer
  anything else:   install it and set PGBOUNCER_PATH to its executable`

/** The path of an installed PgBouncer; the environment variable `PGBOUNCER_PATH` wins. `undefined` when there is none. */
export function pgbouncerPath(): string | undefined {
  const chosen = process.env.PGBOUNCER_PATH
  return (chosen ? [chosen] : places).find(isExecutable)
}

/** A pooler that runs. */
export interface PgBouncer {
  /** The URL of the database at `databaseUrl` by way of the pooler. */
  through(databaseUrl: string): string
  stop(): Promise<void>
}

/**
 * Starts a PgBouncer in front of the server of a URL.
 *
 * @param settings of its section `[pgbouncer]`. Default: transaction mode, three connections to the server a database.
 */
export async function startPgBouncer(
  serverUrl: string,
  settings: Record<string, string> = {},
): Promise<PgBouncer> {
  const path = pgbouncerPath()
  if (path === undefined) throw new Error(pgbouncerAdvice)
  const folder = mkdtempSync(join(tmpdir(), 'toolgrant-pgbouncer-'))
  const port = await freePort()
  const server = new URL(serverUrl)
  const all = {
    ...{ listen_addr: '127.0.0.1', listen_port: `${port}`, unix_socket_dir: '' },
    ...{ auth_type: 'scram-sha-256', auth_file: join(folder, 'users.txt') },
    ...{ pool_mode: 'transaction', default_pool_size: '3', max_client_conn: '300', ...settings },
  }
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`)
  const target = `* = host=${server.hostname} port=${server.port || '5432'}`
  writeFileSync(join(folder, 'pgbouncer.ini'), `[databases]\n${target}\n[pgbouncer]\n${lines.join('\n')}\n`)
  writeFileSync(join(folder, 'users.txt'), `"${server.username}" "${decodeURIComponent(server.password)}"\n`)
  chmodSync(folder, 0o755)
  const child = spawn(path, ['-q', join(folder, 'pgbouncer.ini')], {
    stdio: 'ignore',
    ...(process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {}),
  })
  const end = () => child.kill('SIGKILL')
  process.once('exit', end)
  await listening(child, port)
  return {
    through(databaseUrl) {
      const url = new URL(databaseUrl)
      url.host = `127.0.0.1:${port}`
      return url.href
    },
    async stop() {
      process.off('exit', end)
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await gone
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function listening(child: ChildProcess, port: number): Promise<void> {
  for (const until = Date.now() + 10_000; ; ) {
    if (await answers(port)) return
    if (child.exitCode !== null || Date.now() > until) throw new Error('PgBouncer did not start.')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
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

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
