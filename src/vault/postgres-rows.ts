// Between the rows of PostgreSQL, as arrays, and those of the store.
// The columns' types hold the values to what the casts here say; `types` decodes them.
import type {
  AuditLine,
  ConnectionRow,
  Grant,
  HistoryEntry,
  HistoryType,
  StoredKey,
  TokenRow,
} from './store.ts'

/** A row as `pg` gives it. */
export type Values = readonly unknown[]

/** The columns of {@link toRow}. `user` alone would be the role that is connected. */
export const columns = [
  ...['id', 'tenant', 'user_id', 'provider', 'account', 'generation', 'status', 'reason', 'scopes'],
  ...['expires_at', 'received_at', 'refresh_due_at', 'due_at', 'lease_owner', 'lease_until', 'intent_at'],
  ...['intent_hash', 'failures', 'retry_at', 'granted_at', 'used_at', 'created_at', 'updated_at'],
  ...['key_id', 'sealed'],
].join(', ')

/** The columns of {@link toTokenRow}. */
export const tokenColumns = 'id, account, generation, status, refresh_due_at, retry_at, used_at, sealed'

/** The columns of {@link toHistoryEntry}. */
export const historyColumns =
  'seq, connection_id, tenant, user_id, provider, account, type, generation, reason, at, last_at, count, note'

/**
 * How `pg` decodes what a vault's statements return: 8-byte integers are numbers, since instants and counters are far
 * below 2^53; bytes come as hexadecimal text.
 */
export const types = {
  getTypeParser(type: number): (text: string) => unknown {
    return parsers[type] ?? asText
  },
}

const parsers: Readonly<Record<number, (text: string) => unknown>> = {
  16: (text) => text === 't',
  17: toBytes,
  20: Number,
  21: Number,
  23: Number,
  26: Number,
}

function toBytes(text: string): Uint8Array {
  const bytes = Buffer.from(text.slice(2), 'hex')
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

function asText(text: string): string {
  return text
}

/** A grant as named parameters. */
export function grantParameters(grant: Grant): Record<string, unknown> {
  const { scopes, expiresAt, receivedAt, refreshDueAt, dueAt, keyId, sealed } = grant
  return { scopes, expiresAt, receivedAt, refreshDueAt, dueAt, keyId, sealed }
}

/** In the order of {@link tokenColumns}. */
export function toTokenRow(tenant: string, user: string, provider: string, values: Values): TokenRow {
  return {
    id: values[0] as string,
    tenant,
    user,
    provider,
    account: values[1] as string,
    generation: values[2] as number,
    status: values[3] as ConnectionRow['status'],
    refreshDueAt: values[4] as number | null,
    retryAt: values[5] as number | null,
    usedAt: values[6] as number,
    sealed: values[7] as Uint8Array,
  }
}

/** In the order of {@link columns}. */
export function toRow(values: Values): ConnectionRow {
  return {
    id: values[0] as string,
    tenant: values[1] as string,
    user: values[2] as string,
    provider: values[3] as string,
    account: values[4] as string,
    generation: values[5] as number,
    status: values[6] as ConnectionRow['status'],
    reason: values[7] as string | null,
    scopes: values[8] as string,
    expiresAt: values[9] as number | null,
    receivedAt: values[10] as number,
    refreshDueAt: values[11] as number | null,
    dueAt: values[12] as number | null,
    leaseOwner: values[13] as string | null,
    leaseUntil: values[14] as number | null,
    intentAt: values[15] as number | null,
    intentHash: values[16] as string | null,
    failures: values[17] as number,
    retryAt: values[18] as number | null,
    grantedAt: values[19] as number,
    usedAt: values[20] as number,
    createdAt: values[21] as number,
    updatedAt: values[22] as number,
    keyId: values[23] as string,
    sealed: values[24] as Uint8Array,
  }
}

/** In the order of {@link historyColumns}. */
export function toHistoryEntry(values: Values): HistoryEntry {
  return {
    seq: values[0] as number,
    connectionId: values[1] as string,
    tenant: values[2] as string,
    user: values[3] as string,
    provider: values[4] as string,
    account: values[5] as string,
    type: values[6] as HistoryType,
    generation: values[7] as number,
    reason: values[8] as string | null,
    at: values[9] as number,
    lastAt: values[10] as number,
    count: values[11] as number,
    note: values[12] as string | null,
  }
}

/** Id, whether it is the primary, check text, wrapped key, instant. */
export function toStoredKey(values: Values): StoredKey {
  return {
    id: values[0] as string,
    primary: values[1] as boolean,
    check: values[2] as Uint8Array,
    wrapped: values[3] as Uint8Array | null,
    createdAt: values[4] as number,
  }
}

/** Number, instant, entry, hash. */
export function toAuditLine(values: Values): AuditLine {
  return {
    seq: values[0] as number,
    at: values[1] as number,
    entry: values[2] as string,
    hash: values[3] as Uint8Array,
  }
}
