// better-auth: `auth.api.getAccessToken`, which refreshes a token that has ended, with the generic OAuth plugin and a
// SQLite file through its own adapter for node:sqlite.
// https://github.com/better-auth/better-auth/blob/main/docs/content/docs/concepts/oauth.mdx ("Get Access Token")
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import { genericOAuth } from 'better-auth/plugins'
import type { Contender, Place } from '../contender.ts'

/** The processes share the file, as those of one application do. */
export const contender: Contender = {
  async connect(place, { accessToken, refreshToken, expiresAt }) {
    const { auth, close } = open(place)
    await (await getMigrations(auth.options)).runMigrations()
    const { internalAdapter } = await auth.$context
    await internalAdapter.createOAuthUser(
      { email: 'ada@example.com', name: 'Ada', emailVerified: true },
      {
        ...{ providerId: 'simulated', accountId: 'ada', accessToken, refreshToken },
        ...{ accessTokenExpiresAt: new Date(expiresAt), scope: 'a' },
      },
    )
    close()
  },
  async join(place) {
    const { auth, database, close } = open(place)
    const account = await accountIn(database)
    return {
      async call() {
        const body = { accountId: account.id, userId: account.userId }
        const { accessToken } = await auth.api.getAccessToken({ body })
        return (await fetch(place.server.apiUrl, { headers: { authorization: `Bearer ${accessToken}` } }))
          .status
      },
      consentsAsked: () => 0,
      close: async () => close(),
    }
  },
  async stored(place) {
    const { database, close } = open(place)
    const { refreshToken } = accountIn(database)
    close()
    return refreshToken
  },
}

function open({ folder, server }: Place) {
  const database = new DatabaseSync(join(folder, 'better-auth.db'))
  database.exec('PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000')
  const provider = {
    ...{ providerId: 'simulated', clientId: server.clientId, clientSecret: server.clientSecret },
    ...{
      authorizationUrl: server.authorizationUrl,
      tokenUrl: server.tokenUrl,
      authentication: 'basic' as const,
    },
  }
  const auth = betterAuth({
    ...{ database, baseURL: 'http://127.0.0.1:9', secret: 'a secret of more than thirty-two characters' },
    ...{
      plugins: [genericOAuth({ config: [provider] })],
      logger: { disabled: true },
      telemetry: { enabled: false },
    },
  })
  return { auth, database, close: () => database.close() }
}

function accountIn(database: DatabaseSync): { id: string; userId: string; refreshToken: string } {
  const [row] = database.prepare('SELECT id, userId, refreshToken FROM account').all()
  if (row === undefined) throw new Error('There is no account.')
  return { id: String(row['id']), userId: String(row['userId']), refreshToken: String(row['refreshToken']) }
}
