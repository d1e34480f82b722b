// The house rules that a machine can hold: who may import whom, what is published, what is documented.
import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const src = join(root, 'src')

/** Left to right: a file imports only from its left. */
const order = [
  'errors',
  'seal',
  'providers',
  'oauth',
  'config',
  'flows',
  'vault',
  'tools',
  'mcp',
  'gateway',
  'cli',
  'index',
]

/** Files that may name `node:` modules as values, because they are never loaded at the root door. */
const nodeFiles = [/^config\//, /^cli\//, /^testing\//, /^vault\/sqlite[^/]*\.ts$/, /^vault\/.*\.node\.ts$/]

/** Third-party packages, each at home in one folder. */
const homes: Record<string, string> = {
  oauth4webapi: 'oauth',
  jose: 'oauth',
  undici: 'config',
  uqr: 'cli',
  ajv: 'tools',
  'ajv-formats': 'tools',
  '@standard-schema/spec': 'tools',
  '@napi-rs/keyring': 'vault',
  pg: 'vault',
  selfsigned: 'flows',
  open: 'flows',
  'smol-toml': 'config',
  commander: 'cli',
  '@clack/prompts': 'cli',
}

interface Import {
  file: string
  specifier: string
  kind: 'static' | 'type' | 'dynamic'
}

function sources(folder = src): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !/\.(test|contract)\.ts$/.test(file))
}

function importsOf(file: string): Import[] {
  const code = readFileSync(file, 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
  const found: Import[] = []
  for (const [, keyword, clause, specifier] of code.matchAll(
    /^\s*(import|export)\s+((?:type\s+)?[^'"`;]*?from\s+|)['"]([^'"]+)['"]/gm,
  )) {
    if (keyword === undefined || clause === undefined || specifier === undefined) continue
    found.push({ file, specifier, kind: isTypeOnly(clause) ? 'type' : 'static' })
  }
  for (const [, specifier] of code.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)) {
    if (specifier === undefined) continue
    const typeQuery = new RegExp(`typeof import\\(\\s*['"]${specifier.replace(/[^\w]/g, '\\$&')}`).test(code)
    found.push({ file, specifier, kind: typeQuery ? 'type' : 'dynamic' })
  }
  return found
}

function isTypeOnly(clause: string): boolean {
  if (/^type\s/.test(clause)) return true
  const names = /\{([^}]*)\}/.exec(clause)?.[1]
  if (names === undefined || /^\s*\w/.test(clause)) return false
  return names.split(',').every((name) => name.trim() === '' || /^\s*type\s/.test(name))
}

function folderOf(file: string): string {
  return (
    relative(src, file)
      .split('/')[0]
      ?.replace(/\.tsx?$/, '') ?? ''
  )
}

const packageJson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const published = new Set(
  Object.values<{ default?: string }>(packageJson.exports)
    .map((entry) => entry.default?.replace('./dist/', '').replace(/\.js$/, '.ts'))
    .filter((file) => file !== undefined),
)
const all = sources().flatMap(importsOf)

