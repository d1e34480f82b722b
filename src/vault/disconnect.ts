// Ending a connection for real: revoked at the provider where that is possible (RFC 7009), deleted here in any case.
import { ToolgrantError } from '../errors.ts'
import {
  canRevoke,
  type Registration,
  type RequestOptions,
  refreshTokenGrant,
  revokeToken,
  type TokenSet,
} from '../oauth/index.ts'
import { toConnection } from './connection.ts'
import type { Interior } from './interior.ts'
import type { ConnectionRow } from './store.ts'
import type { Disconnected, DisconnectOptions } from './vault.ts'

/** What became of the grant at the provider. */
export interface Revocation {
  /** Whether the provider confirmed that the grant is over. */
  revoked: boolean
  /** Why not, and what to do, when it did not. */
  why?: string
}

/**
 * Revokes the grant of a token set: the refresh token, which takes the access token with it at most providers, and then
 * the access token too, because not every provider does so. Without a refresh token the access token alone.
 */
export async function revokeGrant(
  { provider, client }: Registration,
  tokens: TokenSet,
  options: RequestOptions,
): Promise<Revocation> {
  const { id, docsUrl } = provider
  const page = docsUrl === undefined ? '' : ` (see ${docsUrl})`
  if (!(await canRevoke(provider, client, options)))
    return {
      revoked: false,
      why: `${id} has no revocation endpoint. To end the grant there too, remove the app in the account's settings at ${id}${page}.`,
    }
  if (provider.revocationFormat === 'bearer') return revokeByItself({ provider, client }, tokens, options)
  const { refreshToken, accessToken } = tokens
  if (refreshToken === undefined) {
    await revokeToken(provider, client, accessToken, { ...options, tokenTypeHint: 'access_token' })
    return { revoked: true }
  }
  await revokeToken(provider, client, refreshToken, { ...options, tokenTypeHint: 'refresh_token' })
  await revokeToken(provider, client, accessToken, { ...options, tokenTypeHint: 'access_token' }).catch(
    () => {
      // The grant is over; servers that ended this token with it, or revoke no access tokens, may say so with an error.
    },
  )
  return { revoked: true }
}

/** Where an access token ends its own grant it has to be a live one. */
async function revokeByItself(
  { provider, client }: Registration,
  tokens: TokenSet,
  options: RequestOptions,
): Promise<Revocation> {
  const ended = !tokens.validFor(0, options.now?.()) && tokens.refreshToken !== undefined
  const live = ended ? await refreshTokenGrant(provider, client, tokens, options) : tokens
  await revokeToken(provider, client, live.accessToken, options)
  return { revoked: true }
}

/** Why a revocation failed, in words for whoever asked for it. */
export function whyNotRevoked(error: unknown): string {
  const reason = error instanceof ToolgrantError ? error.message : 'an unexpected error'
  return `The connection is deleted here, but the provider could not be told: ${reason}`
}

/**
 * Ends the connection of a row that is marked revoked: at the provider where that is possible, and here.
 *
 * @param row as `markRevoked` returned it.
 */
export async function disconnectRow(
  inside: Interior,
  row: ConnectionRow,
  options: DisconnectOptions,
): Promise<Disconnected> {
  const { store, cache, sealed, events, now } = inside
  cache.forget(row.user, row.provider, row.account)
  const revocation = await revokeAtProvider(inside, row, options)
  const { id, generation } = row
  await events.record({ type: 'revoked', id, generation }, async () =>
    (await store.deleteRevoked(id)) ? row : undefined,
  )
  cache.forget(row.user, row.provider, row.account)
  sealed.forget(row.id)
  return { connection: toConnection(row, now()), ...revocation }
}

async function revokeAtProvider(
  { registration, requestOptions, sealed }: Interior,
  row: ConnectionRow,
  { signal, timeoutMs = 10_000 }: DisconnectOptions,
): Promise<Revocation> {
  try {
    const limits = { ...requestOptions, signal, timeoutMs }
    return await revokeGrant(
      await registration(row.provider),
      await sealed.reading(() => sealed.open(row)),
      limits,
    )
  } catch (error) {
    return { revoked: false, why: whyNotRevoked(error) }
  }
}
