// Getting newer tokens, in whichever way there is: by a refresh token, or by repeating the grant (R14).
// RFC 6749 sections 4.4.3 and 6.
import { RefreshFailedError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import type { Client } from './client.ts'
import { renewsByClient } from './grants.ts'
import type { UserPassword } from './password.ts'
import { type RefreshOptions, refreshTokenGrant } from './refresh.ts'
import { isGrantDead } from './refresh-failure.ts'
import type { Renewal, TokenSet } from './token-set.ts'

/** Behind `renewTokens` of grants.ts, which documents it. */
export async function renewedTokens(
  provider: Provider,
  client: Client,
  tokens: TokenSet,
  options: RefreshOptions,
): Promise<TokenSet> {
  const { renewal, refreshToken } = tokens
  if (renewal === undefined) return refreshTokenGrant(provider, client, tokens, options)
  if (renewsByClient(tokens)) return repeatedByClient(provider, client, tokens, renewal, options)
  if (refreshToken === undefined) return repeated(provider, client, tokens, renewal, options)
  try {
    return await refreshTokenGrant(provider, client, tokens, options)
  } catch (error) {
    if (!isGrantDead(error)) throw error
    return repeated(provider, client, tokens, renewal, options)
  }
}

/** No person can mend what is refused here: it is said as what it is. */
async function repeatedByClient(
  provider: Provider,
  client: Client,
  tokens: TokenSet,
  renewal: Renewal,
  options: RefreshOptions,
): Promise<TokenSet> {
  try {
    return await repeated(provider, client, tokens, renewal, options)
  } catch (error) {
    if (!isGrantDead(error)) throw error
    throw new RefreshFailedError(
      `${provider.id} refused the client when the ${renewal.grant} grant was repeated. The connection is kept; mend the client's registration or key, then try again. ${error.message}`,
      { cause: error, retryable: false, retryAfterSeconds: error.retryAfterSeconds },
    )
  }
}

async function repeated(
  provider: Provider,
  client: Client,
  tokens: TokenSet,
  renewal: Renewal,
  options: RefreshOptions,
): Promise<TokenSet> {
  const fresh = await repeatGrant(provider, client, renewal, options)
  return fresh.with({ renewal, extra: { ...tokens.extra, ...fresh.extra } })
}

/** The grant functions read from the parameters what they once wrote there. */
async function repeatGrant(
  provider: Provider,
  client: Client,
  { grant, parameters }: Renewal,
  options: RefreshOptions,
): Promise<TokenSet> {
  const { extraParams, scopes, ...limits } = options
  const again = {
    ...limits,
    ...parameters,
    ...(scopes === undefined ? {} : { scopes }),
    ...(extraParams === undefined ? {} : { extraParams }),
  }
  switch (grant) {
    case 'client_credentials': {
      const { requestByClientCredentials } = await import('./client-credentials.ts')
      return requestByClientCredentials(provider, client, again)
    }
    case 'urn:ietf:params:oauth:grant-type:jwt-bearer': {
      const { requestByJwtBearer } = await import('./jwt-bearer.ts')
      const { assertion = {} } = parameters
      return requestByJwtBearer(provider, client, assertion as object, again)
    }
    case 'password': {
      const { requestByPassword } = await import('./password.ts')
      return requestByPassword(provider, client, personIn(parameters), again)
    }
    default: {
      const { requestBySessionToken } = await import('./session-token.ts')
      return requestBySessionToken(provider, client, personIn(parameters), again)
    }
  }
}

function personIn({ username, password }: Renewal['parameters']): UserPassword {
  return { username: String(username), password: String(password) }
}
