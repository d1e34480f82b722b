// toolgrant, the root door: names that load on any web-standard runtime. What needs Node is loaded at first use.
export {
  AuthorizationDeniedError,
  AuthorizationRequiredError,
  CallbackError,
  ConfigurationError,
  type ErrorCode,
  ImportError,
  InvalidResponseError,
  KeyError,
  ListenError,
  NetworkError,
  RefreshFailedError,
  RequestRefusedError,
  ScopeMismatchError,
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
export {
  authorize,
  type Flow,
  type LoopbackOptions,
  loopback,
  runOAuthFlow,
  type StartedFlow,
} from './flows/index.ts'
export { type Client, refreshingTokens, Session, TokenSet, type TokenSource } from './oauth/index.ts'
export { defineProvider, type Provider, type ProviderId, provider, providers } from './providers/index.ts'
export {
  objectType,
  type PendingConsent,
  Toolbox,
  type ToolboxOptions,
  type ToolContext,
  type ToolDefinition,
  tool,
  type UserToolbox,
} from './tools/index.ts'
export {
  type Connection,
  type ConnectionAddress,
  keyFile,
  Vault,
  type VaultEvent,
  type VaultOptions,
} from './vault/index.ts'
