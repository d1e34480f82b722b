// A vault, or several, against a simulated authorization server over HTTP, with one clock for all of them.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach } from 'vitest'
import type { ToolgrantError } from '../../src/errors.ts'
import { TokenSet } from '../../src/oauth/index.ts'
import { defineProvider, type Provider } from '../../src/providers/index.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../../src/testing/index.ts'
import { Vault, type VaultEvent, type VaultOptions } from '../../src/vault/index.ts'

/** Whom the tests connect. */
export const ada = { user: 'ada', provider: 'simulated' }

/** Registers the hooks of the test file and returns what its tests use; all of it is new for each test. */
export function vaultFixture(): VaultFixture {
  const fixture = new VaultFixture()
  beforeEach(() => fixture.start())
  afterEach(() => fixture.stop())
  afterAll(() => fixture.remove())
  return fixture
}

/** Server, clock, vaults and what they told. */
export class VaultFixture {
  readonly #folder = mkdtempSync(join(tmpdir(), 'toolgrant-vault-'))
  #files = 0
  #server: AuthorizationServer | undefined
  #vaults: Vault[] = []
  /** Milliseconds since 1970. */
  now = 0
  events: VaultEvent[] = []

  async start(): Promise<void> {
    this.now = Date.UTC(2026, 0, 1)
    this.events = []
    this.#server = await startAuthorizationServer({
      ...{ now: () => this.now, scopes: ['a', 'b', 'c', 'openid'] },
    })
  }

  async stop(): Promise<void> {
    for (const vault of this.#vaults.splice(0)) await vault.close()
    await this.#server?.close()
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  get server(): AuthorizationServer {
    if (this.#server === undefined) throw new Error('the fixture is not started')
    return this.#server
  }

  get eventTypes(): string[] {
    return this.events.map(({ type }) => type)
  }

  /** A folder that does not exist yet. */
  newFolder(): string {
    this.#files += 1
    return join(this.#folder, `${this.#files}`)
  }

  newUrl(): string {
    return `sqlite:${join(this.newFolder(), 'vault.db')}`
  }

  /** The server as a provider. */
  provider(overrides: { revocationUrl?: string | undefined } = {}): Provider {
    return defineProvider(this.server.provider({ issuer: undefined, ...overrides }))
  }

  async open(options: VaultOptions = {}): Promise<Vault> {
    const vault = await Vault.open({
      ...{ url: 'memory:', clients: { simulated: { ...this.server.client(), provider: this.provider() } } },
      ...{
        now: () => this.now,
        random: () => 0,
        onEvent: (event: VaultEvent) => void this.events.push(event),
      },
      ...options,
    })
    this.#vaults.push(vault)
    return vault
  }

  /** A fresh grant at the server, as tokens. */
  granted(scopes: readonly string[] = ['a', 'b']): TokenSet {
    const { accessToken, refreshToken, expiresInSeconds } = this.server.grant({ scopes })
    return new TokenSet({
      ...{ accessToken, refreshToken, scopes, receivedAt: new Date(this.now) },
      expiresAt: expiresInSeconds === null ? null : new Date(this.now + expiresInSeconds * 1000),
    })
  }

  pass(seconds: number): void {
    this.now += seconds * 1000
  }
}

/** What a call throws. */
export async function failure(run: () => unknown): Promise<ToolgrantError & Record<string, unknown>> {
  try {
    await run()
  } catch (error) {
    return error as ToolgrantError & Record<string, unknown>
  }
  throw new Error('nothing was thrown')
}

/** Waits until something has happened, at most two seconds. */
export async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 2000; !condition(); ) {
    if (Date.now() > end) throw new Error('it did not happen')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
