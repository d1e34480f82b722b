// Importing from other programs' files, built here as those programs write them: guMCP (gumloop/guMCP,
// src/auth/clients/LocalAuthClient.py, src/utils/oauth/util.py, src/utils/google/util.py with google-auth's
// Credentials.to_json), mcp-remote (geelen/mcp-remote, src/lib/mcp-auth-config.ts, src/lib/utils.ts), and plain JSON.
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import type { TokenSet } from '../oauth/index.ts'
import { defineProvider } from '../providers/index.ts'
import { generateKey } from '../seal.ts'
import { type Imported, type ImportedItem, type ImportOptions, importConnections } from './import.ts'
import { readInstant } from './import-source.ts'
import { furnish, type Interior } from './interior.ts'
import { openParts } from './open.ts'
import type { ConnectionRow } from './store.ts'

const folder = mkdtempSync(join(tmpdir(), 'toolgrant-import-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const now = Date.UTC(2026, 0, 1)
const seconds = now / 1000
const linear = defineProvider({
  ...{ id: 'linear-mcp', authorizationUrl: 'https://mcp.test/authorize', tokenUrl: 'https://mcp.test/token' },
})
const clients = {
  google: { clientId: 'google-client.apps.test', clientSecret: 's' },
  slack: { clientId: 'slack-client', clientSecret: 's' },
  notion: { clientId: 'notion-client', clientSecret: 's' },
  microsoft: { clientId: 'microsoft-client' },
  'linear-mcp': { clientId: 'dcr-7', provider: linear },
}
let inside: Interior
const opened: Interior[] = []
afterEach(async () => {
  for (const { audit, store } of opened.splice(0)) {
    await audit.close()
    await store.close()
  }
})

async function open(): Promise<void> {
  inside = await furnish(await openParts({ url: 'memory:', key: generateKey(), clients, now: () => now }))
  opened.push(inside)
}

async function imported(from: string | Uint8Array, options: ImportOptions = {}): Promise<Imported> {
  await open()
  return importConnections(inside, from, options)
}

async function rows(): Promise<readonly ConnectionRow[]> {
  return inside.store.list({ tenant: 'default' })
}

async function tokensAt(user: string, provider: string, account = 'default'): Promise<TokenSet> {
  const [row] = await inside.store.list({ tenant: 'default', user, provider, account })
  if (row === undefined) throw new Error(`no connection ${user} ${provider} ${account}`)
  return inside.sealed.open(row)
}

const refusals = ({ items }: Imported): Record<string, string | undefined> =>
  Object.fromEntries(
    items
      .filter(({ outcome }) => outcome === 'refused')
      .map(({ place, why }) => [place.split('/').at(-1), why]),
  )

let folders = 0
/** A folder with these files, all written an hour ago. */
function folderWith(contents: Readonly<Record<string, unknown>>): string {
  const root = join(folder, `${++folders}`)
  for (const [name, value] of Object.entries(contents)) {
    const path = join(root, name)
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value), { mode: 0o600 })
    utimesSync(path, seconds - 3600, seconds - 3600)
  }
  return root
}

