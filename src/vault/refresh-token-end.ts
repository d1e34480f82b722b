// When a refresh token ends by itself, where the provider says so. No RFC has a field for it.
// `refresh_token_expires_in`: GitHub, Google, LinkedIn; `refresh_expires_in`: Keycloak; `x_…`: Intuit.
import type { TokenSet } from '../oauth/index.ts'

const lifetimes = ['refresh_token_expires_in', 'refresh_expires_in', 'x_refresh_token_expires_in']
const instants = ['refresh_token_expires_at', 'refresh_token_expires_on', 'refresh_expires_at']

/** Milliseconds since 1970; `null`: the provider says that it has no end; `undefined`: it says nothing. */
export function refreshTokenEnd({ raw, extra, receivedAt }: TokenSet): number | null | undefined {
  for (const answer of [raw, ...Object.values(raw).filter(isRecord), extra]) {
    const seconds = numberIn(answer, lifetimes)
    // Keycloak says 0 of offline tokens.
    if (seconds !== undefined) return seconds <= 0 ? null : receivedAt.getTime() + seconds * 1000
    const instant = numberIn(answer, instants)
    if (instant !== undefined) return instant > 1e11 ? instant : instant * 1000
  }
  return undefined
}

function numberIn(answer: Readonly<Record<string, unknown>>, names: readonly string[]): number | undefined {
  for (const name of names) {
    const value = answer[name]
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
    if (typeof number === 'number' && Math.abs(number) < 8e12) return number
  }
  return undefined
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
