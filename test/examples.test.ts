// Every file in examples/ runs by itself, as a reader would run it: a process of its own, the built package, loopback only.
import { execFile } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string) => readFileSync(`${root}/${path}`, 'utf8')

/** What each must say. */
const says: Record<string, RegExp[]> = {
  dpop: [/^with the key: ada$/m, /^the DPoP token without it: HTTP 401$/m],
  'step-up': [/^audit wants read admin $/m, /^pay wants .* mfa$/m, /^pay answers/m],
  'authorization-code': [
    /^the callback: Signed in\.$/m,
    /not yours/,
    /^active: true \[ 'read' \]$/m,
    /: false$/m,
  ],
  'signed-answer': [
    /^posted: c-1$/m,
    /^signed: c-2$/m,
    /^jwt_invalid: .*signature/m,
    /^response_mode_mismatch/m,
  ],
  'session-token': [/^ends in (?:59|60) seconds$/m, /vault: true/, /^refused: AuthenticationRequired$/m],
  'custom-provider': [/discovered: \[ '\/token', '\/revoke' \] true/, /signed in as ada/, /provider_invalid/],
  hooks: [
    /refresh_token with .*grant_type/,
    /kept: \{ accountId: 'account-of-ada' \}/,
    /^revocation asked for$/m,
  ],
  'implicit-legacy': [/asked for: id_token token/, /works: 200/, /refused: response_mode_mismatch/],
  'loopback-login': [/^ada granted profile and notes$/m, /was denied \("access_denied"/],
  mtls: [
    /^the token is bound-to-robot$/m,
    /the API saw \{ caller: 'robot' \}/,
    /got no answer.*wants a client certificate/,
  ],
  'private-key-jwt': [/^signed by our key: true robot/m, /refused .*its signature is wrong/],
  'pushed-request': [
    /^in the address: client_id, request_uri$/m,
    /within 60 seconds/,
    /refused: pushed_authorization invalid_client/,
  ],
  'rich-authorization': [
    /^\[\{"type":"payment_initiation"/m,
    /token for: https:/,
    /invalid_authorization_details/,
  ],
  openid: [/^signed in: ada at the issuer$/m, /^userinfo: ada /m, /id_token_hint/, /^id_token_invalid: /m],
  'protected-resource': [/^401 1 authorization server, \[ 'read' \]$/m, /buy milk/, /^discovery_failed$/m],
  'register-client': [
    /clientId: 'c-1'/,
    /^renamed: Notes$/m,
    /^refused: invalid_token$/m,
    /^client id: \/client.json /m,
  ],
  backchannel: [/signed in: true granted: .*payments/, /"access_denied"/],
  'client-credentials': [/refresh token: undefined/, /\{ 200 \} requests: \{ client_credentials: 3 \}/],
  device: [/type [B-Z]{4}-[B-Z]{4}/, /granted: \[ 'read' \]/, /"access_denied"/],
  'jwt-bearer': [/acting for ada@acme\.example .*: 2/],
  'odd-provider': [
    /^understood: \[ 'read', 'write' \] for 1\.0 hours$/m,
    /^ {2}nested {2}data$/m,
    /^left to tell: 0$/m,
    /^invalid_grant with HTTP 200; dead: true$/m,
  ],
  'password-legacy': [/password kept: false/, /renewed: true/, /"invalid_grant"/],
  'token-exchange': [/token-type:access_token/, /front-desk acts for ada/, /the API answers 200/],
  'session-refresh': [/by hand: ada/, /by itself: .*'ada'.* with 1 refresh$/m, /by the vault: ada/],
  'test-your-agent': [/All is as it should be: .*unread/],
  'tool-accounts': [/^ada@home$/m, /^ada@work$/m, /must be one of/],
  'tool-first-call': [/^Paused: /m, /^Welcome back, ada!$/m],
  'tool-model-loop': [/You have 3 unread messages\./],
  'tool-schemas': [/"input_schema"/, /"nullable": true/, /"strict": true/],
  'tool-structured-output': [/"json_schema"/, /2026 300/, /lines\.0\.vat/],
  'vault-token': [/renewed: true/, /token works: false/, /a token in the file: false/],
}

/** Refuses every connection that leaves the machine, before the example begins. */
const offline = `data:text/javascript,${encodeURIComponent(`
import net from 'node:net'
const { connect } = net.Socket.prototype
net.Socket.prototype.connect = function (...args) {
  const [first] = args.flat()
  const host = first?.host ?? '127.0.0.1'
  if (!/^(localhost|127\\..*|::1)$/.test(host)) throw new Error('An example left the machine: ' + host)
  return Reflect.apply(connect, this, args)
}`)}`

function run(file: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const { PATH = '', HOME = '' } = process.env
  const args = ['--import', offline, file]
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      args,
      { cwd: root, env: { PATH, HOME }, timeout: 30_000 },
      (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
    )
  })
}

const files = globSync('examples/*', { cwd: root }).sort()

describe.concurrent('examples', () => {
  it.each(files)('%s runs offline and says what it should', async (file) => {
    const name = file.replace(/^examples[/\\](.*)\.ts$/, '$1')
    const { code, stdout, stderr } = await run(file)
    expect(`${code} ${code === 0 ? '' : stderr}`).toBe('0 ')
    for (const pattern of says[name] ?? []) expect(stdout).toMatch(pattern)
    expect(stdout + stderr).not.toMatch(/canary_|(?<!Experimental)Warning/) // Node 22 warns of its own SQLite
  })
})

it('none is missing, and each is short and explained', () => {
  expect(files.map((file) => file.slice(9, -3))).toEqual(Object.keys(says).sort())
  for (const file of files) {
    const lines = read(file).trimEnd().split('\n')
    expect(`${file} ${lines.length < 70}`).toBe(`${file} true`)
    expect(lines[0]).toMatch(/^\/\/ \S/)
    for (const [, from] of read(file).matchAll(/from '(\.[^']*)'/g))
      expect(`${file} imports ${from}`).toBe('')
  }
})

it('each is pointed to by the documentation', () => {
  const pages = [read('README.md'), ...globSync('docs/*.md', { cwd: root }).map(read)].join('\n')
  for (const file of files) expect(pages).toContain(file)
})
