import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { NetworkError, TokenEndpointError, TokenExpiredError, UnauthorizedError } from '../errors.ts'
import { defineProvider } from '../providers/index.ts'
import { endSessionUrl, fetchUserinfo, idTokenClaims } from './openid.ts'
import { TokenSet } from './token-set.ts'

const issuer = 'https://as.example'
const us = { clientId: 'us', clientSecret: 'secret-of-ours' }
const acme = defineProvider({
  id: 'acme',
  issuer,
  authorizationUrl: `${issuer}/authorize`,
  tokenUrl: `${issuer}/token`,
  userinfoUrl: `${issuer}/me`,
  jwksUrl: `${issuer}/jwks`,
  endSessionUrl: `${issuer}/logout?theme=dark`,
  apiBaseUrl: 'https://api.as.example/v1',
})

let pair: CryptoKeyPair
let keys: unknown[]

beforeAll(async () => {
  pair = await generateKeyPair('ES256', { extractable: true })
  keys = [{ ...(await exportJWK(pair.publicKey)), kid: 'one' }]
})

function sign(claims: JWTPayload, key = pair.privateKey): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'one' }).sign(key)
}

/** A server by path, and what it saw. */
function server(answers: Record<string, () => Response>) {
  const seen: { url: string; authorization: string | null; redirect: string | undefined }[] = []
  const fetch: typeof globalThis.fetch = async (url, init) => {
    const { pathname } = new URL(String(url))
    const headers = new Headers(init?.headers)
    seen.push({ url: String(url), authorization: headers.get('authorization'), redirect: init?.redirect })
    if (pathname === '/jwks') return Response.json({ keys })
    return answers[pathname]?.() ?? new Response('', { status: 404 })
  }
  return { seen, fetch }
}

async function tokensOf(sub: string | undefined, more: Partial<{ expiresAt: Date }> = {}): Promise<TokenSet> {
  const idToken = sub === undefined ? undefined : await sign({ iss: issuer, aud: 'us', sub, iat: 1, exp: 2 })
  return new TokenSet({ accessToken: 'access-1', idToken, ...more })
}

const jwtAnswer = (text: string) => new Response(text, { headers: { 'content-type': 'application/jwt' } })

describe('userinfo', () => {
  it('is asked for with the token, at the endpoint and nowhere else', async () => {
    const { seen, fetch } = server({ '/me': () => Response.json({ sub: 'ada', name: 'Ada' }) })
    const claims = await fetchUserinfo(acme, us, await tokensOf('ada'), { fetch })
    expect(claims).toEqual({ sub: 'ada', name: 'Ada' })
    expect(seen).toEqual([{ url: `${issuer}/me`, authorization: 'Bearer access-1', redirect: 'manual' }])
  })

  it('that is signed is held against the keys of the issuer', async () => {
    let jwt = await sign({ iss: issuer, aud: 'us', sub: 'ada', name: 'Ada' })
    const { fetch } = server({ '/me': () => jwtAnswer(jwt) })
    const ask = async () => fetchUserinfo(acme, us, await tokensOf('ada'), { fetch })
    expect(await ask()).toMatchObject({ sub: 'ada', name: 'Ada' })
    jwt = await sign({ sub: 'ada' }) // section 5.3.2: iss and aud should be there, no more
    expect(await ask()).toEqual({ sub: 'ada' })
    const stranger = await generateKeyPair('ES256')
    for (const bad of [
      await sign({ iss: issuer, aud: 'us', sub: 'ada' }, stranger.privateKey),
      await sign({ iss: 'https://evil.example', sub: 'ada' }),
      await sign({ aud: 'them', sub: 'ada' }),
      `${jwt}.x.y`,
      'nothing',
    ]) {
      jwt = bad
      await expect(ask()).rejects.toMatchObject({ code: 'jwt_invalid' })
    }
  })

  it('about another person, or nobody, is not used', async () => {
    let answer: object = { sub: 'eve' }
    const { fetch } = server({ '/me': () => Response.json(answer) })
    const tokens = await tokensOf('ada')
    for (const wrong of [{ sub: 'eve' }, { sub: '' }, { sub: 7 }, { name: 'Ada' }]) {
      answer = wrong
      await expect(fetchUserinfo(acme, us, tokens, { fetch })).rejects.toMatchObject({
        code: 'response_not_oauth',
        message: expect.stringMatching(/\(sub\)/),
      })
    }
    answer = { sub: 'eve' }
    expect(await fetchUserinfo(acme, us, await tokensOf(undefined), { fetch })).toEqual({ sub: 'eve' })
    const named = { fetch, subject: 'ada' }
    await expect(fetchUserinfo(acme, us, await tokensOf(undefined), named)).rejects.toMatchObject({
      code: 'response_not_oauth',
    })
  })

  it.each([
    ['401', () => new Response('', { status: 401 }), UnauthorizedError, {}],
    ['an error', () => Response.json({ error: 'no_way' }, { status: 400 }), TokenEndpointError, {}],
    ['a redirect', () => Response.redirect(`${issuer}/x`), undefined, { code: 'redirect_refused' }],
    ['a page', () => new Response('<html>'), undefined, { code: 'response_not_oauth' }],
    ['nothing', () => Response.error(), undefined, {}],
  ])('answered with %s is an error of that kind', async (_, answer, type, facts) => {
    const { fetch } = server({ '/me': answer })
    const failure = await fetchUserinfo(acme, us, await tokensOf('ada'), { fetch }).catch((e: unknown) => e)
    expect(failure).toBeInstanceOf(type ?? Error)
    expect(failure).toMatchObject(facts)
    expect(String(failure)).not.toContain('access-1')
  })

  it('is not asked for with a token that has ended, and says so when nobody answers', async () => {
    const { seen, fetch } = server({})
    const ended = await tokensOf('ada', { expiresAt: new Date(1000) })
    await expect(fetchUserinfo(acme, us, ended, { fetch })).rejects.toBeInstanceOf(TokenExpiredError)
    expect(seen).toEqual([])
    const down = () => Promise.reject(new TypeError('fetch failed'))
    await expect(fetchUserinfo(acme, us, await tokensOf('ada'), { fetch: down })).rejects.toBeInstanceOf(
      NetworkError,
    )
  })

  it('renews what a source can renew', async () => {
    let good = 'access-2'
    const { seen, fetch } = server({
      '/me': () =>
        seen.at(-1)?.authorization === `Bearer ${good}`
          ? Response.json({ sub: 'ada' })
          : new Response('', { status: 401 }),
    })
    const source = {
      token: ({ rejected }: { rejected?: string } = {}) =>
        new TokenSet({ accessToken: rejected === undefined ? 'access-1' : 'access-2' }),
    }
    expect(await fetchUserinfo(acme, us, source, { fetch })).toEqual({ sub: 'ada' })
    expect(seen).toHaveLength(2)
    good = 'none'
    await expect(fetchUserinfo(acme, us, source, { fetch })).rejects.toBeInstanceOf(UnauthorizedError)
  })

  it('is found by the issuer where the row does not say', async () => {
    const { userinfoUrl: _, ...row } = acme
    const metadata = { issuer, userinfo_endpoint: `${issuer}/found` }
    const { seen, fetch } = server({
      '/.well-known/openid-configuration': () => Response.json(metadata),
      '/found': () => Response.json({ sub: 'ada' }),
    })
    expect(await fetchUserinfo(row, us, await tokensOf('ada'), { fetch })).toEqual({ sub: 'ada' })
    expect(seen.map(({ authorization }) => authorization)).toEqual([null, 'Bearer access-1'])
    const { issuer: __, ...anonymous } = row
    await expect(fetchUserinfo(anonymous, us, await tokensOf('ada'), { fetch })).rejects.toMatchObject({
      code: 'provider_invalid',
      message: expect.stringMatching(/userinfoUrl/),
    })
  })
})

