// What the two contenders on openid-client have in common.
import { allowInsecureRequests, ClientSecretBasic, Configuration, refreshTokenGrant } from 'openid-client'
import type { Contender, Place } from '../contender.ts'
import { shared, TokenFile } from '../token-file.ts'

interface Stored {
  access_token: string
  refresh_token: string
  /** Milliseconds since 1970. */
  expires_at: number
}

/** @param exclusively runs a refresh so that others wait for it, or does not care. */
export function fileContender(
  exclusively: (path: string, run: () => Promise<Stored>) => Promise<Stored>,
): Contender {
  return {
    async connect({ folder }, { accessToken, refreshToken, expiresAt }) {
      const tokens = { access_token: accessToken, refresh_token: refreshToken, expires_at: expiresAt }
      new TokenFile<Stored>(folder).write(tokens)
    },
    async join(place) {
      const file = new TokenFile<Stored>(place.folder)
      const config = configuration(place)
      const refresh = shared(() => exclusively(file.path, () => renewed(file, config)))
      return {
        async call() {
          const tokens = live(file) ?? (await refresh())
          const headers = { authorization: `Bearer ${tokens.access_token}` }
          return (await fetch(place.server.apiUrl, { headers })).status
        },
        consentsAsked: () => 0,
      }
    },
    stored: async ({ folder }) => new TokenFile<Stored>(folder).read()?.refresh_token,
  }
}

function configuration({ server }: Place): Configuration {
  const { url: issuer, tokenUrl, clientId, clientSecret } = server
  const metadata = { issuer, token_endpoint: tokenUrl }
  const config = new Configuration(metadata, clientId, undefined, ClientSecretBasic(clientSecret))
  allowInsecureRequests(config)
  return config
}

function live(file: TokenFile<Stored>): Stored | undefined {
  const stored = file.read()
  return stored !== undefined && stored.expires_at > Date.now() ? stored : undefined
}

/** Somebody else may have renewed it while the lock was waited for. */
async function renewed(file: TokenFile<Stored>, config: Configuration): Promise<Stored> {
  const stored = file.read()
  if (stored === undefined) throw new Error('There are no tokens.')
  if (stored.expires_at > Date.now()) return stored
  const answer = await refreshTokenGrant(config, stored.refresh_token)
  const tokens = {
    access_token: answer.access_token,
    refresh_token: answer.refresh_token ?? stored.refresh_token,
    expires_at: Date.now() + (answer.expiresIn() ?? 3600) * 1000,
  }
  file.write(tokens)
  return tokens
}
