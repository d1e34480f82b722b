// toolgrant: a session over a vault in a SQLite file. docs/vault.md, with every setting left as it is.
import { join } from 'node:path'
import { defineProvider } from '../../../src/index.ts'
import { Session, TokenSet } from '../../../src/oauth/index.ts'
import { Vault } from '../../../src/vault/index.ts'
import type { Contender, Place } from '../contender.ts'

const ada = { user: 'ada', provider: 'simulated' }

/** What the README shows. */
export const contender: Contender = {
  async connect(place, { accessToken, refreshToken, expiresAt }) {
    await using vault = await open(place)
    const dates = { receivedAt: new Date(expiresAt - 3_600_000), expiresAt: new Date(expiresAt) }
    await vault.save(ada, new TokenSet({ accessToken, refreshToken, scopes: ['a'], ...dates }))
  },
  async join(place) {
    const vault = await open(place)
    const session = new Session(vault.source(ada), { provider: providerAt(place) })
    return {
      call: async () => (await session.fetch(place.server.apiUrl)).status,
      consentsAsked: () => 0,
      close: () => vault.close(),
    }
  },
  async stored(place) {
    await using vault = await open(place)
    return (await vault.token(ada)).refreshToken
  },
}

function open(place: Place): Promise<Vault> {
  const { clientId, clientSecret } = place.server
  return Vault.open({
    ...{ url: join(place.folder, 'vault.db'), key: Buffer.alloc(32, 7) },
    clients: { simulated: { clientId, clientSecret, provider: providerAt(place) } },
  })
}

function providerAt({ server }: Place) {
  const { authorizationUrl, tokenUrl, apiUrl } = server
  return defineProvider({
    id: 'simulated',
    ...{ authorizationUrl, tokenUrl, apiBaseUrl: apiUrl },
    tokenEndpointAuthMethod: 'client_secret_basic',
  })
}
