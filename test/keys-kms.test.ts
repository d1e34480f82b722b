// Keys wrapped by a key management service: a real process with a master key of its own, over HTTP and as a command.
import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { KeyError } from '../src/errors.ts'
import { TokenSet } from '../src/oauth/index.ts'
import {
  type KeyManagementService,
  keyFile,
  Vault,
  type VaultOptions,
  wrappedKey,
} from '../src/vault/index.ts'
import type { KmsMood } from './keys/kms-process.ts'

const program = fileURLToPath(new URL('./keys/kms-process.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'toolgrant-kms-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newUrl = () => `sqlite:${join(folder, `${++files}`, 'vault.db')}`

const ada = { user: 'ada', provider: 'slack' }
const tokens = new TokenSet({
  ...{ accessToken: 'access', refreshToken: 'refresh', scopes: [], receivedAt: new Date() },
  expiresAt: new Date(Date.now() + 3_600_000),
})

/** A service that runs, and its client. */
class RunningKms {
  readonly #child: ChildProcess
  readonly port: number
  calls = 0

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
  }

  static async start(): Promise<RunningKms> {
    const child = fork(program, { execArgv: [] })
    const [{ port }] = await once(child, 'message')
    return new RunningKms(child, port)
  }

  async tell(what: { mood: KmsMood } | 'rotate' | 'destroy'): Promise<void> {
    this.#child.send(what)
    await once(this.#child, 'message')
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }

  /** As a user would write it. */
  get client(): KeyManagementService {
    const ask = async (question: object, signal: AbortSignal) => {
      this.calls += 1
      const answer = await fetch(`http://127.0.0.1:${this.port}/`, {
        ...{ method: 'POST', body: JSON.stringify(question), signal },
      })
      const body = await answer.json()
      if (!answer.ok) throw new Error(body.error)
      return body
    }
    const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
    return {
      async encrypt(plaintext, { context, signal }) {
        const question = { operation: 'encrypt', plaintext: base64(plaintext), context }
        return Buffer.from((await ask(question, signal)).ciphertext, 'base64')
      },
      async decrypt(ciphertext, { context, signal }) {
        const question = { operation: 'decrypt', ciphertext: base64(ciphertext), context }
        return Buffer.from((await ask(question, signal)).plaintext, 'base64')
      },
    }
  }
}

const vaults: Vault[] = []
let kms: RunningKms
afterEach(async () => {
  for (const vault of vaults.splice(0)) await vault.close()
})

async function open(options: VaultOptions): Promise<Vault> {
  const vault = await Vault.open({ clients: {}, audit: 'off', ...options })
  vaults.push(vault)
  return vault
}

const wrapped = (client = kms.client) =>
  wrappedKey({ kms: client, place: 'the test service', timeoutMs: 400 })

async function failure(run: () => Promise<unknown>): Promise<KeyError> {
  try {
    await run()
  } catch (error) {
    if (error instanceof KeyError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('a key that a service wraps', () => {
  beforeEach(async () => {
    kms = await RunningKms.start()
  })
  afterEach(() => kms.stop())

  it('is unwrapped when a vault opens, and never to read or to save', async () => {
    const url = newUrl()
    const first = await open({ url, key: wrapped() })
    await first.save(ada, tokens)
    const opened = await open({ url, key: wrapped() })
    const calls = kms.calls
    expect((await opened.token(ada)).accessToken).toBe('access')
    await opened.save({ ...ada, user: 'bob' }, tokens)
    expect(kms.calls).toBe(calls)
    await kms.stop()
    expect((await opened.token(ada)).accessToken).toBe('access')
    await opened.save({ ...ada, user: 'eve' }, tokens)
    const error = await failure(() => open({ url, key: wrapped() }))
    expect(error.code).toBe('key_unavailable')
    expect(error.message).toContain('the test service did not decrypt the key')
  })

  it('is bound to its vault: another vault cannot unwrap it', async () => {
    const [one, other] = [newUrl(), newUrl()]
    const contexts: Readonly<Record<string, string>>[] = []
    const listening: KeyManagementService = {
      encrypt: (bytes, request) => {
        contexts.push(request.context)
        return kms.client.encrypt(bytes, request)
      },
      decrypt: (bytes, request) => kms.client.decrypt(bytes, request),
    }
    for (const url of [one, other]) await open({ url, key: wrapped(listening) })
    expect(contexts.map(({ application }) => application)).toEqual(['toolgrant', 'toolgrant'])
    expect(new Set(contexts.map(({ vault }) => vault)).size).toBe(2)
    expect(contexts.every(({ vault, key }) => vault !== '' && /^[0-9a-f]{16}$/.test(key ?? ''))).toBe(true)
  })

  it.each<[KmsMood, string, RegExp]>([
    ['hangs', 'key_unavailable', /the test service did not decrypt the key \(no answer within 400 ms\)/],
    ['refuses', 'key_unavailable', /AccessDenied: not for you/],
    ['garbage', 'key_unavailable', /the test service did not decrypt/],
    ['another key', 'key_wrong', /unwrapped the key [0-9a-f]{16}, where [0-9a-f]{16} was asked for/],
  ])('of a service that %s is %s, and nothing is changed', async (mood, code, message) => {
    const url = newUrl()
    await (await open({ url, key: wrapped() })).save(ada, tokens)
    await kms.tell({ mood })
    const begun = performance.now()
    const error = await failure(() => open({ url, key: wrapped() }))
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)])
    expect(performance.now() - begun).toBeLessThan(1500)
    await kms.tell({ mood: 'well' })
    expect((await (await open({ url, key: wrapped() })).token(ada)).accessToken).toBe('access')
  })

  it.each<[KmsMood, string]>([
    ['hangs', 'key_unavailable'],
    ['refuses', 'key_unavailable'],
    ['garbage', 'key_unavailable'],
    ['no encryption', 'key_invalid'],
  ])('is not made by a service that %s, and no other place takes its part', async (mood, code) => {
    const url = newUrl()
    const file = join(folder, `${++files}`, 'vault.key')
    await kms.tell({ mood })
    const error = await failure(() => open({ url, key: [wrapped(), keyFile(file)] }))
    expect(error.code).toBe(code)
    await kms.tell({ mood: 'well' })
    await open({ url, key: [wrapped(), keyFile(file)] })
    expect(await keyFile(file).load({})).toEqual([])
  })

  it('is asked for again when the service fails once', async () => {
    const url = newUrl()
    await open({ url, key: wrapped() })
    await kms.tell({ mood: 'fails once' })
    await open({ url, key: wrapped() })
  })

  it('outlives new versions of the master key, and the end of the old one after a rotation', async () => {
    const url = newUrl()
    const vault = await open({ url, key: wrapped() })
    await vault.save(ada, tokens)
    await kms.tell('rotate')
    await open({ url, key: wrapped() })
    await vault.keys.add()
    const { before = '' } = await vault.keys.rotate()
    await vault.keys.retire(before)
    await kms.tell('destroy')
    expect((await (await open({ url, key: wrapped() })).token(ada)).accessToken).toBe('access')
    await kms.tell('rotate')
    await kms.tell('destroy')
    const error = await failure(() => open({ url, key: wrapped() }))
    expect(error.message).toContain('version 1 of the master key was destroyed')
  })

  it('takes the place of a key file while the vault serves', async () => {
    const url = newUrl()
    const file = keyFile(join(folder, `${++files}`, 'vault.key'))
    const before = await open({ url, key: file })
    await before.save(ada, tokens)
    const [old] = await before.keys.list()
    const after = await open({ url, key: [wrapped(), file] })
    expect(await after.keys.add()).toMatchObject({ place: 'the test service', added: true })
    await after.keys.rotate()
    await after.keys.retire(old?.id ?? '', { deleteKey: true })
    expect(await file.load({})).toEqual([])
    expect((await (await open({ url, key: wrapped() })).token(ada)).accessToken).toBe('access')
  })
})

describe('a command that speaks for a service', () => {
  /** A command line, and a master key of its own. */
  function command(mood: KmsMood = 'well', master = join(folder, 'master')): string {
    writeFileSync(master, master.endsWith('master') ? Buffer.alloc(32, 7) : randomBytes(32))
    const script = join(folder, `kms-${mood.replaceAll(' ', '-')}`)
    writeFileSync(script, `#!/bin/sh\nexec '${process.execPath}' '${program}' once "$1" '${mood}'\n`)
    chmodSync(script, 0o700)
    return `command:${script} ${master}`
  }

  const env = (key: string) => ({ TOOLGRANT_KEY: key, TOOLGRANT_DATA: join(folder, 'data') })

  it('wraps and unwraps, named by TOOLGRANT_KEY', async () => {
    const url = newUrl()
    await (await open({ url, env: env(command()) })).save(ada, tokens)
    expect((await (await open({ url, env: env(command()) })).token(ada)).accessToken).toBe('access')
  })

  it.each<KmsMood>(['refuses', 'garbage', 'another key'])(
    'that %s is an error, and is not quoted',
    async (mood) => {
      const url = newUrl()
      await open({ url, env: env(command()) })
      const error = await failure(() => open({ url, env: env(command(mood)) }))
      expect(error.code).toBe(mood === 'another key' ? 'key_wrong' : 'key_unavailable')
      expect(error.message).toContain('the command "')
      expect(inspect(error)).not.toContain('<html>')
    },
  )

  it('that complains by repeating what it was given does not get the key into a message', async () => {
    const [script, heard] = [join(folder, 'complaining'), join(folder, 'heard')]
    writeFileSync(script, `#!/bin/sh\ntee '${heard}' >&2\nexit 1\n`)
    chmodSync(script, 0o700)
    const error = await failure(() => open({ url: newUrl(), env: env(`command:${script}`) }))
    const { plaintext } = JSON.parse(readFileSync(heard, 'utf8').split('\n')[0] ?? '')
    expect(error.message).toContain('its complaint repeats the key')
    expect(plaintext).toMatch(/^.{43}=$/)
    expect(inspect(error, { depth: 5 })).not.toContain(plaintext.slice(0, 12))
  })

  it.each(['hex', 'base64url'] as const)(
    'that prints the key in %s does not get it into a message',
    async (form) => {
      const [script, master] = [join(folder, `telling-${form}`), join(folder, `told-${form}`)]
      const url = newUrl()
      await open({ url, env: env(command('well', join(folder, 'master'))) })
      const body = `const key = JSON.parse(require('node:child_process').execFileSync(process.execPath, ['${program}', 'once', '${join(folder, 'master')}'], { input: require('node:fs').readFileSync(0) })).plaintext
const told = Buffer.from(key, 'base64').toString('${form}')
require('node:fs').writeFileSync('${master}', told)
console.error('decrypted: ' + told)
process.exit(1)`
      writeFileSync(script, `#!${process.execPath}\n${body}\n`)
      chmodSync(script, 0o700)
      const error = await failure(() => open({ url, env: env(`command:${script}`) }))
      expect(readFileSync(master, 'utf8')).toMatch(/^[\w-]{43,64}$/)
      expect(error.message).toContain('its complaint repeats the key')
      expect(inspect(error, { depth: 5 })).not.toContain(readFileSync(master, 'utf8').slice(0, 12))
    },
  )

  it('that leaves a process of its own behind keeps nobody from ending', async () => {
    const script = join(folder, 'forking')
    writeFileSync(script, '#!/bin/sh\nsleep 20 &\nyes | tr y x\n')
    chmodSync(script, 0o700)
    const before = process.getActiveResourcesInfo().filter((name) => name === 'PipeWrap').length
    const error = await failure(() => open({ url: newUrl(), env: env(`command:${script}`) }))
    expect(error.message).toContain('its answer is too long')
    await vi.waitFor(() =>
      expect(process.getActiveResourcesInfo().filter((name) => name === 'PipeWrap')).toHaveLength(before),
    )
  })

  it('that is not there, or is no absolute path, is an error', async () => {
    const url = newUrl()
    const absent = await failure(() => open({ url, env: env('command:/nowhere/kms') }))
    expect([absent.code, absent.message]).toEqual(['key_unavailable', expect.stringContaining('ENOENT')])
    await expect(open({ url, env: env('command:kms --now') })).rejects.toMatchObject({
      code: 'config_invalid',
    })
  })
})
