// Three ways to refresh, as in requests-oauthlib: by hand, by itself with an event for you to save, and by itself with a
// vault that saves. Runs by itself: the provider is toolgrant's simulated one.
import { defineProvider, refreshingTokens, Session, TokenExpiredError, TokenSet, Vault } from 'toolgrant'
import { refreshTokenGrant } from 'toolgrant/oauth'
import { startAuthorizationServer } from 'toolgrant/testing'

const server = await startAuthorizationServer()
const acme = defineProvider(server.provider({ id: 'acme' }))
const client = server.client()

/** What you stored an hour ago: a token that is over, and the refresh token beside it. */
function stored(): TokenSet {
  const { accessToken, refreshToken } = server.grant({ scopes: ['read'] })
  return new TokenSet({ accessToken, refreshToken, scopes: ['read'], expiresAt: new Date(Date.now() - 1000) })
}

async function whoami(session: Session): Promise<string> {
  const response = await session.fetch('/me')
  return ((await response.json()) as { user: string }).user
}

// 1. By hand: nothing is sent with a token that is over.
const old = stored()
try {
  await whoami(new Session(old, { provider: acme }))
} catch (error) {
  if (!(error instanceof TokenExpiredError)) throw error
  const fresh = await refreshTokenGrant(acme, client, old) // save it before you use it
  console.log('by hand:', await whoami(new Session(fresh, { provider: acme })))
}

// 2. By itself: the call is sent with the new token, and a hundred callers share one refresh.
const source = refreshingTokens(acme, client, stored(), {
  onRefresh: (tokens) => console.log('to be saved, valid until', tokens.expiresAt), // awaited before anybody uses them
})
const session = new Session(source, { provider: acme })
const before = server.counts.refreshes
const names = await Promise.all(Array.from({ length: 100 }, () => whoami(session)))
console.log('by itself:', new Set(names), 'with', server.counts.refreshes - before, 'refresh')

// 3. By itself, and saved: one refresh over all processes that share the vault.
const vault = await Vault.open({ url: 'memory:', clients: { acme: { ...client, provider: acme } } })
await vault.save({ user: 'ada', provider: 'acme' }, stored())
const saved = new Session(vault.source({ user: 'ada', provider: 'acme' }), { provider: acme })
console.log('by the vault:', await whoami(saved))

await vault.close()
await server.close()
