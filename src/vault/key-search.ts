// Looking for the keys of a vault in the places that may have them, and saying what was found where.
import { KeyError } from '../errors.ts'
import { Keyring, type SealingKey } from '../seal.ts'
import { isUnavailable, type KeyProvider, type KeyRequest } from './keys.ts'
import type { StoredKey } from './store.ts'

const checkText = 'toolgrant vault'
const checkPlace = JSON.stringify(['key check'])

/** A known text, sealed with a key: see {@link StoredKey.check}. */
export function checkOf(key: SealingKey): Uint8Array {
  return new Keyring(key).seal(checkText, checkPlace)
}

/** Which key is looked for. */
export type WantedKey = Pick<StoredKey, 'id' | 'wrapped' | 'check'>

/** What a place had. */
interface Answer {
  ids: Set<string>
  error?: KeyError
}

/** A walk through the places of keys. Each key is asked for once; a place that cannot be reached is asked no more. */
export class KeySearch {
  readonly #providers: readonly KeyProvider[]
  readonly #request: KeyRequest
  readonly #found = new Map<string, { key: SealingKey; provider: KeyProvider }>()
  readonly #answers = new Map<KeyProvider, Answer>()

  /** @param request what every place is told besides the key. */
  constructor(providers: readonly KeyProvider[], request: Pick<KeyRequest, 'vaultId' | 'signal'> = {}) {
    this.#providers = providers
    this.#request = request
  }

  /** Every key that turned up, by id: also those that nobody asked for. */
  get keys(): ReadonlyMap<string, SealingKey> {
    return new Map([...this.#found].map(([id, { key }]) => [id, key]))
  }

  /** Where a key turned up. */
  providerOf(keyId: string): KeyProvider | undefined {
    return this.#found.get(keyId)?.provider
  }

  /** Looks for a key; `undefined`: it is nowhere. */
  async find(wanted: WantedKey): Promise<SealingKey | undefined> {
    // The last place, a file, costs least to look at; what is wrapped is for the first, a service, to unwrap.
    const places = wanted.wrapped === null ? this.#providers.toReversed() : this.#providers
    for (const provider of places) {
      if (this.#found.has(wanted.id)) break
      if (!isUnavailable(this.#answers.get(provider)?.error)) await this.#look(provider, wanted)
    }
    return this.#found.get(wanted.id)?.key
  }

  /** What was found where, in words: `TOOLGRANT_KEY: the key 0a1b…; the system's keychain: no key`. */
  get account(): string {
    return [...this.#answers].map(([{ place }, answer]) => `${place}: ${inWords(answer)}`).join('; ')
  }

  /** Why a key was not found: the first trouble that a place had; else `key_wrong` or `key_missing`. */
  get failure(): { code: KeyError['code']; cause: KeyError | undefined } {
    const answers = [...this.#answers.values()]
    const cause = answers.find(({ error }) => error !== undefined)?.error
    const others = answers.some(({ ids }) => ids.size > 0)
    return { code: cause?.code ?? (others ? 'key_wrong' : 'key_missing'), cause }
  }

  async #look(provider: KeyProvider, { id, wrapped, check }: WantedKey): Promise<void> {
    const answer: Answer = this.#answers.get(provider) ?? { ids: new Set() }
    this.#answers.set(provider, answer)
    try {
      const request = { ...this.#request, keyId: id, wrapped: wrapped ?? undefined }
      for (const key of await provider.load(request)) {
        answer.ids.add(key.id)
        if (key.id === id) prove(key, check)
        if (!this.#found.has(key.id)) this.#found.set(key.id, { key, provider })
      }
    } catch (error) {
      if (!(error instanceof KeyError)) throw error
      answer.error = error
    }
  }
}

/** An id is 64 bits of a hash; this tells the key itself. A key of an older version's vault may have no check text. */
function prove(key: SealingKey, check: Uint8Array): void {
  if (check.byteLength > 0) new Keyring(key).open(check, checkPlace)
}

function inWords({ ids, error }: Answer): string {
  const found = ids.size === 0 ? 'no key' : `the key ${[...ids].join(', ')}`
  return error === undefined ? found : error.message.replace(/\.$/, '')
}
