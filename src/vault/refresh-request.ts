// A renewal over HTTP, by refresh token or by the grant once more: the last look at the lease is right before `fetch`, and the provider's clock is read off its
// answer. RFC 6749 section 6; RFC 9110 section 6.6.1 (Date).
import { mismatchedTokens, type RequestOptions, renewTokens, sendsThrough } from '../oauth/index.ts'
import type { RefreshParts, Sending } from './refresh-parts.ts'

/** Sends refresh requests with these options. Tokens that strict scopes object to are kept: the old refresh token may be used up. */
export function refreshRequests(options: RequestOptions): RefreshParts['refresh'] {
  return ({ provider, client }, tokens, sending) => {
    const send = watched(options.fetch ?? client.fetch ?? globalThis.fetch, sending)
    return renewTokens(provider, client, tokens, { ...options, fetch: send }).catch(mismatchedTokens)
  }
}

/** Watches the request of the renewal itself, not what follows its answer (keys of an id_token, calls of a hook). */
function watched(send: typeof fetch, sending: Sending): typeof fetch {
  let isRenewed = false
  return sendsThrough(send, async (input, init) => {
    if (isRenewed) return send(input, init)
    await sending.assertInTime()
    const response = await send(input, init)
    isRenewed = response.ok
    sending.answeredAt(Date.parse(response.headers.get('date') ?? ''))
    return response
  })
}
