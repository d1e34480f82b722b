// The keys of an open vault, for whoever operates it: which there are, a further one, another to seal with, one less.
// How they are changed while the vault serves: docs/vault.md, "Changing the key".

/** A sealing key of a vault. Never the key itself. */
export interface VaultKey {
  /** Sixteen hexadecimal characters; a one-way hash of the key, safe to show. */
  id: string
  /** Whether it seals what is written from now on. One key does. */
  primary: boolean
  /** When the vault got to know it. */
  createdAt: Date
  /** Where a fresh look found it: `the key file …`, `TOOLGRANT_KEY`. Absent: nowhere, see `why`. */
  place?: string
  /** Why it was not found. */
  why?: string
  /** How many connections it seals, of all tenants. */
  connections: number
  /** How many pending authorizations and named values it seals. */
  others: number
}

/** Options of {@link VaultKeys.list}. */
export interface ListKeysOptions {
  /** Ends it early. */
  signal?: AbortSignal | undefined
}

/** Options of {@link VaultKeys.add}. Without `key` and `keyId` a key is made. */
export interface AddKeyOptions {
  /** The key to add: 32 bytes, or their text in base64, base64url or hexadecimal. */
  key?: string | Uint8Array | undefined
  /** Id of a key that is in its place already: a line that was copied into the key file, a further one of `TOOLGRANT_KEY`. */
  keyId?: string | undefined
  /** Ends it early. */
  signal?: AbortSignal | undefined
}

/** What {@link VaultKeys.add} did. */
export interface AddedKey {
  id: string
  /** Where it is kept. */
  place: string
  /** `false`: the vault knew it already, nothing was changed. */
  added: boolean
}

/** How far {@link VaultKeys.rotate} has come. */
export interface RotationProgress {
  /** Rows that it has sealed anew. */
  resealed: number
  /** About how many there were to do. */
  total: number
}

/** Options of {@link VaultKeys.rotate}. */
export interface RotateOptions {
  /** The key that is to seal from now on. Default: the newest. */
  keyId?: string | undefined
  /** At most so many rows a second. Default: as fast as the store takes them. */
  rowsPerSecond?: number | undefined
  /** Hears how far it has come, after each batch. */
  onProgress?: ((progress: RotationProgress) => void) | undefined
  /** Ends it after the row that is under way. What was resealed stays so; run it again to go on. */
  signal?: AbortSignal | undefined
}

/** A connection that could not be sealed anew, because it could not be opened. */
export interface UnopenedConnection {
  id: string
  tenant: string
  provider: string
  /** The key that it names. */
  keyId: string
  /** The code of the error: `key_wrong`, `sealed_data_invalid`, … */
  code: string
}

/** How much is still sealed with a key. */
export interface KeyInUse {
  id: string
  connections: number
  others: number
}

/** What {@link VaultKeys.rotate} did. */
export interface RotatedKeys {
  /** The key that seals now. */
  id: string
  /** The one that did before. Absent: the same; an earlier rotation was gone on with. */
  before?: string
  /** Rows that were sealed anew. */
  resealed: number
  /** The other keys, and what is still sealed with each: at 0 it can be retired. */
  older: readonly KeyInUse[]
  /** Connections that could not be opened, and stay as they are: at most the first 1000. */
  unopened: readonly UnopenedConnection[]
}

/** Options of {@link VaultKeys.retire}. */
export interface RetireOptions {
  /**
   * Also deletes the key itself from the places that keep it. Default `false`: backups made before need it, and other
   * vaults may be sealed with it. It cannot be taken back.
   */
  deleteKey?: boolean | undefined
  /** Ends it early. */
  signal?: AbortSignal | undefined
}

/** What {@link VaultKeys.retire} did. */
export interface RetiredKey {
  id: string
  /** Whether the vault knew it until now. */
  retired: boolean
  /** Where the key itself was deleted. */
  deletedFrom: readonly string[]
  /** Where it still is. */
  leftIn: readonly string[]
}

/** The keys of a vault. Every change is safe to repeat, and to end at any point: run it again. */
export interface VaultKeys {
  /** The keys that the vault knows, the primary first. Looks for each of them anew. */
  list(options?: ListKeysOptions): Promise<VaultKey[]>

  /**
   * Makes a key, or takes one; keeps it durably in the place of the present one; then makes it known to the vault.
   * It opens from then on and seals nothing: every process must be able to load it before {@link VaultKeys.rotate}.
   *
   * @throws {KeyError} `key_missing` when the place is filled by somebody else (`TOOLGRANT_KEY`): it says what to do there;
   *   `key_invalid`, `key_unavailable`; {@link StoreError}.
   */
  add(options?: AddKeyOptions): Promise<AddedKey>

  /**
   * Lets another key seal, and then seals everything anew that an older one did, for all tenants, while the vault serves.
   * Goes on where an earlier one ended. Pending authorizations are left to end by themselves.
   *
   * @throws {KeyError} `key_missing`, `key_wrong`, `key_unavailable` when a fresh look does not find the key: nothing was
   *   changed; `key_retired` when another process has chosen another key meanwhile; {@link StoreError}.
   * @throws {TypeError} `invalid_argument` when the vault has no such key.
   */
  rotate(options?: RotateOptions): Promise<RotatedKeys>

  /**
   * Forgets a key, in one step with the proof that nothing is sealed with it. A process that still would is refused, and
   * finds the present key.
   *
   * @throws {KeyError} `key_in_use` when it is the primary or something is sealed with it: what, and what to do;
   *   {@link StoreError}; {@link TypeError} `invalid_argument` when there is no such key.
   */
  retire(keyId: string, options?: RetireOptions): Promise<RetiredKey>
}
