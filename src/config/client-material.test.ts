// What proves who a client is besides a secret, from files and the environment. Rows R4, R22, P100, P101.
import { generateKeyPairSync } from 'node:crypto'
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { makeCertificates, type TestCertificates } from '../../test/servers/oidc-certificates.ts'
import { loadConfig } from './index.ts'

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString().trim()
const jwk = privateKey.export({ format: 'jwk' })
let certificates: TestCertificates
let folder = ''

beforeAll(async () => {
  certificates = await makeCertificates()
})
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'toolgrant-material-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))
afterAll(() => rm(folder, { recursive: true, force: true }))

async function write(name: string, text: string, mode = 0o600): Promise<void> {
  await writeFile(join(folder, name), text, { mode })
  await chmod(join(folder, name), mode)
}

/** Our client at a provider, with these lines in its table and this environment. */
async function clientOf(lines: string[], env: Record<string, string> = {}, warnings: string[] = []) {
  const provider = '[providers.acme]\nissuer = "https://acme.example"\n'
  await write('toolgrant.toml', `${provider}[auth.acme]\nclient_id = "us"\n${lines.join('\n')}\n`)
  const onWarning = (message: string) => warnings.push(message)
  const config = await loadConfig({ cwd: folder, env, onWarning })
  const missing = (await config.missing('acme')).map(({ key }) => key)
  return { ...(await config.registration('acme')), missing, config }
}

const variable = (key: string) => `TOOLGRANT_AUTH__ACME__${key}`

describe('R4 a private key', () => {
  it('from a file beside the configuration, as PEM or as JWK; then no secret is missed', async () => {
    await write('us.pem', `${pem}\n`)
    await write('us.json', JSON.stringify({ ...jwk, kid: 'own' }))
    const one = await clientOf(['private_key = "us.pem"', 'private_key_id = "k1"'])
    expect(one.client.privateKey).toEqual({ key: pem, kid: 'k1' })
    expect(one.missing).toEqual([])
    const two = await clientOf(['private_key = "./us.json"'])
    expect(two.client.privateKey).toEqual({ key: { ...jwk, kid: 'own' } })
  })

  it('as it stands, in the file or in a variable, where lines may be written \\n', async () => {
    const lines = [`private_key = '''\n${pem}\n'''`]
    expect((await clientOf(lines)).client.privateKey?.key).toBe(pem)
    const env = { [variable('PRIVATE_KEY')]: pem.replaceAll('\n', '\\n') }
    expect((await clientOf([], env)).client.privateKey?.key).toBe(pem)
    expect(
      (await clientOf([], { [variable('PRIVATE_KEY')]: JSON.stringify(jwk) })).client.privateKey?.key,
    ).toEqual(jwk)
  })

  it('P101 the variable wins; its path starts at the working directory', async () => {
    await write('env.pem', pem)
    const { client } = await clientOf(['private_key = "nowhere.pem"'], {
      [variable('PRIVATE_KEY')]: 'env.pem',
    })
    expect(client.privateKey?.key).toBe(pem)
  })

  it('is the same object as long as nothing changed, so that it is imported once', async () => {
    await write('us.pem', pem)
    const { client, config } = await clientOf(['private_key = "us.pem"'])
    expect((await config.registration('acme')).client.privateKey).toBe(client.privateKey)
    const other = generateKeyPairSync('ed25519')
      .privateKey.export({ type: 'pkcs8', format: 'pem' })
      .toString()
    await write('us.pem', other)
    expect((await config.registration('acme')).client.privateKey?.key).toBe(other.trim())
  })

  it('of another folder is read where the file is named, not where it was only found', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'toolgrant-keys-'))
    await writeFile(join(elsewhere, 'us.pem'), pem, { mode: 0o600 })
    await symlink(join(elsewhere, 'us.pem'), join(folder, 'link.pem'))
    for (const path of [join(elsewhere, 'us.pem'), `../${basename(elsewhere)}/us.pem`, 'link.pem']) {
      const lines = [`private_key = ${JSON.stringify(path)}`]
      const error = await clientOf(lines).catch((reason: unknown) => reason)
      expect(error).toMatchObject({
        code: 'config_invalid',
        message: expect.stringContaining('may not do that'),
      })
      const config = await loadConfig({ file: join(folder, 'toolgrant.toml'), env: {} })
      expect((await config.registration('acme')).client.privateKey?.key).toBe(pem)
    }
    const fromVariable = await clientOf([], { [variable('PRIVATE_KEY')]: join(elsewhere, 'us.pem') })
    expect(fromVariable.client.privateKey?.key).toBe(pem)
    await rm(elsewhere, { recursive: true })
  })

  it('that others may read is warned about', async () => {
    await write('us.pem', pem, 0o644)
    const warnings: string[] = []
    await clientOf(['private_key = "us.pem"'], {}, warnings)
    expect(warnings).toEqual([expect.stringMatching(/us\.pem can be read by other users.*chmod 600/)])
  })
})

