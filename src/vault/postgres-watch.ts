// Hearing of history as it is committed, by any process: LISTEN on a connection of its own, which is made anew when it
// breaks. https://www.postgresql.org/docs/current/sql-notify.html
//
// A notification holds the number of an entry (and its count, when it is a failure once more); what it says is read from
// the table, in batches, one after the other, so that entries of a connection arrive in the order of their commits.
import type { Client } from 'pg'
import { hangUp, unref } from './postgres-client.ts'
import type { HistoryEntry } from './store.ts'

/** What watching needs of a store. */
export interface WatchParts {
  /** Makes the connection to listen on. */
  connect(): Promise<Client>
  channel: string
  /** How often the connection is asked for a sign of life, in milliseconds. */
  heartbeatMs: number
  /** Tells all who listen, by way of another connection than the one that listens. */
  tell(payload: string): Promise<void>
  entries(seqs: readonly number[]): Promise<readonly HistoryEntry[]>
  /** The newest entry's number. */
  lastEntry(): Promise<number>
  /** Entries behind a number, in order; at most `limit`. */
  entriesSince(seq: number, limit: number): Promise<readonly HistoryEntry[]>
  listener(entry: HistoryEntry): void
  onGap(): void
}

/** How long our own notification may take before it is taken to be lost, in milliseconds. */
const echoLimitMs = 5000
/** The same where a pooler is known to be in between, which may well swallow it: every opening waits for this. */
const pooledEchoLimitMs = 1000
const longestPauseMs = 15_000
/** Numbers are given before commits: those that were under way when a connection broke may be lower than the last seen. */
const slack = 500
const batchSize = 500
/** After a long break not everything is told: whoever cached something looks at it again anyway. */
const mostBatches = 20

/**
 * Begins to watch.
 *
 * @returns what ends it; `undefined` when notifications do not arrive here: a pooler in between keeps no session.
 * @throws what connecting and listening throw.
 */
export async function watchHistory(parts: WatchParts): Promise<(() => Promise<void>) | undefined> {
  const watch = new HistoryWatch(parts)
  return (await watch.begin()) ? () => watch.end() : undefined
}

class HistoryWatch {
  readonly #parts: WatchParts
  /** The connection that is listened on, or is being made ready for it. */
  #client: Client | undefined
  /** Whether notifications are known to arrive on it. */
  #ready = false
  #feeling = false
  #heartbeat: NodeJS.Timeout | undefined
  #pause: NodeJS.Timeout | undefined
  /** One connection at a time is made anew, also when it breaks before it has caught up. */
  #resuming = false
  #ended = false
  #failures = 0
  /** Notified and not yet delivered, in order: number and count. */
  #waiting: (readonly [seq: number, count: number])[] = []
  #delivering: Promise<void> | undefined
  /** What was missed comes first: until then notifications wait. */
  #holding = true
  /** Entries that were delivered lately, or are older than the watch, as `seq count`; and the highest number of them. */
  #delivered = new Set<string>()
  #last = 0
  /** Resolves the test of a new connection. */
  #onEcho: ((payload: string) => void) | undefined

  constructor(parts: WatchParts) {
    this.#parts = parts
  }

