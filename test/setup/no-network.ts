// The fast level may talk to this machine only: any other host is a mistake in a test.
import net from 'node:net'
import { afterAll } from 'vitest'

const connect = net.Socket.prototype.connect

net.Socket.prototype.connect = function refuseTheNetwork(this: net.Socket, ...args: unknown[]) {
  const [first] = args.flat() as [unknown]
  const host = typeof first === 'object' && first !== null && 'host' in first ? first.host : undefined
  const local =
    host === undefined || host === null || /^(localhost|127\.\d+\.\d+\.\d+|::1)$/.test(String(host))
  if (!local) throw new Error(`A fast test tried to reach ${String(host)}. Fast tests stay on loopback.`)
  return Reflect.apply(connect, this, args)
} as typeof connect

afterAll(() => {
  net.Socket.prototype.connect = connect
})
