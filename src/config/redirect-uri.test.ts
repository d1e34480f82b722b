// The redirect URI of a client: checked where it is written, and one advice on which to register. Row P100.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig, redirectUriProblem } from './index.ts'

let folder = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'toolgrant-config-'))
})

afterEach(() => rm(folder, { recursive: true, force: true }))

async function load(toml: string, env: Record<string, string> = {}) {
  await writeFile(join(folder, 'toolgrant.toml'), toml, { mode: 0o600 })
  return loadConfig({ cwd: folder, env })
}

describe('redirectUriProblem', () => {
  it.each([
    'http://127.0.0.1:41539/',
    'https://localhost:41539/',
    'HTTPS://app.example/back?to=x',
    'http://[::1]:1/',
  ])('takes %s', (text) => expect(redirectUriProblem(text)).toBeUndefined())

  it.each([
    '',
    'canary',
    '/back',
    '127.0.0.1:41539',
    'localhost:80/',
    'ftp://a.example/',
    'http://',
    'http:a',
    'http://a b/',
    'https://a.example/#',
    'https://a.example:99999/',
  ])('refuses %j', (text) => expect(redirectUriProblem(text)).toContain('without a fragment'))
})

describe('a redirect_uri that is none', () => {
  it('is refused with file and section, and is not quoted', async () => {
    const config = await load('[auth.slack]\nclient_id = "id"\nredirect_uri = "canary-1d5c"\n')
    const error = await config.registration('slack').catch((reason: unknown) => reason)
    expect(error).toMatchObject({ name: 'ConfigurationError', code: 'config_invalid' })
    const { message } = error as Error
    expect(message).toContain(
      `${join(folder, 'toolgrant.toml')}: [auth.slack] redirect_uri must be an absolute`,
    )
    expect(message).not.toContain('canary')
    expect(() => config.redirectUri('slack')).toThrow(message)
  })

  it('is refused with the name of the variable', async () => {
    const env = { TOOLGRANT_AUTH__SLACK__REDIRECT_URI: '/back' }
    const config = await load('[auth.slack]\nclient_id = "id"\nredirect_uri = "http://127.0.0.1:1/"\n', env)
    await expect(config.registration('slack')).rejects.toThrow(
      'environment variable TOOLGRANT_AUTH__SLACK__REDIRECT_URI: it must be an absolute',
    )
  })
})

describe('P100 the redirect URI to register', () => {
  it.each([
    ['', true, 'http://127.0.0.1:41539/'],
    ['[callback]\nport = 0', true, 'http://127.0.0.1:41539/'],
    ['[callback]\nport = 8123', false, 'http://127.0.0.1:8123/'],
    ['[callback]\nhttps = true', false, 'https://localhost:41539/'],
    ['[auth.slack]\nredirect_uri = "http://127.0.0.1:7/back"', false, 'http://127.0.0.1:7/back'],
  ])('with %j (to be set: %s) is %s', async (toml, toBeSet, expected) => {
    const config = await load(toml)
    expect(config.redirectUri('slack')).toBe(expected)
    const { message } = await config.registration('slack').then(
      () => new Error('a client'),
      (reason: Error) => reason,
    )
    expect(message).toContain(`with the redirect URI ${expected}`)
    const places =
      /redirect_uri\D*\n +in the environment: TOOLGRANT_AUTH__SLACK__REDIRECT_URI\n +or in \S+toolgrant.toml: \[auth.slack\] redirect_uri/
    expect(places.test(message)).toBe(toBeSet)
  })
})
