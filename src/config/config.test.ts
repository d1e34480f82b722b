// Configuration: files, environment, what is missing and what is odd. Rows P100 and P101.
import { chmod, chown, lchown, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigurationError } from '../errors.ts'
import { findConfigFile } from './config-file.ts'
import { type ConfigOptions, loadConfig } from './index.ts'

let folder = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'toolgrant-config-'))
})

afterEach(() => rm(folder, { recursive: true, force: true }))

async function write(name: string, text: string, mode = 0o600): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text, { mode })
  return path
}

/** Loads with an empty environment, so that the machine's own cannot matter. */
function load(options: ConfigOptions = {}) {
  return loadConfig({ cwd: folder, env: {}, ...options })
}

async function rejection(promise: Promise<unknown>): Promise<ConfigurationError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof ConfigurationError))
    throw new Error('expected a ConfigurationError', { cause: error })
  return error
}

/** An environment that notes each name that is read, and whether it was ever listed. */
function watchedEnvironment(values: Record<string, string> = {}) {
  const reads = new Set<string>()
  const listings: string[] = []
  const env = new Proxy(values, {
    get: (target, name) => {
      reads.add(String(name))
      return Reflect.get(target, name)
    },
    has: (target, name) => {
      reads.add(String(name))
      return Reflect.has(target, name)
    },
    ownKeys: (target) => {
      listings.push('ownKeys')
      return Reflect.ownKeys(target)
    },
    getOwnPropertyDescriptor: (target, name) => {
      listings.push('getOwnPropertyDescriptor')
      return Reflect.getOwnPropertyDescriptor(target, name)
    },
  })
  return { env, reads, listings }
}

describe('[vault] key', () => {
  it.each([
    ['command:/opt/kms --profile a', 'command:/opt/kms --profile a'],
    ['keychain', 'keychain'],
    ['file:~/vault.key', 'file:~/vault.key'],
    ['file:/run/vault.key', 'file:/run/vault.key'],
  ])('%s names a place, in a file that was named', async (key, expected) => {
    const file = await write('toolgrant.toml', `[vault]\nkey = "${key}"\n`)
    expect((await load({ file })).vault).toEqual({ key: expected })
    expect((await load({ file, env: { TOOLGRANT_KEY: 'x' } })).vault).toEqual({})
  })

  it('with a relative path starts at the folder of its file', async () => {
    const file = await write('toolgrant.toml', '[vault]\nkey = "file:keys/vault.key"\n')
    expect((await load({ file })).vault.key).toBe(`file:${join(folder, 'keys', 'vault.key')}`)
  })

  it('in a file that was only found is refused: it may name a program to run', async () => {
    await write('toolgrant.toml', '[vault]\nkey = "command:/opt/kms"\n')
    const config = await load()
    expect(() => config.vault).toThrow(/\[vault\] key .* A file that was found may not do that/)
  })

  it.each(['A'.repeat(43), 'command:', 'kms'])('that is no place is refused, and not quoted', async (key) => {
    const file = await write('toolgrant.toml', `[vault]\nkey = "${key}"\n`)
    const config = await load({ file })
    expect(() => config.vault).toThrow(/must name a place/)
    expect(() => config.vault).not.toThrow(/AAAA/)
  })
})

