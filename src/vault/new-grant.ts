// Keeping a grant: one that a person has just given, in a flow of one's own or by a callback (RFC 6749 section 4.1.2), or
// one to our client itself (section 4.4).
import { argumentError, CallbackError } from '../errors.ts'
import {
  callbackGrant,
  callbackState,
  clientCredentialsGrant,
  jwtBearerGrant,
  renewsByClient,
  type TokenSet,
} from '../oauth/index.ts'
import type { Provider } from '../providers/index.ts'
import { codeOf } from './audit-log.ts'
import { assertAddress, type Connection, type ConnectionAddress, toConnection } from './connection.ts'
import { forgottenMeanwhile, notConnected } from './connection-errors.ts'
import { disconnectRow } from './disconnect.ts'
import { type ForgottenMarks, forgottenMarks, personKey } from './forgotten.ts'
import { answeredNote, historyNote } from './history-note.ts'
import type { Interior } from './interior.ts'
import type { ConnectionRow, RowAddress } from './store.ts'
import type { ConnectClientOptions, FinishOptions } from './vault.ts'

/**
 * Keeps a grant, in place of any earlier one at that address.
 *
 * @param marks who had been forgotten when this began. Default: now.
 */
export async function saveGrant(
  inside: Interior,
  address: ConnectionAddress,
  tokens: TokenSet,
  marks?: ForgottenMarks,
): Promise<Connection> {
  const { audit } = inside
  const before = marks ?? (await forgottenMarks(inside.store))
  const place: RowAddress = { ...labelled(address), tenant: inside.tenant }
  const server = await providerOf(inside, place.provider)
  for (;;) {
    const row = await putGrant(inside, place, tokens, server)
    if (row === undefined) continue
    const { id, user, provider, account } = row
    const detail = { scopes: JSON.parse(row.scopes).join(' ') }
    audit.record({
      action: 'consent',
      outcome: 'ok',
      user,
      connections: [{ id, provider, account }],
      detail,
    })
    await audit.flush()
    if (await endIfForgotten(inside, row, before)) throw forgottenMeanwhile(row)
    return toConnection(row, inside.now())
  }
}

/**
 * Ends a connection again whose user was forgotten since `before`; `false`: nobody was. Looked at after it was saved:
 * whoever forgets marks first and lists then, so one of the two sees the other.
 *
 * @param marks as they are now. Default: looked up.
 */
export async function endIfForgotten(
  inside: Interior,
  { id, tenant, user }: ConnectionRow,
  before: ForgottenMarks,
  marks?: ForgottenMarks,
): Promise<boolean> {
  const person = personKey(tenant, user)
  const { [person]: now } = marks ?? (await forgottenMarks(inside.store))
  if (now === undefined || now.mark === before[person]?.mark) return false
  const row = await inside.store.markRevoked(id)
  if (row !== undefined) await disconnectRow(inside, row, { confirm: false }, 'forget')
  await inside.store.forgetUser(tenant, user, person)
  return true
}

/** `undefined`: somebody else was faster; look again. */
async function putGrant(
  { store, sealed, events, now }: Interior,
  place: RowAddress,
  tokens: TokenSet,
  provider: Provider | undefined,
): Promise<ConnectionRow | undefined> {
  const [before] = await store.list(place)
  const id = before?.id ?? globalThis.crypto.randomUUID()
  const generation = (before?.generation ?? 0) + 1
  const note = historyNote('connected', {
    ...(renewsByClient(tokens) ? { byClient: true } : {}),
    ...{ scopes: tokens.scopes, origin: store.origin },
    ...answeredNote(tokens),
  })
  const put = async () => {
    const at = store.now()
    const life = { provider, usedAt: at, grantedAt: at, aheadMs: at - now() }
    const grant = sealed.seal({ ...place, id, generation }, tokens, life)
    return (await store.putGrant({ ...place, ...grant, id, generation }, note)) ? grant : undefined
  }
  return events.record({ type: 'connected', id, generation }, async () => {
    const grant = await sealed.writing(put)
    if (grant === undefined) return undefined
    const row = await store.get(id)
    if (row === undefined) throw notConnected(place)
    // As this consent made it, whatever came after it by now.
    return { ...row, ...grant, generation, status: 'active', reason: null }
  })
}

/** What is known of a provider: a grant may be kept before we are registered there. */
async function providerOf(inside: Interior, providerId: string): Promise<Provider | undefined> {
  try {
    return (await inside.registration(providerId)).provider
  } catch {
    return undefined
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
  const marks = await forgottenMarks(inside.store)
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
  const tokens = await callbackGrant(server, client, pending, callback, limits).catch((error) => {
    const connections = [{ provider, account }]
    inside.audit.record({ action: 'consent', outcome: codeOf(error), user, connections })
    throw error
  })
  return saveGrant(inside, { user, provider, account }, tokens, marks)
}

/** Asks for tokens in the name of our client, and keeps them. */
export async function grantToClient(
  inside: Interior,
  address: ConnectionAddress,
  { assertion, ...given }: ConnectClientOptions,
): Promise<Connection> {
  const { user, provider: id, account } = labelled(address)
  const marks = await forgottenMarks(inside.store)
  const { provider, client } = await inside.registration(id)
  const options = { ...inside.requestOptions, ...given }
  const asked =
    assertion === undefined
      ? clientCredentialsGrant(provider, client, options)
      : jwtBearerGrant(provider, client, assertion, options)
  const tokens = await asked.catch((error) => {
    const connections = [{ provider: id, account }]
    inside.audit.record({ action: 'consent', outcome: codeOf(error), user, connections })
    throw error
  })
  return saveGrant(inside, { user, provider: id, account }, tokens, marks)
}

/** Without an account, the one labelled `default`. */
function labelled({ user, provider, account = 'default' }: ConnectionAddress): Omit<RowAddress, 'tenant'> {
  assertAddress({ user, provider, account }, true)
  return { user, provider, account }
}
