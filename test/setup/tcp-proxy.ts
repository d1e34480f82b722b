// A TCP proxy on the loopback that can stand still or cut its connections: the network between a client and its server.
import { connect, createServer, type Server, type Socket } from 'node:net'

/** A proxy in front of a port of this machine. */
export class TcpProxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #frozen = false
  /** How many connections were made through it. */
  connections = 0

  private constructor(server: Server) {
    this.#server = server
  }

  /** Starts one in front of the server of a URL. */
  static async start(targetUrl: string): Promise<TcpProxy> {
    const target = new URL(targetUrl)
    const server = createServer()
    const proxy = new TcpProxy(server)
    server.on('connection', (near) => {
      const far = connect(Number(target.port || 5432), target.hostname)
      proxy.#join(near, far)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  /** Where it listens: `127.0.0.1:port`. */
  get host(): string {
    const address = this.#server.address()
    return `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  }

  /** The URL with the proxy in place of the server. */
  through(url: string): string {
    return Object.assign(new URL(url), { host: this.host }).href
  }

  /** Nothing passes any more, and nobody is told; new connections are accepted and ignored. */
  freeze(): void {
    this.#frozen = true
    for (const socket of this.#sockets) socket.pause()
  }

  /** Goes on. */
  thaw(): void {
    this.#frozen = false
    for (const socket of this.#sockets) socket.resume()
  }

  /** Ends every connection that there is. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  async stop(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #join(near: Socket, far: Socket): void {
    this.connections += 1
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from)
      from.setNoDelay(true)
      from.on('data', (data) => to.write(data))
      from.on('error', () => to.destroy())
      from.on('end', () => to.end())
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
      if (this.#frozen) from.pause()
    }
  }
}
