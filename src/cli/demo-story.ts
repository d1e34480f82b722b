// The demo's story, step by step; each step checks what it tells.
import { execFile } from 'node:child_process'
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TokenEndpointError, UnauthorizedError } from '../errors.ts'
import { refreshTokenGrant, Session, type TokenSet } from '../oauth/index.ts'
import type { Answer, UserToolbox } from '../tools/index.ts'
import type { Vault } from '../vault/index.ts'
import type { Wire } from './demo-model.ts'
import { check, hidden } from './demo-report.ts'
import { accessTokenSeconds, type Stage, user } from './demo-stage.ts'

const prompt = 'What are the first two notes on my list?'

/** Tells it all. Throws when a step does not hold. */
export async function tellStory(stage: Stage): Promise<void> {
  await showTools(stage)
  const call = await askModel(stage)
  await consent(stage, call)
  await inspectVault(stage)
  await runCall(stage, call)
  await expireAndRefresh(stage)
  await useFromSecondProcess(stage)
  await revoke(stage)
  await searchForSecrets(stage)
}

function showTools({ report, box }: Stage): Promise<unknown> {
  return report.step(
    'tools',
    'One tool, declared once, in the words of three vendors',
    async () => {
      const schemas = { openai: box.openai(), anthropic: box.anthropic(), gemini: box.gemini() }
      for (const [vendor, list] of Object.entries(schemas)) check(list.length === 1, `${vendor} has the tool`)
      check(!/token|user/i.test(JSON.stringify(schemas.openai)), 'no identity and no token in the schema')
      return { tools: box.tools.map(({ name }) => name), schemas }
    },
    ({ schemas }) =>
      Object.entries(schemas)
        .map(([vendor, [first]]) => `${vendor.padEnd(9)} ${shortened(JSON.stringify(first))}`)
        .join('\n'),
  )
}

/** The model's answer, and how to run the calls in it. */
interface ModelCall {
  answer: () => Promise<Answer<unknown>>
}

async function askModel({ report, model, box, options }: Stage): Promise<ModelCall> {
  const { response } = await report.step(
    'model_call',
    `The model is asked: “${prompt}”`,
    async () => {
      const answer = await model.ask(prompt, toolsFor(box, model.wire), options.signal)
      const calls = callsIn(model.wire, answer)
      check(
        calls.some((name) => name === 'list_notes'),
        `the model calls list_notes (it called: ${calls.join(', ') || 'nothing'})`,
      )
      return hidden({ model: model.name, wire: model.wire, calls }, { response: answer })
    },
    ({ calls }) => `it calls ${calls.join(', ')}`,
  )
  return { answer: () => answerWith(box, model.wire, response) }
}

function toolsFor(box: UserToolbox, wire: Wire): readonly unknown[] {
  if (wire === 'openai') return box.openai()
  return wire === 'anthropic' ? box.anthropic() : box.gemini()
}

function answerWith(box: UserToolbox, wire: Wire, response: unknown): Promise<Answer<unknown>> {
  if (wire === 'openai') return box.answerOpenAI(response as Parameters<typeof box.answerOpenAI>[0])
  if (wire === 'anthropic') return box.answerAnthropic(response as Parameters<typeof box.answerAnthropic>[0])
  return box.answerGemini(response as Parameters<typeof box.answerGemini>[0])
}

