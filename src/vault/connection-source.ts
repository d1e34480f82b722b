// A vault connection as a token source: the joint that sessions hang on.
import type { TokenRequest, TokenSet, TokenSource } from '../oauth/index.ts'
import type { TokenCache } from './token-cache.ts'

/** Hands out the tokens of one connection: from memory while they are live, else through the vault. */
export class ConnectionSource implements TokenSource {
  readonly #cache: TokenCache
  readonly #key: string
  readonly #now: () => number
  readonly #admits: (tokens: TokenSet) => boolean
  readonly #read: (request: TokenRequest) => TokenSet | Promise<TokenSet>
  /** The last token set that was found to have the scopes needed. */
  #admitted: TokenSet | undefined

  /** @param admits whether a token set has the scopes needed. @param read asks the vault, which throws what is wrong. */
  constructor(
    cache: TokenCache,
    key: string,
    now: () => number,
    admits: (tokens: TokenSet) => boolean,
    read: (request: TokenRequest) => TokenSet | Promise<TokenSet>,
  ) {
    this.#cache = cache
    this.#key = key
    this.#now = now
    this.#admits = admits
    this.#read = read
  }

  token(request: TokenRequest = {}): TokenSet | Promise<TokenSet> {
    const cached = this.#cache.get(this.#key)
    if (cached !== undefined && this.#suits(cached, request)) return cached
    return this.#read(request)
  }

  #suits(tokens: TokenSet, { rejected, validForSeconds, signal }: TokenRequest): boolean {
    if (signal?.aborted || (rejected !== undefined && rejected === tokens.accessToken)) return false
    if (validForSeconds !== undefined && !tokens.validFor(validForSeconds, this.#now())) return false
    if (tokens !== this.#admitted && !this.#admits(tokens)) return false
    this.#admitted = tokens
    return true
  }
}
