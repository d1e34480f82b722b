// The loopback flow: a person consents in a browser and comes back to a port of this machine. Node only.
// RFC 8252 section 7.3 (loopback redirection). What it takes is loaded when a flow starts, not with the root door.
import type { Flow, FlowRequest } from './flow.ts'
import type { LoopbackOptions } from './loopback-options.ts'

/** How long a person has when the request does not say, in milliseconds: five minutes. */
export const defaultFlowTimeoutMs = 300_000

/** The port of `https://localhost:41539/`, unless another is chosen. */
export const defaultHttpsPort = 41_539

/**
 * A flow that listens on 127.0.0.1 (and ::1 for `localhost`) for the person's return: on any free port over plain
 * http, or on `https://localhost:41539/` with `https: true`, or where the client's own redirect URI leads. Many flows
 * may wait on one port at once, for different people; the last one out frees it. What is wrong with the options
 * is told by `start`.
 */
export function loopback(options: LoopbackOptions = {}): Flow {
  return {
    async start(request: FlowRequest) {
      const { startLoopback } = await import('./loopback-start.ts')
      return startLoopback(request, options)
    },
  }
}
