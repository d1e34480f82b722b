// Builds dist/: esbuild writes the modules, tsc the declarations.
// Each ES module costs half a millisecond of CPU to load, so a door is bundled into a few files (shared ones are
// split out once, so that an error class is the same class behind every door). Names and lines stay readable.
// Runs as `prepare` too, so that `npm ci` leaves a checkout in which `npx .` works.
import { execFileSync } from 'node:child_process'
import { chmodSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const { exports: doors, bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** `./dist/oauth/index.js` -> `['oauth/index', 'src/oauth/index.ts']`. */
function entryOf(file: string): [string, string] {
  const name = file.replace('./dist/', '').replace(/^dist\//, '').replace(/\.js$/, '')
  return [name, join(root, 'src', `${name}.ts`)]
}

const files: string[] = [
  ...Object.values<{ default?: string }>(doors).flatMap((door) => door.default ?? []),
  ...Object.values<string>(bin),
]

rmSync(join(root, 'dist'), { recursive: true, force: true })
await build({
  absWorkingDir: root,
  entryPoints: Object.fromEntries(files.map(entryOf)),
  outdir: 'dist',
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'es2024',
  packages: 'external',
  legalComments: 'none',
  logLevel: 'warning',
})
const tsc = join(root, 'node_modules/typescript/bin/tsc')
execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' })
chmodSync(join(root, 'dist/cli/main.js'), 0o755)
