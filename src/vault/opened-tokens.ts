// Token sets that were opened before, so that an unchanged row is not opened again.
// Found by the random nonce of their envelope (NIST SP 800-38D section 8.2.2), which no two envelopes share.
import type { TokenSet } from '../oauth/index.ts'
import type { TokenRow } from './store.ts'

interface Opened {
  id: string
  sealed: Uint8Array
  place: string
  tokens: TokenSet
}

/** So many that fall on the same place in the table are kept. */
const ways = 4
const largestSize = 2 ** 20
/** Where the nonce is in an envelope. */
const nonceStart = 9

/**
 * A table of fixed size. A token set is given out only for a row whose sealed bytes and address are the very same, so
 * it is what opening would yield. A row is remembered from its second opening on: a walk over many rows costs no
 * memory, and drops nothing.
 */
export class OpenedTokens {
  readonly #opened: (Opened | undefined)[]
  /** Marks of what was opened once. */
  readonly #once: Uint32Array
  readonly #slots = new Map<string, number>()
  #turn = 0

  /** @param size how many are remembered, about: at most twice as many. 0: none. */
  constructor(size: number) {
    const sets = Math.ceil((2 * Math.min(size, largestSize)) / ways)
    this.#opened = new Array(sets * ways).fill(undefined)
    this.#once = new Uint32Array(2 * this.#opened.length)
  }

  /** What opening this row yielded before. */
  get({ sealed }: TokenRow, place: string): TokenSet | undefined {
    const start = this.#startOf(markOf(sealed))
    for (let way = 0; way < ways; way += 1) {
      const opened = this.#opened[start + way]
      if (opened !== undefined && opened.place === place && sameBytes(opened.sealed, sealed))
        return opened.tokens
    }
    return undefined
  }

  /** Remembers it, if it is opened for the second time. */
  add({ id, sealed }: TokenRow, place: string, tokens: TokenSet): void {
    if (this.#opened.length === 0) return
    const mark = markOf(sealed)
    const at = mark % this.#once.length
    if (this.#once[at] !== mark) {
      this.#once[at] = mark
      return
    }
    this.forget(id)
    const slot = this.#slotFor(this.#startOf(mark))
    this.#opened[slot] = { id, sealed, place, tokens }
    this.#slots.set(id, slot)
  }

  /** Drops what was opened for a row from memory. */
  forget(id: string): void {
    const slot = this.#slots.get(id)
    if (slot === undefined) return
    this.#opened[slot] = undefined
    this.#slots.delete(id)
  }

  /** Drops everything from memory. */
  clear(): void {
    this.#opened.fill(undefined)
    this.#once.fill(0)
    this.#slots.clear()
  }

  /** An empty slot of a set, or the one whose turn it is. */
  #slotFor(start: number): number {
    for (let way = 0; way < ways; way += 1) if (this.#opened[start + way] === undefined) return start + way
    this.#turn = (this.#turn + 1) % ways
    const slot = start + this.#turn
    const dropped = this.#opened[slot]
    if (dropped !== undefined) this.#slots.delete(dropped.id)
    return slot
  }

  #startOf(mark: number): number {
    return (mark % (this.#opened.length / ways)) * ways
  }
}

/** Four bytes of the nonce. */
function markOf(sealed: Uint8Array): number {
  let mark = 0
  for (let at = nonceStart; at < nonceStart + 4; at += 1) mark = (mark << 8) | (sealed[at] ?? 0)
  return mark >>> 0
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0
}
