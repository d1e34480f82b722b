// P25: the full authorization URL of each provider of the catalogue, pinned. Only the PKCE challenge is random.
import { describe, expect, it } from 'vitest'
import { authorizationUrl } from '../src/oauth/index.ts'
import { type ProviderId, provider, providers } from '../src/providers/index.ts'

const client = { clientId: 'client-1', redirectUri: 'http://127.0.0.1:8080/callback' }
const redirect = 'redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2Fcallback'
const pkce = 'code_challenge=<S256>&code_challenge_method=S256'
const start = `response_type=code&client_id=client-1&${redirect}`
const state = 'state=a-fixed-state'

const expected: Readonly<Record<ProviderId, string>> = {
  discord: `https://discord.com/oauth2/authorize?${start}&scope=identify&${state}&${pkce}&integration_type=0`,
  dropbox: `https://www.dropbox.com/oauth2/authorize?${start}&scope=account_info.read&${state}&${pkce}&token_access_type=offline`,
  github: `https://github.com/login/oauth/authorize?${start}&scope=read%3Auser+user%3Aemail&${state}&${pkce}`,
  google: `https://accounts.google.com/o/oauth2/v2/auth?${start}&scope=openid+email+profile&${state}&${pkce}&nonce=a-fixed-nonce&access_type=offline&prompt=consent`,
  hubspot: `https://app.hubspot.com/oauth/authorize?${start}&scope=oauth&${state}&${pkce}`,
  linear: `https://linear.app/oauth/authorize?${start}&scope=read&${state}&${pkce}&actor=user&prompt=consent`,
  microsoft: `https://login.microsoftonline.com/common/oauth2/v2.0/authorize?${start}&scope=openid+profile+offline_access+User.Read&${state}&${pkce}&nonce=a-fixed-nonce&response_mode=query`,
  notion: `https://api.notion.com/v1/oauth/authorize?${start}&${state}&owner=user`,
  slack: `https://slack.com/oauth/v2/authorize?${start}&${state}`,
  spotify: `https://accounts.spotify.com/authorize?${start}&scope=user-read-email&${state}&${pkce}`,
  x: `https://x.com/i/oauth2/authorize?${start}&scope=tweet.read+users.read+offline.access&${state}&${pkce}`,
  zoom: `https://zoom.us/oauth/authorize?${start}&scope=user%3Aread%3Auser&${state}&${pkce}`,
}

const noNetwork: typeof fetch = () => Promise.reject(new Error('the endpoints are known: nothing is fetched'))

async function urlOf(id: string, more: object = {}): Promise<string> {
  const nonce = id === 'google' || id === 'microsoft' ? { nonce: 'a-fixed-nonce' } : {}
  const options = { state: 'a-fixed-state', fetch: noNetwork, ...nonce, ...more }
  const { url } = await authorizationUrl(await provider(id), client, options)
  return url.replace(/code_challenge=[A-Za-z0-9_-]{43}(?=&)/, 'code_challenge=<S256>')
}

describe('P25 the authorization URL', () => {
  it.each(Object.entries(expected))('of %s', async (id, url) => {
    expect(await urlOf(id)).toBe(url)
  })

  it('is pinned for every row', async () => {
    expect((await providers()).map(({ id }) => id).sort()).toEqual(Object.keys(expected).sort())
  })

  it('P24 joins scopes with commas where the provider does, and keeps Slack’s two lists apart', async () => {
    expect(await urlOf('linear', { scopes: ['read', 'issues:create'] })).toContain(
      'scope=read%2Cissues%3Acreate&',
    )
    const slack = await urlOf('slack', {
      scopes: ['chat:write', 'channels:read'],
      userScopes: ['search:read'],
    })
    expect(slack).toContain('scope=chat%3Awrite%2Cchannels%3Aread&user_scope=search%3Aread&')
  })

  it('leads to the tenant that the client names', async () => {
    const options = { state: 'a-fixed-state', fetch: noNetwork }
    const tenant = { ...client, variables: { tenant: 'contoso.onmicrosoft.com' } }
    const { url } = await authorizationUrl(await provider('microsoft'), tenant, options)
    expect(url).toMatch(/^https:\/\/login\.microsoftonline\.com\/contoso\.onmicrosoft\.com\//)
  })
})
