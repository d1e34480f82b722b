// The names closest to a misspelt one, for error messages that offer the right word.

/**
 * At most three of `names`, nearest first: those that differ by few keystrokes or contain what was written.
 * Empty when nothing is near enough to be a typing mistake.
 */
export function nearestNames(wanted: string, names: Iterable<string>): string[] {
  const lower = wanted.toLowerCase()
  const allowed = Math.max(1, Math.floor(lower.length / 3))
  const ranked: { name: string; distance: number }[] = []
  for (const name of names) {
    const distance = editDistance(lower, name.toLowerCase())
    if (distance <= allowed) ranked.push({ name, distance })
    else if (lower.length >= 3 && name.toLowerCase().includes(lower))
      ranked.push({ name, distance: allowed + 1 })
  }
  return ranked
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ name }) => name)
}

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
function editDistance(from: string, to: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const substitution = from[row - 1] === to[column - 1] ? 0 : 1
      let best = Math.min(
        at(previous, column) + 1,
        at(current, column - 1) + 1,
        at(previous, column - 1) + substitution,
      )
      const swapped =
        row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      if (swapped) best = Math.min(best, at(beforePrevious, column - 2) + 1)
      current.push(best)
    }
    beforePrevious = previous
    previous = current
  }
  return at(previous, to.length)
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY
}
