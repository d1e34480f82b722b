// Consent in one call: start the loopback flow, wait for the token set (P2).
// RFC 8252 section 7.3.
import type { Client, TokenSet } from '../oauth/index.ts'
import type { Provider } from '../providers/index.ts'
import type { Flow, FlowRequest } from './flow.ts'
import { loopback } from './loopback.ts'
import type { LoopbackOptions } from './loopback-options.ts'

/** Options of {@link authorize}: what to ask for, and how to listen. */
export interface AuthorizeOptions extends LoopbackOptions, Omit<FlowRequest, 'registration'> {
  /** How to ask, such as `device()`. Default: `loopback` with these options. */
  flow?: Flow | undefined
}

/**
 * Asks a person for consent in their browser and resolves with the token set.
 * Waits five minutes unless `timeoutMs` says otherwise; `Infinity` is the only way to wait for ever.
 *
 * @throws what `loopback().start()` and `result()` throw.
 */
export async function authorize(
  provider: Provider,
  client: Client,
  options: AuthorizeOptions = {},
): Promise<TokenSet> {
  const { flow = loopback(options), ...request } = options
  const started = await flow.start({ ...request, registration: { provider, client } })
  return started.result()
}
