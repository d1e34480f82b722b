// The key that access tokens are bound to: when one is used, how it is made, and its thumbprint for the authorization
// request. RFC 9449 sections 4.1 and 10; RFC 7638. What works with keys is loaded when one is used.
import type { Provider } from '../providers/index.ts'
import type { Client } from './client.ts'

/** Whether tokens are asked for that are bound to a key: the client says so, or the provider takes no others. */
export function usesDpop(provider: Pick<Provider, 'dpop'>, client: Pick<Client, 'dpop'>): boolean {
  return client.dpop ?? provider.dpop === 'required'
}

/**
 * A fresh private key for DPoP as a JWK (ES256, P-256), to be kept with the tokens that are bound to it
 * ({@link TokenSet.dpopKey}). Secret. RFC 9449 section 4.1.
 */
export async function generateDpopKey(): Promise<JsonWebKey> {
  const { newKey } = await import('./dpop.ts')
  return newKey()
}

/**
 * The thumbprint of a DPoP key: the parameter `dpop_jkt` of an authorization request, by which the server binds the
 * code to the key (RFC 9449 section 10, RFC 7638), and `cnf.jkt` of a bound token.
 *
 * @throws {TypeError} `invalid_argument` when it is no ES256 key.
 */
export async function dpopThumbprint(key: JsonWebKey): Promise<string> {
  const { proverOf } = await import('./dpop.ts')
  return (await proverOf(key)).thumbprint()
}
