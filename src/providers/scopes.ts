// Scope lists to and from the text that travels: RFC 6749 section 3.3, with the provider's own separator.
import { argumentError } from '../errors.ts'
import type { Provider } from './provider.ts'

/** What {@link joinScopes} and {@link splitScopes} read of a provider. */
export type ScopeRules = Pick<Provider, 'scopeSeparator'>

/**
 * Joins scopes with the provider's separator (default: one space), without doubles and not yet percent-encoded.
 * A string is taken as a list already joined, by whatever {@link splitScopes} understands.
 *
 * @throws {TypeError} `invalid_argument` for a scope that is empty or holds a space, a control character or the separator.
 */
export function joinScopes(provider: ScopeRules, scopes: string | readonly string[]): string {
  const separator = provider.scopeSeparator ?? ' '
  const list = typeof scopes === 'string' ? splitScopes(provider, scopes) : [...new Set(scopes)]
  for (const scope of list) checkScope(scope, separator)
  return list.join(separator)
}

/**
 * The scopes in a text, in order and without doubles. Splits at the provider's separator and also at white space and
 * commas, because many providers answer with another separator than they ask for (GitHub asks for spaces and
 * answers with commas, Linear the other way round).
 */
export function splitScopes(provider: ScopeRules, text: string): string[] {
  const separator = provider.scopeSeparator ?? ' '
  const parts = text.split(separator).flatMap((part) => part.split(/[\s,]+/))
  return [...new Set(parts.filter((part) => part !== ''))]
}

function checkScope(scope: unknown, separator: string): void {
  if (typeof scope !== 'string' || scope === '') throw argumentError('A scope must be a non-empty string.')
  if (!/^[\x21-\x7e]+$/.test(scope) || scope.includes(separator))
    throw argumentError(
      `The scope ${JSON.stringify(scope)} holds a space or separator. Pass each scope as its own array element.`,
    )
}
