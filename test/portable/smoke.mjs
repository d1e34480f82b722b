// The portable core at work, in no more than what every web-standard runtime has: the same file runs in Node, Deno, Bun
// and Chromium, against the stage of stage.ts. It imports the package by name, as a consumer does.
import {
  AuthorizationRequiredError,
  CallbackError,
  provider as catalogued,
  defineProvider,
  InvalidResponseError,
  NetworkError,
  RefreshFailedError,
  refreshingTokens,
  Session,
  TokenEndpointError,
  TokenExpiredError,
  TokenSet,
  ToolgrantError,
} from 'toolgrant'
import {
  authorizationCodeGrant,
  authorizationUrl,
  callbackState,
  clientCredentialsGrant,
  discover,
  fetchUserinfo,
  generateCodeChallenge,
  generateCodeVerifier,
  idTokenClaims,
  introspectToken,
  jwtBearerGrant,
  refreshTokenGrant,
  revokeToken,
} from 'toolgrant/oauth'
import { joinScopes, providers } from 'toolgrant/providers'

/**
 * Runs every check. Resolves with their names; rejects with the first that does not hold.
 *
 * @param {string} origin of the stage
 * @returns {Promise<string[]>}
 */
export async function smoke(origin) {
  const { provider: facts, client } = await ask(origin, '/facts')
  const scene = { origin, client, provider: defineProvider(facts), redirectUri: `${origin}/callback` }
  const passed = []
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check(scene)
    } catch (error) {
      throw new Error(`${name}: ${error?.stack ?? error}`, { cause: error })
    }
    passed.push(name)
  }
  return passed
}

