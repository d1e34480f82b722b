// The keys that an issuer signs with: fetched, kept, and fetched again when it changes them.
// RFC 7517 section 5; OpenID Connect Core section 10.1.1 (rotation of signing keys).
import type * as jose from 'jose'
import { InvalidResponseError, quote } from '../errors.ts'
import { isObject, parseBody } from './answer-body.ts'
import { ownerOf } from './fetch-owner.ts'
import type { RequestOptions } from './request-options.ts'
import { retryAfter } from './response-reader.ts'
import { exchange } from './transport.ts'
import { waitFor } from './wait.ts'

type Library = typeof jose

/** How long keys are used without asking again. */
const freshMs = 10 * 60_000

/** For how long keys are good while the issuer cannot be asked. */
const staleMs = 24 * 60 * 60_000

/** How often keys are asked for again because they did not fit. */
const cooldownMs = 30_000

/** Key sets kept for one `fetch`, and keys used of one set: a set beyond that is an attack or a mistake. */
const cacheLimit = 100
const keyLimit = 500

/** An issuer's keys as they were at one moment. */
export interface KeySet {
  /** Finds the key for a header, as the library asks for it; several fitting keys are an error that lists them. */
  find: jose.CompactVerifyGetKey
  /** Milliseconds since 1970. */
  fetchedAt: number
}

/** Where keys are. */
export interface KeySource {
  /** A provider id, for messages. */
  who: string
  /** The issuer's `jwks_uri`. */
  url: string
}

interface Entry {
  keys?: KeySet
  /** When they were last asked for, in milliseconds since 1970. */
  askedAt: number
  pending?: Promise<KeySet>
}

/** One cache per `fetch`: what one proxy says about an issuer is nothing to another. */
const caches = new WeakMap<typeof fetch, Map<string, Entry>>()

/** Loads the JOSE library at first use. */
export function joseLibrary(): Promise<Library> {
  return import('jose')
}

/**
 * The keys of an issuer: those at hand for ten minutes, then asked for again by one request that all callers share.
 * While the issuer cannot be asked, older ones are used, for a day.
 *
 * @param misfit keys that did not fit: newer ones are asked for, at most every `patienceMs` (default 30 000).
 * @throws {NetworkError} {@link TimeoutError} {@link InvalidResponseError}: there are none at hand.
 */
export async function issuerKeys(
  source: KeySource,
  options: RequestOptions,
  misfit?: KeySet,
  patienceMs: number = cooldownMs,
): Promise<KeySet> {
  const entry = entryOf(source.url, options)
  const now = (options.now ?? Date.now)()
  const { keys } = entry
  const usable = keys !== undefined && now - keys.fetchedAt < staleMs ? keys : undefined
  const patience = usable !== undefined && usable === misfit ? patienceMs : cooldownMs
  const due = usable === misfit || now - (usable?.fetchedAt ?? 0) >= freshMs
  if (usable !== undefined && (!due || (entry.pending === undefined && now - entry.askedAt < patience)))
    return usable
  const asked = ask(entry, source, options, now)
  if (usable === undefined) return waitFor(asked, options.signal)
  return waitFor(
    asked.catch(() => usable),
    options.signal,
  )
}

/** The keys of an issuer as far as they are at hand; asks nobody. */
export function keysAtHand(
  { url }: Pick<KeySource, 'url'>,
  options: Pick<RequestOptions, 'fetch' | 'now'>,
): KeySet | undefined {
  const keys = caches.get(ownerOf(options.fetch))?.get(url)?.keys
  return keys !== undefined && (options.now ?? Date.now)() - keys.fetchedAt < staleMs ? keys : undefined
}

function entryOf(url: string, options: RequestOptions): Entry {
  const send = ownerOf(options.fetch)
  const cache = caches.get(send) ?? new Map<string, Entry>()
  caches.set(send, cache)
  const entry = cache.get(url) ?? { askedAt: 0 }
  if (cache.size >= cacheLimit && !cache.has(url)) cache.clear()
  cache.set(url, entry)
  return entry
}

/** One request for all who wait; one caller's abort is not another's. */
function ask(entry: Entry, source: KeySource, options: RequestOptions, now: number): Promise<KeySet> {
  if (entry.pending !== undefined) return entry.pending
  entry.askedAt = now
  entry.pending = fetchKeys(source, { ...options, signal: undefined }, now)
    .then((keys) => {
      entry.keys = keys
      return keys
    })
    .finally(() => {
      delete entry.pending
    })
  return entry.pending
}

async function fetchKeys({ who, url }: KeySource, options: RequestOptions, now: number): Promise<KeySet> {
  const headers = { accept: 'application/jwk-set+json, application/json' }
  const answer = await exchange({ who, what: 'JWKS', url, method: 'GET', headers }, options)
  const keys = parseBody(answer.text)?.['keys']
  if (answer.status === 200 && Array.isArray(keys)) return keySet(await joseLibrary(), keys, now)
  const retryAfterSeconds = retryAfter(answer.headers, now)
  throw new InvalidResponseError(
    'response_not_oauth',
    `${quote(url)} answers HTTP ${answer.status}, without the keys of ${who} (JWKS). Check the jwksUrl, or try again later.`,
    { status: answer.status, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) },
  )
}

function keySet(library: Library, found: readonly unknown[], now: number): KeySet {
  const keys = found.filter(isPublicKey).slice(0, keyLimit)
  const find = library.createLocalJWKSet({ keys })
  const unnamed = keys.filter(({ kid }) => kid === undefined)
  const findUnnamed = library.createLocalJWKSet({ keys: unnamed })
  return {
    fetchedAt: now,
    find: async ({ alg = '', kid }, token) => {
      try {
        return await find({ alg, ...(kid === undefined ? {} : { kid }) }, token)
      } catch (error) {
        // A server that names the key in its JWTs, and not in its key set.
        if (kid === undefined || !(error instanceof library.errors.JWKSNoMatchingKey)) throw error
        return findUnnamed({ alg }, token)
      }
    },
  }
}

/** Symmetric keys are never taken from a public document (key confusion, RFC 8725 section 3.1). */
function isPublicKey(key: unknown): key is jose.JWK {
  return isObject(key) && ['RSA', 'EC', 'OKP', 'AKP'].includes(String(key['kty']))
}
