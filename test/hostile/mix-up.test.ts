// Mix-up, whole: a dishonest server names an honest one's sign-in page as its own, and waits for the code at its token
// endpoint. RFC 9700 section 4.4, RFC 9207.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { authorizationCodeGrant, authorizationUrl } from '../../src/oauth/index.ts'
import { defineProvider } from '../../src/providers/index.ts'
import { type OidcServer, startOidcServer } from '../servers/oidc.ts'
import { type ScriptedServer, startScriptedServer } from '../servers/scripted-http.ts'
import { judged } from './judge.ts'

const redirectUri = 'http://127.0.0.1:4711/callback'
let honest: OidcServer
let dishonest: ScriptedServer

beforeAll(async () => {
  honest = await startOidcServer({ signingAlgs: ['ES256'], features: { jarm: true } })
  dishonest = await startScriptedServer()
})

afterAll(async () => {
  await Promise.all([honest.close(), dishonest.close()])
})

/** What the dishonest server says of itself; its own endpoint is where the code is to go. */
function pretending(more: object = {}) {
  const { origin } = dishonest
  return {
    issuer: origin,
    authorization_endpoint: honest.endpoints.authorizationUrl,
    token_endpoint: `${origin}/token`,
    jwks_uri: honest.endpoints.jwksUrl,
    ...more,
  }
}

const lies: [string, object, object][] = [
  ['says no more', {}, {}],
  ['denies that it sends iss', { authorization_response_iss_parameter_supported: false }, {}],
  ['says that its issuer is one of many', {}, { issuerVaries: true }],
]

describe('a server that stands in front of another', () => {
  it.each(lies)('and %s gets no code', async (_, metadata, facts) => {
    const found = pretending(metadata)
    dishonest.answer = ({ url }) => (url.includes('well-known') ? { body: found } : { status: 400 })
    dishonest.requests.length = 0
    const row = defineProvider({ id: 'dishonest', issuer: dishonest.origin, ...facts })
    const client = honest.publicClient // the registration that it handed out
    for (const responseMode of ['query', 'jwt'] as const) {
      const { url, pending } = await authorizationUrl(row, client, {
        redirectUri,
        responseMode,
        scopes: ['openid'],
      })
      const back = await honest.consent(url, { follow: false })
      expect(back).toMatch(/[?&](code|response)=/) // the person was asked, by the honest server, and said yes
      const { error } = await judged(back, () => authorizationCodeGrant(row, client, pending, back))
      expect(error).toMatchObject({ code: expect.stringMatching(/^(jwt_invalid|issuer_mismatch)$/) })
    }
    expect(dishonest.requests.filter(({ url }) => url.startsWith('/token'))).toEqual([])
  })

  it('gets none of another flow either, whoever swaps the callbacks', async () => {
    const own = defineProvider({ id: 'honest', issuer: honest.issuer })
    const begin = () => authorizationUrl(own, honest.publicClient, { redirectUri, scopes: ['openid'] })
    const [mine, theirs] = await Promise.all([begin(), begin()])
    const back = new URL(await honest.consent(theirs.url, { follow: false }))
    const stolen = new URL(back)
    stolen.searchParams.set('state', mine.pending.state) // code injection: their code in my callback
    honest.record.clear()
    const { error } = await judged('injected', () =>
      authorizationCodeGrant(own, honest.publicClient, mine.pending, stolen),
    )
    expect(error).toMatchObject({ code: 'token_request_refused', error: 'invalid_grant' })
    expect(honest.record.last('token').errorDescription).toMatch(/code_verifier/)
  })
})