describe('registration', () => {
  it('P101 reads Hyperpocket’s keys from toolgrant.toml and .secrets.toml, the secrets file winning', async () => {
    await write('toolgrant.toml', '[auth.slack]\nclient_id = "from-file"\nclient_secret = "weak"\n')
    await write('.secrets.toml', '[auth.slack]\nclient_secret = " strong "\n')
    const { provider, client } = await (await load()).registration('slack')
    expect(provider.id).toBe('slack')
    expect({ ...client }).toEqual({ clientId: 'from-file', clientSecret: 'strong' })
  })

  it.each([
    [{ TOOLGRANT_AUTH__SLACK__CLIENT_ID: 'own', SLACK_CLIENT_ID: 'common' }, 'own'],
    [{ SLACK_CLIENT_ID: 'common' }, 'common'],
    [{ TOOLGRANT_AUTH__SLACK__CLIENT_ID: ' ', SLACK_CLIENT_ID: '' }, 'from-file'],
    [{}, 'from-file'],
  ])('P101 lets the environment win over the files: %o', async (env, clientId) => {
    await write('toolgrant.toml', '[auth.slack]\nclient_id = "from-file"\n')
    const { client } = await (await load({ env })).registration('slack')
    expect(client.clientId).toBe(clientId)
  })

  it('P101 works from the environment alone', async () => {
    const env = { GITHUB_CLIENT_ID: 'id', TOOLGRANT_AUTH__GITHUB__CLIENT_SECRET: 'secret' }
    const { client } = await (await load({ env })).registration('github')
    expect({ ...client }).toEqual({ clientId: 'id', clientSecret: 'secret' })
  })

  it('P27 accepts a public client', async () => {
    const { client } = await (await load({ env: { X_CLIENT_ID: 'public' } })).registration('x')
    expect({ ...client }).toEqual({ clientId: 'public' })
  })

  it('reads redirect URI, authentication method, scopes and URL variables', async () => {
    await write(
      'toolgrant.toml',
      `[auth.microsoft]
      client_id = "id"
      redirect_uri = "http://127.0.0.1:8000/back"
      token_endpoint_auth_method = "client_secret_post"
      scopes = ["User.Read", "Mail.Read"]
      tenant = "contoso"`,
    )
    const config = await load()
    const { client } = await config.registration('microsoft')
    expect(client).toEqual({
      clientId: 'id',
      redirectUri: 'http://127.0.0.1:8000/back',
      tokenEndpointAuthMethod: 'client_secret_post',
      variables: { tenant: 'contoso' },
    })
    expect(config.scopes('microsoft')).toEqual(['User.Read', 'Mail.Read'])
    expect(config.redirectUri('microsoft')).toBe('http://127.0.0.1:8000/back')
    expect(config.warnings).toEqual([])
  })

  it('takes a URL variable from the environment', async () => {
    const env = { MICROSOFT_CLIENT_ID: 'id', TOOLGRANT_AUTH__MICROSOFT__TENANT: 'fabrikam' }
    const { client } = await (await load({ env })).registration('microsoft')
    expect(client.variables).toEqual({ tenant: 'fabrikam' })
  })

  it('P59 does not show the secret in inspect or JSON, and still hands it on', async () => {
    await write('.secrets.toml', '[auth.slack]\nclient_id = "id"\nclient_secret = "canary-7f3a"\n')
    await write('toolgrant.toml', '[vault]\nurl = "postgres://ada:canary-9b1c@db/toolgrant"\n')
    const config = await load()
    const registration = await config.registration('slack')
    const shown = [
      inspect(config, { depth: 9, showHidden: true }),
      inspect(registration),
      JSON.stringify(registration),
    ]
    expect(shown.join('\n') + JSON.stringify(config)).not.toContain('canary')
    expect(registration.client.clientSecret).toBe('canary-7f3a')
    expect({ ...registration.client }.clientSecret).toBe('canary-7f3a')
    expect(config.vault.url).toBe('postgres://ada:canary-9b1c@db/toolgrant')
  })
})

