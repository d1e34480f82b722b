// Waiting for work that several callers share: each may give up, the work goes on.
// No RFC: it keeps one caller's abort from losing a refresh that others wait for.

/** Waits for a shared promise, unless the caller's signal gives up first; the work itself goes on. */
export function waitFor<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(signal.reason)
    if (signal.aborted) giveUp()
    signal.addEventListener('abort', giveUp, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp))
  })
}
