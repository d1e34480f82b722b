// The proof that we hold the key which tokens will be bound to, in a request to one of a provider's endpoints.
// RFC 9449 sections 5 and 8: the server may want a nonce of its own in it, and says so by an error.
import { parseBody } from './answer-body.ts'
import { proverOf } from './dpop.ts'
import type { RequestOptions } from './request-options.ts'
import type { Answer } from './transport.ts'

/** Proof of one key in one request, which may have to be sent twice. */
export interface KeyProof {
  /** Adds the proof to the headers of a request of which nothing changes any more. Made anew for each sending. */
  prove(url: string, method: string, headers: Headers): Promise<void>
  /** Takes the nonce of an answer. `true`: the answer asks for another proof, and there is a nonce for it. */
  again(url: string, answer: Answer): boolean
}

/** @throws {TypeError} `invalid_argument` when it is no private ES256 key. */
export async function keyProof(key: JsonWebKey, { now = Date.now }: RequestOptions): Promise<KeyProof> {
  const prover = await proverOf(key)
  let sent: string | undefined
  return {
    async prove(target, method, headers) {
      const url = new URL(target)
      sent = prover.nonceFor(url.origin)
      headers.set('dpop', await prover.proof({ method, url, nonce: sent, now: now() }))
    },
    again(target, answer) {
      const nonce = prover.learn(new URL(target).origin, answer.headers, sent)
      return nonce !== undefined && wantsNonce(answer)
    },
  }
}

function wantsNonce({ status, text }: Answer): boolean {
  return (status === 400 || status === 401) && parseBody(text)?.['error'] === 'use_dpop_nonce'
}
