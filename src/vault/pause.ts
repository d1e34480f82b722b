// Waiting that can be cut short.

/** Resolves after that time, or when the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return wait(ms, signal, true)
}

/** {@link pause}, without keeping the process alive for it. */
export function idle(ms: number, signal: AbortSignal): Promise<void> {
  return wait(ms, signal, false)
}

function wait(ms: number, signal: AbortSignal, keepsAlive: boolean): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    // Runtimes other than Node give a number.
    if (!keepsAlive) (timer as { unref?: () => void }).unref?.()
    signal.addEventListener('abort', done, { once: true })
  })
}
