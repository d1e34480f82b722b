// The grants beside the authorization code: the way in to each, loaded when it is used.
// RFC 6749 sections 4.3 and 4.4, RFC 7523, RFC 8628, RFC 8693, OpenID Connect CIBA.
import type { Provider } from '../providers/index.ts'
import type {
  BackchannelGrantOptions,
  BackchannelOptions,
  BackchannelPerson,
  BackchannelRequest,
} from './backchannel.ts'
import type { Client } from './client.ts'
import type { ClientCredentialsOptions } from './client-credentials.ts'
import type { DeviceAuthorization, DeviceAuthorizationOptions, DeviceCodeOptions } from './device.ts'
import type { JwtBearerAssertion, JwtBearerOptions } from './jwt-bearer.ts'
import type { PasswordOptions, UserPassword } from './password.ts'
import type { RefreshOptions } from './refresh.ts'
import type { SessionTokenOptions } from './session-token.ts'
import type { TokenExchange, TokenExchangeOptions } from './token-exchange.ts'
import type { TokenSet } from './token-set.ts'

/**
 * Tokens for the client itself, without a person (RFC 6749 section 4.4). {@link renewTokens}, a
 * {@link refreshingTokens} source and the vault renew them by asking again: no refresh token is needed.
 *
 * @throws {ConfigurationError} `client_missing` for a client that proves nothing: anybody could ask in its name.
 * @throws {TokenEndpointError} refused; {@link InvalidResponseError} {@link NetworkError} {@link TimeoutError}.
 */
export async function clientCredentialsGrant(
  provider: Provider,
  client: Client,
  options: ClientCredentialsOptions = {},
): Promise<TokenSet> {
  const { requestByClientCredentials } = await import('./client-credentials.ts')
  return requestByClientCredentials(provider, client, options)
}

/**
 * Tokens for a name and a password (RFC 6749 section 4.3). The password is not kept, unless `repeat` says so.
 *
 * @deprecated It hands the person's password to the program, teaches people to do that, and knows no second factor:
 *   RFC 9700 section 2.4 forbids it. For servers that have nothing else.
 * @throws {TokenEndpointError} refused (`invalid_grant`: a wrong name or password); {@link InvalidResponseError}
 *   {@link NetworkError} {@link TimeoutError}.
 */
export async function passwordGrant(
  provider: Provider,
  client: Client,
  person: UserPassword,
  options: PasswordOptions = {},
): Promise<TokenSet> {
  const { requestByPassword } = await import('./password.ts')
  return requestByPassword(provider, client, person, options)
}

/**
 * Tokens for a signed statement about who we act for (RFC 7523 section 2.1): made here and signed with
 * `client.privateKey`, or given ready made. What was signed here is signed anew to renew the tokens.
 *
 * ```ts
 * const client = serviceKeyClient(await readFile('service-key.json', 'utf8'))
 * const tokens = await jwtBearerGrant(google, client, { subject: 'ada@acme.example', scopesIn: 'claim' }, { scopes })
 * ```
 *
 * @throws {ConfigurationError} `client_missing` without a key; `config_invalid` when it cannot sign.
 * @throws {TokenEndpointError} refused (`invalid_grant`: the statement is not believed); {@link InvalidResponseError}
 *   {@link NetworkError} {@link TimeoutError}.
 */
export async function jwtBearerGrant(
  provider: Provider,
  client: Client,
  assertion: JwtBearerAssertion = {},
  options: JwtBearerOptions = {},
): Promise<TokenSet> {
  const { requestByJwtBearer } = await import('./jwt-bearer.ts')
  return requestByJwtBearer(provider, client, assertion, options)
}

/**
 * Trades a token for another one: for another audience, with fewer rights, or in somebody's name (RFC 8693).
 * `extra.issued_token_type` says what came. What is no access token has the token type `N_A`.
 *
 * @throws {TokenEndpointError} refused (`invalid_target`: not for that audience); {@link InvalidResponseError}
 *   {@link NetworkError} {@link TimeoutError}; TypeError for a subject token without text.
 */
export async function tokenExchangeGrant(
  provider: Provider,
  client: Client,
  exchange: TokenExchange,
  options: TokenExchangeOptions = {},
): Promise<TokenSet> {
  const { requestByTokenExchange } = await import('./token-exchange.ts')
  return requestByTokenExchange(provider, client, exchange, options)
}

/**
 * Begins a device authorization (RFC 8628 section 3.1): show the person `userCode` and `verificationUri`, then wait
 * with {@link deviceCodeGrant}. For programs without a browser at hand: terminals, televisions.
 *
 * @throws {ConfigurationError} `provider_invalid` without a `deviceAuthorizationUrl`.
 * @throws {TokenEndpointError} refused; {@link InvalidResponseError} {@link NetworkError} {@link TimeoutError}.
 */
export async function deviceAuthorization(
  provider: Provider,
  client: Client,
  options: DeviceAuthorizationOptions = {},
): Promise<DeviceAuthorization> {
  const { requestDeviceAuthorization } = await import('./device.ts')
  return requestDeviceAuthorization(provider, client, options)
}

