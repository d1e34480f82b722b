// toolgrant/testing: an authorization server on loopback for tests, strict by default, misbehaving on request. Node only.
export {
  type AuthorizationServer,
  type GrantedTokens,
  type GrantRequest,
  startAuthorizationServer,
} from './authorization-server.ts'
export type {
  ApiAnswer,
  ApiCall,
  AuthorizationServerOptions,
  ConsentDecision,
  ConsentRequest,
  EndpointName,
  GrantType,
  IdTokenShape,
  RegisteredClient,
  ScriptedAnswer,
  ScriptStep,
  ServerBehaviour,
  TokenAnswerShape,
} from './behaviour.ts'
export type { BrowserPage } from './browser.ts'
export type { Grant } from './grants.ts'
export type { ProviderOverrides } from './provider-description.ts'
export type { RecordedRequest, ServerCounts } from './request-log.ts'
