// Builds dist/: rolldown writes the modules, tsc the declarations.
// Each ES module costs half a millisecond of CPU to load, so everything that the root door loads is one file,
// which the other doors share: an error class is the same class behind every door. Names and lines stay readable.
// Runs as `prepare` too, so that `npm ci` leaves a checkout in which `npx .` works.
import { execFileSync } from 'node:child_process'
import { chmodSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

const root = fileURLToPath(new URL('..', import.meta.url))
const { exports: doors, bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** `./dist/oauth/index.js` -> `['oauth/index', '<root>/src/oauth/index.ts']`. */
function entryOf(file: string): [string, string] {
  const name = file.replace(/^(\.\/)?dist\//, '').replace(/\.js$/, '')
  return [name, join(root, 'src', `${name}.ts`)]
}

/** Every source file that a file loads at once, itself included; what is imported on demand is not. */
function loadedBy(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen
  seen.add(file)
  const code = readFileSync(file, 'utf8')
  for (const [, clause, specifier] of code.matchAll(/^(?:import|export)\s([^'";]*?)\s?from\s'(\.[^']+)'/gm)) {
    if (specifier !== undefined && !/^type\s/.test(clause ?? ''))
      loadedBy(resolve(dirname(file), specifier), seen)
  }
  return seen
}

const files: string[] = [
  ...Object.values<{ default?: string }>(doors).flatMap((door) => door.default ?? []),
  ...Object.values<string>(bin),
]
const core = loadedBy(join(root, 'src/index.ts'))

rmSync(join(root, 'dist'), { recursive: true, force: true })
await build({
  cwd: root,
  input: Object.fromEntries(files.map(entryOf)),
  platform: 'node',
  transform: { target: 'node22.18' },
  external: /^(?!\.|\/)/,
  output: {
    dir: 'dist',
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name]-[hash].js',
    comments: false, // the declarations keep them
    codeSplitting: { groups: [{ name: 'core', test: (id: string) => core.has(id) }] },
  },
  logLevel: 'warn',
})
const tsc = join(root, 'node_modules/typescript/bin/tsc')
execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' })
chmodSync(join(root, 'dist/cli/main.js'), 0o755)
