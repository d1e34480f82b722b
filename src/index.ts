// toolgrant, the root door: names that load on any web-standard runtime. What needs Node is loaded at first use.
export {
  AuthorizationDeniedError,
  AuthorizationRequiredError,
  CallbackError,
  ConfigurationError,
  type ErrorCode,
  InvalidResponseError,
  KeyError,
  ListenError,
  NetworkError,
  RefreshFailedError,
  RequestRefusedError,
  StoreError,
  TimeoutError,
  TokenEndpointError,
  TokenExpiredError,
  ToolFailedError,
  ToolgrantError,
  ToolInputError,
  ToolUnknownError,
  UnauthorizedError,
} from './errors.ts'
export { authorize, loopback, runOAuthFlow } from './flows/index.ts'
export { type Client, refreshingTokens, Session, TokenSet, type TokenSource } from './oauth/index.ts'
export { defineProvider, type Provider, type ProviderId, provider, providers } from './providers/index.ts'
export { Toolbox, tool } from './tools/index.ts'
export { Vault } from './vault/index.ts'
