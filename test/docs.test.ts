// The documentation tells the truth as far as a machine can tell: its TypeScript compiles, its links lead somewhere, and
// the commands, options and scripts that it names exist, and the other way round.
import { execFile, execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  ...globSync('docs/*.md', { cwd: root }).sort(),
]
const texts = new Map(pages.map((page) => [page, readFileSync(join(root, page), 'utf8')]))

/** A fenced block: its language, its text, and the line of the page on which the text begins, from 0. */
interface Block {
  language: string
  text: string
  line: number
}

function blocksOf(text: string): Block[] {
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(
    ({ index, 1: language = '', 2: body = '' }) => ({
      ...{ language, text: body },
      line: text.slice(0, index).split('\n').length,
    }),
  )
}

describe('every TypeScript block', () => {
  // One module a block, padded so that an error names the line of the page. A page is read from its top: what an earlier
  // block imported is there. What else a block takes for granted (`acme`, `show`) is declared in test/docs-prelude.ts.txt.
  const folder = join(root, 'test-results', 'docs')
  const blocks = [...texts].flatMap(([page, text]) =>
    blocksOf(text)
      .filter(({ language }) => language === 'ts')
      .map((block) => ({ page, ...block, file: `${page.replace(/\W/g, '-')}-${block.line}.ts` })),
  )

  it('compiles, with every strict flag on, as a consumer of the package', () => {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    for (const block of blocks) {
      const padding = `${importsBefore(block)}${'\n'.repeat(block.line)}`
      writeFileSync(join(folder, block.file), `${padding}${block.text}\nexport {}\n`)
    }
    const compilerOptions = { noUnusedLocals: false, noUnusedParameters: false, verbatimModuleSyntax: false }
    copyFileSync(join(root, 'test', 'docs-prelude.ts.txt'), join(folder, 'prelude.d.ts'))
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, include: ['*.ts'] }),
    )
    writeFileSync(
      join(folder, 'control.ts'),
      "import { Session } from 'toolgrant'\nnew Session('a mistake')\n",
    )
    expect(blocks.length).toBeGreaterThan(25)
    expect(compile(folder)).toEqual([expect.stringMatching(/^control\.ts:2 TS2345/)])
  })

  /** What earlier blocks of the page imported, but for the names that this one imports or declares. */
  function importsBefore({ page, line, text }: (typeof blocks)[number]): string {
    const earlier = blocks.filter((block) => block.page === page && block.line < line)
    const names = new Map(earlier.flatMap((block) => namesImportedBy(block.text)))
    for (const [name] of names)
      if (
        new RegExp(
          `\\b(?:import\\b.*|const|let|function) ${name}\\b|[{,] (?:type )?${name}\\b.*\\} (?:from|=) `,
        ).test(text)
      )
        names.delete(name)
    return [...names].map(([name, from]) => `import { ${name} } from '${from}'; `).join('')
  }

  function namesImportedBy(text: string): [string, string][] {
    return [...text.matchAll(/^import (?:type )?\{([^}]*)\} from '([^']*)'$/gm)].flatMap(
      ([, list = '', from = '']) =>
        list.split(',').map((name): [string, string] => [name.trim().replace(/^type /, ''), from]),
    )
  }

  /** `docs/vault.md:12 TS2304 Cannot find name …`. */
  function compile(project: string): string[] {
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    try {
      execFileSync(process.execPath, [tsc, '-p', project, '--pretty', 'false'], {
        cwd: root,
        encoding: 'utf8',
      })
      return []
    } catch (error) {
      const { stdout } = error as { stdout: string }
      const shown = stdout
        .trim()
        .split('\n')
        .filter((line) => /error TS/.test(line))
      return shown.map((line) => {
        const [, file = '', at = ''] = /([\w-]+\.ts)\((\d+),/.exec(line) ?? []
        const page = blocks.find((block) => block.file === file)?.page ?? file
        return `${page}:${at} ${line.replace(/^.*?error /, '')}`
      })
    }
  }
})

describe('every link', () => {
  const links = [...texts].flatMap(([page, text]) =>
    [...text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => ({
      page,
      target,
    })),
  )

  it('that is relative leads to a file, and its anchor to a heading', () => {
    const dead = links
      .filter(({ target }) => !/^[a-z]+:/.test(target))
      .filter(({ page, target }) => !leadsSomewhere(page, target))
    expect(links.length).toBeGreaterThan(30)
    expect(dead).toEqual([])
  })

  it('that is not relative is https', () => {
    expect(links.filter(({ target }) => /^[a-z]+:/.test(target) && !target.startsWith('https://'))).toEqual(
      [],
    )
  })

  function leadsSomewhere(page: string, target: string): boolean {
    const [path = '', anchor] = target.split('#')
    const file = path === '' ? join(root, page) : resolve(root, dirname(page), path)
    if (!existsSync(file)) return false
    if (anchor === undefined) return true
    const headings = [...readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
      anchorOf(title),
    )
    return headings.includes(anchor)
  }
})

