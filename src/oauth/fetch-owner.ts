// Whose answers a `fetch` brings: what was learned through one that wraps another counts for both.
// Keys and metadata are kept for one `fetch` each, because what one proxy says of an issuer is nothing to another.

const owners = new WeakMap<typeof fetch, typeof fetch>()

/** Says that a wrapper sends through `given` and changes no answer. Returns the wrapper. */
export function sendsThrough(given: typeof fetch, wrapper: typeof fetch): typeof fetch {
  owners.set(wrapper, ownerOf(given))
  return wrapper
}

/** The `fetch` that others wrap. Default: the global one. */
export function ownerOf(send: typeof fetch = globalThis.fetch): typeof fetch {
  return owners.get(send) ?? send
}
