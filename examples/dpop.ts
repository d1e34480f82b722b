// A token that is bound to a key (DPoP): a copy of the token alone is worth nothing. The key lives with the tokens in the
// vault, so it survives a restart. Runs by itself: the provider is toolgrant's simulated one.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineProvider, Session, TokenSet, Vault } from 'toolgrant'
import { authorizationUrl } from 'toolgrant/oauth'
import { startAuthorizationServer } from 'toolgrant/testing'

const server = await startAuthorizationServer({ dpop: 'supported', dpopNonces: true })
const acme = defineProvider(server.provider({ id: 'acme' }))
const client = { ...server.client(), redirectUri: 'http://127.0.0.1/callback', dpop: true }
const key = randomBytes(32).toString('base64')
const folder = mkdtempSync(join(tmpdir(), 'toolgrant-example-'))
const open = () =>
  Vault.open({
    url: `sqlite:${join(folder, 'vault.db')}`,
    key, // yours is in TOOLGRANT_KEY, the keychain or a key file
    clients: { acme: { ...client, provider: acme } },
  })

// A person consents. The request names the key that the tokens will be bound to.
const vault = await open()
const { url, pending } = await authorizationUrl(acme, client, { scopes: ['read'], user: 'ada' })
await vault.putPending(pending)
await vault.finish(await server.consent(url))
await vault.close()

// Another process, another day: the session proves the key with each request.
const later = await open()
const ada = { user: 'ada', provider: 'acme' }
const session = new Session(later.source(ada), { provider: acme })
const me = (await (await session.fetch('/me')).json()) as { user: string }
console.log('with the key:', me.user)

// Somebody has got hold of the token, but not of the key.
const { accessToken, tokenType } = await later.token(ada)
const thief = new Session(new TokenSet({ accessToken }), { provider: acme, unauthorized: 'return' })
console.log(`the ${tokenType} token without it: HTTP ${(await thief.fetch('/me')).status}`)

await later.close()
await server.close()
rmSync(folder, { recursive: true })
