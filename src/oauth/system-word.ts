// The system's own word for a connection that failed, found among the causes of an error.
// Node's `fetch` hides it two levels down; a message of the system may hold more than anybody should see.

/** `ECONNREFUSED`, `ENOTFOUND`, `CERT_HAS_EXPIRED`; `undefined` when nothing among the causes says so. */
export function systemWord(error: unknown): string | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 6; at = at.cause, depth += 1) {
    const code = 'code' in at ? at.code : undefined
    if (typeof code === 'string' && /^[A-Z0-9_]{2,60}$/.test(code)) return code
  }
  return undefined
}

const closed =
  'The connection was closed, and the outcome is unknown: try again later. A server that wants a client certificate closes it on everybody without the right one.'
const untrusted =
  "The server's certificate is not trusted here: check the host and this machine's clock. An authority of your own goes into ca of certificateFetch, or into NODE_EXTRA_CA_CERTS."

/** What to do about a connection that failed, by {@link systemWord}. */
export function connectionAdvice(word: string | undefined): string {
  if (/^(UND_ERR_SOCKET|ECONNRESET|EPIPE|ERR_SSL_\w*_ALERT_\w+)$/.test(word ?? '')) return closed
  if (/CERT|LEAF_SIGNATURE/.test(word ?? '')) return untrusted
  return 'Check the URL and the network, then try again later.'
}
