// Members of an answer by any spelling of their names: `access_token`, `accessToken`, `Access-Token`.
// RFC 6749 section 5.1 writes snake_case; plentymarkets, DingTalk, OWIN and others do not (R18).
import type { JsonObject } from './json-object.ts'

/** A member, and the name that it has in the answer. */
export interface Found {
  name: string
  value: unknown
}

/** A name without case, joints and decoration (`$message`, `.expires`), to compare by. */
export function squashed(name: string): string {
  return /^[a-z\d]*$/.test(name) ? name : name.replace(/[^\p{L}\p{N}]/gu, '').toLowerCase()
}

/** Whether a member says anything. */
export function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null && value !== ''
}

/** Names of an object by their squashed form, made once for each object: an answer is asked for some fifty names. */
const spellings = new WeakMap<JsonObject, Map<string, string[]>>()

/** Squashed name -> the names that squash to it. */
export function spellingsOf(object: JsonObject): ReadonlyMap<string, readonly string[]> {
  const known = spellings.get(object)
  if (known !== undefined) return known
  const made = new Map<string, string[]>()
  for (const name of Object.keys(object)) {
    const plain = squashed(name)
    const others = made.get(plain)
    if (others === undefined) made.set(plain, [name])
    else others.push(name)
  }
  spellings.set(object, made)
  return made
}

/**
 * A member by its name, else by another spelling of it. One that says something goes before an empty one; `null` is
 * none. Own members only.
 */
export function findMember(object: JsonObject, name: string): Found | undefined {
  const exact = Object.hasOwn(object, name) ? object[name] : undefined
  if (isPresent(exact)) return { name, value: exact }
  for (const other of spellingsOf(object).get(squashed(name)) ?? [])
    if (isPresent(object[other])) return { name: other, value: object[other] }
  return exact === undefined || exact === null ? undefined : { name, value: exact }
}

/** The value of a member by any spelling of its name. */
export function memberValue(object: JsonObject, name: string): unknown {
  return findMember(object, name)?.value
}
