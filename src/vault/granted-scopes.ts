// Which scopes a grant covers. RFC 6749 section 3.3.

/** Words that servers use for a scope that was asked for under another name. */
const otherNames: Readonly<Record<string, string>> = {
  email: 'https://www.googleapis.com/auth/userinfo.email',
  profile: 'https://www.googleapis.com/auth/userinfo.profile',
}

/**
 * The needed scopes that were not granted. An empty list of granted scopes means that the provider never says, so
 * nothing is missing then. `offline_access` asks for a refresh token and opens nothing; servers do not list it
 * (OpenID Connect Core section 11).
 */
export function missingScopes(granted: readonly string[], needed: readonly string[]): string[] {
  if (granted.length === 0) return []
  return needed.filter((scope) => scope !== 'offline_access' && !covers(granted, scope))
}

function covers(granted: readonly string[], scope: string): boolean {
  const other = Object.hasOwn(otherNames, scope) ? otherNames[scope] : undefined
  return granted.includes(scope) || (other !== undefined && granted.includes(other))
}

/** Both lists in one, without doubles: what a consent has to cover so that nothing is lost by it. */
export function unionScopes(granted: readonly string[], needed: readonly string[]): string[] {
  return [...new Set([...granted, ...needed])]
}
