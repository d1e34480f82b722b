// Token sets that somebody has seen, and whether a vault still has them.
import { ToolgrantError } from '../../src/errors.ts'
import { fingerprint } from '../../src/seal.ts'
import type { Vault } from '../../src/vault/index.ts'

/** A token set that a caller has been given. */
export interface Announced {
  user: string
  generation: number
  /** Of its refresh token. */
  fingerprint: string
}

/** What the vault hands out for a user right now. Generation 0: there is no connection. */
export async function seenBy(vault: Vault, user: string): Promise<Announced> {
  try {
    const address = { user, provider: 'acme' }
    const { refreshToken = '' } = await vault.token(address)
    const connection = await vault.connection(address)
    return { user, generation: connection?.generation ?? 0, fingerprint: fingerprint(refreshToken) }
  } catch (error) {
    if (error instanceof ToolgrantError && error.code === 'not_connected')
      return { user, generation: 0, fingerprint: '' }
    throw error
  }
}

/** What is not there any more, in words. Newer than announced is as good. */
export async function missingIn(vault: Vault, announced: Iterable<Announced>): Promise<string[]> {
  const missing: string[] = []
  for (const { user, generation, fingerprint: seen } of announced) {
    const stored = await seenBy(vault, user)
    const isThere =
      stored.generation > generation || (stored.generation === generation && stored.fingerprint === seen)
    if (!isThere) missing.push(`${user}: generation ${generation} was seen, ${stored.generation} is stored`)
  }
  return missing
}