describe('the claims of an id_token', () => {
  it('are read without asking anybody', async () => {
    expect(await idTokenClaims(acme, us, await tokensOf('ada'))).toMatchObject({ sub: 'ada', iss: issuer })
    expect(await idTokenClaims(acme, us, await tokensOf(undefined))).toBeUndefined()
  })

  it('are not those of another provider or client, or of one that nobody checked', async () => {
    const tokens = await tokensOf('ada')
    const other = { ...acme, issuer: 'https://other.example' }
    for (const [provider, client] of [
      [other, us],
      [acme, { clientId: 'them' }],
    ] as const)
      await expect(idTokenClaims(provider, client, tokens)).rejects.toMatchObject({
        code: 'id_token_invalid',
      })
    const broken = new TokenSet({ accessToken: 'a', idToken: 'b.c' })
    await expect(idTokenClaims(acme, us, broken)).rejects.toMatchObject({ code: 'id_token_invalid' })
    const { issuer: _, ...anonymous } = acme
    await expect(idTokenClaims(anonymous, us, tokens)).rejects.toMatchObject({ code: 'provider_invalid' })
  })
})

describe('the end of a session', () => {
  it('is a URL with what says whose it is, and where to go from there', async () => {
    const tokens = await tokensOf('ada')
    const url = await endSessionUrl(acme, us, {
      tokens,
      postLogoutRedirectUri: 'https://app.example/bye?x=1',
      state: 's-1',
      extraParams: { ui_locales: 'de en', client_id: 'not-us' },
    })
    expect(Object.fromEntries(new URL(url).searchParams)).toEqual({
      theme: 'dark',
      ui_locales: 'de en',
      client_id: 'us',
      id_token_hint: tokens.idToken,
      post_logout_redirect_uri: 'https://app.example/bye?x=1',
      state: 's-1',
    })
    expect(url).not.toContain('secret-of-ours')
    const bare = await endSessionUrl(acme, us, { logoutHint: 'ada@as.example' })
    expect(new URL(bare).search).toBe('?theme=dark&client_id=us&logout_hint=ada%40as.example')
  })

  it('needs a page of the provider, and a place for the state', async () => {
    const { endSessionUrl: _, issuer: __, ...row } = acme
    await expect(endSessionUrl(row, us)).rejects.toMatchObject({
      code: 'provider_invalid',
      message: expect.stringMatching(/endSessionUrl/),
    })
    for (const wrong of [{ state: 's' }, { postLogoutRedirectUri: '/bye' }])
      await expect(endSessionUrl(acme, us, wrong)).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})
