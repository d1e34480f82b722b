// Where to send a person to end their session at the provider.
// OpenID Connect RP-Initiated Logout section 2.
import { argumentError, ConfigurationError, quote } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import type { Client } from './client.ts'
import { resolveEndpoints } from './endpoints.ts'
import type { ExtraParams, RequestOptions } from './request-options.ts'
import { parametersOf } from './request-options.ts'
import { assertSecureUrl } from './secure-url.ts'
import type { TokenSet } from './token-set.ts'

/** Options of `endSessionUrl`. */
export interface EndSessionOptions extends RequestOptions {
  /** Whose session: their id_token goes along as `id_token_hint`, so that most providers ask nothing. */
  tokens?: Pick<TokenSet, 'idToken'> | undefined
  /** Where the provider sends the person back to. Must be registered (`post_logout_redirect_uris`). */
  postLogoutRedirectUri?: string | undefined
  /** Comes back with the person, to `postLogoutRedirectUri`; compare it. */
  state?: string | undefined
  /** Who it is about, where there is no id_token. */
  logoutHint?: string | undefined
  /** Further parameters, such as `ui_locales`. They never replace the ones above. */
  extraParams?: ExtraParams | undefined
}

/** Behind `endSessionUrl` of openid.ts, which documents it. */
export async function endSessionRequest(
  provider: Provider,
  client: Client,
  options: EndSessionOptions,
): Promise<string> {
  const { endSessionUrl } = await resolveEndpoints(provider, client, options, ['endSessionUrl'])
  if (endSessionUrl === undefined)
    throw new ConfigurationError(
      'provider_invalid',
      `${provider.id} has no end of sessions. Set endSessionUrl in the provider, or delete your own session only.`,
    )
  assertSecureUrl(endSessionUrl, options)
  const url = new URL(endSessionUrl)
  const parameters = parametersOf(options.extraParams, ownParameters(client, options))
  for (const name of new Set(parameters.keys())) url.searchParams.delete(name)
  for (const [name, value] of parameters) url.searchParams.append(name, value)
  return url.href
}

function ownParameters(client: Client, options: EndSessionOptions): Record<string, string> {
  const { tokens, postLogoutRedirectUri, state, logoutHint } = options
  if (postLogoutRedirectUri !== undefined && !URL.canParse(postLogoutRedirectUri))
    throw argumentError(`The postLogoutRedirectUri ${quote(postLogoutRedirectUri)} is not an absolute URL.`)
  if (state !== undefined && postLogoutRedirectUri === undefined)
    throw argumentError('A state comes back to a postLogoutRedirectUri: set that, too.')
  const members = {
    client_id: client.clientId,
    id_token_hint: tokens?.idToken,
    logout_hint: logoutHint,
    post_logout_redirect_uri: postLogoutRedirectUri,
    state,
  }
  return Object.fromEntries(
    Object.entries(members).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}
