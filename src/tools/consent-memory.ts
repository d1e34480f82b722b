// What became of consents that are over: refusals to be told once, and scopes that a person left out.
import type { ToolAddress } from './tool-vault.ts'

interface Failure {
  address: ToolAddress
  scopes: readonly string[]
  error: unknown
  at: number
}

interface Declined {
  address: ToolAddress
  scopes: ReadonlySet<string>
}

/** A sign-in that an API wanted, stronger or newer than the one before (RFC 9470 section 3). */
export interface WantedSignIn {
  readonly acrValues?: readonly string[]
  readonly maxAgeSeconds?: number
}

interface SignedIn {
  address: ToolAddress
  wanted: string
  at: number
}

/** After this, in milliseconds, a failure is old news. */
const FAILURE_MS = 600_000
/** Most failures and refusals that are remembered: a server with many people must not grow without end. */
const MAX_REMEMBERED = 10_000
const NONE: ReadonlySet<string> = new Set()
/** Shorter than that, in milliseconds, no API can want a sign-in to be. */
const SHORTEST_AGE_MS = 60_000

/** Remembers for a while, in this process only. */
export class ConsentMemory {
  /** Failures that nobody has been told of. */
  readonly #failures = new Map<string, Failure>()
  readonly #declined = new Map<string, Declined>()
  readonly #signIns = new Map<string, SignedIn>()

  /** A consent ended with an error. */
  failed(address: ToolAddress, scopes: readonly string[], error: unknown): void {
    remember(this.#failures, keyOf(address), { address, scopes, error, at: Date.now() })
  }

  /** Somebody who waited has been told. */
  heard(error: unknown): void {
    for (const [key, failure] of this.#failures) if (failure.error === error) this.#failures.delete(key)
  }

  /** Whether something is to be told to this user's tools. */
  hasFailure(user: string): boolean {
    return (
      this.#failures.size > 0 && [...this.#failures.values()].some(({ address }) => address.user === user)
    )
  }

  /** @throws once, what ended a consent that would have covered these scopes. */
  throwFailureOf(address: ToolAddress, scopes: readonly string[]): void {
    const failure = this.#failures.get(keyOf(address))
    if (failure !== undefined && isWithin(scopes, failure.scopes)) this.#throw(failure)
  }

  /** @throws once, what ended any consent of a user. */
  throwFailure(user: string): void {
    for (const failure of this.#failures.values()) if (failure.address.user === user) this.#throw(failure)
  }

  /** A person signed in as an API had wanted it. */
  signedIn(address: ToolAddress, wanted: WantedSignIn): void {
    remember(this.#signIns, keyOf(address), { address, wanted: signInKey(wanted), at: Date.now() })
  }

  /** Whether a person did so just now: an API that wants the same again would want it for ever. */
  hasJustSignedIn(address: ToolAddress, wanted: WantedSignIn): boolean {
    const last = this.#signIns.get(keyOf(address))
    if (last === undefined || last.wanted !== signInKey(wanted)) return false
    const { maxAgeSeconds } = wanted
    const ageMs = maxAgeSeconds === undefined ? FAILURE_MS : Math.max(maxAgeSeconds * 1000, SHORTEST_AGE_MS)
    return Date.now() - last.at < Math.min(ageMs, FAILURE_MS)
  }

  /** A consent was given, but for these scopes. */
  granted(address: ToolAddress, missing: readonly string[]): void {
    if (missing.length === 0) this.#declined.delete(keyOf(address))
    else remember(this.#declined, keyOf(address), { address, scopes: new Set(missing) })
  }

  /** The scopes that were asked for at this address and not granted; without an account, at the one that there is. */
  declined(address: ToolAddress): ReadonlySet<string> {
    if (this.#declined.size === 0) return NONE
    const exact = this.#declined.get(keyOf(address))
    if (exact !== undefined || address.account !== undefined) return exact?.scopes ?? NONE
    const all = [...this.#declined.values()].filter((each) => isSamePlace(each.address, address))
    return all.length === 1 ? (all[0]?.scopes ?? NONE) : NONE
  }

  /** Forgets what concerns a user, or only one provider of theirs, because somebody asks on purpose. */
  forget(user: string, provider?: string): void {
    const isMeant = (address: ToolAddress) =>
      address.user === user && (provider === undefined || provider === address.provider)
    for (const [key, { address }] of this.#failures) if (isMeant(address)) this.#failures.delete(key)
    for (const [key, { address }] of this.#declined) if (isMeant(address)) this.#declined.delete(key)
    for (const [key, { address }] of this.#signIns) if (isMeant(address)) this.#signIns.delete(key)
  }

  #throw(failure: Failure): void {
    this.#failures.delete(keyOf(failure.address))
    if (Date.now() - failure.at < FAILURE_MS) throw failure.error
  }
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key)
  map.set(key, value)
  const oldest = map.size > MAX_REMEMBERED ? map.keys().next().value : undefined
  if (oldest !== undefined) map.delete(oldest)
}

/** One text for one address; without an account, that of the account that a new connection gets. */
export function keyOf({ user, provider, account }: ToolAddress): string {
  return JSON.stringify([user, provider, account ?? 'default'])
}

/** The same person at the same provider, whichever account. */
export function isSamePlace(one: ToolAddress, other: ToolAddress): boolean {
  return one.user === other.user && one.provider === other.provider
}

/** One text for one wish; the same for none. */
export function signInKey({ acrValues = [], maxAgeSeconds }: WantedSignIn = {}): string {
  return JSON.stringify([acrValues, maxAgeSeconds ?? null])
}

/** Whether all of `scopes` are among `all`. */
export function isWithin(scopes: readonly string[], all: readonly string[]): boolean {
  return scopes.every((scope) => all.includes(scope))
}