describe('what is missing', () => {
  it('P100 lists exactly the missing keys, every place for each, and where to register', async () => {
    await write('toolgrant.toml', '[callback]\nport = 8123\n')
    const error = await rejection((await load()).registration('slack'))
    expect(error.code).toBe('client_missing')
    for (const part of [
      'TOOLGRANT_AUTH__SLACK__CLIENT_ID or SLACK_CLIENT_ID',
      'TOOLGRANT_AUTH__SLACK__CLIENT_SECRET or SLACK_CLIENT_SECRET',
      `${join(folder, '.secrets.toml')}: [auth.slack] client_id`,
      `${join(folder, 'toolgrant.toml')}: [auth.slack] client_id`,
      `${join(folder, '.secrets.toml')}: [auth.slack] client_secret`,
      'https://api.slack.com/apps',
      'http://127.0.0.1:8123/',
    ])
      expect(error.message).toContain(part)
  })

  it('P100 does not ask for a secret that is already set', async () => {
    const config = await load({ env: { SLACK_CLIENT_SECRET: 'canary-1d2e' } })
    expect((await config.missing('slack')).map(({ key }) => key)).toEqual(['client_id'])
    const { message } = await rejection(config.registration('slack'))
    expect(message).not.toContain('client_secret')
    expect(message).not.toContain('canary')
    expect(message).toContain('toolgrant init creates it')
  })

  it('P100 reports the same as data', async () => {
    const config = await load()
    expect(await config.missing('slack')).toEqual([
      {
        key: 'client_id',
        required: true,
        variables: ['TOOLGRANT_AUTH__SLACK__CLIENT_ID', 'SLACK_CLIENT_ID'],
        files: [join(folder, '.secrets.toml'), join(folder, 'toolgrant.toml')],
        section: 'auth.slack',
      },
      expect.objectContaining({ key: 'client_secret', required: false }),
    ])
    expect(config.hasClient('slack')).toBe(false)
  })

  it.each([
    ['[auth.slakc]', 'slack', 'There is an [auth.slakc]: should it be [auth.slack]?'],
    ['[auth.twitter]', 'x', 'There is an [auth.twitter]: should it be [auth.x]?'],
  ])('points from the misnamed section %s to %s', async (section, id, hint) => {
    await write('toolgrant.toml', `${section}\nclient_id = "id"\n`)
    expect((await rejection((await load()).registration(id))).message).toContain(hint)
  })

  it('names an unknown provider', async () => {
    expect((await rejection((await load()).registration('slakc'))).code).toBe('provider_unknown')
  })
})

describe('[providers.*]', () => {
  it('makes a provider from an issuer alone', async () => {
    await write(
      'toolgrant.toml',
      '[providers.acme]\nissuer = "http://127.0.0.1:9/"\n[auth.acme]\nclient_id = "id"\n',
    )
    const config = await load()
    expect((await config.registration('acme')).provider).toEqual({
      id: 'acme',
      issuer: 'http://127.0.0.1:9/',
    })
    expect(config.providers.map(({ id }) => id)).toEqual(['acme'])
    expect((await config.allProviders()).map(({ id }) => id)).toEqual(
      expect.arrayContaining(['acme', 'slack']),
    )
  })

  it('reads snake_case members, wins over the catalogue where the file is named, and leaves inner keys alone', async () => {
    const file = await write(
      'toolgrant.toml',
      `[providers.slack]
      authorization_url = "https://slack.example/authorize"
      token_url = "https://slack.example/token"
      scope_separator = ","
      api_base_url = "https://slack.example/api"
      authorization_params = { access_type = "offline" }
      token_response_aliases = { access_token = "authToken" }
      [[providers.slack.url_variables]]
      name = "teamId"
      from = "user"
      default = "T1"`,
    )
    expect(await (await load({ file })).provider('slack')).toEqual({
      id: 'slack',
      authorizationUrl: 'https://slack.example/authorize',
      tokenUrl: 'https://slack.example/token',
      scopeSeparator: ',',
      apiBaseUrl: 'https://slack.example/api',
      authorizationParams: { access_type: 'offline' },
      tokenResponseAliases: { access_token: 'authToken' },
      urlVariables: [{ name: 'teamId', from: 'user', default: 'T1' }],
    })
  })

  it('does not replace a provider of the catalogue where it was only found: it would get tokens and secrets', async () => {
    const path = await write('toolgrant.toml', '[providers.slack]\nissuer = "https://evil.example"\n')
    const config = await load({ env: { SLACK_CLIENT_ID: 'id', SLACK_CLIENT_SECRET: 'canary' } })
    for (const run of [() => config.provider('slack'), () => config.registration('slack')]) {
      const { code, message } = await rejection(run())
      expect(code).toBe('config_invalid')
      expect(message).toContain(`${path}: [providers.slack] would replace`)
    }
    const named = await load({ env: { TOOLGRANT_CONFIG: path } })
    expect((await named.provider('slack')).issuer).toBe('https://evil.example')
  })

  it.each([
    ['authorization_url = "https://acme.example/a"', /\[providers\.acme\].* token_url is missing/s],
    [
      'issuer = "https://acme.example"\ntoken_ulr = "x"',
      /token_ulr is not a member.*did you mean token_url/s,
    ],
    ['issuer = "https://acme.example"\ntokenUrl = "x"', /tokenUrl is not read; write token_url/],
    ['issuer = "https://acme.example"\nid = "x"', /id is the name of the table/],
    ['issuer = "http://acme.example"', /https/],
  ])('P1 refuses the row %j in the words of the file', async (row, message) => {
    const path = await write('toolgrant.toml', `[providers.acme]\n${row}\n`)
    const error = await rejection(load())
    expect(error.code).toBe('config_invalid')
    expect(error.message).toContain(path)
    expect(error.message).toMatch(message)
  })
})

