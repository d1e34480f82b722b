// docs/doctor.md explains each code, and no other.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const source = readFileSync(new URL('./explanation.ts', import.meta.url), 'utf8')
const page = readFileSync(new URL('../../docs/doctor.md', import.meta.url), 'utf8')

/** The words of a union type. */
function wordsOf(type: string): string[] {
  const [, union = ''] = new RegExp(`export type ${type} =([\\s\\S]*?)\\n\\n`).exec(source) ?? []
  return [...union.matchAll(/'(\w+)'/g)].map(([, word = '']) => word)
}

/** The words of the first column of the table in a section, below its heading. */
function documented(section: string): string[] {
  const [, text = ''] = new RegExp(`## ${section}\\n([\\s\\S]*?)\\n## `).exec(page) ?? []
  return [...text.matchAll(/^\| `(\w+)` \|/gm)].map(([, word = '']) => word).slice(1)
}

it.each([
  ['CauseCode', 'Causes', 21],
  ['ExplainedStatus', 'How a connection stands', 8],
])('%s', (type, section, count) => {
  expect(wordsOf(type)).toHaveLength(count)
  expect(documented(section).sort()).toEqual(wordsOf(type).sort())
})
