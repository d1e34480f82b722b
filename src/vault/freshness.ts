// What keeping connections fresh takes and tells: the types of `vault.refresh`, `vault.refreshDue` and `vault.keepFresh`.
import type { Connection } from './connection.ts'

/** Options of {@link Vault.refresh}. */
export interface RefreshOptions {
  /** Also when the token is still fresh, or the provider is being left alone after failures. Default `false`. */
  force?: boolean | undefined
  /** Stops the waiting, not the refresh: its answer must be saved. */
  signal?: AbortSignal | undefined
}

/** What {@link Vault.refresh} did. */
export interface Refreshed {
  /** As it is now. */
  connection: Connection
  /** `false`: the token was fresh, and nothing was asked. */
  refreshed: boolean
}

/** Options of {@link Vault.refreshDue}. */
export interface RefreshDueOptions {
  /** Only these providers. Default: all. */
  providers?: readonly string[] | undefined
  /** How many refreshes are under way at once at each provider, at most, in this process. Default 8. */
  concurrency?: number | undefined
  /** Nothing further is begun; what is under way ends, and is saved. */
  signal?: AbortSignal | undefined
}

/** A provider whose connections were due and left alone. */
export interface SkippedProvider {
  provider: string
  /**
   * `client_missing`: no registration of ours is to be had. `provider_down`: it has not answered for some time.
   * `not_renewable`: it renews nothing.
   */
  why: 'client_missing' | 'provider_down' | 'not_renewable'
  /** Of `client_missing`: names what is missing. */
  error?: unknown
}

/** What one pass over everything that was due came to. */
export interface RefreshedDue {
  /** Connections that were due and that no other process had taken. */
  due: number
  /** Of those: have fresh tokens now. */
  refreshed: number
  /** Of those: could not be refreshed, for now or for good. Events say which and why. */
  failed: number
  /** Of those: another process is at it, or they are left to later. */
  skipped: number
  /** Providers that were not asked at all. */
  skippedProviders: readonly SkippedProvider[]
}

/** Options of {@link Vault.keepFresh}. */
export interface KeepFreshOptions extends RefreshDueOptions {
  /** The store is looked at again after so long at the latest, for what other processes changed, in seconds: 1 to 60. Default 10: of a process that died in a refresh another takes over within a grace window of 30 s. */
  pollSeconds?: number | undefined
  /** Hears of each pass in which something was due. */
  onPass?: ((pass: RefreshedDue) => void) | undefined
  /** Hears when a provider is left alone: once, and again when it was asked in between. */
  onSkipped?: ((skipped: SkippedProvider) => void) | undefined
  /** Hears when the store or the key cannot be used: once for each outage. It goes on trying. */
  onError?: ((error: unknown) => void) | undefined
}

/** A scheduler at work. */
export interface KeepFresh {
  /** Begins nothing further, and resolves once what is under way has ended. */
  stop(): Promise<void>
  /**
   * Resolves once it has stopped: by {@link KeepFresh.stop}, by the signal, or because the vault was closed. Who asks for
   * it keeps the process alive; otherwise the scheduler does not.
   */
  readonly done: Promise<void>
  /** {@link KeepFresh.stop}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}