describe('other settings', () => {
  const text = `tools = "./tools.ts"
user = "ada"
[vault]
url = "sqlite:data/grants.db"
[callback]
port = 8123
https = true
`

  it('resolves paths from the file, not from the working directory', async () => {
    await write('toolgrant.toml', text)
    await mkdir(join(folder, 'deep/er'), { recursive: true })
    const config = await load({ cwd: join(folder, 'deep/er') })
    expect(config.file).toBe(join(folder, 'toolgrant.toml'))
    expect(config.tools).toBe(join(folder, 'tools.ts'))
    expect(config.user).toBe('ada')
    expect(config.vault).toEqual({ url: `sqlite:${join(folder, 'data/grants.db')}` })
    expect(config.callback).toEqual({ port: 8123, https: true })
  })

  it('lets the environment win, with paths from the working directory', async () => {
    await write('toolgrant.toml', text)
    const env = {
      TOOLGRANT_USER: 'grace',
      TOOLGRANT_VAULT: './other.db',
      TOOLGRANT_TOOLS: 'mine.ts',
      TOOLGRANT_CALLBACK__PORT: '9000',
      TOOLGRANT_CALLBACK__HTTPS: 'off',
    }
    const config = await load({ env })
    expect([config.user, config.vault.url, config.tools]).toEqual([
      'grace',
      join(folder, 'other.db'),
      join(folder, 'mine.ts'),
    ])
    expect(config.callback).toEqual({ port: 9000, https: false })
  })

  it.each(['memory:', 'postgres://db/x', 'sqlite::memory:', 'sqlite:/var/x.db'])(
    'leaves the vault URL %s as it is',
    async (url) => {
      await write('toolgrant.toml', `[vault]\nurl = "${url}"\n`)
      expect((await load()).vault.url).toBe(url)
    },
  )

  it.each([
    ['x.db', (here: string) => join(here, 'x.db')],
    ['sqlite://x.db', (here: string) => `sqlite:${join(here, 'x.db')}`],
    ['sqlite:///var/x.db', () => 'sqlite:/var/x.db'],
    ['~/x.db', () => join(homedir(), 'x.db')],
  ])('makes the vault URL %s absolute', async (url, expected) => {
    await write('toolgrant.toml', `[vault]\nurl = "${url}"\n`)
    expect((await load()).vault.url).toBe(expected(folder))
  })

  it.each([
    ['TOOLGRANT_CALLBACK__PORT', '70000'],
    ['TOOLGRANT_CALLBACK__PORT', 'eighty'],
    ['TOOLGRANT_CALLBACK__HTTPS', 'maybe'],
  ])('refuses %s=%s, naming it', async (name, value) => {
    expect((await rejection(load({ env: { [name]: value } }))).message).toContain(name)
  })

  it.each([
    ['user = 7', 'user must be text'],
    ['tools = ["a"]', 'tools must be text'],
    ['auth = 1', 'auth must be tables'],
    ['[auth]\nslack = "canary"', '[auth.slack] must be a table'],
    ['[providers]\nacme = true', '[providers.acme] must be a table'],
    ['vault = "x.db"', '[vault] must be a table'],
    ['[callback]\nport = 70000', '[callback] port must be a port number'],
    ['[callback]\nhttps = "yes"', '[callback] https must be true or false'],
  ])('refuses %j', async (toml, message) => {
    const path = await write('toolgrant.toml', toml)
    const error = await rejection(load())
    expect(error.code).toBe('config_invalid')
    expect(error.message).toContain(`${path}: ${message}`)
    expect(error.message).not.toContain('canary')
  })

  it.each([
    ['client_id = 7', 'client_id must be text'],
    ['client_id = "id"\ntoken_endpoint_auth_method = "canary"', 'token_endpoint_auth_method must be one of'],
  ])('refuses [auth.slack] %j when the registration is asked for', async (toml, message) => {
    await write('toolgrant.toml', `[auth.slack]\n${toml}\n`)
    const error = await rejection((await load()).registration('slack'))
    expect(error.message).toContain(message)
    expect(error.message).not.toContain('canary')
  })
})