function callsIn(wire: Wire, response: unknown): string[] {
  const found: string[] = []
  const shapes = {
    openai: /"function":\{"name":"(\w+)"/g,
    anthropic: /"name":"(\w+)","input"/g,
    gemini: /"functionCall":\{"name":"(\w+)"/g,
  }
  const text = JSON.stringify(response)
  for (const [, name] of text.matchAll(shapes[wire])) if (name !== undefined) found.push(name)
  return found.length > 0 ? found : [...text.matchAll(/"name":"(\w+)"/g)].map(([, name]) => name ?? '')
}

async function consent(
  { report, server, box, options, vault, secrets }: Stage,
  call: ModelCall,
): Promise<void> {
  const { url } = await report.step(
    'consent_needed',
    'The call needs consent: the person gets a link, the model gets no token',
    async () => {
      const paused = await call.answer()
      const again = await call.answer()
      const [required] = paused.required
      check(paused.paused && required !== undefined, 'the call is paused')
      check(again.required[0]?.url === required.url, 'asking again gives the same link')
      return hidden({ provider: required.provider, scopes: required.scopes }, { url: required.url })
    },
    ({ provider, scopes: asked }) => `${provider} · ${asked.join(' ')}`,
  )
  if (options.browser) report.note(`       If no browser opens, visit ${url}`)
  await report.step(
    'consented',
    options.browser ? 'You sign in and consent in your browser' : `${server.person} signs in and consents`,
    async () => {
      const done = box.wait({ signal: options.signal, timeoutMs: options.browser ? 300_000 : 30_000 })
      if (!options.browser) await server.consent(url)
      await done
      const connection = await vault.connection({ user, provider: 'notes' })
      check(connection?.status === 'active', 'the connection is active')
      await remember(vault, secrets)
      return { user, provider: connection.provider, account: connection.account, scopes: connection.scopes }
    },
    (facts) => `${facts.user} is connected to ${facts.provider} with ${facts.scopes.join(' ')}`,
  )
}

/** The current tokens, read as trusted code may, to check on them and to search for them later. */
async function remember(vault: Vault, secrets: Set<string>): Promise<TokenSet> {
  const tokens = await vault.token({ user, provider: 'notes' })
  for (const secret of [tokens.accessToken, tokens.refreshToken, tokens.idToken])
    if (secret) secrets.add(secret)
  return tokens
}

function inspectVault({ report, folder, secrets }: Stage): Promise<unknown> {
  return report.step(
    'sealed',
    'The tokens are sealed in SQLite',
    async () => {
      const files = readdirSync(folder).filter((name) => name.startsWith('vault.db'))
      const bytes = await bytesOf(files.map((name) => join(folder, name)))
      check(bytes.length > 0, 'there is a vault file')
      for (const secret of secrets) check(!bytes.includes(secret), 'no token is in the file in the clear')
      const mode = (statSync(join(folder, 'vault.db')).mode & 0o777).toString(8).padStart(4, '0')
      check(process.platform === 'win32' || mode === '0600', 'only its owner can read the file')
      return { files, bytes: bytes.length, mode, searchedFor: secrets.size }
    },
    (facts) =>
      `AES-256-GCM · ${facts.files.join(', ')} · mode ${facts.mode} · searched for ${facts.searchedFor} secrets, found none`,
  )
}

/**
 * Read by a process of its own: when the one that has a SQLite file open closes another handle on it, POSIX takes away
 * its locks (https://www.sqlite.org/howtocorrupt.html section 2.2).
 */
function bytesOf(paths: readonly string[]): Promise<Buffer> {
  const code =
    "for (const path of process.argv.slice(1)) process.stdout.write(require('node:fs').readFileSync(path))"
  return new Promise((resolve, reject) => {
    const options = { encoding: 'buffer', maxBuffer: 64 * 1024 * 1024 } as const
    execFile(process.execPath, ['-e', code, ...paths], options, (error, stdout) =>
      error ? reject(error) : resolve(stdout),
    )
  })
}

function runCall(stage: Stage, call: ModelCall): Promise<unknown> {
  const { report, model, options } = stage
  return report.step(
    'call',
    'The same call, repeated, runs',
    async () => {
      const { calls, messages, paused } = await call.answer()
      const [first] = calls
      check(!paused && first?.outcome.ok === true, 'the call ran')
      // In your own browser you may be anybody.
      stage.owner = (first.outcome.result as { owner?: string }).owner
      const words = await model.tell(messages, options.signal)
      return { result: first.outcome.result, words }
    },
    ({ result, words }) => `the API answers ${JSON.stringify(result)}\nthe model says: ${words}`,
  )
}

function expireAndRefresh({ report, server, vault, box, secrets, options }: Stage): Promise<unknown> {
  return report.step(
    'refreshed',
    `The access token expires (${accessTokenSeconds} s) and is refreshed behind the next call`,
    async () => {
      const old = await remember(vault, secrets)
      const [rotationsBefore, generation] = [
        server.rotations(),
        (await vault.connection({ user, provider: 'notes' }))?.generation ?? 0,
      ]
      await pause((old.expiresAt?.getTime() ?? 0) - Date.now() + 250, options.signal)
      check(!old.validFor(0), 'the old token has expired')
      await Promise.all([1, 2, 3].map((limit) => box.call('list_notes', { limit })))
      const fresh = await remember(vault, secrets)
      const rotated = server.rotations() - rotationsBefore
      check(rotated === 1, `one refresh for three calls (the server saw ${rotated})`)
      check(
        fresh.accessToken !== old.accessToken && fresh.refreshToken !== old.refreshToken,
        'both tokens are new',
      )
      const { generation: now = 0 } = (await vault.connection({ user, provider: 'notes' })) ?? {}
      return { calls: 3, refreshes: rotated, rotated: true, generation: now, before: generation }
    },
    (facts) =>
      `${facts.calls} calls at once, ${facts.refreshes} refresh, refresh token rotated, generation ${facts.before} → ${facts.generation}`,
  )
}

function useFromSecondProcess(stage: Stage): Promise<unknown> {
  const { report, folder, server } = stage
  return report.step(
    'second_process',
    'A second process uses the same connection: toolgrant fetch notes /notes',
    async () => {
      writeConfiguration(stage)
      const { stdout, stderr } = await runCommand(stage, ['fetch', 'notes', '/notes?limit=1', '--user', user])
      const answer = JSON.parse(stdout) as { owner?: string; notes?: unknown[] }
      check(answer.owner === stage.owner && answer.notes?.length === 1, 'the API answered the second process')
      check(server.reuseViolations() === 0, 'no refresh token was used twice')
      for (const secret of stage.secrets)
        check(!(stdout + stderr).includes(secret), 'its output holds no secret')
      rmSync(join(folder, 'toolgrant.toml'))
      return { result: answer, reuseViolations: server.reuseViolations() }
    },
    ({ result }) => `it prints ${JSON.stringify(result)}`,
  )
}

function writeConfiguration({ folder, server, api }: Stage): void {
  const toml = [
    '[providers.notes]',
    `issuer = ${JSON.stringify(server.issuer)}`,
    `api_base_url = ${JSON.stringify(api.url)}`,
    '[auth.notes]',
    `client_id = ${JSON.stringify(server.client.clientId)}`,
  ]
  writeFileSync(join(folder, 'toolgrant.toml'), `${toml.join('\n')}\n`, { mode: 0o600 })
}

function runCommand(
  { folder, key, server, options }: Stage,
  args: string[],
): Promise<{ stdout: string; stderr: string }> {
  const env = {
    ...process.env,
    TOOLGRANT_CONFIG: join(folder, 'toolgrant.toml'),
    TOOLGRANT_VAULT: `sqlite:${join(folder, 'vault.db')}`,
    TOOLGRANT_KEY: key,
    ...(server.client.clientSecret === undefined
      ? {}
      : { TOOLGRANT_AUTH__NOTES__CLIENT_SECRET: server.client.clientSecret }),
  }
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [options.main, ...args],
      { env, signal: options.signal, timeout: 30_000 },
      (error, stdout, stderr) => {
        if (error)
          reject(new Error(`The second process failed: ${stderr.trim() || error.message}`, { cause: error }))
        else resolve({ stdout, stderr })
      },
    )
  })
}

