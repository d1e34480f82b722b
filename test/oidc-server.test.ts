// The authorization server that the other tests stand on: each feature is on when asked for, off when not, and the
// record shows what came. Spoken to with plain fetch, so that our client and its server do not err together.
import { createHash, createPrivateKey, type JsonWebKeyInput, randomBytes, sign } from 'node:crypto'
import { request as tlsRequest } from 'node:https'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type OidcServer, type OidcServerOptions, startOidcServer } from './servers/oidc.ts'
import { certificateThumbprint } from './servers/oidc-certificates.ts'
import type { ReadyClient } from './servers/oidc-clients.ts'
import { readJwt } from './servers/oidc-record.ts'

const running: OidcServer[] = []
const redirectUri = 'http://127.0.0.1:4711/callback'
const verifier = randomBytes(32).toString('base64url')
const es256 = { signingAlgs: ['ES256'] } as const // quicker to make than RSA

afterEach(async () => {
  for (const oidc of running.splice(0)) await oidc.close()
})

async function start(options: OidcServerOptions): Promise<OidcServer> {
  const oidc = await startOidcServer({ ...es256, ...options })
  running.push(oidc)
  return oidc
}

const codeRequest = {
  response_type: 'code',
  redirect_uri: redirectUri,
  scope: 'openid notes.read',
  state: 's',
  code_challenge: createHash('sha256').update(verifier).digest('base64url'),
  code_challenge_method: 'S256',
}

function authorizationUrl(oidc: OidcServer, parameters: Record<string, string>): string {
  return `${oidc.endpoints.authorizationUrl}?${new URLSearchParams(parameters)}`
}

