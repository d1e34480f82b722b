// Which resources a token is for, named in authorization and token requests.
// RFC 8707 section 2.
import { argumentError, quote } from '../errors.ts'

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
