// Small questions about JSON values and schema keywords.
import type { SchemaType } from './json-schema.ts'

/** The JSON Schema type of a JSON value; `number` for a fraction, `integer` for a whole number. */
export function typeOfValue(value: unknown): SchemaType {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value === 'string' || typeof value === 'boolean'
    ? (typeof value as 'string' | 'boolean')
    : 'object'
}

/** Whether a `type` keyword (or its absence) admits `type`. */
export function allowsType(given: unknown, type: SchemaType): boolean {
  return given === type || (Array.isArray(given) && given.includes(type))
}

/** Freezes plain JSON all the way down. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const child of Object.values(value)) deepFreeze(child)
  return Object.freeze(value)
}

/** Whether a value is an object that can hold keywords. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