function revoke({ report, server, vault, provider, secrets, api }: Stage): Promise<unknown> {
  return report.step(
    'revoked',
    'The connection is revoked, and the server agrees that the tokens are dead',
    async () => {
      const last = await remember(vault, secrets)
      const { revoked, why } = await vault.disconnect({ user, provider: 'notes' })
      check(revoked, `the provider revoked the grant (${why ?? 'no reason given'})`)
      check(
        (await vault.connection({ user, provider: 'notes' })) === undefined,
        'the vault has forgotten the connection',
      )
      check(
        (await server.accessToken(last.accessToken)) === undefined,
        'the server knows the access token no more',
      )
      const refusal = await refreshTokenGrant(provider, server.client, last).catch((error: unknown) => error)
      check(
        refusal instanceof TokenEndpointError && refusal.error === 'invalid_grant',
        'a refresh is refused',
      )
      const dead = await new Session(last.with({ expiresAt: null }))
        .fetch(`${api.url}/notes`)
        .catch((error: unknown) => error)
      check(dead instanceof UnauthorizedError, 'the API refuses the access token')
      return { revoked, refresh: refusal.error, api: dead.response.status }
    },
    (facts) => `refresh answers ${facts.refresh}, the API answers ${facts.api}`,
  )
}

function searchForSecrets({ report, model, secrets }: Stage): Promise<unknown> {
  return report.step(
    'no_leak',
    'Nothing leaked: every secret of this run is searched for',
    async () => {
      for (const secret of secrets) {
        check(!model.transcript.includes(secret), 'no secret was sent to the model')
        check(!report.told.includes(secret), 'no secret was printed')
      }
      return { secrets: secrets.size, sentToModelCharacters: model.transcript.length }
    },
    (facts) => `${facts.secrets} secrets, ${facts.sentToModelCharacters} characters sent to the model`,
  )
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const timer = setTimeout(done, Math.max(0, milliseconds))
    function done() {
      signal.removeEventListener('abort', stop)
      resolve()
    }
    function stop() {
      clearTimeout(timer)
      reject(signal.reason)
    }
    signal.addEventListener('abort', stop, { once: true })
  })
}

/** Enough of a text to recognise it; `--json` has it whole. */
function shortened(text: string): string {
  return text.length > 100 ? `${text.slice(0, 99)}…` : text
}
