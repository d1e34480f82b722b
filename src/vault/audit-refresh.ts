// What the audit log gets of a refresh: its outcome, and the request that it took. No token, and no path.
import { sendsThrough } from '../oauth/index.ts'
import type { AuditEntry, AuditedRequest } from './audit.ts'
import { codeOf } from './audit-log.ts'
import type { ConnectionRow } from './store.ts'

/** Requests whose refresh has not been recorded yet, at most: of one that never is, the request is let go. */
const mostRequests = 1000

/** Keeps the last request of each refresh until its outcome is recorded. */
export class AuditedRefreshes {
  readonly #requests = new Map<string, AuditedRequest>()

  /** `fetch` for the refresh of one connection. What follows the answer (a hook's calls) is not kept. */
  watch(connectionId: string, given: typeof fetch = globalThis.fetch): typeof fetch {
    let isRenewed = false
    return sendsThrough(given, async (input, init) => {
      if (isRenewed) return given(input, init)
      const begun = performance.now()
      const request = { host: hostOf(input), method: init?.method ?? 'GET', count: 1 }
      const ended = (how: Pick<AuditedRequest, 'status' | 'error'>) =>
        this.#keep(connectionId, { ...request, ...how, ms: performance.now() - begun })
      try {
        const response = await given(input, init)
        isRenewed = response.ok
        ended({ status: response.status })
        return response
      } catch (error) {
        ended({ error: codeOf(error) })
        throw error
      }
    })
  }

  /** The line for a refresh that ended. @param row as it is after it. */
  entry(row: ConnectionRow, error: unknown): AuditEntry {
    const { id, user, provider, account, reason, generation } = row
    const request = this.#requests.get(id)
    this.#requests.delete(id)
    return {
      ...{ action: 'refresh', outcome: error === undefined ? 'ok' : codeOf(error), user },
      connections: [{ id, provider, account }],
      ...(request === undefined ? {} : { requests: [request], ms: request.ms }),
      detail: { generation, ...(error === undefined || reason === null ? {} : { reason }) },
    }
  }

  #keep(connectionId: string, request: AuditedRequest): void {
    if (this.#requests.size >= mostRequests) this.#requests.clear()
    this.#requests.set(connectionId, request)
  }
}

function hostOf(input: string | URL | Request): string {
  const url = typeof input === 'object' && 'url' in input ? input.url : String(input)
  return URL.canParse(url) ? new URL(url).host : '-'
}
