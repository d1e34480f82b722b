// What `pg` is told of a place, and what is only found out by trying: a server without TLS, a certificate of an unusual kind, a
// pooler that refuses a setting in the start-up message (PgBouncer: all but a few).
import type { Client, ClientConfig, Pool, PoolConfig } from 'pg'
import { failureOf } from './postgres-errors.ts'
import type { PostgresPlace } from './postgres-url.ts'

/** The classes of `pg`, loaded when a store is opened. */
export interface PgModule {
  Client: new (config: BoundConfig) => Client
  Pool: new (config: PoolConfig) => Pool
}

/** What {@link clientConfig} adds to the settings of `pg`. */
interface BoundConfig extends ClientConfig {
  /** See {@link Encryption.binding}. */
  requireBinding?: boolean
}

/** How connections to a place are made. */
export interface ConnectionPlan {
  place: PostgresPlace
  /** How long a statement may take, in milliseconds. */
  statementTimeoutMs: number
  /** Whether the server is told that limit, too. */
  limitAtServer: boolean
  /** Whether to go in the clear although TLS was tried. */
  plain: boolean
  /** Whether to prove the password untied, since this server's certificate is of a kind that `pg` cannot tie it to. */
  unbound?: boolean
}

/** An idle connection asks for signs of life after so many milliseconds: what is dead is noticed before it is used. */
const keepAliveAfterMs = 10_000

/** Loads `pg`: not before, since it costs as much as half a start of Node. */
export async function loadPg(): Promise<PgModule> {
  const pg = await import('pg')
  class Client extends pg.Client {
    constructor(config: BoundConfig) {
      super(config)
      if (config.requireBinding) requireBinding(this)
    }
  }
  class Pool extends pg.Pool {
    constructor(config: PoolConfig) {
      super({ ...config, Client: Client as unknown as new () => Client })
    }
  }
  return { Client, Pool }
}

/** `pg` ties the proof where that is offered; whoever offers less is somebody else, or no server of today. */
function requireBinding({ connection }: Client): void {
  let bound = false
  const refuse = () => {
    if (!bound) connection.stream.destroy(unboundError())
  }
  connection.on('authenticationSASL', ({ mechanisms }: { mechanisms: string[] }) => {
    bound = mechanisms.includes('SCRAM-SHA-256-PLUS')
    refuse()
  })
  for (const other of ['authenticationCleartextPassword', 'authenticationMD5Password', 'authenticationOk'])
    connection.on(other, refuse)
}

/** What {@link requireBinding} ends a connection with. */
export function unboundError(): Error {
  return new Error('The server does not offer what channel_binding=require demands')
}

/** The settings of one connection. */
export function clientConfig(plan: ConnectionPlan): BoundConfig {
  const { place, statementTimeoutMs, limitAtServer, plain, unbound = false } = plan
  const { tls, binding } = place.encryption
  const { host, port, database, user, password, applicationName, options } = place
  return {
    ...{ host, port, database, user, application_name: applicationName, keepAlive: true },
    ...{ keepAliveInitialDelayMillis: keepAliveAfterMs, connectionTimeoutMillis: place.connectTimeoutMs },
    ...(password === undefined ? {} : { password }),
    ...(options === undefined ? {} : { options }),
    ssl: (!plain && tls) || false,
    enableChannelBinding: binding !== 'disable' && !plain && !unbound,
    requireBinding: binding === 'require',
    // Here first, so that a statement that hangs for a lock is told so by the server, and the connection survives.
    query_timeout: statementTimeoutMs + 1000,
    ...(limitAtServer ? { statement_timeout: statementTimeoutMs } : {}),
  }
}

/**
 * Another plan for a place that did not take the first one; `undefined` when nothing else can be tried.
 *
 * @param error what connecting threw.
 */
export function otherPlan(plan: ConnectionPlan, error: unknown): ConnectionPlan | undefined {
  const { message } = failureOf(error)
  if (/does not support SSL/.test(message) && plan.place.encryption.orPlain && !plan.plain)
    return { ...plan, plain: true }
  if (/SASL channel binding/.test(message) && plan.place.encryption.binding === 'prefer' && !plan.unbound)
    return { ...plan, unbound: true }
  if (/startup param|statement_timeout/i.test(message) && plan.limitAtServer)
    return { ...plan, limitAtServer: false }
  return undefined
}

/** Says goodbye and waits for the end of a connection, for a limited time: the other side may be out of reach. */
export async function hangUp(client: Client): Promise<void> {
  // One that let the process end must not let it end here: whoever closes a vault waits for this.
  ;(client as Client & { ref?: () => void }).ref?.()
  const limit = setTimeout(() => client.connection.stream.destroy(), 1000)
  await client.end().catch(() => {})
  clearTimeout(limit)
}

/** Lets the process end although the connection is open. */
export function unref(client: Client): void {
  ;(client as Client & { unref?: () => void }).unref?.()
}
