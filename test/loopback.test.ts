// The loopback flow against a real authorization server, and across real processes.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { request as httpsRequest } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AuthorizationDeniedError } from '../src/errors.ts'
import { authorize, type FlowRequest, type LoopbackOptions, loopback } from '../src/flows/index.ts'
import type { Client } from '../src/oauth/index.ts'
import { defineProvider, type Provider } from '../src/providers/index.ts'
import { type OidcServer, startOidcServer } from './servers/oidc.ts'

let oidc: OidcServer
let provider: Provider
let dataFolder: string

beforeAll(async () => {
  oidc = await startOidcServer()
  provider = defineProvider({ id: 'practice', name: 'Practice', issuer: oidc.issuer })
  dataFolder = await mkdtemp(join(tmpdir(), 'toolgrant-loopback-'))
})
afterAll(async () => {
  await oidc.close()
  await rm(dataFolder, { recursive: true, force: true })
})

function start(client: Client, options: LoopbackOptions & Partial<FlowRequest> = {}) {
  const listen = { onEvent: () => {}, dataFolder, ...options }
  return loopback(listen).start({ registration: { provider, client }, scopes: ['notes.read'], ...options })
}

function portOf(flow: { redirectUri: string }): number {
  return Number(new URL(flow.redirectUri).port)
}

/** Binds the port in another process; fails with that process's words when it cannot. */
async function expectFreeForOthers(port: number): Promise<void> {
  const code = `require('node:net').createServer().listen(${port}, '127.0.0.1', () => process.exit(0))`
  const { exitCode, stderr } = await run(spawn(process.execPath, ['-e', code]))
  expect(`${exitCode} ${stderr}`).toBe('0 ')
}

async function run(child: ChildProcess): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk) => (stdout += chunk))
  child.stderr?.on('data', (chunk) => (stderr += chunk))
  const [exitCode] = await once(child, 'close')
  return { exitCode, stdout, stderr }
}

describe('against a real authorization server', () => {
  it('P2 P9 P10 P27 P30 connects a public client, found by its issuer', async () => {
    const flow = await start(oidc.publicClient, { scopes: 'openid notes.read' })
    const asked = new URL(flow.url)
    expect(asked.origin).toBe(oidc.issuer)
    expect(asked.searchParams.get('nonce')).toMatch(/^[\w-]{22,}$/)
    const { status, page, redirectedUrl } = await oidc.visit(flow.url)
    expect(new URL(redirectedUrl).searchParams.get('iss')).toBe(oidc.issuer)
    expect(status).toBe(200)
    expect(page).toContain('Connected to Practice')
    const tokens = await flow.result()
    expect(tokens.scopes).toEqual(['openid', 'notes.read'])
    expect(tokens.refreshToken).toBeDefined()
    expect(tokens.idToken).toBeDefined()
    expect(await oidc.accessToken(tokens.accessToken)).toMatchObject({ user: 'ada', scopes: tokens.scopes })
  })

  it('P2 connects a client with a secret in one call, the browser opened for it', async () => {
    const tokens = await authorize(provider, oidc.confidentialClient, {
      scopes: ['notes.read', 'notes.write'],
      onEvent: () => {},
      openBrowser: (url) => oidc.consent(url, { user: 'grace' }),
    })
    expect(await oidc.accessToken(tokens.accessToken)).toMatchObject({
      user: 'grace',
      clientId: oidc.confidentialClient.clientId,
    })
  })

  it('P3 connects over https://localhost:41539/', async () => {
    const flow = await start(oidc.webClient, { https: true })
    expect(flow.redirectUri).toBe('https://localhost:41539/')
    const { redirectedUrl } = await oidc.visit(flow.url, { follow: false })
    expect(await getTrusting(redirectedUrl)).toBe(200)
    expect(await oidc.accessToken((await flow.result()).accessToken)).toMatchObject({ user: 'ada' })
  })

  it('P15 hears the denial', async () => {
    const before = oidc.counters.tokenRequests.authorization_code
    const flow = await start(oidc.publicClient)
    const { status, page } = await oidc.visit(flow.url, { deny: true })
    expect(status).toBe(400)
    expect(page).toContain('access_denied: The person said no.')
    const error = await flow.result().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(AuthorizationDeniedError)
    expect(error).toMatchObject({ provider: 'practice', errorDescription: 'The person said no.' })
    expect(oidc.counters.tokenRequests.authorization_code).toBe(before)
  })

  it('P16 shows the failure page when the server refuses the code', async () => {
    const flow = await start({ ...oidc.confidentialClient, clientSecret: 'wrong' })
    const { status, page } = await oidc.visit(flow.url)
    expect(status).toBe(502)
    expect(page).toContain('Not connected to Practice')
    await expect(flow.result()).rejects.toMatchObject({ name: 'TokenEndpointError', error: 'invalid_client' })
  })

  it('P21 connects ten people at once on one port, each to their own account', async () => {
    const port = await freePort()
    const flows = await Promise.all(Array.from({ length: 10 }, () => start(oidc.publicClient, { port })))
    await Promise.all(flows.map((flow, index) => oidc.consent(flow.url, { user: `person-${index}` })))
    for (const [index, flow] of flows.entries()) {
      const { accessToken } = await flow.result()
      expect(await oidc.accessToken(accessToken)).toMatchObject({ user: `person-${index}` })
    }
  })

  it('P23 connects with the address pasted from a browser elsewhere', async () => {
    const flow = await start(oidc.publicClient)
    await flow.submit(await oidc.consent(flow.url, { follow: false, user: 'remote' }))
    const { accessToken } = await flow.result()
    expect(await oidc.accessToken(accessToken)).toMatchObject({ user: 'remote' })
  })
})

