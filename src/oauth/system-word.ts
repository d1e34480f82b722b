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
