// A refresh request over HTTP: the last look at the lease is right before `fetch`, and the provider's clock is read off its
// answer. RFC 6749 section 6; RFC 9110 section 6.6.1 (Date).
import { type RequestOptions, refreshTokenGrant } from '../oauth/index.ts'
import type { RefreshParts, Sending } from './refresh-parts.ts'

/** Sends refresh requests with these options. */
export function refreshRequests(options: RequestOptions): RefreshParts['refresh'] {
  return ({ provider, client }, tokens, sending) => {
    const send = watched(options.fetch ?? client.fetch, sending)
    return refreshTokenGrant(provider, client, tokens, { ...options, fetch: send })
  }
}

function watched(given: typeof fetch | undefined, sending: Sending): typeof fetch {
  return async (input, init) => {
    await sending.assertInTime()
    const response = await (given ?? globalThis.fetch)(input, init)
    sending.answeredAt(Date.parse(response.headers.get('date') ?? ''))
    return response
  }
}