describe('R4 a certificate', () => {
  const { stringify } = JSON
  it('with its key and an authority, in three files or in one', async () => {
    await write('us.crt', certificates.client.cert)
    await write('us.key', certificates.client.key)
    await write('ca.crt', certificates.ca)
    const three = ['certificate = "us.crt"', 'certificate_key = "us.key"', 'certificate_ca = "ca.crt"']
    expect((await clientOf(three)).client.fetch).toBeTypeOf('function')
    await write('both.pem', `${certificates.client.cert}\n${certificates.client.key}`)
    const lines = ['certificate = "both.pem"', 'token_endpoint_auth_method = "tls_client_auth"']
    const { client, config, missing } = await clientOf(lines)
    expect(client.fetch).toBeTypeOf('function')
    expect(missing).toEqual([])
    expect((await config.registration('acme')).client.fetch).toBe(client.fetch)
  })

  it.each<[string, () => string[], string]>([
    [
      'without its key',
      () => [`certificate = ${stringify(certificates.client.cert)}`],
      'needs certificate_key beside it',
    ],
    [
      'without itself',
      () => [`certificate_key = ${stringify(certificates.client.key)}`],
      'needs certificate beside it',
    ],
    [
      'with the key of another',
      () => [
        `certificate = ${stringify(certificates.client.cert)}`,
        `certificate_key = ${stringify(certificates.stranger.key)}`,
      ],
      'cannot be used',
    ],
  ])('%s is a mistake that is named', async (_, lines, words) => {
    const error = await clientOf(lines()).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'config_invalid', message: expect.stringContaining(words) })
    expect(String(error)).toContain('[auth.acme] certificate')
    expect(String(error)).not.toMatch(/BEGIN|MII/)
  })
})

describe('the other keys of a client', () => {
  it('are read from the file, and the environment wins', async () => {
    const lines = [
      'dpop = true',
      'request_object = true',
      'response_mode = "form_post"',
      'strict_scopes = true',
    ]
    const read = { dpop: true, requestObject: true, responseMode: 'form_post', scopes: 'strict' }
    expect((await clientOf(lines)).client).toMatchObject(read)
    const env = {
      [variable('DPOP')]: 'false',
      [variable('STRICT_SCOPES')]: 'no',
      [variable('RESPONSE_MODE')]: 'jwt',
    }
    const { client } = await clientOf(lines, env)
    expect(client).toMatchObject({ dpop: false, requestObject: true, responseMode: 'jwt' })
    expect(client).not.toHaveProperty('scopes')
    expect(Object.keys((await clientOf([])).client)).toEqual(['clientId'])
  })

  it.each([
    [
      'private_key = "nowhere.pem"',
      'private_key is no PEM text, and no file of that name can be read (ENOENT)',
    ],
    ['private_key = "{ canary"', 'private_key must be a PKCS #8 PEM text'],
    ['private_key = "-----BEGIN EC PRIVATE KEY-----canary"', 'private_key must be a PKCS #8 PEM text'],
    ['private_key = 7', 'private_key must be text'],
    ['dpop = "yes"', 'dpop must be true or false'],
    ['response_mode = "post"', 'response_mode must be one of query, fragment, form_post'],
  ])('%s is a mistake that is named, without the value', async (line, words) => {
    const error = await clientOf([line]).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'config_invalid', message: expect.stringContaining(words) })
    expect(String(error)).toMatch(/toolgrant\.toml: \[auth\.acme\]/)
    expect(String(error)).not.toMatch(/canary|nowhere/)
  })

  it('names the variable that is wrong', async () => {
    await expect(clientOf([], { [variable('DPOP')]: 'perhaps' })).rejects.toThrow(variable('DPOP'))
    const error = await clientOf([], { [variable('PRIVATE_KEY')]: 'canary' }).catch(
      (reason: unknown) => reason,
    )
    expect(String(error)).toContain(`environment variable ${variable('PRIVATE_KEY')}`)
    expect(String(error)).not.toContain('canary')
  })
})

it('R22 neither inspect nor JSON shows a private key or a certificate’s', async () => {
  await write('both.pem', `${certificates.client.cert}\n${certificates.client.key}`)
  await write('us.pem', pem)
  const { client, config } = await clientOf(['certificate = "both.pem"', 'private_key = "us.pem"'])
  const shown = [client, config].map(
    (one) => inspect(one, { depth: null, showHidden: true }) + JSON.stringify(one),
  )
  for (const secret of [pem, certificates.client.key].map((text) => text.split('\n')[1] ?? 'none'))
    for (const text of shown) expect(text).not.toContain(secret)
})
