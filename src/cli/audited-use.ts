// Uses of a connection by a command, for the audit log: to which host, how it went, how long it took.
import type { AuditEntry, AuditedRequest, ConnectionAddress, Vault } from '../vault/index.ts'
import { isFetchFailure } from './exit-code.ts'

/** The request of a use, as far as a command knows it. */
export type UsedRequest = Omit<AuditedRequest, 'count' | 'ms'>

/** Runs what uses a connection, and writes down how it went. */
export async function audited<Result>(
  { audit }: Vault,
  entry: Pick<AuditEntry, 'action' | 'tokenGiven'>,
  { user, provider, account }: ConnectionAddress,
  run: () => Promise<Result>,
  requestOf: (result: Result | undefined, error: unknown) => UsedRequest | undefined = () => undefined,
): Promise<Result> {
  const begun = performance.now()
  const ended = (outcome: string, request: UsedRequest | undefined) => {
    const ms = performance.now() - begun
    const requests = request === undefined ? [] : [{ ...request, count: 1, ms }]
    audit.record({ ...entry, outcome, user, connections: [{ provider, account }], requests, ms })
  }
  try {
    const result = await run()
    ended('ok', requestOf(result, undefined))
    return result
  } catch (error) {
    ended(codeOf(error), requestOf(undefined, error))
    throw error
  }
}

/** An error in one word. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'failed'
  if (isFetchFailure(error)) return 'network'
  const code = 'code' in error ? error.code : undefined
  return typeof code === 'string' && /^\w{1,60}$/.test(code) ? code : 'failed'
}
