// An id_token beside the code: the provider's signature over who signed in and over the code itself.
// OpenID Connect Core sections 3.3.2.9 to 3.3.2.12 and 3.3.3.6 (the hybrid flow).
import { InvalidResponseError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import type { Client } from './client.ts'
import { assertFrontChannelIdToken } from './id-token.ts'
import type { PendingAuthorization } from './pending-authorization.ts'
import type { RequestOptions } from './request-options.ts'
import { parseJwt } from './signed-jwt.ts'

/**
 * The id_token of an answer, checked: signature, nonce, `c_hash` over the code, `s_hash` over the state.
 *
 * @throws {InvalidResponseError} `id_token_invalid`, also where there is none.
 */
export async function idTokenBeside(
  provider: Provider,
  client: Client,
  pending: PendingAuthorization,
  parameters: URLSearchParams,
  options: RequestOptions,
): Promise<string> {
  const idToken = parameters.get('id_token')
  const { nonce, maxAge, state } = pending
  if (!idToken || nonce === undefined) throw notBeside(provider, 'and sent none')
  const code = parameters.get('code') ?? undefined
  const expected = { nonce, maxAge, code, state }
  await assertFrontChannelIdToken(provider, client, idToken, expected, options)
  return idToken
}

/** Section 3.3.3.6: both id_tokens are about the same person at the same issuer. */
export function assertSamePerson(provider: Provider, beside: string, later: string | undefined): void {
  if (later === undefined) return
  const [first, second] = [parseJwt(beside), parseJwt(later)]
  const told = typeof first !== 'string' && typeof second !== 'string' ? [first, second] : []
  const [one, other] = told.map(({ claims }) => [claims['iss'], claims['sub']].join(' '))
  if (one === undefined || one !== other) throw notBeside(provider, 'and sent two about different people')
}

function notBeside({ id }: Provider, what: string): InvalidResponseError {
  return new InvalidResponseError(
    'id_token_invalid',
    `${id} was asked for an id_token beside the code ${what}. Nothing was kept; start again.`,
  )
}
