// `toolgrant doctor` and `toolgrant forget` as processes: what only a process shows. Every finding: src/cli/doctor.test.ts.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { AuthorizationServer } from '../src/testing/index.ts'
import { Acme } from './cli-acme.ts'
import type { CliFolder } from './cli-process.ts'

let acme: Acme
let server: AuthorizationServer
let folder: CliFolder

beforeAll(async () => {
  acme = await Acme.start()
  server = acme.server
})
afterAll(() => server.close())

beforeEach(async () => {
  server.clearCounts()
  folder = await acme.folder()
})
afterEach(async () => {
  acme.assertNoSecret(folder)
  await folder[Symbol.asyncDispose]()
})

it('doctor finds nothing wrong, and leaves every byte of the vault as it is', async () => {
  await acme.connect(folder)
  const vaultFile = join(folder.path, 'data', 'vault.db')
  const before = readFileSync(vaultFile)
  const { code, stdout, stderr } = await folder.run(['doctor'])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toContain('Nothing wrong was found.')
  expect(readFileSync(vaultFile).equals(before)).toBe(true)
})

it('doctor explains a dead connection: why, what to do, what happened', async () => {
  await acme.connect(folder)
  server.revokeGrants()
  server.expireAccessTokens()
  expect((await folder.run(['fetch', 'acme', '/x'])).code).toBe(3)
  const { code, stdout, stderr } = await folder.run(['doctor', 'acme'])
  expect([code, stderr]).toEqual([3, ''])
  expect(stdout).toMatch(/^acme for ada: needs_reconnect\nDead: the person has to connect again\.\n/)
  expect(stdout).toMatch(/\n {2}likely {4}The person, or an administrator, .* \[revoked_by_user\]\n/)
  expect(stdout).toContain('\n    toolgrant connect acme --user ada --scopes read\n')
  expect(stdout).toMatch(
    /The provider refused the refresh token \("invalid_grant", "the grant was revoked"\)/,
  )
  expect(stdout).not.toContain('\u001b')
})

it('forget needs --yes without a terminal; ends all there is; and has nothing to do the second time', async () => {
  await acme.connect(folder)
  await acme.connect(folder, '--account', 'work')
  const refused = await folder.run(['forget', 'ada'])
  expect([refused.code, refused.stderr.includes('--yes')]).toEqual([2, true])
  const { code, stdout } = await folder.run(['forget', 'ada', '--yes', '--json'])
  expect(code).toBe(0)
  const ended = { user: 'ada', status: 'revoked', revoked: true, confirmed: true }
  expect(JSON.parse(stdout)).toMatchObject({
    user: 'ada',
    pending: 0,
    unrevoked: [],
    connections: [ended, ended],
  })
  expect(server.consents().every(({ revoked }) => revoked !== undefined)).toBe(true)
  const again = await folder.run(['forget', 'ada', '--yes'])
  expect(again).toMatchObject({ code: 0, stdout: '' })
  expect(again.stderr).toContain('There is nothing of ada.')
})

it.each([
  ['y', 'Forgot ada: 1 connection.'],
  ['n', 'Nothing was changed.'],
])('forget asks on a terminal, and takes %j for an answer', async (answer, outcome) => {
  await acme.connect(folder)
  const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
  // util-linux's script gives the command a terminal.
  const command = `stty cols 100; "${process.execPath}" "${main}" forget ada`
  const { PATH = '' } = process.env
  const data = join(folder.path, 'data')
  const env = { PATH, HOME: folder.path, TOOLGRANT_DATA: data, TOOLGRANT_KEY: acme.key, TERM: 'xterm' }
  const child = spawn('script', ['-qec', command, '/dev/null'], { cwd: folder.path, env })
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stdin.write(answer)
  const [status] = await once(child, 'close')
  expect(stdout).toContain('End all connections of ada, for good: acme (default)?')
  expect(stdout).toContain(outcome)
  expect(status).toBe(0)
})

it('doctor --provider shows how answers differed, and the row that says so: pasted, there is nothing left to say', async () => {
  const shape = {
    path: 'data',
    expiresIn: 'epoch-seconds',
    scope: 'comma',
    tokenType: 'Access Token',
  } as const
  server.configure({ tokenAnswer: { ...shape, contentType: 'text/html' } })
  await acme.connect(folder)
  expect((await folder.run(['refresh', 'acme', '--force'])).code).toBe(0)
  const { code, stdout, stderr } = await folder.run(['doctor', '--provider', 'acme'])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toContain('2 answers to 1 connection at acme: understood, and different from the RFCs')
  expect(stdout).toContain('nested ("data"): the tokens are inside another member; always')
  expect(stdout).toContain('token_type token_type ("Access Token")')
  expect(stdout).toContain('content_type ("text/html"): not called JSON; always')
  expect(stdout).toContain("{\n  tokenResponsePath: 'data',\n  expiresInUnit: 'epoch-seconds',\n}\n")
  const toml = 'token_response_path = "data"\nexpires_in_unit = "epoch-seconds"\n'
  expect(stdout).toContain(`[providers.acme]\n${toml}`)
  const json = JSON.parse((await folder.run(['doctor', '--provider', 'acme', '--json'])).stdout)
  expect(json).toMatchObject({
    ...{ version: 1, provider: 'acme', connections: 1, answers: 2 },
    row: { tokenResponsePath: 'data', expiresInUnit: 'epoch-seconds' },
    toml: `[providers.acme]\n${toml.trim()}`,
  })
  expect(json.deviations).toContainEqual({
    ...{ code: 'nested', found: 'data', row: { tokenResponsePath: 'data' } },
    ...{ answers: 2, seenAt: ['connected', 'refreshed'], lastAt: expect.any(String) },
  })
  const file = join(folder.path, 'toolgrant.toml')
  writeFileSync(file, readFileSync(file, 'utf8').replace('[providers.acme]\n', `[providers.acme]\n${toml}`))
  await acme.connect(folder, '--account', 'second')
  const { deviations } = JSON.parse((await folder.run(['doctor', '--provider', 'acme', '--json'])).stdout)
  const nested = deviations.find((one: { code: string }) => one.code === 'nested')
  expect(nested.answers).toBe(2)
  server.configure({ tokenAnswer: undefined })
})

it('doctor --provider says when there is nothing to say, and which provider it does not know', async () => {
  await acme.connect(folder)
  const { code, stdout } = await folder.run(['doctor', '--provider', 'acme'])
  expect([code, stdout]).toEqual([0, '1 answer to 1 connection at acme: as the RFCs want them.\n'])
  expect((await folder.run(['doctor', '--provider', 'acmee'])).code).toBe(2)
  expect((await folder.run(['doctor', 'acme', '--provider', 'acme'])).code).toBe(2)
})
