// Token sets sealed for one row: the associated data is the row's whole address and its generation, so that a
// sealed blob copied to another user, tenant, account, connection or generation does not open.
import { KeyError } from '../errors.ts'
import { TokenSet } from '../oauth/index.ts'
import type { Keyring } from '../seal.ts'
import type { Grant, RowAddress, TokenRow } from './store.ts'

/** The row that a token set belongs to. */
export interface TokenPlace extends RowAddress {
  id: string
  generation: number
}

/** Seals token sets for their rows and opens them again. */
export class SealedTokens {
  readonly #keyring: Keyring
  readonly #earlyMs: number

  /** @param earlySeconds how long before its end a token is due for renewal, at most. */
  constructor(keyring: Keyring, earlySeconds: number) {
    this.#keyring = keyring
    this.#earlyMs = earlySeconds * 1000
  }

  /** What a row keeps of a token set. */
  seal(place: TokenPlace, tokens: TokenSet): Grant {
    return {
      scopes: JSON.stringify(tokens.scopes),
      expiresAt: tokens.expiresAt === null ? null : tokens.expiresAt.getTime(),
      receivedAt: tokens.receivedAt.getTime(),
      refreshDueAt: refreshDueAt(tokens, this.#earlyMs),
      sealed: this.#keyring.seal(tokens.serialize(), associatedData(place)),
    }
  }

  /**
   * The token set of a row.
   *
   * @throws {KeyError} `sealed_data_invalid` when the row was altered or its blob belongs elsewhere; `key_wrong`.
   */
  open(row: TokenRow): TokenSet {
    try {
      return TokenSet.parse(this.#keyring.open(row.sealed, associatedData(row)))
    } catch (error) {
      if (!(error instanceof KeyError)) throw error
      const message = `The tokens of the connection ${row.id} (${row.provider}) cannot be opened. ${error.message}`
      throw new KeyError(error.code, message, { cause: error })
    }
  }

  /** When a token set is due for renewal; `undefined` when it never is. */
  dueAt(tokens: TokenSet): number | undefined {
    return refreshDueAt(tokens, this.#earlyMs) ?? undefined
  }
}

function associatedData(place: TokenPlace): string {
  const { tenant, id, user, provider, account, generation } = place
  return JSON.stringify(['tokens', tenant, id, user, provider, account, generation])
}

/** The early window is the last fifth of the lifetime, or `earlyMs` if that is less. */
function refreshDueAt({ expiresAt, receivedAt, refreshToken }: TokenSet, earlyMs: number): number | null {
  if (expiresAt === null || refreshToken === undefined) return null
  const end = expiresAt.getTime()
  const lifetime = Math.max(0, end - receivedAt.getTime())
  return Math.floor(end - Math.min(earlyMs, lifetime / 5))
}
