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
import { type Confirmation, confirmRevocation } from './confirmation.ts'
import { toConnection } from './connection.ts'
import { historyNote, type RevokedNote } from './history-note.ts'
import type { Interior } from './interior.ts'
import type { ConnectionRow } from './store.ts'
import type { Disconnected, DisconnectOptions } from './vault.ts'

/** What became of the grant at the provider. */
export interface Revocation {
  /** Whether the provider confirmed that the grant is over. */
  revoked: boolean
  /** `false`: it has no revocation endpoint. */
  revocable: boolean
  /** Why not, and what to do, when it did not. */
  why?: string
  /** The tokens that were revoked: newer ones, where only a live access token ends its own grant. Secret. */
  tokens?: TokenSet
}

/**
 * Revokes the grant of a token set: the refresh token, which takes the access token with it at most providers, and then
 * the access token too, because not every provider does so. Without a refresh token the access token alone.
 *
 * @param isUnwanted asked before the second request: at some providers it ends whatever the person has granted since.
 */
export async function revokeGrant(
  { provider, client }: Registration,
  tokens: TokenSet,
  options: RequestOptions,
  isUnwanted: () => Promise<boolean> = async () => true,
): Promise<Revocation> {
  const { id, docsUrl } = provider
  const page = docsUrl === undefined ? '' : ` (see ${docsUrl})`
  if (!(await canRevoke(provider, client, options)))
    return {
      revoked: false,
      revocable: false,
      why: `${id} has no revocation endpoint. To end the grant there too, remove the app in the account's settings at ${id}${page}.`,
    }
  if (provider.revocationFormat === 'bearer') return revokeByItself({ provider, client }, tokens, options)
  const { refreshToken, accessToken } = tokens
  if (refreshToken === undefined) {
    await revokeToken(provider, client, accessToken, { ...options, tokenTypeHint: 'access_token' })
    return { revoked: true, revocable: true, tokens }
  }
  await revokeToken(provider, client, refreshToken, { ...options, tokenTypeHint: 'refresh_token' })
  if (!(await isUnwanted())) return { revoked: true, revocable: true, tokens }
  await revokeToken(provider, client, accessToken, { ...options, tokenTypeHint: 'access_token' }).catch(
    () => {
      // The grant is over; servers that ended this token with it, or revoke no access tokens, may say so with an error.
    },
  )
  return { revoked: true, revocable: true, tokens }
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
  return { revoked: true, revocable: true, tokens: live }
}

/** Why a revocation failed, in words for whoever asked for it. */
export function whyNotRevoked(error: unknown): string {
  const reason = error instanceof ToolgrantError ? error.message : 'an unexpected error.'
  return `The connection is deleted here, but the provider could not be told: ${reason} It is not told again from here: end the grant in the account's settings there.`
}

/**
 * Ends the connection of a row that is marked revoked: at the provider where that is possible, and here. Then asks the
 * provider whether the grant is over.
 *
 * @param row as `markRevoked` returned it. @param by which operation this is part of.
 */
export async function disconnectRow(
  inside: Interior,
  row: ConnectionRow,
  options: DisconnectOptions,
  by: RevokedNote['by'] = 'disconnect',
): Promise<Disconnected> {
  const { store, cache, sealed, events, now } = inside
  cache.forget(row.user, row.provider, row.account)
  const { tokens, ...revocation } = await revokeAtProvider(inside, row, options)
  const { id, generation } = row
  const note = historyNote('revoked', { by, revoked: revocation.revoked })
  await events.record({ type: 'revoked', id, generation }, async () =>
    (await store.deleteRevoked(id, note)) ? row : undefined,
  )
  cache.forget(row.user, row.provider, row.account)
  sealed.forget(row.id)
  const confirmation = tokens === undefined ? {} : await confirm(inside, row, tokens, options)
  return { connection: toConnection(row, now()), ...revocation, ...confirmation }
}

async function revokeAtProvider(
  inside: Interior,
  row: ConnectionRow,
  options: DisconnectOptions,
): Promise<Revocation> {
  const { registration, sealed, store } = inside
  const isUnwanted = async () => {
    try {
      return (await store.get(row.id))?.status === 'revoked'
    } catch {
      return false
    }
  }
  try {
    return await revokeGrant(
      await registration(row.provider),
      await sealed.reading(() => sealed.open(row)),
      limitsOf(inside, options),
      isUnwanted,
    )
  } catch (error) {
    return { revoked: false, revocable: true, why: whyNotRevoked(error) }
  }
}

async function confirm(
  inside: Interior,
  row: ConnectionRow,
  tokens: TokenSet,
  options: DisconnectOptions,
): Promise<Confirmation> {
  if (options.confirm === false) return {}
  return confirmRevocation(await inside.registration(row.provider), tokens, limitsOf(inside, options))
}

function limitsOf(
  { requestOptions }: Interior,
  { signal, timeoutMs = 10_000 }: DisconnectOptions,
): RequestOptions {
  return { ...requestOptions, signal, timeoutMs }
}
