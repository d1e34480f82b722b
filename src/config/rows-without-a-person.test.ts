// The rows of docs/providers.md for providers where nobody is sent anywhere: what the configuration makes of them.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { resolveVariables } from '../providers/index.ts'
import { loadConfig } from './index.ts'

let folder = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'toolgrant-rows-'))
  const page = await readFile(new URL('../../docs/providers.md', import.meta.url), 'utf8')
  const rows = /## Rows without a person[\s\S]*?```toml\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
  await writeFile(join(folder, 'toolgrant.toml'), rows)
  await writeFile(join(folder, '.secrets.toml'), '[auth.paypal]\nclient_secret = "s"\n', { mode: 0o600 })
})

afterEach(() => rm(folder, { recursive: true, force: true }))

it('P55: PayPal’s sandbox is a word in the configuration', async () => {
  const config = await loadConfig({ cwd: folder, env: {} })
  const { provider, client } = await config.registration('paypal')
  expect(provider.refresh).toBe('client-credentials')
  expect(resolveVariables(provider, client.variables).tokenUrl).toBe(
    'https://api-m.sandbox.paypal.com/v1/oauth2/token',
  )
})

it('P56: a Bluesky server names its session members', async () => {
  const config = await loadConfig({ cwd: folder, env: {} })
  const { provider } = await config.registration('bluesky')
  expect(provider).toMatchObject({
    refresh: 'session',
    sessionToken: { username: 'identifier', password: 'password' },
    tokenResponseAliases: { access_token: 'accessJwt', refresh_token: 'refreshJwt' },
  })
})
