// toolgrant/providers: plain data about authorization servers, looked up or defined. Runs anywhere, fetches nothing.
export { tokenEndpointAuthMethods } from './auth-methods.ts'
export { defineProvider, extendProvider } from './definition.ts'
export { type HostKind, hostKind, isPrivateName } from './host.ts'
export { provider, providers } from './lookup.ts'
export { nearestNames } from './nearest-name.ts'
export { ownParameters } from './own-parameters.ts'
export type {
  MtlsEndpoint,
  Provider,
  ProviderDefinition,
  ProviderFacts,
  ResponseMode,
  TokenEndpointAuthMethod,
  UrlVariable,
} from './provider.ts'
export type { ProviderId } from './provider-id.ts'
export { joinScopes, type ScopeRules, splitScopes } from './scopes.ts'
export { resolveVariables } from './url-variables.ts'
