// API calls whose token is bound to a key: `Authorization: DPoP`, and a proof for each request that leaves.
// RFC 9449 sections 7 and 9.
import { argumentError } from '../errors.ts'
import { wantsNonce } from './challenge.ts'
import { type Prover, proverOf } from './dpop.ts'
import { discardBody, followRedirects, isReplayable } from './redirects.ts'
import type { TokenSet } from './token-set.ts'

/** One API call. */
export interface ProvedCall {
  send: typeof fetch
  tokens: TokenSet
  url: string
  init: RequestInit
  /** Milliseconds since 1970. */
  now: () => number
}

/**
 * Sends a call with token and proof. Redirects are followed here, because a proof is for one URL; the API's wish for
 * its nonce is met once for each request, if the body can be sent again.
 *
 * @throws {TypeError} `invalid_argument` when the token set has no key; otherwise as `fetch` and {@link followRedirects}.
 */
export async function sendProved(call: ProvedCall): Promise<Response> {
  const { send, tokens, url, init } = call
  if (tokens.dpopKey === undefined)
    throw argumentError(
      'This access token is bound to a key (token type DPoP), and the token set has no dpopKey. Keep the token set as a whole: serialize() writes both.',
    )
  const prover = await proverOf(tokens.dpopKey)
  const sendAuthorised = (to: string, request: RequestInit) => sendOnce(prover, call, to, request)
  if ((init.redirect ?? 'follow') !== 'follow') return sendAuthorised(url, init)
  return followRedirects(send, { url, init, sendAuthorised, token: tokens.accessToken })
}

async function sendOnce(
  prover: Prover,
  call: ProvedCall,
  target: string,
  init: RequestInit,
): Promise<Response> {
  const url = new URL(target)
  const sent = prover.nonceFor(url.origin)
  const response = await sendWith(prover, call, url, init, sent)
  const nonce = prover.learn(url.origin, response.headers, sent)
  if (nonce === undefined || !mayBeForNonce(response) || !isReplayable(init.body)) return response
  discardBody(response)
  const second = await sendWith(prover, call, url, init, nonce)
  prover.learn(url.origin, second.headers, nonce)
  return second
}

async function sendWith(
  prover: Prover,
  { send, tokens, now }: ProvedCall,
  url: URL,
  init: RequestInit,
  nonce: string | undefined,
): Promise<Response> {
  const { accessToken } = tokens
  const method = methodOf(init.method)
  const proof = await prover.proof({ method, url, accessToken, nonce, now: now() })
  const headers = new Headers(init.headers)
  headers.set('authorization', `DPoP ${accessToken}`)
  headers.set('dpop', proof)
  return send(url.href, { ...init, headers })
}

/** Methods as `fetch` sends them: these in capitals, others as they are (Fetch standard, "normalize a method"). */
function methodOf(method = 'GET'): string {
  return /^(?:DELETE|GET|HEAD|OPTIONS|POST|PUT)$/i.test(method) ? method.toUpperCase() : method
}

/** RFC 9449 section 9 asks for 401; some answer 400. */
function mayBeForNonce({ status, headers }: Response): boolean {
  return (status === 401 || status === 400) && wantsNonce(headers.get('www-authenticate'))
}
