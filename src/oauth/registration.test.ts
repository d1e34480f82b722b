import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { TokenEndpointError } from '../errors.ts'
import { defineProvider } from '../providers/index.ts'
import type { ClientMetadata } from './registered-metadata.ts'
import {
  clientMetadataDocument,
  deleteRegistration,
  fetchClientMetadata,
  readRegistration,
  registerClient,
  registeredClient,
  updateRegistration,
} from './registration.ts'

const issuer = 'https://as.example'
const acme = defineProvider({
  id: 'acme',
  authorizationUrl: `${issuer}/authorize`,
  tokenUrl: `${issuer}/token`,
  registrationEndpointUrl: `${issuer}/register`,
})
const native = { redirectUris: ['http://127.0.0.1/callback'], clientName: 'Notes' }
const answered = {
  client_id: 'c-1',
  client_secret: 'canary-secret',
  client_secret_expires_at: 1_800_000_000,
  registration_client_uri: `${issuer}/register/c-1`,
  registration_access_token: 'canary-management',
  token_endpoint_auth_method: 'client_secret_basic',
  redirect_uris: ['https://app.example/callback'],
}

interface Seen {
  url: string
  method: string | undefined
  authorization: string | null
  body: Record<string, unknown> | undefined
}

function server(answer: (seen: Seen) => Response) {
  const seen: Seen[] = []
  const fetch: typeof globalThis.fetch = async (url, init) => {
    const authorization = new Headers(init?.headers).get('authorization')
    const body = typeof init?.body === 'string' ? JSON.parse(init.body) : undefined
    const one = { url: String(url), method: init?.method, authorization, body }
    seen.push(one)
    return answer(one)
  }
  return { seen, fetch }
}

const created = (body: unknown = answered) => Response.json(body, { status: 201 })

describe('a client registers itself', () => {
  it('with what it says, defaults filled in, and the word that lets it', async () => {
    const { seen, fetch } = server(() => created())
    const registration = await registerClient(
      acme,
      { redirectUris: ['https://app.example/callback'], scopes: ['a', 'b'], more: { x_team: 7, scope: 'z' } },
      { fetch, initialAccessToken: 'initial' },
    )
    expect(seen).toEqual([
      {
        url: `${issuer}/register`,
        method: 'POST',
        authorization: 'Bearer initial',
        body: {
          redirect_uris: ['https://app.example/callback'],
          scope: 'a b',
          grant_types: ['authorization_code', 'refresh_token'],
          response_types: ['code'],
          x_team: 7,
        },
      },
    ])
    expect(registration).toMatchObject({
      provider: 'acme',
      clientId: 'c-1',
      clientSecretExpiresAt: 1_800_000_000_000,
      managementUrl: `${issuer}/register/c-1`,
    })
    expect(registration.metadata).not.toHaveProperty('client_secret')
    expect(registeredClient(registration)).toEqual({
      clientId: 'c-1',
      clientSecret: 'canary-secret',
      tokenEndpointAuthMethod: 'client_secret_basic',
      redirectUri: 'https://app.example/callback',
    })
  })

  it('as a program on the machine of a person, without a secret', async () => {
    const { seen, fetch } = server(() => created({ client_id: 'c-2' }))
    const registration = await registerClient(acme, native, { fetch })
    expect(seen[0]?.body).toMatchObject({
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      client_name: 'Notes',
    })
    expect(seen[0]?.authorization).toBeNull()
    expect(registeredClient(registration)).toEqual({ clientId: 'c-2' })
  })

  it('and keeps secrets from inspect, not from JSON', async () => {
    const { fetch } = server(() => created())
    const registration = await registerClient(acme, native, { fetch })
    const client = registeredClient(registration)
    for (const shown of [inspect(registration), inspect(client), JSON.stringify(client)])
      expect(shown).not.toContain('canary')
    const restored = JSON.parse(JSON.stringify(registration))
    expect(restored).toEqual(registration)
    expect(registeredClient(restored)).toEqual(client)
  })

  it('and is told what the server set otherwise', async () => {
    const { fetch } = server(() =>
      created({ ...answered, scope: 'b a', grant_types: ['authorization_code'], software_statement: 'x' }),
    )
    const asked = { redirectUris: ['https://other.example/cb'], scopes: ['a', 'b'], softwareStatement: 'x' }
    const { changed } = await registerClient(acme, asked, { fetch })
    expect(changed).toEqual(['redirect_uris', 'grant_types'])
  })

  it.each<[string, ClientMetadata]>([
    ['a redirect URI that is none', { redirectUris: ['/callback'] }],
    ['one with a fragment', { redirectUris: ['https://app.example/#x'] }],
    ['one with a pattern', { redirectUris: ['https://*.app.example/'] }],
    ['one in the clear', { redirectUris: ['http://app.example/'] }],
    ['one of a common scheme', { redirectUris: ['app:/callback'] }],
    ['one with a password', { redirectUris: ['https://a:b@app.example/'] }],
    ['a private key', { jwks: { keys: [{ kty: 'EC', d: 'x' }] } }],
    ['a symmetric key', { jwks: { keys: [{ kty: 'oct', k: 'x' }] } }],
    ['two places for keys', { jwks: { keys: [] }, jwksUri: 'https://app.example/jwks' }],
  ])('but not with %s', async (_, metadata) => {
    const { seen, fetch } = server(() => created())
    await expect(registerClient(acme, metadata, { fetch })).rejects.toMatchObject({
      code: 'invalid_argument',
    })
    expect(seen).toEqual([])
  })

  it.each<[string, () => Response, object]>([
    [
      'an error',
      () => Response.json({ error: 'invalid_redirect_uri' }, { status: 400 }),
      { error: 'invalid_redirect_uri' },
    ],
    ['401', () => new Response('', { status: 401 }), { error: 'invalid_token', status: 401 }],
    ['a page', () => new Response('<html>'), { code: 'response_not_oauth' }],
    ['no client id', () => created({}), { code: 'response_not_oauth' }],
    ['a client id that is none', () => created({ client_id: 'a b' }), { code: 'response_not_oauth' }],
    [
      'a secret that is none',
      () => created({ ...answered, client_secret: 7 }),
      { code: 'response_not_oauth' },
    ],
    [
      'a method nobody knows',
      () => created({ ...answered, token_endpoint_auth_method: 'magic' }),
      { code: 'response_not_oauth' },
    ],
    [
      'redirect URIs that are none',
      () => created({ ...answered, redirect_uris: 'x' }),
      { code: 'response_not_oauth' },
    ],
    ['a redirect', () => Response.redirect(issuer), { code: 'redirect_refused' }],
  ])('and %s is an error', async (_, answer, facts) => {
    const { fetch } = server(answer)
    const options = { fetch, initialAccessToken: 'canary-initial' }
    const failure = await registerClient(acme, native, options).catch((error: unknown) => error)
    expect(failure).toMatchObject(facts)
    expect(inspect(failure)).not.toContain('canary')
  })

  it.each([
    'http://as.example/register/c-1',
    'https://10.0.0.1/register',
    'https://169.254.169.254/',
    'https://localhost/',
    'https://user:password@as.example/',
    'file:///etc/passwd',
    'nowhere',
  ])('and its management token never goes to %s', async (url) => {
    const { fetch } = server(() => created({ ...answered, registration_client_uri: url }))
    await expect(registerClient(acme, native, { fetch })).rejects.toMatchObject({
      code: expect.stringMatching(/discovery_failed|insecure_url/),
    })
  })

  it('only where there is an endpoint for that', async () => {
    const { registrationEndpointUrl: _, ...row } = acme
    await expect(registerClient(row, native)).rejects.toMatchObject({
      code: 'provider_invalid',
      message: expect.stringMatching(/registrationEndpointUrl/),
    })
  })
})

