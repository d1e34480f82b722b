// What a model sends as arguments, made a plain value: JSON text or an object, within limits, copied, and without keys
// that could reach a prototype. Nothing here knows the schema.
import { type InputIssue, quote, ToolInputError } from '../errors.ts'

/** Longest JSON text that is read, in characters. */
const MAX_TEXT = 1_048_576
/** Deepest nesting that is read. */
const MAX_DEPTH = 100
/** Most values, keys and items that are read. */
const MAX_VALUES = 200_000

/** A copy of the input that may be changed, and what had to be left out of it. */
export interface ReadInput {
  value: Record<string, unknown>
  issues: InputIssue[]
}

/**
 * @param what How messages call the receiver: `the tool "list_guilds"`.
 * @throws {ToolInputError} when it is not JSON, not an object, or beyond the limits.
 */
export function readInput(input: unknown, what: string): ReadInput {
  const given = typeof input === 'string' ? parseText(input, what) : (input ?? {})
  if (!isPlain(given))
    throw refused(`The arguments of ${what} must be one JSON object, not ${kindOf(given)}.`)
  const issues: InputIssue[] = []
  const copy = new Copy(what, issues)
  return { value: copy.object(given, [], 0), issues }
}

function parseText(text: string, what: string): unknown {
  if (text.length > MAX_TEXT)
    throw refused(`The arguments of ${what} are longer than ${MAX_TEXT} characters. Send less.`)
  // Some models send nothing at all for a tool without parameters.
  if (text.trim() === '') return {}
  try {
    return JSON.parse(text)
  } catch (cause) {
    const reason = cause instanceof Error ? quote(cause.message) : 'syntax'
    throw refused(`The arguments of ${what} are not valid JSON (${reason}). Send one JSON object.`, cause)
  }
}

function refused(message: string, cause?: unknown): ToolInputError {
  return new ToolInputError(message, [{ path: [], message }], cause === undefined ? {} : { cause })
}

/** One copy under way; counts what it has read. */
class Copy {
  readonly #what: string
  readonly #issues: InputIssue[]
  #left = MAX_VALUES

  constructor(what: string, issues: InputIssue[]) {
    this.#what = what
    this.#issues = issues
  }

  object(value: object, path: readonly (string | number)[], depth: number): Record<string, unknown> {
    const copy: Record<string, unknown> = {}
    for (const [key, member] of Object.entries(value)) {
      if (key === '__proto__') this.#issues.push({ path: [...path, key], message: 'is not an allowed key' })
      else if (member !== undefined) copy[key] = this.#value(member, path, key, depth + 1)
    }
    return copy
  }

  #value(value: unknown, path: readonly (string | number)[], key: string | number, depth: number): unknown {
    this.#left -= 1
    if (this.#left < 0)
      throw refused(`The arguments of ${this.#what} have more than ${MAX_VALUES} values. Send less.`)
    if (typeof value !== 'object' || value === null) return value
    if (depth > MAX_DEPTH)
      throw refused(
        `The arguments of ${this.#what} are nested deeper than ${MAX_DEPTH} levels, or refer to themselves.`,
      )
    const here = [...path, key]
    if (Array.isArray(value)) return value.map((item, index) => this.#value(item, here, index, depth + 1))
    // A Date or another class can only come from a developer's own call; it goes to the schema as it is.
    return isPlain(value) ? this.object(value, here, depth) : value
  }
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'a special object' : `a ${typeof value}`
}
