// Writes docs/errors.md from src/errors.ts: `node scripts/errors-page.ts`. What a code means and what to do about it is
// said once, in the source; the text above the first class is the page's own.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = new URL('..', import.meta.url)
const page = new URL('docs/errors.md', root)

/** One code of the union `ErrorCode`, as its comment documents it. */
export interface DocumentedCode {
  code: string
  /** The class that carries it. */
  errorClass: string
  meaning: string
  /** What to do. */
  next: string
}

/** A class of src/errors.ts, as its comment documents it. */
interface DocumentedClass {
  text: string
  members: string[]
}

const source = () => readFileSync(new URL('src/errors.ts', root), 'utf8')

/** The text of a doc comment on one line, links as code. */
function textOf(comment: string): string {
  return comment
    .replace(/^\s*\/\*\*|\*\/\s*$/g, '')
    .replace(/\n\s*\*/g, ' ')
    .replace(/\{@link (\w+)\}/g, '`$1`')
    .replace(/\s+/g, ' ')
    .trim()
}

/** Every code, in the order of the source. Throws where a comment is missing or says not what to do. */
export function documentedCodes(text = source()): DocumentedCode[] {
  const union = /export type ErrorCode =\n([\s\S]*?)\n\n/.exec(text)?.[1] ?? ''
  const codes: DocumentedCode[] = []
  let errorClass = ''
  for (const [, group, comment, code] of union.matchAll(
    /^ {2}\/\/ (\w+):.*$|^ {2}(?:(\/\*\*[\s\S]*?\*\/)\s*)?\| '(\w+)'$/gm,
  )) {
    if (group !== undefined) errorClass = group
    if (code === undefined) continue
    const [, meaning, next] = /^(.+?) Next: (.+)$/.exec(textOf(comment ?? '')) ?? []
    if (meaning === undefined || next === undefined)
      throw new Error(`src/errors.ts: the comment above '${code}' must say what it means, then "Next: …".`)
    codes.push({ code, errorClass, meaning, next })
  }
  return codes
}

/** What the comments above classes say, and the members that a reader of the error has. */
function documentedClasses(text: string): Map<string, DocumentedClass> {
  const classes = new Map<string, DocumentedClass>()
  for (const [, comment = '', name = '', body = ''] of text.matchAll(
    /^(\/\*\*(?:(?!\*\/)[\s\S])*\*\/)\nexport class (\w+) [^\n]*\{\n([\s\S]*?)^\}/gm,
  )) {
    const members = [...body.matchAll(/^ {2}(?:declare )?readonly (\w+):/gm)].map(([, member = '']) => member)
    classes.set(name, { text: textOf(comment), members })
  }
  const [, typeError = ''] = /^ {2}\/\/ TypeError: (.+)$/m.exec(text) ?? []
  return classes.set('TypeError', { text: typeError[0]?.toUpperCase() + typeError.slice(1), members: [] })
}

function sectionOf(name: string, codes: readonly DocumentedCode[], about: DocumentedClass): string {
  const members = about.members.map((member) => `\`${member}\``).join(', ')
  const rows = codes.map(({ code, meaning, next }) => `| \`${code}\` | ${meaning} | ${sentence(next)} |`)
  return [
    `## ${name}`,
    about.text + (members === '' ? '' : ` Besides \`code\` and \`cause\` it has ${members}.`),
    ['| code | what it means | what to do |', '|---|---|---|', ...rows].join('\n'),
  ].join('\n\n')
}

/** What providers say, and what the messages of `TokenEndpointError` and `AuthorizationDeniedError` advise. */
export function advisedWords(text = source()): { words: string[]; advice: string }[] {
  const [, lines = ''] = /^const advice = `\n([\s\S]*?)`$/m.exec(text) ?? []
  return lines
    .trim()
    .split('\n')
    .map((line) => ({
      words: line.slice(0, line.indexOf(': ')).split(' '),
      advice: line.slice(line.indexOf(': ') + 2),
    }))
}

function wordsSection(text: string): string {
  const rows = advisedWords(text).map(
    ({ words, advice }) => `| ${words.map((word) => `\`${word}\``).join(', ')} | ${advice} |`,
  )
  return [
    '## What providers say',
    'The messages of `TokenEndpointError` and `AuthorizationDeniedError` end with what to do: by Microsoft’s number in the description, by the error word, by the grant that `invalid_grant` is about, and by what the description names.',
    ['| error word | advice |', '|---|---|', ...rows].join('\n'),
  ].join('\n\n')
}

const sentence = (text: string) => text[0]?.toUpperCase() + text.slice(1)

/** The page as the source has it now, its own text kept. */
export function errorsPage(present = readFileSync(page, 'utf8'), text = source()): string {
  const [own = ''] = present.split(/^## /m)
  const codes = documentedCodes(text)
  const classes = documentedClasses(text)
  const sections = [...new Set(codes.map(({ errorClass }) => errorClass))].map((name) => {
    const about = classes.get(name)
    if (about === undefined) throw new Error(`src/errors.ts: no documented class ${name}, which codes name.`)
    return sectionOf(
      name,
      codes.filter(({ errorClass }) => errorClass === name),
      about,
    )
  })
  return `${[own.trimEnd(), ...sections, wordsSection(text)].join('\n\n')}\n`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(page, errorsPage())
  console.log(`${fileURLToPath(page)}: ${documentedCodes().length} codes`)
}
