// API calls whose token is bound to a key: `Authorization: DPoP`, and a proof for each request that leaves.
// RFC 9449 sections 7 and 9.
import { argumentError } from '../errors.ts'
import { wantsNonce } from './challenge.ts'
import { Prover, proverOf } from './dpop.ts'
import { discardBody, followRedirects, isRedirect, isReplayable } from './redirects.ts'
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
export function sendProved(call: ProvedCall): Promise<Response> {
  const { tokens } = call
  if (tokens.dpopKey === undefined)
    throw argumentError(
      'This access token is bound to a key (token type DPoP), and the token set has no dpopKey. Keep the token set as a whole: serialize() writes both.',
    )
  const known = proverOf(tokens.dpopKey)
  return known instanceof Prover ? sendAll(known, call) : known.then((prover) => sendAll(prover, call))
}

/** The call, and what its redirects ask for. */
async function sendAll(prover: Prover, call: ProvedCall): Promise<Response> {
  const { send, tokens, url, init } = call
  if ((init.redirect ?? 'follow') !== 'follow') return sendOnce(prover, call, url, init)
  const response = await sendOnce(prover, call, url, { ...init, redirect: 'manual' })
  if (!isRedirect(response)) return response
  const sendAuthorised = (to: string, request: RequestInit) => sendOnce(prover, call, to, request)
  return followRedirects(send, { url, init, sendAuthorised, token: tokens.accessToken }, response)
}

/** One request, and another one when the API wants its nonce in the proof. */
async function sendOnce(
  prover: Prover,
  { send, tokens, now }: ProvedCall,
  target: string,
  init: RequestInit,
): Promise<Response> {
  const url = new URL(target)
  const { origin } = url
  const { accessToken } = tokens
  const method = methodOf(init.method)
  let nonce = prover.nonceFor(origin)
  for (let mayRepeat = isReplayable(init.body); ; mayRepeat = false) {
    const proof = await prover.proof({ method, url, accessToken, nonce, now: now() })
    const headers = withProof(init.headers, `DPoP ${accessToken}`, proof)
    const response = await send(target, { ...init, headers })
    const given = prover.learn(origin, response.headers, nonce)
    if (given === undefined || !mayRepeat || !isForNonce(response)) return response
    discardBody(response)
    nonce = given
  }
}

function withProof(given: HeadersInit | undefined, authorization: string, dpop: string): HeadersInit {
  if (given === undefined) return { authorization, dpop }
  const headers = new Headers(given)
  headers.set('authorization', authorization)
  headers.set('dpop', dpop)
  return headers
}

/** Methods as `fetch` sends them: these in capitals, others as they are (Fetch standard, "normalize a method"). */
function methodOf(method = 'GET'): string {
  return /^(?:DELETE|GET|HEAD|OPTIONS|POST|PUT)$/i.test(method) ? method.toUpperCase() : method
}

/** RFC 9449 section 9 asks for 401; some answer 400. */
function isForNonce({ status, headers }: Response): boolean {
  return (status === 401 || status === 400) && wantsNonce(headers.get('www-authenticate'))
}
