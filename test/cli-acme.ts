// The provider `acme` for tests of the command line: the simulated authorization server, the configuration that names
// it, the person who consents, and the search of all output for its secrets.
import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { type AuthorizationServer, startAuthorizationServer } from '../src/testing/index.ts'
import { CliFolder, type CliResult, type RunningCli } from './cli-process.ts'

/** The simulator and everything secret about it. */
export class Acme {
  readonly server: AuthorizationServer
  /** Base64 of the vault's key. */
  readonly key = randomBytes(32).toString('base64')
  /** What no command but `token` may print, besides what the server issued. */
  readonly secrets = new Set<string>([this.key])

  private constructor(server: AuthorizationServer) {
    this.server = server
  }

  static async start(): Promise<Acme> {
    return new Acme(await startAuthorizationServer())
  }

  /** A working directory with the configuration in it. */
  async folder(): Promise<CliFolder> {
    const folder = await CliFolder.make(this.key)
    await this.configure(folder)
    return folder
  }

  /** Writes the configuration: `top` above the sections, `auth` into `[auth.acme]`. */
  async configure(folder: CliFolder, { top = '', auth = '' } = {}): Promise<void> {
    const { authorizationUrl, tokenUrl, revocationUrl, apiBaseUrl, issuer } = this.server.provider()
    const { clientId, clientSecret } = this.server.client()
    await folder.write(
      'toolgrant.toml',
      `tools = "./tools.ts"
user = "ada"
${top}
[providers.acme]
name = "Acme"
issuer = "${issuer}"
authorization_url = "${authorizationUrl}"
token_url = "${tokenUrl}"
revocation_url = "${revocationUrl}"
api_base_url = "${apiBaseUrl}"
default_scopes = ["read"]
[auth.acme]
client_id = "${clientId}"
${auth}
`,
    )
    await folder.write('.secrets.toml', `[auth.acme]\nclient_secret = "${clientSecret}"\n`)
  }

  /** The address that a waiting command asks the person to open. */
  async addressToOpen(running: RunningCli): Promise<string> {
    const [, url = ''] = await running.stderrHas(/(http:\/\/127\.0\.0\.1:\d+\/authorize\S*?)["\s]/)
    return url
  }

  /** Consents as the person does, in the browser, to what a running command asks for. */
  async consent(running: RunningCli): Promise<CliResult> {
    const page = await this.server.browse(await this.addressToOpen(running))
    expect(page.status).toBe(200)
    return running.end
  }

  /** Runs `toolgrant connect acme`, with the test as the person. */
  connect(folder: CliFolder, ...args: string[]): Promise<CliResult> {
    return this.consent(folder.start(['connect', 'acme', ...args]))
  }

  /** Searches everything that the commands in a folder have written for secrets. */
  assertNoSecret(folder: CliFolder): void {
    for (const secret of this.server.issuedSecrets()) this.secrets.add(secret)
    for (const { stdout, stderr } of folder.output)
      for (const secret of this.secrets) expect(stdout + stderr).not.toContain(secret)
  }
}
