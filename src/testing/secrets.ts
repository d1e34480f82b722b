// Every secret that the simulated server makes: a canary with a recognisable beginning, remembered for the search.
import { createHmac, randomBytes } from 'node:crypto'

/** What a made-up value is. The client id is not secret. */
export type SecretKind = 'access' | 'refresh' | 'code' | 'secret' | 'client' | 'ticket' | 'device'

/** Makes secrets and remembers them. */
export class Secrets {
  readonly #seed: string | undefined
  readonly #issued: string[] = []
  #count = 0

  constructor(seed?: string) {
    this.#seed = seed
  }

  /** A new value: `canary_<kind>_<43 characters>` (a client id: `client_…`), the same in each run with a seed. */
  make(kind: SecretKind): string {
    this.#count += 1
    const random =
      this.#seed === undefined
        ? randomBytes(32)
        : createHmac('sha256', this.#seed).update(`${kind} ${this.#count}`).digest()
    const value = `${kind}_${random.toString('base64url')}`
    return kind === 'client' ? value : this.remember(`canary_${value}`)
  }

  /** Remembers a secret that was made elsewhere: an id_token, a registered client's secret. */
  remember(secret: string): string {
    this.#issued.push(secret)
    return secret
  }

  /** Everything made or remembered so far. */
  issued(): string[] {
    return [...this.#issued]
  }
}
