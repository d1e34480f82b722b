// What a provider row gets from its issuer: every member that both have a word for, and only when it is needed.
import { describe, expect, it } from 'vitest'
import { defineProvider } from '../providers/index.ts'
import { discover, resolveEndpoints } from './endpoints.ts'

const issuer = 'https://as.example'
const tls = 'https://mtls.as.example'
const document = {
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  userinfo_endpoint: `${issuer}/me`,
  jwks_uri: `${issuer}/jwks`,
  pushed_authorization_request_endpoint: `${issuer}/par`,
  require_pushed_authorization_requests: true,
  backchannel_authentication_endpoint: `${issuer}/ciba`,
  device_authorization_endpoint: `${issuer}/device`,
  registration_endpoint: `${issuer}/register`,
  end_session_endpoint: `${issuer}/logout`,
  mtls_endpoint_aliases: {
    token_endpoint: `${tls}/token`,
    pushed_authorization_request_endpoint: `${tls}/par`,
    userinfo_endpoint: `${tls}/me`,
    something_endpoint: `${tls}/x`,
    revocation_endpoint: 7,
  },
  require_signed_request_object: true,
  id_token_signing_alg_values_supported: ['ES256', 'RS256'],
  dpop_signing_alg_values_supported: ['ES256'],
  grant_types_supported: ['authorization_code', 'client_credentials'],
  response_modes_supported: ['query', 'jwt'],
  scopes_supported: ['openid', 'notes'],
  authorization_details_types_supported: ['payment'],
  protected_resources: ['https://api.example'],
  client_id_metadata_document_supported: true,
  token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt'],
  introspection_endpoint: '',
  revocation_endpoint: null,
}

function published(changes: Record<string, unknown> = {}) {
  let asked = 0
  const fetch: typeof globalThis.fetch = async () => {
    asked += 1
    return Response.json({ ...document, ...changes })
  }
  return { fetch, asked: () => asked }
}

const issuerOnly = defineProvider({ id: 'acme', issuer })
const complete = defineProvider({
  id: 'acme',
  issuer,
  authorizationUrl: `${issuer}/own-authorize`,
  tokenUrl: `${issuer}/own-token`,
  jwksUrl: `${issuer}/own-jwks`,
})

describe('metadata', () => {
  it('is read in full', async () => {
    expect(await discover(issuer, published())).toMatchObject({
      pushedAuthorizationUrl: `${issuer}/par`,
      responseModes: ['query', 'jwt'],
      scopes: ['openid', 'notes'],
      authorizationDetailsTypes: ['payment'],
      protectedResources: ['https://api.example'],
      dpopAlgs: ['ES256'],
      clientIdMetadataDocumentSupported: true,
    })
  })

  it('completes a provider that has an issuer alone', async () => {
    expect(await resolveEndpoints(issuerOnly, undefined, published())).toEqual({
      id: 'acme',
      issuer,
      authorizationUrl: `${issuer}/authorize`,
      tokenUrl: `${issuer}/token`,
      userinfoUrl: `${issuer}/me`,
      jwksUrl: `${issuer}/jwks`,
      pushedAuthorizationUrl: `${issuer}/par`,
      pushedAuthorizationRequired: true,
      backchannelAuthenticationUrl: `${issuer}/ciba`,
      deviceAuthorizationUrl: `${issuer}/device`,
      registrationEndpointUrl: `${issuer}/register`,
      endSessionUrl: `${issuer}/logout`,
      mtlsEndpoints: {
        tokenUrl: `${tls}/token`,
        pushedAuthorizationUrl: `${tls}/par`,
        userinfoUrl: `${tls}/me`,
      },
      requestObject: 'required',
      idTokenSigningAlgs: ['ES256', 'RS256'],
      dpop: 'supported',
      grantTypes: ['authorization_code', 'client_credentials'],
      tokenEndpointAuthMethod: 'client_secret_post',
      issParameterSupported: false,
    })
  })

  it('loses to what the row says', async () => {
    const row = {
      ...issuerOnly,
      dpop: 'required',
      requestObject: 'supported',
      userinfoUrl: `${issuer}/own`,
    } as const
    expect(await resolveEndpoints(row, undefined, published())).toMatchObject({
      dpop: 'required',
      requestObject: 'supported',
      userinfoUrl: `${issuer}/own`,
    })
  })

  it.each([
    [{ request_object_signing_alg_values_supported: ['ES256'] }, 'supported'],
    [{ request_object_signing_alg_values_supported: ['none'] }, undefined],
    [
      { request_object_signing_alg_values_supported: ['ES256'], request_parameter_supported: false },
      undefined,
    ],
    [{}, undefined],
  ])('%j makes requestObject %s', async (changes, requestObject) => {
    const changed = published({ require_signed_request_object: false, ...changes })
    expect((await resolveEndpoints(issuerOnly, undefined, changed)).requestObject).toBe(requestObject)
  })

  it('P32 prefers the proof that the client has', async () => {
    const key = { privateKey: { key: 'pem' } }
    const method = async (client: object) =>
      (await resolveEndpoints(issuerOnly, client, published())).tokenEndpointAuthMethod
    expect(await method(key)).toBe('private_key_jwt')
    expect(await method({ ...key, clientSecret: 's' })).toBe('client_secret_post')
    expect(await method({})).toBe('client_secret_post')
  })
})

describe('a complete row', () => {
  it('asks its issuer nothing, unless a feature needs what it lacks', async () => {
    const { fetch, asked } = published()
    expect(await resolveEndpoints(complete, undefined, { fetch })).toBe(complete)
    expect(await resolveEndpoints(complete, undefined, { fetch }, ['jwksUrl'])).toBe(complete)
    expect(asked()).toBe(0)
  })

  it('takes that member, and nothing else', async () => {
    const { fetch, asked } = published()
    const needs = ['userinfoUrl', 'jwksUrl', 'introspectionUrl'] as const
    expect(await resolveEndpoints(complete, undefined, { fetch }, needs)).toEqual({
      ...complete,
      userinfoUrl: `${issuer}/me`,
    })
    expect(asked()).toBe(1)
  })

  it('does without where its issuer says nothing', async () => {
    const fetch = async () => new Response('', { status: 404 })
    expect(await resolveEndpoints(complete, undefined, { fetch }, ['userinfoUrl'])).toEqual(complete)
    const down = { fetch: () => Promise.reject(new TypeError('fetch failed')) }
    await expect(resolveEndpoints(complete, undefined, down, ['userinfoUrl'])).rejects.toMatchObject({
      code: 'network',
    })
  })

  it("is asked about with the client's own fetch", async () => {
    const { fetch, asked } = published()
    await resolveEndpoints(issuerOnly, { fetch })
    expect(asked()).toBe(1)
  })

  it('is not asked again for what is resolved, whichever `fetch` it comes with (a vault has one for each refresh)', async () => {
    const changed = { authorization_endpoint: undefined }
    const [first, second] = [published(changed), published(changed)]
    const resolved = await resolveEndpoints(issuerOnly, undefined, first)
    expect(resolved.authorizationUrl).toBeUndefined()
    expect(await resolveEndpoints(resolved, undefined, second, ['revocationUrl'])).toBe(resolved)
    expect([first.asked(), second.asked()]).toEqual([1, 0])
  })
})
