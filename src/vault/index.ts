// toolgrant/vault: connections kept sealed and fresh. Loads SQLite, keychain and configuration only when it opens one.
export type {
  AuditAction,
  AuditEntry,
  AuditedConnection,
  AuditedRequest,
  AuditFilter,
  AuditHead,
  AuditLevel,
  AuditLog,
  AuditProblem,
  AuditRecord,
  AuditVerdict,
  RecentOptions,
  VerifyOptions,
} from './audit.ts'
export type { Connection, ConnectionAddress } from './connection.ts'
export type { VaultTokenRequest } from './connection-reader.ts'
export type { ProviderDeviations, SeenDeviation } from './deviation-survey.ts'
export type { VaultEvent, VaultEventType, VaultListener } from './event.ts'
export type {
  Cause,
  CauseCode,
  ClockOffsets,
  ExplainedStatus,
  ExplainOptions,
  Explanation,
  Forecast,
  NextStep,
  TimelineEntry,
} from './explanation.ts'
export type { Exported, ExportOptions, NotExported } from './export.ts'
export type {
  KeepFresh,
  KeepFreshOptions,
  RefreshDueOptions,
  Refreshed,
  RefreshedDue,
  RefreshOptions,
  SkippedProvider,
} from './freshness.ts'
export type { Imported, ImportedItem, ImportKind, ImportOptions } from './import.ts'
export { keyFile } from './key-file.ts'
export { type KeychainEntry, type KeychainOptions, keychain } from './key-keychain.ts'
export {
  type KeyManagementService,
  type KmsRequest,
  type WrappedKeyOptions,
  wrappedKey,
} from './key-wrapped.ts'
export { givenKey, type KeyProvider, type KeyRequest } from './keys.ts'
export type { VaultOptions } from './options.ts'
export type {
  Awaitable,
  ConnectionRow,
  ConnectionStatus,
  Grant,
  NewGrant,
  RefreshFailure,
  RowAddress,
  RowFilter,
  Store,
  TokenRow,
} from './store.ts'
export type { ConnectionCounts, ProviderSurvey, VaultSurvey } from './survey.ts'
export {
  type ConnectClientOptions,
  type Disconnected,
  type DisconnectOptions,
  type FinishOptions,
  type ForgetOptions,
  type ForgetProgress,
  type Forgotten,
  type SourceOptions,
  Vault,
} from './vault.ts'
export type {
  AddedKey,
  AddKeyOptions,
  KeyInUse,
  ListKeysOptions,
  RetiredKey,
  RetireOptions,
  RotatedKeys,
  RotateOptions,
  RotationProgress,
  UnopenedConnection,
  VaultKey,
  VaultKeys,
} from './vault-keys.ts'
export { lookAtVault, type VaultFile, type VaultPlace } from './vault-place.ts'
