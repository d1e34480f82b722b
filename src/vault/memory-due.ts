// Due times of a store in memory: a heap for each provider, so that a scheduler's tick costs what is due, not what is there.
// An entry that does not hold any more is dropped when it comes up; nothing is searched for.
import type { ConnectionRow, ProviderDue } from './store.ts'

interface Due {
  id: string
  dueAt: number
}

/** When rows are due, by tenant and provider. */
export class DueTimes {
  readonly #tenants = new Map<string, Map<string, Due[]>>()
  readonly #rowOf: (id: string) => ConnectionRow | undefined

  /** @param rowOf the row of an id, as it is now. */
  constructor(rowOf: (id: string) => ConnectionRow | undefined) {
    this.#rowOf = rowOf
  }

  /** Takes note of when a row is due from now on. */
  add({ tenant, provider, id, dueAt }: Pick<ConnectionRow, 'tenant' | 'provider' | 'id' | 'dueAt'>): void {
    if (dueAt === null) return
    const providers = this.#tenants.get(tenant) ?? new Map<string, Due[]>()
    const heap = providers.get(provider) ?? []
    this.#tenants.set(tenant, providers.set(provider, heap))
    heap.push({ id, dueAt })
    rise(heap, heap.length - 1)
  }

  /** For each provider, the earliest. */
  earliest(tenant: string): readonly ProviderDue[] {
    const found: ProviderDue[] = []
    for (const [provider, heap] of this.#tenants.get(tenant) ?? []) {
      const first = this.#first(heap)
      if (first !== undefined) found.push({ provider, dueAt: first.dueAt })
    }
    return found
  }

  /** The row that is due the longest at that time, which is forgotten here until it is added again. */
  take(tenant: string, provider: string, now: number): ConnectionRow | undefined {
    const heap = this.#tenants.get(tenant)?.get(provider) ?? []
    const first = this.#first(heap)
    if (first === undefined || first.dueAt > now) return undefined
    removeFirst(heap)
    return this.#rowOf(first.id)
  }

  /** Forgets everything. */
  clear(): void {
    this.#tenants.clear()
  }

  #first(heap: Due[]): Due | undefined {
    for (;;) {
      const [first] = heap
      const row = first && this.#rowOf(first.id)
      if (first === undefined || (row?.status === 'active' && row.dueAt === first.dueAt)) return first
      removeFirst(heap)
    }
  }
}

function removeFirst(heap: Due[]): void {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  heap[0] = last
  sink(heap, 0)
}

function rise(heap: Due[], index: number): void {
  for (let at = index; at > 0; ) {
    const parent = (at - 1) >> 1
    if (!swapUnless(heap, parent, at)) return
    at = parent
  }
}

function sink(heap: Due[], index: number): void {
  for (let at = index; ; ) {
    const [left, right] = [2 * at + 1, 2 * at + 2]
    const least = (heap[right]?.dueAt ?? Number.POSITIVE_INFINITY) < (heap[left]?.dueAt ?? 0) ? right : left
    if (!swapUnless(heap, at, least)) return
    at = least
  }
}

/** Puts the earlier of the two above. `false`: it was, or there is none below. */
function swapUnless(heap: Due[], above: number, below: number): boolean {
  const [upper, lower] = [heap[above], heap[below]]
  if (upper === undefined || lower === undefined || upper.dueAt <= lower.dueAt) return false
  heap[above] = lower
  heap[below] = upper
  return true
}
