// docs/errors.md is what src/errors.ts says now; each code is thrown somewhere, by the class it is documented under.
import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { advisedWords, documentedCodes, errorsPage } from '../scripts/errors-page.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const errors = readFileSync(`${root}/src/errors.ts`, 'utf8')
const classOf = new Map(documentedCodes().map(({ code, errorClass }) => [code, errorClass]))
const meaningOf = new Map(documentedCodes().map(({ code, meaning }) => [code, meaning]))

/** The sources that throw, comments and types of unions taken out: a code that stands there is made, not compared. */
const throwing = globSync('src/**/*.ts', { cwd: root })
  .filter((file) => !/\.(test|contract)\.ts$|^src\/(testing|errors\.ts)/.test(file))
  .map((file) => ({ file, text: madeIn(readFileSync(`${root}/${file}`, 'utf8')) }))

function madeIn(code: string): string {
  return code
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
    .replace(/(?:[!=]==|\bcase|\|) *'\w+'|'\w+' *\|(?!\|)|\bincludes\('\w+'\)/g, '')
}

/** The classes of src/errors.ts with the codes that each gives by itself, or takes. */
const ownCodes = [...errors.matchAll(/^export class (\w+) [^\n]*\{\n([\s\S]*?)^\}/gm)].flatMap(
  ([, name = '', body = '']) =>
    [...body.replace(/\/\*[\s\S]*?\*\//g, '').matchAll(/'(\w+)'/g)]
      .map(([, code = '']) => ({ name, code }))
      .filter(({ code }) => classOf.has(code)),
)

/** `new CallbackError('state_missing'` wherever it stands. */
const sites = throwing.flatMap(({ file, text }) =>
  [...text.matchAll(/new (\w+Error)\(\s*'(\w+)'(?=\s*[,)])/g)].map(([, name = '', code = '']) => ({
    file,
    name,
    code,
  })),
)

it('is current: node scripts/errors-page.ts writes what is there', () => {
  expect(documentedCodes().length).toBeGreaterThan(65)
  expect(readFileSync(`${root}/docs/errors.md`, 'utf8')).toBe(errorsPage())
})

it('documents each code once, with what it means and what to do', () => {
  expect(classOf.size).toBe(documentedCodes().length)
  for (const { code, errorClass, meaning, next } of documentedCodes()) {
    expect(errorClass, code).toMatch(/Error$/)
    expect(meaning, code).toMatch(/\.$/)
    expect(next, code).toMatch(/\.$/)
  }
})

it('advises each error word once, in a sentence', () => {
  const words = advisedWords().flatMap(({ words: of }) => of)
  expect(words.length).toBeGreaterThan(85)
  expect(new Set(words).size).toBe(words.length)
  for (const word of words) expect(word).toMatch(/^[a-z_]+$|^AADSTS\d+$/)
  for (const { advice } of advisedWords()) expect(advice).toMatch(/^[A-Z].*\.$/)
})

describe('each code', () => {
  it('is thrown somewhere', () => {
    const made = throwing.map(({ text }) => text).join('\n')
    const inside = [...errors.matchAll(/super\(([^)]*)/g), ...errors.matchAll(/code: ('\w+' as const)/g)]
    const byItself = inside.map(([, argument = '']) => argument).join('\n')
    const thrown = (code: string) => made.includes(`'${code}'`) || byItself.includes(`'${code}'`)
    expect([...classOf.keys()].filter((code) => !thrown(code))).toEqual([])
  })

  it('is thrown by the class that it is documented under, or by one that its text names', () => {
    expect(sites.length).toBeGreaterThan(100)
    expect(ownCodes.length).toBeGreaterThan(25)
    const documented = ({ name, code }: { name: string; code: string }) =>
      classOf.get(code) === name || meaningOf.get(code)?.includes(`\`${name}\``)
    expect([...sites, ...ownCodes].filter((site) => !documented(site))).toEqual([])
  })
})

it.each([
  ["  // XError: y.\n  /** What. Next: do. */\n  | 'a'", [['a', 'XError', 'What.', 'do.']]],
  [
    "  // XError: y.\n  /**\n   * What\n   * more.\n   * Next: do.\n   */\n  | 'a'",
    [['a', 'XError', 'What more.', 'do.']],
  ],
])('reads %j', (union, codes) => {
  const read = documentedCodes(`export type ErrorCode =\n${union}\n\n`)
  expect(read.map(({ code, errorClass, meaning, next }) => [code, errorClass, meaning, next])).toEqual(codes)
})

it.each(["  // XError: y.\n  | 'a'", "  // XError: y.\n  /** What. */\n  | 'a'"])(
  'refuses a code without a next step: %j',
  (union) => {
    expect(() => documentedCodes(`export type ErrorCode =\n${union}\n\n`)).toThrow(/'a' must say/)
  },
)