describe('a registration is managed', () => {
  const registered = async () => registerClient(acme, native, { fetch: server(() => created()).fetch })

  it('read, with what the server has replaced', async () => {
    const next = { ...answered, registration_access_token: 'next', client_secret: undefined }
    const { seen, fetch } = server(() => Response.json(next))
    const read = await readRegistration(acme, await registered(), { fetch })
    expect(seen).toMatchObject([{ method: 'GET', authorization: 'Bearer canary-management' }])
    expect(read).toMatchObject({ managementToken: 'next', clientSecret: 'canary-secret' })
  })

  it('changed as a whole, without what only the server sets', async () => {
    const { seen, fetch } = server(({ body }) => Response.json({ ...answered, ...body }))
    const changes = { redirectUris: ['https://app.example/two'], clientName: 'Notes 2' }
    const updated = await updateRegistration(acme, await registered(), changes, { fetch })
    expect(seen[0]).toMatchObject({ method: 'PUT', url: `${issuer}/register/c-1` })
    expect(seen[0]?.body).toMatchObject({
      client_id: 'c-1',
      client_secret: 'canary-secret',
      client_name: 'Notes 2',
    })
    for (const name of [
      'registration_client_uri',
      'registration_access_token',
      'client_secret_expires_at',
      'client_id_issued_at',
    ])
      expect(seen[0]?.body).not.toHaveProperty(name)
    expect(updated).toMatchObject({ redirectUris: ['https://app.example/two'], changed: [] })
  })

  it('in vain, without the secret of the client in what is thrown', async () => {
    const { fetch } = server(() => Response.json(answered, { status: 201 }))
    const registration = await registerClient(acme, native, { fetch })
    const said = { error: 'invalid_token', error_description: 'not for canary-secret, canary-management' }
    const refusing = server(() => Response.json(said, { status: 400 }))
    for (const ask of [
      readRegistration(acme, registration, refusing),
      updateRegistration(acme, registration, native, refusing),
      deleteRegistration(acme, registration, refusing),
    ]) {
      const failure = await ask.catch((thrown: unknown) => thrown)
      expect(failure).toBeInstanceOf(TokenEndpointError)
      expect(inspect(failure, { depth: null, showHidden: true })).not.toContain('canary')
    }
  })

  it('ended', async () => {
    const { seen, fetch } = server(() => new Response(null, { status: 204 }))
    await deleteRegistration(acme, await registered(), { fetch })
    expect(seen).toMatchObject([{ method: 'DELETE', authorization: 'Bearer canary-management' }])
  })

  it('by who holds its token, where there is one', async () => {
    const { fetch } = server(() => Response.json({ error: 'invalid_token' }, { status: 401 }))
    const registration = await registered()
    await expect(readRegistration(acme, registration, { fetch })).rejects.toBeInstanceOf(TokenEndpointError)
    const { managementUrl: _, ...alone } = registration
    await expect(deleteRegistration(acme, alone)).rejects.toMatchObject({ code: 'invalid_argument' })
    const other = { ...acme, id: 'other' }
    await expect(readRegistration(other, registration)).rejects.toMatchObject({ code: 'invalid_argument' })
    const swapped = server(() => Response.json({ ...answered, client_id: 'c-9' }))
    await expect(readRegistration(acme, registration, swapped)).rejects.toMatchObject({
      code: 'response_not_oauth',
    })
  })
})