/**
 * Waits until the person has decided, by asking in the rhythm that the provider sets (RFC 8628 sections 3.4 and 3.5):
 * `slow_down` and a broken network make it slower, `Retry-After` is kept, `signal` ends it.
 *
 * @throws {AuthorizationDeniedError} the person said no. {@link TimeoutError} the code ended before they decided.
 * @throws {TokenEndpointError} refused for another reason; {@link InvalidResponseError}; the signal's reason.
 */
export async function deviceCodeGrant(
  provider: Provider,
  client: Client,
  device: DeviceAuthorization,
  options: DeviceCodeOptions = {},
): Promise<TokenSet> {
  const { pollDeviceCode } = await import('./device.ts')
  return pollDeviceCode(provider, client, device, options)
}

/**
 * Asks a person for consent on a device of theirs, without any browser of ours (OpenID Connect CIBA section 7). Then
 * wait with {@link backchannelGrant}. The client is registered for poll mode.
 *
 * @throws {TypeError} `invalid_argument` unless exactly one hint says who; for the parameters of ping and push mode.
 * @throws {ConfigurationError} `provider_invalid` without a `backchannelAuthenticationUrl`.
 * @throws {TokenEndpointError} refused (`unknown_user_id`, `missing_user_code`); {@link InvalidResponseError}
 *   {@link NetworkError} {@link TimeoutError}.
 */
export async function backchannelAuthentication(
  provider: Provider,
  client: Client,
  person: BackchannelPerson,
  options: BackchannelOptions = {},
): Promise<BackchannelRequest> {
  const { requestBackchannelAuthentication } = await import('./backchannel.ts')
  return requestBackchannelAuthentication(provider, client, person, options)
}

/**
 * Waits until the person has decided, as {@link deviceCodeGrant} does (OpenID Connect CIBA sections 10.1 and 11).
 *
 * @throws what {@link deviceCodeGrant} throws; {@link InvalidResponseError} `id_token_invalid`.
 */
export async function backchannelGrant(
  provider: Provider,
  client: Client,
  request: BackchannelRequest,
  options: BackchannelGrantOptions = {},
): Promise<TokenSet> {
  const { pollBackchannel } = await import('./backchannel.ts')
  return pollBackchannel(provider, client, request, options)
}

/**
 * Signs in where a provider has session tokens in the place of OAuth (its row has `sessionToken`; Bluesky): a name and
 * an app password for an access and a refresh token, whose ends are read off the tokens. No client is needed.
 *
 * @throws {ConfigurationError} `provider_invalid` for a provider without `sessionToken`.
 * @throws {TokenEndpointError} refused; {@link InvalidResponseError} {@link NetworkError} {@link TimeoutError}.
 */
export async function sessionTokenGrant(
  provider: Provider,
  client: Client,
  person: UserPassword,
  options: SessionTokenOptions = {},
): Promise<TokenSet> {
  const { requestBySessionToken } = await import('./session-token.ts')
  return requestBySessionToken(provider, client, person, options)
}

/**
 * Newer tokens in the place of these: by the refresh token, or, where the grant can be repeated without a person
 * (client credentials, JWT bearer, a kept password), by repeating it (R14). Facts in `extra` are carried over. The vault
 * and {@link refreshingTokens} call this.
 *
 * @throws {RefreshFailedError} `refresh_unsupported` when there is neither; also when the client itself was refused:
 *   no consent helps, an operator does.
 * @throws {TokenEndpointError} refused: {@link isGrantDead} tells whether the grant is dead.
 * @throws {NetworkError} {@link TimeoutError} {@link InvalidResponseError}: the outcome may be unknown.
 */
export async function renewTokens(
  provider: Provider,
  client: Client,
  tokens: TokenSet,
  options: RefreshOptions = {},
): Promise<TokenSet> {
  const { renewedTokens } = await import('./renewal.ts')
  return renewedTokens(provider, client, tokens, options)
}

/** Whether there is a way to newer tokens without a person: a refresh token, or a grant that can be repeated. */
export function isRenewable({ refreshToken, renewal }: TokenSet): boolean {
  return refreshToken !== undefined || renewal !== undefined
}

/**
 * Whether renewing these spends nothing: the client proves itself anew, and any number may do so at once. What needs a
 * refresh token, or a password, is another matter.
 */
export function renewsByClient({ renewal }: TokenSet): boolean {
  const grant = renewal?.grant
  return grant === 'client_credentials' || grant === 'urn:ietf:params:oauth:grant-type:jwt-bearer'
}

/**
 * A client made of the JSON key that Google and others hand out for a service: its e-mail address as client id, its
 * private key to sign with. Nothing else proves who it is.
 *
 * @param key the file's text, or what is in it.
 * @throws {TypeError} `invalid_argument` when it is no such key; it is not quoted.
 */
export async function serviceKeyClient(key: string | Readonly<Record<string, unknown>>): Promise<Client> {
  const { clientOfServiceKey } = await import('./jwt-bearer.ts')
  return clientOfServiceKey(key)
}
