// Keeping a grant that a person has just given: from a flow of one's own, or from a callback (RFC 6749 section 4.1.2).
import { argumentError, CallbackError } from '../errors.ts'
import { authorizationCodeGrant, callbackState, type TokenSet } from '../oauth/index.ts'
import { assertAddress, type Connection, type ConnectionAddress, toConnection } from './connection.ts'
import { notConnected } from './connection-errors.ts'
import type { Interior } from './interior.ts'
import type { RowAddress } from './store.ts'
import type { FinishOptions } from './vault.ts'

/** Keeps a grant, in place of any earlier one at that address. */
export async function saveGrant(
  inside: Interior,
  address: ConnectionAddress,
  tokens: TokenSet,
): Promise<Connection> {
  const { store, sealed, cache, events, audit } = inside
  const place: RowAddress = { ...labelled(address), tenant: inside.tenant }
  for (;;) {
    const [before] = await store.list(place)
    const id = before?.id ?? globalThis.crypto.randomUUID()
    const generation = (before?.generation ?? 0) + 1
    const put = () =>
      store.putGrant({ ...place, ...sealed.seal({ ...place, id, generation }, tokens), id, generation })
    if (await sealed.writing(put)) {
      cache.forget(place.user, place.provider, place.account)
      const row = await store.get(id)
      if (row === undefined) throw notConnected(place)
      events.emit('connected', row)
      const { user, provider, account } = row
      const detail = { scopes: JSON.parse(row.scopes).join(' ') }
      audit.record({
        action: 'consent',
        outcome: 'ok',
        user,
        connections: [{ id, provider, account }],
        detail,
      })
      await audit.flush()
      return toConnection(row, inside.now())
    }
  }
}

/** Finishes the authorization that a callback belongs to. */
export async function finishAuthorization(
  inside: Interior,
  callback: string | URL | URLSearchParams,
  given: FinishOptions,
): Promise<Connection> {
  const state = callbackState(callback)
  if (state === undefined)
    throw new CallbackError(
      'state_missing',
      'The callback has no state, or two. Start again from your own page.',
    )
  const pending = await inside.pending.take(state)
  if (pending === undefined)
    throw new CallbackError(
      'authorization_expired',
      'The authorization that this callback belongs to is unknown, over, or was finished already. Start again.',
    )
  const { user, provider, account } = pending
  const { user: present, ...options } = given
  if (user === undefined)
    throw argumentError('The pending authorization names no user: give one to authorizationUrl().')
  if ('user' in given && present !== user)
    throw new CallbackError(
      'state_mismatch',
      'Somebody else than the person who came back began this authorization. It was not used. Start again.',
    )
  const { provider: server, client } = await inside.registration(provider)
  const limits = { ...inside.requestOptions, ...options }
  const tokens = await authorizationCodeGrant(server, client, pending, callback, limits)
  return saveGrant(inside, { user, provider, account }, tokens)
}

/** Without an account, the one labelled `default`. */
function labelled({ user, provider, account = 'default' }: ConnectionAddress): Omit<RowAddress, 'tenant'> {
  assertAddress({ user, provider, account }, true)
  return { user, provider, account }
}