describe('P47 guMCP', () => {
  const credentials = (service: string, user: string) =>
    `local_auth/credentials/${service}/${user}_credentials.json`
  const google = {
    ...{ token: 'ya29.google', refresh_token: '1//google', token_uri: 'https://oauth2.googleapis.com/token' },
    ...{ client_id: 'google-client.apps.test', client_secret: 'google-secret' },
    scopes: ['https://www.googleapis.com/auth/gmail.modify'],
    ...{ universe_domain: 'googleapis.com', account: '', expiry: '2025-12-31T23:30:00.123456Z' },
  }

  it('is read as its code writes it', async () => {
    const clone = folderWith({
      'local_auth/oauth_configs/slack/oauth.json': { client_id: 'slack-client', client_secret: 's' },
      'local_auth/oauth_configs/gmail/oauth.json': { installed: { client_id: 'google-client.apps.test' } },
      [credentials('gmail', 'local')]: google,
      [credentials('gcalendar', 'local')]: { ...google, refresh_token: '1//calendar' },
      // process_slack_token_response: nested members are flat, nothing ends.
      [credentials('slack', 'ada_l')]: {
        ...{ access_token: 'xoxb-1', token_type: 'Bearer', scope: 'chat:write,users:read' },
        ...{ team_id: 'T1', team_name: 'Team' },
      },
      [credentials('notion', 'local')]: {
        access_token: 'ntn-1',
        workspace_id: 'w-1',
        bot_id: 'b-1',
        state: 'x',
      },
      // After a refresh some services leave expires_in alone.
      [credentials('outlook', 'local')]: {
        ...{ access_token: 'eyJ.outlook', refresh_token: 'M.outlook', expires_in: 5400, scope: 'Mail.Read' },
      },
    })
    const result = await imported(clone)
    expect(refusals(result)).toEqual({})
    expect(result).toMatchObject({ from: 'gumcp', imported: 5 })
    const gmail = await tokensAt('local', 'google', 'gmail')
    expect(gmail).toMatchObject({
      ...{ accessToken: 'ya29.google', refreshToken: '1//google', scopes: google.scopes },
      expiresAt: new Date('2025-12-31T23:30:00.123Z'),
      receivedAt: new Date(now - 3_600_000),
    })
    expect((await tokensAt('local', 'google', 'gcalendar')).refreshToken).toBe('1//calendar')
    const slack = await tokensAt('ada_l', 'slack')
    expect(slack).toMatchObject({
      accessToken: 'xoxb-1',
      expiresAt: null,
      scopes: ['chat:write', 'users:read'],
    })
    expect(slack.extra).toEqual({ 'team.id': 'T1', 'team.name': 'Team' })
    expect((await tokensAt('local', 'notion')).extra).toEqual({ workspace_id: 'w-1', bot_id: 'b-1' })
    const outlook = await tokensAt('local', 'microsoft', 'outlook')
    expect(outlook.expiresAt).toEqual(new Date(now - 3_600_000 + 5_400_000))
    for (const path of ['local_auth', 'local_auth/credentials'])
      expect(await imported(join(clone, path)), path).toMatchObject({ from: 'gumcp', imported: 5 })
  })

  it('of ten years means that a token does not end', async () => {
    const expires_at = seconds + 315_360_000
    const clone = folderWith({ [credentials('slack', 'local')]: { access_token: 'x', expires_at } })
    await imported(clone)
    expect((await tokensAt('local', 'slack')).expiresAt).toBeNull()
  })

  it('says of each file why it cannot be taken, and takes the others', async () => {
    const clone = folderWith({
      'local_auth/oauth_configs/slack/oauth.json': { client_id: 'another-client', client_secret: 's' },
      [credentials('slack', 'other')]: { access_token: 'xoxb-1' },
      [credentials('ahrefs', 'key')]: { api_key: 'SECRET-key' },
      [credentials('notion', 'broken')]: '{"access_token": "SECRET-broken',
      [credentials('notion', 'list')]: '["SECRET-list"]',
      [credentials('notion', 'space')]: { access_token: 'SECRET with space' },
      [credentials('notion', 'end')]: { access_token: 'SECRET-end', expires_at: 'SECRET-tomorrow' },
      [credentials('notion', 'huge')]: JSON.stringify({
        access_token: 'SECRET',
        more: 'x'.repeat(1_100_000),
      }),
      [credentials('notion', 'good')]: { access_token: 'good' },
      [credentials('jira', 'unknown')]: { access_token: 'SECRET-jira' },
      [credentials('notion', 'world')]: { access_token: 'SECRET-world' },
      [credentials('notion', 'shown')]: { access_token: 'shown' },
      'local_auth/credentials/notion/unrelated.txt': 'no credentials',
    })
    const notion = join(clone, 'local_auth/credentials/notion')
    symlinkSync(join(notion, 'good_credentials.json'), join(notion, 'link_credentials.json'))
    mkdirSync(join(notion, 'folder_credentials.json'))
    chmodSync(join(notion, 'world_credentials.json'), 0o666)
    chmodSync(join(notion, 'shown_credentials.json'), 0o644)
    const result = await imported(clone)
    const said = refusals(result)
    expect(said).toEqual({
      'other_credentials.json': expect.stringMatching(
        /issued to another client.*"another-client".*\[auth\.slack\]/,
      ),
      'key_credentials.json': expect.stringMatching(/No OAuth tokens.*API key/),
      'broken_credentials.json': expect.stringMatching(/^It is not JSON/),
      'list_credentials.json': 'It is not a JSON object.',
      'space_credentials.json':
        'The member access_token must be a text without spaces and control characters.',
      'end_credentials.json': expect.stringMatching(/^The member expires_at must be/),
      'huge_credentials.json': 'It has more than 1 MiB.',
      'unknown_credentials.json': expect.stringMatching(/^There is no client for jira/),
      'world_credentials.json': expect.stringMatching(/^Everybody on this machine may write to it/),
      'link_credentials.json': 'It is a symbolic link, which is not followed.',
      'folder_credentials.json': 'It is no regular file.',
    })
    expect(JSON.stringify(result)).not.toContain('SECRET')
    expect(result.imported).toBe(2)
    const shown = result.items.find(({ user }) => user === 'shown')
    expect(shown?.note).toMatch(/^Others on this machine may read the file/)
  })
})

