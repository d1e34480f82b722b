// The last wall before a model: whatever a tool returns or throws, the tokens used in that call are taken out of it.
import type { TokenSet } from '../oauth/index.ts'

/** What stands where a secret was. */
export const REDACTED = '[redacted]'

/** Shorter strings are no tokens, and replacing them would garble everything. */
const SHORTEST = 5
const MAX_DEPTH = 1000

/**
 * Takes the secrets it has been shown out of texts, values and errors: as they are, percent-encoded, JSON-escaped and
 * in base64, of a longer text too (`user:token`). A secret cut into pieces or transformed in another way is not found.
 */
export class Redactor {
  readonly #needles = new Set<string>()
  #sorted: string[] | undefined

  /** Remembers the tokens of a set. */
  add(tokens: TokenSet): void {
    for (const secret of [tokens.accessToken, tokens.refreshToken, tokens.idToken, tokens.dpopKey?.d])
      if (secret !== undefined) this.addSecret(secret)
  }

  /** Remembers one secret. */
  addSecret(secret: string): void {
    if (secret.length < SHORTEST || this.#needles.has(secret)) return
    for (const form of formsOf(secret)) this.#needles.add(form)
    this.#sorted = undefined
  }

  /** The text without secrets. */
  text(text: string): string {
    let clean = text
    for (const needle of this.#longestFirst())
      if (clean.includes(needle)) clean = clean.replaceAll(needle, REDACTED)
    return clean
  }

  /** The value itself when no secret is in it, else a copy without. Follows lists, plain objects, maps, sets and errors. */
  value<T>(value: T): T {
    if (this.#needles.size === 0 || !this.#isIn(value, new Set(), 0)) return value
    return this.#copy(value, new Map(), 0) as T
  }

  #longestFirst(): readonly string[] {
    this.#sorted ??= [...this.#needles].sort((a, b) => b.length - a.length)
    return this.#sorted
  }

  #isIn(value: unknown, seen: Set<object>, depth: number): boolean {
    if (typeof value === 'string') return this.#longestFirst().some((needle) => value.includes(needle))
    if (typeof value !== 'object' || value === null || seen.has(value)) return false
    if (depth > MAX_DEPTH) return true // not looked at, so not let through
    seen.add(value)
    return partsOf(value).some((part) => this.#isIn(part, seen, depth + 1))
  }

  // A copy is known before its parts are, so that a value that contains itself stays one. What is clean is not copied.
  #copy(value: unknown, copies: Map<object, unknown>, depth: number): unknown {
    if (typeof value === 'string') return this.text(value)
    if (typeof value !== 'object' || value === null) return value
    if (copies.has(value)) return copies.get(value)
    if (!this.#isIn(value, new Set(), depth)) return value
    if (depth > MAX_DEPTH) return REDACTED
    const said = value instanceof Error ? value : written(value)
    if (typeof said === 'string') return this.text(said)
    const part = (member: unknown) => this.#copy(member, copies, depth + 1)
    const copy = emptyLike(value)
    copies.set(value, copy)
    if (Array.isArray(copy)) for (const item of value as unknown[]) copy.push(part(item))
    else if (copy instanceof Map)
      for (const [key, member] of value as Map<unknown, unknown>) copy.set(part(key), part(member))
    else if (copy instanceof Set) for (const member of value as Set<unknown>) copy.add(part(member))
    else
      for (const [key, member, enumerable] of membersOf(value))
        define(copy, this.text(key), part(member), enumerable)
    return copy
  }
}

/** Everything inside a value that {@link Redactor.value} follows, keys included. */
function partsOf(value: object): unknown[] {
  if (Array.isArray(value)) return value
  if (value instanceof Map) return [...value].flat()
  if (value instanceof Set) return [...value]
  return membersOf(value).flat()
}

type Member = [key: string, member: unknown, enumerable: boolean]

// Message, stack and cause of an error end up in logs although they are not enumerable. Bytes are left alone.
function membersOf(value: object): Member[] {
  if (value instanceof Error) {
    const keys = [...new Set([...Object.getOwnPropertyNames(value), 'message', 'name'])]
    return keys.map((key) => [
      key,
      read(value, key),
      Object.getOwnPropertyDescriptor(value, key)?.enumerable ?? false,
    ])
  }
  if (ArrayBuffer.isView(value)) return []
  const source = written(value)
  if (typeof source === 'string') return [[source, undefined, true]]
  return Object.keys(source).map((key) => [key, read(source, key), true])
}

// What JSON would say of an object of some class: another object, or text (a URL).
function written(value: object): object | string {
  const toJSON = value instanceof Date ? undefined : read(value, 'toJSON')
  if (typeof toJSON !== 'function') return value
  try {
    const said: unknown = toJSON.call(value)
    return typeof said === 'object' && said !== null ? said : String(said)
  } catch {
    return ''
  }
}

function emptyLike(value: object): object {
  if (Array.isArray(value)) return []
  if (value instanceof Map) return new Map()
  if (value instanceof Set) return new Set()
  return value instanceof Error ? Object.create(Object.getPrototypeOf(value)) : {}
}

function define(target: object, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(target, key, { value, enumerable, writable: true, configurable: true })
}

function read(value: object, key: string): unknown {
  try {
    return (value as Record<string, unknown>)[key]
  } catch {
    return undefined
  }
}

function formsOf(secret: string): Set<string> {
  const percent = [encodeURIComponent(secret), new URLSearchParams([['', secret]]).toString().slice(1)]
  const json = JSON.stringify(secret).slice(1, -1)
  const base64 = [0, 1, 2].map((before) => base64Within(secret, before))
  return new Set([
    secret,
    ...percent,
    ...percent.map((text) => text.replace(/%../g, (code) => code.toLowerCase())),
    json,
    json.replaceAll('/', '\\/'), // as PHP writes it
    ...base64,
    ...base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
  ])
}

/** The part of base64 that a secret alone decides when `before` bytes (modulo 3) precede it, and any follow. */
function base64Within(secret: string, before: number): string {
  const bytes = new TextEncoder().encode('\0'.repeat(before) + secret)
  const whole = Math.floor((bytes.length * 8) / 6)
  return btoa(String.fromCharCode(...bytes)).slice(Math.ceil((before * 8) / 6), whole)
}