  async begin(): Promise<boolean> {
    const { lastEntry, entriesSince } = this.#parts
    this.#last = await lastEntry()
    for (const { seq, count } of await entriesSince(this.#last - slack, batchSize))
      this.#delivered.add(`${seq} ${count}`)
    try {
      if (!(await this.#listen())) await this.end()
    } catch (error) {
      await this.end()
      throw error
    }
    this.#release()
    return !this.#ended
  }

  async end(): Promise<void> {
    this.#ended = true
    clearTimeout(this.#pause)
    await this.#drop()
    await this.#delivering
  }

  /** Listens on a new connection, and finds out whether anything arrives on it. */
  async #listen(): Promise<boolean> {
    const { connect, channel } = this.#parts
    const client = await connect()
    if (this.#ended) {
      await hangUp(client)
      return false
    }
    this.#client = client
    client.on('notification', ({ payload = '' }) => this.#hear(payload))
    client.on('end', () => this.#broke(client))
    client.on('error', () => this.#broke(client))
    await client.query(`LISTEN ${channel}`)
    if (!(await this.#hearsItself(client))) return false
    this.#ready = true
    unref(client)
    this.#heartbeat = setInterval(() => this.#feel(client), this.#parts.heartbeatMs).unref()
    return true
  }

  /** From another connection: on its own, a pooler could lend both the same one. */
  async #hearsItself(client: Client): Promise<boolean> {
    const nonce = `test ${globalThis.crypto.randomUUID()}`
    const limitMs = (await isPooled(client)) ? pooledEchoLimitMs : echoLimitMs
    let timer: NodeJS.Timeout | undefined
    const echo = new Promise<boolean>((resolve, reject) => {
      this.#onEcho = (payload) => payload === nonce && resolve(true)
      timer = setTimeout(resolve, limitMs, false)
      client.on('end', () => reject(new Error('The connection that listened ended.')))
    })
    try {
      const [heard] = await Promise.all([echo, this.#parts.tell(nonce)])
      return heard
    } finally {
      clearTimeout(timer)
      this.#onEcho = undefined
    }
  }

  #hear(payload: string): void {
    this.#onEcho?.(payload)
    const [, seq, count = '1'] = /^(\d{1,15})(?: (\d{1,9}))?$/.exec(payload) ?? []
    if (seq === undefined) return
    this.#waiting.push([Number(seq), Number(count)])
    this.#deliverAll()
  }

  #release(): void {
    this.#holding = false
    this.#deliverAll()
  }

  #deliverAll(): void {
    if (this.#holding) return
    this.#delivering ??= this.#deliver().finally(() => {
      this.#delivering = undefined
      if (this.#waiting.length > 0 && !this.#ended) this.#deliverAll()
    })
  }

  async #deliver(): Promise<void> {
    await undefined // What arrives in one go is read in one go.
    while (this.#waiting.length > 0 && !this.#holding && !this.#ended) {
      const batch = this.#waiting.splice(0, batchSize)
      try {
        const entries = await this.#parts.entries([...new Set(batch.map(([seq]) => seq))])
        const bySeq = new Map(entries.map((entry) => [entry.seq, entry]))
        for (const [seq, count] of batch) this.#hearOf(bySeq.get(seq), count)
        await this.#miss(batch.filter(([seq]) => !bySeq.has(seq)))
      } catch {
        this.#broke(this.#client) // The table cannot be read: these are caught up with later.
      }
    }
  }

  /** Anybody on the database may notify: what is told is what the table says, and nothing older than the watch again. */
  #hearOf(entry: HistoryEntry | undefined, count: number): void {
    if (entry === undefined) return
    const isRepeated = entry.type === 'refresh_failed'
    if (!isRepeated && entry.seq <= this.#last - slack) return
    this.#give(entry, isRepeated ? Math.min(count, entry.count) : entry.count)
  }

  /** Entries that are gone, with their user, before they were read; not any number that somebody made up. */
  async #miss(missing: readonly (readonly [seq: number, count: number])[]): Promise<void> {
    if (missing.length === 0) return
    const last = Math.max(this.#last, await this.#parts.lastEntry())
    if (missing.some(([seq]) => seq > 0 && Math.abs(seq - last) < slack)) this.#parts.onGap()
  }

  #give(entry: HistoryEntry | undefined, count: number): void {
    const key = `${entry?.seq} ${count}`
    if (entry === undefined || this.#ended || this.#delivered.has(key)) return
    this.#delivered.add(key)
    if (this.#delivered.size > 4 * slack) this.#delivered = new Set([...this.#delivered].slice(-2 * slack))
    this.#last = Math.max(this.#last, entry.seq)
    this.#parts.listener({ ...entry, count })
  }

  #feel(client: Client): void {
    if (this.#feeling) return
    this.#feeling = true
    client
      .query('SELECT 1')
      .catch(() => this.#broke(client))
      .finally(() => {
        this.#feeling = false
      })
  }

  #broke(client: Client | undefined): void {
    if (client === undefined || this.#client !== client || !this.#ready || this.#ended) return
    this.#holding = true
    void this.#drop()
    this.#parts.onGap()
    if (!this.#resuming) this.#again()
  }

  #again(): void {
    const pauseMs = Math.random() * Math.min(longestPauseMs, 200 * 2 ** this.#failures)
    this.#failures += 1
    this.#pause = setTimeout(() => void this.#resume(), pauseMs).unref()
  }

  async #resume(): Promise<void> {
    this.#resuming = true
    const isBack = await this.#comeBack().catch(() => false)
    if (!isBack) await this.#drop()
    this.#resuming = false
    if (this.#ended) return
    if (!isBack) return this.#again()
    this.#failures = 0
    this.#release()
  }

  async #comeBack(): Promise<boolean> {
    await this.#delivering
    if (!(await this.#listen())) return false
    await this.#catchUp()
    return this.#ready
  }

  /** Delivers what was missed as far as that can be told, and says that something may have been. */
  async #catchUp(): Promise<void> {
    let after = this.#last - slack
    for (let batch = 0; batch < mostBatches && !this.#ended; batch += 1) {
      const missed = await this.#parts.entriesSince(after, batchSize)
      for (const entry of missed) this.#give(entry, entry.count)
      const last = missed.at(-1)
      if (last === undefined || missed.length < batchSize) break
      after = last.seq
    }
    if (!this.#ended) this.#parts.onGap()
  }

  async #drop(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    this.#ready = false
    clearInterval(this.#heartbeat)
    if (client !== undefined) await hangUp(client)
  }
}

/** Whether the other end of a connection is somebody else than the server: it gave itself another process id. */
async function isPooled(client: Client & { processID?: number }): Promise<boolean> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_catalog.pg_backend_pid() AS pid')
  return rows[0]?.pid !== client.processID
}
