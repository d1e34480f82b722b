// A process of its own on a store that others hammer too: does what it is told as fast as it can, and says what it did.
// Started by store-processes.ts, for every kind of store.
import { createHash } from 'node:crypto'
import { KeyError } from '../../src/errors.ts'
import {
  type AuditLine,
  type Grant,
  longestLeaseMs,
  type NewGrant,
  type Store,
} from '../../src/vault/store.ts'

/** How a process gets at a store: `await (await import(module))[open](place)`. */
export interface StorePlace {
  /** File URL of the module that opens it. */
  module: string
  /** Name of the function there. */
  open: string
  /** What that function is given: a path, a URL. */
  place: string
}

/** What a worker is told to do. */
export type StoreTask =
  | { open: StorePlace; name: string }
  | { leases: { ids: string[]; rounds: number } }
  | { claims: { limit: number } }
  | { audit: { lines: number } }
  | { grants: { users: number; again: number } }
  | { pending: { keys: number } }
  | { counter: { steps: number } }
  | { sealWith: { keyId: string; until: 'retired' } }
  | { retire: { keyId: string; primary: string } }

/** What it did: names of what it got, and of what must not have happened. */
export interface StoreAnswer {
  got: string[]
  wrong: string[]
}

/** A grant that is due, as the workers put them. */
export function newGrant(changes: Partial<NewGrant> = {}): NewGrant {
  return {
    ...{ id: 'id', tenant: 't', user: 'ada', provider: 'slack', account: 'default', generation: 1 },
    ...refreshed(changes.keyId),
    ...changes,
  }
}

function refreshed(keyId = 'key-1'): Grant {
  const sealed = Buffer.from(globalThis.crypto.randomUUID())
  return { scopes: '[]', expiresAt: 2, receivedAt: 1, refreshDueAt: 1, dueAt: 1, keyId, sealed }
}

/** The line that follows `head`: its hash covers the hash before it. */
export function nextLine(head: AuditLine | undefined, entry: string): AuditLine {
  const hash = createHash('sha256')
    .update(head?.hash ?? '')
    .update(entry)
    .digest()
  return { seq: (head?.seq ?? 0) + 1, at: 1, entry, hash }
}

let name = ''
let opened: Store | undefined
const turn = () => new Promise((resolve) => setImmediate(resolve))

async function run(task: StoreTask): Promise<StoreAnswer> {
  if ('open' in task) {
    const module = await import(task.open.module)
    opened = await module[task.open.open](task.open.place)
    name = task.name
    return { got: [], wrong: [] }
  }
  if (opened === undefined) throw new Error('not opened')
  if ('leases' in task) return leases(opened, task.leases)
  if ('claims' in task) return claims(opened, task.claims)
  if ('audit' in task) return audit(opened, task.audit)
  if ('grants' in task) return grants(opened, task.grants)
  if ('pending' in task) return pending(opened, task.pending)
  if ('counter' in task) return counter(opened, task.counter)
  if ('sealWith' in task) return sealUntilRetired(opened, task.sealWith)
  return retire(opened, task.retire)
}

async function leases(store: Store, { ids, rounds }: { ids: string[]; rounds: number }) {
  const [got, wrong]: [string[], string[]] = [[], []]
  for (let round = 0; round < rounds; round += 1) {
    await turn()
    const id = ids[round % ids.length] ?? ''
    const row = await store.get(id)
    const owner = `${name}-${round}`
    const leased = row && (await store.acquireLease(id, row.generation, owner, 60_000))
    if (leased === undefined) continue
    got.push(`${id}:${leased.generation}`)
    if (!(await store.writeIntent(id, owner, leased.generation, owner, 60_000))) wrong.push(`intent ${owner}`)
    await turn()
    const held = await store.get(id)
    if (held?.leaseOwner !== owner || held.intentHash !== owner) wrong.push(`lease of ${owner} is gone`)
    if (!(await store.saveTokens(id, owner, leased.generation, refreshed()))) wrong.push(`save ${owner}`)
  }
  return { got, wrong }
}

async function claims(store: Store, { limit }: { limit: number }) {
  const got: string[] = []
  for (;;) {
    const rows = await store.claimDue('t', 'slack', limit, longestLeaseMs)
    if (rows.length === 0) return { got, wrong: [] }
    got.push(...rows.map(({ id }) => id))
    await turn()
  }
}

async function audit(store: Store, { lines }: { lines: number }) {
  const got: string[] = []
  while (got.length < lines) {
    await turn()
    const entry = JSON.stringify({ name, line: got.length })
    const line = nextLine(await store.auditHead('t'), entry)
    if (await store.appendAudit('t', [line])) got.push(entry)
  }
  return { got, wrong: [] }
}

async function grants(store: Store, { users, again }: { users: number; again: number }) {
  const got: string[] = []
  for (let index = 0; index < users; index += 1) {
    const user = `user ${index}`
    if (await store.putGrant(newGrant({ id: `${user} of ${name}`, user }))) got.push(user)
    await turn()
    for (let count = 0; count < again; count += 1) {
      const [row] = await store.list({ tenant: 't', user })
      if (row === undefined) continue
      await turn()
      const next = newGrant({ id: row.id, user, generation: row.generation + 1 })
      if (await store.putGrant(next)) got.push(user)
    }
  }
  return { got, wrong: [] }
}

async function pending(store: Store, { keys }: { keys: number }) {
  const got: string[] = []
  for (let index = 0; index < keys; index += 1) {
    if ((await store.takePending(`key ${index}`)) !== undefined) got.push(`key ${index}`)
    await turn()
  }
  return { got, wrong: [] }
}

async function counter(store: Store, { steps }: { steps: number }) {
  const got: string[] = []
  while (got.length < steps) {
    await turn()
    const before = (await store.getMeta('counter')) ?? Buffer.from('0')
    const value = `${Number(Buffer.from(before).toString()) + 1}`
    if (await store.replaceMeta('counter', before, Buffer.from(value))) got.push(value)
  }
  return { got, wrong: [] }
}

/** Seals with a key until that is refused. */
async function sealUntilRetired(store: Store, { keyId }: { keyId: string }) {
  const got: string[] = []
  for (let index = 0; index < 5000; index += 1) {
    await turn()
    const user = `${name} ${index % 20}`
    const [row] = await store.list({ tenant: 't', user })
    const next = newGrant({ id: row?.id ?? user, user, generation: (row?.generation ?? 0) + 1, keyId })
    try {
      if (await store.putGrant(next)) got.push(user)
    } catch (error) {
      if (error instanceof KeyError && error.code === 'key_retired') return { got, wrong: [] }
      return { got, wrong: [String(error)] }
    }
  }
  return { got, wrong: ['it was never retired'] }
}

/** Seals everything anew with the primary until the other key can be removed. */
async function retire(store: Store, { keyId, primary }: { keyId: string; primary: string }) {
  const got: string[] = []
  for (;;) {
    await turn()
    for (const row of await store.sealedOtherwise(primary, 50))
      if (await store.reseal(row.id, row.sealed, Buffer.from(`anew ${row.id}`), primary)) got.push(row.id)
    // Whoever still seals with it gets some in between: only the store can say when nothing is.
    if (await store.removeKey(keyId)) return { got, wrong: [] }
  }
}

// Who only imports from here, vitest's own process among them, gets messages of others.
if (process.argv[1] === import.meta.filename)
  process.on('message', async (task: StoreTask & { startAt: number }) => {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, task.startAt - Date.now())))
    run(task).then(
      (answer) => process.send?.(answer),
      (error: unknown) => process.send?.({ got: [], wrong: [String(error)] }),
    )
  })
