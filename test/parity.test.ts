// Every requirement is cited by the title of a test, and titles cite no row that nobody knows. Whether a title tells the
// truth is for its reader to judge.
import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { requirements } from './requirements.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Titles of `it`, `describe` and `test`, of tables (`it.each([…])('…')`) as well. */
function titlesIn(code: string): string[] {
  const calls =
    /(?:\b(?:it|test|describe)(?:\.\w+)*(?:\((?:[^()'"`]|\([^()'"`]*\))*\))?|\]\)?)\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1\s*,/g
  return [...code.matchAll(calls)].map(([, , title = '']) => title)
}

function cited(): Map<string, string[]> {
  const rows = new Map<string, string[]>()
  for (const file of globSync(['src/**/*.test.ts', 'src/**/*.contract.ts', 'test/**/*.test.ts'], {
    cwd: root,
  })) {
    if (file === 'test/parity.test.ts') continue
    for (const title of titlesIn(readFileSync(`${root}/${file}`, 'utf8')))
      for (const [id] of title.matchAll(/\b[PR]\d+\b/g))
        rows.set(id, [...(rows.get(id) ?? []), `${file}: ${title}`])
  }
  return rows
}

it('every requirement has a test', () => {
  const rows = cited()
  expect(Object.keys(requirements)).toHaveLength(87)
  expect(Object.keys(requirements).filter((id) => !rows.has(id))).toEqual([])
})

it('no title cites a row that is neither a requirement nor of the further lists (P1 to P119, R1 to R22)', () => {
  const known = (id: string) =>
    Number(id.slice(1)) >= 1 && Number(id.slice(1)) <= (id.startsWith('P') ? 119 : 22)
  expect([...cited()].filter(([id]) => !known(id))).toEqual([])
})

it.each([
  ["it('P1 says', () => {})", ['P1 says']],
  ["it.each([\n  [1],\n])(\n  'P2 says %s', async () => {})", ['P2 says %s']],
  ["describe.concurrent('P3', () => { it(`P4 says`, run) })", ['P3', 'P4 says']],
  ["describe.each(cases)('P7', () => {}); it.each(Object.keys(cases))('P8', () => {})", ['P7', 'P8']],
  ["const x = { title: 'P5' }; // it is P6", []],
])('finds the titles of %j', (code, titles) => {
  expect(titlesIn(code)).toEqual(titles)
})