describe('P19 the port is free for another process', () => {
  it('at once after success', async () => {
    const flow = await start(oidc.publicClient)
    await oidc.consent(flow.url)
    await flow.result()
    await expectFreeForOthers(portOf(flow))
  })

  it('at once after a denial', async () => {
    const flow = await start(oidc.publicClient)
    await oidc.consent(flow.url, { deny: true })
    await flow.result().catch(() => {})
    await expectFreeForOthers(portOf(flow))
  })

  it('at once after the time is up', async () => {
    const flow = await start(oidc.publicClient, { timeoutMs: 50 })
    await flow.result().catch(() => {})
    await expectFreeForOthers(portOf(flow))
  })

  it('at once after an abort', async () => {
    const controller = new AbortController()
    const flow = await start(oidc.publicClient, { signal: controller.signal })
    controller.abort()
    await flow.result().catch(() => {})
    await expectFreeForOthers(portOf(flow))
  })
})

/** A program that connects and prints who it became, as a user would write it. */
function program(options: string): ChildProcess {
  const at = (path: string) => JSON.stringify(new URL(path, import.meta.url).href)
  const code = `
    import { authorize } from ${at('../src/flows/index.ts')}
    import { defineProvider } from ${at('../src/providers/index.ts')}
    const provider = defineProvider({ id: 'practice', name: 'Practice', issuer: ${JSON.stringify(oidc.issuer)} })
    await authorize(provider, ${JSON.stringify(oidc.publicClient)}, { scopes: 'notes.read', ${options} })`
  return spawn(process.execPath, ['--input-type=module', '-e', code])
}

/** The first authorization URL in what a program says. */
async function urlFrom(child: ChildProcess): Promise<string> {
  let text = ''
  for await (const [chunk] of onData(child)) {
    text += String(chunk)
    const url = /http:\/\/\S+\/auth\?\S+(?=\s)/.exec(text)?.[0]
    if (url !== undefined) return url
  }
  throw new Error(`The program ended: ${text}`)
}

async function* onData(child: ChildProcess): AsyncGenerator<[unknown]> {
  for (;;) yield (await once(child.stderr as NodeJS.ReadableStream, 'data')) as [unknown]
}

describe('in a program', () => {
  it('P8 writes to standard error only', async () => {
    const child = program('')
    const ended = run(child)
    await oidc.consent(await urlFrom(child))
    const { exitCode, stdout, stderr } = await ended
    expect(exitCode).toBe(0)
    expect(stdout).toBe('')
    expect(stderr).toContain('Waiting for the answer for up to 5 minutes.')
    expect(stderr).toContain('Connected to Practice.')
  })

  it('P23 reads pasted addresses from standard input, and is not kept alive by it', async () => {
    const child = program('input: process.stdin')
    const ended = run(child)
    const url = await urlFrom(child)
    child.stdin?.write('this is not it\n')
    child.stdin?.write(`${await oidc.consent(url, { follow: false })}\n`) // and stdin stays open
    const { exitCode, stdout, stderr } = await ended
    expect(`${exitCode} ${stdout}`).toBe('0 ')
    expect(stderr).toContain('That address cannot be used')
    expect(stderr).toContain('Connected to Practice.')
  })

  it('P22 prints the URL and goes on when no browser can be opened', async () => {
    const child = program(`openBrowser: () => { throw new Error('no display here') }`)
    const ended = run(child)
    await oidc.consent(await urlFrom(child))
    const { exitCode, stderr } = await ended
    expect(exitCode).toBe(0)
    expect(stderr).toContain('The browser could not be opened (no display here)')
  })

  it('P20 ends with the port and the option in its words when the port is busy', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as { port: number }
    const { exitCode, stderr } = await run(program(`port: ${port}`))
    taken.close()
    expect(exitCode).toBe(1)
    expect(stderr).toContain(`ListenError: Port ${port} is in use by another program`)
    expect(stderr).toContain("code: 'EADDRINUSE'")
  })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

async function getTrusting(url: string): Promise<number> {
  const sent = httpsRequest(url, { rejectUnauthorized: false, agent: false }).end()
  const [response] = await once(sent, 'response')
  response.resume()
  return response.statusCode
}