describe('mcp-remote', () => {
  // getServerUrlHash: md5 of the server's URL (and of resource and headers, when they are given).
  const hashOf = (url: string) => createHash('md5').update(url).digest('hex')
  const [first, second, third, fourth] = [
    'https://mcp.test/sse',
    'https://two.test',
    'https://3.test',
    'https://4.test',
  ].map(hashOf)
  const clientInfo = (client_id: string) => ({
    ...{ client_id, client_id_issued_at: 1, redirect_uris: ['http://localhost:3334/oauth/callback'] },
    ...{ token_endpoint_auth_method: 'none', client_name: 'MCP CLI Client' },
  })
  const files = {
    [`mcp-remote-0.1.38/${first}_tokens.json`]: {
      ...{ access_token: 'mcp-1', token_type: 'bearer', expires_in: 7200, scope: 'read write' },
      refresh_token: 'mcp-refresh-1',
    },
    [`mcp-remote-0.1.38/${first}_client_info.json`]: clientInfo('dcr-7'),
    [`mcp-remote-0.1.38/${first}_lock.json`]: { pid: 1, port: 3334, timestamp: 1 },
    [`mcp-remote-0.1.38/${second}_tokens.json`]: { access_token: 'SECRET-2', token_type: 'bearer' },
    [`mcp-remote-0.1.38/${second}_client_info.json`]: { ...clientInfo('dcr-8'), client_secret: 'SECRET-8' },
    [`mcp-remote-0.1.36/${third}_tokens.json`]: { access_token: 'SECRET-3', token_type: 'bearer' },
    [`mcp-remote-0.1.36/${fourth}_client_info.json`]: clientInfo('dcr-9'),
  }

  it('gives what belongs to a client that is configured here, and says how the rest could', async () => {
    const path = folderWith(files)
    const result = await imported(path, { candidates: ['slack', 'linear-mcp'], defaultUser: 'ada' })
    expect(result).toMatchObject({ from: 'mcp-remote', imported: 1, refused: 2 })
    const tokens = await tokensAt('ada', 'linear-mcp')
    expect(tokens).toMatchObject({
      ...{ accessToken: 'mcp-1', refreshToken: 'mcp-refresh-1', scopes: ['read', 'write'] },
      expiresAt: new Date(now + 3_600_000),
    })
    const said = refusals(result)
    expect(said[`${second}_tokens.json`]).toMatch(
      /No provider here has its client.*client_id = "dcr-8", its client_secret/,
    )
    expect(said[`${third}_tokens.json`]).toMatch(/Its client is not known/)
    expect(JSON.stringify(result)).not.toContain('SECRET')
    const one = await imported(join(path, 'mcp-remote-0.1.38'), { providers: ['linear-mcp'], as: 'ada' })
    expect(one).toMatchObject({ imported: 1, refused: 1 })
  })

  it('knows no users: somebody has to say whose it is', async () => {
    const result = await imported(folderWith(files), { providers: ['linear-mcp'] })
    expect(refusals(result)[`${first}_tokens.json`]).toMatch(/of no user.*say as whom/)
  })
})

