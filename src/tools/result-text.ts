// A tool's result as text for a model: always JSON or plain text, never longer than the limit, whatever the tool returned.

/** Most characters of one result that a model is given, unless the toolbox says otherwise. */
export const defaultMaxResultCharacters = 100_000

const MAX_DEPTH = 50

/** What {@link resultText} makes. */
export interface ResultText {
  text: string
  /** `true`: the text is cut, and says so at its end. */
  truncated: boolean
}

/** The result as a model reads it: a string as it is, everything else as JSON. */
export function resultText(result: unknown, maxCharacters = defaultMaxResultCharacters): ResultText {
  if (typeof result === 'string') return limited(result, result.length, maxCharacters)
  const plain = plainJson(result, maxCharacters)
  const text = JSON.stringify(plain.value) ?? 'null'
  if (!plain.cut && text.length <= maxCharacters) return { text, truncated: false }
  return limited(text, text.length, maxCharacters, plain.cut)
}

function limited(text: string, length: number, max: number, cut = false): ResultText {
  if (length <= max && !cut) return { text, truncated: false }
  const shown = sliceWhole(text, max)
  const of = cut ? '' : ` of ${length}`
  return { text: `${shown}… [cut: the first ${shown.length}${of} characters of the result]`, truncated: true }
}

// Never half of a surrogate pair.
function sliceWhole(text: string, end: number): string {
  const last = text.charCodeAt(end - 1)
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? end - 1 : end)
}

/** A value made JSON: what JSON has no word for is described, and reading stops once the limit is passed. */
export function plainJson(
  value: unknown,
  maxCharacters = defaultMaxResultCharacters,
): { value: unknown; cut: boolean } {
  const reading = new Reading(maxCharacters)
  return { value: reading.value(value, 0), cut: reading.isOver }
}

class Reading {
  #left: number
  readonly #parents = new Set<object>()

  constructor(maxCharacters: number) {
    this.#left = maxCharacters
  }

  get isOver(): boolean {
    return this.#left < 0
  }

  value(value: unknown, depth: number): unknown {
    this.#left -= 1
    if (value === null || value === undefined) return null
    switch (typeof value) {
      case 'string':
        return this.#text(value)
      case 'number':
        return Number.isFinite(value) ? value : null
      case 'boolean':
        return value
      case 'bigint':
        return this.#text(value.toString())
      case 'object':
        return this.#object(value, depth)
      default:
        return null
    }
  }

  // A little more than the limit is kept, so that the cut shows.
  #text(text: string): string {
    const kept = text.length > this.#left + 1 ? sliceWhole(text, Math.max(this.#left + 1, 0)) : text
    this.#left -= text.length
    return kept
  }

  #object(value: object, depth: number): unknown {
    if (this.#parents.has(value)) return '[circular]'
    if (depth > MAX_DEPTH) return '[nested too deep]'
    this.#parents.add(value)
    try {
      return this.#inside(value, depth + 1)
    } catch {
      return '[unreadable]'
    } finally {
      this.#parents.delete(value)
    }
  }

  #inside(value: object, depth: number): unknown {
    const described = describeSpecial(value)
    if (described !== undefined) return described
    if (typeof (value as { toJSON?: unknown }).toJSON === 'function')
      return this.value((value as { toJSON(): unknown }).toJSON(), depth)
    if (value instanceof Error) return this.value({ name: value.name, message: value.message }, depth)
    if (Array.isArray(value) || value instanceof Set) return this.#list(value, depth)
    return this.#record(value instanceof Map ? value : Object.entries(value), depth)
  }

  #list(items: Iterable<unknown>, depth: number): unknown[] {
    const list: unknown[] = []
    for (const item of items) {
      if (this.isOver) break
      list.push(this.value(item, depth))
    }
    return list
  }

  #record(entries: Iterable<readonly [unknown, unknown]>, depth: number): Record<string, unknown> {
    const record: Record<string, unknown> = Object.create(null)
    for (const [key, member] of entries) {
      if (this.isOver) break
      if (member === undefined || typeof member === 'function' || typeof member === 'symbol') continue
      const name = this.#text(String(key))
      record[name] = this.value(member, depth)
    }
    return record
  }
}

/** What a model can do nothing with, in words. */
function describeSpecial(value: object): string | undefined {
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value))
    return `[binary data, ${value.byteLength} bytes]`
  if (typeof Blob !== 'undefined' && value instanceof Blob) return `[binary data, ${value.size} bytes]`
  if (value instanceof Response)
    return `[an HTTP response, status ${value.status}; the tool should return its content]`
  if (value instanceof ReadableStream) return '[a stream; the tool should return its content]'
  if (value instanceof Promise) return '[a promise; the tool should await it]'
  return undefined
}