const checks = {
  async 'PKCE of RFC 7636 appendix B'() {
    const challenge = await generateCodeChallenge('dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk')
    equal(challenge, 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM')
    equal(generateCodeVerifier().length, 64)
  },

  async 'the catalogue'() {
    const google = await catalogued('google')
    equal(new URL(google.tokenUrl).host, 'oauth2.googleapis.com')
    equal((await providers()).length > 5, true)
    equal(joinScopes({ scopeSeparator: ',' }, ['a', 'b']), 'a,b')
  },

  async 'an authorization URL'({ provider, client, redirectUri }) {
    const { url, pending } = await authorizationUrl(provider, { ...client, redirectUri }, { scopes: ['a'] })
    const query = new URL(url).searchParams
    equal(query.get('code_challenge_method'), 'S256')
    equal(query.get('code_challenge'), await generateCodeChallenge(pending.codeVerifier))
    equal(query.get('state'), pending.state)
    equal(callbackState(`${redirectUri}?state=${pending.state}&code=x`), pending.state)
  },

  async 'the code grant, id_token checked'(scene) {
    const { tokens } = await signIn(scene, ['openid', 'read'])
    equal(tokens.tokenType, 'Bearer')
    equal(tokens.idToken.split('.').length, 3)
    equal([...tokens.scopes].sort().join(' '), 'openid read')
    equal(tokens.validFor(3000), true)
  },

  async 'an id_token for another sign-in is refused'(scene) {
    const error = await failure(
      signIn(scene, ['openid'], (pending) => ({ ...pending, nonce: 'another nonce' })),
    )
    equal(error instanceof InvalidResponseError && error.code, 'id_token_invalid')
  },

  async 'a callback of another state is refused'(scene) {
    const error = await failure(
      signIn(scene, ['read'], (pending) => ({ ...pending, state: 'another state' })),
    )
    equal(error instanceof CallbackError && error.code, 'state_mismatch')
  },

  async 'a refresh, and a refusal'({ origin, provider, client, redirectUri }) {
    const { tokens } = await signIn({ origin, provider, client, redirectUri }, ['read'])
    const fresh = await refreshTokenGrant(provider, client, tokens)
    equal(fresh.accessToken === tokens.accessToken, false)
    const error = await failure(refreshTokenGrant(provider, client, tokens))
    equal(error instanceof TokenEndpointError && error.error, 'invalid_grant')
    equal(error.message.includes(tokens.refreshToken), false)
  },

  async 'a session renews, once for all who call'(scene) {
    const { origin, provider, client } = scene
    const { tokens } = await signIn(scene, ['read'])
    const saved = []
    const source = refreshingTokens(provider, client, tokens, {
      onRefresh: (fresh) => void saved.push(fresh.serialize()),
    })
    const session = new Session(source, { provider })
    equal((await (await session.fetch('/me')).json()).user, 'ada')
    await ask(origin, '/expire')
    const calls = Array.from({ length: 10 }, () => session.fetch('/me', { method: 'POST', body: 'hello' }))
    const answers = await Promise.all((await Promise.all(calls)).map((answer) => answer.json()))
    equal(new Set(answers.map(({ body }) => body)).size, 1)
    equal(answers[0].body, 'hello')
    equal(saved.length, 1)
  },

  async 'a plain token set ends before anything is sent'({ provider }) {
    const tokens = new TokenSet({ accessToken: 'x', expiresAt: new Date(Date.now() - 1000) })
    const error = await failure(new Session(tokens, { provider }).fetch('/me'))
    equal(error instanceof TokenExpiredError && error.code, 'token_expired')
  },

  async 'introspection and revocation'(scene) {
    const { provider, client } = scene
    const { tokens } = await signIn(scene, ['read'])
    await introspectToken(provider, client, tokens.accessToken)
    await revokeToken(provider, client, tokens.refreshToken)
    const error = await failure(refreshTokenGrant(provider, client, tokens))
    equal(error.error, 'invalid_grant')
  },

  async 'the client credentials grant'({ provider, client }) {
    const tokens = await clientCredentialsGrant(provider, client, { scopes: ['read'] })
    equal(tokens.validFor(60), true)
    const wrong = { ...client, clientSecret: 'canary-of-the-smoke-suite' }
    const error = await failure(clientCredentialsGrant(provider, wrong, { scopes: ['read'] }))
    equal(error instanceof TokenEndpointError && error.error, 'invalid_client')
    equal(error.message.includes('canary'), false)
  },

  async 'the JWT bearer grant, signed with Web Crypto'({ origin, provider }) {
    const { privateKey, publicKey } = await keyPair()
    const tokenUrl = `${origin}/jwt-token?jwk=${encodeURIComponent(JSON.stringify(publicKey))}`
    const robot = { clientId: 'robot', privateKey: { key: privateKey }, tokenEndpointAuthMethod: 'none' }
    const tokens = await jwtBearerGrant({ ...provider, tokenUrl }, robot, { subject: 'ada' })
    equal(tokens.accessToken, 'for-ada')
  },

  async 'a DPoP proof, with a key that was stored'({ origin, provider }) {
    const { privateKey, publicKey } = await keyPair()
    const stored = new TokenSet({ accessToken: 'bound', tokenType: 'DPoP', dpopKey: privateKey }).serialize()
    const session = new Session(TokenSet.parse(stored), { provider })
    const response = await session.fetch(`${origin}/proved?x=1`, { method: 'POST', body: 'hello' })
    equal(response.status, 200)
    equal((await response.json()).jkt, publicKey.x)
  },

  async 'userinfo, and who signed in'(scene) {
    const { provider, client } = scene
    const { tokens } = await signIn(scene, ['openid'])
    equal((await idTokenClaims(provider, client, tokens)).sub, 'ada')
    equal((await fetchUserinfo(provider, client, tokens)).sub, 'ada')
  },

  async discovery({ origin }) {
    const metadata = await discover(origin)
    equal(metadata.tokenUrl ?? metadata.token_endpoint, `${origin}/token`)
    const error = await failure(discover(`${origin}/elsewhere`))
    equal(error.code, 'discovery_failed')
  },

  async 'a token set as text, and shown'(scene) {
    const { tokens } = await signIn(scene, ['openid', 'read'])
    const again = TokenSet.parse(tokens.serialize())
    equal(again.serialize(), tokens.serialize())
    equal(again.expiresAt.getTime(), tokens.expiresAt.getTime())
    equal(JSON.stringify(tokens).includes(tokens.accessToken), false)
    equal(String(Object.values(tokens)).includes(tokens.accessToken), false)
  },

  async 'error classes'({ provider, client }) {
    const nobody = { ...provider, tokenUrl: 'http://127.0.0.1:9/token' }
    const network = await failure(
      refreshTokenGrant(nobody, client, new TokenSet({ accessToken: 'x', refreshToken: 'y' })),
    )
    equal(network instanceof NetworkError && network.code, 'network')
    const plain = await failure(refreshTokenGrant(provider, client, new TokenSet({ accessToken: 'x' })))
    equal(plain instanceof RefreshFailedError && plain.code, 'refresh_unsupported')
    const required = new AuthorizationRequiredError('missing_scope', 'm', { provider: 'p', scopes: ['s'] })
    equal(
      required instanceof ToolgrantError && required instanceof Error && required.name,
      'AuthorizationRequiredError',
    )
    const insecure = await failure(discover('http://issuer.example'))
    equal(insecure.code, 'insecure_url')
  },
}

/** Sends the person away and takes them back. */
async function signIn({ origin, provider, client, redirectUri }, scopes, changed = (pending) => pending) {
  const us = { ...client, redirectUri }
  const { url, pending } = await authorizationUrl(provider, us, { scopes })
  const callback = await ask(origin, `/consent?url=${encodeURIComponent(url)}`)
  const kept = changed(JSON.parse(JSON.stringify(pending)))
  return { tokens: await authorizationCodeGrant(provider, us, kept, callback), pending }
}

/** As JWKs. */
async function keyPair() {
  const { privateKey, publicKey } = await crypto.subtle.generateKey(
    { name: 'ECDSA', namedCurve: 'P-256' },
    true,
    ['sign', 'verify'],
  )
  const [signing, verifying] = await Promise.all(
    [privateKey, publicKey].map((key) => crypto.subtle.exportKey('jwk', key)),
  )
  return { privateKey: signing, publicKey: verifying }
}

async function ask(origin, path) {
  const response = await fetch(origin + path)
  if (!response.ok) throw new Error(`The stage answered ${response.status}: ${await response.text()}`)
  return response.json()
}

async function failure(promise) {
  const outcome = await promise.then(
    () => undefined,
    (error) => error,
  )
  if (outcome === undefined) throw new Error('It should have failed.')
  return outcome
}

function equal(actual, expected) {
  if (actual !== expected) throw new Error(`${JSON.stringify(actual)} is not ${JSON.stringify(expected)}`)
}
