// `vault.forget`: ends everything that a person has here, at all providers, and drops what is kept of them besides.
// One provider that fails does not hold up the others; a second run ends what a first one could not.
import { argumentError } from '../errors.ts'
import { assertAddress } from './connection.ts'
import { disconnectRow } from './disconnect.ts'
import { markForgotten, personKey } from './forgotten.ts'
import type { Interior } from './interior.ts'
import type { ConnectionRow } from './store.ts'
import type { Disconnected, ForgetOptions, Forgotten } from './vault.ts'

/** How many connections are ended at once. */
const atOnce = 8

/**
 * Forgets a user of the tenant.
 *
 * @throws {StoreError} what was not deleted is still there; the signal's reason. A second run goes on.
 */
export async function forgetUser(
  inside: Interior,
  user: string,
  options: ForgetOptions = {},
): Promise<Forgotten> {
  if (user === undefined) throw argumentError('vault.forget needs the id of a user.')
  assertAddress({ user }, false)
  return inside.audit.change(
    { action: 'forget', user },
    () => endEverything(inside, user, options),
    ({ connections, pending, unrevoked }) => ({
      detail: { connections: connections.length, pending, unrevoked: unrevoked.length },
    }),
  )
}

async function endEverything(inside: Interior, user: string, options: ForgetOptions): Promise<Forgotten> {
  const { store, tenant } = inside
  const person = personKey(tenant, user)
  // In this order: a consent that is being finished took its pending authorization before the mark, and sees that it
  // changed; or it was saved before the mark, and is found by the listing.
  const begun = await store.forgetUser(tenant, user, person)
  await markForgotten(store, person)
  const ended: Disconnected[] = []
  for (let rows = await store.list({ tenant, user }); rows.length > 0; ) {
    await endAll(inside, rows, ended, options)
    const known = new Set(rows.map(({ id, generation }) => `${id} ${generation}`))
    // A person may have consented anew meanwhile, through code that knows nothing of this: that is ended too.
    rows = (await store.list({ tenant, user })).filter(
      ({ id, generation }) => !known.has(`${id} ${generation}`),
    )
  }
  options.signal?.throwIfAborted()
  const pending = begun + (await store.forgetUser(tenant, user, person))
  const alive = ended.filter(({ revoked, confirmed }) => !revoked || confirmed === false)
  const unrevoked = [...new Set(alive.map(({ connection }) => connection.provider))]
  return { user, connections: ended, pending, unrevoked }
}

/** Ends connections, several at a time. The first trouble of the store is thrown when all that had begun is over. */
async function endAll(
  inside: Interior,
  rows: readonly ConnectionRow[],
  ended: Disconnected[],
  options: ForgetOptions,
): Promise<void> {
  const queue = [...rows]
  const total = ended.length + rows.length
  const work = async () => {
    for (let row = queue.shift(); row !== undefined; row = queue.shift()) {
      options.signal?.throwIfAborted()
      const outcome = await endOne(inside, row, options)
      if (outcome === undefined) continue
      ended.push(outcome)
      tell(options, { done: ended.length, total, last: outcome })
    }
  }
  const results = await Promise.allSettled(Array.from({ length: Math.min(atOnce, rows.length) }, work))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

/** `undefined`: somebody else ended it meanwhile. */
async function endOne(
  inside: Interior,
  { id, user, provider, account }: ConnectionRow,
  options: ForgetOptions,
): Promise<Disconnected | undefined> {
  const row = await inside.store.markRevoked(id)
  if (row === undefined) return undefined
  return inside.audit.change(
    { action: 'disconnect', user, connections: [{ id, provider, account }] },
    () => disconnectRow(inside, row, options, 'forget'),
    ({ revoked, confirmed }) => ({
      detail: { revoked, ...(confirmed === undefined ? {} : { confirmed }) },
    }),
  )
}

function tell({ onProgress }: ForgetOptions, progress: Parameters<NonNullable<typeof onProgress>>[0]): void {
  try {
    onProgress?.(progress)
  } catch {
    // A listener's own trouble must not leave a connection behind.
  }
}