describe('warnings', () => {
  it.each([
    ['[auth.slack]\nclient_secert = "canary"', 'Did you mean client_secret?'],
    ['[auth.slack]\nclient_id = "a"\ntools = "./tools.ts"', 'move it above the first [section]'],
    ['toolz = "x"', 'Did you mean tools?'],
    ['public_hostname = "canary"', 'nothing reads public_hostname. Known: auth, providers'],
    ['[vault]\nurll = "x"', 'nothing reads [vault] urll. Did you mean url?'],
  ])('about %j', async (toml, message) => {
    await write('toolgrant.toml', toml)
    const heard: string[] = []
    const config = await load({ onWarning: (warning) => heard.push(warning) })
    expect(heard).toEqual([expect.stringContaining(message)])
    expect(config.warnings).toEqual(heard)
    expect(heard.join()).not.toContain('canary')
  })

  it('about a key of [auth.*] that is no variable of the provider, once', async () => {
    await write('toolgrant.toml', '[auth.microsoft]\nclient_id = "a"\ntenantt = "canary"\n')
    const heard: string[] = []
    const config = await load({ onWarning: (warning) => heard.push(warning) })
    await config.registration('microsoft')
    await config.registration('microsoft')
    expect(heard).toEqual([
      expect.stringContaining('nothing reads [auth.microsoft] tenantt. Did you mean tenant?'),
    ])
  })

  it('about a secrets file that others may read', async () => {
    await write('toolgrant.toml', '')
    const path = await write('.secrets.toml', '')
    await chmod(path, 0o640)
    expect((await load()).warnings).toEqual([expect.stringContaining(`chmod 600 ${path}`)])
    await chmod(path, 0o600)
    expect((await load()).warnings).toEqual([])
  })

  it('about a file that everybody may write to, which is not used unless it is named', async () => {
    const path = await write('toolgrant.toml', 'user = "mallory"\n')
    await chmod(path, 0o666)
    const config = await load()
    expect(config.user).toBeUndefined()
    expect(config.warnings).toEqual([expect.stringContaining(`${path} was ignored`)])
    expect((await rejection(config.registration('slack'))).message).toContain(`${path} was ignored`)
    expect((await load({ file: 'toolgrant.toml' })).user).toBe('mallory')
    expect((await load({ env: { TOOLGRANT_CONFIG: path } })).user).toBe('mallory')
  })
})

