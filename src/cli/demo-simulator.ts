// `toolgrant demo`: the story on the simulated authorization server that ships with the package, so that it runs
// wherever the package is installed. In the checkout, `npm run demo` tells it on a certified server.
import { personIsHere } from '../flows/index.ts'
import { startAuthorizationServer } from '../testing/index.ts'
import type { CommandContext } from './context.ts'
import { runDemo } from './demo.ts'
import type { Wire } from './demo-model.ts'
import type { DemoServer } from './demo-stage.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'

/** Options of the command. */
export interface DemoCommandOptions {
  browser?: boolean
  wire?: Wire
}

/** Runs the demo; the exit code is 0 only if each step was checked. */
export async function demo(context: CommandContext, options: DemoCommandOptions): Promise<ExitCode> {
  const ok = await runDemo({
    output: context.output,
    signal: context.signal,
    startServer,
    main: process.argv[1] ?? '',
    browser: options.browser ?? (!context.output.json && personIsHere()),
    environment: process.env,
    ...(options.wire === undefined ? {} : { wire: options.wire }),
  })
  return ok ? exitCodes.ok : exitCodes.failure
}

async function startServer(options: { accessTokenSeconds: number }): Promise<DemoServer> {
  const server = await startAuthorizationServer({ ...options, openid: true, consent: 'page' })
  const client = server.client()
  const { introspectionUrl = '' } = server.provider()
  const credentials = Buffer.from(`${client.clientId}:${client.clientSecret}`).toString('base64')
  return {
    name: 'simulated authorization server',
    person: 'A simulated person',
    issuer: server.url,
    client: {
      clientId: client.clientId,
      ...(client.clientSecret === undefined ? {} : { clientSecret: client.clientSecret }),
    },
    consent: (url) => server.browse(url),
    async accessToken(token) {
      const response = await fetch(introspectionUrl, {
        method: 'POST',
        headers: { authorization: `Basic ${credentials}` },
        body: new URLSearchParams({ token }),
        signal: AbortSignal.timeout(10_000),
      })
      const {
        active,
        sub,
        username,
        scope = '',
      } = (await response.json()) as Record<string, string | undefined>
      return active ? { user: sub ?? username ?? '', scopes: scope.split(' ') } : undefined
    },
    rotations: () => server.counts.refreshes,
    reuseViolations: () => server.counts.reuseViolations,
    close: () => server.close(),
  }
}
