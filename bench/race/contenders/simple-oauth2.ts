// simple-oauth2: `createToken`, `expired`, `refresh`, and the token as JSON in a file, as its README has it.
// https://github.com/lelylan/simple-oauth2#refresh-an-access-token
import { AuthorizationCode } from 'simple-oauth2'
import type { Contender, Place } from '../contender.ts'
import { shared, TokenFile } from '../token-file.ts'

type Stored = Record<string, unknown>

/** Re-reads the file before a refresh, writes it after; the callers of one process share a refresh. */
export const contender: Contender = {
  async connect({ folder }, { accessToken, refreshToken, expiresAt }) {
    const tokens = { access_token: accessToken, refresh_token: refreshToken, token_type: 'Bearer' }
    new TokenFile<Stored>(folder).write({ ...tokens, expires_at: new Date(expiresAt) })
  },
  async join(place) {
    const file = new TokenFile<Stored>(place.folder)
    const client = clientFor(place)
    const refresh = shared(async () => {
      const renewed = await client.createToken(stored(file)).refresh()
      file.write(JSON.parse(JSON.stringify(renewed)))
      return renewed
    })
    return {
      async call() {
        let accessToken = client.createToken(stored(file))
        if (accessToken.expired()) accessToken = await refresh()
        const headers = { authorization: `Bearer ${accessToken.token['access_token']}` }
        return (await fetch(place.server.apiUrl, { headers })).status
      },
      consentsAsked: () => 0,
    }
  },
  stored: async ({ folder }) => {
    const token = new TokenFile<Stored>(folder).read()?.['refresh_token']
    return typeof token === 'string' ? token : undefined
  },
}

function clientFor({ server }: Place): AuthorizationCode {
  return new AuthorizationCode({
    client: { id: server.clientId, secret: server.clientSecret },
    auth: { tokenHost: server.url, tokenPath: new URL(server.tokenUrl).pathname },
  })
}

function stored(file: TokenFile<Stored>): Parameters<AuthorizationCode['createToken']>[0] {
  const token = file.read()
  if (token === undefined) throw new Error('There are no tokens.')
  return token as Parameters<AuthorizationCode['createToken']>[0]
}