describe('the import rule', () => {
  it('reads the sources', () => {
    expect(sources().length).toBeGreaterThan(40)
    expect(all.filter(({ kind }) => kind === 'static').length).toBeGreaterThan(100)
    expect(all.filter(({ kind }) => kind === 'dynamic').length).toBeGreaterThan(3)
  })

  it('lets a file import only from its left, through published files', () => {
    const offences: string[] = []
    for (const { file, specifier } of all.filter((found) => found.specifier.startsWith('.'))) {
      const target = resolve(dirname(file), specifier)
      const [from, to] = [folderOf(file), folderOf(target)]
      if (from === to && from !== '') continue
      const arrow = `${relative(root, file)} -> ${relative(root, target)}`
      if (from === 'testing') {
        if (to !== 'providers' && to !== 'errors')
          offences.push(`${arrow}: testing imports from providers only`)
      } else if (to === 'testing') {
        if (!/^cli\/demo/.test(relative(src, file))) offences.push(`${arrow}: only the demo imports testing`)
      } else if (order.indexOf(to) === -1 || order.indexOf(to) >= order.indexOf(from))
        offences.push(`${arrow}: ${to} is not left of ${from}`)
      if (!published.has(relative(src, target)))
        offences.push(`${arrow}: not published by package.json#exports`)
    }
    expect(offences).toEqual([])
  })

  it('keeps node: modules out of what the root door loads', () => {
    const builtins = new Set([...builtinModules, ...builtinModules.map((name) => `node:${name}`)])
    const offences = all
      .filter(
        ({ specifier, kind }) =>
          kind !== 'type' && (specifier.startsWith('node:') || builtins.has(specifier)),
      )
      .filter(({ file }) => !nodeFiles.some((pattern) => pattern.test(relative(src, file))))
      .map(({ file, specifier }) => `${relative(root, file)} imports ${specifier}`)
    expect(offences).toEqual([])
  })

  it('loads no third-party package at the root door', () => {
    const seen = new Set<string>()
    const packages = new Set<string>()
    const visit = (file: string) => {
      if (seen.has(file)) return
      seen.add(file)
      for (const { specifier, kind } of importsOf(file)) {
        if (kind !== 'static') continue
        if (specifier.startsWith('.')) visit(resolve(dirname(file), specifier))
        else packages.add(specifier)
      }
    }
    visit(join(src, 'index.ts'))
    expect(seen.size).toBeGreaterThan(20)
    expect([...packages]).toEqual([])
  })

  it('imports each third-party package in one folder only', () => {
    const offences = all
      .filter(({ specifier }) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
      .map(({ file, specifier }) => ({
        folder: folderOf(file),
        name: /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier,
      }))
      .filter(({ folder, name }) => homes[name] !== folder)
      .map(({ folder, name }) => `${folder} imports ${name} (home: ${homes[name] ?? 'none'})`)
    expect([...new Set(offences)]).toEqual([])
  })

  it('declares exactly the dependencies that are imported', () => {
    const names = new Set(
      all
        .map(({ specifier }) => specifier)
        .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
        .map((specifier) => /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0]),
    )
    expect(Object.keys(packageJson.dependencies).sort()).toEqual([...names].sort())
  })
})

describe('what is written', () => {
  it('documents every export', () => {
    const bare: string[] = []
    for (const file of sources()) {
      const lines = readFileSync(file, 'utf8').split('\n')
      lines.forEach((line, index) => {
        if (!/^export (?:declare |abstract |async )*(?:function|class|const|interface|type) \w/.test(line))
          return
        // Overloads share the comment of the first.
        const name = /(?:function|class|const|interface|type) (\w+)/.exec(line)?.[1]
        const above = lines[index - 1] ?? ''
        if (
          above.trimEnd().endsWith('*/') ||
          new RegExp(`^export (?:async )?function ${name}\\b`).test(above)
        )
          return
        bare.push(`${relative(root, file)}:${index + 1} ${name}`)
      })
    }
    expect(bare).toEqual([])
  })

  it('begins every file with what it is', () => {
    const bare = sources().filter((file) => !/^(#!.*\n)?(\/\/ |\/\*)/.test(readFileSync(file, 'utf8')))
    expect(bare.map((file) => relative(root, file))).toEqual([])
  })

  it('names each public export: no wildcard, no default', () => {
    const offences = sources().filter((file) => /^export (\*|default)/m.test(readFileSync(file, 'utf8')))
    expect(offences.map((file) => relative(root, file))).toEqual([])
  })

  it('closes the exports map: every door is a file, no wildcard', () => {
    const doors = Object.keys(packageJson.exports)
    expect(doors.filter((door) => door.includes('*'))).toEqual([])
    const files = sources().map((file) => relative(src, file))
    for (const file of published) expect(files).toContain(file)
  })

  it('keeps files under 400 lines, data aside, unless the reason stands at the top', () => {
    const long = sources()
      .map((file) => ({ file: relative(root, file), lines: readFileSync(file, 'utf8').split('\n') }))
      .filter(({ file, lines }) => lines.length > 400 && !/catalog/.test(file))
      .filter(({ lines }) => !/over 400 lines because/i.test(lines.slice(0, 8).join(' ')))
    expect(long.map(({ file, lines }) => `${file} ${lines.length}`)).toEqual([])
  })
})
