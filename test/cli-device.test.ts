// `toolgrant connect --device`, and connections without a person, in child processes against the simulated server.
import { encode } from 'uqr'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { AuthorizationServer } from '../src/testing/index.ts'
import { Acme } from './cli-acme.ts'
import type { CliFolder, RunningCli } from './cli-process.ts'

let acme: Acme
let server: AuthorizationServer
let folder: CliFolder

const robots = (url: string, client: { clientId: string }) => `
[providers.pay]
name = "Pay"
token_url = "${url}/token"
refresh = "client-credentials"
api_base_url = "${url}/api"
[auth.pay]
client_id = "${client.clientId}"
`

beforeAll(async () => {
  acme = await Acme.start()
  server = acme.server
})

afterAll(() => server.close())

beforeEach(async () => {
  server.configure({
    deviceIntervalSeconds: 0.05,
    deviceSeconds: undefined,
    grantTypes: [
      'authorization_code',
      'refresh_token',
      'client_credentials',
      'urn:ietf:params:oauth:grant-type:device_code',
    ],
  })
  folder = await acme.folder()
  await acme.configure(folder, { auth: robots(server.url, server.client()) })
  const secret = `client_secret = "${server.client().clientSecret}"\n`
  await folder.write('.secrets.toml', `[auth.acme]\n${secret}[auth.pay]\n${secret}`)
  server.clearCounts()
})

afterEach(async () => {
  acme.assertNoSecret(folder)
  await folder[Symbol.asyncDispose]()
})

async function userCode(running: RunningCli): Promise<string> {
  const [, code = ''] = await running.stderrHas(/\b([B-Z]{4}-[B-Z]{4})\b/)
  return code
}

describe('connect --device', () => {
  it('prints code and address, waits, and keeps the connection', async () => {
    const running = folder.start(['connect', 'acme', '--device', '--scopes', 'read notes'])
    const code = await userCode(running)
    expect(running.written.stderr).toContain(`${server.url}/device`)
    server.decideDevice(code, { scopes: ['read'] })
    const { code: exit, stdout, stderr } = await running.end
    expect([exit, stdout]).toEqual([0, ''])
    expect(stderr).toContain('✓ Connected Acme for ada. Granted: read.')
    expect(stderr).toContain('did not grant: notes')
    expect(stderr).not.toMatch(/[█▀▄]/)
    expect(server.requests('device')[0]?.params).toMatchObject({ scope: 'read notes' })
    expect(server.counts.requests.authorization).toBe(0)
    const listed = JSON.parse((await folder.run(['connections', '--json'])).stdout)
    expect(listed).toMatchObject([{ provider: 'acme', user: 'ada', scopes: ['read'], status: 'active' }])
  })

  it('draws the address as a QR code with --qr', async () => {
    const running = folder.start(['connect', 'acme', '--device', '--qr'])
    const code = await userCode(running)
    await running.stderrHas(/[█▀▄][^\n]*\n\n/)
    const lines = running.written.stderr.split('\n').filter((line) => /[█▀▄]/.test(line))
    const { data, size } = encode(`${server.url}/device?user_code=${code}`, { ecc: 'L', border: 2 })
    const halves = [...lines.join('')].flatMap((one) => [['█', '▀'].includes(one), ['█', '▄'].includes(one)])
    expect(halves).toHaveLength(size * 2 * Math.ceil(size / 2))
    for (let row = 0; row < size; row += 1)
      for (let column = 0; column < size; column += 1) {
        const isLight = halves[(Math.floor(row / 2) * size + column) * 2 + (row % 2)]
        expect([row, column, isLight]).toEqual([row, column, data[row]?.[column] === false])
      }
    server.decideDevice(code)
    expect((await running.end).code).toBe(0)
  })

  it('says all of it as JSON with --json', async () => {
    const running = folder.start(['connect', 'acme', '--device', '--json'])
    const code = await userCode(running)
    const [line = ''] = running.written.stderr.split('\n')
    expect(JSON.parse(line).authorize).toMatchObject({
      userCode: code,
      verificationUri: `${server.url}/device`,
      url: `${server.url}/device?user_code=${code}`,
    })
    server.decideDevice(code)
    const { stdout } = await running.end
    expect(JSON.parse(stdout)).toMatchObject({ provider: 'acme', status: 'active' })
  })

  it('ends with 3 when the person says no, with 4 when nobody decides, and keeps nothing', async () => {
    const denied = folder.start(['connect', 'acme', '--device'])
    server.decideDevice(await userCode(denied), { approve: false })
    const no = await denied.end
    expect([no.code, no.stderr]).toEqual([3, expect.stringContaining('denied')])
    server.configure({ deviceSeconds: 0.3 })
    const late = await folder.run(['connect', 'acme', '--device'])
    expect([late.code, late.stderr]).toEqual([4, expect.stringContaining('Nobody decided')])
    const { stdout } = await folder.run(['connections', '--json'])
    expect(JSON.parse(stdout)).toEqual([])
  })

  it('ends with 2 beside --paste, and at a provider without the endpoint', async () => {
    const both = await folder.run(['connect', 'acme', '--device', '--paste'])
    expect([both.code, both.stderr]).toEqual([2, expect.stringContaining('--paste')])
    server.configure({ grantTypes: undefined })
    const none = await folder.run(['connect', 'acme', '--device'])
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('deviceAuthorizationUrl')])
  })
})

describe('connect where the client asks for itself (P55)', () => {
  it('needs no person, and renews by asking again', async () => {
    const { code, stderr } = await folder.run(['connect', 'pay', '--scopes', 'payments'])
    expect([code, stderr]).toEqual([
      0,
      expect.stringContaining('✓ Connected Pay for ada. Granted: payments.'),
    ])
    expect(server.counts.grants).toEqual({ client_credentials: 1 })
    server.expireAccessTokens()
    const { stdout } = await folder.run(['refresh', 'pay', '--force', '--json'])
    expect(JSON.parse(stdout)).toMatchObject({ refreshed: true })
    expect(server.counts.grants).toEqual({ client_credentials: 2 })
    expect((await folder.run(['fetch', 'pay', '/things'])).code).toBe(0)
    const explained = await folder.run(['doctor', 'pay'])
    expect(explained.stdout + explained.stderr).not.toMatch(/no refresh token/i)
  })

  it('ends as every refused connect when the client is refused', async () => {
    await folder.write('.secrets.toml', '[auth.pay]\nclient_secret = "another"\n')
    const { code, stderr } = await folder.run(['connect', 'pay'])
    expect([code, stderr]).toEqual([4, expect.stringContaining('invalid_client')])
  })
})
