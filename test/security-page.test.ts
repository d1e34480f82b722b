// docs/security.md: each recommendation of RFC 9700 for clients names the test that shows it, and that test exists.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const page = readFileSync(new URL('../docs/security.md', import.meta.url), 'utf8')
const root = new URL('../', import.meta.url)

/** Rows of all tables, as cells; the heads and rules left out. */
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('|') && !/^\|(-+\||\s*(RFC 9700|who)\s*\|)/.test(line))
  .map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  )

/** Sections of RFC 9700 with something for clients to do (2.1 to 2.6, 4.1 to 4.17). */
const sections = [
  ...['2.1', '2.1.1', '2.1.2', '2.2.1', '2.2.2', '2.3', '2.4', '2.5', '2.6'],
  ...['4.1', '4.2', '4.3.1', '4.3.2', '4.4', '4.5', '4.6', '4.7', '4.8', '4.9.1', '4.9.2', '4.9.3'],
  ...['4.10', '4.10.1', '4.10.2', '4.11.1', '4.12', '4.14', '4.16', '4.17'],
]

describe('the security page', () => {
  it.each(rows.map((cells) => [cells[1] ?? '', cells.at(-1) ?? '']))('%s: has its test', (what, test) => {
    if (what === 'read the tokens' && test === '–') return expect(page).toContain('**and** its key')
    const [file = '', title = ''] = test.split(' › ')
    expect(existsSync(new URL(file, root)), file).toBe(true)
    expect(title, test).not.toBe('')
    expect(titlesIn(file), `${file} has no test of that title`).toContain(title.replaceAll("'", "\\'"))
  })

  it('has a row for every section of RFC 9700 that asks something of clients', () => {
    const named = rows.flatMap(([where = '']) => where.split(', '))
    expect(sections.filter((section) => !named.includes(section))).toEqual([])
  })

  it('has four cells in each row', () => {
    for (const cells of rows) expect(cells, cells.join(' | ')).toHaveLength(4)
  })
})

describe('what the page says of the whole house', () => {
  it('the house neither sends nor hears messages between windows', () => {
    const source = readdirSync(new URL('src/', root), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .map((file) => readFileSync(new URL(`src/${file}`, root), 'utf8'))
      .join('\n')
    expect(source).not.toMatch(
      /window\.opener|addEventListener\('message'|opener\.postMessage|parent\.postMessage/,
    )
  })
})

/** What stands in quotes in a file, titles among it. */
function titlesIn(file: string): string {
  const text = readFileSync(new URL(file, root), 'utf8')
  return [...text.matchAll(/'(?:[^'\\\n]|\\.)*'|`[^`\n]*`/g)].map(([literal]) => literal).join('\n')
}
