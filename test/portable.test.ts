// The portable core runs unchanged wherever there is fetch and Web Crypto: in what this machine has, and by what it imports.
// `npm run runtimes` does the same on the packed tarball in Node 22.18, 24 and 26, Deno, Bun and Chromium.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fillConsumer, smokeInChromium, smokeOn } from './portable/runtimes.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

describe('the smoke suite passes', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'toolgrant-portable-'))
    fillConsumer(folder, { installed: false })
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.each([
    ['this Node', process.execPath],
    ['Bun', join(root, 'node_modules', '.bin', 'bun')],
  ])('in %s', async (_, command) => {
    expect(existsSync(command)).toBe(true)
    expect(await smokeOn({ command }, folder)).toEqual(checks)
  })

  it('in Chromium', async () => {
    expect((await smokeInChromium(folder)).passed).toEqual(checks)
  })

  it('and a program that fails is a failure', async () => {
    const lying = smokeOn({ command: process.execPath, args: ['-e', 'process.exit(3)', '--'] }, folder)
    await expect(lying).rejects.toThrow(/ended with 3/)
  })
})

/** The names of smoke.mjs, so that none is dropped unseen. */
const checks = [
  ...readFileSync(join(root, 'test/portable/smoke.mjs'), 'utf8').matchAll(
    /^ {2}async (?:'([^']+)'|(\w+))\(/gm,
  ),
].map(([, quoted, plain]) => quoted ?? plain)

describe('the portable core', () => {
  const src = join(root, 'src')
  const core = [
    join(src, 'errors.ts'),
    ...['oauth', 'providers'].flatMap((folder) =>
      readdirSync(join(src, folder), { recursive: true, encoding: 'utf8' })
        .filter((file) => /(?<!\.test|\.contract)\.ts$/.test(file))
        .map((file) => join(src, folder, file)),
    ),
  ]
  const reached = withStaticImports(core)

  it('holds no node: import, no process, no Buffer, no global of Node', () => {
    expect(reached.size).toBeGreaterThan(50)
    expect([...reached.keys()].filter((file) => !/\/src\/(oauth|providers|errors)\b/.test(file))).toEqual([])
    const offences = [...reached].flatMap(([file, code]) =>
      [...code.matchAll(nodeOnly)].map(([found]) => `${relative(root, file)}: ${found.trim()}`),
    )
    expect(offences).toEqual([])
  })

  it('is loaded with nothing of Node by the root door, whose vault asks for Node when it is opened', () => {
    const rootDoor = withStaticImports([join(src, 'index.ts')])
    expect(rootDoor.size).toBeGreaterThan(75)
    const offences = [...rootDoor].flatMap(([file, code]) =>
      [...code.matchAll(/^import (?!type )[^;']* from 'node:[\w/]+'/gm)].map(
        ([found]) => `${relative(root, file)}: ${found}`,
      ),
    )
    expect(offences).toEqual([])
  })

  it.each([
    ["import fs from 'node:fs'\n", true],
    ["const { x } = await import('node:fs')\n", true],
    ["import { readFileSync } from 'fs'\n", true],
    ['process.env.X\n', true],
    ['globalThis.process\n', true],
    ["Buffer.from('x')\n", true],
    ["const text = 'the process is over'\n", false],
    ['setImmediate(run)\n', true],
    ["import type { X } from './buffer.ts'\n", false],
  ])('finds %j: %j', (code, found) => {
    expect([...withoutWords(code).matchAll(nodeOnly)].length > 0).toBe(found)
  })
})

/** Specifiers of Node's modules, and globals that only Node (or what imitates it) has. */
const nodeOnly =
  /(?:from|import\()\s*'(?:node:[\w/]+|(?:fs|path|os|crypto|http|https|net|tls|url|util|stream|buffer|events)(?:\/\w+)?)'|(?<![.\w$])(?:process|Buffer|__dirname|__filename|require|setImmediate|global)(?![\w$'-])|globalThis\.(?:process|Buffer)/g

/** Comments and texts out, specifiers kept. */
function withoutWords(code: string): string {
  return code
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(?<=^|\s)\/\/ .*$/gm, '')
    .replace(/(?<!from |import\()'(?:\\.|[^'\\\n])*'/g, "''")
    .replace(/`(?:\\.|[^`\\])*`/g, '``')
}

/** Files by their code, with everything that they import as values at once. */
function withStaticImports(files: readonly string[]): Map<string, string> {
  const reached = new Map<string, string>()
  const visit = (file: string) => {
    if (reached.has(file)) return
    const code = withoutWords(readFileSync(file, 'utf8'))
    reached.set(file, code)
    for (const [, clause = '', specifier = ''] of code.matchAll(
      /^(?:import|export)\s+([^'";]*?)\s*from '(\.[^']+)'/gm,
    ))
      if (!clause.startsWith('type ')) visit(resolve(dirname(file), specifier))
  }
  for (const file of files) visit(file)
  return reached
}