function basic({ clientId, clientSecret = '' }: Pick<ReadyClient, 'clientId' | 'clientSecret'>) {
  return { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` }
}

async function post(url: string, form: Record<string, string>, headers: Record<string, string> = {}) {
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams(form), headers })
  return { status: response.status, headers: response.headers, ...(await response.json()) }
}

function jwt(client: ReadyClient, header: object, payload: object): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const text = `${encode({ alg: 'ES256', ...header })}.${encode(payload)}`
  const key = createPrivateKey({ key: client.privateKey.key as JsonWebKeyInput['key'], format: 'jwk' })
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' })
  return `${text}.${signature.toString('base64url')}`
}

async function code(oidc: OidcServer, client: { clientId: string }, more: Record<string, string> = {}) {
  const url = authorizationUrl(oidc, { ...codeRequest, client_id: client.clientId, ...more })
  return new URL(await oidc.consent(url, { follow: false })).searchParams.get('code') ?? ''
}

const exchange = (codeValue: string) => ({
  grant_type: 'authorization_code',
  code: codeValue,
  redirect_uri: redirectUri,
  code_verifier: verifier,
})

describe('metadata', () => {
  it('names no feature that is off, prints nothing, and names each that is on', async () => {
    const written = ['info', 'warn', 'log', 'error'].map((name) =>
      vi.spyOn(console, name as 'info').mockImplementation(() => {}),
    )
    const plain = await start({})
    const everything = await start({
      features: {
        par: 'required',
        requestObjects: 'required',
        jarm: true,
        dpop: { nonces: 'required' },
        mtls: true,
        device: true,
        ciba: true,
        rar: true,
        registration: true,
        clientCredentials: true,
        jwtIntrospection: true,
        jwtUserinfo: true,
        logout: true,
        claims: true,
        clientIdDocuments: {},
        responseTypes: ['code', 'code id_token', 'id_token token'],
      },
    })
    const [few, many] = await Promise.all(
      [plain, everything].map(async ({ issuer }) =>
        (await fetch(`${issuer}/.well-known/openid-configuration`)).json(),
      ),
    )
    expect(
      Object.keys(many)
        .filter((name) => !(name in few))
        .sort(),
    ).toMatchInlineSnapshot(`
      [
        "authorization_details_types_supported",
        "authorization_signing_alg_values_supported",
        "backchannel_authentication_endpoint",
        "backchannel_authentication_request_signing_alg_values_supported",
        "backchannel_token_delivery_modes_supported",
        "backchannel_user_code_parameter_supported",
        "client_id_metadata_document_supported",
        "device_authorization_endpoint",
        "dpop_signing_alg_values_supported",
        "end_session_endpoint",
        "introspection_signing_alg_values_supported",
        "mtls_endpoint_aliases",
        "pushed_authorization_request_endpoint",
        "registration_endpoint",
        "request_object_signing_alg_values_supported",
        "request_parameter_supported",
        "require_pushed_authorization_requests",
        "require_signed_request_object",
        "tls_client_certificate_bound_access_tokens",
        "userinfo_signing_alg_values_supported",
      ]
    `)
    expect(many.mtls_endpoint_aliases.token_endpoint).toBe(everything.mtls?.endpoints.tokenUrl)
    for (const spy of written) expect(spy).not.toHaveBeenCalled()
  })
})

describe('requests', () => {
  it('takes a pushed, signed request alone where both are required, and records it', async () => {
    const oidc = await start({ features: { par: 'required', requestObjects: 'required' } })
    const client = oidc.client('client_secret_basic')
    const claims = { ...codeRequest, iss: client.clientId, client_id: client.clientId, aud: oidc.issuer }
    const request = jwt(client, { kid: client.privateKey.kid }, { ...claims, exp: now() + 60, nbf: now() })
    const url = oidc.featureEndpoints.pushedAuthorizationUrl
    const pushed = await post(url, { request }, basic(client))
    expect(pushed).toMatchObject({ status: 201, request_uri: expect.stringMatching(/^urn:/) })
    expect(oidc.record.last('par')).toMatchObject({
      clientId: client.clientId,
      status: 201,
      requestObject: { payload: { state: 's' } },
    })
    const front = { client_id: client.clientId, request_uri: pushed.request_uri }
    const back = new URL(await oidc.consent(authorizationUrl(oidc, front), { follow: false }))
    expect(back.searchParams.get('iss')).toBe(oidc.issuer)
    expect(await post(url, { ...codeRequest, client_id: client.clientId }, basic(client))).toMatchObject({
      status: 400,
    })
    expect(oidc.record.last('par')).toMatchObject({ error: 'invalid_request' })
  })

  it.each([
    ['fragment', (url: URL) => new URLSearchParams(url.hash.slice(1)).get('code')],
    ['query.jwt', (url: URL) => readJwt(url.searchParams.get('response'))?.payload.code],
    ['fragment.jwt', (url: URL) => readJwt(url.hash.slice('#response='.length))?.payload.code],
  ])('answers in response mode %s', async (mode, read) => {
    const oidc = await start({ features: { jarm: true } })
    const client_id = oidc.client('none').clientId
    const url = authorizationUrl(oidc, { ...codeRequest, client_id, response_mode: mode })
    expect(read(new URL(await oidc.consent(url, { follow: false })))).toBeTypeOf('string')
  })

  it.each(['form_post', 'form_post.jwt'])('answers in response mode %s', async (mode) => {
    const oidc = await start({ features: { jarm: true } })
    const client_id = oidc.client('none').clientId
    const url = authorizationUrl(oidc, { ...codeRequest, client_id, response_mode: mode })
    const { redirectedUrl, form } = await oidc.visit(url, { follow: false })
    expect(redirectedUrl).toBe(redirectUri)
    expect([...(form?.keys() ?? [])]).toEqual(mode === 'form_post' ? ['code', 'state', 'iss'] : ['response'])
  })

  it('grants what the person allows and no more', async () => {
    const oidc = await start({})
    const client = oidc.client('client_secret_post')
    const url = authorizationUrl(oidc, { ...codeRequest, client_id: client.clientId })
    const back = await oidc.consent(url, { follow: false, scopes: ['openid'] })
    const form = { ...exchange(new URL(back).searchParams.get('code') ?? ''), client_id: client.clientId }
    const tokens = await post(oidc.endpoints.tokenUrl, { ...form, client_secret: client.clientSecret ?? '' })
    expect(tokens).toMatchObject({ status: 200, scope: 'openid' })
  })
})

describe('binding', () => {
  it('demands a DPoP proof with its nonce, and forgets nonces', async () => {
    const oidc = await start({ features: { dpop: { nonces: 'required', bound: true } } })
    const client = oidc.client('client_secret_basic')
    const { crv, kty, x, y } = client.privateKey.key
    const proof = (nonce?: string | null) => ({
      ...basic(client),
      dpop: jwt(
        client,
        { typ: 'dpop+jwt', jwk: { crv, kty, x, y } },
        { jti: randomBytes(8).toString('hex'), htm: 'POST', htu: oidc.endpoints.tokenUrl, iat: now(), nonce },
      ),
    })
    const form = exchange(await code(oidc, client))
    const first = await post(oidc.endpoints.tokenUrl, form, proof())
    expect(first).toMatchObject({ status: 400, error: 'use_dpop_nonce' })
    const nonce = first.headers.get('dpop-nonce')
    oidc.rotateDpopNonces()
    const second = await post(oidc.endpoints.tokenUrl, form, proof(nonce))
    expect(second).toMatchObject({ status: 400, error: 'use_dpop_nonce' })
    const third = await post(oidc.endpoints.tokenUrl, form, proof(second.headers.get('dpop-nonce')))
    expect(third).toMatchObject({ status: 200, token_type: 'DPoP' })
    expect(oidc.record.to('token').map(({ dpop, error }) => [dpop?.payload.nonce, error])).toEqual([
      [undefined, 'use_dpop_nonce'],
      [nonce, 'use_dpop_nonce'],
      [second.headers.get('dpop-nonce'), undefined],
    ])
  })

  it.each(['tls_client_auth', 'self_signed_tls_client_auth'] as const)(
    'knows a client by its certificate (%s), binds tokens to it, and refuses a stranger',
    async (method) => {
      const oidc = await start({ features: { mtls: true, clientCredentials: true } })
      if (oidc.mtls === undefined) throw new Error('no TLS')
      const { certificates, endpoints } = oidc.mtls
      const { client: signed, selfSigned, stranger, ca } = certificates
      const own = method === 'tls_client_auth' ? signed : selfSigned
      const form = { grant_type: 'client_credentials', client_id: oidc.client(method).clientId }
      const accepted = await postTls(endpoints.tokenUrl, form, { ...own, ca })
      expect(accepted).toMatchObject({ status: 200, access_token: expect.any(String) })
      expect(oidc.record.last('token')).toMatchObject({
        tls: true,
        certificate: certificateThumbprint(own.cert),
      })
      expect(await postTls(endpoints.tokenUrl, form, { ...stranger, ca })).toMatchObject({ status: 401 })
      expect(await post(oidc.endpoints.tokenUrl, form)).toMatchObject({ status: 401 })
    },
  )
})

describe('grants without a browser', () => {
  it.each([
    ['private_key_jwt', 200],
    ['none', 400],
  ] as const)('answers client credentials of %s with %d', async (method, status) => {
    const oidc = await start({ features: { clientCredentials: true } })
    const client = oidc.client(method)
    const { clientId: sub } = client
    const claims = { sub, iss: sub, aud: oidc.issuer, jti: 'once', exp: now() + 60, iat: now() }
    const proof = {
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: jwt(client, { kid: client.privateKey.kid }, claims),
    }
    const form = { grant_type: 'client_credentials', ...(method === 'none' ? { client_id: sub } : proof) }
    const answer = await post(oidc.endpoints.tokenUrl, form)
    expect(answer.status).toBe(status)
    if (status === 200) {
      expect(await oidc.accessToken(answer.access_token)).toMatchObject({ user: '', clientId: sub })
      expect(oidc.record.last('token').clientAssertion?.payload.jti).toBe('once')
      expect(await post(oidc.endpoints.tokenUrl, form)).toMatchObject({ error: 'invalid_client' }) // a replay
    }
  })

  it.each([
    ['allows', false, 200],
    ['denies', true, 400],
  ])('lets a device in when the person %s it', async (_, deny, status) => {
    const oidc = await start({ features: { device: true } })
    const client_id = oidc.client('none').clientId
    const url = oidc.featureEndpoints.deviceAuthorizationUrl
    const asked = await post(url, { client_id, scope: 'openid notes.read' })
    const grant_type = 'urn:ietf:params:oauth:grant-type:device_code'
    const poll = () =>
      post(oidc.endpoints.tokenUrl, { grant_type, client_id, device_code: asked.device_code })
    expect(await poll()).toMatchObject({ error: 'authorization_pending' })
    const browser = oidc.browser()
    if (deny) await browser.device(asked.verification_uri, { code: asked.user_code, deny })
    else expect(await browser.device(asked.verification_uri_complete)).toContain('You may close this page')
    expect(await poll()).toMatchObject({ status, ...(deny ? { error: 'access_denied' } : {}) })
  })

  it.each([
    ['approves', 200],
    ['denies', 400],
  ] as const)('asks on the backchannel: the person %s', async (what, status) => {
    const oidc = await start({ features: { ciba: true } })
    const client = oidc.client('client_secret_basic')
    const ask = (login_hint: string) =>
      post(
        oidc.featureEndpoints.backchannelAuthenticationUrl,
        { scope: 'openid', login_hint, binding_message: 'tea' },
        basic(client),
      )
    expect(await ask('nobody')).toMatchObject({ status: 400, error: 'unknown_user_id' })
    const { auth_req_id } = await ask('ada')
    const grant_type = 'urn:openid:params:grant-type:ciba'
    const poll = () => post(oidc.endpoints.tokenUrl, { grant_type, auth_req_id }, basic(client))
    expect(await poll()).toMatchObject({ error: 'authorization_pending' })
    expect(oidc.backchannel.questions).toMatchObject([{ user: 'ada', bindingMessage: 'tea' }])
    await (what === 'approves' ? oidc.backchannel.approve() : oidc.backchannel.deny())
    expect(await poll()).toMatchObject({ status })
  })
})

describe('what tokens are for', () => {
  it('grants rich authorization requests, and resources their own tokens', async () => {
    const resource = 'https://notes.example.com/'
    const oidc = await start({
      features: { rar: true, resources: { [resource]: { scopes: ['notes.read'], format: 'jwt' } } },
    })
    const client = oidc.client('client_secret_basic')
    const authorization_details = JSON.stringify([{ type: 'payment', amount: '1' }])
    const paid = await post(
      oidc.endpoints.tokenUrl,
      exchange(await code(oidc, client, { authorization_details })),
      basic(client),
    )
    expect(paid).toMatchObject({ status: 200, authorization_details: [{ type: 'payment', amount: '1' }] })
    const read = await post(
      oidc.endpoints.tokenUrl,
      { ...exchange(await code(oidc, client, { resource })), resource },
      basic(client),
    )
    expect(readJwt(read.access_token)?.payload).toMatchObject({ aud: resource, scope: 'notes.read' })
    const unknown = authorizationUrl(oidc, {
      ...codeRequest,
      client_id: client.clientId,
      resource: 'https://elsewhere.example.com/',
    })
    expect(await oidc.consent(unknown, { follow: false })).toContain('error=invalid_target')
  })

  it('signs userinfo and introspection answers, with a new key after a rotation', async () => {
    const oidc = await start({ features: { jwtUserinfo: true, jwtIntrospection: true } })
    const client = oidc.client('client_secret_basic')
    const tokens = await post(oidc.endpoints.tokenUrl, exchange(await code(oidc, client)), basic(client))
    const kidsOf = async () => (await (await fetch(oidc.endpoints.jwksUrl)).json()).keys.map(kidOf)
    const userinfo = async () => {
      const authorization = `Bearer ${tokens.access_token}`
      return readJwt(await (await fetch(oidc.endpoints.userinfoUrl, { headers: { authorization } })).text())
    }
    const [old] = await kidsOf()
    expect((await userinfo())?.header.kid).toBe(old)
    await oidc.rotateKeys()
    expect(await kidsOf()).toEqual([(await userinfo())?.header.kid, old])
    await oidc.rotateKeys({ forget: true })
    expect(await kidsOf()).toHaveLength(1)
    const introspected = await fetch(oidc.endpoints.introspectionUrl, {
      method: 'POST',
      body: new URLSearchParams({ token: tokens.access_token }),
      headers: { ...basic(client), accept: 'application/token-introspection+jwt' },
    })
    expect(readJwt(await introspected.text())?.payload).toMatchObject({
      token_introspection: { active: true },
    })
  })

  it('signs a person out and sends them back', async () => {
    const oidc = await start({ features: { logout: true } })
    const client = oidc.client('client_secret_basic')
    const browser = oidc.browser()
    const url = authorizationUrl(oidc, { ...codeRequest, client_id: client.clientId })
    const { redirectedUrl } = await browser.consent(url, { follow: false })
    const codeValue = new URL(redirectedUrl).searchParams.get('code') ?? ''
    const { id_token } = await post(oidc.endpoints.tokenUrl, exchange(codeValue), basic(client))
    const out = { id_token_hint: id_token, post_logout_redirect_uri: redirectUri, state: 'bye' }
    const end = await browser.logout(`${oidc.featureEndpoints.endSessionUrl}?${new URLSearchParams(out)}`)
    expect(end).toBe(`${redirectUri}?state=bye`)
    expect(oidc.record.events.map(({ name }) => name)).toContain('end_session.success')
  })
})

describe('clients that are not ready-made', () => {
  it('registers them, lets them manage themselves, and reads them from their own address', async () => {
    const id = 'https://client.example.com/metadata.json'
    const document = { client_id: id, redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' }
    const oidc = await start({
      features: {
        registration: { initialAccessToken: 'let-me-in' },
        clientIdDocuments: { [id]: { ...document, application_type: 'native' } },
      },
    })
    const register = (authorization: string) =>
      fetch(oidc.featureEndpoints.registrationEndpointUrl, {
        method: 'POST',
        body: JSON.stringify({ redirect_uris: ['https://client.example.com/'] }),
        headers: { authorization, 'content-type': 'application/json' },
      })
    expect((await register('Bearer wrong')).status).toBe(401)
    const made = await (await register('Bearer let-me-in')).json()
    const authorization = `Bearer ${made.registration_access_token}`
    const read = await fetch(made.registration_client_uri, { headers: { authorization } })
    expect(await read.json()).toMatchObject({ client_id: made.client_id })
    expect(await code(oidc, { clientId: id })).not.toBe('')
  })
})

const now = () => Math.floor(Date.now() / 1000)
const kidOf = ({ kid }: { kid: string }) => kid

async function postTls(url: string, form: Record<string, string>, tls: object) {
  return new Promise<Record<string, unknown>>((resolve, reject) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const request = tlsRequest(url, { method: 'POST', headers, agent: false, ...tls }, async (response) => {
      let text = ''
      for await (const chunk of response.setEncoding('utf8')) text += chunk
      resolve({ status: response.statusCode, ...JSON.parse(text) })
    })
    request.on('error', reject)
    request.end(new URLSearchParams(form).toString())
  })
}