describe('a client whose id is the URL of its metadata', () => {
  const url = 'https://app.example/client.json'
  const metadata = { clientName: 'Notes', redirectUris: ['https://app.example/callback'] }
  const jwks = { keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }] }

  it('says so, and needs no secret', async () => {
    const { document, client } = await clientMetadataDocument(url, metadata)
    expect(document).toEqual({
      client_id: url,
      client_name: 'Notes',
      redirect_uris: ['https://app.example/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    })
    expect(client).toEqual({
      clientId: url,
      tokenEndpointAuthMethod: 'none',
      redirectUri: 'https://app.example/callback',
    })
    const key = { key: 'canary-pem' }
    const keyed = await clientMetadataDocument(url, { ...metadata, jwks }, key)
    expect(keyed.document).toMatchObject({ token_endpoint_auth_method: 'private_key_jwt', jwks })
    expect(keyed.client).toMatchObject({ privateKey: key })
    expect(inspect(keyed)).not.toContain('canary')
  })

  it.each([
    'http://app.example/client.json',
    'https://app.example',
    'https://app.example/#x',
    'https://a:b@app.example/client.json',
    'https://app.example/a/../client.json',
    'https://APP.example/client.json',
    'client.json',
  ])('is not %s', async (wrong) => {
    await expect(clientMetadataDocument(wrong, metadata)).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(fetchClientMetadata(wrong)).rejects.toMatchObject({ code: 'discovery_failed' })
  })

  it.each<[string, ClientMetadata]>([
    ['a secret', { ...metadata, tokenEndpointAuthMethod: 'client_secret_post' }],
    ['a secret in other words', { ...metadata, more: { client_secret: 'x' } }],
    ['a key that it does not show', { ...metadata, tokenEndpointAuthMethod: 'private_key_jwt' }],
    ['nowhere to come back to', { clientName: 'Notes' }],
  ])('cannot have %s', async (_, wrong) => {
    await expect(clientMetadataDocument(url, wrong)).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('is read back as a provider would', async () => {
    const { document } = await clientMetadataDocument(url, metadata)
    const { seen, fetch } = server(() => Response.json(document))
    expect(await fetchClientMetadata(url, { fetch })).toEqual(document)
    expect(seen).toMatchObject([{ url, method: 'GET', authorization: null }])
  })

  it.each<[string, () => Response]>([
    ['is not there', () => new Response('', { status: 404 })],
    ['is no JSON', () => new Response('<html>', { headers: { 'content-type': 'application/json' } })],
    ['is JSON by another name', () => new Response('{}', { headers: { 'content-type': 'text/plain' } })],
    ['speaks for another', () => Response.json({ ...metadata, client_id: 'https://app.example/x' })],
    ['has a secret', () => Response.json({ client_id: url, redirect_uris: ['x'], client_secret: 'x' })],
    ['is too long', () => Response.json({ client_id: url, x: 'x'.repeat(6000) })],
  ])('that %s is refused', async (_, answer) => {
    await expect(fetchClientMetadata(url, server(answer))).rejects.toMatchObject({ code: 'discovery_failed' })
  })

  it('that redirects is refused', async () => {
    const { fetch } = server(() => Response.redirect('https://app.example/other.json'))
    await expect(fetchClientMetadata(url, { fetch })).rejects.toMatchObject({ code: 'redirect_refused' })
  })
})
