// Randomness of the simulation: streams that a seed and a name determine, so that one concern that draws more numbers
// does not change what another one draws. The generator is sfc32; the seeding xmur3 (both public domain).

/** A stream of random numbers. */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** @param name two streams of one seed with different names have nothing in common. */
  constructor(seed: number, name: string) {
    const mix = mixer(`${seed}:${name}`)
    this.#a = mix()
    this.#b = mix()
    this.#c = mix()
    for (let skipped = 0; skipped < 12; skipped += 1) this.next()
  }

  /** 0 to 1, without 1. */
  readonly next = (): number => {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    this.#c |= 0
    return (sum >>> 0) / 4_294_967_296
  }

  /** 0 to `limit`, without `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1)
  }

  /** Small numbers as often as large ones: what latencies and pauses look like. */
  spread(least: number, most: number): number {
    return Math.round(least * (most / least) ** this.next())
  }

  /** `true` so often. */
  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** One of the list. */
  pick<T>(list: readonly T[]): T {
    const found = list[this.below(list.length)]
    if (found === undefined) throw new Error('Nothing to pick from.')
    return found
  }

  /** One of the names, each so often as its weight says. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const entries = Object.entries<number>(weights) as [Name, number][]
    let left = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [name, weight] of entries) {
      left -= weight
      if (left < 0) return name
    }
    throw new Error('Nothing to pick from.')
  }

  /** An identifier of the shape of a UUID. */
  uuid(): string {
    const hex = () => this.below(65_536).toString(16).padStart(4, '0')
    return `${hex()}${hex()}-${hex()}-4${hex().slice(1)}-8${hex().slice(1)}-${hex()}${hex()}${hex()}`
  }
}

function mixer(text: string): () => number {
  let hash = 1_779_033_703 ^ text.length
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 3_432_918_353)
    hash = (hash << 13) | (hash >>> 19)
  }
  return () => {
    hash = Math.imul(hash ^ (hash >>> 16), 2_246_822_507)
    hash = Math.imul(hash ^ (hash >>> 13), 3_266_489_909)
    hash ^= hash >>> 16
    return hash >>> 0
  }
}
