// Whether an access token still works, asked of the provider's own "who am I".
// OpenID Connect Core section 5.3; RFC 6750 section 3.1 for the 401 of a dead token.
import type { Provider } from '../providers/index.ts'
import { parseBody } from './answer-body.ts'
import { firstWords } from './first-words.ts'
import { strictRefusal } from './refusal.ts'
import type { RequestOptions } from './request-options.ts'
import { Session } from './session.ts'
import type { TokenSet } from './token-set.ts'
import { waitFor } from './wait.ts'

/** `works`; `refused`: the provider does not accept it; `unknown`: it does not say, or there is nothing to ask. */
export type AccessTokenProbe = 'works' | 'refused' | 'unknown'

/** Words for a dead token in a success (Slack's `{"ok":false,"error":"token_revoked"}`). */
const deadToken = /^(?:invalid_auth|invalid_token|token_revoked|token_expired|not_authed|account_inactive)$/

/** Behind `probeAccessToken` of probes.ts, which documents it. */
export async function askWhoAmI(
  provider: Provider,
  tokens: TokenSet,
  options: RequestOptions,
): Promise<AccessTokenProbe> {
  const { fetch, signal, timeoutMs = 10_000, now, allowInsecureRequests } = options
  if (provider.userinfoUrl === undefined || !tokens.validFor(0, now?.())) return 'unknown'
  const limits = [AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])]
  try {
    const session = new Session(tokens, {
      provider,
      fetch,
      now,
      allowInsecureRequests,
      unauthorized: 'return',
    })
    const limit = AbortSignal.any(limits)
    const sent = session.fetch(provider.userinfoUrl, { redirect: 'manual', signal: limit })
    const response = await waitFor(sent, limit) // holds for a `fetch` that does not listen to its signal
    return verdict(response.status, await waitFor(firstWords(response), limit))
  } catch {
    signal?.throwIfAborted()
    return 'unknown'
  }
}

function verdict(status: number, text: string): AccessTokenProbe {
  if (status === 401) return 'refused'
  if (status < 200 || status > 299) return 'unknown'
  const body = parseBody(text)
  const refusal = body && strictRefusal(body)
  if (refusal === undefined) return 'works'
  return deadToken.test(refusal.error) ? 'refused' : 'unknown'
}