describe('JSON', () => {
  const entry = { user: 'ada', provider: 'slack', access_token: 'x' }

  it('is a list, an object with one, or a line each', async () => {
    const two = [
      entry,
      { ...entry, user: 'bob', refresh_token: 'r', scopes: ['a'], expires_in: 60, obtained_at: seconds },
    ]
    const lines = two.map((each) => JSON.stringify(each)).join('\n')
    for (const text of [
      ...[JSON.stringify(two), JSON.stringify({ connections: two }, null, 2), lines, `\ufeff${lines}\n\n`],
      `\n ${JSON.stringify(two, null, 2)}`,
    ]) {
      expect(await imported(Buffer.from(text)), text).toMatchObject({ from: 'json', imported: 2, refused: 0 })
      expect(await tokensAt('bob', 'slack')).toMatchObject({
        ...{ refreshToken: 'r', scopes: ['a'], expiresAt: new Date(now + 60_000) },
      })
    }
  })

  it('may be one long line, and many lines', async () => {
    const many = Array.from({ length: 12_000 }, (_, index) => ({
      ...entry,
      user: `u${index}`,
      extra: { pad: 'x'.repeat(60) },
    }))
    const text = JSON.stringify(many)
    expect(text.length).toBeGreaterThan(1_048_576)
    expect(await imported(Buffer.from(text), { dryRun: true })).toMatchObject({
      imported: 12_000,
      refused: 0,
    })
    expect(await imported(Buffer.from(text), { dryRun: true })).toMatchObject({ items: { length: 10_000 } })
    const lines = Buffer.from(many.map((each) => JSON.stringify(each)).join('\n'))
    const heard: ImportedItem[] = []
    const onItem = (item: ImportedItem) => void heard.push(item)
    expect(await imported(lines, { dryRun: true, onItem })).toMatchObject({ imported: 12_000 })
    expect(heard).toHaveLength(12_000)
    expect(await rows()).toEqual([])
  })

  it('may bring a refresh token alone: it is renewed at first use', async () => {
    await imported(Buffer.from(JSON.stringify([{ user: 'ada', provider: 'slack', refresh_token: 'r' }])))
    const [row] = await rows()
    expect(row).toMatchObject({ expiresAt: 0 })
    expect((await tokensAt('ada', 'slack')).validFor(0, now)).toBe(false)
  })

  it('names what is wrong with an entry, and where', async () => {
    const wrong = [
      ...[
        { ...entry, provider: undefined },
        { ...entry, user: 7 },
        { ...entry, access_token: undefined },
      ],
      ...[
        { ...entry, expires_in: 60 },
        { ...entry, expires_at: 'SECRET' },
        { ...entry, refreshToken: 'SECRET' },
      ],
      ...[
        { ...entry, scope: [1] },
        { ...entry, extra: 'SECRET' },
        { ...entry, tokens: 'SECRET' },
        'SECRET',
        null,
      ],
      ...[
        { ...entry, refresh_token: 'SECRET SECRET' },
        { ...entry, account: 'a\0b' },
        { ...entry, client_id: 'other' },
      ],
    ]
    const result = await imported(Buffer.from(JSON.stringify([...wrong, entry])))
    expect(result).toMatchObject({ imported: 1, refused: wrong.length })
    expect(result.items.map(({ place, why }) => `${place}: ${why}`)).toEqual([
      'the source, entry 1: The member provider must be a text of 1 to 1000 characters.',
      'the source, entry 2: The member user must be a text of 1 to 1000 characters.',
      'the source, entry 3: It has neither access_token nor refresh_token.',
      'the source, entry 4: The member expires_in says nothing without obtained_at: add it, or expires_at.',
      expect.stringMatching(/^the source, entry 5: The member expires_at must be/),
      'the source, entry 6: The member is called refresh_token, in small letters.',
      'the source, entry 7: The member scope (or scopes) must be a text or a list of texts.',
      'the source, entry 8: The member extra must be a JSON object.',
      expect.stringMatching(/entry 9: It has a member about tokens/),
      'the source, entry 10: It is not a JSON object.',
      'the source, entry 11: It is not a JSON object.',
      expect.stringMatching(/entry 12: The member refresh_token must be/),
      expect.stringMatching(/entry 13: The member account must be/),
      expect.stringMatching(/entry 14: Its tokens were issued to another client/),
      'the source, entry 15: undefined',
    ])
    expect(JSON.stringify(result)).not.toContain('SECRET')
  })

  it('that is none is refused as a whole, with the place and not the text', async () => {
    for (const [text, said] of [
      ['[{"user": "ada",\n "access_token": "SECRET", }]', /line 2/],
      ['"SECRET"', /expected a list/],
      ['{"user": "SECRET",\n "provider": "slack"}', /expected a list/],
      ['', /not JSON/],
      ['\u0000\u0001', /not JSON/],
    ] as const) {
      const error: Error = await imported(Buffer.from(text)).then(
        () => expect.fail(text),
        (reason: Error) => reason,
      )
      expect(error, text).toMatchObject({ name: 'ImportError', code: 'bundle_invalid' })
      expect(error.cause).toBeUndefined()
      expect(error.message).toMatch(said)
      expect(error.message).not.toContain('SECRET')
    }
    const lines = await imported(Buffer.from(`${JSON.stringify(entry)}\n{"SECRET`))
    expect(refusals(lines)).toEqual({ 'the source, line 2': 'It is not JSON.' })
    const binary = imported(Buffer.concat([Buffer.from('[{"user":"'), Buffer.from([0xff, 0xfe])]))
    await expect(binary).rejects.toThrow(/not UTF-8/)
  })

  it('of a provider that nobody knows says what to do; without a client it is taken, and says so', async () => {
    const unknown = await imported(Buffer.from(JSON.stringify([{ ...entry, provider: 'twitter' }])))
    expect(unknown).toMatchObject({ imported: 1 })
    expect(unknown.items[0]?.note).toMatch(/^It cannot be renewed before a client is set\./)
  })

  it('never throws anything but an ImportError, whatever the bytes', async () => {
    await open()
    const json = fc.oneof(fc.jsonValue(), fc.array(fc.dictionary(fc.string(), fc.jsonValue())))
    const text = fc.oneof(
      fc.string(),
      json.map((value) => JSON.stringify(value)),
    )
    await fc.assert(
      fc.asyncProperty(text, async (content) => {
        try {
          await importConnections(inside, Buffer.from(content), { dryRun: true, from: 'json' })
        } catch (error) {
          expect(error).toMatchObject({ name: 'ImportError' })
        }
      }),
      { numRuns: 200 },
    )
  })

  it('understands times in seconds, milliseconds and ISO 8601, and no others', () => {
    for (const [value, expected] of [
      ...[[1_767_225_600, now] as const, [1_767_225_600_000, now] as const, ['1767225600', now] as const],
      ...[['2026-01-01T00:00:00Z', now] as const, ['2026-01-01T01:00:00+01:00', now] as const],
      ...[
        ['2026-01-01 00:00:00.000Z', now] as const,
        [undefined, undefined] as const,
        [null, undefined] as const,
      ],
      ...[['2026-01-01T00:00:00', 'wrong'] as const, ['tomorrow', 'wrong'] as const, [-1, 'wrong'] as const],
      ...[[true, 'wrong'] as const, [Number.NaN, 'wrong'] as const, [1e20, 'wrong'] as const],
    ])
      expect(readInstant(value), String(value)).toBe(expected)
  })
})

describe('a path', () => {
  it('that is nothing known is refused with what it could be', async () => {
    const empty = folderWith({ 'x/readme.txt': 'x' })
    await expect(imported(empty)).rejects.toThrow(/not one of guMCP \(local_auth\) or mcp-remote/)
    await expect(imported(join(empty, 'nothing'))).rejects.toThrow(/There is no such file: /)
    await expect(imported(join(empty, 'x/readme.txt'), { from: 'gumcp' })).rejects.toThrow(/are in a folder/)
    await expect(imported('')).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})
