// What a real, certified server says about itself with every feature that it has, as a provider row; and what nobody
// asks for. RFC 8414, OpenID Connect Discovery, RFC 9126, RFC 8705 section 5, RFC 9449 section 5.1.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { discover, type RequestOptions, resolveEndpoints } from '../src/oauth/index.ts'
import { defineProvider } from '../src/providers/index.ts'
import { type OidcServer, startOidcServer } from './servers/oidc.ts'

let oidc: OidcServer

beforeAll(async () => {
  oidc = await startOidcServer({
    signingAlgs: ['ES256'],
    features: {
      par: 'required',
      requestObjects: 'required',
      jarm: true,
      dpop: true,
      mtls: true,
      device: true,
      ciba: true,
      registration: true,
      clientCredentials: true,
      logout: true,
    },
  })
})

afterAll(() => oidc.close())
beforeEach(() => oidc.record.clear())

/** A `fetch` of its own, and so metadata of its own. */
const own = (): RequestOptions => ({ fetch: (input, init) => fetch(input, init) })

describe('discovery', () => {
  it('fills every member of a provider that has an issuer alone', async () => {
    const provider = await resolveEndpoints(
      defineProvider({ id: 'oidc', issuer: oidc.issuer }),
      undefined,
      own(),
    )
    expect(provider).toMatchObject({
      ...oidc.endpoints,
      ...oidc.featureEndpoints,
      issuer: oidc.issuer,
      issParameterSupported: true,
      pushedAuthorizationRequired: true,
      requestObject: 'required',
      dpop: 'supported',
      idTokenSigningAlgs: ['ES256'],
    })
    expect(provider.mtlsEndpoints?.tokenUrl).toMatch(oidc.mtls?.origin ?? 'no TLS')
    expect(provider.grantTypes).toEqual(expect.arrayContaining(['client_credentials', 'refresh_token']))
    expect(oidc.record.to('metadata')).toHaveLength(1)
  })

  it('says what is no member of a row: response modes, scopes, algorithms of proofs', async () => {
    const metadata = await discover(oidc.issuer, own())
    expect(metadata.responseModes).toEqual(expect.arrayContaining(['jwt', 'form_post']))
    expect(metadata.scopes).toContain('openid')
    expect(metadata.dpopAlgs).toContain('ES256')
  })

  it('is not asked about a row that needs nothing of it', async () => {
    const { authorizationUrl, tokenUrl } = oidc.endpoints
    const row = defineProvider({ id: 'oidc', issuer: oidc.issuer, authorizationUrl, tokenUrl })
    const options = own()
    expect(await resolveEndpoints(row, undefined, options)).toBe(row)
    expect(oidc.record.to('metadata')).toEqual([])
    const more = await resolveEndpoints(row, undefined, options, ['userinfoUrl'])
    expect(more).toEqual({ ...row, userinfoUrl: oidc.endpoints.userinfoUrl })
    expect(oidc.record.to('metadata')).toHaveLength(1)
  })

  it('is refused of a server that speaks for another issuer', async () => {
    const other = oidc.issuer.replace('127.0.0.1', 'localhost')
    await expect(discover(other, own())).rejects.toMatchObject({
      code: 'discovery_failed',
      message: expect.stringMatching(/speaks for/),
    })
    await expect(discover(`${oidc.issuer}/tenant`, own())).rejects.toMatchObject({ code: 'discovery_failed' })
  })
})
