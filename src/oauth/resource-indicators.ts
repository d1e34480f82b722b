// Which resources a token is for, named in authorization and token requests.
// RFC 8707 section 2.
import { argumentError, quote } from '../errors.ts'
import type { TokenSet } from './token-set.ts'

/**
 * The resources without repetition.
 *
 * @throws {TypeError} `invalid_argument`: each must be an absolute URI without a fragment (RFC 8707 section 2).
 */
export function checkedResources(resources: readonly string[]): string[] {
  for (const resource of resources)
    if (typeof resource !== 'string' || !isAbsolute(resource) || resource.includes('#'))
      throw argumentError(
        `The resource ${quote(String(resource))} must be an absolute URI without a fragment, such as "https://api.acme.example" (RFC 8707 section 2).`,
      )
  return [...new Set(resources)]
}

/** A space in the middle is what a list joined by hand has; a parser would take it into the path. */
function isAbsolute(uri: string): boolean {
  return URL.canParse(uri) && !/\s/.test(uri)
}

/** Where a grant keeps what it was asked for, so that its refreshes ask for the same. */
const member = 'requested_resources'

/** The resources of a grant as a fact of its tokens, under `extra`. */
export function resourceFacts(resources: readonly string[]): Readonly<Record<string, readonly string[]>> {
  return resources.length === 0 ? {} : { [member]: resources }
}

/** The resources that a grant was asked for; `undefined`: it says nothing. */
export function resourcesOf({ extra }: Pick<TokenSet, 'extra'>): readonly string[] | undefined {
  const kept = extra[member]
  const isList = Array.isArray(kept) && kept.every((one) => typeof one === 'string' && isAbsolute(one))
  return isList ? kept : undefined
}

/**
 * Adds `resource` once for each, in place of any that are there.
 *
 * @throws as {@link checkedResources}.
 */
export function withResources(parameters: URLSearchParams, resources: readonly string[]): URLSearchParams {
  if (resources.length === 0) return parameters
  parameters.delete('resource')
  for (const resource of checkedResources(resources)) parameters.append('resource', resource)
  return parameters
}
