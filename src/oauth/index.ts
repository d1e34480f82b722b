// toolgrant/oauth: the protocol, over `fetch` alone. No storage, no ports, any web-standard runtime.
// RFC 6749, 6750, 7009, 7636, 8414, 9207 and OpenID Connect Core, as far as the code grant needs them.
export { type AuthorizationUrl, type AuthorizationUrlOptions, authorizationUrl } from './authorization.ts'
export { type AuthorizationCodeOptions, authorizationCodeGrant, type BareCode } from './authorization-code.ts'
export type {
  BackchannelGrantOptions,
  BackchannelOptions,
  BackchannelPerson,
  BackchannelRequest,
} from './backchannel.ts'
export { type CallbackAnswer, callbackState, readCallback, verifyCallback } from './callback.ts'
export { answersInFragment, type Callback } from './callback-parameters.ts'
export type { StepUp } from './challenge.ts'
export {
  type Client,
  type ClientKey,
  hideClientSecret,
  type Registration,
  type RegistrationSource,
} from './client.ts'
export type { ClientCredentialsOptions } from './client-credentials.ts'
export type { ClientMetadataDocument } from './client-metadata.ts'
export type { Deviation, DeviationCode } from './deviation.ts'
export type { DeviceAuthorization, DeviceAuthorizationOptions, DeviceCodeOptions } from './device.ts'
export type { IssuerMetadata } from './discovery.ts'
export type { EndSessionOptions } from './end-session.ts'
export { canRevoke, discover, discoverProtectedResource, resolveEndpoints } from './endpoints.ts'
export { sendsThrough } from './fetch-owner.ts'
export {
  backchannelAuthentication,
  backchannelGrant,
  clientCredentialsGrant,
  deviceAuthorization,
  deviceCodeGrant,
  isRenewable,
  jwtBearerGrant,
  passwordGrant,
  renewsByClient,
  renewTokens,
  serviceKeyClient,
  sessionTokenGrant,
  tokenExchangeGrant,
} from './grants.ts'
export type {
  ApiCall,
  EndpointAnswer,
  EndpointCall,
  Hook,
  HookFunction,
  Hooks,
  TokensHook,
  UnderstoodTokens,
} from './hooks.ts'
export type { IdTokenClaims } from './id-token.ts'
export {
  callbackGrant,
  type ImplicitOptions,
  type ImplicitUrlOptions,
  implicitGrant,
  implicitUrl,
} from './implicit.ts'
export type { Introspection, IntrospectionOptions } from './introspection.ts'
export type { JwtBearerAssertion, JwtBearerClaims, JwtBearerOptions } from './jwt-bearer.ts'
export { endSessionUrl, fetchUserinfo, idTokenClaims } from './openid.ts'
export type { PasswordOptions, UserPassword } from './password.ts'
export { type PendingAuthorization, pendingAuthorization } from './pending-authorization.ts'
export { generateCodeChallenge, generateCodeVerifier, randomState } from './pkce.ts'
export { introspectToken, probeAccessToken, probeProvider, readStepUp } from './probes.ts'
export type { ProtectedResource, ProtectedResourceOptions } from './protected-resource.ts'
export type { ProbeOptions, ProviderProbe } from './provider-probe.ts'
export { type RefreshOptions, refreshTokenGrant } from './refresh.ts'
export { isGrantDead, isTransient, mismatchedTokens, refreshFailure } from './refresh-failure.ts'
export {
  leewayOf,
  plainTokens,
  type RefreshingTokensOptions,
  type RepeatingTokensOptions,
  refreshingTokens,
  repeatingTokens,
} from './refreshing-tokens.ts'
export type { ClientMetadata } from './registered-metadata.ts'
export {
  type ClientRegistration,
  clientMetadataDocument,
  deleteRegistration,
  fetchClientMetadata,
  type RegistrationOptions,
  readRegistration,
  registerClient,
  registeredClient,
  updateRegistration,
} from './registration.ts'
export { type ClientEntry, registrations } from './registrations.ts'
export type { EndpointOptions, ExtraParams, RequestOptions } from './request-options.ts'
export { type RevocationOptions, revokeToken } from './revocation.ts'
export { assertSecureUrl } from './secure-url.ts'
export { Session, type SessionOptions, type SessionRequestInit } from './session.ts'
export type { SessionTokenOptions } from './session-token.ts'
export { systemWord } from './system-word.ts'
export type { ExchangeTokenType, TokenExchange, TokenExchangeOptions } from './token-exchange.ts'
export type { AccessTokenProbe } from './token-probe.ts'
export { type Renewal, TokenSet, type TokenSetFields } from './token-set.ts'
export type { TokenRequest, TokenSource } from './token-source.ts'
export type { Userinfo, UserinfoOptions } from './userinfo.ts'
export { waitFor } from './wait.ts'
