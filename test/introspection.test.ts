// Introspection at a real server (RFC 7662), its answers signed where that is asked for (RFC 9701). Row R16.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  authorizationCodeGrant,
  authorizationUrl,
  type Client,
  introspectToken,
  revokeToken,
  type TokenSet,
} from '../src/oauth/index.ts'
import { defineProvider } from '../src/providers/index.ts'
import { type OidcServer, startOidcServer } from './servers/oidc.ts'
import { readJwt } from './servers/oidc-record.ts'

let oidc: OidcServer
let tokens: TokenSet

beforeAll(async () => {
  oidc = await startOidcServer({ signingAlgs: ['ES256'], features: { jwtIntrospection: true } })
  tokens = await connect(oidc.client('private_key_jwt'))
})
afterAll(() => oidc.close())
afterEach(() => oidc.record.clear())

const provider = () => defineProvider({ id: 'practice', issuer: oidc.issuer })

async function connect(client: Client): Promise<TokenSet> {
  const redirectUri = 'http://127.0.0.1:4711/callback'
  const { url, pending } = await authorizationUrl(provider(), client, { redirectUri, scopes: ['notes.read'] })
  return authorizationCodeGrant(provider(), client, pending, await oidc.consent(url, { follow: false }))
}

describe('R16 introspection', () => {
  it('a row with endpoints and an issuer leaves it to the issuer to name this one', async () => {
    const client = oidc.client('private_key_jwt')
    const row = defineProvider({ id: 'practice', issuer: oidc.issuer, ...oidc.endpoints })
    expect(await introspectToken(row, client, tokens.accessToken)).toMatchObject({
      ...{ active: true, scopes: ['notes.read'], clientId: client.clientId },
      expiresAt: expect.any(Date),
    })
  })

  it('signed: by the issuer, for us, of this kind', async () => {
    const client = oidc.client('private_key_jwt')
    const found = await introspectToken(provider(), client, tokens.accessToken, { signed: true })
    const seen = oidc.record.last('introspection')
    expect(seen?.headers['accept']).toBe('application/token-introspection+jwt')
    const { header, payload } = readJwt(seen?.answer ?? '') ?? {}
    expect(header).toMatchObject({ typ: 'token-introspection+jwt', alg: 'ES256' })
    expect(payload).toMatchObject({ iss: oidc.issuer, aud: client.clientId })
    expect(found.raw).toEqual(payload?.['token_introspection'])
    expect(found).toMatchObject({ active: true, clientId: client.clientId, scopes: ['notes.read'] })
  })

  it('signed: a token that was revoked is not active', async () => {
    const client = oidc.client('client_secret_basic')
    const { accessToken } = await connect(client)
    await revokeToken(provider(), client, accessToken, { tokenTypeHint: 'access_token' })
    expect(await introspectToken(provider(), client, accessToken, { signed: true })).toMatchObject({
      active: false,
    })
  })

  it.each<[string, (jwt: string) => string | Promise<string>]>([
    [
      'that was altered',
      (jwt) => altered(jwt, { token_introspection: { active: true, scope: 'everything' } }),
    ],
    ['for another client', () => answerTo(oidc.client('client_secret_basic'))],
    ['that is an id_token of the same issuer', (jwt) => `${jwt.split('.', 2).join('.')}.${'A'.repeat(86)}`],
    ['without a signature', (jwt) => `${btoa('{"alg":"none"}')}.${jwt.split('.')[1]}.`],
    ['that is none', () => 'active'],
  ])('signed: an answer %s is not believed', async (_, forge) => {
    const hooked: Client = {
      ...oidc.client('private_key_jwt'),
      hooks: {
        introspectionResponse: async (answer) => ({ ...answer, text: await forge(answer.text) }),
      },
    }
    const asked = introspectToken(provider(), hooked, tokens.accessToken, { signed: true })
    await expect(asked).rejects.toMatchObject({ code: 'jwt_invalid' })
    // A JWT that nobody asked for is held to the same.
    await expect(introspectToken(provider(), signedAnyway(hooked), tokens.accessToken)).rejects.toMatchObject(
      {
        code: 'jwt_invalid',
      },
    )
  })
})

/** What the server tells another client of the same token. */
async function answerTo(client: Client): Promise<string> {
  await introspectToken(provider(), client, tokens.accessToken, { signed: true })
  return oidc.record.last('introspection')?.answer ?? ''
}

function altered(jwt: string, changes: object): string {
  const [header, , signature] = jwt.split('.')
  const payload = { ...readJwt(jwt)?.payload, ...changes }
  return [header, Buffer.from(JSON.stringify(payload)).toString('base64url'), signature].join('.')
}

/** A client whose request asks for a JWT although its caller did not. */
function signedAnyway(client: Client): Client {
  const introspectionRequest = ({ headers }: { headers: Headers }) =>
    headers.set('accept', 'application/token-introspection+jwt')
  return { ...client, hooks: { ...client.hooks, introspectionRequest } }
}
