// What a store promises to several processes at once, run unchanged on every store that they can share.
// A test of a store calls `storeProcesses` with a way to make a new, empty one.
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AuditLine, historyLimit, type Store } from '../../src/vault/store.ts'
import { newGrant, nextLine, type StoreAnswer, type StorePlace, type StoreTask } from './store-worker.ts'

/** Declares the suite: two processes hammer one store, and this one looks at what came of it. */
export function storeProcesses(name: string, newPlace: () => StorePlace | Promise<StorePlace>): void {
  describe(`two processes on ${name}`, () => {
    let store: Store
    let workers: Worker[] = []
    const both = (task: (name: string) => StoreTask) => {
      const startAt = Date.now() + 30
      return Promise.all(workers.map((worker) => worker.run(task(worker.name), startAt)))
    }

    beforeAll(async () => {
      const place = await newPlace()
      store = await (await import(place.module))[place.open](place.place)
      for (const id of ['key-1', 'key-2']) await store.addKey({ id, check: Uint8Array.of(1), wrapped: null })
      workers = ['one', 'two'].map((worker) => new Worker(worker))
      await both((worker) => ({ open: place, name: worker }))
    })
    afterAll(async () => {
      for (const worker of workers) worker.end()
      await store?.close()
    })

    it('never hold one lease both, and lose nothing that the holder saves', async () => {
      const ids = ['a', 'b', 'c']
      for (const id of ids) await store.putGrant(newGrant({ id, user: id, provider: 'leases' }))
      const answers = await both(() => ({ leases: { ids, rounds: 150 } }))
      const taken = answers.flatMap(({ got }) => got)
      expect(answers.flatMap(({ wrong }) => wrong)).toEqual([])
      expect(new Set(taken).size).toBe(taken.length)
      const rows = await Promise.all(ids.map((id) => store.get(id)))
      const saved = rows.reduce((sum, row) => sum + (row?.generation ?? 0) - 1, 0)
      expect(saved).toBe(taken.length)
      for (const id of ids) await expectWholeHistory(store, id)
    })

    it('never claim one due row both, and between them all', async () => {
      for (let index = 0; index < 120; index += 1)
        await store.putGrant(newGrant({ id: `due ${index}`, user: `due ${index}` }))
      const answers = await both(() => ({ claims: { limit: 3 } }))
      const claimed = answers.flatMap(({ got }) => got)
      expect(claimed.toSorted()).toEqual(Array.from({ length: 120 }, (_, index) => `due ${index}`).toSorted())
    })

    it('append to one audit chain without gaps', async () => {
      const answers = await both(() => ({ audit: { lines: 60 } }))
      const lines = await store.auditLines('t', 0, 1000)
      expect(lines.map(({ seq }) => seq)).toEqual(Array.from({ length: 120 }, (_, index) => index + 1))
      expect(lines.map(({ entry }) => entry).toSorted()).toEqual(answers.flatMap(({ got }) => got).toSorted())
      let head: AuditLine | undefined
      for (const line of lines) {
        expect(Buffer.compare(line.hash, nextLine(head, line.entry).hash)).toBe(0)
        head = line
      }
    })

    it('keep one of two consents for one address, and each later one that was told so', async () => {
      const answers = await both(() => ({ grants: { users: 20, again: 3 } }))
      const won = answers.flatMap(({ got }) => got)
      for (let index = 0; index < 20; index += 1) {
        const user = `user ${index}`
        const rows = await store.list({ tenant: 't', user })
        expect(rows).toMatchObject([{ generation: won.filter((name) => name === user).length }])
        await expectWholeHistory(store, rows[0]?.id ?? '')
      }
    })

    it('take each pending authorization once', async () => {
      const keys = Array.from({ length: 60 }, (_, index) => `key ${index}`)
      for (const key of keys) await store.putPending(key, Uint8Array.of(1), store.now() + 60_000, 'key-1')
      const answers = await both(() => ({ pending: { keys: keys.length } }))
      expect(answers.flatMap(({ got }) => got).toSorted()).toEqual(keys.toSorted())
    })

    it('lose no change of a named value', async () => {
      await store.putMetaIfAbsent('counter', Buffer.from('0'))
      await both(() => ({ counter: { steps: 50 } }))
      expect(Buffer.from((await store.getMeta('counter')) ?? []).toString()).toBe('100')
    })

    it('never leave anything sealed with a key that one of them removed', async () => {
      const [sealing, retiring] = await both((worker) =>
        worker === 'one'
          ? { sealWith: { keyId: 'key-2', until: 'retired' } }
          : { retire: { keyId: 'key-2', primary: 'key-1' } },
      )
      expect(sealing?.wrong).toEqual([])
      expect(retiring?.wrong).toEqual([])
      expect(await store.sealedOtherwise('key-1', 1)).toEqual([])
      expect(await store.keys()).toMatchObject([{ id: 'key-1' }])
    })
  })
}

/** Each generation told of once, in order. */
async function expectWholeHistory(store: Store, id: string): Promise<void> {
  const row = await store.get(id)
  const told = (await store.history(id)).map(({ generation }) => generation)
  const first = Math.max(1, (row?.generation ?? 0) - historyLimit + 1)
  expect(told).toEqual(
    Array.from({ length: (row?.generation ?? 0) - first + 1 }, (_, index) => first + index),
  )
}

class Worker {
  readonly name: string
  readonly #child: ChildProcess

  constructor(name: string) {
    this.name = name
    this.#child = fork(fileURLToPath(new URL('./store-worker.ts', import.meta.url)), { execArgv: [] })
  }

  /** @param startAt milliseconds since 1970: whoever is told the same time begins at once with the others. */
  run(task: StoreTask, startAt: number): Promise<StoreAnswer> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null) => reject(new Error(`A process on the store ended (${code}).`))
      this.#child.once('exit', onExit)
      this.#child.once('message', (answer: StoreAnswer) => {
        this.#child.off('exit', onExit)
        resolve(answer)
      })
      this.#child.send({ ...task, startAt })
    })
  }

  end(): void {
    this.#child.kill()
  }
}
