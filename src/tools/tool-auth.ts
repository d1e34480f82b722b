// What a tool says about the authorization it needs.
import { argumentError } from '../errors.ts'

/** One provider that a tool acts at (P73). */
export interface ToolAuth<Id extends string = string> {
  /** Provider id: `'github'`. */
  readonly provider: Id
  /** The scopes that every call needs. Ask for the least that does the job. */
  readonly scopes: readonly string[]
  /** Account label, for a tool that always uses the same one. Default: what the toolbox is bound to. */
  readonly account?: string
  /** Name of a flow in the toolbox's `flows`, for a consent that is not the toolbox's usual one. */
  readonly flow?: string
  /** Base of relative URLs in place of the provider's. The provider's `apiHosts` then no longer apply. */
  readonly apiBaseUrl?: string
  /** Hosts that may receive the token, in place of the provider's. */
  readonly apiHosts?: readonly string[]
}

/** What `auth` takes: one provider, or several. */
export type ToolAuthOption = ToolAuth | readonly ToolAuth[]

/** The provider ids in an `auth` option. */
export type ProvidersOf<Auth> = Auth extends readonly (infer Each)[]
  ? Each extends { provider: infer Id extends string }
    ? Id
    : never
  : Auth extends { provider: infer Id extends string }
    ? Id
    : never

/**
 * The option as a frozen list.
 *
 * @throws {TypeError} `invalid_argument`.
 */
export function normaliseAuth(auth: ToolAuthOption | undefined, tool: string): readonly ToolAuth[] {
  const list =
    auth === undefined ? [] : Array.isArray(auth) ? (auth as readonly ToolAuth[]) : [auth as ToolAuth]
  const ids = new Set<string>()
  for (const each of list) {
    assertAuth(each, tool)
    if (ids.has(each.provider))
      throw argumentError(`The tool "${tool}" names ${each.provider} twice in auth. Join the scopes.`)
    ids.add(each.provider)
  }
  return Object.freeze(
    list.map((each) => Object.freeze({ ...each, scopes: Object.freeze([...new Set(each.scopes)]) })),
  )
}

function assertAuth(auth: ToolAuth, tool: string): void {
  if (typeof auth?.provider !== 'string' || auth.provider === '')
    throw argumentError(
      `The auth of the tool "${tool}" needs a provider id: { provider: 'github', scopes: ['repo'] }.`,
    )
  if (!Array.isArray(auth.scopes) || auth.scopes.some((scope) => typeof scope !== 'string' || scope === ''))
    throw argumentError(
      `The auth of the tool "${tool}" needs scopes, a list of strings ([] when ${auth.provider} has none).`,
    )
}