describe('files', () => {
  it('stops the search at the home folder', async () => {
    await write('toolgrant.toml', '')
    await mkdir(join(folder, 'home/project'), { recursive: true })
    const cwd = join(folder, 'home/project')
    expect((await findConfigFile(cwd, join(folder, 'home'))).file).toBeUndefined()
    expect((await findConfigFile(cwd, folder)).file).toBe(join(folder, 'toolgrant.toml'))
  })

  it('ignores a file, or a link to one, of another user', async () => {
    const path = await write('toolgrant.toml', '')
    await mkdir(join(folder, 'linked'))
    await symlink(path, join(folder, 'linked/toolgrant.toml'))
    // Only root can give a file away; for anybody else the reader is another user than the file's.
    const root = process.getuid?.() === 0
    const reader = root ? 0 : (process.getuid?.() ?? 0) + 1
    if (root) await lchown(join(folder, 'linked/toolgrant.toml'), 12_345, 12_345)
    const linked = await findConfigFile(join(folder, 'linked'), join(folder, 'linked'), reader)
    expect(linked.ignored).toEqual([expect.stringContaining('belongs to another user')])
    expect(linked.file).toBeUndefined()
    if (root) await chown(path, 12_345, 12_345)
    expect((await findConfigFile(folder, folder, reader)).ignored).toHaveLength(1)
  })

  it('passes over a folder of that name', async () => {
    await mkdir(join(folder, 'toolgrant.toml'))
    expect((await load()).file).toBeUndefined()
  })

  it.each([
    ['toolgrant.toml', '[auth.slack]\nclient_secret = "canary-51aa\n', ':2:'],
    ['.secrets.toml', '[auth.slack]\nclient_secret = canary-51aa\n', ':2:17'],
    ['.secrets.toml', '[auth.slack]\nclient_secret canary-51aa\n', ':2:'],
    ['toolgrant.toml', 'user = "a"\nuser = "canary-51aa"\n', ':2:1'],
  ])('names place and reason of a mistake in %s without quoting the file', async (name, text, place) => {
    await write('toolgrant.toml', '')
    const path = await write(name, text)
    const error = await rejection(load())
    expect(error.code).toBe('config_invalid')
    expect(error.message).toContain(path + place)
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('canary')
  })

  it('says when a named file is not there, or is no text', async () => {
    expect((await rejection(load({ file: 'nowhere.toml' }))).message).toContain(join(folder, 'nowhere.toml'))
    await writeFile(join(folder, 'toolgrant.toml'), Uint8Array.of(0xff, 0xfe, 0x00))
    expect((await rejection(load())).message).toContain('not UTF-8')
  })

  it('accepts a byte order mark and Windows line ends', async () => {
    await write('toolgrant.toml', '\ufeffuser = "ada"\r\n[auth.slack]\r\nclient_id = "id"\r\n')
    expect((await load()).user).toBe('ada')
  })

  it('P101 creates nothing', async () => {
    const config = await load({ env: { SLACK_CLIENT_ID: 'id' } })
    await config.registration('slack')
    expect(await readdir(folder)).toEqual([])
  })
})

describe('the environment', () => {
  it('P101 is read by exact names, and never listed', async () => {
    const { env, reads, listings } = watchedEnvironment({ AWS_SECRET_ACCESS_KEY: 'canary' })
    const config = await load({ env })
    expect([...reads].sort()).toEqual([
      'TOOLGRANT_CALLBACK__HTTPS',
      'TOOLGRANT_CALLBACK__PORT',
      'TOOLGRANT_CONFIG',
      'TOOLGRANT_TOOLS',
      'TOOLGRANT_USER',
    ])
    reads.clear()
    await rejection(config.registration('slack'))
    expect([...reads].filter((name) => !/^(TOOLGRANT_AUTH__)?SLACK__?[A-Z_]+$/.test(name))).toEqual([])
    expect(listings).toEqual([])
  })

  it('writes ids with other characters in capitals and underscores', async () => {
    await write('toolgrant.toml', '[providers."my-app.v2"]\nissuer = "https://acme.example"\n')
    const { client } = await (await load({ env: { MY_APP_V2_CLIENT_ID: 'id' } })).registration('my-app.v2')
    expect(client.clientId).toBe('id')
  })
})
