// Token sets sealed for one row: the associated data is the row's whole address and its generation, so that a
// sealed blob copied to another user, tenant, account, connection or generation does not open.
import { KeyError } from '../errors.ts'
import { TokenSet } from '../oauth/index.ts'
import type { Keyring } from '../seal.ts'
import { DueTime, type DueTimeOptions, type GrantLife } from './due-time.ts'
import { CurrentKeyring } from './key-ring.ts'
import { OpenedTokens } from './opened-tokens.ts'
import type { Awaitable, Grant, RowAddress, TokenRow } from './store.ts'

/** The row that a token set belongs to. */
export interface TokenPlace extends RowAddress {
  id: string
  generation: number
}

/** Seals token sets for their rows and opens them again. */
export class SealedTokens {
  readonly #keys: CurrentKeyring
  readonly #due: DueTime
  readonly #opened: OpenedTokens

  /**
   * @param earlySeconds how long before its end a token is due for renewal, at most.
   * @param cacheSize how many opened token sets are remembered, about; 0 remembers none.
   */
  constructor(
    keys: Keyring | CurrentKeyring,
    earlySeconds: number,
    cacheSize = 0,
    due: Omit<DueTimeOptions, 'earlySeconds'> = {},
  ) {
    this.#keys = keys instanceof CurrentKeyring ? keys : new CurrentKeyring(keys)
    this.#due = new DueTime({ ...due, earlySeconds })
    this.#opened = new OpenedTokens(cacheSize)
  }

  /**
   * Does what opens rows: a second time when a row needs a key that another process brought since. Read the rows within
   * `operation`. Stays synchronous where it is.
   */
  reading<T>(operation: () => Awaitable<T>): Awaitable<T> {
    return this.#keys.with(operation)
  }

  /** Does what seals and writes: a second time when the key was retired since. Seal within `operation`. */
  writing<T>(operation: () => Awaitable<T>): Promise<T> {
    return this.#keys.write(operation)
  }

  /** What a row keeps of a token set. @param life default: consented to and asked for when the tokens arrived. */
  seal(place: TokenPlace, tokens: TokenSet, life?: GrantLife): Grant {
    const receivedAt = tokens.receivedAt.getTime()
    const lived = life ?? { provider: undefined, usedAt: receivedAt, grantedAt: receivedAt }
    const keyring = this.#keys.current
    return {
      scopes: JSON.stringify(tokens.scopes),
      expiresAt: tokens.expiresAt === null ? null : tokens.expiresAt.getTime(),
      receivedAt,
      refreshDueAt: this.#due.forReaders(tokens),
      dueAt: this.#due.forScheduler(tokens, lived),
      keyId: keyring.primary.id,
      sealed: keyring.seal(tokens.serialize(), tokenPlace(place)),
    }
  }

  /**
   * The token set of a row.
   *
   * @throws {KeyError} `sealed_data_invalid` when the row was altered or its blob belongs elsewhere; `key_wrong`.
   */
  open(row: TokenRow): TokenSet {
    const place = tokenPlace(row)
    const known = this.#opened.get(row, place)
    if (known !== undefined) return known
    try {
      const tokens = TokenSet.parse(this.#keys.current.open(row.sealed, place))
      this.#opened.add(row, place, tokens)
      return tokens
    } catch (error) {
      if (!(error instanceof KeyError)) throw error
      const message = `The tokens of the connection ${row.id} (${row.provider}) cannot be opened. ${error.message}`
      throw new KeyError(error.code, message, { cause: error })
    }
  }

  /** Drops what was opened for a row from memory. */
  forget(id: string): void {
    this.#opened.forget(id)
  }

  /** Drops everything that was opened from memory. */
  forgetAll(): void {
    this.#opened.clear()
  }

  /** When a token set is due for renewal; `undefined` when it never is. */
  dueAt(tokens: TokenSet): number | undefined {
    return this.#due.forReaders(tokens) ?? undefined
  }
}

/** Where the tokens of a row belong: what their envelope is bound to. */
export function tokenPlace(place: TokenPlace): string {
  const { tenant, id, user, provider, account, generation } = place
  return JSON.stringify(['tokens', tenant, id, user, provider, account, generation])
}
