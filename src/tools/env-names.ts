// The environment names under which a tool finds the token of each provider: the names that Hyperpocket's tools read,
// so that such tools run unchanged (P74). Everything else is `<PROVIDER>_TOKEN`.
import type { TokenSet } from '../oauth/index.ts'

const TOKEN_NAMES: Readonly<Record<string, string>> = {
  slack: 'SLACK_BOT_TOKEN',
  reddit: 'REDDIT_BOT_TOKEN',
  x: 'X_AUTH_TOKEN',
  twitter: 'X_AUTH_TOKEN',
  apitoken: 'API_TOKEN',
  basicauth: 'BASIC_AUTH',
  valyu: 'VALYU_API_KEY',
  kraken: 'KRAKEN_API_KEY',
}

/** Names beyond the token itself: the member of the token answer that each one holds. */
const FURTHER_NAMES: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  kraken: { KRAKEN_API_SECRET: ['kraken_api_secret', 'api_secret'] },
}

/** How {@link tokenEnvironment} names its variables. */
export interface EnvironmentNameOptions {
  /** Puts `<PROFILE>_` before each name (P76), for a tool that uses several accounts. Default: no prefix. */
  profile?: string
}

/**
 * The name of the variable that carries a provider's access token: `GITHUB_TOKEN`, `SLACK_BOT_TOKEN`, …
 *
 * @param tokenType The token's type. `Basic` gives `<PROVIDER>_BASIC_AUTH`.
 */
export function tokenEnvironmentName(provider: string, tokenType = 'Bearer'): string {
  const key = provider.toLowerCase().replace(/[-_.]/g, '')
  const known = Object.hasOwn(TOKEN_NAMES, key) ? TOKEN_NAMES[key] : undefined
  if (tokenType.toLowerCase() === 'basic')
    return key === 'basicauth' ? 'BASIC_AUTH' : `${upper(provider)}_BASIC_AUTH`
  return known ?? `${upper(provider)}_TOKEN`
}

/** Every variable for one provider, with its value. **The values are secret.** */
export function tokenEnvironment(
  provider: string,
  tokens: TokenSet,
  options: EnvironmentNameOptions = {},
): Record<string, string> {
  const environment: Record<string, string> = {
    [tokenEnvironmentName(provider, tokens.tokenType)]: tokens.accessToken,
  }
  for (const [name, members] of Object.entries(FURTHER_NAMES[provider.toLowerCase()] ?? {})) {
    const value = members.map((member) => tokens.raw[member]).find((found) => typeof found === 'string')
    if (typeof value === 'string') environment[name] = value
  }
  return options.profile === undefined ? environment : prefixed(environment, options.profile)
}

/** The names that {@link tokenEnvironment} can produce for a provider. */
export function tokenEnvironmentNames(provider: string): readonly string[] {
  const further = Object.keys(FURTHER_NAMES[provider.toLowerCase()] ?? {})
  return [...new Set([tokenEnvironmentName(provider), tokenEnvironmentName(provider, 'Basic'), ...further])]
}

function prefixed(environment: Record<string, string>, profile: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [`${upper(profile)}_${name}`, value]),
  )
}

function upper(text: string): string {
  return text.toUpperCase().replace(/[^A-Z0-9]/g, '_')
}
