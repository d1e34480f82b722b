// Plain http carries no secret: every way in refuses it, unless that very call says otherwise by name.
import { describe, expect, it } from 'vitest'
import { ConfigurationError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import * as oauth from './index.ts'

const at = (path: string) => `http://as.example/${path}`
/** As a row would be that nobody checked: `defineProvider` refuses it. */
const plain: Provider = {
  id: 'plain',
  authorizationUrl: at('authorize'),
  tokenUrl: at('token'),
  revocationUrl: at('revoke'),
  introspectionUrl: at('introspect'),
  userinfoUrl: at('userinfo'),
  deviceAuthorizationUrl: at('device'),
  registrationEndpointUrl: at('register'),
  apiBaseUrl: at('api'),
}
const client: oauth.Client = { clientId: 'c', clientSecret: 's', redirectUri: 'https://app.example/cb' }
const tokens = new oauth.TokenSet({ accessToken: 'a', refreshToken: 'r' })

type Call = (options: oauth.RequestOptions) => Promise<unknown>

const calls: [name: string, call: Call][] = [
  ['a refresh', (options) => oauth.refreshTokenGrant(plain, client, tokens, options)],
  ['client credentials', (options) => oauth.clientCredentialsGrant(plain, client, options)],
  ['a device authorization', (options) => oauth.deviceAuthorization(plain, client, options)],
  ['a revocation', (options) => oauth.revokeToken(plain, client, 'token', options)],
  ['an introspection', (options) => oauth.introspectToken(plain, client, 'token', options)],
  ['a registration', (options) => oauth.registerClient(plain, {}, options)],
  ['userinfo', (options) => oauth.fetchUserinfo(plain, client, tokens, options)],
  ['discovery', (options) => oauth.discover('http://as.example', options)],
  [
    'a session',
    async ({ fetch, allowInsecureRequests }) =>
      new oauth.Session(tokens, { provider: plain, fetch, allowInsecureRequests }).fetch('/me'),
  ],
]

/** What was sent, and whether http was the complaint. */
async function outcome(call: Call, allowInsecureRequests?: boolean) {
  let sent = 0
  const fetch: typeof globalThis.fetch = async () => {
    sent += 1
    return new Response('{}', { status: 500 })
  }
  const error = await call({ fetch, allowInsecureRequests }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return {
    sent: sent > 0,
    refused: error instanceof ConfigurationError && error.code === 'insecure_url',
    error,
  }
}

describe.each(calls)('R10 %s over plain http', (_, call) => {
  it('is refused before anything is sent, by a message that names the way out', async () => {
    const { sent, refused, error } = await outcome(call)
    expect({ sent, refused }).toEqual({ sent: false, refused: true })
    expect(String(error)).toContain('allowInsecureRequests')
  })

  it('is let through by the option of that call, which no other call inherits', async () => {
    expect(await outcome(call, true)).toMatchObject({ sent: true, refused: false })
    expect(await outcome(call)).toMatchObject({ sent: false, refused: true })
  })
})
