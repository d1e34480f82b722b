// A real vault, the real loopback flow and the simulated authorization server, for the tests of the toolbox.
import { type LoopbackOptions, loopback } from '../flows/index.ts'
import { TokenSet } from '../oauth/index.ts'
import { defineProvider, type Provider } from '../providers/index.ts'
import {
  type AuthorizationServer,
  type AuthorizationServerOptions,
  startAuthorizationServer,
} from '../testing/index.ts'
import { Vault } from '../vault/index.ts'
import { type Tool, Toolbox, type ToolboxEvent, type ToolboxOptions } from './index.ts'

type Others = Readonly<Record<string, Partial<Provider> | ((url: string) => Partial<Provider>)>>

/** One installation: servers, a vault, and toolboxes over it. */
export class House {
  readonly server: AuthorizationServer
  readonly vault: Vault
  readonly events: ToolboxEvent[] = []
  readonly #toolboxes: Toolbox[] = []

  private constructor(server: AuthorizationServer, vault: Vault) {
    this.server = server
    this.vault = vault
  }

  /** `others` are further providers at the same server, with ids of their own. */
  static async open(options: AuthorizationServerOptions = {}, others: Others = {}): Promise<House> {
    const server = await startAuthorizationServer(options)
    const row = (overrides: Partial<Provider>) => ({
      ...server.client(),
      provider: defineProvider(server.provider({ issuer: undefined, ...overrides })),
    })
    const rows = Object.entries({ acme: {}, ...others }).map(([id, given]) => {
      const overrides = typeof given === 'function' ? given(server.url) : given
      return [id, row({ id, name: id.toUpperCase(), ...overrides })] as const
    })
    const vault = await Vault.open({ url: 'memory:', clients: Object.fromEntries(rows) })
    return new House(server, vault)
  }

  /** A toolbox whose links nobody opens by themselves. */
  toolbox(tools: readonly Tool[], options: ToolboxOptions & { loopback?: LoopbackOptions } = {}): Toolbox {
    const flow = loopback({ openBrowser: false, onEvent: () => {}, ...options.loopback })
    const onEvent = (event: ToolboxEvent) => void this.events.push(event)
    const toolbox = new Toolbox({ vault: this.vault, tools, flow, onEvent, ...options })
    this.#toolboxes.push(toolbox)
    return toolbox
  }

  /** Connects somebody without asking. */
  async connect(
    user: string,
    scopes: readonly string[],
    options: { provider?: string; account?: string; extra?: Record<string, unknown> } = {},
  ): Promise<string> {
    const { provider = 'acme', account, extra } = options
    const { accessToken, refreshToken, expiresInSeconds } = this.server.grant({ user, scopes })
    const expiresAt = expiresInSeconds === null ? null : new Date(Date.now() + expiresInSeconds * 1000)
    const address = { user, provider, ...(account === undefined ? {} : { account }) }
    await this.vault.save(address, new TokenSet({ accessToken, refreshToken, scopes, expiresAt, extra }))
    return accessToken
  }

  async close(): Promise<void> {
    for (const toolbox of this.#toolboxes) await toolbox.close()
    await this.vault.close()
    await this.server.close()
  }
}
