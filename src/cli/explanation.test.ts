// The library's real errors in the words of the command line: nothing of its API, one next step, no contradiction.

import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { ConfigurationError } from '../errors.ts'
import { loopback } from '../flows/index.ts'
import {
  authorizationCodeGrant,
  authorizationUrl,
  clientCredentialsGrant,
  discover,
  Session,
  TokenSet,
} from '../oauth/index.ts'
import { defineProvider, provider } from '../providers/index.ts'
import { type CommandHints, explain } from './explanation.ts'

const acme = defineProvider({
  id: 'acme',
  authorizationUrl: 'https://acme.example/authorize',
  tokenUrl: 'https://acme.example/token',
})

async function explained(failing: Promise<unknown>, hints: CommandHints = {}) {
  const error = await failing.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof Error)) throw new Error('expected an error', { cause: error })
  const explanation = explain(error, hints)
  expect(`${explanation.message} ${explanation.next}`).not.toMatch(
    /\(\)|timeoutMs|apiHosts|plain fetch|tokenEndpoint|clientSecret/,
  )
  return explanation
}

describe('explain, in the words of the command line', () => {
  it('an unknown provider', async () => {
    const near = await explained(provider('githib'))
    expect(near.message).toBe('There is no provider "githib". Did you mean "github"?')
    expect(near.next).toContain('toolgrant providers')
    expect(near.next).toContain('[providers.<id>]')
    expect((await explained(provider('zzzzzz'))).message).toBe('There is no provider "zzzzzz".')
  })

  it('a host that may not have the token', async () => {
    const session = new Session(new TokenSet({ accessToken: 'canary' }), {
      apiBaseUrl: 'https://api.acme.example',
    })
    const { message, next } = await explained(session.fetch('https://other.example/'))
    expect(message).toMatch(/other\.example.*The token was not sent\.$/)
    expect(next).toContain('--allow-host <host>')
    expect(next).toContain('api_hosts')
  })

  it('a person who does not come', async () => {
    const client = { clientId: 'id' }
    const registration = { provider: acme, client }
    const flow = await loopback({ openBrowser: false, onEvent: () => {} }).start({
      registration,
      timeoutMs: 50,
    })
    const { message, next } = await explained(flow.result())
    expect(message).toBe('Nobody came back within 0.05 seconds. No token was requested.')
    expect(next).toContain('--timeout <seconds>')
  })

  it('an endpoint that does not answer in time', async () => {
    const fetch = () => new Promise<Response>(() => {})
    const { message } = await explained(discover('https://acme.example', { fetch, timeoutMs: 50 }))
    expect(message).toContain('within 0.05 seconds. Its outcome is unknown.')
  })

  it('a secret that is missing', async () => {
    const client = { clientId: 'id', tokenEndpointAuthMethod: 'client_secret_post' } as const
    const redirectUri = 'http://127.0.0.1:41539/'
    const { pending } = await authorizationUrl(acme, client, { redirectUri, scopes: [] })
    const callback = `${redirectUri}?code=c&state=${pending.state}`
    const { code, message, next } = await explained(authorizationCodeGrant(acme, client, pending, callback))
    expect(code).toBe('client_missing')
    expect(message).toContain('token_endpoint_auth_method = "none" for a public client.')
    expect(next).toBeUndefined()
  })

  it('a client that cannot prove who it is, and one that is not believed', async () => {
    const missing = await explained(clientCredentialsGrant(acme, { clientId: 'id' }))
    expect(missing.message).toContain('neither client_secret nor private_key')
    const fetch = () => Promise.resolve(Response.json({ error: 'invalid_client' }, { status: 401 }))
    const refused = await explained(
      clientCredentialsGrant(acme, { clientId: 'id', clientSecret: 's' }, { fetch }),
    )
    expect(refused.message).toMatch(/secret or key.*then token_endpoint_auth_method\.$/)
  })

  it('a request that nobody can sign, and scopes that differ', async () => {
    const client = { clientId: 'id', requestObject: true, redirectUri: 'http://127.0.0.1/' }
    const unsigned = await explained(
      authorizationUrl({ ...acme, issuer: 'https://acme.example' }, client, {}),
    )
    expect(unsigned.message).toContain('no private_key. Set it in its [auth] section')
    const answer = { access_token: 'a', token_type: 'Bearer', scope: 'read' }
    const fetch = () => Promise.resolve(Response.json(answer))
    const strict = { clientId: 'id', clientSecret: 's', scopes: 'strict' } as const
    const other = await explained(clientCredentialsGrant(acme, strict, { scopes: ['write'], fetch }))
    expect(other.message).toMatch(/\(strict_scopes\)\. Nothing was stored\.$/)
    expect(other.next).toContain('--scopes')
  })

  it('a certificate that is not trusted', async () => {
    const cause = Object.assign(new Error(), { code: 'SELF_SIGNED_CERT_IN_CHAIN' })
    const fetch = () => Promise.reject(new TypeError('fetch failed', { cause }))
    const { message } = await explained(discover('https://acme.example', { fetch }))
    expect(message).toContain('An authority of your own goes into certificate_ca')
  })

  it('a client id that is missing: init writes sections, it does not fill them', () => {
    const error = new ConfigurationError('client_missing', 'No client id is set for acme.')
    expect(explain(error, { provider: 'acme' }).next).toContain('toolgrant init --provider acme')
  })

  it('a connection that is refused: the host once, and where to look', async () => {
    const closed = createServer()
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
    const host = `127.0.0.1:${(closed.address() as AddressInfo).port}`
    await new Promise((resolve) => closed.close(resolve))
    const { message, next } = await explained(discover(`http://${host}`))
    expect(message).toBe(`The discovery request to ${host} got no answer (ECONNREFUSED).`)
    for (const word of ['configuration', 'network', 'proxy']) expect(next).toContain(word)
  })
})
