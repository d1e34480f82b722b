// Clients that register themselves at a real, certified server, and one that need not.
// RFC 7591, RFC 7592, OAuth Client ID Metadata Document.
import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  authorizationCodeGrant,
  authorizationUrl,
  type Client,
  type ClientMetadata,
  clientMetadataDocument,
  deleteRegistration,
  discover,
  readRegistration,
  registerClient,
  registeredClient,
  updateRegistration,
} from '../src/oauth/index.ts'
import { defineProvider, type Provider } from '../src/providers/index.ts'
import { type OidcServer, startOidcServer } from './servers/oidc.ts'

const redirectUri = 'http://127.0.0.1:4711/callback'
const initialAccessToken = 'the-word-that-lets-us-in'
const documentUrl = 'https://app.example.com/client.json'
const native: ClientMetadata = {
  clientName: 'Notes for the terminal',
  redirectUris: ['http://127.0.0.1/callback'],
}
let oidc: OidcServer
let provider: Provider

beforeAll(async () => {
  const { document } = await clientMetadataDocument(documentUrl, native)
  oidc = await startOidcServer({
    signingAlgs: ['ES256'],
    features: {
      registration: { initialAccessToken, rotateAccessToken: true },
      clientIdDocuments: { [documentUrl]: document },
    },
  })
  provider = defineProvider({ id: 'oidc', issuer: oidc.issuer })
})

afterAll(() => oidc.close())
beforeEach(() => oidc.record.clear())

/** As a client that was registered for ES256 id_tokens, which is what this server signs. */
const wanted = { ...native, idTokenSigningAlg: 'ES256' }
const register = (metadata: ClientMetadata = wanted) =>
  registerClient(provider, metadata, { initialAccessToken })

async function signIn(client: Client) {
  const { url, pending } = await authorizationUrl(provider, client, { redirectUri, scopes: ['openid'] })
  return authorizationCodeGrant(provider, client, pending, await oidc.consent(url, { follow: false }))
}

describe('registration', () => {
  it('gives a client that can sign people in', async () => {
    const registration = await register()
    const seen = oidc.record.last('registration')
    expect(seen).toMatchObject({ method: 'POST', status: 201 })
    expect(seen?.headers['authorization']).toBe(`Bearer ${initialAccessToken}`)
    expect(registration).toMatchObject({ redirectUris: native.redirectUris, changed: [] })
    expect(registration.clientSecret).toBeUndefined()
    const tokens = await signIn(registeredClient(registration))
    expect(await oidc.accessToken(tokens.accessToken)).toMatchObject({ clientId: registration.clientId })
  })

  it('gives a secret to a client that can keep one, and it works after a restart', async () => {
    const registration = await register({ ...wanted, tokenEndpointAuthMethod: 'client_secret_post' })
    const client = registeredClient(JSON.parse(JSON.stringify(registration)))
    await signIn(client)
    expect(oidc.record.last('token')?.parameters.get('client_secret')).toBe(client.clientSecret)
    await expect(signIn({ ...client, clientSecret: 'another' })).rejects.toMatchObject({
      error: 'invalid_client',
    })
  })

  it('knows a client by its key', async () => {
    const pair = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
    const [privateJwk, publicJwk] = [pair.privateKey, pair.publicKey].map((key) =>
      key.export({ format: 'jwk' }),
    )
    const keyed = { ...wanted, tokenEndpointAuthMethod: 'private_key_jwt' } as const
    const registration = await register({ ...keyed, jwks: { keys: [publicJwk as JsonWebKey] } })
    const client = registeredClient(registration, { key: privateJwk as JsonWebKey, alg: 'ES256' })
    await signIn(client)
    expect(oidc.record.last('token')?.clientAssertion?.payload).toMatchObject({
      iss: registration.clientId,
      sub: registration.clientId,
    })
  })

  it('is refused without the word, with another, and with what the server does not take', async () => {
    await expect(registerClient(provider, wanted)).rejects.toMatchObject({
      status: 401,
      request: 'registration',
    })
    const wrong = registerClient(provider, wanted, { initialAccessToken: 'another-word' })
    await expect(wrong).rejects.toMatchObject({
      error: 'invalid_token',
      message: expect.not.stringContaining('another-word'),
    })
    const odd = { ...wanted, more: { subject_type: 'magic' } }
    await expect(register(odd)).rejects.toMatchObject({ error: 'invalid_client_metadata', status: 400 })
    expect(oidc.record.to('registration').map(({ status }) => status)).toEqual([401, 401, 400])
  })
})

describe('a registration', () => {
  it('is read, changed and ended by who holds its token, which the server replaces', async () => {
    const first = await register()
    const read = await readRegistration(provider, first)
    expect(oidc.record.last('registration')).toMatchObject({ method: 'GET', status: 200 })
    expect(read.clientId).toBe(first.clientId)
    const next = 'http://127.0.0.1/oauth/callback'
    const updated = await updateRegistration(provider, read, { ...wanted, redirectUris: [next] })
    expect(oidc.record.last('registration')).toMatchObject({ method: 'PUT', status: 200 })
    expect(updated.redirectUris).toEqual([next])
    expect(updated.managementToken).not.toBe(read.managementToken)
    // The one before is used up, as the server says.
    await expect(readRegistration(provider, read)).rejects.toMatchObject({ error: 'invalid_token' })
    await deleteRegistration(provider, updated)
    expect(oidc.record.last('registration')).toMatchObject({ method: 'DELETE', status: 204 })
    await expect(readRegistration(provider, updated)).rejects.toMatchObject({ error: 'invalid_token' })
    await expect(signIn(registeredClient(updated))).rejects.toThrow(/invalid_client/)
  })
})

describe('a client whose id is the URL of its metadata', () => {
  it('signs people in without being registered, where the server says that it reads such documents', async () => {
    expect(await discover(oidc.issuer)).toMatchObject({ clientIdMetadataDocumentSupported: true })
    const { client } = await clientMetadataDocument(documentUrl, native)
    const tokens = await signIn(client)
    expect(await oidc.accessToken(tokens.accessToken)).toMatchObject({ clientId: documentUrl })
    expect(oidc.record.last('token')?.parameters.get('client_id')).toBe(documentUrl)
  })

  it('is refused where the document says otherwise', async () => {
    const { client } = await clientMetadataDocument(documentUrl, native)
    const elsewhere = { ...client, clientId: 'https://app.example.com/nothing.json' }
    await expect(signIn(elsewhere)).rejects.toThrow(/invalid_client/)
  })
})
