// Instants and spans for people: exact, and as far as they are from now.

const units = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const

const words = new Intl.RelativeTimeFormat('en')

/** `2026-01-31T14:05:09Z`. */
export function instantText(at: Date): string {
  return at.toISOString().replace(/\.\d+Z$/, 'Z')
}

/** `in 3 hours`, `2 days ago`, `just now`: in the largest unit of which there are two. */
export function relativeText(at: Date, now: Date): string {
  const ms = at.getTime() - now.getTime()
  if (Math.abs(ms) < 1000) return 'just now'
  const [unit, length] = units.find(([, size]) => Math.abs(ms) >= 2 * size) ?? ['second', 1000]
  return words.format(Math.round(ms / length), unit)
}

/** `12.5 MB`; powers of 1000. */
export function bytesText(bytes: number): string {
  const names = ['B', 'kB', 'MB', 'GB', 'TB']
  const step = bytes < 1 ? 0 : Math.min(names.length - 1, Math.floor(Math.log10(bytes) / 3))
  const value = bytes / 1000 ** step
  return `${step === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${names[step]}`
}

/** `12 s ahead of`, `3600 s behind`: of an offset in milliseconds. */
export function spanOfClock(ms: number): string {
  return `${Math.abs(Math.round(ms / 1000))} s ${ms > 0 ? 'ahead of' : 'behind'}`
}
