// `npm run demo`: the demo of the command line, on oidc-provider, a certified authorization server with
// refresh-token rotation. `--json`: a JSON line a step. `--browser`: you are the person. `--wire`: whose format.
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { runDemo } from '../src/cli/demo.ts'
import type { DemoServer } from '../src/cli/demo-stage.ts'
import { Output } from '../src/cli/output.ts'
import { personIsHere } from '../src/flows/index.ts'
import { startOidcServer } from '../test/servers/oidc.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    browser: { type: 'boolean' },
    'no-browser': { type: 'boolean', default: false },
    wire: { type: 'string', default: 'openai' },
  },
})
const wire = (['openai', 'anthropic', 'gemini'] as const).find((name) => name === values.wire)
if (wire === undefined) {
  console.error('--wire takes openai, anthropic or gemini.')
  process.exit(2)
}

async function startServer(options: { accessTokenSeconds: number }): Promise<DemoServer> {
  const server = await startOidcServer({ accessTokenSeconds: options.accessTokenSeconds })
  return {
    name: 'oidc-provider',
    person: 'A headless browser',
    issuer: server.issuer,
    client: server.confidentialClient,
    consent: (url) => server.visit(url),
    accessToken: (value) => server.accessToken(value),
    rotations: () => server.counters.rotations,
    reuseViolations: () => server.counters.grantsRevoked,
    close: () => server.close(),
  }
}

const interruption = new AbortController()
process.once('SIGINT', () => interruption.abort(new Error('Interrupted.')))
process.once('SIGTERM', () => interruption.abort(new Error('Interrupted.')))
try {
  const ok = await runDemo({
    output: new Output(values.json),
    signal: interruption.signal,
    startServer,
    main: fileURLToPath(new URL('../src/cli/main.ts', import.meta.url)),
    browser: values.browser ?? (!values['no-browser'] && !values.json && personIsHere()),
    environment: process.env,
    wire,
  })
  process.exitCode = ok ? 0 : 1
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = interruption.signal.aborted ? 130 : 1
}
