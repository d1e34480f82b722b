// Instants and spans in words, for sentences that people read.

/** `2026-01-31 14:05 UTC`. */
export function instantText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

const units = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
] as const

/** `7 days`, `3 hours`, `1 minute`: in the largest unit of which there are two, or else one; the sign is dropped. */
export function spanText(ms: number): string {
  const span = Math.abs(ms)
  const [unit, length] =
    units.find(([, size]) => span >= 2 * size) ?? units.find(([, size]) => span >= size) ?? units[3]
  const count = Math.round(span / length)
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}
