// What the canary tests play on: an authorization server whose every secret is known, a proxy that quotes requests back,
// clients with secrets that every encoding changes, and ears on this process.
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll } from 'vitest'
import type { Client } from '../../src/oauth/index.ts'
import { defineProvider, type Provider, type ProviderDefinition } from '../../src/providers/index.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../../src/testing/index.ts'
import { type EchoingProxy, startEchoingProxy } from './echo.ts'
import { type Evidence, type Finding, Secrets } from './search.ts'

const random = (bytes: number) => randomBytes(bytes).toString('base64url')

/** Registers the hooks of the test file; one stage for all of its tests. */
export function canaryStage(): CanaryStage {
  const stage = new CanaryStage()
  beforeAll(() => stage.open())
  afterAll(() => stage.close())
  return stage
}

/** Server, proxy, clients. */
export class CanaryStage {
  #server: AuthorizationServer | undefined
  #proxy: EchoingProxy | undefined
  readonly #secrets = new Secrets()
  /** As a person would have chosen it: short, and changed by every encoding. */
  readonly basicSecret = `k9&${random(9)}+%`
  readonly postSecret = `p&ss<w'rd>;"\\+/ %=${random(18)}`

  async open(): Promise<void> {
    this.#server = await startAuthorizationServer({
      openid: true,
      clients: [
        { clientSecret: this.basicSecret },
        { clientSecret: this.postSecret, tokenEndpointAuthMethod: 'client_secret_post' },
        { tokenEndpointAuthMethod: 'none' },
      ],
    })
    this.#proxy = await startEchoingProxy(this.#server.url)
  }

  async close(): Promise<void> {
    await this.#proxy?.close()
    await this.#server?.close()
  }

  get server(): AuthorizationServer {
    if (this.#server === undefined) throw new Error('the stage is not open')
    return this.#server
  }

  get proxy(): EchoingProxy {
    if (this.#proxy === undefined) throw new Error('the stage is not open')
    return this.#proxy
  }

  /** The server as the provider `acme`; its token and revocation endpoints are behind the proxy. */
  definition(changes: Partial<ProviderDefinition> = {}): ProviderDefinition {
    const { origin } = this.proxy
    const behind = { tokenUrl: `${origin}/token`, revocationUrl: `${origin}/revoke` }
    return {
      ...this.server.provider({ id: 'acme', name: 'Acme' }),
      ...behind,
      ...changes,
    } as ProviderDefinition
  }

  provider(changes: Partial<ProviderDefinition> = {}): Provider {
    return defineProvider(this.definition(changes))
  }

  /** Authenticates by header (0), in the body (1) or not at all (2). */
  client(index = 0): Client {
    const { clientId, clientSecret, tokenEndpointAuthMethod } = this.server.client(index)
    return { clientId, tokenEndpointAuthMethod, ...(clientSecret === undefined ? {} : { clientSecret }) }
  }

  /** Adds a secret that neither server nor proxy can know. */
  keep(name: string, secret: string): string {
    this.#secrets.add(name, secret)
    return secret
  }

  /** Everything secret so far: what was issued, and what travelled. */
  secrets(): Secrets {
    for (const secret of [...this.server.issuedSecrets(), ...this.proxy.secrets()])
      this.#secrets.add(secret.slice(0, 14), withoutClaims(secret))
    for (const { url, params } of this.server.requests()) {
      const query = Object.fromEntries(new URL(url, 'http://x').searchParams)
      for (const name of ['state', 'nonce', 'code_verifier'])
        for (const value of [query[name], params[name]]) if (value) this.#secrets.add(name, value)
    }
    for (const { body } of this.proxy.requests) {
      const sent = new URLSearchParams(body)
      for (const name of ['code_verifier', 'client_assertion'])
        for (const value of sent.getAll(name)) this.#secrets.add(name, withoutClaims(value))
    }
    return this.#secrets
  }

  /** What of it is in the evidence. */
  leaks(evidence: Evidence): Finding[] {
    return evidence.find(this.secrets())
  }
}

/** The signature of an id_token: its claims hold names, which are no secret. */
function withoutClaims(secret: string): string {
  return /^eyJ[\w-]+\.[\w-]+\.([\w-]{20,})$/.exec(secret)?.[1] ?? secret
}

/** Listens to this process's streams and warnings until it is stopped; what is written to the streams goes no further. */
export function listenToProcess(evidence: Evidence): () => void {
  const streams = ['stdout', 'stderr'] as const
  const originals = streams.map((name) => process[name].write)
  for (const name of streams)
    process[name].write = ((text: string | Uint8Array, ...rest: unknown[]) => {
      evidence.text(name, text)
      const done = rest.at(-1)
      if (typeof done === 'function') done()
      return true
    }) as typeof process.stdout.write
  const onWarning = (warning: Error) => evidence.error('a process warning', warning)
  process.on('warning', onWarning)
  return () => {
    for (const [index, name] of streams.entries()) {
      const original = originals[index]
      if (original !== undefined) process[name].write = original
    }
    process.off('warning', onWarning)
  }
}

/** What a call throws. */
export async function thrown(run: () => unknown): Promise<unknown> {
  try {
    await run()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}
