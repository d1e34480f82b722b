// A provider without a network: each refresh gives tokens that nobody has seen before.
import { TokenSet } from '../../src/oauth/index.ts'
import { defineProvider } from '../../src/providers/index.ts'
import type { VaultOptions } from '../../src/vault/index.ts'

let issued = 0

/** What a vault needs to refresh connections to it. */
export const atProvider: Pick<VaultOptions, 'clients' | 'fetch'> = {
  clients: {
    acme: {
      clientId: 'client',
      provider: defineProvider({
        id: 'acme',
        authorizationUrl: 'http://127.0.0.1/authorize',
        tokenUrl: 'http://127.0.0.1/token',
      }),
    },
  },
  fetch: async () => Response.json(answer(), { headers: { 'cache-control': 'no-store' } }),
}

/** What a consent would give. */
export function consented(): TokenSet {
  const { access_token: accessToken, refresh_token: refreshToken, expires_in: seconds } = answer()
  return new TokenSet({ accessToken, refreshToken, expiresAt: new Date(Date.now() + seconds * 1000) })
}

function answer() {
  issued += 1
  const tokens = { access_token: `access-${issued}`, refresh_token: `refresh-${issued}` }
  return { ...tokens, token_type: 'Bearer', expires_in: 3600 }
}
