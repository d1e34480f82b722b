// Where loopback flows meet their listeners: one listener per address and port in a process, shared by every flow
// that waits there, closed by the last one out. RFC 8252 section 7.3.
import { ListenError } from '../errors.ts'
import type { CallbackAddress } from './loopback-address.ts'
import type { ListenerCertificate } from './loopback-certificate.ts'
import { type CallbackRoute, Listener } from './loopback-listener.ts'

/** Listening on every address of a {@link CallbackAddress}. */
export interface CallbackSite {
  readonly port: number
  /** From now on callbacks with this state go there. */
  add(route: CallbackRoute): void
  /** Ends this flow's part. The last one out frees the port: resolved means that it can be bound again. */
  close(): Promise<void>
}

/** How often a free port is tried when `localhost` needs the same one on two addresses. */
const freePortAttempts = 10

/**
 * Listens, alone or together with other flows of this process.
 *
 * @throws {ListenError} the port is taken, by another program or by a flow with other TLS settings.
 */
export async function openCallbackSite(
  address: CallbackAddress,
  certificate: ListenerCertificate | undefined,
): Promise<CallbackSite> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return siteOver(await acquireAll(address, certificate))
    } catch (error) {
      if (address.port !== 0 || attempt === freePortAttempts || !isPortTaken(error)) throw error
    }
  }
}

function isPortTaken(error: unknown): boolean {
  return error instanceof ListenError && error.code === 'EADDRINUSE'
}

async function acquireAll(
  { binds, port }: CallbackAddress,
  certificate: ListenerCertificate | undefined,
): Promise<readonly Listener[]> {
  const acquired: Listener[] = []
  try {
    for (const { address, optional } of binds) {
      const samePort = acquired[0]?.port ?? port
      const listener = await acquire(address, samePort, certificate).catch((error: unknown) => {
        if (optional && error instanceof ListenError && error.code === 'EADDRNOTAVAIL') return undefined
        throw error
      })
      if (listener !== undefined) acquired.push(listener)
    }
    return acquired
  } catch (error) {
    await Promise.all(acquired.map(release))
    throw error
  }
}

function siteOver(held: readonly Listener[]): CallbackSite {
  let route: CallbackRoute | undefined
  let closed: Promise<unknown> | undefined
  return {
    port: held[0]?.port ?? 0,
    add: (added) => {
      route = added
      for (const listener of held) listener.add(added)
    },
    close: async () => {
      if (route !== undefined) for (const listener of held) listener.remove(route)
      closed ??= Promise.all(held.map(release))
      await closed
    },
  }
}

/** A listener and how many flows wait on it. */
interface Entry {
  certificate: string | undefined
  users: number
  listener: Promise<Listener>
}

/** Every listener of this process, by address and port. */
const entries = new Map<string, Entry>()

async function acquire(
  address: string,
  port: number,
  certificate: ListenerCertificate | undefined,
): Promise<Listener> {
  const shared = port === 0 ? undefined : entries.get(keyOf(address, port))
  if (shared !== undefined) {
    if (shared.certificate !== certificate?.identity) throw otherTlsSettings(port, shared)
    shared.users += 1
    return shared.listener
  }
  const entry = { certificate: certificate?.identity, users: 1, listener: listen(address, port, certificate) }
  if (port !== 0) entries.set(keyOf(address, port), entry)
  try {
    const listener = await entry.listener
    entries.set(keyOf(address, listener.port), entry)
    return listener
  } catch (error) {
    entries.delete(keyOf(address, port))
    throw error
  }
}

async function release(listener: Listener): Promise<void> {
  const key = keyOf(listener.address, listener.port)
  const entry = entries.get(key)
  if (entry === undefined) return
  entry.users -= 1
  if (entry.users > 0) return
  entries.delete(key)
  await listener.close()
}

function keyOf(address: string, port: number): string {
  return `${address} ${port}`
}

function otherTlsSettings(port: number, { certificate }: Entry): ListenError {
  const how = certificate === undefined ? 'plain http' : 'https with another certificate'
  return new ListenError(
    'EADDRINUSE',
    `A flow of this process already waits on port ${port} with ${how}. Give both the same https option, or this one another port (option port, --port on the command line).`,
    port,
  )
}

async function listen(
  address: string,
  port: number,
  certificate: ListenerCertificate | undefined,
): Promise<Listener> {
  const listener = new Listener(address, certificate)
  await listener.listen(port)
  return listener
}
