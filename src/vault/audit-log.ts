// The audit log of an open vault: entries go in through the writer, lines come out of the store.
import { argumentError } from '../errors.ts'
import {
  type AuditEntry,
  type AuditFilter,
  type AuditHead,
  type AuditLevel,
  type AuditLog,
  type AuditRecord,
  type AuditVerdict,
  isWanted,
  type RecentOptions,
  type VerifyOptions,
} from './audit.ts'
import { AuditChain, existingChain, randomKey } from './audit-chain.ts'
import { auditLines, recentAuditLines } from './audit-listing.ts'
import { verifyAudit } from './audit-verification.ts'
import { AuditWriter, type AuditWriterParts } from './audit-writer.ts'
import type { VaultOptions } from './options.ts'
import { idle, pause } from './pause.ts'

/** What a {@link StoredAuditLog} works with. */
export interface AuditLogParts extends Omit<AuditWriterParts, 'idle' | 'pause'> {
  level: AuditLevel
  /** As in the options of the vault. Default: timers. */
  sleep?: AuditWriterParts['idle'] | undefined
}

/** {@link AuditLog} over a store. */
export class StoredAuditLog implements AuditLog {
  readonly level: AuditLevel
  readonly #parts: AuditLogParts
  readonly #writer: AuditWriter
  #closed = false

  constructor(parts: AuditLogParts) {
    this.#parts = parts
    this.level = parts.level
    const { sleep } = parts
    this.#writer = new AuditWriter({
      ...parts,
      idle: sleep ?? idle,
      pause: (ms) => (sleep ?? pause)(ms, new AbortController().signal),
    })
  }

  record(entry: AuditEntry): void {
    if (!this.#closed && isWanted(this.level, entry.action)) this.#writer.add(entry)
  }

  async flush(): Promise<void> {
    await this.#writer.flush()
  }

  async recent(options: RecentOptions = {}): Promise<AuditRecord[]> {
    const { limit } = options
    if (limit !== undefined && !(Number.isInteger(limit) && limit > 0))
      throw argumentError('vault.audit.recent: limit must be a whole number above 0.')
    await this.flush()
    return recentAuditLines(this.#parts.store, this.#parts.tenant, options)
  }

  async *lines(filter: AuditFilter = {}): AsyncGenerator<AuditRecord> {
    await this.flush()
    yield* auditLines(this.#parts.store, this.#parts.tenant, filter)
  }

  async head(): Promise<AuditHead> {
    await this.flush()
    const { store, tenant } = this.#parts
    const head = await store.auditHead(tenant)
    return head === undefined
      ? { seq: 0, hash: '' }
      : { seq: head.seq, hash: Buffer.from(head.hash).toString('hex') }
  }

  async verify(options: VerifyOptions = {}): Promise<AuditVerdict> {
    await this.flush()
    const { store, keyring, tenant } = this.#parts
    // Lines without the key they were made with are nobody's: no key finds all of them altered.
    const chain = (await existingChain(store, keyring, tenant)) ?? new AuditChain(randomKey(), tenant)
    return verifyAudit(store, tenant, chain, options)
  }

  /**
   * Runs a change and writes down how it went before anybody hears of it.
   *
   * @param tell what else there is to say when it went well.
   */
  async change<T>(
    entry: Omit<AuditEntry, 'outcome' | 'ms'>,
    run: () => Promise<T>,
    tell: (result: T) => Partial<AuditEntry> = () => ({}),
  ): Promise<T> {
    const begun = performance.now()
    const ended = (rest: Partial<AuditEntry>) =>
      this.record({ outcome: 'ok', ...entry, ...rest, ms: performance.now() - begun })
    try {
      const result = await run()
      ended(tell(result))
      return result
    } catch (error) {
      ended({ outcome: codeOf(error) })
      throw error
    } finally {
      await this.flush()
    }
  }

  /** Writes what waits; from then on nothing is recorded. What cannot be written is said in a warning of the process. */
  async close(): Promise<void> {
    this.#closed = true
    const lost = await this.#writer.close()
    if (lost > 0)
      globalThis.process?.emitWarning?.(
        `${lost} lines of the audit log could not be written before the vault was closed.`,
        'ToolgrantWarning',
      )
  }
}

/** The audit log of a vault with these options. */
export function auditLogOf(
  parts: Pick<AuditLogParts, 'store' | 'keyring' | 'tenant'>,
  options: Pick<VaultOptions, 'audit' | 'actor' | 'random' | 'sleep'>,
): StoredAuditLog {
  const { audit: level = 'all', actor = 'library', random = Math.random, sleep } = options
  return new StoredAuditLog({ ...parts, level, actor, random, sleep })
}

/** An error in one word. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' && /^\w{1,60}$/.test(code) ? code : 'failed'
}