/** As GitHub makes them. */
function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}

it('every page is linked from the README', () => {
  const readme = texts.get('README.md') ?? ''
  for (const page of pages.slice(1)) if (!readme.includes(`](${page})`)) expect(page).toBe('linked')
})

it('every npm script that is named exists', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const named = [...texts].flatMap(([page, text]) =>
    [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, script = '']) => ({ page, script })),
  )
  expect(named.length).toBeGreaterThan(3)
  expect(named.filter(({ script }) => !Object.hasOwn(scripts, script))).toEqual([])
})

describe('the command line', () => {
  const main = join(root, 'src', 'cli', 'main.ts')
  /** The help of each command; '' is the program's own. */
  const help = new Map<string, string>()

  beforeAll(async () => {
    help.set('', await helpOf())
    const commands = [...(help.get('') ?? '').matchAll(/^ {2}([a-z]+)[ |].*$/gm)].map(([, name = '']) => name)
    const listed = commands.filter((name) => !['help'].includes(name))
    const shown = await Promise.all(listed.map((name) => helpWithin(name)))
    for (const [index, name] of listed.entries()) help.set(name, shown[index] ?? '')
  })

  /** With that of its own commands, as of `keys rotate`. */
  async function helpWithin(name: string): Promise<string> {
    const own = await helpOf(name)
    const [, within = ''] = /^Commands:\n((?: .*\n)+)/m.exec(own) ?? []
    const names = [...within.matchAll(/^ {2}([a-z]+)\b/gm)].map(([, inner = '']) => inner)
    const inner = names.filter((found) => found !== 'help').map((found) => helpOf(name, found))
    return [own, ...(await Promise.all(inner))].join('\n')
  }

  function helpOf(...command: string[]): Promise<string> {
    return new Promise((done, fail) => {
      execFile(process.execPath, [main, ...command, '--help'], (error, stdout) =>
        error ? fail(error) : done(stdout),
      )
    })
  }

  const longOptions = (text: string) => new Set(text.match(/(?<![\w-])--[a-z][a-z-]*/g) ?? [])
  const page = texts.get('docs/cli.md') ?? ''
  const commandTable = [...page.matchAll(/^\| `([a-z]+)[^`]*` \|/gm)].map(([, name = '']) => name)

  it('has every command that docs/cli.md lists, and docs/cli.md lists every command', () => {
    expect(help.size).toBeGreaterThan(9)
    expect([...new Set(commandTable)].sort()).toEqual([...help.keys()].filter((name) => name !== '').sort())
  })

  it('has every option that docs/cli.md names', () => {
    const offered = longOptions([...help.values()].join('\n'))
    const named = [...longOptions(page)]
    expect(named.length).toBeGreaterThan(10)
    expect(named.filter((option) => !offered.has(option))).toEqual([])
  })

  it('takes every command line that a page shows, with its options', () => {
    const lines = [...texts].flatMap(([source, text]) => commandLines(text).map((line) => ({ source, line })))
    const wrong = lines.filter(({ line }) => {
      const [, command = ''] = /^toolgrant ([a-z]+)/.exec(line) ?? []
      const text = help.get(command)
      if (text === undefined) return true
      const known = longOptions(text)
      return [...longOptions(line)].some((option) => !known.has(option))
    })
    expect(lines.length).toBeGreaterThan(15)
    expect(wrong).toEqual([])
  })

  /** In shell blocks and in code spans, up to a comment. */
  function commandLines(text: string): string[] {
    const shell = blocksOf(text)
      .filter(({ language }) => language === 'sh')
      .flatMap((block) => block.text.split('\n'))
    const spans = [...text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/`([^`\n]+)`/g)].map(
      ([, span = '']) => span,
    )
    return [...shell, ...spans]
      .filter((line) => !line.startsWith('npm '))
      .flatMap((line) => /\btoolgrant [a-z-].*?(?=\s+#|[)|]|$)/.exec(line)?.[0] ?? [])
      .filter((line) => /^toolgrant (?!--)/.test(line))
  }
})

it('the pages of the doors name them as package.json does', () => {
  const { exports: doors } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const readme = texts.get('README.md') ?? ''
  for (const door of Object.keys(doors).filter((name) => !name.endsWith('.json')))
    expect(readme).toContain(`\`toolgrant${door.slice(1)}\``)
  for (const page of globSync('docs/*.md', { cwd: root }))
    expect(relative('docs', page)).toMatch(/^[a-z]+\.md$/)
})
