// The demo is the main job from end to end: on a certified authorization server, with a second process and a
// revocation that the server confirms. It exits 0 only if each step was checked.
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const main = fileURLToPath(new URL('../demo/main.ts', import.meta.url))
const steps = [
  'servers',
  'tools',
  'model_call',
  'consent_needed',
  'consented',
  'sealed',
  'call',
  'refreshed',
  'second_process',
  'revoked',
  'no_leak',
]

interface Outcome {
  code: number
  stdout: string
  stderr: string
}

function runDemo(args: string[], env: Record<string, string> = {}): Promise<Outcome> {
  return run([main, ...args], env)
}

function run(args: string[], env: Record<string, string> = {}): Promise<Outcome> {
  const clean = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(OPENAI|ANTHROPIC|GEMINI|TOOLGRANT)_/.test(name)),
  )
  return new Promise((resolve) => {
    const options = { env: { ...clean, ...env }, timeout: 60_000 }
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, stdout, stderr })
    })
  })
}

describe.concurrent('npm run demo', () => {
  it.for(['openai', 'anthropic', 'gemini'])(
    '--json prints one line a step and nothing else, in the wire format of %s',
    async (wire, { expect }) => {
      const { code, stdout, stderr } = await runDemo(['--json', '--wire', wire])
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      const lines = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
      expect(lines.map(({ step }) => step)).toEqual(steps)
      expect(lines.every(({ ok }) => ok === true)).toBe(true)
      const told = Object.fromEntries(lines.map((line) => [line.step, line]))
      expect(told['call'].result).toEqual({ owner: 'ada', notes: ['Buy oat milk', 'Call the plumber'] })
      expect(told['refreshed']).toMatchObject({ refreshes: 1, rotated: true })
      expect(told['revoked']).toMatchObject({ revoked: true, refresh: 'invalid_grant', api: 401 })
    },
  )

  it('tells the story to people on stderr, a numbered line a step, without colour outside a terminal', async ({
    expect,
  }) => {
    const { code, stdout, stderr } = await runDemo([])
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(stderr.match(/^ ?\d+ ✓ /gm)).toHaveLength(steps.length)
    expect(stderr).not.toContain('\u001b')
  })
})

describe('with a model that cannot be used', () => {
  const server = createServer((_request, response) => {
    response.statusCode = 429
    response.end('{"error":{"message":"quota"}}')
  })

  beforeAll(() => new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve)))
  afterAll(() => server.close())

  it('says so at its step, and exits 1', async () => {
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
    const { code, stdout } = await runDemo(['--json'], {
      OPENAI_BASE_URL: base,
      OPENAI_API_KEY: 'canary-model-key',
    })
    const last = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '{}')
    expect({ code, step: last.step, ok: last.ok }).toEqual({ code: 1, step: 'model_call', ok: false })
    expect(last.error).toContain('429')
    expect(stdout).not.toContain('canary-model-key')
  })
})

describe('toolgrant demo, which ships with the package', () => {
  it('tells the same story on the simulated server', async () => {
    const cli = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
    const { code, stdout, stderr } = await run([cli, 'demo', '--json', '--no-browser'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const told = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(told.map(({ step, ok }) => ({ step, ok }))).toEqual(steps.map((step) => ({ step, ok: true })))
  })
})
